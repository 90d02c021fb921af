"""What a person should do next, in the light of the figures: one piece of advice per kind of finding."""

from collections.abc import Iterator, Sequence

from defectgen.page.agreement import Agreement
from defectgen.page.funnel import Funnel

FEW_ACCEPTED = 0.5  # share of a class's planned defects
FEW_REAL = 10  # training defects of a class
FAR_BELOW_REAL = 0.2  # agreement on generated defects below that on real ones


def advice(funnels: Sequence[Funnel], agreement: Agreement, real_counts: dict[str, int]) -> Iterator[str]:
    """The first and the last hold for every data set; those between name the classes they are about."""
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
    yield (
        "Train your detector on your real training pictures with and without the exported ones, and compare both on "
        "real pictures that took no part here (split “test”)."
    )


def _yield(funnel: Funnel) -> str:
    reasons = ", ".join(f"{count} {reason}" for reason, count in funnel.reasons.most_common())
    return f"{funnel.label} {funnel.accepted} of {funnel.planned} (attempts: {reasons})"


def _is_unlike(label: str, agreement: Agreement) -> bool:
    drawn, real = agreement.generated.get(label), agreement.real.get(label)
    return drawn is not None and real is not None and drawn < real - FAR_BELOW_REAL


def _recognised(label: str, agreement: Agreement) -> str:
    return f"{label} {agreement.generated[label]:.0%} generated, {agreement.real[label]:.0%} real"
