"""evaluate: does the synthetic data help a detector? Every arm, every seed, real test pictures, one verdict."""

import hashlib
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pandas as pd
from jsonargparse.typing import NonNegativeInt, PositiveInt

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic, write_image
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import load_critic
from defectgen.manifest import Manifest, write_table
from defectgen.quality.inception import scripted_features
from defectgen.quality.texture import critic_features, texture_features
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.utility import charts
from defectgen.utility.arms import build, sheet_of
from defectgen.utility.classifier import ImageClassifier
from defectgen.utility.detector import Detector
from defectgen.utility.draws import MOST_ADDED
from defectgen.utility.likeness import Extractor, likeness
from defectgen.utility.measure import SHAM, TEST, UNTOUCHED, VAL, measure
from defectgen.utility.page import page
from defectgen.utility.pictures import load
from defectgen.utility.pools import Materials, seam_pairs
from defectgen.utility.segmenter import PixelSegmenter
from defectgen.utility.study import (
    BASELINE,
    DIFFERENCE_TABLE,
    FIDELITY_TABLE,
    FIGURE_TABLE,
    PAGE,
    PLAIN,
    SELECTED,
    Facts,
    Study,
)
from defectgen.utility.trials import Trials
from defectgen.utility.types import Picture
from defectgen.utility.verdict import Verdict, not_measured

PACKAGES = ("defectgen", "torch", "scikit-learn", "albumentations")
SHOWN = 32  # pictures on the sheet of an arm


def evaluate(
    out: Path,
    ingest: Path,
    patch: Path,
    critic: Path,
    plan: Path,
    generate: Path,
    seed: int,
    name: str,
    *,
    arms: list[str] = [PLAIN, BASELINE, "copy_paste", SELECTED],  # noqa: B006 - never changed
    detectors: Sequence[Detector] = (ImageClassifier(), PixelSegmenter()),
    seeds: NonNegativeInt = 2,
    size: PositiveInt = 160,
    ratios: list[float] = [0.25, 0.5],  # noqa: B006 - never changed
    replicates: PositiveInt = 1000,
    network: Path | None = None,
) -> str:
    """Train detectors with and without the synthetic data and judge them on real test pictures.

    Args:
        out: folder of the verdict, utility.md, the tables, charts, sheets and readings.
        ingest: folder of the real pictures.
        patch: folder of the DataSpec.
        critic: folder of the critic, whose features fidelity is measured by.
        plan: folder of the plan.
        generate: folder of the synthetic pictures.
        seed: of every draw, first weight and resampling.
        name: product.
        arms: what detectors are trained on; all are compared with `augmented`, the verdict is that on `selected`.
        detectors: what is trained; the first that tells the classes of pictures gives the verdict.
        seeds: trainings of each detector in each arm; 0 measures nothing.
        size: side of the pictures as detectors see them, in pixels.
        ratios: shares of synthetic defects among all defect draws to choose from on val, each at most 0.5.
        replicates: resamplings of an interval.
        network: a TorchScript network of yours, Inception say, whose features fidelity is measured by too.
    """
    _check(arms, detectors, ratios)
    spec, source = DataSpec.load(patch), Source(Manifest.load(ingest))
    if obstacle := _obstacle(source, seeds):
        return _conclude(out, not_measured(obstacle), [])
    start = time.perf_counter()
    generated, rows = Manifest.load(generate), pd.read_parquet(plan / PLAN)
    materials = Materials.of(source, generated, rows, spec, size, seed)
    built = build(arms, materials)
    for arm in built:
        if arm.added:
            write_image(out / "sheets" / f"{arm.name}.png", sheet_of(arm, SHOWN))
    train, val, test = (load(source, spec, split, size) for split in ("train", "val", "test"))
    real = [picture for picture in train if picture.picture_id not in materials.held]
    untouched, sham = seam_pairs(materials)
    spent = {"pictures": time.perf_counter() - start}
    shown = {VAL: val, TEST: test, SHAM: sham, UNTOUCHED: untouched}
    trials = Trials(out, replace(spec, size=size), real, shown, seed)
    measured = measure(trials, built, detectors, seeds, ratios, replicates, spec.classes)
    features: dict[str, Extractor] = {"texture": texture_features}
    features["critic"] = partial(critic_features, load_critic(critic / CHECKPOINT))
    if network:
        features[network.stem] = scripted_features(network)
    study = Study(
        facts=Facts(
            product=name,
            made=date.today(),
            commit=_commit(),
            versions={package: version(package) for package in PACKAGES},
            command=shlex.join(["defectgen", *sys.argv[1:]]),
            size=size,
            detectors={detector.name: detector.settings for detector in detectors},
            seeds=range(seeds),
            counts=_counts({"train": real, "val": val, "test": test}, spec.classes),
            chosen=measured.chosen,
            seam_pairs=len(sham),
            seconds=spent | {"trainings": measured.seconds},
        ),
        detector=measured.detector,
        classes=spec.classes,
        arms=built,
        figures=measured.figures,
        differences=measured.differences,
        fidelity=likeness(built, real, spec.classes, features, seed),
        verdict=measured.verdict,
        readings=measured.test,
    )
    write_table(out / FIGURE_TABLE, study.figures)
    write_table(out / DIFFERENCE_TABLE, study.differences)
    write_table(out / FIDELITY_TABLE, study.fidelity)
    charts.write(out / "charts", study, {picture.picture_id: picture for picture in test})
    write_atomic(out / PAGE, page(study).encode())
    _record(out, study)
    return _conclude(out, study.verdict, [study.figures, study.differences, study.fidelity])


