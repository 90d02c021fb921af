"""How far solvers, ours and their counterparts in `diffusers`, end from the exact answer on pixels from a mixture."""

import math
from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import diffusers
import torch
from oracles import condition
from torch import Generator, Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.noise import Cosine, Karras, Schedule
from defectgen.diffusion.sample import sample
from defectgen.diffusion.solve import DDIM, DDPM, Churn, DPMSolver2M, Euler, Heun, Solver

GREY = 127.5  # 8-bit grey levels in one unit of pictures in [-1, 1]
CALLS = (5, 10, 20, 40, 80, 160, 320)
CHURN = 20.0  # S_churn of Karras et al. 2022, whose share per step is at most sqrt(2) - 1
PATHS, PIXELS = 2_000, 100_000  # pixels followed along the probability flow; drawn to compare distributions


class Mixture(Denoise):
    """The exact denoiser of pixels drawn one by one from a mixture of three Gaussians; counts its calls."""

    weights, means, stds = torch.tensor([[0.5, 0.3, 0.2], [-0.6, 0.1, 0.5], [0.12, 0.08, 0.10]], dtype=torch.float64)

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        """Every mode's posterior mean, weighted by the mode's share in x."""
        self.calls += 1
        variance = self.stds**2 + sigma[0] ** 2
        height, steepness, pull = (
            factor.reshape(3, 1, 1, 1, 1)
            for factor in (self.weights.log() - variance.log() / 2, 1 / (2 * variance), sigma[0] ** 2 / variance)
        )
        gap = self.means.reshape(3, 1, 1, 1, 1) - x
        share = (height - steepness * gap**2).softmax(0)
        return x + (share * pull * gap).sum(0)

    def draw(self, noise: Generator) -> Tensor:
        """PIXELS pixels of the mixture itself."""
        modes = torch.multinomial(self.weights, PIXELS, replacement=True, generator=noise)
        return self.means[modes] + self.stds[modes] * torch.randn(PIXELS, generator=noise, dtype=torch.float64)


@cache
def quantiles(level: float, count: int) -> Tensor:
    """The quantiles (i + 1/2) / count of pixels at a noise level, float64 (1, 1, 1, count), by bisection.

    The probability flow of a single pixel is monotone: it takes the quantiles of one level to those of any other.
    """
    share = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    spread = (Mixture.stds**2 + level**2).sqrt()
    high = torch.full_like(share, 1 + 8 * float(spread.max()))
    low = -high
    for _ in range(80):
        middle = (low + high) / 2
        below = (Mixture.weights * torch.special.ndtr((middle[:, None] - Mixture.means) / spread)).sum(-1) < share
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    return low.reshape(1, 1, 1, -1)


class Contender(NamedTuple):
    """A solver of ours, made for a number of steps, and its counterpart in `diffusers`, if there is one."""

    name: str
    ours: Callable[[int], Solver]
    theirs: Callable[..., Any] | None
    colour: str
    told: Callable[[Generator], dict[str, Any]] = lambda noise: {}  # what the counterpart's step is told
    calls_per_step: int = 1

    def steps(self, calls: int) -> int:
        """Steps that make at most so many calls: the one to level 0 always makes a single one."""
        return (calls - 1) // self.calls_per_step + 1


def seeded_by(**told: float) -> Callable[[Generator], dict[str, Any]]:
    return lambda noise: {"generator": noise, **told}


def churn(steps: int) -> Churn:
    return Churn(min(CHURN / steps, math.sqrt(2) - 1))


DDPMS, DDIMS = (partial(kind, clip_sample=False) for kind in (diffusers.DDPMScheduler, diffusers.DDIMScheduler))
LARGE, EULERS = partial(DDPMS, variance_type="fixed_large"), diffusers.EulerDiscreteScheduler
CONTENDERS = [
    Contender("DDIM(0)", lambda steps: DDIM(), DDIMS, "tab:blue"),
    Contender("Euler", lambda steps: Euler(), EULERS, "navy"),
    Contender("Heun", lambda steps: Heun(), diffusers.HeunDiscreteScheduler, "tab:orange", calls_per_step=2),
    Contender("DPMSolver2M", lambda steps: DPMSolver2M(), diffusers.DPMSolverMultistepScheduler, "tab:red"),
    Contender("DDIM(0.5)", lambda steps: DDIM(0.5), DDIMS, "tab:cyan", seeded_by(eta=0.5)),
    Contender("DDIM(1)", lambda steps: DDIM(1), DDIMS, "limegreen", seeded_by(eta=1)),
    Contender("DDPM(0)", lambda steps: DDPM(0), DDPMS, "darkgreen", seeded_by()),
    Contender("DDPM(1)", lambda steps: DDPM(1), LARGE, "black", seeded_by()),
    Contender("Euler, churn", lambda steps: Euler(churn(steps)), EULERS, "tab:purple", seeded_by(s_churn=CHURN)),
    Contender("Heun, churn", lambda steps: Heun(churn(steps)), None, "tab:brown", calls_per_step=2),
]
TWINS = {"Euler": "DDIM(0)", "DDPM(0)": "DDIM(1)"}  # the same by other formulas
ORDERS = {"DDIM(0)": 1, "Euler": 1, "Heun": 2, "DPMSolver2M": 2}  # of the deterministic ones
DETERMINISTIC = [contender for contender in CONTENDERS if contender.name in ORDERS]
SCHEDULES = {"Karras": Karras(), "Cosine": Cosine()}


