"""Select: from all attempts to the synthetic data set, in plan order."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from defectgen.imaging.files import Mask, Pixels, write_image, write_mask
from defectgen.imaging.read import read_image, read_mask
from defectgen.imaging.square import Square
from defectgen.manifest import IMAGES, Manifest, Row, image_row, mask_row, table
from defectgen.source import Source


def settle(attempts: pd.DataFrame, repeats: Callable[[pd.DataFrame], Sequence[bool]]) -> pd.DataFrame:
    """Of the accepted attempts at a row the one that changed most stays accepted; of those, in plan order, no repeat.

    repeats: which of some rows repeat an earlier one of them.
    """
    attempts = attempts.reset_index(drop=True)
    accepted = attempts[attempts["status"] == "accepted"].sort_values(["plan_id", "attempt"])
    ranked = accepted.sort_values("change", ascending=False, kind="stable")
    best = ranked.drop_duplicates("plan_id").sort_values("plan_id")
    attempts.loc[accepted.index.difference(best.index), ["status", "reason"]] = ["rejected", "outdone"]
    attempts.loc[best.index[np.array(repeats(best), bool)], ["status", "reason"]] = ["rejected", "duplicate"]
    return attempts


def select(out: Path, source: Source, attempts: pd.DataFrame) -> Manifest:
    """Assemble the pictures from the accepted attempts, one of a row (see `settle`); every attempt stays in the table.

    A picture none of whose defects passed is left out. `real_id` is the real picture under a synthetic one: `clean_id`
    itself or, where that was healed, the defective picture it was made of.
    """
    accepted = attempts[attempts["status"] == "accepted"]
    images: list[Row] = []
    masks: dict[str, Row] = {}
    for image_id, rows in accepted.sort_values("plan_id").groupby("image_id"):
        clean_id = rows["clean_id"].iloc[0]
        clean = source.pixels(clean_id)
        picture = clean.copy()
        for _, row in rows.iterrows():
            mask = _paste(out, clean, picture, row)
            path = f"masks/{row['instance_id']}.png"
            write_mask(out / path, mask)
            masks[row["instance_id"]] = mask_row(row["instance_id"], str(image_id), row["label"], path, mask)
        path, group = f"images/{image_id}.png", source.images.loc[clean_id, "group"]
        write_image(out / path, picture)
        row = image_row(str(image_id), path, picture, "train", group, clean_id)
        images.append(row | {"real_id": source.origin(clean_id)})
    instances = attempts.drop(columns=["x", "y"]).assign(region_x=attempts["x"], region_y=attempts["y"])
    boxes = [masks.get(row["instance_id"]) or _unused(row) for _, row in attempts.iterrows()]
    columns = ["mask_path", "mask_sha256", "x", "y", "w", "h"]
    instances[columns] = pd.DataFrame(boxes)[columns].to_numpy()
    instances = instances.astype(dict.fromkeys(("x", "y", "w", "h"), int))
    return Manifest(out, table(images, IMAGES), instances.sort_values(["plan_id", "attempt"], ignore_index=True))


def _paste(out: Path, clean: Pixels, picture: Pixels, row: pd.Series) -> Mask:
    """Copy what an attempt changed of the clean picture into the synthetic one; returns its full-size label."""
    square = Square(int(row["x"]), int(row["y"]), int(row["side"]))
    place, inside = square.inside(picture.shape)
    crop, label = read_image(out / row["crop_path"])[inside], read_mask(out / row["label_path"])[inside]
    picture[place] = np.where(crop != clean[place], crop, picture[place])
    mask = np.zeros(picture.shape[:2], bool)
    mask[place] = label
    return mask


def _unused(row: pd.Series) -> Row:
    """Box and mask of an attempt that is not used: its region, no mask."""
    side = int(row["side"])
    return {"mask_path": "", "mask_sha256": "", "x": int(row["x"]), "y": int(row["y"]), "w": side, "h": side}
