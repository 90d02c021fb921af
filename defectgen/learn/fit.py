"""Running a training with Lightning: budget, checkpoints, resume, the best weights."""

import json
import logging
import time
import warnings
from copy import deepcopy
from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import Callback

from defectgen.imaging.files import write_atomic
from defectgen.learn.callbacks import Curves, PatchProgress
from defectgen.learn.data import PatchData
from defectgen.learn.module import DiffusionModule
from defectgen.learn.precision import Precision
from defectgen.learn.resume import BEST, AtomicCheckpoints, load, saving, start_from
from defectgen.outputs import Stopwatch
from defectgen.stopping import Postponed

TIMED = 4  # steps that are timed to turn minutes into steps
ACCELERATORS = ("cpu", "cuda")  # by whether there is one; Apple's has no float64
OVERHEAD = 1.15  # validations, sample sheets and checkpoints on top of the steps


def steps_for(minutes: float, module: DiffusionModule, data: PatchData, precision: Precision, memory: Path) -> int:
    """How many steps fit into `minutes` on this machine; measured once and remembered in the file `memory`."""
    if memory.is_file():
        return int(json.loads(memory.read_text())["steps"])
    device = torch.device(ACCELERATORS[torch.cuda.is_available()])
    trial = deepcopy(module).to(device)
    batches = iter(data.train_dataloader())
    autocast = torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed")
    for number in range(TIMED + 1):
        if number == 1:  # the first step allocates and plans
            start = time.perf_counter()
        batch = trial.transfer_batch_to_device(next(batches), device, 0)
        with autocast:
            loss = trial.loss(batch).mean()
        loss.backward()
        loss.item()  # waits for the device
    steps = max(1, round(minutes * 60 / OVERHEAD / (time.perf_counter() - start) * TIMED))
    write_atomic(memory, json.dumps({"minutes": minutes, "steps": steps}).encode())
    return steps


def fit(
    module: lightning.LightningModule,
    data: PatchData,
    folder: Path,
    every: int,
    precision: Precision,
    callbacks: list[Callback],
) -> None:
    """Train on every example of the data once, validating every so many steps, and
    leave the module with the averaged weights of the lowest validation loss.

    Goes on from the files in `folder`/resume where there are any. Without validation patches the last weights are kept.

    Raises:
        KeyboardInterrupt: it was asked to stop, by Ctrl-C or SIGTERM, and has saved the step it was at.
        UserError: the files to go on from are damaged.
    """
    resume = folder / "resume"
    validated = bool(data.validation)
    steps = len(data.train) // data.batch
    every = min(every, steps)
    postponed = Postponed()
    _quieten()
    trainer = lightning.Trainer(
        max_epochs=1,
        max_steps=steps,
        val_check_interval=every,
        num_sanity_val_steps=0,
        precision=precision,
        accelerator=ACCELERATORS[torch.cuda.is_available()],
        gradient_clip_val=1.0,
        callbacks=[PatchProgress(data.batch), *callbacks, *saving(resume, every, validated, postponed)],
        plugins=[AtomicCheckpoints(Stopwatch(folder).keep)],
        logger=Curves(folder / "curves.jsonl"),
        log_every_n_steps=10,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    with postponed:
        try:
            trainer.fit(module, datamodule=data, ckpt_path=start_from(resume, module), weights_only=True)
        except SystemExit:  # what Lightning makes of a KeyboardInterrupt
            raise KeyboardInterrupt from None
    if validated:
        module.load_state_dict(load(resume / BEST, module)["state_dict"])


def _quieten() -> None:
    """Lightning's advice is about choices made here on purpose (no workers, a sampler of our own)."""
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
