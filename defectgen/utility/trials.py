"""The trainings of the study: every detector in every arm with every seed, what it said kept on the disk at once.

Nothing here looks at a figure. Choices are made from the readings of `val`; those of `test` are written beside them and
opened when every choice has been made.
"""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from defectgen.imaging.files import write_atomic
from defectgen.manifest import make_seed
from defectgen.outputs import Stopwatch
from defectgen.spec import DataSpec
from defectgen.utility.arms import Arm
from defectgen.utility.detector import Detector
from defectgen.utility.draws import Draws
from defectgen.utility.readings import load, read, save
from defectgen.utility.types import Picture, Reading


@dataclass(frozen=True)
class Trial:
    """One training: what the detector said of each set of pictures, and facts of the training.

    seconds: it took. real_share: measured share of real pictures among its defect draws.
    """

    readings: Mapping[str, Reading]
    seconds: float
    real_share: float


class Trials:
    """Trains and reads, or only reads where that was done before.

    Args:
        out: folder of the readings.
        spec: what detectors are built from; its size is that of the pictures.
        real: the real training pictures.
        shown: name -> the pictures that detectors are asked about.
        seed: decides every first weight and every draw; the same in all arms, so that the repetitions pair them.
    """

    def __init__(
        self, out: Path, spec: DataSpec, real: Sequence[Picture], shown: Mapping[str, Sequence[Picture]], seed: int
    ) -> None:
        self.out, self.spec, self.real, self.shown, self.seed = out, spec, real, shown, seed
        self.watch = Stopwatch(out)

    def trial(self, arm: Arm, ratio: float, repetition: str, detector: Detector, asked: Sequence[str]) -> Trial:
        """What a detector trained in an arm says of the sets of pictures asked about.

        ratio: share of the arm's added pictures among the draws. repetition: names the seed.
        """
        folder = self.out / "readings" / arm.name / f"{ratio:g}" / repetition / detector.name
        done = folder / "done.json"
        if not done.is_file():
            self._train(arm, ratio, repetition, detector, asked, folder)
        return Trial({name: load(folder / f"{name}.npz") for name in asked}, **json.loads(done.read_text()))

    def _train(
        self, arm: Arm, ratio: float, repetition: str, detector: Detector, asked: Sequence[str], folder: Path
    ) -> None:
        """The seed does not know the arm."""
        seed = make_seed(self.seed, repetition, detector.name)
        watch = Stopwatch(folder / "training")

        def stream(length: int) -> Draws:
            added = (arm.defects, arm.good, arm.augmented)
            return Draws(self.real, *added, self.spec.flips, ratio, length, seed)

        trained = detector.train(stream, self.spec, seed, folder / "training")
        for name in asked:
            save(folder / f"{name}.npz", read(self.shown[name], trained.predict(self.shown[name])))
        facts = {"seconds": watch.seconds(), "real_share": stream(COUNTED).real_share()}
        write_atomic(folder / "done.json", json.dumps(facts).encode())
        shutil.rmtree(folder / "training", ignore_errors=True)
        self.watch.keep()


COUNTED = 2000  # draws that the real share is measured on
