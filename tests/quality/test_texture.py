"""Features of patches: what they must not see, what they measure, and that they are the critic's own."""

import numpy as np
import pytest
import torch

from defectgen.learn.critic import CrossFitted
from defectgen.nn.classifier import Classifier
from defectgen.quality.texture import critic_features, texture_features
from defectgen.spec import DataSpec

PATTERNS, RINGS = 28, 16


def noise(count: int, channels: int = 1, deviation: float = 0.2, seed: int = 0) -> np.ndarray:
    shape = (count, channels, 64, 64)
    return np.random.default_rng(seed).normal(0, deviation, shape).clip(-1, 1).astype(np.float32)


def spectrum(patches: np.ndarray) -> np.ndarray:
    return texture_features(patches)[:, PATTERNS : PATTERNS + RINGS]


@pytest.mark.parametrize("channels", [1, 3])
def test_one_row_per_patch_whatever_its_batch_mates(channels: int) -> None:
    patches = noise(3, channels)
    features = texture_features(patches)
    assert features.shape == (3, PATTERNS + RINGS + channels)
    np.testing.assert_array_equal(texture_features(patches[1:2]), features[1:2])


def test_grey_as_colour_is_the_same_texture() -> None:
    grey = noise(2)
    np.testing.assert_allclose(
        texture_features(grey.repeat(3, axis=1))[:, : PATTERNS + RINGS + 1], texture_features(grey)
    )


def test_every_channel_counts() -> None:
    colour = noise(1, channels=3)
    expected = np.mean([texture_features(colour[:, [n]])[:, :-1] for n in range(3)], axis=0)
    np.testing.assert_allclose(texture_features(colour)[:, :-3], expected)


@pytest.mark.parametrize("value", [-1.0, 0.0, 0.3, 1.0])
def test_a_constant_patch_has_finite_features_and_no_power(value: float) -> None:
    features = texture_features(np.full((1, 1, 64, 64), value, np.float32))
    assert np.isfinite(features).all()
    assert np.count_nonzero(features[0, :PATTERNS]) == 2  # one pattern at each scale, the patch's border is none
    np.testing.assert_allclose(features[0, PATTERNS:-1], np.log10((2 / 255) ** 2 / 12))
    assert features[0, -1] == pytest.approx(value)


def test_the_histograms_are_of_all_pixels() -> None:
    histograms = texture_features(noise(1))[0, :PATTERNS] ** 2
    assert histograms[:10].sum() == pytest.approx(1)
    assert histograms[10:].sum() == pytest.approx(1)


@pytest.mark.parametrize("deviation", [0.05, 0.2])
def test_the_power_of_white_noise_is_its_variance_in_every_ring(deviation: float) -> None:
    np.testing.assert_allclose(10 ** spectrum(noise(60, deviation=deviation)).mean(axis=0), deviation**2, rtol=0.2)


@pytest.mark.parametrize("periods", [3, 10, 25])
def test_a_wave_shows_in_the_ring_of_its_frequency(periods: int) -> None:
    wave = np.sin(2 * np.pi * periods * np.arange(64) / 64).astype(np.float32)
    patches = np.stack([np.tile(wave, (64, 1)), np.tile(wave, (64, 1)).T])[:, None]
    np.testing.assert_array_equal(spectrum(patches).argmax(axis=1), (periods - 1) // 2)


def test_light_is_no_texture() -> None:
    patches = noise(2, deviation=0.1)
    grey = np.rint((patches + 1) * 127.5) / 127.5 - 1
    brighter = (grey + 26 / 127.5).astype(np.float32)
    before, after = texture_features(grey.astype(np.float32)), texture_features(brighter)
    np.testing.assert_allclose(after[:, :-1], before[:, :-1], atol=1e-4)
    np.testing.assert_allclose(after[:, -1] - before[:, -1], 26 / 127.5, atol=1e-6)


def test_digits_below_eight_bits_are_no_texture() -> None:
    flat = np.full((1, 1, 64, 64), 0.3, np.float32)
    np.testing.assert_allclose(texture_features(flat + noise(1, deviation=1e-5)), texture_features(flat), atol=1e-3)


def test_the_critics_features_are_what_it_decides_by(spec: DataSpec) -> None:
    torch.manual_seed(0)
    critic = CrossFitted([Classifier(spec).eval()], {}, spec, "")
    patches = noise(70)  # more than go through the network at a time
    features = critic_features(critic, patches)
    logits = critic.members[0].logits(torch.from_numpy(features.astype(np.float32)))
    np.testing.assert_allclose(logits.softmax(dim=1).detach(), critic.predict(patches), atol=1e-5)
