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
from defectgen.outputs import Stopwatch, done
from defectgen.spec import DataSpec
from defectgen.utility.arms import Arm
from defectgen.utility.detector import Detector, Trained
from defectgen.utility.draws import Draws
from defectgen.utility.readings import joined, load, read, save
from defectgen.utility.types import Picture, Reading

COUNTED = 2000  # draws that the real share is measured on
NUMBERS = 2**26  # in the maps that are in memory at a time: a quarter of a gigabyte


@dataclass(frozen=True)
class Trial:
    """One training: what the detector said of each set of pictures, and facts of the training.

    seconds: it took. real_share: measured share of real pictures among its defect draws.
    """

    readings: Mapping[str, Reading]
    seconds: float
    real_share: float


class Trials:
    """Trains and reads, or only reads where that was done before; each training says at once what it says of all sets.

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
        self.watch, self._seconds = Stopwatch(out), dict[Path, float]()

    @property
    def seconds(self) -> float:
        """What all trials asked for took to train, each counted once."""
        return sum(self._seconds.values())

    def trial(self, arm: Arm, ratio: float, repetition: str, detector: Detector, asked: Sequence[str]) -> Trial:
        """What a detector trained in an arm says of the sets of pictures asked about; of the others it is not opened.

        ratio: share of the arm's added pictures among the draws. repetition: names the seed.
        """
        folder = self.out / "readings" / arm.name / f"{ratio:g}" / repetition / detector.name
        files = {name: folder / f"{name}.npz" for name, pictures in self.shown.items() if pictures}
        if done(folder) is None or not all(file.is_file() for file in files.values()):
            self._train(arm, ratio, repetition, detector, files, folder)
        facts = done(folder) or {}
        found = Trial({name: load(files[name]) for name in asked}, **facts)
        self._seconds[folder] = found.seconds
        return found

    def _train(
        self, arm: Arm, ratio: float, repetition: str, detector: Detector, files: Mapping[str, Path], folder: Path
    ) -> None:
        """The seed does not know the arm."""
        seed = make_seed(self.seed, repetition, detector.name)
        watch = Stopwatch(folder / "training")

        def stream(length: int) -> Draws:
            added = (arm.defects, arm.good, arm.augmented)
            return Draws(self.real, *added, self.spec.flips, ratio, length, seed)

        trained = detector.train(stream, self.spec, seed, folder / "training")
        for name, file in files.items():
            save(file, self._read(trained, self.shown[name]))
        facts = {"seconds": watch.seconds(), "real_share": stream(COUNTED).real_share()}
        write_atomic(folder / "done.json", json.dumps(facts).encode())
        shutil.rmtree(folder / "training", ignore_errors=True)
        self.watch.keep()

    def _read(self, trained: Trained, pictures: Sequence[Picture]) -> Reading:
        """A few pictures at a time: the maps of all of them may not fit into memory."""
        few = max(1, NUMBERS // (len(self.spec.classes) * self.spec.size**2))
        parts = [pictures[start : start + few] for start in range(0, len(pictures), few)]
        return joined([read(part, trained.predict(part)) for part in parts])
