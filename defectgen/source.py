"""The pictures seen by what draws new ones: clean pictures, real defects, and where on the part they lie."""

import cv2
import numpy as np
import pandas as pd

from defectgen.drawing.lookalike import lookalike
from defectgen.imaging.elastic import deform
from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.frame import Frame
from defectgen.imaging.place import warp_mask
from defectgen.imaging.read import read_mask
from defectgen.manifest import Manifest, make_seed

PLAN = "plan.parquet"  # the table of the plan stage


class Source:
    """A real manifest by id, or one joined with the healed pictures."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self.images = manifest.images.set_index("image_id", drop=False)
        self.instances = manifest.instances.set_index("instance_id", drop=False)
        self._last: tuple[str, Pixels] | None = None

    def pixels(self, image_id: str) -> Pixels:
        """A picture; asking for the same one again does not read it again."""
        if self._last is None or self._last[0] != image_id:
            self._last = (image_id, self.manifest.read(self.images.loc[image_id]))
        return self._last[1]

    def legal(self, image_id: str) -> Mask | None:
        """The legal region; None means the whole picture."""
        path = self.images.loc[image_id, "legal_path"]
        return read_mask(self.manifest.folder / path) if path else None

    def origin(self, image_id: str) -> str:
        """The real picture that a healed one was made of; of a real one itself."""
        return str(self.images.loc[image_id, "clean_id"]) or image_id

    def frame(self, image_id: str) -> Frame:
        """The part's own coordinates."""
        return Frame.of(self.legal(image_id), self.shape(image_id))

    def shape(self, image_id: str) -> tuple[int, int]:
        """Height and width of a picture."""
        row = self.images.loc[image_id]
        return int(row["height"]), int(row["width"])

    def clean(self, split: str) -> list[str]:
        """Ids of the pictures without a defect."""
        images = self.images[self.images["split"] == split]
        return sorted(set(images["image_id"]) - set(self.manifest.instances["image_id"]))

    def defects(self, split: str) -> pd.DataFrame:
        """The defects on a split's pictures, sorted by id."""
        mine = self.instances["image_id"].map(self.images["split"]) == split
        return self.instances[mine].sort_index()

    def defects_like(self, instance_id: str) -> Mask:
        """All defects of an instance's class on its picture: a region shows its neighbours too."""
        row = self.instances.loc[instance_id]
        alike = (self.instances["image_id"] == row["image_id"]) & (self.instances["label"] == row["label"])
        masks = [self.manifest.read_mask(other) for _, other in self.instances[alike].iterrows()]
        return np.logical_or.reduce(masks)

    def planned_shape(self, row: pd.Series) -> Mask:
        """The shape of a plan row at native size on its clean picture, (H, W).

        The donor's, or one drawn like it where `drawn` says so, elastically changed by the seed `elastic`; a row
        without these columns has its donor's shape as it is.
        """
        shape = self.manifest.read_mask(self.instances.loc[row["donor_id"]])
        affine = np.array(row["transform"], np.float64).reshape(2, 3)
        if row.get("drawn", False):
            shape = lookalike(shape, np.random.default_rng(make_seed(row["elastic"], "drawn")))
        if "elastic" in row:
            shape, margin = deform(shape, np.random.default_rng(int(row["elastic"])))
            affine[:, 2] -= affine[:, :2].sum(axis=1) * margin
        return warp_mask(shape, affine, self.shape(row["clean_id"]))

    def donated(self, row: pd.Series) -> Pixels:
        """The donor's picture carried onto a plan row's clean one, mirrored at its borders, of the clean one's size."""
        height, width = self.shape(row["clean_id"])
        pixels = self.pixels(self.instances.loc[row["donor_id"], "image_id"])
        affine = np.array(row["transform"], np.float64).reshape(2, 3)
        return cv2.warpAffine(pixels, affine, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
