"""Where the walk to a picture begins, and which noises it meets."""

from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Denoise
from defectgen.diffusion.invert import ddim_inversion, ddpm_inversion
from defectgen.diffusion.solve import DDIM, DDPM, Randn, Solver


class Walk(NamedTuple):
    """x (B, C, H, W) at the first level of `trajectory` (N,), float64, and the noises that are met from there."""

    x: Tensor
    trajectory: Tensor
    randn: Randn


class Start(ABC):
    """Where the walk begins."""

    at_donor: ClassVar[bool]  # whether it looks at the donor's pixels

    @abstractmethod
    def check(self, solver: Solver, trajectory: Tensor) -> None:
        """Refuse what it cannot begin.

        Raises:
            ValueError: this solver or this trajectory.
        """

    @abstractmethod
    def __call__(
        self, denoise: Denoise, solver: Solver, trajectory: Tensor, picture: Tensor, cond: Condition, randn: Randn
    ) -> Walk:
        """The walk down `trajectory`, or the rest of it.

        denoise: without guides, whose steps can hardly be undone, and by which what is drawn then differs.
        picture (B, C, H, W) in [-1, 1]: with what may be begun from inside the region; cond: its own, with the label of
        what it shows there.
        """


class Noise(Start):
    """At noise alone."""

    at_donor = False

    def check(self, solver: Solver, trajectory: Tensor) -> None:
        """Every solver begins at noise."""

    def __call__(
        self, denoise: Denoise, solver: Solver, trajectory: Tensor, picture: Tensor, cond: Condition, randn: Randn
    ) -> Walk:
        return Walk(trajectory[0].float() * randn(), trajectory, randn)


class Donor(Start):
    """At the donor's own pixels, laid into the planned place and inverted: a variant of a real defect.

    Inverted without guides and under its own label, and sampled with the guides and under the planned label: these,
    the place and the elastic shape are what changes it, the more the larger the share. DDPM's noises hold its layout
    (Huberman-Spiegelglas et al. 2024), DDIM's level does where eta is 0 (Song et al. 2021), which draws the same again
    at every attempt. A donor whose steps cannot be undone makes an attempt fail as not finite; take more steps.

    Args:
        share: of the trajectory that is walked, above 0; 1 is all of it, from where hardly more than layout is left.
    """

    at_donor = True

    def __init__(self, share: float = 0.6) -> None:
        if not 0 < share <= 1:
            raise ValueError(f"share must lie above 0 and at most at 1, not {share}")
        self.share = share

    def check(self, solver: Solver, trajectory: Tensor) -> None:
        if not isinstance(solver, DDPM) and not (isinstance(solver, DDIM) and solver.eta == 0):
            raise ValueError(f"Donor cannot undo the steps of {type(solver).__name__}; take DDPM, or DDIM with eta 0")
        if (trajectory.diff() >= 0).any():
            raise ValueError("Donor walks straight down; leave repeats at 1")

    def __call__(
        self, denoise: Denoise, solver: Solver, trajectory: Tensor, picture: Tensor, cond: Condition, randn: Randn
    ) -> Walk:
        steps = max(1, round(self.share * (len(trajectory) - 1)))
        rest = trajectory[-steps - 1 :]
        if isinstance(solver, DDPM):
            x, noises = ddpm_inversion(denoise, solver, rest, picture, cond, randn)
            return Walk(x, rest, noises)
        return Walk(ddim_inversion(denoise, rest, picture, cond), rest, randn)
