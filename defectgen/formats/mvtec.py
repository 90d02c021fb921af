"""MVTec AD: `train/good`, `test/good`, `test/<class>`, `ground_truth/<class>/<stem>_mask.png`.

Its own train/test split keeps every defect out of training, which is not what a generator needs: ingest splits anew.
"""

from pathlib import Path, PurePosixPath

from defectgen.formats.folders import MASKS, read_classes
from defectgen.formats.records import Listing, Reader, Writer
from defectgen.imaging.files import write_image, write_mask
from defectgen.manifest import GOOD, Manifest


class MVTec(Reader, Writer):
    """The layout of the MVTec anomaly detection data set."""

    def recognises(self, root: Path) -> bool:
        return (root / "train" / GOOD).is_dir()

    def fill(self, listing: Listing) -> None:
        # Defects stand under test as published, under train as written here.
        folders = [PurePosixPath(name) for name in listing.tree.folders]
        read_classes(listing, [str(folder) for folder in folders if str(folder.parent) in ("train", "test")])

    def write(self, synthetic: Manifest, clean: Manifest, out: Path) -> None:
        """`train/good` holds the clean training pictures, `train/<class>` the synthetic ones with their masks.

        A picture with defects of several classes stands under its first, with one mask for all of them.
        """
        defective = set(clean.instances["image_id"])
        for _, row in clean.images[clean.images["split"] == "train"].iterrows():
            if row["image_id"] not in defective:
                write_image(out / "train" / GOOD / f"{row['image_id']}.png", clean.read(row))
        images = synthetic.images.set_index("image_id", drop=False)
        for image_id, defects in synthetic.accepted().groupby("image_id"):
            masks = [synthetic.read_mask(row) for _, row in defects.iterrows()]
            label = defects["label"].iloc[0]
            write_image(out / "train" / label / f"{image_id}.png", synthetic.read(images.loc[image_id]))
            write_mask(out / MASKS / label / f"{image_id}_mask.png", sum(masks[1:], masks[0]))
