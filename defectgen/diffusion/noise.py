r"""Noise schedules: which noise levels exist, which are trained on, which are walked when sampling.

Everything lives in the coordinates x = x0 + sigma n, n ~ N(0, I) (Karras et al. 2022). The variance-preserving form of
DDPM, z = sqrt(abar) x0 + sqrt(1 - abar) n, is the same picture scaled: z = x / sqrt(1 + sigma^2), with
sigma^2 = (1 - abar) / abar. Levels are float64 until they reach the network.

A schedule is a clock: a rising function of the noise level that is walked evenly,

    sigma(t) = level(clock(lowest) + t (clock(highest) - clock(lowest))),   t in [0, 1],   level = clock^-1.

Cutting the clock's range to [lowest, highest] is what keeps levels apart: clamping sigma instead would repeat them.
"""

from abc import ABC, abstractmethod
from copy import copy
from math import inf

import torch
from torch import Tensor


class Schedule(ABC):
    """Maps time t in [0, 1] to a noise level sigma(t), strictly increasing from `lowest` to `highest`.

    Pictures in [-1, 1] of 8 bits have steps of 0.008; far above their spread, at 100, nothing of them is left.

    Args:
        lowest: noise level at t = 0, above 0.
        highest: noise level at t = 1.
    """

    def __init__(self, lowest: float, highest: float) -> None:
        if not 0 < lowest < highest < inf:
            raise ValueError(f"need 0 < lowest < highest, both finite, not {lowest} and {highest}")
        self.lowest, self.highest = lowest, highest

    @abstractmethod
    def clock(self, sigma: Tensor) -> Tensor:
        """The schedule's own time of levels `sigma` (N,), float64, strictly increasing."""

    @abstractmethod
    def level(self, clock: Tensor) -> Tensor:
        """The noise level at the schedule's own times `clock` (N,), float64: the inverse of `clock`."""

    def sigma(self, t: Tensor) -> Tensor:
        """Noise level at times `t` (N,) in [0, 1], as float64 (N,)."""
        first, last = self.clock(torch.tensor([self.lowest, self.highest], dtype=torch.float64))
        return self.level(first + (last - first) * t.double())

    def trajectory(self, steps: int) -> Tensor:
        """The levels a sampler walks: float64 (steps + 1,), strictly decreasing from the highest, ending at 0."""
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        return torch.cat([self.sigma(self.times(steps)), torch.zeros(1, dtype=torch.float64)])

    def times(self, steps: int) -> Tensor:
        """Times (steps,) of the levels above 0 that a sampler walks, falling from 1: even in time down to 1 / steps.

        "Trailing" in the words of Lin et al. 2024 (tab. 2): the highest level is always among them.
        """
        return torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1]

    def within(self, trained: "Schedule") -> "Schedule":
        """The same clock over those of its levels that `trained` has too: a network knows nothing of others.

        Raises:
            ValueError: they have none in common.
        """
        cut = copy(self)
        Schedule.__init__(cut, max(self.lowest, trained.lowest), min(self.highest, trained.highest))
        return cut

    def draw(self, uniform: Tensor) -> Tensor:
        """Training levels for draws `uniform` (N,) in [0, 1): stratified where the draws are.

        The draws come from outside, so that a training example's level is a pure function of its seed and index.
        """
        return self.sigma(uniform.double())


