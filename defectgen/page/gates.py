"""The gates for the page: how strict each is, on what grounds, and how often it fired on this run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from defectgen.page.funnel import meaning


@dataclass(frozen=True)
class GateFacts:
    """One gate on this run.

    lowest, highest: its limits over the classes. real: training defects it was calibrated on; real_passed and
    controls_passed: share of them, and of clean surface repainted as good, that pass; None without any. scored:
    attempts it was asked about; fired: those it rejects, by itself or among others. by_class: class -> share it fired.
    """

    reason: str
    lowest: float
    highest: float
    real: int
    real_passed: float | None
    controls_passed: float | None
    scored: int
    fired: int
    by_class: dict[str, float]

    @property
    def limited(self) -> bool:
        """Whether any score is too low for it: nothing may have been known to calibrate it on."""
        return bool(np.isfinite(self.highest))

    @property
    def meaning(self) -> str:
        """What it demands."""
        return meaning(self.reason)


def gate_facts(calibration: pd.DataFrame, attempts: pd.DataFrame, labels: Sequence[str]) -> list[GateFacts]:
    """Of every gate, in their order.

    calibration: the limits as `Calibration.table` gives them, label "" being all classes together.
    """
    return [_facts(str(gate), limits, attempts, labels) for gate, limits in calibration.groupby("gate", sort=False)]


def silent(gates: Sequence[GateFacts]) -> list[str]:
    """Gates that no attempt of this run failed: as far as it shows they might as well not be there."""
    return [gate.reason for gate in gates if not gate.fired]


def _facts(gate: str, limits: pd.DataFrame, attempts: pd.DataFrame, labels: Sequence[str]) -> GateFacts:
    known = limits.set_index("label")
    pooled, classes = known.loc[""], known["limit"].reindex(list(labels)).fillna(known.loc["", "limit"])
    column = f"score_{gate}"
    asked = attempts[attempts[column].notna()] if column in attempts else attempts.iloc[:0]
    fired = asked[column] < asked["label"].map(classes) if len(asked) else pd.Series(dtype=bool)
    return GateFacts(
        gate,
        float(classes.min()),
        float(classes.max()),
        int(pooled["real"]),
        _share(pooled["real_passed"]),
        _share(pooled["controls_passed"]),
        len(asked),
        int(fired.sum()),
        fired.groupby(asked["label"]).mean().to_dict() if len(asked) else {},
    )


def _share(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
