"""The priors that come with defectgen: whole, small, and what trainings start from unless told otherwise."""

import inspect
from collections.abc import Callable

import pytest
import torch
from safetensors.torch import load_file

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, Backbone
from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import to_float
from defectgen.imaging.region import grow
from defectgen.learn.checkpoint import CARD, WEIGHTS, describe, load_checkpoint
from defectgen.learn.drawn import CLASSES
from defectgen.learn.prior import SHIPPED, first_weights
from defectgen.learn.upsample import detail, enlarged, reduced, upsampling
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.embed import ANY_DEFECT
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.stages.train import train
from defectgen.stages.upsample import train_upsampler
from defectgen.steps import STEPS

INPAINT, UPSAMPLE = "train.inpaint", "train.upsample"
RELEASED = {  # of each block the weights and the version of the step that starts from them
    INPAINT: ("cbe5ffc94f213bce8f0d6d3ac069d95e0f6dcfaaf5b30e6d83ebbbe3878b5cca", 5),
    UPSAMPLE: ("99c3988cc58450c865f70a3722745af55212fda3290189a9a6e6baaa9d0a61b5", 2),
}
NETWORKS: dict[str, Callable[[DataSpec], Backbone]] = {INPAINT: UNet, UPSAMPLE: EfficientUNet}
TRAININGS: dict[str, Callable[..., str]] = {INPAINT: train, UPSAMPLE: train_upsampler}
MOST = 20e6  # bytes, both together

each_block = pytest.mark.parametrize("block", [INPAINT, UPSAMPLE])


@each_block
def test_the_weights_are_those_released_and_the_step_knows(block: str) -> None:
    """Other weights give other networks: a release of new ones raises the step's version, so that all train anew."""
    version = next(step.version for step in STEPS if step.name == block)
    assert (load_checkpoint(SHIPPED[block]).digest, version) == RELEASED[block]


def test_they_are_small() -> None:
    assert sum(path.stat().st_size for folder in SHIPPED.values() for path in folder.iterdir()) < MOST


@each_block
def test_its_card_tells_how_it_is_made_again(block: str) -> None:
    card = (SHIPPED[block] / CARD).read_text()
    assert "made again by `defectgen pretrain --" in card and "| step | masked loss" in card


@each_block
def test_a_product_trains_on_the_levels_its_prior_was_taught_at(block: str) -> None:
    schedule = inspect.signature(TRAININGS[block]).parameters["schedule"].default
    assert describe(load_checkpoint(SHIPPED[block]).schedule) == describe(schedule)


@each_block
def test_a_product_starts_with_the_weights_of_the_file_bit_for_bit(block: str) -> None:
    """In float32, which holds every bfloat16; but for its classes, which begin as what the prior knows of them."""
    spec = DataSpec(3, ["good", "pit", "scratch"], 0.3, 64, upsampled=block == UPSAMPLE)
    file = load_file(SHIPPED[block] / WEIGHTS)
    denoiser = first_weights(NETWORKS[block](spec), EDM(), spec, "prior", block)
    assert denoiser.sigma_data == load_checkpoint(SHIPPED[block]).spec.sigma_data
    table = "network.told.table.weight"
    expected = file | {table: file[table][[0, ANY_DEFECT, ANY_DEFECT, -1]]}
    found = denoiser.state_dict()
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.dtype == torch.bfloat16 and found[name].dtype == torch.float32
        assert torch.equal(found[name], value.float()), name


def test_the_inpainter_fills_a_hole_better_than_the_mean_of_its_surroundings() -> None:
    """On drawings that it never saw, from all but nothing: the region is noise 20 times as strong as the picture."""
    spec, sigma = DataSpec(3, ["good", "defect"], 0.4, 64), torch.tensor([20.0])
    denoiser = first_weights(UNet(spec), EDM(), spec, "prior", INPAINT).eval()
    errors = []
    for lesson in map(Teacher(64, seed=987), range(16)):
        clean = torch.from_numpy(to_float(lesson.clean))[None]
        region = torch.from_numpy(grow(lesson.mask, 2.0))[None, None].float()
        known = clean * (1 - region)
        noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            seen = known + region * sigma * noise[:, :1] if lesson.grey else known + region * sigma * noise
            guess = denoiser(seen, sigma, Condition(known, region, torch.tensor([0]), 2))
        mean = known.sum(dim=(2, 3), keepdim=True) / (1 - region).sum()
        errors.append([float(((filled - clean) ** 2 * region).sum() / region.sum()) for filled in (guess, mean)])
    ours, plain = torch.tensor(errors).mean(dim=0)
    assert ours < 0.75 * plain


def test_the_inpainter_was_taught_what_is_drawn_today() -> None:
    assert load_checkpoint(SHIPPED[INPAINT]).spec.classes == CLASSES


def test_the_upsampler_finds_detail_in_noise() -> None:
    """On drawings that it never saw: what it makes of noise is closer to the truth than none, and than the noise."""
    spec, sigma = load_checkpoint(SHIPPED[UPSAMPLE]).spec, torch.tensor([0.2])
    denoiser = first_weights(EfficientUNet(spec), EDM(), spec, "prior", UPSAMPLE).eval()
    found = []
    for lesson in map(Teacher(128, seed=987), range(16)):
        picture = torch.from_numpy(to_float(lesson.picture))[None]
        region = torch.from_numpy(grow(lesson.mask, 12.0))[None, None].float()
        x0 = detail(picture, reduced(picture))
        noise = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(0))
        noise = noise[:, :1].expand_as(noise) if lesson.grey else noise
        low = enlarged(reduced(picture))
        cond = upsampling(x0, region, low, torch.tensor([ANY_DEFECT]), torch.tensor([-4.0]), 2)
        with torch.no_grad():
            guess = denoiser(x0 + region * sigma * noise, sigma, cond)
        found.append([float(((one - x0) ** 2 * region).sum() / region.sum()) for one in (guess, 0 * x0)])
    ours, none = torch.tensor(found).mean(dim=0)
    assert ours < 0.5 * none and ours < 0.5 * 3 * sigma**2
