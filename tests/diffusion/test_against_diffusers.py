r"""Solvers, levels and parametrisations against the schedulers of `diffusers`, an implementation by others.

The same network on both sides; theirs walks in the scheduler's own loop, ours in `sample` over the scheduler's levels,
drawing from equally seeded generators. Compared is x = x0 + sigma n at every level, not only at the end. DDPM, DDIM and
DPM-Solver++ of diffusers hold z = x / sqrt(1 + sigma^2) instead; their levels and arithmetic are float32.

Differences that remain:
- DDPMScheduler adds no noise on the step from its timestep 0, ours none on the step to level 0. They are the same with
  "leading" spacing, the default; with "trailing", fixed_large would lay noise on the finished picture.
- DDPMScheduler and DDIMScheduler clip the picture unless told not to: for us that is a guide, and here it is off.
- EulerDiscreteScheduler wants the network's answer before it raises the level: see `asking_after_the_raise`.
  HeunDiscreteScheduler never raises it, so Heun with churn is not compared.
- Linear and cosine betas are a finite number there: see the tests of the levels.
"""

import os
from collections.abc import Callable
from copy import deepcopy
from functools import partial
from math import cos, pi, sqrt
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"  # schedulers need no network; nothing they import shall try

import pytest
import torch
from diffusers.schedulers import (
    DDIMScheduler,
    DDPMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
)
from oracles import condition, randn
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import X0, Backbone, Denoiser, Eps, Parametrization, V
from defectgen.diffusion.noise import Cosine, Karras, Linear
from defectgen.diffusion.sample import sample
from defectgen.diffusion.solve import DDIM, DDPM, Churn, DPMSolver2M, Euler, Heun, Solver, Stepped

Scheduler = Any  # they share no type that has `step` and `timesteps`
Ask = Callable[[Scheduler, Tensor, Tensor, Tensor], Tensor]  # scheduler, timestep, its sample, sigma to a model output
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # theirs, with numpy 2

STEPS = 20
NOISE = randn(2, 1, 4, 4, seed=1)
FREE = condition(torch.zeros_like(NOISE))
PREDICTIONS: dict[str, Parametrization] = {"epsilon": Eps(), "sample": X0(), "v_prediction": V()}

