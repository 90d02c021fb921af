"""The steps in order. A step is a stage of the pipeline: its function, its folder, the earlier outputs it reads.

A stage is a function `stage(out, <earlier outputs>, seed, name, *, <settings>) -> digest`. Its positional parameters
are filled in by the pipeline, its keyword-only ones are the keys of its YAML block: the signature is the schema. The
folder of an optional step is a positional parameter with a default, which it keeps where the step takes no part.
"""

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

FILLED = {"out", "seed", "name"}  # parameters the pipeline fills in itself; every other positional one is an input


@dataclass(frozen=True)
class Step:
    """One stage of the pipeline, known by name until it is needed, because importing it may import torch."""

    name: str  # its block in the YAML, dotted for a block within a block: "train.inpaint"
    target: str  # "module:function"
    summary: str  # one line for `defectgen --help`
    version: int = 1  # raised when the same settings and inputs would now give another output
    optional: bool = False  # takes part only where the YAML has its block
    growing: tuple[str, ...] = ()  # settings by which it only does more of the same: what is there is kept
    choices: tuple[str, ...] = ()  # packages imported so that the classes in them answer to their short names

    @property
    def command(self) -> str:
        """The word after `defectgen` that runs it."""
        return self.name.partition(".")[0]

    @property
    def key(self) -> str:
        """The parameter name by which later steps ask for its folder."""
        return self.name.rpartition(".")[2]

    def folder(self, data: Path, product: str) -> Path:
        """Where it writes: data/<stage>/<product>, or data/<stage>/<product>/<block> for a block within a block."""
        stage, _, block = self.name.partition(".")
        return data / stage / product / block

    def function(self) -> Callable[..., str]:
        """The stage itself, imported now."""
        for package in self.choices:
            for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
                import_module(module.name)
        module_name, _, function = self.target.partition(":")
        stage: Callable[..., str] = getattr(import_module(module_name), function)
        return stage

    def filled(self) -> set[str]:
        """The parameters that are no keys of the block: `out`, the inputs, and `seed` and `name` where asked for."""
        parameters = inspect.signature(self.function()).parameters.values()
        return {p.name for p in parameters if p.name in FILLED or p.kind is not p.KEYWORD_ONLY}

    def inputs(self) -> set[str]:
        """The keys of the earlier steps whose folders it reads."""
        return self.filled() - FILLED


_MATHEMATICS = ("defectgen.diffusion", "defectgen.nn")

STEPS = (
    Step(
        "draw",
        "defectgen.stages.draw:draw",
        "draw a product and its defects, to try all of this without pictures",
        optional=True,
        choices=("defectgen.drawing",),
    ),
    Step(
        "ingest",
        "defectgen.stages.ingest:ingest",
        "read a folder of pictures and masks, split it once, by group",
        version=3,
    ),
    Step("patch", "defectgen.stages.patch:patch", "cut training patches around defects and out of clean surface", 2),
    Step(
        "train.inpaint",
        "defectgen.stages.train:train",
        "train the network that draws defects",
        version=5,
        choices=_MATHEMATICS,
    ),
    Step(
        "train.upsample",
        "defectgen.stages.upsample:train_upsampler",
        "train the network that gives large defects their detail",
        version=2,
        choices=_MATHEMATICS,
    ),
    Step("train.critic", "defectgen.stages.critic:critic", "train the small networks that judge them", version=2),
    Step(
        "train.likelihood",
        "defectgen.stages.likelihood:train_likelihood",
        "where the YAML has its block, train the network that tells classes of noisy pictures",
        optional=True,
        choices=_MATHEMATICS,
    ),
    Step(
        "train.restore",
        "defectgen.stages.restore:train_restorer",
        "where the YAML has its block, train a network that restores pictures, and measure it",
        optional=True,
        choices=_MATHEMATICS,
    ),
    Step(
        "heal",
        "defectgen.stages.heal:heal",
        "where the YAML has its block, paint real defects over: more clean pictures, and pairs",
        version=2,
        optional=True,
        choices=_MATHEMATICS,
    ),
    Step(
        "plan",
        "defectgen.stages.plan:plan",
        "decide every defect to draw: picture, place, shape, class, seed",
        version=3,
    ),
    Step(
        "generate",
        "defectgen.stages.generate:generate",
        "draw the planned defects, keep those that pass the gates",
        version=6,
        choices=_MATHEMATICS,
    ),
    Step(
        "evaluate",
        "defectgen.stages.evaluate:evaluate",
        "train detectors with and without them: does it help?",
        version=3,
        growing=("arms", "seeds", "ratios", "replicates", "network"),
    ),
    Step("report", "defectgen.stages.report:report", "show all of it on one page", version=2),
    Step("export", "defectgen.stages.export:export", "write the labelled data set in the formats detectors read"),
)
