"""Defects: laid where there is room, changing nothing beyond their rectangle."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from defectgen.drawing.defect import lay
from defectgen.drawing.families import FAMILIES
from defectgen.drawing.light import Surface

LABELS = list(FAMILIES)


def _plain(side: int, channels: int) -> Surface:
    flat = np.zeros((side, side), np.float32)
    return Surface(np.full((side, side, channels), 0.5, np.float32), flat, flat + 0.3, (0.9,) * channels, 20.0)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("seed", range(5))
def test_defect_keeps_to_its_room(label: str, seed: int) -> None:
    room = np.zeros((90, 120), bool)
    room[20:60, 10:110] = True
    mark, (top, left) = FAMILIES[label].place(np.random.default_rng(seed), room)
    height, width = mark.support.shape
    assert mark.support.any()
    assert room[top : top + height, left : left + width][mark.support].all()


@pytest.mark.parametrize("label", LABELS)
def test_no_room_is_said(label: str) -> None:
    with pytest.raises(ValueError, match=f"no room for a {label}"):
        FAMILIES[label].place(np.random.default_rng(0), np.zeros((50, 50), bool))


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_mark_changes_its_rectangle_only_and_not_the_surface_given(label: str, channels: int) -> None:
    surface = _plain(160, channels)
    mark, (top, left) = FAMILIES[label].place(np.random.default_rng(1), np.ones((160, 160), bool))
    marked = lay(surface, mark, (top, left))
    outside = np.ones((160, 160), bool)
    outside[top : top + mark.relief.shape[0], left : left + mark.relief.shape[1]] = False
    assert np.array_equal(surface.albedo, _plain(160, channels).albedo)
    for name in ("albedo", "height", "gloss"):
        assert np.array_equal(getattr(marked, name)[outside], getattr(surface, name)[outside])
    assert not np.array_equal(marked.albedo, surface.albedo)


def test_classes_have_their_looks() -> None:
    """On a plain surface: a scratch bares bright substrate, a pit is deep, a stain is flat, a crack is the darkest."""
    marks = {label: FAMILIES[label].draw(np.random.default_rng(2), 40.0) for label in LABELS}
    assert marks["scratch"].bare.max() > 0.5
    assert marks["pit"].relief.min() == min(mark.relief.min() for mark in marks.values())
    assert not marks["stain"].relief.any()
    assert marks["crack"].tint.min() == min(mark.tint.min() for mark in marks.values())
    thin, broad = ("scratch", "crack"), ("pit", "stain")
    reach = {label: distance_transform_edt(mark.support).max() for label, mark in marks.items()}
    assert max(reach[label] for label in thin) < min(reach[label] for label in broad)