fixed_small = partial(DDPMScheduler, variance_type="fixed_small", clip_sample=False)
fixed_large = partial(DDPMScheduler, variance_type="fixed_large", clip_sample=False)
unclipped_ddim = partial(DDIMScheduler, clip_sample=False)
dpm_solver = partial(DPMSolverMultistepScheduler, algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint")
# What ought to be the same: a scheduler, still to be told its prediction_type; options of its steps; our solver.
PAIRS: dict[str, tuple[Callable[..., Scheduler], dict[str, Any], Solver]] = {
    "DDPM, fixed_small": (fixed_small, {}, DDPM(large=0)),
    "DDPM, fixed_large": (fixed_large, {}, DDPM(large=1)),
    "DDIM, eta 0": (unclipped_ddim, {"eta": 0.0}, DDIM(0)),
    "DDIM, eta 0.5": (unclipped_ddim, {"eta": 0.5}, DDIM(0.5)),
    "DDIM, eta 1": (unclipped_ddim, {"eta": 1.0}, DDIM(1)),
    "Euler": (EulerDiscreteScheduler, {}, Euler()),
    "Euler, Karras": (partial(EulerDiscreteScheduler, use_karras_sigmas=True), {}, Euler()),
    "Heun": (HeunDiscreteScheduler, {}, Heun()),
    "Heun, Karras": (partial(HeunDiscreteScheduler, use_karras_sigmas=True), {}, Heun()),
    "DPM-Solver++(2M)": (dpm_solver, {}, DPMSolver2M()),
    "DPM-Solver++(2M), Karras": (partial(dpm_solver, use_karras_sigmas=True), {}, DPMSolver2M()),
}


def denoised(x: Tensor, sigma: Tensor) -> Tensor:
    """The fixed denoiser, in our coordinates: bent, different at every level, mixing neighbours; within about 1."""
    shrunk = x / (1 + sigma**2).sqrt()
    return 0.8 * torch.sin(shrunk) + 0.3 * torch.cos(shrunk.roll(1, dims=-1) + sigma.log() / 2)


class Network(Backbone):
    """What a network of diffusers' `prediction_type` says, given z, when the denoiser is `denoised`."""

    def __init__(self, prediction: str) -> None:
        super().__init__()
        self.prediction = prediction

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        sigma = level.exp().reshape(-1, 1, 1, 1)
        width = (1 + sigma**2).sqrt()
        x0 = denoised(width * x, sigma)
        noise = (width * x - x0) / sigma
        answers = {"epsilon": noise, "sample": x0, "v_prediction": (noise - sigma * x0) / width}
        return answers[self.prediction]

    def at(self, z: Tensor, sigma: Tensor) -> Tensor:
        """The answer to z at level `sigma`, float64 scalar."""
        return self(z, sigma.log().float().expand(len(z)), FREE)


def asking(network: Network) -> Ask:
    """As pipelines of diffusers ask."""
    return lambda scheduler, timestep, held, sigma: network.at(scheduler.scale_model_input(held, timestep), sigma)


def asking_after_the_raise(network: Network, churn: Churn, options: dict[str, Any]) -> Ask:
    """As Karras et al. 2022 (alg. 2) and we ask: about the raised x, at the raised level.

    The scheduler takes an answer about x before the raise for one about x after it. So it steps twice from one state:
    where a copy's step without slope ends, x is raised to, and that is what the network is asked about.
    """

    def ask(scheduler: Scheduler, timestep: Tensor, held: Tensor, sigma: Tensor) -> Tensor:
        scheduler.scale_model_input(held, timestep)  # starts its count of steps
        same_noise = options | {"generator": options["generator"].clone_state()}
        raised = deepcopy(scheduler).step(torch.zeros_like(held), timestep, held, **same_noise).prev_sample
        level = sigma * (1 + churn.share) if churn.lowest <= sigma <= churn.highest else sigma
        return network.at(raised / (1 + level**2).sqrt().float(), level)

    return ask


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(2)


def levels_asked(scheduler: Scheduler) -> Tensor:
    """The scheduler's levels in float64, ending at 0; Heun's asks twice at all but the first."""
    if hasattr(scheduler, "sigmas"):
        return scheduler.sigmas.double()
    abar = scheduler.alphas_cumprod[scheduler.timesteps].double()
    return torch.cat([((1 - abar) / abar).sqrt(), torch.zeros(1, dtype=torch.float64)])


def walked_by_theirs(scheduler: Scheduler, ask: Ask, options: dict[str, Any]) -> Tensor:
    """x at every level but the first (STEPS, B, C, H, W), in our coordinates."""
    levels = levels_asked(scheduler)
    holds_x = isinstance(scheduler, EulerDiscreteScheduler | HeunDiscreteScheduler)
    widths = torch.ones_like(levels) if holds_x else (1 + levels**2).sqrt()
    held = (levels[0] * NOISE / widths[0]).float()
    walked = {}
    for timestep, sigma, to, width in zip(scheduler.timesteps, levels[:-1], levels[1:], widths[1:], strict=True):
        held = scheduler.step(ask(scheduler, timestep, held, sigma), timestep, held, **options).prev_sample
        walked[float(to)] = held * width.float()  # Heun's second result at a level replaces its first, a trial
    return torch.stack([*walked.values()])


class Recorded(Solver):
    """Steps as `solver` does and keeps where it came to."""

    def __init__(self, solver: Solver) -> None:
        self.solver, self.walked = solver, list[Tensor]()

    def step(self, *given: Any, **named: Any) -> Stepped:
        x, estimate = self.solver.step(*given, **named)
        self.walked.append(x)
        return x, estimate


def walked_by_ours(solver: Solver, network: Network, trajectory: Tensor) -> Tensor:
    """The same of `solver` over `trajectory`."""
    recorded, source = Recorded(solver), generator()
    denoiser = Denoiser(network, PREDICTIONS[network.prediction], sigma_data=0.5)
    x = (trajectory[0] * NOISE).float()
    sample(denoiser, recorded, trajectory, x, FREE, lambda: torch.randn(NOISE.shape, generator=source))
    return torch.stack(recorded.walked)


def assert_same_walk(solver: Solver, network: Network, scheduler: Scheduler, ask: Ask, options: dict[str, Any]) -> None:
    """Within 1e-4 at levels up to 1, where x is of order 1; above, where it is of order sigma, within 1e-4 sigma."""
    scheduler.set_timesteps(STEPS)
    trajectory = levels_asked(scheduler).unique_consecutive()
    order = trajectory[1:].clamp(min=1).reshape(-1, 1, 1, 1, 1)
    theirs, ours = walked_by_theirs(scheduler, ask, options), walked_by_ours(solver, network, trajectory)
    torch.testing.assert_close(ours / order, theirs / order, rtol=0, atol=1e-4)


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", PAIRS)
def test_solver_walks_as_the_scheduler_does(name: str, prediction: str) -> None:
    new_scheduler, options, solver = PAIRS[name]
    scheduler, network = new_scheduler(prediction_type=prediction), Network(prediction)
    draws = not isinstance(scheduler, HeunDiscreteScheduler)  # its steps take no generator
    source = {"generator": generator()} if draws else {}
    assert_same_walk(solver, network, scheduler, asking(network), options | source)


@pytest.mark.parametrize(
    "churn", [Churn(0.15), Churn(sqrt(2) - 1, noise=1.01), Churn(0.3, lowest=0.05, highest=50, noise=0.9)], ids=str
)
def test_churned_euler_walks_as_the_scheduler_does(churn: Churn) -> None:
    named = {"s_churn": STEPS * churn.share, "s_tmin": churn.lowest, "s_tmax": churn.highest, "s_noise": churn.noise}
    options = named | {"generator": generator()}
    network = Network("epsilon")
    ask = asking_after_the_raise(network, churn, options)
    assert_same_walk(Euler(churn), network, EulerDiscreteScheduler(), ask, options)


def test_ddpm_between_its_variances_walks_as_learned_range_does() -> None:
    """There the network answers for the share too, as 2 share - 1, in channels of its own."""
    share, network = 0.3, Network("epsilon")

    def ask(*question: Any) -> Tensor:
        answer = asking(network)(*question)
        return torch.cat([answer, torch.full_like(answer, 2 * share - 1)], dim=1)

    scheduler = DDPMScheduler(variance_type="learned_range", clip_sample=False)
    assert_same_walk(DDPM(large=share), network, scheduler, ask, {"generator": generator()})


@pytest.mark.parametrize("scheduler", [EulerDiscreteScheduler, HeunDiscreteScheduler, DPMSolverMultistepScheduler])
def test_karras_levels_are_those_of_the_scheduler(scheduler: Callable[..., Scheduler]) -> None:
    """Exactly, as far as float32 goes, between the same ends: those of the scheduler's betas."""
    karras = scheduler(use_karras_sigmas=True)
    karras.set_timesteps(STEPS)
    abar = karras.alphas_cumprod[[0, -1]]
    lowest, highest = ((1 - abar) / abar).sqrt().tolist()
    ours = Karras(rho=7, lowest=lowest, highest=highest).trajectory(STEPS)
    torch.testing.assert_close(ours, levels_asked(karras).unique_consecutive(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("count", [1000, 10_000])
def test_linear_levels_are_those_of_many_betas(count: int) -> None:
    """Beta number i of T holds from time i / T to (i + 1) / T, while ours rises.

    Product and integral therefore differ by O(1 / T). The logarithm of sigma differs most at the lowest level, by
    (20 - 0.1) / (4 * 0.1 T) < 50 / T: 5 % for T = 1000. At the highest it is 34 / T, as 1 - beta < exp(-beta).
    """
    betas = {"num_train_timesteps": count, "beta_start": 0.1 / count, "beta_end": 20 / count}
    trailing: Scheduler = DDIMScheduler(**betas, timestep_spacing="trailing")
    theirs = (-torch.log1p(-trailing.betas.double()).cumsum(0)).expm1().sqrt()
    ours = Linear().level(torch.arange(1, count + 1, dtype=torch.float64) / count)
    assert float((theirs / ours).log().abs().max()) < 50 / count

    trailing.set_timesteps(STEPS)
    walked = Linear(lowest=1e-9, highest=float(ours[-1])).trajectory(STEPS)  # uncut
    assert float((levels_asked(trailing) / walked)[:-1].log().abs().max()) < 50 / count


def test_cosine_levels_are_those_of_the_betas_but_for_offset_and_cap() -> None:
    """Theirs run from time s / (1 + s), s = 0.008, which they take to be free of noise, to 1; ours from 0 to 1.

    With that done to ours they are the same. Without, sqrt(abar), the picture's share, differs by less than 0.005.
    Their last beta is cut from 1 to 0.999, and at time 1 ours are cut: nothing to compare.
    """
    theirs: Scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2")
    assert (theirs.betas > 0.99).nonzero().tolist() == [[999]]
    abar = (1 - theirs.betas.double()).cumprod(0)[:-1]
    start, time = 0.008 / 1.008, torch.arange(1, 1000, dtype=torch.float64) / 1000
    offset = 1 / (1 + Cosine().level(pi / 2 * (start + time * (1 - start))) ** 2)
    torch.testing.assert_close(offset / cos(pi / 2 * start) ** 2, abar, rtol=1e-5, atol=0)
    plain = 1 / (1 + Cosine().level(pi / 2 * time) ** 2)
    assert float((plain.sqrt() - abar.sqrt()).abs().max()) < 0.005
