"""COCO instances: `annotations.json` beside `images/`.

Written masks are compressed RLE, one annotation per component; pycocotools does the encoding, boxes and areas. Clean
pictures are kept as negatives. `iscrowd` is 0: many trainers drop the rest.
"""

import json
from pathlib import Path

import numpy as np
from pycocotools import mask as rle
from skimage.measure import label as components

from defectgen.formats.coco_json import FILE, IMAGES, read_annotations
from defectgen.formats.records import Listing, Reader, Writer
from defectgen.imaging.files import Mask, write_atomic, write_image
from defectgen.manifest import Manifest, Row


class Coco(Reader, Writer):
    """The instance segmentation layout of the COCO data set."""

    def recognises(self, root: Path) -> bool:
        return (root / FILE).is_file()

    def fill(self, listing: Listing) -> None:
        read_annotations(listing)

    def write(self, synthetic: Manifest, clean: Manifest, out: Path) -> None:
        labels = synthetic.labels()
        categories = [{"id": number, "name": name} for number, name in enumerate(labels, 1)]
        numbers = {category["name"]: category["id"] for category in categories}
        negatives = clean.images[
            (clean.images["split"] == "train") & ~clean.images["image_id"].isin(clean.instances["image_id"])
        ]
        images: list[Row] = []
        annotations: list[Row] = []
        defects = dict(list(synthetic.accepted().groupby("image_id")))
        drawn = synthetic.images[synthetic.images["image_id"].isin(defects)]  # another shows defects without a label
        for manifest, frame in ((synthetic, drawn), (clean, negatives)):
            for _, row in frame.iterrows():
                number = len(images) + 1
                name = f"{row['image_id']}.png"
                write_image(out / IMAGES / name, manifest.read(row))
                images.append({"id": number, "file_name": name, "width": row["width"], "height": row["height"]})
                for _, defect in defects.get(row["image_id"], synthetic.instances.iloc[:0]).iterrows():
                    for part in split_components(synthetic.read_mask(defect)):
                        annotations.append(
                            {"id": len(annotations) + 1, "image_id": number, **annotation(part)}
                            | {"category_id": numbers[defect["label"]], "instance_id": defect["instance_id"]}
                        )
        content = {"images": images, "annotations": annotations, "categories": categories}
        write_atomic(out / FILE, json.dumps(content).encode())


def split_components(mask: Mask) -> list[Mask]:
    """The 8-connected components of a mask, in scan order."""
    numbered = components(mask, connectivity=2)
    return [numbered == number for number in range(1, int(numbered.max()) + 1)]


def annotation(mask: Mask) -> Row:
    """Segmentation (compressed RLE), bbox [x, y, w, h] and area in pixels of one component."""
    encoded = rle.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {
        "segmentation": {"size": encoded["size"], "counts": encoded["counts"].decode()},
        "bbox": [float(value) for value in rle.toBbox(encoded)],
        "area": float(rle.area(encoded)),
        "iscrowd": 0,
    }
