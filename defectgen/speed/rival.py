"""The rival: a UNet2DModel of `diffusers` with our widths, blocks and attention, at its defaults and at its best.

It gets our batches, our precision and our training step. On the pixels of a patch it does four times our work, because
our network takes squares of 2 x 2 pixels for channels; so it is measured on those too, where the FLOPs are equal.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import gcd
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from defectgen.learn.precision import Precision
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.speed.recipe import Recipe
from defectgen.speed.results import Network
from defectgen.speed.stopwatch import Timed, count_flops, noise
from defectgen.speed.training import TrainingStep

Run = Callable[..., Any]  # a model, compiled or not


@dataclass(frozen=True)
class Setting:
    """How the rival is set up.

    patch_size: as UNet's; 1 sees pixels. head: channels of an attention head, fewer heads are faster. fused: AdamW in
    one kernel.
    """

    name: str
    patch_size: int
    head: int = 32
    fused: bool = True
    layout: torch.memory_format = torch.contiguous_format
    compiled: bool = False


# Which layout is faster depends on the machine, so both run. Compiling takes a minute: where it could change the order.
SETTINGS = (
    Setting("diffusers, defaults", 1, head=8, fused=False),
    Setting("diffusers, tuned", 1),
    Setting("diffusers, tuned, channels last", 1, layout=torch.channels_last),
    Setting("diffusers on 2 x 2 patches, tuned", 2),
    Setting("diffusers on 2 x 2 patches, tuned, channels last", 2, layout=torch.channels_last),
    Setting("diffusers on 2 x 2 patches, tuned, compiled", 2, compiled=True),
)


def rivals(
    recipe: Recipe, spec: DataSpec, precision: Precision, device: torch.device
) -> tuple[list[Network], list[str]]:
    """A network for every setting that runs on this machine, and a line on each that does not."""
    try:
        import diffusers  # noqa: F401 - the rival is optional
    except ImportError:
        return [], ["Not compared: `diffusers` is not installed; `pip install diffusers` and run this again."]
    networks, notes = [], []
    for setting in SETTINGS:
        network = _network(setting, recipe, spec, precision, device)
        fault = _compile(network) if setting.compiled else ""
        if fault:
            notes.append(f"Not measured: {setting.name} ({fault})")
        else:
            networks.append(network)
    return networks, notes


def _compile(network: Network) -> str:
    """Make the calls in which it is compiled; returns why that failed, "" if it did not."""
    print("benchmark: compiling the rival, a minute or two the first time", flush=True)
    try:
        network.denoising.go()
        network.training.go()
    except Exception as error:  # compilers, and where there is none, fail in many ways
        return " ".join(str(error).split())[:200]
    return ""


def _network(setting: Setting, recipe: Recipe, spec: DataSpec, precision: Precision, device: torch.device) -> Network:
    model = _model(setting, recipe.network(spec), spec)
    model.to(device, memory_format=setting.layout)
    passed, learned = (_inputs(setting, spec, count, device) for count in (recipe.passed, recipe.batch))
    target = noise(*learned[0][:, : spec.channels * setting.patch_size**2].shape, device=device)

    def answer(network: Run, inputs: tuple[Tensor, ...]) -> Tensor:
        return network(*inputs, return_dict=False)[0]

    def loss(network: Run) -> Tensor:
        return functional.mse_loss(answer(network, learned), target)

    @torch.inference_mode()
    def denoise(network: Run) -> Tensor:
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            return answer(network, passed)

    flops = count_flops(lambda: denoise(model)), count_flops(lambda: loss(model).backward())
    network: Run = torch.compile(model) if setting.compiled else model
    optimizer = torch.optim.AdamW(model.parameters(), recipe.learning_rate, fused=setting.fused or None)
    step = TrainingStep(loss, model.parameters(), optimizer, precision)
    return Network(
        setting.name,
        sum(parameter.numel() for parameter in model.parameters()),
        Timed(lambda: denoise(network), recipe.passed, flops[0] / recipe.passed),
        Timed(lambda: step(network), recipe.batch, flops[1] / recipe.batch),
    )


def _model(setting: Setting, ours: UNet, spec: DataSpec) -> Any:
    """With as many parameters as ours has, give or take what the two designs differ in."""
    from diffusers import UNet2DModel

    plain, squares = len(ours.multipliers) - 1, setting.patch_size**2
    return UNet2DModel(
        sample_size=spec.size // setting.patch_size,
        in_channels=(spec.channels + spec.context + 1) * squares,
        out_channels=spec.channels * squares,
        block_out_channels=tuple(ours.width * multiplier for multiplier in ours.multipliers),
        layers_per_block=ours.blocks,
        down_block_types=("DownBlock2D",) * plain + ("AttnDownBlock2D",),
        up_block_types=("AttnUpBlock2D",) + ("UpBlock2D",) * plain,
        attention_head_dim=setting.head,
        norm_num_groups=gcd(ours.width, 32),
        num_class_embeds=len(spec.classes) + 1,
    )


def _inputs(setting: Setting, spec: DataSpec, batch: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Noisy patches with surroundings and region, their levels, their labels."""
    side, squares = spec.size // setting.patch_size, setting.patch_size**2
    x = noise(batch, (spec.channels + spec.context + 1) * squares, side, side, device=device)
    level = torch.linspace(0, 999, batch, device=device)
    return x.to(memory_format=setting.layout), level, torch.zeros(batch, dtype=torch.long, device=device)
