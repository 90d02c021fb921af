r"""Noise schedules: which noise levels exist, which are trained on, which are walked when sampling.

Everything lives in the coordinates x = x0 + sigma n, n ~ N(0, I) (Karras et al. 2022). The variance-preserving form of
DDPM, z = sqrt(abar) x0 + sqrt(1 - abar) n, is the same picture scaled: z = x / sqrt(1 + sigma^2), with
sigma^2 = (1 - abar) / abar. Levels are float64 until they reach the network.
"""

from abc import ABC, abstractmethod
from math import atan, pi

import torch
from torch import Tensor


class Schedule(ABC):
    """Maps time t in [0, 1] to a noise level sigma(t), strictly increasing."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Noise level at times `t` (N,) in [0, 1], as float64 (N,)."""

    def trajectory(self, steps: int) -> Tensor:
        """The levels a sampler walks: float64 (steps + 1,), strictly decreasing from the highest, ending at 0."""
        if steps < 1:
            raise ValueError(f"steps must be at least 1, not {steps}")
        t = torch.linspace(1, 0, steps + 1, dtype=torch.float64)[:-1]
        return torch.cat([self.sigma(t), torch.zeros(1, dtype=torch.float64)])

    def draw(self, uniform: Tensor) -> Tensor:
        """Training levels for draws `uniform` (N,) in [0, 1): stratified where the draws are.

        The draws come from outside, so that a training example's level is a pure function of its seed and index.
        """
        return self.sigma(uniform.double())


class Cosine(Schedule):
    r"""abar(t) = cos^2(pi t / 2), so sigma(t) = shift tan(pi t / 2) (Nichol & Dhariwal 2021, eq. 17).

    The time range is narrowed so that sigma runs from `lowest` to `highest`: levels never repeat, as they would if
    sigma were clamped. `shift` multiplies every level: 1 at 64 px, 4 at 256 px, where neighbouring pixels average more
    of the noise away (Hoogeboom et al. 2023, sec. 3.1).
    """

    def __init__(self, shift: float = 1.0, lowest: float = 0.01, highest: float = 100.0) -> None:
        if not 0 < lowest < highest or shift <= 0:
            raise ValueError(f"need 0 < lowest < highest and shift > 0, not {lowest}, {highest}, {shift}")
        self.shift, self.lowest, self.highest = shift, lowest, highest

    def sigma(self, t: Tensor) -> Tensor:
        start, end = (atan(level / self.shift) * 2 / pi for level in (self.lowest, self.highest))
        return self.shift * torch.tan((start + (end - start) * t.double()) * (pi / 2))
