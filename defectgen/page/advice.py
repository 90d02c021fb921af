"""What a person should do next, in the light of the figures: one piece of advice per kind of finding."""

from collections.abc import Iterator, Sequence

from defectgen.page.agreement import Agreement
from defectgen.page.funnel import Funnel

FEW_ACCEPTED = 0.5  # share of a class's planned defects
FEW_REAL = 10  # training defects of a class
FAR_BELOW_REAL = 0.2  # agreement on generated defects below that on real ones
TRAINING = {
    "helps": (
        "Add the exported pictures to your real training defects, real ones being at least half of all defects your "
        "detector sees, and compare on real pictures that took no part here (split “test”)."
    ),
    "hurts": "Do not train with this data set: detectors did worse with it. Look at the mistakes above first.",
    "no difference": "Training with this data set is not worth its while: detectors did as well without it.",
    "inconclusive": (
        "Do not rely on this data set yet: more test parts (split “test”) or more seeds (evaluate.seeds) would narrow "
        "the interval."
    ),
    "not measured": (
        "Train your detector on your real training pictures with and without the exported ones, and compare both on "
        "real pictures that took no part here (split “test”)."
    ),
}


def advice(funnels: Sequence[Funnel], agreement: Agreement, real_counts: dict[str, int], state: str) -> Iterator[str]:
    """The first holds for every data set, the last follows from the state of the verdict; those between name the
    classes they are about."""
    yield "Look through the pictures below: does each defect look like one of yours, and does its outline fit?"
    if few := [_yield(funnel) for funnel in funnels if funnel.planned and funnel.shares["accepted"] < FEW_ACCEPTED]:
        yield (
            f"Few planned defects were accepted: {'; '.join(few)}. Train longer (train.inpaint.steps) or, where the "
            "rejected attempts below look right to you, loosen generate.gates."
        )
    if unlike := [_recognised(funnel.label, agreement) for funnel in funnels if _is_unlike(funnel.label, agreement)]:
        yield f"The critic recognises far fewer than of the real ones: {'; '.join(unlike)}. Look at these closely."
    counts = {funnel.label: real_counts.get(funnel.label, 0) for funnel in funnels}
    if rare := [f"{label} ({count})" for label, count in counts.items() if count < FEW_REAL]:
        yield f"More real training defects will help most here: {', '.join(rare)}."
    yield TRAINING[state]


def _yield(funnel: Funnel) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in funnel.reasons.most_common())
    return f"{funnel.label} {funnel.accepted} of {funnel.planned} (attempts: {reasons})"


def _is_unlike(label: str, agreement: Agreement) -> bool:
    drawn, real = agreement.generated.get(label), agreement.real.get(label)
    return drawn is not None and real is not None and drawn < real - FAR_BELOW_REAL


def _recognised(label: str, agreement: Agreement) -> str:
    return f"{label} {agreement.generated[label]:.0%} generated, {agreement.real[label]:.0%} real"
