"""Upsampling: what is told, and what a drawn picture keeps of what it was given."""

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, X0, Backbone, Denoiser
from defectgen.diffusion.noise import Karras
from defectgen.diffusion.solve import DDIM
from defectgen.learn.upsample import FACTOR, GAIN, Upsampler, detail, enlarged, reduced, upsampling

SIDE, DROPPED = 64, 3


class Restless(Backbone):
    """Answers anything."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        return torch.sin(3 * x) + cond.context.mean(dim=1, keepdim=True)


class Plain(Restless):
    """Answers that there is no detail."""

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        return torch.zeros_like(x)


def test_reduced_undoes_what_enlarged_does_to_smooth_pictures() -> None:
    y, x = torch.meshgrid(torch.linspace(0, 3, 16), torch.linspace(0, 3, 16), indexing="ij")
    smooth = (torch.sin(x) * torch.cos(y))[None, None]
    assert enlarged(smooth).shape[-1] == 16 * FACTOR
    torch.testing.assert_close(reduced(enlarged(smooth)), smooth, rtol=0, atol=0.02)


def test_the_network_is_told_the_surroundings_and_not_what_is_hidden() -> None:
    x0, low = torch.rand(2, 1, 8, 8), torch.rand(2, 1, 8, 8)
    region = torch.zeros(2, 1, 8, 8)
    region[..., 2:6, 2:6] = 1
    cond = upsampling(x0, region, low, torch.tensor([0, 1]), torch.tensor([-1.0, -2.0]), DROPPED)
    assert torch.equal(cond.context[:, 1:], low)
    assert torch.equal(cond.context[:, :1], torch.where(region > 0, 0, x0))
    assert cond.augmentation is not None and cond.augmentation.tolist() == [-1.0, -2.0]


@pytest.fixture
def upsampler() -> Upsampler:
    torch.manual_seed(0)
    denoiser = Denoiser(Restless(), EDM(), 0.3)
    return Upsampler(denoiser, Karras().trajectory(4), DROPPED, DDIM(), [])


def test_drawn_pictures_keep_the_surroundings_bit_for_bit_and_inside_the_region_what_low_resolution_shows(
    upsampler: Upsampler,
) -> None:
    rng = np.random.default_rng(1)
    clean = rng.uniform(-1, 1, (2, 1, SIDE, SIDE)).astype(np.float32)
    small = SIDE // FACTOR
    blurred = [cv2.GaussianBlur(rng.uniform(-1, 1, (small, small)), (0, 0), 1.5)[None] for _ in range(2)]
    low = np.stack(blurred).astype(np.float32)
    regions = np.zeros((2, SIDE, SIDE), bool)
    regions[:, 8:56, 16:48] = True
    drawn = upsampler(clean, regions, low, [1, 2], [5, 6])
    outside = np.broadcast_to(~regions[:, None], drawn.shape)
    np.testing.assert_array_equal(drawn[outside], clean[outside])
    averages = reduced(torch.from_numpy(drawn)).numpy()
    inside = np.s_[:, :, 4:12, 6:10]  # two low-resolution pixels from the region's border
    assert np.sqrt(np.mean((averages - low)[inside] ** 2)) < 0.1 * low.std()


def test_detail_is_what_a_picture_has_beyond_low_resolution() -> None:
    pictures = torch.rand(2, 3, 16, 16)
    beyond = detail(pictures, reduced(pictures))
    torch.testing.assert_close(enlarged(reduced(pictures)) + beyond / GAIN, pictures)


def test_without_detail_the_low_resolution_picture_is_enlarged() -> None:
    y, x = np.meshgrid(np.linspace(0, 3, SIDE // FACTOR), np.linspace(0, 3, SIDE // FACTOR), indexing="ij")
    low = (np.sin(x) * np.cos(y)).astype(np.float32)[None, None]
    region = np.ones((1, SIDE, SIDE), bool)
    upsampler = Upsampler(Denoiser(Plain(), X0(), 1.0), Karras().trajectory(4), DROPPED, DDIM(), [])
    drawn = upsampler(np.zeros((1, 1, SIDE, SIDE), np.float32), region, low, [1], [0])
    smooth = enlarged(torch.from_numpy(low)).numpy()
    assert np.abs(drawn - smooth)[..., 8:-8, 8:-8].max() < 0.02


def test_a_picture_does_not_depend_on_its_batch_mates(upsampler: Upsampler) -> None:
    rng = np.random.default_rng(2)
    clean = rng.uniform(-1, 1, (3, 1, SIDE, SIDE)).astype(np.float32)
    low = rng.uniform(-0.5, 0.5, (3, 1, SIDE // FACTOR, SIDE // FACTOR)).astype(np.float32)
    regions = np.ones((3, SIDE, SIDE), bool)
    together = upsampler(clean, regions, low, [0, 1, 2], [7, 8, 9])
    alone = upsampler(clean[1:2], regions[1:2], low[1:2], [1], [8])
    np.testing.assert_allclose(together[1:2], alone, atol=1e-5)
    other = upsampler(clean[1:2], regions[1:2], low[1:2], [1], [10])
    assert np.abs(other - alone).max() > 0.01
