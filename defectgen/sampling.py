"""From the settings of `generate` to an inpainter that samples by them."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from defectgen.diffusion.guide import Guide
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.sample import resampling
from defectgen.diffusion.solve import Solver
from defectgen.errors import UserError
from defectgen.learn.checkpoint import CHECKPOINT, Checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.likelihood import load_likelihood
from defectgen.learn.start import Noise, Start
from defectgen.learn.task import Filling


def trajectory_of(asked: Schedule | None, trained: Schedule, steps: int, jump: int, repeats: int) -> Tensor:
    """The noise levels to walk, of the schedule asked for or else of the one trained on.

    Raises:
        UserError: none of the levels asked for was trained on, or the blocks walked again do not fit.
    """
    try:
        schedule = asked.within(trained) if asked else trained
    except ValueError:
        ends = f"{trained.lowest:g} to {trained.highest:g}"
        raise UserError(f"generate.schedule: the inpainter was trained on levels {ends}; name some of these") from None
    try:
        return resampling(schedule.trajectory(steps), jump, repeats)
    except ValueError as error:
        raise UserError(f"generate.jump: {error}") from None


def inpainter_of(
    trained: Checkpoint,
    trajectory: Tensor,
    solver: Solver,
    guides: Sequence[Guide],
    likelihood: Path | None,
    start: Start = Noise(),  # noqa: B008 - stateless
) -> Inpainter:
    """The guided inpainter; guides that need a likelihood and were given none ask the trained one of a folder.

    Raises:
        UserError: the network was trained to restore pictures, the solver cannot begin there, or a guide lacks its
            likelihood.
    """
    if not isinstance(trained.task, Filling):
        task = type(trained.task).__name__
        raise UserError(f"generate: the network was trained for {task}, which draws no defects; train another")
    try:
        start.check(solver, trajectory)
    except ValueError as error:
        raise UserError(f"generate.start: {error}") from None
    if likelihood is not None:
        known = load_likelihood(likelihood / CHECKPOINT, trained.spec.classes)
        guides = [guide.informed(known) for guide in guides]
    try:
        classes = len(trained.spec.classes)
        return Inpainter(trained.denoiser, trajectory, classes, solver, guides, trained.precision, trained.task, start)
    except ValueError as error:
        mend = "add `likelihood: {}` to the block train of the YAML, which trains one"
        raise UserError(f"generate.guides: {error}; {mend}") from None
