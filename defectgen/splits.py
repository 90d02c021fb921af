"""Which split each group of pictures belongs to: stratified by label, one group never in two splits.

Iterative stratification (Sechidis, Tsoumakas, Vlahavas 2011) with groups as the units: the rarest label first, each
of its groups to the split that still lacks most of it. The last groups go to splits that have none of the label yet,
whatever their share: a class that a split has never seen can be neither drawn nor judged there.
"""

from dataclasses import astuple, dataclass

import numpy as np
import pandas as pd

from defectgen.errors import UserError
from defectgen.manifest import SPLITS, make_seed


@dataclass(frozen=True)
class Fractions:
    """Share of pictures per split; they add up to 1."""

    train: float = 0.5
    val: float = 0.15
    test: float = 0.25
    reserve: float = 0.1

    def __post_init__(self) -> None:
        if not abs(sum(astuple(self)) - 1) <= 1e-6 or min(astuple(self)) < 0 or self.train <= 0:
            raise UserError(f"fractions: {astuple(self)} must be shares that add up to 1, train above 0")


def assign_splits(counts: pd.DataFrame, fractions: Fractions, seed: int) -> dict[str, str]:
    """Split of each group.

    counts: index = group, columns = labels, values = pictures (a group may hold several labels).
    """
    wanted = {split: share for split, share in zip(SPLITS, astuple(fractions), strict=True) if share > 0}
    lacking = {split: counts.sum() * share for split, share in wanted.items()}
    given = {split: counts.sum() * 0 for split in wanted}
    order = np.random.default_rng(seed).permutation(len(counts))
    waiting = counts.iloc[order].sort_index(key=lambda groups: -counts.loc[groups].sum(axis=1), kind="stable")
    assigned: dict[str, str] = {}
    while len(waiting):
        left = waiting.sum()
        label = left[left > 0].idxmin()
        groups = waiting[waiting[label] > 0]
        for done, (group, row) in enumerate(groups.iterrows()):
            bare = [split for split in wanted if given[split][label] == 0]
            open_to = bare if len(groups) - done <= len(bare) else wanted
            # Sums break ties, so a split that has had its share of everything else is not chosen first.
            split = max(open_to, key=lambda name: (lacking[name][label], lacking[name].sum()))
            assigned[str(group)] = split
            lacking[split] = lacking[split] - row
            given[split] = given[split] + row
        waiting = waiting[waiting[label] == 0]
    return assigned


def keep_shots(images: pd.DataFrame, instances: pd.DataFrame, shots: int, seed: int) -> pd.Series:
    """The splits once only so many training pictures of each class are left to learn from; "" means left out.

    Which ones follows from the seed and the pixels, and a larger number keeps those of a smaller one. A picture of
    several classes counts for each, so that a class may keep more. The other defective pictures go to the reserve,
    except where a picture of their group stays in training: then they are left out.
    """
    by_id = images.set_index("image_id")
    split, group = by_id["split"].copy(), by_id["group"]
    training = instances[instances["image_id"].map(split) == "train"]
    pixels = by_id["image_sha256"]
    order = sorted(training["image_id"].unique(), key=lambda image_id: make_seed(seed, "shots", pixels[image_id]))
    shown = training.groupby("image_id")["label"].agg(set)
    kept: list[str] = []
    for label in sorted(training["label"].unique()):
        kept += [image_id for image_id in order if label in shown[image_id]][:shots]
    spared = [image_id for image_id in order if image_id not in kept]
    stay = set(group[split == "train"].drop(spared))
    split[spared] = ["" if group[image_id] in stay else "reserve" for image_id in spared]
    return pd.Series(split.to_numpy(), images.index)


def merge_groups(groups: list[str], contents: list[str]) -> list[str]:
    """Groups joined wherever they share a content hash: exact duplicates are the same part.

    groups, contents: one entry per picture; returns the merged group's name per picture.
    """
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for group, content in zip(groups, contents, strict=True):
        # The smaller name wins, so that the result does not depend on the order of the pictures.
        first, second = sorted((root(f"group {group}"), root(f"pixels {content}")))
        parent[second] = first
    return [root(f"group {group}").removeprefix("group ") for group in groups]