class Walked(NamedTuple):
    """Where a walk ended, (1, 1, 1, N), and how often it asked the denoiser."""

    x: Tensor
    calls: int


def walk_ours(contender: Contender, levels: Tensor, x: Tensor, noise: Generator) -> Walked:
    mixture, solver = Mixture(), contender.ours(len(levels) - 1)
    randn = partial(torch.randn, x.shape, generator=noise, dtype=x.dtype)
    return Walked(sample(mixture, solver, levels, x, condition(x), randn), mixture.calls)


def walk_theirs(contender: Contender, levels: Tensor, x: Tensor, noise: Generator) -> Walked:
    """The same levels for every scheduler: it is told it was trained on them and no others, and walks them all."""
    assert contender.theirs
    mixture, cond = Mixture(), condition(x)
    abar = 1 / (1 + levels.flip(0) ** 2)
    betas, steps = 1 - abar[1:] / abar[:-1], len(levels) - 1
    scheduler = contender.theirs(num_train_timesteps=steps, trained_betas=betas.tolist(), timestep_spacing="trailing")
    scheduler.set_timesteps(steps)
    keeps_variance = scheduler.init_noise_sigma == 1
    x = x * abar[-1].sqrt() if keeps_variance else x
    for time in scheduler.timesteps:
        kept = scheduler.alphas_cumprod[int(time)].double()
        sigma, seen = (1 / kept - 1).sqrt(), scheduler.scale_model_input(x, time) / kept.sqrt()
        predicted_noise = (seen - mixture(seen, sigma[None], cond)) / sigma
        x = scheduler.step(predicted_noise, time, x, **contender.told(noise)).prev_sample
    return Walked(x, mixture.calls)


Walk = Callable[[Contender, Tensor, Tensor, Generator], Walked]


class Point(NamedTuple):
    """Calls made and what they left to be desired, in grey levels."""

    calls: int
    error: float


def root_mean_square(error: Tensor) -> float:
    return GREY * float((error**2).mean().sqrt())


def flow_error(walk: Walk, contender: Contender, levels: Tensor) -> Point:
    """Error at the end of the probability flow."""
    x, calls = walk(contender, levels, quantiles(float(levels[0]), PATHS), Generator())
    return Point(calls, root_mean_square(x - quantiles(0.0, PATHS)))


def last_step(levels: Tensor) -> Tensor:
    """What the last step, which every solver makes alike, makes of the exact path."""
    x = quantiles(float(levels[-2]), PATHS)
    return Mixture()(x, levels[-2:-1], condition(x))


def order(contender: Contender, schedule: Schedule, calls: int) -> float:
    """Of the error before the last step: how many times it halves when the calls double from `calls` on."""
    before = []
    for levels in (schedule.trajectory(contender.steps(number)) for number in (calls, 2 * calls)):
        x, _ = walk_ours(contender, levels, quantiles(float(levels[0]), PATHS), Generator())
        before.append(root_mean_square(x - last_step(levels)))
    return math.log2(before[0] / before[1])


def from_quantiles(x: Tensor) -> float:
    """Wasserstein-1 distance of PIXELS pixels to the mixture."""
    return GREY * float((x.flatten().sort().values - quantiles(0.0, PIXELS).flatten()).abs().mean())


def distance(walk: Walk, contender: Contender, levels: Tensor) -> Point:
    """Distance between what is drawn from noise and the mixture."""
    noise = Generator().manual_seed(0)
    x, calls = walk(contender, levels, levels[0] * torch.randn(1, 1, 1, PIXELS, generator=noise).double(), noise)
    return Point(calls, from_quantiles(x))


Measure = Callable[[Walk, Contender, Tensor], Point]
Curves = dict[tuple[str, str, str], list[Point]]  # of (schedule, contender, "ours" or "theirs")


def curves(measure: Measure, contenders: list[Contender]) -> Curves:
    """A point for each of CALLS."""
    return {
        (name, contender.name, side): [
            measure(walk, contender, schedule.trajectory(contender.steps(calls))) for calls in CALLS
        ]
        for name, schedule in SCHEDULES.items()
        for contender in contenders
        for side, walk in (("ours", walk_ours), ("theirs", walk_theirs))
        if side == "ours" or contender.theirs
    }


def noise_floor() -> tuple[float, float]:
    """Between which distances to the mixture nine in ten lots of pixels lie that were drawn from it."""
    noise = Generator().manual_seed(1)
    lots = torch.tensor([from_quantiles(Mixture().draw(noise)) for _ in range(60)])
    low, high = lots.quantile(torch.tensor([0.05, 0.95])).tolist()
    return low, high


def last_step_error(schedule: Schedule) -> list[Point]:
    """What no solver of one call a step gets below."""
    truth = quantiles(0.0, PATHS)
    return [Point(calls, root_mean_square(last_step(schedule.trajectory(calls)) - truth)) for calls in CALLS]
