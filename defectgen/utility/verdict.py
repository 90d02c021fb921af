"""The answer to "does it help my detector?", as it stands first in the report and in the exported data card.

It is the difference of the primary endpoint, on the test split, between the arm that trains on what `export` writes and
the same arm without it. Its interval covers what `bootstrap.py` resamples.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from defectgen.errors import BadInput
from defectgen.imaging.files import write_atomic

VERDICT = "verdict.json"
MARGIN = 0.02  # of the primary endpoint: a difference that would change nothing on the line
State = Literal["helps", "hurts", "no difference", "inconclusive"]


def verdict(low: float, high: float) -> State:
    """What the 95 % interval of a difference allows to say; one that could not be measured (nan) is inconclusive."""
    if low > 0:
        return "helps"
    if high < 0:
        return "hurts"
    if low >= -MARGIN and high <= MARGIN:
        return "no difference"
    return "inconclusive"


@dataclass(frozen=True)
class Effect:
    """A figure with and without the synthetic data, and the 95 % interval of the difference, where there is one."""

    value: float
    baseline_value: float
    difference: float
    low: float | None
    high: float | None

    @property
    def state(self) -> State:
        """The verdict on this figure."""
        return verdict(math.nan if self.low is None else self.low, math.nan if self.high is None else self.high)

    @property
    def words(self) -> str:
        """Both values, their difference and its interval."""
        interval = f"95 % interval {self.low:+.3f} to {self.high:+.3f}" if self.low is not None else "no interval"
        return f"{self.value:.3f} instead of {self.baseline_value:.3f} ({self.difference:+.3f}, {interval})"


@dataclass(frozen=True)
class Verdict:
    """Whether the synthetic data helps, overall and per defect class, or why that was not measured.

    overall: None if not measured, `reason` then says why. classes: those that test has defects of.
    seeds, pictures, groups: detector trainings per arm, test pictures and test parts the verdict stands on.
    """

    overall: Effect | None
    classes: dict[str, Effect] = field(default_factory=dict)
    seeds: int = 0
    pictures: int = 0
    groups: int = 0
    reason: str = ""

    @property
    def state(self) -> State | Literal["not measured"]:
        """The one word."""
        return "not measured" if self.overall is None else self.overall.state

    @property
    def sentence(self) -> str:
        """The verdict in one line for people."""
        if self.overall is None:
            return f"not measured: {self.reason}"
        basis = f"{_number(self.seeds, 'seed')}, {_number(self.groups, 'test part')}"
        return f"{self.state}: average precision {self.overall.words.removesuffix(')')}; {basis})"

    def save(self, folder: Path) -> None:
        """Write verdict.json into a folder."""
        content = asdict(self) | {"state": self.state, "sentence": self.sentence}
        write_atomic(folder / VERDICT, json.dumps(content, indent=2, allow_nan=False).encode())


def of_differences(differences: pd.DataFrame, detector: str, seeds: int, pictures: int, groups: int) -> Verdict:
    """The verdict on arm `selected` against `augmented`, from the rows of `bootstrap.differences`."""
    chosen = differences.query("arm == 'selected' and baseline == 'augmented' and figure == 'average_precision'")
    rows = chosen[chosen["detector"] == detector].set_index("label")
    effects = {str(label): _effect(row) for label, row in rows.iterrows() if math.isfinite(row["difference"])}
    if "" not in effects:
        return not_measured("the test split has no defect")
    return Verdict(effects.pop(""), effects, seeds, pictures, groups)


def not_measured(reason: str) -> Verdict:
    """The verdict of a study that could not be made."""
    return Verdict(overall=None, reason=reason)


def load(folder: Path) -> Verdict:
    """Read verdict.json of a folder.

    Raises:
        UserError: there is none, or it is damaged.
    """
    path = folder / VERDICT
    try:
        content = json.loads(path.read_text())
        return Verdict(
            overall=None if content["overall"] is None else _effect(content["overall"]),
            classes={label: _effect(effect) for label, effect in content["classes"].items()},
            **{name: content[name] for name in ("seeds", "pictures", "groups", "reason")},
        )
    except FileNotFoundError as error:
        raise BadInput(path, "there is no verdict", "run evaluate first") from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(path, f"is no verdict ({error!r})", "delete it and run evaluate again") from error


def _effect(row: Mapping[str, Any]) -> Effect:
    """From a row of the differences, where nan is missing, or from verdict.json, where null is."""
    ends = (None if row[end] is None or math.isnan(row[end]) else float(row[end]) for end in ("low", "high"))
    return Effect(float(row["value"]), float(row["baseline_value"]), float(row["difference"]), *ends)


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