class Linear(Schedule):
    r"""DDPM's linear betas in continuous form, even in the time of that diffusion.

    beta(t) = beta_min + t (beta_max - beta_min), so with B(t) = beta_min t + (beta_max - beta_min) t^2 / 2:
    abar(t) = exp(-B(t)) and sigma^2 = exp(B) - 1 (Song et al. 2021, Score SDE, eq. 33). DDPM's T discrete betas are
    beta(t) / T: its 1e-4 to 0.02 at T = 1000 are 0.1 to 20 here. Uncut, the clock runs to sigma = 152 at t = 1.

    Args:
        beta_min: beta at time 0, above 0.
        beta_max: beta at time 1.
        lowest: lowest noise level, above 0.
        highest: highest noise level.
    """

    def __init__(
        self, beta_min: float = 0.1, beta_max: float = 20.0, lowest: float = 0.01, highest: float = 100.0
    ) -> None:
        super().__init__(lowest, highest)
        if not 0 < beta_min <= beta_max < inf:
            raise ValueError(f"need 0 < beta_min <= beta_max, both finite, not {beta_min} and {beta_max}")
        self.beta_min, self.beta_max = beta_min, beta_max

    def clock(self, sigma: Tensor) -> Tensor:
        area = torch.log1p(sigma**2)  # B; the root below is the one without cancellation
        return 2 * area / (self.beta_min + (self.beta_min**2 + 2 * (self.beta_max - self.beta_min) * area).sqrt())

    def level(self, clock: Tensor) -> Tensor:
        return torch.expm1(self.beta_min * clock + (self.beta_max - self.beta_min) * clock**2 / 2).sqrt()


class Cosine(Schedule):
    r"""abar(t) = cos^2(pi t / 2), so sigma(t) = shift tan(pi t / 2) (Nichol & Dhariwal 2021, eq. 17, s = 0).

    Args:
        shift: multiplies every level: 1 at 64 px, 4 at 256 px, where neighbouring pixels average more of the noise away
            (Hoogeboom et al. 2023, sec. 3.1).
        lowest: lowest noise level, above 0.
        highest: highest noise level.
    """

    def __init__(self, shift: float = 1.0, lowest: float = 0.01, highest: float = 100.0) -> None:
        super().__init__(lowest, highest)
        if not 0 < shift < inf:
            raise ValueError(f"need shift > 0 and finite, not {shift}")
        self.shift = shift

    def clock(self, sigma: Tensor) -> Tensor:
        return torch.atan(sigma / self.shift)

    def level(self, clock: Tensor) -> Tensor:
        return self.shift * torch.tan(clock)


class Karras(Schedule):
    r"""EDM: sampling levels even in sigma^(1 / rho), training levels log-normal (Karras et al. 2022, eq. 5, tab. 1).

    Unlike those of the other schedules the trajectory walks `lowest` itself before it ends at 0. In training
    log sigma ~ N(log_mean, log_std^2), cut to [lowest, highest].

    Args:
        rho: 7 crowds the levels of sampling at the low end, where the picture's detail is decided.
        lowest: lowest noise level, above 0.
        highest: highest noise level.
        log_mean: mean of log sigma in training; the paper's -1.2 leaves the shapes of defects in pieces.
        log_std: its standard deviation; the paper's is 1.2.
    """

    def __init__(
        self,
        rho: float = 7.0,
        lowest: float = 0.01,
        highest: float = 100.0,
        log_mean: float = -0.4,
        log_std: float = 1.4,
    ) -> None:
        super().__init__(lowest, highest)
        if not (0 < rho < inf and 0 < log_std < inf):
            raise ValueError(f"need rho > 0 and log_std > 0, both finite, not {rho} and {log_std}")
        self.rho, self.log_mean, self.log_std = rho, log_mean, log_std
        first, last = self._cut()
        if not first < last:
            raise ValueError(f"need a log_mean within reach of log {lowest} to log {highest}, not {log_mean}")

    def clock(self, sigma: Tensor) -> Tensor:
        return sigma ** (1 / self.rho)

    def level(self, clock: Tensor) -> Tensor:
        return clock**self.rho

    def times(self, steps: int) -> Tensor:
        return torch.linspace(1, 0, steps, dtype=torch.float64)

    def draw(self, uniform: Tensor) -> Tensor:
        first, last = self._cut()
        normal = torch.special.ndtri(first + (last - first) * uniform.double())
        return (self.log_mean + self.log_std * normal).exp().clamp(self.lowest, self.highest)

    def _cut(self) -> tuple[Tensor, Tensor]:
        """Shares of the normal distribution below the two ends."""
        ends = torch.tensor([self.lowest, self.highest], dtype=torch.float64)
        first, last = torch.special.ndtr((ends.log() - self.log_mean) / self.log_std)
        return first, last
