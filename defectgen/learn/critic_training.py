"""Training the critic: examples of patches, and the module whose members take turns at them."""

import math
from collections.abc import Sequence
from typing import TypedDict

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from defectgen.errors import UserError
from defectgen.imaging.augment import Augment
from defectgen.imaging.files import Mask
from defectgen.imaging.square import shrink
from defectgen.learn.patches import Patches
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec

SMALLEST_CROP = 52 / 64  # side of a training crop over the patch's: shifts and zooms, the defect still whole
LIGHT = 0.2  # of brightness and contrast: a defect is one under any light
MIXING = 0.4  # both parameters of the beta distribution that shares are drawn from
WARMUP = 50  # steps of a member in which its learning rate rises


class Example(TypedDict):
    """One patch, or a batch of them."""

    patch: Tensor  # (C, H, W) in [-1, 1]
    label: Tensor  # () int64
    share: Tensor  # () in [0, 1]: how much of it is left when it is mixed with another one


class Turn(Example):
    """An example, or a batch of them, for one member."""

    member: Tensor  # () int64: its number


class CriticExamples(Dataset[Example]):
    """Example number i of an endless stream, for i below `length`: every class, good too, equally often."""

    def __init__(self, patches: Patches, spec: DataSpec, length: int, seed: int) -> None:
        if not patches.tree:
            raise UserError("critic: no training patch shows a defect; add defects or change ingest.fractions")
        self.patches, self.length, self.seed = patches, length, seed
        self.good_share = 1 / len(spec.classes) if patches.good else 0.0
        self.augment = Augment(spec.flips, LIGHT)

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Example:
        rng = np.random.default_rng((self.seed, index))
        number = self.patches.draw_defect(rng)
        if rng.random() < self.good_share:
            number = int(rng.choice(self.patches.good))
        patch = self.patches.pictures[number]
        mask = self.patches.masks.get(number, np.zeros(patch.shape[1:], bool))
        patch, mask = self.augment.pair(patch, mask, int(rng.integers(2**32)))
        return _example(zoomed(patch, mask, rng), self.patches.labels[number], rng.beta(MIXING, MIXING))


class Turns(Dataset[Turn]):
    """A batch for each member in turn, over and over, each out of its own stream.

    Args:
        streams: the examples of each member, equally many.
        batch: examples in a step of a member.
    """

    def __init__(self, streams: Sequence[CriticExamples], batch: int) -> None:
        self.streams, self.batch = streams, batch

    def __len__(self) -> int:
        return sum(len(stream) for stream in self.streams)

    def __getitem__(self, index: int) -> Turn:
        turn, place = divmod(index, self.batch)
        step, number = divmod(turn, len(self.streams))
        return Turn(**self.streams[number][step * self.batch + place], member=torch.tensor(number))


class HeldOut(Dataset[Example]):
    """Every patch of a split as it is."""

    def __init__(self, patches: Patches) -> None:
        self.patches = patches

    def __len__(self) -> int:
        return len(self.patches.labels)

    def __getitem__(self, index: int) -> Example:
        return _example(self.patches.pictures[index], self.patches.labels[index], 1.0)


def _example(patch: NDArray[np.float32], label: int, share: float) -> Example:
    share_left = torch.tensor(share, dtype=torch.float32)
    return Example(patch=torch.from_numpy(patch), label=torch.tensor(label), share=share_left)


def zoomed(patch: NDArray[np.float32], mask: Mask, rng: np.random.Generator) -> NDArray[np.float32]:
    """A random square crop of a patch (C, H, W), resized back to its size.

    It holds the whole of the mask (H, W) where that fits into it, and otherwise as much of it as can be.
    """
    size = mask.shape[0]
    side = int(rng.integers(round(size * SMALLEST_CROP), size + 1))
    top, left = (_start(np.flatnonzero(mask.any(axis=axis)), side, size, rng) for axis in (1, 0))
    crop = patch[:, top : top + side, left : left + side]
    return np.stack([shrink(plane, size) for plane in crop]).clip(-1, 1)  # cubic interpolation overshoots


def _start(covered: NDArray[np.int64], side: int, size: int, rng: np.random.Generator) -> int:
    """Where, of 0 to size, an interval of length `side` starts, such that it holds what it can of the covered part."""
    if not len(covered):
        return int(rng.integers(size - side + 1))
    last, first = max(0, int(covered[-1]) + 1 - side), min(size - side, int(covered[0]))
    return int(rng.integers(min(first, last), max(first, last) + 1))


class CriticModule(lightning.LightningModule):
    """The members and AdamW with warm-up and cosine decay, trained on mixed pairs of patches (Zhang et al. 2018).

    A step trains one member: the others have no gradient then, so that it leaves them as they are. Without mixing, a
    few dozen defects are known by heart after 200 steps, and the held-out loss rises from there.

    Args:
        members: what is trained.
        learning_rate: at its highest.
        steps: of each member.
    """

    def __init__(self, members: Sequence[Classifier], *, learning_rate: float, steps: int) -> None:
        super().__init__()
        self.members, self.learning_rate, self.steps = nn.ModuleList(members), learning_rate, steps
        self._judged: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Turn, index: int) -> Tensor:
        patch, label, share = batch["patch"], batch["label"], batch["share"]
        part = share[:, None, None, None]
        logits = self.members[int(batch["member"][0])](part * patch + (1 - part) * patch.flip(0))
        one, other = (functional.cross_entropy(logits, each, reduction="none") for each in (label, label.flip(0)))
        loss = (share * one + (1 - share) * other).mean()
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Example, index: int) -> None:
        patch, label = batch["patch"], batch["label"]
        losses = [functional.cross_entropy(member(patch), label, reduction="none") for member in self.members]
        self._judged.append((label.cpu(), torch.stack(losses).mean(dim=0).cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the mean over the classes of each one's mean loss: most patches are good, and must not decide alone."""
        labels, losses = (torch.cat(parts) for parts in zip(*self._judged, strict=True))
        self._judged.clear()
        means = torch.stack([losses[labels == label].mean() for label in labels.unique()])
        self.log("val/loss", means.mean(), prog_bar=True)

    def configure_optimizers(self) -> dict:  # type: ignore[override]  # Lightning's own type is a union of nine forms
        optimizer = torch.optim.AdamW(self.members.parameters(), self.learning_rate, weight_decay=0.05)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """Share of the learning rate: up linearly, then half a cosine down to nothing."""
        own = step // len(self.members)
        return min((own + 1) / WARMUP, 0.5 + 0.5 * math.cos(math.pi * own / self.steps))
