"""How every training begins: with the folder of patches and with a denoiser's first weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from defectgen import tracking
from defectgen.diffusion.denoise import Backbone, Denoiser, Parametrization
from defectgen.errors import UserError
from defectgen.learn.data import SizedExamples
from defectgen.learn.prior import first_weights
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec

MEASURED = 100  # examples by which a spread is told


def opened(patch: Path) -> tuple[DataSpec, Manifest]:
    """The patches in a folder, recorded as what the run trains on.

    Raises:
        UserError: they cannot be read.
    """
    spec, manifest = DataSpec.load(patch), Manifest.load(patch)
    counts = manifest.instances["label"].value_counts().to_dict()
    tracking.log_data_set(patch.name, patch, manifest.digest(), "train", counts)
    return spec, manifest


def deviation(examples: SizedExamples) -> float:
    """Standard deviation of x0 in the regions of the first examples: the sigma_data of what is no plain picture."""
    shown = [examples[index] for index in range(min(MEASURED, len(examples)))]
    return float(torch.cat([one["x0"][one["region"].expand_as(one["x0"]) > 0] for one in shown]).std())


def begun(
    network: Callable[[DataSpec], Backbone],
    parametrization: Parametrization,
    spec: DataSpec,
    init_from: str | Path,
    block: str,
    seed: int,
) -> tuple[Denoiser, DataSpec]:
    """A denoiser laid out for speed, and the spec with the sigma_data that it goes by.

    Raises:
        UserError: the network cannot be made for this data, or as `first_weights`.
    """
    torch.manual_seed(seed % 2**63)
    try:
        made = network(spec)
    except ValueError as error:
        raise UserError(f"{block}.network: {error}") from None
    denoiser = first_weights(made, parametrization, spec, init_from, block)
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack it
    return denoiser, replace(spec, sigma_data=denoiser.sigma_data)
