"""Shards of a plan that are done: the table of a shard's attempts is written last and is its done-marker.

It is trusted only together with what it speaks of: all of the plan's rows, every picture there as it was written.
"""

from pathlib import Path

import pandas as pd

from defectgen.errors import UserError
from defectgen.imaging.files import pixel_hash
from defectgen.imaging.read import read_image, read_mask


def shard_path(out: Path, number: int) -> Path:
    """The table of a shard's attempts."""
    return out / f"shards/{number:05d}.parquet"


def is_drawn(out: Path, number: int, planned: pd.DataFrame) -> bool:
    """Whether a shard need not be drawn again; where its table is there and wrong, it says why."""
    path = shard_path(out, number)
    if not path.is_file():
        return False
    fault = _fault(out, path, planned)
    if fault:
        print(f"note: shard {number} is drawn again: {fault}", flush=True)
    return fault is None


def _fault(out: Path, path: Path, planned: pd.DataFrame) -> str | None:
    """What is wrong with a shard."""
    try:
        attempts = pd.read_parquet(path)
        for _, row in attempts[attempts["crop_path"] != ""].iterrows():
            crop, label = out / row["crop_path"], out / row["label_path"]
            if pixel_hash(read_image(crop)) != row["crop_sha256"]:
                return f"{crop} is not as it was drawn"
            if pixel_hash(read_mask(label)) != row["label_sha256"]:
                return f"{label} is not as it was drawn"
    except UserError as error:
        return str(error).partition(";")[0]
    except (OSError, ValueError, KeyError) as error:
        return f"{path} cannot be read ({' '.join(str(error).split())[:200]})"
    return None if set(attempts["plan_id"]) == set(planned["plan_id"]) else f"{path} is of another plan"
