"""The critic: a classifier of patches that has seen real ones only, its examples, its training, its folder."""

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import lightning
import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from defectgen.errors import UserError
from defectgen.imaging.augment import Augment
from defectgen.imaging.files import Mask
from defectgen.imaging.square import shrink
from defectgen.learn.checkpoint import CONFIG, build, describe, load_weights, usable, write_network
from defectgen.learn.data import Patches
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec

SMALLEST_CROP = 52 / 64  # side of a training crop over the patch's: shifts and zooms, the defect still whole
LIGHT = 0.2  # of brightness and contrast: a defect is one under any light
MIXING = 0.4  # both parameters of the beta distribution that shares are drawn from
CHUNK = 64  # patches judged at a time
WARMUP = 50  # steps in which the learning rate rises


class Example(TypedDict):
    """One patch, or a batch of them."""

    patch: Tensor  # (C, H, W) in [-1, 1]
    label: Tensor  # () int64
    share: Tensor  # () in [0, 1]: how much of it is left when it is mixed with another one


@dataclass(frozen=True)
class Critic:
    """A trained classifier in evaluation mode, with what it was trained on. `digest` is the SHA-256 of its weights."""

    network: Classifier
    spec: DataSpec
    digest: str

    @torch.no_grad()
    def predict(self, patches: NDArray[np.float32]) -> NDArray[np.float32]:
        """patches (N, C, H, W) in [-1, 1] to the probability of each class, (N, classes), in the order of the spec."""
        device = next(self.network.parameters()).device
        logits = [self.network(chunk.to(device)).cpu() for chunk in torch.from_numpy(patches).split(CHUNK)]
        return torch.cat(logits).softmax(dim=1).numpy()


def save_critic(folder: Path, network: Classifier, spec: DataSpec, card: str) -> Critic:
    """Write the folder and return the critic that `load_critic` would."""
    digest = write_network(folder, network, {"network": describe(network), "spec": asdict(spec)}, card)
    network.eval()
    return Critic(network, spec, digest)


def load_critic(folder: Path) -> Critic:
    """Rebuild the critic of a folder, in evaluation mode on the CPU.

    Raises:
        UserError: a file is missing, damaged, or the weights are not those the config names.
    """
    with usable(folder):
        config = yaml.safe_load((folder / CONFIG).read_text())
        spec = DataSpec(**config["spec"])
        network = build(config["network"], Classifier, spec)
        return Critic(network, spec, load_weights(folder, network, config))


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
    """A classifier and AdamW with warm-up and cosine decay, trained on mixed pairs of patches (Zhang et al. 2018).

    Without mixing, a few dozen defects are known by heart after 200 steps, and the held-out loss rises from there.

    Args:
        network: what is trained.
        learning_rate: at its highest.
        steps: steps in all.
    """

    def __init__(self, network: Classifier, *, learning_rate: float, steps: int) -> None:
        super().__init__()
        self.network, self.learning_rate, self.steps = network, learning_rate, steps
        self._judged: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Example, index: int) -> Tensor:
        patch, label, share = batch["patch"], batch["label"], batch["share"]
        part = share[:, None, None, None]
        logits = self.network(part * patch + (1 - part) * patch.flip(0))
        one, other = (functional.cross_entropy(logits, each, reduction="none") for each in (label, label.flip(0)))
        loss = (share * one + (1 - share) * other).mean()
        self.log("train/loss", loss, prog_bar=True)
        return loss

    def validation_step(self, batch: Example, index: int) -> None:
        losses = functional.cross_entropy(self.network(batch["patch"]), batch["label"], reduction="none")
        self._judged.append((batch["label"].cpu(), losses.cpu()))

    def on_validation_epoch_end(self) -> None:
        """Log the mean over the classes of each one's mean loss: most patches are good, and must not decide alone."""
        labels, losses = (torch.cat(parts) for parts in zip(*self._judged, strict=True))
        self._judged.clear()
        means = torch.stack([losses[labels == label].mean() for label in labels.unique()])
        self.log("val/loss", means.mean(), prog_bar=True)

    def configure_optimizers(self) -> dict:  # type: ignore[override]  # Lightning's own type is a union of nine forms
        optimizer = torch.optim.AdamW(self.network.parameters(), self.learning_rate, weight_decay=0.05)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, self._rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def _rate(self, step: int) -> float:
        """Share of the learning rate: up linearly, then half a cosine down to nothing."""
        return min((step + 1) / WARMUP, 0.5 + 0.5 * math.cos(math.pi * step / self.steps))
