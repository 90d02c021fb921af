"""The prior: an inpainter taught by drawings, from which a product's own starts instead of from noise."""

from collections.abc import Sequence
from pathlib import Path

import defectgen
from defectgen.diffusion.denoise import Backbone, Denoiser, Parametrization
from defectgen.errors import UserError
from defectgen.learn.checkpoint import CONFIG, describe, load_checkpoint
from defectgen.nn.unet import UNet

SHIPPED = Path(defectgen.__file__).parent / "prior" / "inpaint64"


def started(network: Backbone, parametrization: Parametrization, folder: Path, classes: Sequence[str]) -> Denoiser:
    """A denoiser of these classes with the weights of the checkpoint in `folder`.

    A class starts as that of its name; where the checkpoint has none, as "defect", or else as "not told". The
    denoiser keeps the prior's sigma_data, which its weights are scaled by.

    Raises:
        UserError: the folder is no checkpoint, or one of another network, parametrisation or for colour only.
    """
    if not (folder / CONFIG).is_file():
        raise UserError(
            f"train.inpaint.init_from: {folder} holds no checkpoint; give prior, none, or the folder `checkpoint` that "
            "a training has written"
        )
    prior = load_checkpoint(folder)
    theirs = prior.denoiser.network
    for part, taught in ((network, theirs), (parametrization, prior.denoiser.parametrization)):
        if describe(part) != describe(taught):
            raise UserError(
                f"train.inpaint.init_from: {folder} is a prior of {_named(taught)}, not {_named(part)}; use the same, "
                "or start with init_from: none"
            )
    assert isinstance(network, UNet) and isinstance(theirs, UNet)
    if theirs.channels < network.channels:
        raise UserError(f"train.inpaint.init_from: {folder} is a prior for grey pictures; start with init_from: none")
    named = {name: number for number, name in enumerate(prior.spec.classes)}
    other = named.get("defect", len(named))
    network.inherit(theirs, [named.get(name, other) for name in classes])
    return Denoiser(network, parametrization, prior.denoiser.sigma_data)


def _named(part: object) -> str:
    arguments = describe(part)["init_args"]
    told = ", ".join(f"{name}={value}" for name, value in arguments.items())
    return f"{type(part).__name__}({told})"
