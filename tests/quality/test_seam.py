"""The seam critic: it must not see what lies inside, must see a planted edge, and must find nothing where none is."""

import cv2
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from defectgen.imaging.distance import to_outside
from defectgen.quality.seam import RIM, feature_names, seam_features, seam_scores

SIDE, PICTURES = 96, 30
UNIT = 2.0  # native pixels to one at 64 px
SUPPORT = cv2.ellipse(np.zeros((SIDE, SIDE), np.uint8), (50, 44), (26, 18), 20, 0, 360, 1, -1).astype(bool)


def surface(seed: int, channels: int = 1) -> np.ndarray:
    """Grain on a ramp."""
    rng = np.random.default_rng(seed)
    grain = cv2.GaussianBlur(rng.normal(0, 8, (SIDE, SIDE, channels)), (0, 0), 0.8).reshape(SIDE, SIDE, channels)
    ramp = 120 + np.linspace(0, 20 * rng.normal(), SIDE)[:, None, None]
    pixels = np.rint(ramp + grain).clip(0, 255).astype(np.uint8)
    return pixels if channels == 3 else pixels[..., 0]


def brighter(pixels: np.ndarray, levels: int) -> np.ndarray:
    return np.where(SUPPORT if pixels.ndim == 2 else SUPPORT[..., None], pixels + np.uint8(levels), pixels)


def smoother(pixels: np.ndarray) -> np.ndarray:
    return np.where(SUPPORT, cv2.GaussianBlur(pixels, (0, 0), 1.5), pixels)


def auroc(changed: list[np.ndarray]) -> float:
    """Of the critic on these pictures and as many others of the same groups without a seam."""
    clean = [surface(seed) for seed in range(PICTURES)]
    features = np.stack([seam_features(pixels, SUPPORT, UNIT) for pixels in [*clean, *changed]])
    seam = np.repeat([False, True], PICTURES)
    groups = [str(number) for number in range(PICTURES)] * 2
    return float(roc_auc_score(seam, seam_scores(features, seam, groups, seed=0)))


def test_a_planted_step_is_found() -> None:
    assert auroc([brighter(surface(seed), 6) for seed in range(PICTURES)]) > 0.9


def test_lost_grain_is_found() -> None:
    assert auroc([smoother(surface(seed)) for seed in range(PICTURES)]) > 0.9


def test_of_more_of_the_same_nothing_is_found() -> None:
    """Other surfaces in the place of changed ones, of the same groups."""
    assert 0.25 < auroc([surface(1000 + seed) for seed in range(PICTURES)]) < 0.7


@pytest.mark.parametrize("channels", [1, 3])
def test_what_lies_deeper_than_the_rim_is_never_looked_at(channels: int) -> None:
    pixels = surface(0, channels)
    depth = to_outside(SUPPORT)
    deep = depth > RIM * UNIT + 1
    other = pixels.copy()
    other[deep] = 255 - other[deep]
    assert deep.sum() > 100
    np.testing.assert_array_equal(seam_features(pixels, SUPPORT, UNIT), seam_features(other, SUPPORT, UNIT))
    nearer = depth > 1
    other[nearer] = 255 - pixels[nearer]
    assert (seam_features(pixels, SUPPORT, UNIT) != seam_features(other, SUPPORT, UNIT)).any()


def test_features_have_names_and_a_step_of_brightness_is_told_by_the_right_one() -> None:
    """It makes the two bands at the edge fall off outwards by half of it each, and those beyond not at all."""
    plain = np.full((SIDE, SIDE), 100, np.uint8)
    found = dict(zip(feature_names(), seam_features(brighter(plain, 8), SUPPORT, UNIT), strict=True))
    tilts = [found[f"tilt at {place} native px"] for place in ("-2 to -1", "-1 to 0", "0 to 1", "1 to 2")]
    np.testing.assert_allclose(tilts, [0, -4, -4, 0], atol=1e-3)
    assert found["size at -1 to 0 native px"] == pytest.approx(np.log(8), abs=0.1)
    assert found["across at -1 to 0 native px"] > 1 > found["across at 1 to 2 px at 64"]


def test_a_picture_filled_to_its_border_has_no_edge_there() -> None:
    """All of it is support, as where a large region covers a small picture: figures, all of them finite."""
    found = seam_features(surface(0), np.ones((SIDE, SIDE), bool), UNIT)
    assert np.isfinite(found).all()
    half = np.zeros((SIDE, SIDE), bool)
    half[:, : SIDE // 2] = True
    step = np.where(half, 110, 100).astype(np.uint8)
    found = dict(zip(feature_names(), seam_features(step, half, UNIT), strict=True))
    assert found["tilt at 0 to 1 native px"] == pytest.approx(-5, abs=1e-3)


def test_sixteen_bits_are_judged_as_eight() -> None:
    pixels = surface(0)
    deep = pixels.astype(np.uint16) * 257
    np.testing.assert_allclose(
        seam_features(deep, SUPPORT, UNIT), seam_features(pixels, SUPPORT, UNIT), rtol=1e-3, atol=1e-3
    )


def test_the_critic_has_not_seen_the_group_it_judges() -> None:
    """Each group has a mark of its own: where groups are shared it is known by heart, where they are not it is not."""
    rng = np.random.default_rng(0)
    seam = rng.random(24) < 0.5
    marks = rng.normal(size=(24, 3)).repeat(4, axis=0)
    together = seam_scores(marks, seam.repeat(4), [str(number) for number in range(24) for _ in range(4)], seed=0)
    apart = seam_scores(marks, seam.repeat(4), [str(number) for number in range(96)], seed=0)
    assert roc_auc_score(seam.repeat(4), apart) > 0.9
    assert roc_auc_score(seam.repeat(4), together) < 0.7
