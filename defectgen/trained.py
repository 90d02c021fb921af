"""What the trainings left, ready to draw: one painter, and the lineage that all it draws tells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from defectgen.attempt import Lineage
from defectgen.diffusion.guide import ClassifierFree, Guide, NoLikelihood
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.sample import resampling
from defectgen.diffusion.solve import Solver
from defectgen.errors import UserError
from defectgen.learn.cascade import Cascade
from defectgen.learn.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.likelihood import load_likelihood
from defectgen.learn.start import Noise, Start
from defectgen.learn.task import Filling, Inpainting
from defectgen.learn.upsample import Upsampler
from defectgen.nn.term import Nothing
from defectgen.painter import Painter

SHOWN = 16  # hexadecimal digits of a digest that lineages tell


@dataclass(frozen=True)
class Trained:
    """The folders of the trainings.

    block: of the YAML, whose guides these are. upsample: empty where no defect is large; None to draw none larger.
    likelihood: that a `Classifier` among the guides asks; None where none was trained.
    """

    block: str
    inpaint: Path
    upsample: Path | None
    likelihood: Path | None

    def painter(
        self,
        levels: Callable[[Schedule], Tensor],
        solver: Solver,
        guides: Sequence[Guide],
        upsampling_steps: int,
        start: Start = Noise(),  # noqa: B008 - stateless
    ) -> tuple[Painter, Lineage]:
        """The painter that walks the `levels` of the schedule the inpainter was trained with, and its lineage.

        Raises:
            UserError: the network was trained to restore pictures, the solver cannot begin there, a guide cannot be
                used, or the likelihood knows nothing of some level.
        """
        trained, upsampler = load_checkpoint(self.inpaint / CHECKPOINT), None
        trajectory = levels(trained.schedule)
        informed, guiding = self._informed(guides, trained, trajectory)
        inpainter = self._inpainter(trained, trajectory, solver, informed, start)
        lineage = Lineage(trained.digest[:SHOWN], likelihood=guiding)
        if self.upsample and (self.upsample / CHECKPOINT).is_dir():
            detail = load_checkpoint(self.upsample / CHECKPOINT)
            upsampler = upsampler_of(detail, solver, upsampling_steps)
            lineage = lineage._replace(upsampler=detail.digest[:SHOWN])
        return Painter(Cascade(inpainter, upsampler), trained.spec, told=_told(trained)), lineage

    def _informed(
        self, guides: Sequence[Guide], trained: Checkpoint, trajectory: Tensor
    ) -> tuple[Sequence[Guide], str]:
        """The guides, those that need a likelihood with the trained one, whose digest it returns where any does."""
        if self.likelihood is None:
            return guides, ""
        known = load_likelihood(self.likelihood / CHECKPOINT, trained.spec.classes)
        informed = [guide.informed(known.likelihood) for guide in guides]
        if all(after is before for after, before in zip(informed, guides, strict=True)):
            return guides, ""
        if not isinstance(trained.task, Inpainting):
            task = type(trained.task).__name__
            raise UserError(f"{self.block}.guides: the likelihood was shown clean surroundings, and {task} shows none")
        if not known.covers(trajectory):
            walked = f"{trajectory[trajectory > 0].min():g} to {trajectory.max():g}"
            levels = f"{known.schedule.lowest:g} to {known.schedule.highest:g}"
            raise UserError(
                f"{self.block}.guides: the likelihood was trained on levels {levels}, the inpainter walks {walked}; "
                "give train.likelihood the schedule of train.inpaint"
            )
        return informed, known.digest[:SHOWN]

    def _inpainter(
        self, trained: Checkpoint, trajectory: Tensor, solver: Solver, guides: Sequence[Guide], start: Start
    ) -> Inpainter:
        if not isinstance(trained.task, Filling):
            task = type(trained.task).__name__
            raise UserError(f"{self.block}: the network was trained for {task}, which draws no defects; train another")
        if not _scalable(trained) and any(isinstance(guide, ClassifierFree) and guide.scale != 1 for guide in guides):
            raise UserError(
                f"{self.block}.guides: ClassifierFree: the network was told always something or always nothing: there "
                "is no difference to scale; leave it out, or train with a term and label_dropout between 0 and 1"
            )
        try:
            start.check(solver, trajectory)
        except ValueError as error:
            raise UserError(f"{self.block}.start: {error}") from None
        if start.at_donor and not isinstance(trained.task, Inpainting):
            task = type(trained.task).__name__
            raise UserError(
                f"{self.block}.start: a donor is begun at in its surroundings, which {task} knows nothing of"
            )
        classes, precision = len(trained.spec.classes), trained.precision
        try:
            return Inpainter(trained.denoiser, trajectory, classes, solver, guides, precision, trained.task, start)
        except NoLikelihood as error:
            mend = "add `likelihood: {}` to the block train of the YAML, which trains one"
            raise UserError(f"{self.block}.guides: {error}; {mend}") from None
        except ValueError as error:
            raise UserError(f"{self.block}.guides: {error}") from None


def _scalable(trained: Checkpoint) -> bool:
    """Whether what is told makes a difference to what is drawn when nothing is told (Ho & Salimans 2022, alg. 1)."""
    return trained.dropout > 0 and _told(trained)


def _told(trained: Checkpoint) -> bool:
    """Whether it was told anything of what it is to draw."""
    return trained.dropout < 1 and not isinstance(getattr(trained.denoiser.network, "term", None), Nothing)


def trajectory_of(asked: Schedule | None, trained: Schedule, *, steps: int, jump: int, repeats: int) -> Tensor:
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


def upsampler_of(trained: Checkpoint, solver: Solver, steps: int) -> Upsampler:
    """What gives large defects their detail, over `steps` of the noise levels it was trained on."""
    levels = trained.schedule.trajectory(steps)
    return Upsampler(trained.denoiser, levels, len(trained.spec.classes), solver, [], trained.precision)
