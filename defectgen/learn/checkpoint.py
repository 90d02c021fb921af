"""A trained network as a folder: config.yaml, weights.safetensors, MODEL_CARD.md. No pickles.

config.yaml names each part by class and arguments, in the words of the product's YAML, and holds the DataSpec.
"""

import hashlib
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

import yaml
from safetensors.torch import load_file, save
from torch import nn

from defectgen.diffusion.denoise import Backbone, Denoiser, Parametrization
from defectgen.diffusion.noise import Schedule
from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic
from defectgen.learn.precision import Precision
from defectgen.learn.task import Inpainting, Task
from defectgen.spec import DataSpec

Part = TypeVar("Part")
CHECKPOINT = "checkpoint"  # the folder's name below what a training writes
WEIGHTS, CONFIG, CARD = "weights.safetensors", "config.yaml", "MODEL_CARD.md"


@dataclass(frozen=True)
class Checkpoint:
    """A denoiser ready to sample, with what it was trained on. `digest` is the SHA-256 of its weights.

    task: what it is given of a picture; an upsampler inpaints detail. dropout: share of its training examples of which
    nothing was told.
    """

    denoiser: Denoiser
    schedule: Schedule
    spec: DataSpec
    precision: Precision
    digest: str
    task: Task
    dropout: float = 0.1


def save_checkpoint(
    folder: Path,
    denoiser: Denoiser,
    schedule: Schedule,
    spec: DataSpec,
    precision: Precision,
    card: str,
    task: Task = Inpainting(),  # noqa: B008 - stateless
    dropout: float = 0.1,
) -> str:
    """Write the folder and return the weights' SHA-256.

    dropout: share of the training examples of which nothing was told.
    """
    config = {
        "network": describe(denoiser.network),
        "parametrization": describe(denoiser.parametrization),
        "schedule": describe(schedule),
        "task": describe(task),
        "dropout": dropout,
        "spec": asdict(spec),
        "precision": precision,
    }
    return write_network(folder, denoiser, config, card)


def load_checkpoint(folder: Path) -> Checkpoint:
    """Rebuild the denoiser of a folder, in evaluation mode on the CPU.

    Raises:
        UserError: a file is missing, damaged, or the weights are not those the config names.
    """
    with usable(folder):
        config = yaml.safe_load((folder / CONFIG).read_text())
        spec = DataSpec(**config["spec"])
        network = build(config["network"], Backbone, spec)
        denoiser = Denoiser(network, build(config["parametrization"], Parametrization), spec.sigma_data)
        schedule = build(config["schedule"], Schedule)
        task = build(config.get("task", describe(Inpainting())), Task)  # one that names none inpaints
        digest = load_weights(folder, denoiser, config)
        return Checkpoint(denoiser, schedule, spec, config["precision"], digest, task, config.get("dropout", 0.1))


def write_network(folder: Path, network: nn.Module, config: dict[str, Any], card: str) -> str:
    """Write weights, card and, last, the config with the weights' SHA-256, which is returned."""
    weights = save({name: value.contiguous() for name, value in network.state_dict().items()})
    digest = hashlib.sha256(weights).hexdigest()
    write_atomic(folder / WEIGHTS, weights)
    write_atomic(folder / CARD, card.encode())
    write_atomic(folder / CONFIG, yaml.safe_dump(config | {"weights_sha256": digest}, sort_keys=False).encode())
    return digest


def load_weights(folder: Path, network: nn.Module, config: dict[str, Any]) -> str:
    """Give a network its weights, put it in evaluation mode and return the weights' SHA-256.

    Raises:
        UserError: the weights are not those the config names.
    """
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()
    if digest != config["weights_sha256"]:
        raise UserError(f"{folder / WEIGHTS}: not the weights {CONFIG} names; {_mend(folder)}")
    network.load_state_dict(load_file(folder / WEIGHTS))
    network.eval()
    return digest


@contextmanager
def usable(folder: Path) -> Iterator[None]:
    """Whatever makes a checkpoint folder unreadable inside becomes one line for the user."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # files from elsewhere can be wrong in every way there is
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{folder}: not a usable checkpoint ({reason}); {_mend(folder)}") from None


def _mend(folder: Path) -> str:
    """The training is done, and what it went on from is still there: started again it only writes the folder."""
    return f"restore it, or delete {folder.parent / 'done.json'} and run again to have it written anew"


def describe(part: object) -> dict[str, Any]:
    """class_path and init_args of an object that keeps its constructor's arguments under their own names.

    Arguments that are such objects themselves are described within it.
    """
    names = [name for name in inspect.signature(type(part)).parameters if hasattr(part, name)]
    arguments = json.loads(json.dumps({name: getattr(part, name) for name in names}, default=describe))
    return {"class_path": f"{type(part).__module__}.{type(part).__qualname__}", "init_args": arguments}


def named(part: object) -> str:
    """The same for people: `Karras(lowest=0.002, highest=80.0)`."""
    told = ", ".join(f"{name}={value}" for name, value in describe(part)["init_args"].items())
    return f"{type(part).__name__}({told})"


def build(description: dict[str, Any], kind: type[Part], *first: object) -> Part:
    """The object a description names; `first` are arguments that are no settings (a network's DataSpec)."""
    module, _, name = description["class_path"].rpartition(".")
    found = getattr(import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, kind)):  # before it is called: a config is only data
        raise TypeError(f"{description['class_path']} is no {kind.__name__}")
    kinds = get_type_hints(found.__init__)
    arguments = {
        name: build(value, kinds[name]) if isinstance(value, dict) else value
        for name, value in description["init_args"].items()
    }
    return found(*first, **arguments)
