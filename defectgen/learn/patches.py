"""The patches of a product in memory, by class, part and exposure, and what can be told of each."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from defectgen.imaging.caption import GOOD_SURFACE, caption, tone_of
from defectgen.imaging.files import Mask, to_float
from defectgen.learn.asked import Asked, Picture, no_reference, reference_of
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec

Item = TypeVar("Item")


class Patches:
    """The patches of one split, decoded once and kept in memory (a few tens of megabytes)."""

    def __init__(self, manifest: Manifest, spec: DataSpec, split: str) -> None:
        images = manifest.images[manifest.images["split"] == split].sort_values("image_id")
        defects = manifest.instances.set_index("image_id")
        self.classes = spec.classes
        self.ids: list[str] = images["image_id"].tolist()
        self.pictures: list[NDArray[np.float32]] = []
        self.masks: dict[int, Mask] = {}
        self.at_edge: dict[int, bool] = {}
        self.labels: list[int] = []
        self.groups: list[str] = []
        self.good: list[int] = []
        # class -> group -> exposure -> patches: drawn in this order, so that no often-photographed part dominates
        self.tree: dict[int, dict[str, dict[str, list[int]]]] = defaultdict(lambda: defaultdict(dict))
        for number, (_, row) in enumerate(images.iterrows()):
            self.pictures.append(to_float(manifest.read(row)))
            self.groups.append(row["group"])
            if row["image_id"] not in defects.index:
                self.good.append(number)
                self.labels.append(0)
                continue
            defect = defects.loc[row["image_id"]]
            label = spec.number(defect["label"])
            self.masks[number] = manifest.read_mask(defect)
            self.at_edge[number] = bool(defect["at_edge"])
            self.labels.append(label)
            self.tree[label][row["group"]].setdefault(row["source_id"], []).append(number)

    def beside(self, other: "Patches") -> "Patches":
        """Itself, with the clean patches of another one."""
        first = len(self.pictures)
        self.ids += [other.ids[number] for number in other.good]
        self.pictures += [other.pictures[number] for number in other.good]
        self.labels += [0] * len(other.good)
        self.groups += [other.groups[number] for number in other.good]
        self.good += range(first, len(self.pictures))
        return self

    def draw_defect(self, rng: np.random.Generator) -> int:
        """A patch with a defect: the class uniformly, then the group, then the exposure, then the patch."""
        groups = self.tree[any_of(rng, sorted(self.tree))]
        return _of_any_exposure(rng, groups[any_of(rng, sorted(groups))])

    def draw_like(self, number: int, rng: np.random.Generator) -> int | None:
        """A patch of the class of patch `number` and of another part; None where there is none. Clean ones: any."""
        if number not in self.masks:
            return any_of(rng, self.good)
        groups = self.tree[self.labels[number]]
        others = sorted(groups.keys() - {self.groups[number]})
        return _of_any_exposure(rng, groups[any_of(rng, others)]) if others else None

    def tell(self, number: int, patch: Picture, mask: Mask, rng: np.random.Generator) -> Asked:
        """What is told of patch `number`, augmented to `patch` and `mask`; its example is another one, by lot."""
        like, reference = self.draw_like(number, rng), no_reference(patch)
        if like is not None:
            reference = reference_of(self.pictures[like], self.masks.get(like, np.zeros(patch.shape[1:], bool)))
        if number not in self.masks:
            return Asked(0, GOOD_SURFACE, reference)
        label = self.labels[number]
        text = caption(self.classes[label], mask, tone_of(patch, mask), self.at_edge[number])
        return Asked(label, text, reference)


def _of_any_exposure(rng: np.random.Generator, exposures: Mapping[str, Sequence[int]]) -> int:
    return any_of(rng, exposures[any_of(rng, sorted(exposures))])


def any_of(rng: np.random.Generator, items: Sequence[Item]) -> Item:
    """One of them by lot."""
    return items[int(rng.integers(len(items)))]
