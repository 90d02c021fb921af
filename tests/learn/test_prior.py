"""A product's inpainter starts from a prior: what it takes over, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, Denoiser, Parametrization, V
from defectgen.diffusion.noise import Karras
from defectgen.errors import UserError
from defectgen.learn.checkpoint import save_checkpoint
from defectgen.learn.prior import started
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from tests.small import one_line

TAUGHT = DataSpec(3, ["good", "defect", "crack, small", "pit, large"], 0.35, 16)
GREY = DataSpec(1, ["good", "chip"], 0.2, 16)


def network(spec: DataSpec, width: int = 8) -> UNet:
    return UNet(spec, width, (1, 2))


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of a network none of whose layers is zero."""
    folder = tmp_path_factory.mktemp("prior")
    torch.manual_seed(0)
    denoiser = Denoiser(network(TAUGHT), EDM(), TAUGHT.sigma_data)
    for parameter in denoiser.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    save_checkpoint(folder, denoiser.bfloat16(), Karras(), TAUGHT, "32-true", "# Prior")
    return folder


def denoised(denoiser: Denoiser, picture: torch.Tensor, dropped: int) -> torch.Tensor:
    region = torch.zeros(2, 1, 16, 16)
    region[..., 4:12, 4:12] = 1
    cond = Condition(picture * (1 - region), region, torch.tensor([0, dropped]), dropped)
    with torch.no_grad():
        return denoiser(picture, torch.tensor([0.3, 2.0]), cond)


def test_a_grey_product_starts_with_what_the_prior_makes_of_a_grey_picture(prior: Path) -> None:
    torch.manual_seed(1)
    picture = torch.randn(2, 1, 16, 16)
    colour, grey = started(network(TAUGHT), EDM(), prior), started(network(GREY), EDM(), prior)
    expected = denoised(colour, picture.expand(-1, 3, -1, -1), len(TAUGHT.classes)).mean(dim=1, keepdim=True)
    torch.testing.assert_close(denoised(grey, picture, len(GREY.classes)), expected, rtol=1e-4, atol=1e-5)


def test_weights_are_float32_again(prior: Path) -> None:
    assert {parameter.dtype for parameter in started(network(GREY), EDM(), prior).parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("width", "parametrization", "named"), [(12, EDM(), "UNet(width=12"), (8, V(), "a prior of EDM(), not V()")]
)
def test_another_recipe_is_refused(prior: Path, width: int, parametrization: Parametrization, named: str) -> None:
    with pytest.raises(UserError) as caught:
        started(network(GREY, width), parametrization, prior)
    assert named in one_line(caught.value) and "init_from: none" in str(caught.value)


def test_a_grey_prior_has_nothing_to_say_of_colours(prior: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, started(network(GREY), EDM(), prior), Karras(), GREY, "32-true", "# Grey")
    with pytest.raises(UserError, match="grey"):
        started(network(replace(TAUGHT)), EDM(), tmp_path)


def test_no_checkpoint_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a usable checkpoint"):
        started(network(GREY), EDM(), tmp_path)
