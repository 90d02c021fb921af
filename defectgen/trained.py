"""What the trainings left, ready to draw: one painter, and the lineage that all it draws tells."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from defectgen.attempt import Lineage
from defectgen.diffusion.guide import Guide, NoLikelihood
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.solve import Solver
from defectgen.errors import UserError
from defectgen.learn.cascade import Cascade
from defectgen.learn.checkpoint import CHECKPOINT, Checkpoint, load_checkpoint
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.likelihood import load_likelihood
from defectgen.learn.upsample import Upsampler
from defectgen.painter import Painter

SHOWN = 16  # hexadecimal digits of a digest that lineages tell


@dataclass(frozen=True)
class Trained:
    """The folders of the trainings.

    block: of the YAML, whose guides these are. upsample: empty where no defect is large. likelihood: that a
    `Classifier` among the guides asks; None where none was trained.
    """

    block: str
    inpaint: Path
    upsample: Path
    likelihood: Path | None

    def painter(
        self, levels: Callable[[Schedule], Tensor], solver: Solver, guides: Sequence[Guide], upsampling_steps: int
    ) -> tuple[Painter, Lineage]:
        """The painter that walks the `levels` of the schedule the inpainter was trained with, and its lineage.

        Raises:
            UserError: a guide cannot be used, or the likelihood knows nothing of some level.
        """
        trained, upsampler = load_checkpoint(self.inpaint / CHECKPOINT), None
        trajectory = levels(trained.schedule)
        informed, guiding = self._informed(guides, trajectory)
        inpainter = self._inpainter(trained, trajectory, solver, informed)
        lineage = Lineage(trained.digest[:SHOWN], likelihood=guiding)
        if (self.upsample / CHECKPOINT).is_dir():
            detail = load_checkpoint(self.upsample / CHECKPOINT)
            upsampler = upsampler_of(detail, solver, upsampling_steps)
            lineage = lineage._replace(upsampler=detail.digest[:SHOWN])
        return Painter(Cascade(inpainter, upsampler), trained.spec), lineage

    def _informed(self, guides: Sequence[Guide], trajectory: Tensor) -> tuple[Sequence[Guide], str]:
        """The guides, those that need a likelihood with the trained one, whose digest it returns where any does."""
        if self.likelihood is None:
            return guides, ""
        known = load_likelihood(self.likelihood / CHECKPOINT)
        informed = [guide.informed(known.likelihood) for guide in guides]
        if all(after is before for after, before in zip(informed, guides, strict=True)):
            return guides, ""
        if not known.covers(trajectory):
            walked = f"{trajectory[trajectory > 0].min():g} to {trajectory.max():g}"
            trained = f"{known.schedule.lowest:g} to {known.schedule.highest:g}"
            raise UserError(
                f"{self.block}.guides: the likelihood was trained on levels {trained}, the inpainter walks {walked}; "
                "give train.likelihood the schedule of train.inpaint"
            )
        return informed, known.digest[:SHOWN]

    def _inpainter(self, trained: Checkpoint, trajectory: Tensor, solver: Solver, guides: Sequence[Guide]) -> Inpainter:
        classes = len(trained.spec.classes)
        try:
            return Inpainter(trained.denoiser, trajectory, classes, solver, guides, trained.precision)
        except NoLikelihood as error:
            mend = "add `likelihood: {}` to the block train of the YAML, which trains one"
            raise UserError(f"{self.block}.guides: {error}; {mend}") from None
        except ValueError as error:
            raise UserError(f"{self.block}.guides: {error}") from None


def upsampler_of(trained: Checkpoint, solver: Solver, steps: int) -> Upsampler:
    """What gives large defects their detail, over `steps` of the noise levels it was trained on."""
    levels = trained.schedule.trajectory(steps)
    return Upsampler(trained.denoiser, levels, len(trained.spec.classes), solver, [], trained.precision)
