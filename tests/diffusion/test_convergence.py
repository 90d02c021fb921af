"""How fast the solvers converge, on pixels whose denoiser is known exactly.

The fast tests guard every deterministic solver's order. The study, run by hand (three minutes), measures every
solver and its counterpart in `diffusers` over the same levels and writes reports/solvers.md and reports/solvers.png:

    .venv/bin/python -m pytest -m slow tests/diffusion/test_convergence.py
"""

import pytest
from convergence import (
    CONTENDERS,
    DETERMINISTIC,
    ORDERS,
    Contender,
    curves,
    distance,
    flow_error,
    order,
    walk_ours,
)
from solver_report import draw, write

from defectgen.diffusion.noise import Cosine, Karras


@pytest.mark.parametrize("contender", DETERMINISTIC, ids=lambda contender: contender.name)
def test_deterministic_solvers_have_their_order(contender: Contender) -> None:
    assert order(contender, Karras(), 80) == pytest.approx(ORDERS[contender.name], abs=0.15)
    assert order(contender, Cosine(), 80) > 0.8 * ORDERS[contender.name], "its low levels lie far apart"


@pytest.mark.parametrize("contender", DETERMINISTIC, ids=lambda contender: contender.name)
def test_one_call_a_step_and_two_for_heun(contender: Contender) -> None:
    calls = flow_error(walk_ours, contender, Karras().trajectory(10)).calls
    assert calls == (19 if contender.name == "Heun" else 10)


def test_the_flow_takes_quantiles_to_quantiles() -> None:
    """Heun's many small steps, which know nothing of quantiles, end there."""
    walked = flow_error(walk_ours, DETERMINISTIC[2], Karras(lowest=1e-4).trajectory(500))
    assert walked.error < 0.02


@pytest.mark.slow
def test_study() -> None:
    """Measures, writes the report, and asserts what its words rest on."""
    flow, spread = curves(flow_error, DETERMINISTIC), curves(distance, CONTENDERS)
    draw(flow, spread)
    write(flow, spread)
    for contender in DETERMINISTIC:
        assert order(contender, Karras(), 160) == pytest.approx(ORDERS[contender.name], abs=0.05)
    for measured in (flow, spread):
        for (schedule, name, side), points in measured.items():
            errors = [point.error for point in points]
            assert errors[-1] < errors[2] / 2, f"{name} ({side}) does not converge on {schedule} levels"
            if name != "Euler, churn":
                ours = [point.error for point in measured[schedule, name, "ours"]]
                assert errors == pytest.approx(ours, rel=1e-3, abs=0.02), f"{name} differs on {schedule} levels"
    at = {name: [point.error for point in flow["Karras", name, "ours"]] for name in ORDERS}
    assert all(quick < plain for quick, plain in zip(at["DPMSolver2M"], at["DDIM(0)"], strict=True))
    assert at["Heun"][2] > at["DDIM(0)"][2] and at["Heun"][3] < at["DDIM(0)"][3], "Heun pays from 40 calls on"
