"""How much the defects that arms add look like real ones, cut from their pictures by one rule for all arms."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from defectgen.quality.fidelity import COLUMNS, fidelity
from defectgen.quality.texture import Features
from defectgen.utility.arms import Arm
from defectgen.utility.types import UNKNOWN, Picture

Extractor = Callable[[NDArray[np.float32]], Features]  # patches (N, C, P, P) in [-1, 1] to features (N, F)
ANY = "any"  # the label of defects without a class, and of the real ones they are compared with


def likeness(
    arms: Sequence[Arm],
    real: Sequence[Picture],
    classes: Sequence[str],
    features: Mapping[str, Extractor],
    seed: int,
) -> pd.DataFrame:
    """The fidelity of every arm that adds defects, against the real training defects; a first column `arm`."""
    theirs = patches(real, classes)
    pooled = {ANY: np.concatenate([*theirs.values()])}
    tables = []
    for arm in arms:
        if ours := patches(arm.defects, classes):
            against = pooled if ANY in ours else theirs
            tables.append(fidelity(against, ours, features, seed).assign(arm=arm.name))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame(columns=["arm", *COLUMNS])
    return table[["arm", *COLUMNS]]


def patches(pictures: Sequence[Picture], classes: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Class -> the patches (N, C, 64, 64) of its defects, those without a class under ANY."""
    found: dict[str, list[NDArray[np.float32]]] = defaultdict(list)
    for picture in pictures:
        for number, patch in picture.patches:
            found[ANY if number == UNKNOWN else classes[number]].append(patch)
    return {label: np.stack(some) for label, some in found.items()}
