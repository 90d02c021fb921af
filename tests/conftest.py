"""What tests share: one thread, and tiny drawn patches."""

import signal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

from defectgen.imaging.files import Mask, Pixels, write_image, write_mask
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, image_row, mask_row, table
from defectgen.spec import DataSpec

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it, and tests send it


class Exposure(NamedTuple):
    """One photograph that patches were cut from; `label` "good" shows no defect."""

    split: str
    label: str
    group: str
    source: str
    patches: int


EXPOSURES = [
    *[Exposure("train", "pit", "often", f"often-{number}", 3) for number in range(5)],
    Exposure("train", "pit", "once", "once-0", 1),
    Exposure("train", "pit", "twice", "twice-0", 4),
    Exposure("train", "pit", "twice", "twice-1", 1),
    Exposure("train", "scratch", "often", "often-0", 2),
    Exposure("train", "scratch", "lone", "lone-0", 1),
    Exposure("train", "good", "clean", "clean-0", 5),
    Exposure("val", "pit", "kept", "kept-0", 3),
    Exposure("val", "scratch", "held", "held-0", 2),
    Exposure("val", "good", "spare", "spare-0", 2),
    Exposure("test", "pit", "exam", "exam-0", 2),
]


@pytest.fixture(scope="session")
def spec() -> DataSpec:
    """Of the drawn patches."""
    return DataSpec(1, ["good", "pit", "scratch"], 0.3, 64, ["horizontal", "vertical"])


@pytest.fixture(scope="session")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """Grey 64 px patches: clean surface is bright, surface with a defect dark, every defect pixel far from both."""
    return draw_patches(tmp_path_factory.mktemp("patches"), EXPOSURES, channels=1)


@pytest.fixture(scope="session")
def colour_manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A few of the same in colour."""
    few = [exposure for exposure in EXPOSURES if exposure.group in ("once", "lone", "clean", "held")]
    return draw_patches(tmp_path_factory.mktemp("colour"), few, channels=3)


def draw_patches(folder: Path, exposures: list[Exposure], channels: int) -> Manifest:
    """Draw the patches of `exposures` and write their manifest."""
    images: list[Row] = []
    instances: list[Row] = []
    one_by_one = [exposure for exposure in exposures for _ in range(exposure.patches)]
    for number, exposure in enumerate(one_by_one):
        name, rng = f"{number * 7919 % 1000:03d}", np.random.default_rng(number)  # ids are in no order
        pixels, mask = _patch(exposure.label, channels, rng)
        path = f"images/{name}.png"
        write_image(folder / path, pixels)
        place = {"source_id": exposure.source, "x": 0, "y": 0, "side": 64}
        images.append(image_row(name, path, pixels, exposure.split, exposure.group) | place)
        if mask.any():
            path = f"masks/{name}.png"
            write_mask(folder / path, mask)
            instances.append(
                mask_row(name, name, exposure.label, path, mask) | {"donor_id": exposure.source, "at_edge": False}
            )
    manifest = Manifest(folder, table(images, IMAGES), table(instances, INSTANCES))
    manifest.save()
    return manifest


def _patch(label: str, channels: int, rng: np.random.Generator) -> tuple[Pixels, Mask]:
    """A picture and its mask: a dark pit or a bright scratch on fine grain."""
    y, x = np.mgrid[:64, :64] - rng.integers(12, 52, 2)[:, None, None]
    masks = {"pit": x**2 + y**2 <= rng.integers(3, 8) ** 2, "scratch": (abs(y - x // 3) <= 1) & (abs(x) < 12)}
    mask = masks.get(label, np.zeros((64, 64), bool))
    surface = {"good": 170.0}.get(label, 90.0) + rng.normal(0, 3, (64, 64, channels))
    surface[mask] += {"pit": -70, "scratch": 120}.get(label, 0)
    pixels = surface.astype(np.uint8)
    return pixels if channels == 3 else pixels[..., 0], mask
