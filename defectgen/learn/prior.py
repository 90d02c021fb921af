"""The priors: networks taught by drawings, from which a product's own start instead of from noise."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import defectgen
from defectgen.diffusion.denoise import Backbone, Denoiser, Parametrization
from defectgen.errors import UserError
from defectgen.learn.checkpoint import CONFIG, describe, load_checkpoint, named
from defectgen.learn.task import Filling
from defectgen.nn.inherit import Inheriting
from defectgen.nn.term import Label
from defectgen.spec import DataSpec

Description = dict[str, Any]  # as `describe` gives it
_FOLDER = Path(defectgen.__file__).parent / "prior"
SHIPPED = {"train.inpaint": _FOLDER / "inpaint64", "train.upsample": _FOLDER / "upsample256"}  # by block


def first_weights(
    network: Backbone, parametrization: Parametrization, spec: DataSpec, init_from: str | Path, block: str
) -> Denoiser:
    """A denoiser to train on the spec's data: from nothing ("none"), the block's shipped prior ("prior") or a folder.

    Raises:
        UserError: as `started`.
    """
    if init_from == "none":
        return Denoiser(network, parametrization, spec.sigma_data)
    folder = SHIPPED[block] if init_from == "prior" else Path(init_from)
    return started(network, parametrization, spec, folder, block)


def started(network: Backbone, parametrization: Parametrization, spec: DataSpec, folder: Path, block: str) -> Denoiser:
    """A denoiser with the weights of the checkpoint in `folder`, for the spec's classes.

    What it is told may differ from a prior that was told labels: it then starts as though nothing were told.
    A class starts as that of its name; where the checkpoint has none, as "defect", or else as "not told". The
    denoiser keeps the prior's sigma_data, which its weights are scaled by. `block` is that of the YAML, for the user.

    Raises:
        UserError: the folder is no checkpoint, or one of another network, parametrisation or task, or knows no colour.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"{block}.init_from: {folder} holds no checkpoint; give prior, none, or the folder `checkpoint` that a "
            "training has written"
        )
    prior = load_checkpoint(folder)
    theirs = prior.denoiser.network
    if prior.spec.upsampled != spec.upsampled:
        raise UserError(
            f"{block}.init_from: {folder} is of {_task(prior.spec)}, not of {_task(spec)}; start with init_from: none"
        )
    if block == "train.inpaint" and not isinstance(prior.task, Filling):
        raise UserError(
            f"{block}.init_from: {folder} was trained for {type(prior.task).__name__}; start from an inpainter"
        )
    assert isinstance(network, Inheriting) and isinstance(theirs, Inheriting)
    alike: list[tuple[object, object, Callable[[Any], Description]]] = [
        (network, theirs, _without_term),
        (parametrization, prior.denoiser.parametrization, describe),
    ]
    if not isinstance(theirs.term, Label):
        alike.append((network.term, theirs.term, describe))
    for asked, taught, described in alike:
        if described(asked) != described(taught):
            raise UserError(
                f"{block}.init_from: {folder} is a prior of {named(taught)}, not {named(asked)}; use the same, "
                "or start with init_from: none"
            )
    if prior.spec.channels < spec.channels:
        raise UserError(f"{block}.init_from: {folder} is a prior for grey pictures; start with init_from: none")
    known = {name: number for number, name in enumerate(prior.spec.classes)}
    other = known.get("defect", len(known))
    network.inherit(theirs, [known.get(name, other) for name in spec.classes])
    return Denoiser(network, parametrization, prior.denoiser.sigma_data)


def _task(spec: DataSpec) -> str:
    return "an upsampler" if spec.upsampled else "an inpainter"


def _without_term(network: Backbone) -> Description:
    """A network that reads text or sees an example may start from one that was told labels."""
    description = describe(network)
    arguments = {name: value for name, value in description["init_args"].items() if name != "term"}
    return description | {"init_args": arguments}
