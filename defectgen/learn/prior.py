"""The prior: an inpainter taught by drawings, from which a product's own starts instead of from noise."""

from pathlib import Path

import defectgen
from defectgen.diffusion.denoise import Backbone, Denoiser, Parametrization
from defectgen.errors import UserError
from defectgen.learn.checkpoint import describe, load_checkpoint
from defectgen.nn.unet import UNet

SHIPPED = Path(defectgen.__file__).parent / "prior" / "inpaint64"


def started(network: Backbone, parametrization: Parametrization, folder: Path) -> Denoiser:
    """A denoiser with the weights of the checkpoint in `folder`, its class numbers translated.

    It keeps the prior's sigma_data, which its weights are scaled by.

    Raises:
        UserError: the folder is no checkpoint, or one of another network, parametrisation or for colour only.
    """
    prior = load_checkpoint(folder)
    theirs = prior.denoiser.network
    for part, other in ((network, theirs), (parametrization, prior.denoiser.parametrization)):
        if describe(part) != describe(other):
            raise UserError(
                f"train.inpaint.init_from: {folder} is a prior of {_named(other)}, not {_named(part)}; use the same, "
                "or start with init_from: none"
            )
    assert isinstance(network, UNet) and isinstance(theirs, UNet)
    if theirs.channels < network.channels:
        raise UserError(f"train.inpaint.init_from: {folder} is a prior for grey pictures; start with init_from: none")
    network.inherit(theirs)
    return Denoiser(network, parametrization, prior.denoiser.sigma_data)


def _named(part: object) -> str:
    arguments = describe(part)["init_args"]
    told = ", ".join(f"{name}={value}" for name, value in arguments.items())
    return f"{type(part).__name__}({told})"
