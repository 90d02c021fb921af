"""Upsampling: what is told, what examples are, and what a drawn picture keeps of what it was given."""

from collections.abc import Sequence

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, Backbone, Denoiser
from defectgen.diffusion.noise import Karras
from defectgen.diffusion.solve import DDIM
from defectgen.learn.upsample import (
    AUGMENTATION,
    FACTOR,
    Upsampler,
    UpsamplingExamples,
    enlarged,
    reduced,
    upsampling,
)

SIDE, CROP, DROPPED, MANY = 64, 32, 3, 40


class Restless(Backbone):
    """Answers anything."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))
        self.asked: list[Condition] = []

    def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
        self.asked.append(cond)
        return torch.sin(3 * x) + cond.context.mean(dim=1, keepdim=True)


def patches() -> list[tuple[np.ndarray, np.ndarray, int]]:
    rng = np.random.default_rng(0)
    pictures = rng.uniform(-1, 1, (3, 1, SIDE, SIDE)).astype(np.float32)
    masks = np.zeros((3, SIDE, SIDE), bool)
    masks[0, :5, :5] = masks[1, 30:34, 40:60] = masks[2, 60:, 60:] = True
    return [(picture, mask, label) for picture, mask, label in zip(pictures, masks, (0, 1, 2), strict=True)]


def examples(flips: Sequence[str] = (), drop: float = 0.0) -> UpsamplingExamples:
    return UpsamplingExamples(patches(), CROP, list(flips), MANY, drop, DROPPED, seed=4)


def test_reduced_undoes_what_enlarged_does_to_smooth_pictures() -> None:
    y, x = torch.meshgrid(torch.linspace(0, 3, 16), torch.linspace(0, 3, 16), indexing="ij")
    smooth = (torch.sin(x) * torch.cos(y))[None, None]
    assert enlarged(smooth).shape[-1] == 16 * FACTOR
    torch.testing.assert_close(reduced(enlarged(smooth)), smooth, rtol=0, atol=0.02)


def test_an_example_follows_from_seed_and_number_alone() -> None:
    for one, other in zip(examples()[11].values(), examples()[11].values(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_examples_are_crops_on_the_low_resolutions_grid_that_show_the_defect() -> None:
    starts = range(0, SIDE - CROP + 1, FACTOR)
    for index in range(8):
        example = examples()[index]
        assert example["x0"].shape == example["low"].shape == (1, CROP, CROP)
        assert example["region"].any() and not example["region"].all()
        picture = patches()[int(example["label"])][0][0]
        windows = [picture[top : top + CROP, left : left + CROP] for top in starts for left in starts]
        seen = example["x0"].numpy().ravel()
        likeness = [np.corrcoef(seen, window.ravel())[0, 1] for window in windows]
        assert sum(value > 0.98 for value in likeness) == 1, "another light at the most"
    assert {int(examples()[index]["label"]) for index in range(MANY)} == {0, 1, 2}


def test_the_low_resolution_picture_is_as_noisy_as_it_is_told_to_be() -> None:
    levels, found = [], []
    for index in range(MANY):
        example = examples()[index]
        level = float(example["augmentation"].exp())
        noise = reduced((example["low"] - enlarged(reduced(example["x0"][None]))[0])[None])
        levels.append(level)
        found.append(float(noise.std()))
    assert AUGMENTATION[0] <= min(levels) and max(levels) <= AUGMENTATION[1] and max(levels) > 5 * min(levels)
    assert np.corrcoef(levels, found)[0, 1] > 0.95


def test_labels_are_dropped_as_often_as_asked() -> None:
    assert {int(examples(drop=1.0)[index]["label"]) for index in range(5)} == {DROPPED}


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
    return Upsampler(denoiser, Karras().trajectory(4), DROPPED, DDIM(), [], augmentation=0.05)


def test_drawn_pictures_keep_the_surroundings_bit_for_bit_and_inside_the_region_what_low_resolution_shows(
    upsampler: Upsampler,
) -> None:
    rng = np.random.default_rng(1)
    clean = rng.uniform(-1, 1, (2, 1, SIDE, SIDE)).astype(np.float32)
    small = SIDE // FACTOR
    low = np.stack([cv2.GaussianBlur(rng.uniform(-1, 1, (small, small)), (0, 0), 1.5)[None] for _ in range(2)])
    low = low.astype(np.float32)
    regions = np.zeros((2, SIDE, SIDE), bool)
    regions[:, 8:56, 16:48] = True
    drawn = upsampler(clean, regions, low, [1, 2], [5, 6])
    outside = np.broadcast_to(~regions[:, None], drawn.shape)
    np.testing.assert_array_equal(drawn[outside], clean[outside])
    averages = reduced(torch.from_numpy(drawn)).numpy()
    inside = np.s_[:, :, 4:12, 6:10]  # two low-resolution pixels from the region's border
    assert np.sqrt(np.mean((averages - low)[inside] ** 2)) < 0.1 * low.std()


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
