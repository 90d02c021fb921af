"""A product with large defects by hand: its pictures, and regions cut from them as `patch` would."""

from pathlib import Path

import numpy as np
from small import disc, picture, put_mask, put_picture

from defectgen.imaging.files import Mask, Pixels, write_image, write_mask
from defectgen.imaging.square import Square, shrink, shrink_mask
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, image_row, mask_row, table
from defectgen.spec import DataSpec

SHAPE = (200, 220)
CLASSES = ["good", "pit", "scratch"]
DEFECTS: dict[str, tuple[str, str, Mask]] = {  # picture -> split, label, mask
    "pitted": ("train", "pit", disc(90, 80, 30, SHAPE)),
    "scratched": ("train", "scratch", disc(75, 60, 12, SHAPE)),
    "held": ("val", "pit", disc(110, 90, 25, SHAPE)),
}
CUTS = [  # picture, side
    *(("pitted", side) for side in (64, 127, 128, 150, 170, 180)),
    *(("scratched", side) for side in (64, 140)),
    *(("clean", side) for side in (64, 127, 128, 160)),
    *(("held", side) for side in (100, 160)),
]


def surface(name: str, mask: Mask, channels: int = 1, depth: int = 8) -> Pixels:
    """Grain that is bright where the picture is clean, darker where it has a defect, and black in the defect."""
    grain = 0.1 * picture(len(name), SHAPE, channels, depth).astype(np.float64)
    level = np.where(mask, 0, {"clean": 0.7, "spare": 0.7}.get(name, 0.4)) * (2**depth - 1)
    return (grain + (level if channels == 1 else level[..., None])).astype(np.uint8 if depth == 8 else np.uint16)


def write_product(root: Path, largest: int = 1000, channels: int = 1) -> DataSpec:
    """Write `ingest` and `patch` below root, of CUTS those up to this side; the spec of the patches."""
    ingest, patch = root / "ingest", root / "patch"
    pixels = {name: surface(name, mask, channels) for name, (_, _, mask) in DEFECTS.items()}
    pixels["clean"] = surface("clean", np.zeros(SHAPE, bool), channels)
    splits = {name: split for name, (split, _, _) in DEFECTS.items()}
    images = [put_picture(ingest, name, each, splits.get(name, "train")) for name, each in pixels.items()]
    instances = [put_mask(ingest, f"{name}-0", name, label, mask) for name, (_, label, mask) in DEFECTS.items()]
    Manifest(ingest, table([row | {"legal_path": ""} for row in images], IMAGES), table(instances, INSTANCES)).save()
    regions: list[Row] = []
    defects: list[Row] = []
    for name, side in CUTS:
        if side > largest:
            continue
        square, patch_id = Square(30, 15, side), f"{name}-{side}"
        small = shrink(square.cut(pixels[name]), 64)
        write_image(patch / f"images/{patch_id}.png", small)
        row = image_row(patch_id, f"images/{patch_id}.png", small, splits.get(name, "train"), name)
        regions.append(row | {"source_id": name, "x": square.x, "y": square.y, "side": side})
        if name in DEFECTS:
            mask = shrink_mask(square.cut(DEFECTS[name][2]), 64)
            write_mask(patch / f"masks/{patch_id}.png", mask)
            defect = mask_row(patch_id, patch_id, DEFECTS[name][1], f"masks/{patch_id}.png", mask)
            defects.append(defect | {"donor_id": f"{name}-0"})
    Manifest(patch, table(regions, IMAGES), table(defects, INSTANCES)).save()
    spec = DataSpec(channels, CLASSES, 0.3, 64, ["vertical"])
    spec.save(patch)
    return spec
