"""The sheet drawn while training: the same clean patches, shapes and noise every time, one row per class."""

from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from defectgen.diffusion.guide import Clip
from defectgen.diffusion.solve import DDPM
from defectgen.imaging.files import Pixels, from_float, write_image
from defectgen.imaging.region import grow
from defectgen.imaging.sheet import outlined, sheet, to_rgb
from defectgen.learn.data import Patches
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.module import DiffusionModule
from defectgen.manifest import make_seed
from defectgen.spec import DataSpec


class Preview:
    """Draws defects of training shapes on clean training patches; beside each the patch and its region.

    Where a product has no clean patches, the defects' own are repainted.
    """

    def __init__(self, patches: Patches, spec: DataSpec, seed: int, columns: int = 5, steps: int = 15) -> None:
        self.patches, self.spec, self.steps = patches, spec, steps
        rng = np.random.default_rng(make_seed(seed, "preview"))
        self.cases = []
        for label in [number for number in range(1, len(spec.classes)) if number in patches.tree]:
            members = [number for number, other in enumerate(patches.labels) if other == label]
            for donor in rng.choice(members, columns):
                ground = rng.choice(patches.good) if patches.good else donor
                self.cases.append((label, int(ground), int(donor)))
        self.columns = columns

    def __call__(self, module: DiffusionModule, path: Path) -> None:
        """Sample with the module's present weights and write the sheet."""
        trajectory = module.schedule.trajectory(self.steps)
        inpainter = Inpainter(module.denoiser, trajectory, module.classes, DDPM(), [Clip()])
        grounds = np.stack([self.patches.pictures[ground] for _, ground, _ in self.cases])
        regions = np.stack([grow(self.patches.masks[donor], 2.0) for _, _, donor in self.cases])
        drawn = inpainter(grounds, regions, [label for label, _, _ in self.cases], range(len(self.cases)))
        pairs = [
            [outlined(_native(ground), region), to_rgb(_native(picture))]
            for ground, region, picture in zip(grounds, regions, drawn, strict=True)
        ]
        rows = [list(chain(*pairs[i : i + self.columns])) for i in range(0, len(pairs), self.columns)]
        names = [self.spec.classes[label] for label, _, _ in self.cases[:: self.columns]]
        write_image(path, sheet(rows, names, ["region", "drawn"] * self.columns))


def _native(patch: NDArray[np.float32]) -> Pixels:
    return from_float(patch, np.dtype(np.uint8))
