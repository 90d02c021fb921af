"""A product's network starts from a prior: what it takes over, and what it refuses."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, Denoiser, Parametrization, V
from defectgen.diffusion.noise import Karras
from defectgen.errors import UserError
from defectgen.learn import prior as learn_prior
from defectgen.learn.checkpoint import load_checkpoint, save_checkpoint
from defectgen.learn.prior import first_weights, started
from defectgen.learn.task import JPEGRestoration
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from tests.small import one_line

TAUGHT = DataSpec(3, ["good", "defect", "crack, small", "pit, large"], 0.35, 16)
GREY = DataSpec(1, ["good", "chip"], 0.2, 16)
BLOCK = "train.upsample"


def start(spec: DataSpec, folder: Path, width: int = 8, parametrization: Parametrization | None = None) -> Denoiser:
    return started(network(spec, width), parametrization or EDM(), spec, folder, BLOCK)


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
    colour, grey = start(TAUGHT, prior), start(GREY, prior)
    expected = denoised(colour, picture.expand(-1, 3, -1, -1), len(TAUGHT.classes)).mean(dim=1, keepdim=True)
    torch.testing.assert_close(denoised(grey, picture, len(GREY.classes)), expected, rtol=1e-4, atol=1e-5)


def test_weights_are_float32_again(prior: Path) -> None:
    assert {parameter.dtype for parameter in start(GREY, prior).parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("width", "parametrization", "named"), [(12, EDM(), "UNet(width=12"), (8, V(), "a prior of EDM(), not V()")]
)
def test_another_recipe_is_refused(prior: Path, width: int, parametrization: Parametrization, named: str) -> None:
    with pytest.raises(UserError) as caught:
        start(GREY, prior, width, parametrization)
    assert named in one_line(caught.value) and "init_from: none" in str(caught.value)
    assert str(caught.value).startswith(f"{BLOCK}.init_from: ")


def test_an_inpainter_is_no_prior_of_an_upsampler(prior: Path) -> None:
    """Though it be the same network."""
    upsampled = replace(TAUGHT, upsampled=True)
    with pytest.raises(UserError, match="is of an inpainter, not of an upsampler") as caught:
        start(upsampled, prior)
    assert "init_from: none" in one_line(caught.value)


def test_from_nothing_a_network_keeps_its_own_weights_and_the_scale_of_its_data() -> None:
    own = network(GREY)
    before = {name: value.clone() for name, value in own.state_dict().items()}
    denoiser = first_weights(own, EDM(), GREY, "none", BLOCK)
    assert denoiser.sigma_data == GREY.sigma_data
    assert all(torch.equal(value, before[name]) for name, value in denoiser.network.state_dict().items())


def test_each_block_has_a_shipped_prior_of_its_own(prior: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learn_prior, "SHIPPED", {"train.inpaint": Path("elsewhere"), BLOCK: prior})
    shipped = first_weights(network(GREY), EDM(), GREY, "prior", BLOCK)
    given = first_weights(network(GREY), EDM(), GREY, prior, BLOCK)
    assert shipped.sigma_data == given.sigma_data == TAUGHT.sigma_data
    torch.testing.assert_close(shipped.state_dict(), given.state_dict(), rtol=0, atol=0)


def test_a_grey_prior_has_nothing_to_say_of_colours(prior: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, start(GREY, prior), Karras(), GREY, "32-true", "# Grey")
    with pytest.raises(UserError, match="grey"):
        start(TAUGHT, tmp_path)


def test_no_checkpoint_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="holds no checkpoint; give prior, none, or"):
        start(GREY, tmp_path)


def test_a_class_starts_as_that_of_its_name_in_a_products_checkpoint(prior: Path, tmp_path: Path) -> None:
    own = replace(TAUGHT, classes=["good", "chip", "dent"])
    save_checkpoint(tmp_path, start(own, prior), Karras(), own, "32-true", "# Own")
    weights = load_checkpoint(tmp_path).denoiser.network.told.table.weight.data
    weights[:] = torch.arange(4.0)[:, None]
    checkpoint = load_checkpoint(tmp_path)
    checkpoint.denoiser.network.told.table.weight.data = weights
    save_checkpoint(tmp_path, checkpoint.denoiser, Karras(), own, "32-true", "# Own")
    started_ = start(replace(TAUGHT, classes=["good", "crack", "dent"]), tmp_path)
    assert started_.network.told.table.weight[:, 0].tolist() == [0, 3, 2, 3], "crack is not told, dent stays dent"


def test_an_inpainter_does_not_start_from_what_was_taught_to_restore(prior: Path, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, start(GREY, prior), Karras(), GREY, "32-true", "# Restorer", JPEGRestoration())
    with pytest.raises(UserError, match="was trained for JPEGRestoration; start from an inpainter") as caught:
        first_weights(network(GREY), EDM(), GREY, tmp_path, "train.inpaint")
    assert str(tmp_path) in one_line(caught.value)
