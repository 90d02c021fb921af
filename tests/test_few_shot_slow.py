"""A new class from four pictures: does it appear, and are the old classes still what they were?

An inpainter is trained on the other classes of PRODUCT; then the new one is taught to it from SHOTS pictures, with and
without `preserve`. Run by hand where `patch` has finished for PRODUCT; an hour of one quiet core the first time,
trainings that are there are kept. Prints a table and writes a sheet into data/few_shot:

    .venv/bin/python -m pytest -m slow -s tests/test_few_shot_slow.py
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from defectgen import tracking
from defectgen.diffusion.guide import ClassifierFree, Clip
from defectgen.diffusion.solve import DDPM
from defectgen.imaging.files import from_float, write_image
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.sheet import Rgb, sheet, to_rgb
from defectgen.learn.asked import Asked
from defectgen.learn.checkpoint import CHECKPOINT, CONFIG, Checkpoint, load_checkpoint
from defectgen.learn.data import spread
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.new_class import NEW as NEW_RATE
from defectgen.learn.new_class import REST as REST_RATE
from defectgen.learn.patches import Patches
from defectgen.manifest import GOOD, Manifest
from defectgen.markdown import tabulated
from defectgen.quality.fidelity import fidelity
from defectgen.quality.texture import texture_features
from defectgen.spec import DataSpec
from defectgen.stages.train import train

ROOT = Path(__file__).parents[1]
PRODUCT, SHOTS = "magnetic_tile", 4
NEW = ["blowhole", "crack", "break", "fray", "uneven"]  # the rates in new_class.py were found with the first three
PATCH, DATA = ROOT / "data/patch" / PRODUCT, ROOT / "data/few_shot"
BASE_STEPS, STEPS, PRESERVE = 1200, 400, 0.5
DRAWN, BATCH = 32, 16  # pictures of each class that are compared with the real ones, and in a network call
AFTER = ["preserved", "not preserved"]
SHOWN = 3  # of them on the sheet
MOST = 1.10  # an old class's distance after, over that before

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (PATCH / "spec.yaml").is_file(), reason=f"needs the finished stage patch of {PRODUCT}"),
]
Pictures = Mapping[str, NDArray[np.float32]]  # by class, (N, C, S, S) in [-1, 1]


@pytest.mark.parametrize("new", NEW)
def test_preserved_classes_stay_as_they_were_while_a_new_one_appears(new: str, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = DATA / new
    monkeypatch.setattr(tracking, "log_data_set", lambda *told: None)
    spec, whole = DataSpec.load(PATCH), Manifest.load(PATCH)
    old = [label for label in spec.classes if label != new]
    united, begun = replace(spec, classes=[*old, new]), folder / "base" / CHECKPOINT
    few = few_of(whole, new)
    networks = {
        "before": trained(
            folder / "base", whole, without_new(whole, new), replace(spec, classes=old), steps=BASE_STEPS
        ),
        "preserved": trained(
            folder / f"preserved_{NEW_RATE:g}_{REST_RATE:g}",
            whole,
            few,
            replace(spec, classes=[GOOD, new]),
            init_from=begun,
            preserve=PRESERVE,
        ),
        "not preserved": trained(folder / "not_preserved", whole, few, united, init_from=begun),
    }
    assert networks["preserved"].spec.classes == united.classes
    patches = Patches(whole, united, "train")
    real = {
        label: np.stack([patches.pictures[n] for n in patches.masks if patches.labels[n] == number])
        for number, label in enumerate(united.classes[1:], start=1)
    }
    drawn = {name: draw(network, patches, united) for name, network in networks.items()}
    write_image(folder / "sheet.png", shown(drawn, real))
    distances = pd.DataFrame({name: distance(real, pictures, old[1:], new) for name, pictures in drawn.items()})
    distances["real halves"] = distance(real, drawn["before"], old[1:], new, "real_value")
    changes = pd.DataFrame({name: change(drawn["before"], drawn[name], patches) for name in AFTER})
    text = told(distances, changes)
    (folder / "few_shot.md").write_text(f"{text}\n")
    print(f"\n{text}\n\n{folder}/sheet.png")
    before, after = distances["before"], distances["preserved"]
    assert (after.drop(new) <= MOST * before.drop(new)).all(), text
    assert after[new] < before[new], text
    assert (changes["preserved"].drop(new) < changes["not preserved"].drop(new)).all(), text


def without_new(whole: Manifest, new: str) -> list[str]:
    """The patches that show anything but the new class."""
    shows = whole.instances.set_index("image_id")["label"].reindex(whole.images["image_id"])
    return whole.images["image_id"][(shows != new).to_numpy()].tolist()


def few_of(whole: Manifest, new: str) -> list[str]:
    """The clean patches, and those cut from SHOTS training pictures of the new class, each of another tile."""
    patches = whole.images.merge(whole.instances[["image_id", "label"]], how="left")
    pictures = patches[(patches["label"] == new) & (patches["split"] == "train")].drop_duplicates("group")["source_id"]
    chosen = spread(sorted(pictures), SHOTS)
    taken = patches["label"].isna() | ((patches["label"] == new) & patches["source_id"].isin(chosen))
    return patches["image_id"][taken].tolist()


def trained(folder: Path, whole: Manifest, taken: Sequence[str], spec: DataSpec, **settings: Any) -> Checkpoint:
    """The inpainter of these patches; trained where it is not there yet."""
    if not (folder / CHECKPOINT / CONFIG).is_file():
        patches = folder.with_name(f"patch_{folder.name}")
        shutil.copytree(whole.folder, patches, dirs_exist_ok=True)
        images, instances = (table[table["image_id"].isin(taken)] for table in (whole.images, whole.instances))
        Manifest(patches, images, instances).save()
        spec.save(patches)
        train(folder, patches, 0, **{"steps": STEPS, "batch": BATCH} | settings)
    return load_checkpoint(folder / CHECKPOINT)


def draw(network: Checkpoint, patches: Patches, united: DataSpec) -> Pictures:
    """DRAWN real defects of each class drawn anew in their places, as `generate` draws by default.

    Always the same cases. To the network that does not know the new class its number means "not told".
    """
    levels, classes = network.schedule.trajectory(20), len(network.spec.classes)
    guides = [ClassifierFree(3.0), Clip()]
    inpainter = Inpainter(network.denoiser, levels, classes, DDPM(), guides, network.precision)
    drawn = {}
    for number, label in enumerate(united.classes[1:], start=1):
        places = places_of(patches, number)
        grounds = np.stack([patches.pictures[n] for n in places])
        regions = np.stack([grow(patches.masks[n], REACH) for n in places])
        asked = [Asked.only(number, one) for one in grounds]
        drawn[label] = inpainter.padded(grounds, regions, asked, places, BATCH)
    return drawn


def places_of(patches: Patches, number: int) -> Sequence[int]:
    """The patches of a class whose defects are drawn anew."""
    return spread([n for n in patches.masks if patches.labels[n] == number], DRAWN)


def distance(real: Pictures, drawn: Pictures, old: Sequence[str], new: str, column: str = "value") -> pd.Series:
    """Texture distance from the real patches, of each class and of the old ones together."""
    rows = []
    for labels in (old, [new]):
        pair = ({label: side[label] for label in labels} for side in (real, drawn))
        rows.append(fidelity(*pair, {"texture": texture_features}, seed=0))
    found = pd.concat(rows).query("figure == 'frechet_distance'").drop_duplicates("label").set_index("label")[column]
    return found.rename({"": "old classes together"})


def change(before: Pictures, after: Pictures, patches: Patches) -> pd.Series:
    """By how many grey levels of 255 the same places drawn with the same noise differ, on average within a region."""
    means = {}
    for number, label in enumerate(before, start=1):
        regions = np.stack([grow(patches.masks[n], REACH) for n in places_of(patches, number)])
        means[label] = float(127.5 * np.abs(after[label] - before[label]).mean(axis=1)[regions].mean())
    return pd.Series(means)


def told(distances: pd.DataFrame, changes: pd.DataFrame) -> str:
    """The table, in Markdown: distances, what they are of those before, and how much the pictures changed."""
    rows = []
    for label, row in distances.iterrows():
        ratios = [f"{row[name]:.2f} ({row[name] / row['before']:.2f} x)" for name in AFTER]
        moved = [f"{changes.loc[label, name]:.1f}" if label in changes.index else "" for name in AFTER]
        rows.append([str(label), f"{row['before']:.2f}", *ratios, f"{row['real halves']:.2f}", *moved])
    header = ["texture distance from real", "before", *AFTER, "of real halves", *(f"changed, {name}" for name in AFTER)]
    return tabulated(header, rows)


def shown(drawn: Mapping[str, Pictures], real: Pictures) -> Rgb:
    """A row for each class: the same cases drawn by each network, and real ones."""
    columns: dict[str, Pictures] = {**drawn, "real": real}
    rows = [
        [
            to_rgb(from_float(each, np.dtype(np.uint8)))
            for side in columns.values()
            for each in spread(side[label], SHOWN)
        ]
        for label in real
    ]
    return sheet(rows, list(real), [name if not n else "" for name in columns for n in range(SHOWN)], cell=128)
