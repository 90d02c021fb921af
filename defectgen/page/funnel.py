"""The funnel: what became of every planned defect, and of every attempt at one."""

import inspect
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from defectgen.quality.gates import Gate  # the package: all gates are known

NEVER_DRAWN = "never drawn"
_OTHER_DEMANDS = {
    "empty": "Something must have changed that can be told from the noise of repainting",
    "not finite": "The network must give numbers that are a picture",
    "outdone": "Another attempt at the same defect passed too and changed more (generate.best_of)",
    "duplicate": "It must not repeat a defect that was accepted before it",
}


@dataclass(frozen=True)
class Funnel:
    """Counts of one class, or of all: planned = accepted + rejected + failed.

    attempts: the accepted ones and those counted in `reasons`, which says why the others were not used.
    """

    label: str
    planned: int
    accepted: int
    rejected: int
    failed: int
    attempts: int
    reasons: Counter[str]

    @property
    def shares(self) -> dict[str, float]:
        """Share of the planned defects that ended accepted, rejected, failed, each in [0, 1]."""
        ends = {"accepted": self.accepted, "rejected": self.rejected, "failed": self.failed}
        return {end: count / max(1, self.planned) for end, count in ends.items()}


def funnels(plan: pd.DataFrame, attempts: pd.DataFrame, labels: Sequence[str]) -> list[Funnel]:
    """One funnel per class, in the order of the labels."""
    ends = _ends(plan, attempts)
    return [_funnel(label, ends[ends["label"] == label], attempts[attempts["label"] == label]) for label in labels]


def total(parts: Sequence[Funnel]) -> Funnel:
    """All classes as one."""
    planned, accepted, rejected, failed, attempts = (
        sum(getattr(part, name) for part in parts) for name in ("planned", "accepted", "rejected", "failed", "attempts")
    )
    return Funnel("all", planned, accepted, rejected, failed, attempts, sum((p.reasons for p in parts), Counter()))


def meaning(reason: str) -> str:
    """What an attempt fails that is rejected for a reason: the demand its gate makes; empty where nobody knows."""
    demands = {gate.reason: inspect.getdoc(gate) or "" for gate in Gate.__subclasses__()}
    return demands.get(reason, "").partition(":")[0] or _OTHER_DEMANDS.get(reason, "")


def _ends(plan: pd.DataFrame, attempts: pd.DataFrame) -> pd.DataFrame:
    """The plan rows with the status each ended with: accepted if any attempt was, else that of its last attempt."""
    ranked = attempts.assign(used=attempts["status"] == "accepted").sort_values(["used", "attempt"])
    last = ranked.drop_duplicates("plan_id", keep="last")[["plan_id", "status"]]
    ends = plan[["plan_id", "label"]].merge(last, on="plan_id", how="left")
    return ends.fillna({"status": NEVER_DRAWN})


def _funnel(label: str, ends: pd.DataFrame, attempts: pd.DataFrame) -> Funnel:
    ended = Counter(ends["status"])
    reasons = Counter(attempts.loc[attempts["status"] != "accepted", "reason"])
    failed = ended["failed"] + ended[NEVER_DRAWN]
    return Funnel(label, len(ends), ended["accepted"], ended["rejected"], failed, len(attempts), reasons)
