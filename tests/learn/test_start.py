"""Starts: a defect that is shown comes back, varies by as much as is walked, and whatever its batch mates do."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from oracles import condition

from defectgen.diffusion.denoise import EDM, Denoiser
from defectgen.diffusion.guide import ClassifierFree
from defectgen.diffusion.noise import Karras
from defectgen.diffusion.sample import resampling, seeded
from defectgen.diffusion.solve import DDIM, DDPM, DPMSolver2M, Heun, Solver
from defectgen.learn.asked import Asked
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.start import Donor, Noise, Start
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

SPEC = DataSpec(1, ["good", "pit", "scratch"], 0.3, 16)
TRAJECTORY = Karras(lowest=0.02, highest=40).trajectory(12)
REGIONS = np.zeros((3, 16, 16), bool)
REGIONS[:, 4:12, 5:13] = True
SHOWN = (0.2 * np.random.default_rng(0).standard_normal((3, 1, 16, 16))).clip(-1, 1).astype(np.float32)
SEEDS = [7, 8, 9]
ROUNDING = 0.5 / 127.5  # half a step of 8 bits


def each(label: int) -> list[Asked]:
    return [Asked.only(label, shown) for shown in SHOWN]


def inpainter(start: Start, solver: Solver = DDPM(), scale: float = 1.0) -> Inpainter:  # noqa: B008 - stateless
    """A network that answers a little differently to each class."""
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(SPEC, width=8, multipliers=(1,), attention=()), EDM(), SPEC.sigma_data)
    for name, parameter in denoiser.named_parameters():
        parameter.data += (1.0 if "label" in name else 0.05) * torch.randn_like(parameter)
    return Inpainter(denoiser, TRAJECTORY, len(SPEC.classes), solver, [ClassifierFree(scale)], start=start)


def drawn(start: Start, label: int, shows: int | None = 1, solver: Solver = DDPM()) -> NDArray[np.float32]:  # noqa: B008
    return inpainter(start, solver)(SHOWN, REGIONS, each(label), SEEDS, None if shows is None else each(shows))


@pytest.mark.parametrize("solver", [DDPM(), DDPM(large=1), DDIM()], ids=["DDPM", "larger variance", "DDIM"])
@pytest.mark.parametrize("share", [0.01, 0.5, 1.0])
def test_as_what_it_is_a_defect_comes_back(solver: Solver, share: float) -> None:
    np.testing.assert_allclose(drawn(Donor(share), 1, solver=solver), SHOWN, atol=ROUNDING)


@pytest.mark.parametrize("solver", [DDPM(), DDIM()], ids=["DDPM", "DDIM"])
def test_as_another_class_it_changes_more_the_more_is_walked_and_outside_the_region_never(solver: Solver) -> None:
    changes = [np.abs(drawn(Donor(share), 2, solver=solver) - SHOWN) for share in (0.2, 0.5)]
    means = [float(change[:, 0][REGIONS].mean()) for change in changes]
    assert ROUNDING < means[0] < means[1]
    assert not any(change[:, 0][~REGIONS].any() for change in changes)


def test_guides_change_it_too() -> None:
    """Or the planned class, which is the donor's as a rule, would give the donor itself."""
    guided = inpainter(Donor(0.5), scale=3.0)(SHOWN, REGIONS, each(1), SEEDS, each(1))
    assert np.abs(guided - SHOWN)[:, 0][REGIONS].mean() > ROUNDING


def test_the_share_is_told_in_steps_of_the_trajectory() -> None:
    """With 12 steps a quarter is three, whose highest level is the fourth from the end."""
    walk = Donor(0.25)(*asked(DDPM()))
    assert torch.equal(walk.trajectory, TRAJECTORY[-4:])


def asked(solver: Solver) -> tuple:
    picture, region = torch.from_numpy(SHOWN), torch.from_numpy(REGIONS[:, None].astype(np.float32))
    cond = condition(picture, region, dropped=len(SPEC.classes))
    return inpainter(Noise()).denoiser, solver, TRAJECTORY, picture, cond, seeded(SEEDS, (1, 16, 16))


@pytest.mark.parametrize("start", [Noise(), Donor(0.5)], ids=["noise", "donor"])
def test_a_picture_does_not_depend_on_its_batch_mates(start: Start) -> None:
    together = drawn(start, 2)
    network = inpainter(start)
    for number in range(3):
        one = slice(number, number + 1)
        alone = network(SHOWN[one], REGIONS[one], each(2)[one], SEEDS[one], each(1)[one])
        np.testing.assert_allclose(alone, together[one], atol=1e-5)


def test_where_nothing_is_shown_to_begin_from_it_begins_from_noise() -> None:
    np.testing.assert_array_equal(drawn(Donor(0.5), 2, shows=None), drawn(Noise(), 2))


@pytest.mark.parametrize("solver", [Heun(), DPMSolver2M(), DDIM(eta=0.5)])
def test_a_solver_whose_steps_nobody_can_undo_is_refused(solver: Solver) -> None:
    with pytest.raises(ValueError, match=f"steps of {type(solver).__name__}; take DDPM, or DDIM with eta 0"):
        Donor().check(solver, TRAJECTORY)
    Noise().check(solver, TRAJECTORY)


def test_a_walk_that_goes_up_again_is_refused() -> None:
    with pytest.raises(ValueError, match="leave repeats at 1"):
        Donor().check(DDPM(), resampling(TRAJECTORY, 2, 2))


@pytest.mark.parametrize("share", [0.0, 1.01, -1.0])
def test_a_share_is_above_nothing_and_at_most_all(share: float) -> None:
    with pytest.raises(ValueError, match="share must lie above 0"):
        Donor(share)
