"""Calibration: the limit of every gate and class, what real defects and controls make of it, and the judgement."""

from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from defectgen.errors import UserError
from defectgen.manifest import write_table
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Bound, Evidence, Gate
from defectgen.quality.gates.weights import Scores

POOLED = ""  # in place of a class: all of them, and the limit of a class that no real defect is known of


class Limit(NamedTuple):
    """What a class must reach in a gate, and who does.

    label: the class, or POOLED.
    limit: a score below it is rejected.
    real: number of the class's real defects that it was calibrated on, those without a label left out.
    real_passed: share of them that pass, score and limit as if their own group had never been seen; nan without any.
    controls: number of its good repaints.
    controls_passed: share of them that pass; nan without any.
    """

    gate: str
    label: str
    limit: float
    real: int
    real_passed: float
    controls: int
    controls_passed: float


@dataclass(frozen=True)
class Calibration:
    """Gates that know what they must, and their limits."""

    gates: Sequence[Gate]
    limits: Sequence[Limit]

    def judge(self, drawn: Drawn, early: bool = False) -> tuple[dict[str, float], list[str]]:
        """The scores by gate, and the gates that reject it, in their order; `early`: only those that need no detail."""
        scores = {gate.reason: gate.score(drawn) for gate in self.gates if not (early and gate.detailed)}
        return scores, [gate for gate, score in scores.items() if not score >= self.limit(gate, drawn.label_name)]

    def limit(self, gate: str, label: str) -> float:
        """Of a class; of one that no real defect is known of, the pooled one."""
        known = {each.label: each.limit for each in self.limits if each.gate == gate}
        return known.get(label, known[POOLED])

    def table(self) -> pd.DataFrame:
        """One row per gate and class, and one per gate for all classes; columns as in `Limit`."""
        return pd.DataFrame(self.limits, columns=Limit._fields)

    def save(self, path: Path) -> None:
        """Write the limits as parquet."""
        write_table(path, self.table())


def calibrate(gates: Sequence[Gate], evidence: Evidence) -> Calibration:
    """Limits from evidence; a gate that has one by hand keeps it. The gates themselves stay as they are.

    Raises:
        UserError: there is no real defect with a label, and a gate without a limit.
    """
    evidence = _visible(evidence)
    if not evidence.real and any(gate.limit is None for gate in gates):
        raise UserError(
            "generate.gates: no real defect of split train that can be told from clean surface to calibrate on; "
            "ingest some with their masks, or train longer"
        )
    prepared = _prepared(gates, evidence)
    return Calibration(prepared, [limit for gate in prepared for limit in _limits(gate, evidence)])


def _visible(evidence: Evidence) -> Evidence:
    """Without the real defects of which no label is left: a drawn one like them is rejected before any gate."""
    return replace(evidence, real=[real for real in evidence.real if real.label.any()])


def _prepared(gates: Sequence[Gate], evidence: Evidence) -> list[Gate]:
    """Copies that know what their scores depend on."""
    copies = [copy(gate) for gate in gates]
    for gate in copies:
        gate.prepare(evidence)
    return copies


def _limits(gate: Gate, evidence: Evidence) -> Iterator[Limit]:
    """One of each class with real defects, and the pooled one."""
    scores = gate.reference(evidence)
    bounds = gate.bounds(evidence, scores) if gate.limit is None else []
    real = _passed(gate, bounds, evidence.real, scores)
    good = _passed(gate, bounds, evidence.good, np.array([gate.score(control) for control in evidence.good]))
    for label in [*sorted({case.label_name for case in evidence.real}), POOLED]:
        mine, controls = (
            [passed for case, passed in judged if label in (case.label_name, POOLED)] for judged in (real, good)
        )
        limit = _limit(gate, bounds, label)
        yield Limit(gate.reason, label, limit, len(mine), _mean(mine), len(controls), _mean(controls))


def _passed(gate: Gate, bounds: Sequence[Bound], cases: Sequence[Drawn], scores: Scores) -> list[tuple[Drawn, bool]]:
    """Whether each case (N,) passes a limit that its own group had no part in."""
    return [
        (case, bool(score >= _limit(gate, bounds, case.label_name, case.group)))
        for case, score in zip(cases, scores, strict=True)
        if not np.isnan(score)
    ]


def _limit(gate: Gate, bounds: Sequence[Bound], label: str, without: str | None = None) -> float:
    if gate.limit is not None:
        return gate.limit
    return max(bound.limit(label, without) for bound in bounds)


def _mean(passed: Sequence[bool]) -> float:
    return float(np.mean(passed)) if passed else np.nan
