"""Real defects inverted by a trained inpainter: they come back, and can be varied, moved and made another class.

Run by hand where `train` has finished for PRODUCT; a minute or two. Prints a table and writes a sheet into data:

    .venv/bin/python -m pytest -m slow -s tests/test_inversion_slow.py
"""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from defectgen.diffusion.guide import ClassifierFree, Clip, Guide
from defectgen.diffusion.solve import DDIM, DDPM, Solver
from defectgen.imaging.files import Pixels, from_float, to_float, write_image
from defectgen.imaging.poisson import membrane
from defectgen.imaging.region import REACH, grow
from defectgen.imaging.sheet import outlined, sheet, to_rgb
from defectgen.learn.asked import Asked
from defectgen.learn.checkpoint import CHECKPOINT, CONFIG, Checkpoint, load_checkpoint
from defectgen.learn.data import spread
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.patches import Patches
from defectgen.learn.start import Donor
from defectgen.manifest import Manifest
from defectgen.markdown import tabulated

ROOT = Path(__file__).parents[1]
PRODUCT = "magnetic_tile"
TRAINED, PATCH = ROOT / "data/train" / PRODUCT / "inpaint" / CHECKPOINT, ROOT / "data/patch" / PRODUCT
SHEET = ROOT / "data/inversion.png"
PER_CLASS, SHOWN, STEPS = 6, 2, 20
MOST = 1.0  # grey levels of 255 that a rebuilt region may be off on average

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (TRAINED / CONFIG).is_file(), reason=f"needs a trained inpainter of {PRODUCT}"),
]


class Held:
    """Held-out defects, a few of each class: pictures (N, C, S, S) in [-1, 1], regions (N, S, S), class numbers."""

    def __init__(self, patches: Patches) -> None:
        classes = sorted(set(patches.labels) - {0})
        members = [[n for n in patches.masks if patches.labels[n] == label] for label in classes]
        chosen = [n for some in members for n in spread(some, PER_CLASS)]
        self.pictures = np.stack([patches.pictures[n] for n in chosen])
        self.regions = np.stack([grow(patches.masks[n], REACH) for n in chosen])
        self.labels = [patches.labels[n] for n in chosen]
        grounds = spread(patches.good, len(chosen))
        self.moved = np.stack(
            [
                to_float(membrane(native(patches.pictures[ground]), native(picture), region))
                for ground, picture, region in zip(grounds, self.pictures, self.regions, strict=True)
            ]
        )

    def drawn(
        self,
        trained: Checkpoint,
        share: float,
        guides: list[Guide],
        moved: bool = False,
        other: bool = False,
        solver: Solver = DDPM(),  # noqa: B008 - stateless
    ) -> NDArray[np.float32]:
        """Begun at themselves, or where they were moved, as their own class or as the next one."""
        levels, classes = trained.schedule.trajectory(STEPS), len(trained.spec.classes)
        inpainter = Inpainter(trained.denoiser, levels, classes, solver, guides, trained.precision, start=Donor(share))
        labels = [label % (classes - 1) + 1 for label in self.labels] if other else self.labels
        pictures = self.moved if moved else self.pictures
        own, wanted = ([Asked.only(*one) for one in zip(some, pictures, strict=True)] for some in (self.labels, labels))
        return inpainter.padded(pictures, self.regions, wanted, range(len(labels)), len(labels), own)


def native(patch: NDArray[np.float32]) -> Pixels:
    return from_float(patch, np.dtype(np.uint8))


def test_held_out_defects_come_back_and_can_be_varied() -> None:
    trained = load_checkpoint(TRAINED)
    held = Held(Patches(Manifest.load(PATCH), trained.spec, "val"))
    rows, worst = [], 0.0
    for solver in (DDPM(), DDIM()):
        for share in (1.0, 0.5):
            rebuilt = held.drawn(trained, share, [], solver=solver)
            failed = ~np.isfinite(rebuilt).all(axis=(1, 2, 3))
            off = 127.5 * np.abs(rebuilt - held.pictures)[:, 0][held.regions & ~failed[:, None, None]]
            rows.append(
                [
                    type(solver).__name__,
                    f"{share:g}",
                    f"{off.mean():.4f}",
                    f"{off.max():.3f}",
                    f"{failed.sum()} of {len(failed)}",
                ]
            )
            worst = max(worst, float(off.mean())) if isinstance(solver, DDPM) else worst
            if isinstance(solver, DDPM) and share == 1:
                assert not failed.any()
    text = tabulated(["inversion", "share", "mean error, grey levels of 255", "largest", "not undone"], rows)
    guides: list[Guide] = [ClassifierFree(3.0), Clip()]
    columns = {
        "real": held.pictures,
        "rebuilt": held.drawn(trained, 1.0, []),
        "varied 0.5": held.drawn(trained, 0.5, guides),
        "varied 1": held.drawn(trained, 1.0, guides),
        "laid elsewhere": held.moved,
        "moved 0.6": held.drawn(trained, 0.6, guides, moved=True),
        "as next 0.6": held.drawn(trained, 0.6, guides, other=True),
        "as next 1": held.drawn(trained, 1.0, guides, other=True),
    }
    shown = [
        n
        for label in sorted(set(held.labels))
        for n in [i for i, own in enumerate(held.labels) if own == label][:: PER_CLASS // SHOWN]
    ]
    cells = [
        [outlined(native(held.pictures[n]), held.regions[n])] + [to_rgb(native(side[n])) for side in columns.values()]
        for n in shown
    ]
    write_image(
        SHEET, sheet(cells, [trained.spec.classes[held.labels[n]] for n in shown], ["region", *columns], cell=128)
    )
    print(f"\n{text}\n\n{SHEET}")
    assert worst <= MOST, text
