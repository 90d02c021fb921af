"""The sheet drawn while training: the same clean patches, shapes and noise every time, one row per class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from defectgen.diffusion.guide import Clip
from defectgen.diffusion.solve import DDPM
from defectgen.imaging.files import Mask, Pixels, from_float
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.sheet import Rgb, outlined, sheet, to_rgb
from defectgen.learn.asked import Asked
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.large import LargePatch
from defectgen.learn.module import DiffusionModule
from defectgen.learn.patches import Patches
from defectgen.learn.task import Filling, Inpainting
from defectgen.learn.upsample import FACTOR, Upsampler, enlarged, reduced
from defectgen.manifest import make_seed
from defectgen.spec import DataSpec

COLUMNS = 5
STEPS = 15


@dataclass(frozen=True)
class Case:
    """A defect to draw: what is asked, the ground (C, H, W) in [-1, 1] and the region (H, W) in it."""

    asked: Asked
    ground: NDArray[np.float32]
    region: Mask


def cases_of(patches: Patches, spec: DataSpec, seed: int) -> dict[str, list[Case]]:
    """Training shapes of every class on clean training patches.

    Where a product has no clean patches, the defects' own are repainted.
    """
    rng = np.random.default_rng(make_seed(seed, "preview"))
    cases: dict[str, list[Case]] = {}
    for label in [number for number in range(1, len(spec.classes)) if number in patches.tree]:
        members = [number for number, other in enumerate(patches.labels) if other == label]
        for donor in rng.choice(members, COLUMNS):
            ground = patches.pictures[rng.choice(patches.good) if patches.good else donor]
            own, mask, name = patches.pictures[donor], patches.masks[donor], spec.classes[label]
            asked = Asked.like(own, mask, label, name, mask, patches.at_edge[donor])
            cases.setdefault(name, []).append(Case(asked, ground, grow(mask, REACH)))
    return cases


def preview(
    module: DiffusionModule,
    rows: Mapping[str, Sequence[Case]],
    task: Filling = Inpainting(),  # noqa: B008 - stateless
) -> Rgb:
    """The sheet of the module's present weights: rows by name, beside each drawn picture its ground and region."""
    levels = module.schedule.trajectory(STEPS)
    inpainter = Inpainter(module.denoiser, levels, module.classes, DDPM(), [Clip()], task=task)
    cases = list(chain(*rows.values()))
    grounds, regions = np.stack([case.ground for case in cases]), np.stack([case.region for case in cases])
    drawn = iter(inpainter(grounds, regions, [case.asked for case in cases], range(len(cases))))
    pairs = [
        list(chain(*([outlined(_native(case.ground), case.region), to_rgb(_native(next(drawn)))] for case in row)))
        for row in rows.values()
    ]
    return sheet(pairs, list(rows), ["region", "drawn"] * COLUMNS)


def _native(patch: NDArray[np.float32]) -> Pixels:
    return from_float(patch, np.dtype(np.uint8))


def enlargements(module: DiffusionModule, patches: Sequence[LargePatch]) -> Rgb:
    """The sheet of an upsampler's present weights: what it is given, what it draws of that, and the truth.

    patches: one or more, of one size.
    """
    upsampler = Upsampler(module.denoiser, module.schedule.trajectory(STEPS), module.classes, DDPM(), [])
    rows = []
    for number, (picture, mask, label, _) in enumerate(patches):
        low = reduced(torch.from_numpy(picture)[None])
        drawn = upsampler(picture[None], grow(mask, FACTOR * REACH)[None], low.numpy(), [label], [number])
        given = enlarged(low)[0].numpy()
        rows.append([to_rgb(_native(one)) for one in (given, drawn[0], picture)])
    return sheet(rows, columns=["given", "drawn", "real"], cell=patches[0].picture.shape[-1])
