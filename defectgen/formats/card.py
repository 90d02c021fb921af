"""DATASET_CARD.md: what an exported data set is, whether it helps, where it comes from, how to use it."""

from defectgen.manifest import SPLITS, Manifest
from defectgen.markdown import plain, tabulated
from defectgen.utility.verdict import Verdict

FILE = "DATASET_CARD.md"
MEANING = {
    "helps": "Detectors trained with this data set recognised the real defects of unseen parts better.",
    "hurts": "Detectors trained with this data set did worse than without it: do not train with it.",
    "no difference": "Detectors trained with this data set did as well as without it.",
    "inconclusive": "The study cannot tell whether this data set helps: its interval is too wide.",
    "not measured": "Nobody knows whether this data set helps: compare detectors with and without it first.",
}
MEASURED = """ Measured on real pictures of parts that took no part in training (split test), against the same detector
with standard augmentation. The figure is average precision, over all the mean over the classes."""
CARD = """# Data set card

**Verdict: {sentence}**

{meaning}

## Class by class

{classes}

## What it is

{pictures} synthetic pictures with {defects} labelled defects, and {clean} clean pictures; no real defect is in it. Each
synthetic picture is one of your clean training pictures into which a small network, trained on your masked defects
alone, drew defects. Outside them every pixel is that of the clean picture. A mask shows what really changed. The
formats lie side by side and hold the same: {formats}.

## Splits

All of it is for training. Only real pictures of the split train were used to make it. The real data by split:

{splits}

## Where each picture comes from

A synthetic picture is called by its `image_id`. In `images.parquet` of the stage generate, `clean_id` names the clean
picture under it and `real_id` the real one that is: the same, or the defective picture that was healed for it. In
`instances.parquet` there, each defect has its `donor_id` (the real defect that lent its shape), `transform` and box,
`seed`, `attempt` and `plan_id`; `checkpoint` names the network's weights: {checkpoints}.

## How to use it

- Add it to your real training defects; of all defects a detector sees, at least half should be real ones.
- Choose thresholds and the synthetic share on real pictures (split val), and test on real pictures only (split test).
- Never test on synthetic pictures, and never put any of these clean pictures into a test.

## Limits

- It holds only classes and shapes like those of your real training defects; a kind you have no mask of is not in it.
- The verdict is of the detectors, the test parts and the generator of this run. Yours may do otherwise: compare.
- Gates checked each defect one by one; nobody need have looked at them. Look through some before you rely on them.

## Licence

The clean pictures in it are yours, under your own terms, and so is what was drawn on them: the network's weights come
from your pictures alone. No third-party pictures or weights went into it.
"""


def card(synthetic: Manifest, real: Manifest, verdict: Verdict, formats: list[str]) -> str:
    """The card as Markdown; it names no folder, so that equal data sets have equal cards."""
    drawn = synthetic.accepted()
    clean = real.images[(real.images["split"] == "train") & ~real.images["image_id"].isin(real.instances["image_id"])]
    return CARD.format(
        sentence=plain(verdict.sentence),
        meaning=MEANING[verdict.state] + (MEASURED if verdict.overall else ""),
        classes=_classes(synthetic, real, verdict),
        pictures=drawn["image_id"].nunique(),
        defects=len(drawn),
        clean=len(clean),
        formats=", ".join(f"`{name}/`" for name in sorted(formats)),
        splits=_splits(real),
        checkpoints=", ".join(f"`{name}`" for name in sorted(set(drawn.get("checkpoint", [])))) or "–",
    )


def _classes(synthetic: Manifest, real: Manifest, verdict: Verdict) -> str:
    """What the study says of each class, and how many defects there are."""
    drawn, split = synthetic.accepted(), real.images.set_index("image_id")["split"]
    trained = real.instances[real.instances["image_id"].map(split) == "train"]["label"].value_counts()
    rows = []
    for label in sorted({*drawn["label"], *trained.index}):
        mine, effect = drawn[drawn["label"] == label], verdict.classes.get(label)
        told = [effect.state, effect.words] if effect else ["not measured", "–"]
        counts = [mine["image_id"].nunique(), len(mine), int(trained.get(label, 0))]
        rows.append([plain(label), *map(str, counts), *told])
    header = [
        "class",
        "synthetic pictures",
        "synthetic defects",
        "real training defects",
        "verdict",
        "average precision",
    ]
    return tabulated(header, rows)


def _splits(real: Manifest) -> str:
    """Real pictures and defects of every split."""
    rows = []
    for split in SPLITS:
        images = real.images[real.images["split"] == split]
        defects = real.instances["image_id"].isin(images["image_id"]).sum()
        rows.append([split, str(len(images)), str(images["group"].nunique()), str(defects)])
    return tabulated(["split", "pictures", "groups", "defects"], rows)
