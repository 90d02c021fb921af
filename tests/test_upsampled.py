"""The figures of the upsampling study against what is known of planted pictures."""

import cv2
import numpy as np
import pytest
import torch
from upsampled import drift, psnr, spectrum, spectrum_distance, texture, texture_distances

from defectgen.learn.upsample import enlarged, reduced

SIDE = 256
DISC = cv2.circle(np.zeros((SIDE, SIDE), np.uint8), (120, 130), 60, 1, -1).astype(bool)
CRACK = cv2.line(np.zeros((SIDE, SIDE), np.uint8), (40, 30), (200, 210), 1, 20).astype(bool)
REGIONS = pytest.mark.parametrize("region", [DISC, CRACK], ids=["disc", "crack"])


def grain(seed: int, sigma: float = 1.0) -> np.ndarray:
    """A shaded surface with grain of this size, the same in mean and spread whatever it is."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), sigma)
    shade = cv2.GaussianBlur(rng.normal(size=(SIDE, SIDE)), (0, 0), 30)
    return (0.12 * noise / noise.std() + 0.2 * shade / shade.std()).clip(-1, 1).astype(np.float32)[None]


def bicubic(picture: np.ndarray) -> np.ndarray:
    return enlarged(reduced(torch.from_numpy(picture)[None]))[0].numpy()


@REGIONS
def test_a_picture_is_at_no_distance_from_itself_and_the_further_the_more_it_is_blurred(region: np.ndarray) -> None:
    real = grain(0)
    blurred = [np.stack([cv2.GaussianBlur(real[0], (0, 0), sigma)]) for sigma in (0.5, 1.0, 2.0)]
    distances = [spectrum_distance(one, real, region) for one in (real, *blurred)]
    assert distances[0] == 0
    assert distances == sorted(distances) and distances[1] > 0.05


@REGIONS
def test_other_grain_of_the_same_kind_is_nearer_than_half_of_bicubic(region: np.ndarray) -> None:
    """What the study asks of an upsampler is within reach of one that draws the right texture, and no other."""
    real = grain(0)
    least = spectrum_distance(bicubic(real), real, region) / 2
    alike = [spectrum_distance(grain(seed), real, region) for seed in range(1, 6)]
    coarser = [spectrum_distance(grain(seed, 2.0), real, region) for seed in range(1, 6)]
    assert max(alike) < least < min(coarser)


def test_only_the_region_counts() -> None:
    real, other = grain(0), grain(0)
    other[:, ~DISC] = grain(1, 3.0)[:, ~DISC]
    deep = cv2.erode(DISC.astype(np.uint8), np.ones((3, 3))).astype(bool)  # a slope reaches a pixel out
    np.testing.assert_allclose(spectrum(real, deep), spectrum(other, deep), atol=1e-9)
    low = reduced(torch.from_numpy(real)[None])[0].numpy()
    square = np.zeros((SIDE, SIDE), bool)
    square[96:160, 96:160] = True
    assert drift(other, low, square) == drift(real, low, square) < 0.5, "8 bits"
    other[:, DISC] += 0.1
    assert psnr(other, real, DISC) == pytest.approx(20 * np.log10(2 / 0.1), abs=0.2)


def test_drift_is_told_in_grey_levels() -> None:
    real = grain(0) / 2
    low = reduced(torch.from_numpy(real)[None])[0].numpy()
    assert drift(real + np.float32(5 * 2 / 255), low, DISC) == pytest.approx(5, abs=0.1)


def test_texture_is_taken_where_the_region_is() -> None:
    assert len(texture(grain(0), np.ones((SIDE, SIDE), bool))) == 16
    assert len(texture(grain(0), CRACK)) == 1


def test_texture_of_the_same_kind_is_as_far_as_real_is_from_real_and_blurred_texture_further() -> None:
    seeds = range(12)
    groups = [str(seed // 2) for seed in seeds]
    real, alike, coarse = (
        [texture(grain(seed + start, sigma), DISC) for seed in seeds]
        for start, sigma in ((0, 1.0), (100, 1.0), (100, 1.3))
    )
    value, noise, varies = texture_distances(real, alike, groups, seed=0)
    assert abs(value - noise) < 2 * varies
    assert texture_distances(real, real, groups, seed=0)[:2] == (noise, noise)
    assert texture_distances(real, coarse, groups, seed=0)[0] > noise + 5 * varies
