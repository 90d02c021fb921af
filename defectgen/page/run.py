"""Everything of one product that the page shows, loaded once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.imaging.files import to_float
from defectgen.imaging.square import Square, shrink
from defectgen.joined import with_healed
from defectgen.manifest import Manifest
from defectgen.source import Source
from defectgen.spec import DataSpec


@dataclass(frozen=True)
class Run:
    """The real (with healed) and the synthetic pictures of a product, the training patches, the plan.

    folders: key of a step ("ingest", "inpaint", ...) -> its folder, in the order of the pipeline.
    """

    name: str
    folders: Mapping[str, Path]
    real: Source
    drawn: Source
    patches: Manifest
    spec: DataSpec
    plan: pd.DataFrame

    @classmethod
    def load(cls, name: str, folders: Mapping[str, Path], plan: pd.DataFrame) -> "Run":
        """Read the other tables; pictures are read when they are shown."""
        return cls(
            name,
            folders,
            Source(with_healed(folders["ingest"], folders.get("heal"))),
            Source(Manifest.load(folders["generate"])),
            Manifest.load(folders["patch"]),
            DataSpec.load(folders["patch"]),
            plan,
        )

    @property
    def labels(self) -> list[str]:
        """The defect classes, in the order of their numbers."""
        return self.spec.classes[1:]

    def accepted(self) -> pd.DataFrame:
        """The synthetic defects, those of one picture together."""
        return self.drawn.manifest.accepted().sort_values(["image_id", "instance_id"], ignore_index=True)

    def donor_group(self, row: pd.Series) -> str:
        """The part that shows the real defect in whose shape a synthetic one was drawn."""
        return str(self.real.images.loc[self.real.instances.loc[row["donor_id"], "image_id"], "group"])

    def generated_patch(self, row: pd.Series) -> NDArray[np.float32]:
        """A synthetic defect as the networks see one, (C, size, size) in [-1, 1]."""
        return to_float(shrink(square_of(row).cut(self.drawn.pixels(row["image_id"])), self.spec.size))


def square_of(row: pd.Series) -> Square:
    """The native square an attempt was drawn in."""
    return Square(int(row["region_x"]), int(row["region_y"]), int(row["side"]))