def _check(arms: Sequence[str], detectors: Sequence[Detector], ratios: Sequence[float]) -> None:
    """Before the work of an hour begins."""
    for needed in (BASELINE, SELECTED):
        if needed not in arms:
            raise UserError(f"evaluate.arms: the verdict compares {SELECTED} with {BASELINE}; add {needed}")
    names = [detector.name for detector in detectors]
    if not names or len(set(names)) < len(names):
        raise UserError(f"evaluate.detectors: {names} must be different classes, at least one")
    if not ratios or not all(0 < ratio <= MOST_ADDED for ratio in ratios):
        raise UserError(f"evaluate.ratios: {list(ratios)} must be shares above 0, at most {MOST_ADDED}")


def _obstacle(source: Source, seeds: int) -> str:
    """Why nothing can be measured; empty where it can."""
    if not seeds:
        return "evaluate.seeds is 0"
    for split in ("train", "val", "test"):
        if source.defects(split).empty:
            return f"the split {split} has no defect"
        if not source.clean(split):
            return f"the split {split} has no good picture"
    return ""


def _commit() -> str:
    """The commit of a checkout of defectgen, with a mark where files differ from it; "" of an installed package."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def _counts(splits: Mapping[str, Sequence[Picture]], classes: Sequence[str]) -> pd.DataFrame:
    """Columns split, label, pictures, groups: the real pictures that were used."""
    rows = []
    for split, pictures in splits.items():
        for number, label in enumerate(classes):
            groups = [picture.group for picture in pictures if picture.named[number]]
            rows.append((split, label, len(groups), len(set(groups))))
    return pd.DataFrame(rows, columns=["split", "label", "pictures", "groups"])


def _record(out: Path, study: Study) -> None:
    """Tell the tracking: a nested run per arm and seed, and everything a person would open."""
    for (arm, seed), table in study.figures.groupby(["arm", "seed"], sort=False):
        with tracking.stage_run(f"{arm}, seed {seed}", {"arm": arm, "seed": seed}):
            named = zip(table["detector"], table["figure"], table["label"], table["value"], strict=True)
            tracking.log_metrics({"/".join(filter(None, name)): value for *name, value in named})
    for folder in ("sheets", "charts"):
        for path in sorted((out / folder).glob("*.png")):
            tracking.log_picture(path, f"{folder}/{path.stem}")
    tracking.log_artifact(out / PAGE)


def _conclude(out: Path, verdict: Verdict, tables: Sequence[pd.DataFrame]) -> str:
    """Write the verdict, say it, and return the digest of what the later stages read."""
    verdict.save(out)
    if verdict.overall:
        tracking.log_metrics({"difference": verdict.overall.difference})
        print(f"  look at {out / PAGE}")
    print(f"  {verdict.sentence}", flush=True)
    return hashlib.sha256("|".join([verdict.sentence, *(table.to_json() for table in tables)]).encode()).hexdigest()
