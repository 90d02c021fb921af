"""The label is what changed."""

from dataclasses import asdict

import cv2
import numpy as np
import pytest
import yaml
from scipy import ndimage

from defectgen.imaging.files import Mask, Pixels
from defectgen.imaging.label import Noise, changed, strengths, visibility

NOISE = Noise(low=[1.0, 0.8], high=[3.0, 1.0])
EVERYWHERE = np.ones((64, 64), bool)


def plain(side: int = 64) -> Pixels:
    return np.full((side, side), 120, np.uint8)


def threaded(side: int = 64, shift: float = 0.0) -> Pixels:
    """Strong stripes of period 10 px, as a screw's thread."""
    wave = np.sin(2 * np.pi * (np.arange(side) + shift) / 10)
    return np.tile(120 + 80 * wave, (side, 1)).round().astype(np.uint8)


def iou(one: Mask, other: Mask) -> float:
    return (one & other).sum() / (one | other).sum()


def box(top: int, bottom: int, left: int, right: int, side: int = 64) -> Mask:
    mask = np.zeros((side, side), bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("side", [64, 180, 400])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_planted_change_is_found_where_it_is(side: int, channels: int) -> None:
    clean = np.random.default_rng(0).integers(110, 130, (side, side), np.uint8)
    planted = box(side // 3, side // 2, side // 4, side // 2, side)
    drawn = np.where(planted, clean - 60, clean).astype(np.uint8)
    if channels == 3:
        clean, drawn = np.dstack([clean] * 3), np.dstack([drawn] * 3)
    assert iou(changed([clean], drawn, np.ones_like(planted), NOISE), planted) > 0.7


def test_a_line_of_one_pixel_stays_a_line_whole_and_thin() -> None:
    line = np.zeros((64, 64), np.uint8)
    cv2.line(line, (6, 10), (56, 50), 1, 1)
    label = changed([plain()], plain() - 80 * line, EVERYWHERE, NOISE)
    assert label[line > 0].all()
    assert ndimage.distance_transform_edt(line == 0)[label].max() < 3  # the wide scale does not swell it


def test_a_wide_faint_stain_is_found_in_one_piece_though_no_pixel_of_it_stands_out() -> None:
    """Its grain hides it at the fine width: there no pixel is certain, and many are not even possible."""
    clean, stain = plain(128), box(30, 100, 20, 90, 128)
    grain = np.random.default_rng(0).normal(0, 6, clean.shape)
    drawn = (clean - np.where(stain, 6, 0) + grain).round().astype(np.uint8)
    noise = Noise(low=[1.2, 0.8], high=[9.0, 1.0])
    label = changed([clean], drawn, np.ones_like(stain), noise)
    assert strengths([clean], drawn, noise)[0].max() < noise.high[0]
    assert iou(label, stain) > 0.8 and ndimage.label(label)[1] == 1


def test_a_hole_stays_a_hole() -> None:
    ring = box(12, 52, 12, 52) & ~box(26, 38, 26, 38)
    label = changed([plain()], np.where(ring, plain() - 60, plain()), EVERYWHERE, NOISE)
    assert label[ring].mean() > 0.95 and not label[30:34, 30:34].any()


def test_two_defects_are_two_components() -> None:
    both = box(10, 26, 10, 26) | box(38, 54, 38, 54)
    assert ndimage.label(changed([plain()], np.where(both, plain() - 60, plain()), EVERYWHERE, NOISE))[1] == 2


def test_structure_redrawn_a_little_beside_its_place_is_no_defect_but_the_same_change_on_a_plain_surface_is() -> None:
    clean, drawn = threaded(), threaded(shift=0.7)
    difference = drawn.astype(int) - clean
    assert not changed([clean], drawn, EVERYWHERE, NOISE).any()
    assert changed([plain()], (plain() + difference).astype(np.uint8), EVERYWHERE, NOISE).any()


def test_nothing_outside_the_support_is_ever_labelled_and_nothing_there_makes_a_change_certain() -> None:
    left = box(0, 64, 0, 32)
    assert not (changed([plain()], plain() // 2, left, NOISE) & ~left).any()
    beside = plain() - np.where(box(20, 40, 10, 33), 7, 0) - np.where(box(20, 40, 40, 60), 80, 0)
    assert not changed([plain()], beside.astype(np.uint8), left, NOISE).any()


def test_no_change_no_label() -> None:
    assert not changed([threaded()], threaded(), EVERYWHERE, NOISE).any()


def test_weak_change_counts_only_beside_a_strong_one() -> None:
    weak = plain()
    weak[10:30, 10:30] += 6  # between low and high at the fine width, which is all that this noise lets count
    noise = Noise(low=[1.0, 1e9], high=[3.0, 1e9])
    assert not changed([plain()], weak, EVERYWHERE, noise).any()
    weak[15:20, 15:20] += 30
    assert changed([plain()], weak, EVERYWHERE, noise)[12, 27]


@pytest.mark.parametrize("side", [64, 256])
def test_specks_are_dropped(side: int) -> None:
    drawn, speck = plain(side), side // 64
    drawn[30 : 30 + speck, 30 : 30 + speck] = 150
    assert (strengths([plain(side)], drawn, NOISE)[0] > NOISE.low[0]).any()
    assert not changed([plain(side)], drawn, np.ones_like(drawn, bool), Noise([1.0, 9.0], [1.0, 9.0])).any()


def repaints(count: int, amount: float, seed: int) -> list[tuple[list[Pixels], Pixels, Mask]]:
    """What squares were before, the same with grain that knows nothing of theirs, and a shape within."""
    rng = np.random.default_rng(seed)
    drawn = [(plain() + rng.normal(0, amount, (64, 64))).round().astype(np.uint8) for _ in range(count)]
    return [([plain()], one, box(16, 48, 16, 48)) for one in drawn]


def test_noise_is_what_good_repaints_change_at_each_width() -> None:
    noise = Noise.measure(repaints(12, 12, seed=0))
    assert len(noise.low) == len(noise.high) == 2
    assert all(low < high for low, high in zip(noise.low, noise.high, strict=True))
    assert noise.low[1] < noise.low[0]  # what grain adds averages out over the wide one
    louder = Noise.measure(repaints(12, 24, seed=0))
    assert louder.low[0] == pytest.approx(2 * noise.low[0], rel=0.1)


def test_other_good_repaints_are_seldom_labelled() -> None:
    noise = Noise.measure(repaints(24, 12, seed=0))
    others = repaints(24, 12, seed=1)
    labelled = [changed(clean, drawn, shape, noise).any() for clean, drawn, shape in others]
    assert np.mean(labelled) <= 0.8  # 1 - 1/2^2 if the two widths knew nothing of each other
    assert changed([plain()], plain() - 60, EVERYWHERE, noise).all()


def test_only_what_changed_in_the_planned_shape_is_noise() -> None:
    quiet = repaints(4, 6, seed=0)
    loud = [
        (clean, np.where(shape, drawn, 255).astype(np.uint8), shape & box(24, 40, 24, 40))
        for clean, drawn, shape in quiet
    ]
    assert Noise.measure(loud).low[0] == pytest.approx(Noise.measure(quiet).low[0], rel=0.3)


def test_a_perfect_repaint_does_not_make_every_pixel_a_defect() -> None:
    noise = Noise.measure([([plain()], plain(), EVERYWHERE)])
    assert not changed([plain()], plain() + 1, EVERYWHERE, noise).any()


def test_noise_survives_a_file() -> None:
    noise = Noise.measure(repaints(3, 12, seed=0))
    assert Noise(**yaml.safe_load(yaml.safe_dump(asdict(noise)))) == noise


def test_strength_does_not_depend_on_the_depth_of_the_picture() -> None:
    clean, drawn = threaded().astype(np.uint16) * 257, (threaded() // 2).astype(np.uint16) * 257
    shallow, deep = strengths([threaded()], threaded() // 2, NOISE), strengths([clean], drawn, NOISE)
    for eight, sixteen in zip(shallow, deep, strict=True):
        assert sixteen == pytest.approx(eight, rel=1e-3, abs=1e-4)


def test_visibility_grows_with_the_change_and_where_it_is_only() -> None:
    shape = box(20, 40, 20, 40)
    pictures = [np.where(shape, plain() - depth, plain()).astype(np.uint8) for depth in (0, 10, 40)]
    none, faint, strong = (visibility([plain()], picture, NOISE) for picture in pictures)
    assert not none.any()
    assert 1 < faint[shape].mean() < strong[shape].mean()
    assert strong[box(0, 6, 0, 6)].mean() < 0.1


def test_every_pixel_of_a_label_is_visible() -> None:
    shape, support = box(20, 40, 20, 40), box(15, 45, 15, 45)
    drawn = np.where(shape, plain() - 30, plain()).astype(np.uint8)
    label = changed([plain()], drawn, support, NOISE)
    assert label.any() and (visibility([plain()], drawn, NOISE)[label] > 1).all()


def test_what_a_good_repaint_changes_too_is_no_defect() -> None:
    """The generator paints this stripe away whatever it draws; only the pit is a defect."""
    striped = np.where(box(0, 64, 10, 20), plain() + 60, plain()).astype(np.uint8)
    drawn = np.where(box(30, 40, 30, 40), plain() - 60, plain()).astype(np.uint8)
    assert changed([striped], drawn, EVERYWHERE, NOISE)[:, 12:18].all()
    label = changed([striped, plain()], drawn, EVERYWHERE, NOISE)
    assert not label[:, 10:20].any() and label[32:38, 32:38].all()


def test_what_was_left_as_it_is_is_no_defect_though_a_good_repaint_differs() -> None:
    striped = np.where(box(0, 64, 10, 20), plain() + 60, plain()).astype(np.uint8)
    assert not changed([striped, plain()], striped, EVERYWHERE, NOISE).any()
