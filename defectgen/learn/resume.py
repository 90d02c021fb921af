"""The files a killed training goes on from: written whole or not at all, checked before they are trusted.

`last.ckpt` is where the training is, `best.ckpt` where the validation loss was lowest. Both hold everything (weights,
averages, optimiser, position in the examples), so that the training goes on from either to the same weights.
"""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback, Checkpoint, ModelCheckpoint
from lightning.pytorch.plugins import TorchCheckpointIO
from torch import Tensor

from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic
from defectgen.stopping import Postponed

LAST, BEST = "last.ckpt", "best.ckpt"
PARTS = {"callbacks", "global_step", "loops", "lr_schedulers", "optimizer_states", "state_dict"}  # in each of them


def start_from(folder: Path, module: LightningModule) -> Path | None:
    """The file to go on from: last.ckpt, where that is damaged best.ckpt; None where nothing was written yet.

    Raises:
        UserError: neither is whole, or last.ckpt is and the best weights before it are not.
    """
    last, best = folder / LAST, folder / BEST
    if not last.is_file():
        return best if best.is_file() and load(best, module) else None
    try:
        memories = load(last, module)["callbacks"].values()
    except UserError as error:
        if not best.is_file():
            raise
        step = load(best, module)["global_step"]
        print(f"note: {str(error).partition(';')[0]}; going on from {BEST}, which is of step {step}", flush=True)
        return best
    if any(Path(memory.get("best_model_path", "")).name == BEST for memory in memories):
        load(best, module)
    return last


def load(path: Path, module: LightningModule) -> dict[str, Any]:
    """A checkpoint of a training of `module`, on the CPU.

    Raises:
        UserError: it is missing, cut short, damaged, or of something else; nothing in it is run.
    """
    try:
        with zipfile.ZipFile(path) as archive:  # torch does not look at the checksums
            if damaged := archive.testzip():
                raise ValueError(f"{damaged} has another checksum")
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
        if not checkpoint.keys() >= PARTS or _shapes(checkpoint["state_dict"]) != _shapes(module.state_dict()):
            raise ValueError("it is of another network")
    except Exception as error:  # a damaged file can be wrong in every way there is
        reason = " ".join(str(error).split())[:200]
        mend = f"restore it, or delete {path.parent} to train from the beginning"
        raise UserError(f"{path} is damaged ({reason}); {mend}") from None
    return checkpoint


def _shapes(weights: dict[str, Tensor]) -> dict[str, torch.Size]:
    return {name: value.shape for name, value in weights.items()}


def saving(folder: Path, every: int, validated: bool, postponed: Postponed) -> list[Callback]:
    """The callbacks that write the two files, every so many steps, and end the training where it was asked to."""
    # Both save when a validation has ended, and last keeps best's memory: it has to come after it.
    best = MovableCheckpoint(folder, Path(BEST).stem, monitor="val/loss")
    last = MovableCheckpoint(folder, Path(LAST).stem, every_n_train_steps=None if validated else every)
    stop = StopAtStep(postponed, folder / LAST, every if validated else None)
    return [best, last, stop] if validated else [last, stop]


class AtomicCheckpoints(TorchCheckpointIO):
    """Lightning's own files go through /tmp, and may end up half written when that is another disk."""

    def __init__(self, saved: Callable[[], None]) -> None:
        super().__init__()
        self.saved = saved

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        write_atomic(Path(path), buffer.getvalue())
        self.saved()


class MovableCheckpoint(ModelCheckpoint):
    """Remembers the best loss also where the folder has been moved, say to a disk with more room."""

    def __init__(self, folder: Path, name: str, **settings: Any) -> None:
        # Lightning takes a validation after every step for one after every epoch, and would save at its end alone.
        super().__init__(folder, name, save_on_train_epoch_end=False, enable_version_counter=False, **settings)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        def here(path: str) -> str:
            return str(Path(str(self.dirpath)) / Path(path).name) if path else ""

        paths = {name: here(state[name]) for name in ("best_model_path", "kth_best_model_path", "last_model_path")}
        scores = {here(path): score for path, score in state["best_k_models"].items()}
        super().load_state_dict(state | paths | {"dirpath": self.dirpath, "best_k_models": scores})


class StopAtStep(Checkpoint):
    """Ends a training that was asked to stop when its step is done, with a checkpoint of that step.

    It stands after the callbacks that save: where the step is followed by a validation, that is part of it.
    """

    def __init__(self, postponed: Postponed, path: Path, validate_every: int | None) -> None:
        self.postponed, self.path, self.validate_every = postponed, path, validate_every

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Lightning, which would stop in the middle of a validation, has taken SIGTERM over."""
        self.postponed.install()

    def on_train_batch_end(self, trainer: Trainer, module: LightningModule, *batch: Any) -> None:
        validated = self.validate_every and trainer.global_step % self.validate_every == 0
        if self.postponed.asked and not validated:
            trainer.save_checkpoint(self.path)
            raise self.postponed.asked

    def on_validation_end(self, trainer: Trainer, module: LightningModule) -> None:
        if self.postponed.asked:
            raise self.postponed.asked
