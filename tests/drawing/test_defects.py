"""Defects: laid where there is room, at the size asked for, changing nothing beyond their rectangle."""

from dataclasses import fields, replace

import numpy as np
import pytest

from defectgen.drawing.defect import Mark, lay
from defectgen.drawing.families import FAMILIES, TAUGHT
from defectgen.drawing.light import Surface
from defectgen.drawing.texture import smooth_noise

FIELDS = ("albedo", "height", "gloss", "material")


def _grained(side: int, channels: int) -> Surface:
    grain = smooth_noise(np.random.default_rng(7), (side, side), 1.0)
    albedo = np.repeat(0.5 * np.exp(0.1 * grain)[..., None], channels, axis=-1)
    substrate = np.full(channels, 0.9, np.float32)
    return Surface(albedo, 0.1 * grain, 0.3 + 0.05 * grain, substrate, np.ones_like(grain), 20.0)


def _same(one: Surface, other: Surface, where: object = ...) -> bool:
    return all(np.array_equal(getattr(one, name)[where], getattr(other, name)[where]) for name in FIELDS)


@pytest.mark.parametrize("label", TAUGHT)
@pytest.mark.parametrize("seed", range(5))
def test_defect_keeps_to_its_room(label: str, seed: int) -> None:
    room = np.zeros((90, 120), bool)
    room[20:60, 10:110] = True
    mark, (top, left) = TAUGHT[label].place(np.random.default_rng(seed), room)
    height, width = mark.support.shape
    assert mark.support.any()
    assert all(getattr(mark, field.name).dtype == np.float32 for field in fields(mark))
    assert room[top : top + height, left : left + width][mark.support].all()


@pytest.mark.parametrize("label", TAUGHT)
def test_no_room_is_said(label: str) -> None:
    with pytest.raises(ValueError, match=f"no room for a {label}"):
        TAUGHT[label].place(np.random.default_rng(0), np.zeros((50, 50), bool), 9.0)


@pytest.mark.parametrize("label", TAUGHT)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_mark_changes_its_rectangle_only_and_not_the_surface_given(label: str, channels: int) -> None:
    surface = _grained(160, channels)
    mark, (top, left) = TAUGHT[label].place(np.random.default_rng(1), np.ones((160, 160), bool))
    marked = lay(surface, mark, (top, left))
    outside = np.ones((160, 160), bool)
    outside[top : top + mark.relief.shape[0], left : left + mark.relief.shape[1]] = False
    assert _same(surface, _grained(160, channels))
    assert _same(marked, surface, outside)
    assert not _same(marked, surface)


@pytest.mark.parametrize("label", TAUGHT)
@pytest.mark.parametrize("size", [5, 12, 28, 56])
def test_a_defect_has_the_size_asked_for(label: str, size: int) -> None:
    room = np.ones((64, 64), bool)
    marks = [TAUGHT[label].place(np.random.default_rng(seed), room, size)[0].trimmed() for seed in range(9)]
    assert 0.65 * size <= np.median([max(mark.relief.shape) for mark in marks]) <= 1.35 * size + 6


def test_a_large_defect_needs_no_more_room_than_it_fills() -> None:
    room = np.ones((64, 64), bool)
    stains = [TAUGHT["stain"].place(np.random.default_rng(seed), room, 56)[0] for seed in range(9)]
    assert np.median([max(stain.trimmed().relief.shape) for stain in stains]) > 46


def test_trimming_keeps_what_is_noticed() -> None:
    mark = TAUGHT["stain"].draw(np.random.default_rng(0), 30)
    trimmed = mark.trimmed()
    assert trimmed.support.sum() == mark.support.sum()
    assert trimmed.support.any(0).all()
    assert trimmed.support.any(1).all()


@pytest.mark.parametrize("label", FAMILIES)
def test_without_a_size_a_defect_has_a_usual_one(label: str) -> None:
    family = TAUGHT[label]
    usual = [max(family.place(np.random.default_rng(s), np.ones((200, 200), bool))[0].relief.shape) for s in range(8)]
    assert 0.6 * family.sizes[0] < min(usual) < max(usual) < 1.7 * family.sizes[1]


def test_a_mark_at_rest_changes_nothing() -> None:
    surface = _grained(40, 3)
    assert not Mark.rest((9, 12)).support.any()
    assert _same(lay(surface, Mark.rest((9, 12)), (3, 5)), surface)


def test_shift_shows_what_lies_further_on() -> None:
    surface, shift = _grained(40, 3), np.tile(np.array([2.0, -3.0], np.float32), (10, 8, 1))
    marked = lay(surface, replace(Mark.rest((10, 8)), shift=shift), (20, 15))
    for name in FIELDS:
        assert np.allclose(getattr(marked, name)[20:30, 15:23], getattr(surface, name)[17:27, 17:25], atol=1e-5)


def test_level_smooths_the_texture_away() -> None:
    surface = _grained(60, 3)
    marked = lay(surface, replace(Mark.rest((30, 30)), level=np.ones((30, 30), np.float32)), (15, 15))
    for name in ("albedo", "height", "gloss"):
        before, after = (getattr(s, name)[15:45, 15:45] for s in (surface, marked))
        assert after.std() < before.std() / 2.5
        assert after.mean() == pytest.approx(before.mean(), abs=0.3 * float(before.std()))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_coat_hides_and_a_bare_place_shows_the_substrate_right_there(channels: int) -> None:
    behind = np.random.default_rng(0).random((40, 40, channels), np.float32)
    surface = replace(_grained(40, channels), substrate=behind)
    coat, bare = np.zeros((10, 10, 4), np.float32), np.zeros((10, 10), np.float32)
    coat[:, :] = (0.1, 0.2, 0.6, 1.0)
    bare[:, 5:] = 1
    marked = lay(surface, replace(Mark.rest((10, 10)), coat=coat, bare=bare), (4, 6))
    assert np.allclose(marked.albedo[4:14, 6:11], [0.1, 0.2, 0.6] if channels == 3 else 0.3)
    assert np.allclose(marked.albedo[4:14, 11:16], behind[4:14, 11:16])


@pytest.mark.parametrize("label", TAUGHT)
def test_a_mark_fades_to_nothing(label: str) -> None:
    mark, corner = TAUGHT[label].place(np.random.default_rng(3), np.ones((90, 90), bool), 30)
    surface, share = _grained(90, 3), np.ones_like(mark.relief)
    assert not mark.faded(0 * share).support.any()
    kept, whole = lay(surface, mark.faded(share), corner), lay(surface, mark, corner)
    assert all(np.allclose(getattr(kept, name), getattr(whole, name), atol=1e-5) for name in FIELDS)
