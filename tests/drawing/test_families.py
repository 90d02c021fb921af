"""Families of defects: each has its look, and a wide range of tones."""

from dataclasses import fields

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from defectgen.drawing.defect import Mark, lay
from defectgen.drawing.families import FAMILIES, TAUGHT
from defectgen.drawing.light import Surface
from defectgen.drawing.plate import BrushedPlate
from defectgen.drawing.texture import Field

TONED = ("extra", "blob", "band", "threadpull", "smear", "patch", "spots")
"""Families that are darker or brighter than the surface, grey or coloured."""


def _draw(label: str, size: float, seed: int = 2) -> Mark:
    return TAUGHT[label].draw(np.random.default_rng(seed), size)


def _change(mark: Mark) -> Field:
    """How the mark changes the albedo (h, w, 3) of a plain grey surface."""
    flat = np.zeros(mark.relief.shape, np.float32)
    grey = Surface(np.full((*flat.shape, 3), 0.4, np.float32), flat, flat, np.full(3, 0.7, np.float32), flat + 1, 20.0)
    return lay(grey, mark, (0, 0)).albedo - grey.albedo


def _touched(mark: Mark) -> set[str]:
    rest = Mark.rest(mark.relief.shape)
    return {f.name for f in fields(mark) if not np.array_equal(getattr(mark, f.name), getattr(rest, f.name))}


def test_classes_have_their_looks() -> None:
    """On a plain surface: a scratch bares bright substrate, a pit is deep, a stain is flat, a crack is the darkest."""
    marks = {label: _draw(label, 40.0) for label in FAMILIES}
    assert marks["scratch"].bare.max() > 0.5
    assert marks["pit"].relief.min() == min(mark.relief.min() for mark in marks.values())
    assert not marks["stain"].relief.any()
    assert marks["crack"].tint.min() == min(mark.tint.min() for mark in marks.values())
    thin, broad = ("scratch", "crack"), ("pit", "stain")
    reach = {label: distance_transform_edt(mark.support).max() for label, mark in marks.items()}
    assert max(reach[label] for label in thin) < min(reach[label] for label in broad)


@pytest.mark.parametrize(("label", "changed"), [("dent", {"relief"}), ("bend", {"shift"}), ("blob", {"tint", "gloss"})])
def test_some_families_change_one_thing(label: str, changed: set[str]) -> None:
    assert _touched(_draw(label, 20)) == changed


@pytest.mark.parametrize("label", ["threadpull", "bend", "smear"])
@pytest.mark.parametrize("size", [12, 40])
def test_texture_is_dragged_by_pixels_but_never_further_than_half_the_size(label: str, size: int) -> None:
    shifts = [np.hypot(*np.moveaxis(_draw(label, size, seed).shift, -1, 0)).max() for seed in range(10)]
    assert np.median(shifts) > 0.05 * size
    assert max(shifts) <= 0.5 * size


def test_a_bend_does_not_fold_the_texture() -> None:
    for seed in range(10):
        x, y = np.moveaxis(_draw("bend", 40, seed).shift.astype(float), -1, 0)
        stretch = (1 + np.gradient(x, axis=1)) * (1 + np.gradient(y, axis=0))
        assert (stretch - np.gradient(x, axis=0) * np.gradient(y, axis=1) > -0.4).all()


@pytest.mark.parametrize("label", TONED)
def test_families_are_dark_and_bright_faint_and_strong_grey_and_coloured(label: str) -> None:
    changes = [_change(_draw(label, 20, seed)).reshape(-1, 3) for seed in range(60)]
    peaks = np.array([change[np.argmax(np.abs(change).max(-1))] for change in changes])
    strength, colour = np.abs(peaks).max(-1), np.ptp(peaks, axis=-1) / np.abs(peaks).max(-1)
    assert 0.15 < (peaks.mean(-1) > 0).mean() < 0.85
    assert np.percentile(strength, 90) > 2.5 * np.percentile(strength, 10) > 0
    assert 0.2 < (colour > 0.1).mean() < 0.9


def test_missing_pieces_are_crisp_and_blobs_are_soft() -> None:
    def steepness(label: str) -> float:
        changes = [np.abs(_change(_draw(label, 30, seed))).max(-1) for seed in range(10)]
        return float(np.median([np.abs(np.diff(change, axis=0)).max() / change.max() for change in changes]))

    assert steepness("missing") > 0.5
    assert steepness("blob") < 0.25


def test_rust_is_mostly_brown_and_rough() -> None:
    marks = [_draw("rust", 30, seed) for seed in range(40)]
    coats = np.array([mark.coat[mark.coat[..., 3] > 0.2][:, :3].mean(0) for mark in marks])
    assert ((coats[:, 0] > 1.3 * coats[:, 1]) & (coats[:, 1] > coats[:, 2])).mean() > 0.5
    assert all(mark.relief[mark.coat[..., 3] > 0.2].std() > 0.03 for mark in marks)


def test_extra_material_stands_out_and_missing_material_lies_deep() -> None:
    for seed in range(8):
        extra, missing = _draw("extra", 30, seed), _draw("missing", 30, seed)
        assert extra.relief[extra.level > 0.5].mean() > 0.2
        assert missing.relief[missing.level > 0.5].mean() < -0.2


@pytest.mark.parametrize("size", [6, 20, 45])
def test_a_chip_sits_on_the_parts_edge_and_shows_what_lies_behind(size: int) -> None:
    room = _half_a_picture()
    for seed in range(6):
        mark, (top, left) = TAUGHT["chip"].place(np.random.default_rng(seed), room, size)
        inside = np.zeros_like(room)
        inside[top : top + mark.relief.shape[0], left : left + mark.relief.shape[1]] = mark.support
        assert inside.any()
        assert room[inside].all()
        assert np.nonzero(inside)[1].max() >= 36
        assert np.nonzero(inside)[1].min() >= 38 - 1.2 * size
        assert mark.bare.max() > 0.9


@pytest.mark.parametrize("frame", [0, 5])
def test_a_chip_without_an_edge_lies_anywhere(frame: int) -> None:
    room = np.pad(np.ones((64 - 2 * frame, 64 - 2 * frame), bool), frame)
    corners = np.array([TAUGHT["chip"].place(np.random.default_rng(seed), room, 9)[1] for seed in range(40)])
    assert ((corners > 16) & (corners < 34)).all(-1).any()
    assert corners.min() < 10
    assert corners.max() > 40


@pytest.mark.parametrize("label", [label for label in TAUGHT if label not in ("dent", "bend")])
def test_a_small_defect_is_seen(label: str) -> None:
    plate = BrushedPlate(size=96)
    sizes = [plate.photograph([5, part], 0, TAUGHT[label], 12).mask.sum() for part in range(16)]
    assert (np.array(sizes) >= 8).mean() > 0.85


def _half_a_picture() -> NDArray[np.bool_]:
    """Room left of column 40."""
    return np.repeat((np.arange(64) < 40)[None], 64, axis=0)
