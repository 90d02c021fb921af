"""Class agreement: how often a critic trained on real patches only calls a generated defect what it was meant to be."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from defectgen.page.run import Run

CHUNK = 256  # patches in memory at a time


class Judge(Protocol):
    """What is asked of a critic."""

    def predict(self, patches: NDArray[np.float32], groups: Sequence[str]) -> NDArray[np.float32]:
        """patches (N, C, size, size) in [-1, 1] to the probability of each class, by who has not seen their groups."""
        ...


@dataclass(frozen=True)
class Agreement:
    """What the critic called the accepted defects, beside what it calls real ones it was not trained on.

    classes: "good" first, then the defect classes.
    confusion: (classes, classes) counts, rows the class that was planned, columns the class the critic called.
    real: class -> share of the real validation patches called by their class, where there are any.
    """

    classes: list[str]
    confusion: NDArray[np.int64]
    real: Mapping[str, float]

    @property
    def generated(self) -> dict[str, float]:
        """Class -> share of its accepted defects that the critic calls by it; classes without any are left out."""
        counted = [(number, int(row.sum())) for number, row in enumerate(self.confusion)]
        return {self.classes[i]: float(self.confusion[i, i] / count) for i, count in counted if count}

    @property
    def overall(self) -> float:
        """Mean over the classes that have accepted defects."""
        return float(np.mean([*self.generated.values()]))

    @property
    def real_overall(self) -> float | None:
        """The same mean for the real validation patches, over the same classes; None if one of them has no patches."""
        shares = [self.real.get(label) for label in self.generated]
        return None if None in shares else float(np.mean([share for share in shares if share is not None]))

    def figures(self) -> dict[str, Any]:
        """All of it as plain builtins."""
        return {
            "class_agreement": self.overall,
            "class_agreement_real": self.real_overall,
            "per_class": self.generated,
            "per_class_real": dict(self.real),
            "classes": self.classes,
            "confusion": self.confusion.tolist(),
        }


def judge(critic: Judge, run: Run, real: Mapping[str, float]) -> Agreement:
    """Ask the critic about every accepted defect."""
    rows, classes = run.accepted(), run.spec.classes
    confusion = np.zeros((len(classes), len(classes)), np.int64)
    for start in range(0, len(rows), CHUNK):
        chunk = rows.iloc[start : start + CHUNK]
        patches = np.stack([run.generated_patch(row) for _, row in chunk.iterrows()])
        said = critic.predict(patches, [run.donor_group(row) for _, row in chunk.iterrows()]).argmax(axis=1)
        np.add.at(confusion, ([run.spec.number(label) for label in chunk["label"]], said), 1)
    return Agreement(classes, confusion, real)
