"""Legal regions: a part is found whatever sets it off, nothing is made up where there is none."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from parts import club, photograph
from small import one_line, picture

from defectgen.errors import UserError
from defectgen.imaging.files import write_image, write_mask
from defectgen.imaging.region import Foreground, RegionImages, Whole, find_part, grow, silhouette

ANY = Path("a.png")


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (1, 16), (3, 16)])
@pytest.mark.parametrize(
    ("surface", "ground", "rough"), [(0.7, 0.2, 0.0), (0.25, 0.8, 0.0), (0.6, 0.4, 0.05), (0.5, 0.5, 0.25)]
)
def test_a_part_is_covered(surface: float, ground: float, rough: float, channels: int, depth: int) -> None:
    part = club(25)
    margin = 0.02 * np.hypot(*part.shape)
    legal = Foreground()(photograph(part, surface, ground, 0.015, rough, channels, depth), ANY)
    assert legal is not None and legal.dtype == bool
    assert legal[part].mean() > 0.99
    # Roughness is measured about a pixel, so that a part told by it alone is seen a little larger.
    assert grow(part, margin + (6 if rough > 0.1 else 3))[legal].mean() > 0.99


def test_a_coloured_part_of_the_grounds_brightness_is_found() -> None:
    part = club(70)
    pixels = np.where(part[..., None], (170, 90, 90), (90, 90, 170)).astype(np.uint8)
    legal = Foreground()(pixels, ANY)
    assert legal is not None and legal[part].all() and legal.mean() < 2 * part.mean()


def test_holes_belong_to_the_part_and_specks_do_not() -> None:
    part = club(0)
    drilled = part & ~grow(_point(65, 100), 6)
    specks = _point(20, 20) | _point(180, 30)
    legal = Foreground(margin=0.0)(photograph(drilled | grow(specks, 2), 0.8, 0.2, 0.01), ANY)
    assert legal is not None
    assert legal[100, 65] and legal[part].mean() > 0.97
    assert not legal[20, 20] and not legal[30, 180]


def _point(x: int, y: int) -> np.ndarray:
    mask = np.zeros((200, 200), bool)
    mask[y, x] = True
    return mask


def test_the_margin_is_a_share_of_the_diagonal() -> None:
    pixels = photograph(club(0), 0.8, 0.2, 0.01)
    bare, wide = Foreground(margin=0.0)(pixels, ANY), Foreground(margin=0.05)(pixels, ANY)
    assert bare is not None and wide is not None
    assert np.array_equal(wide, grow(bare, 0.05 * np.hypot(200, 200)))


@pytest.mark.parametrize("grain", [0.0, 0.01, 0.05, 0.15])
def test_plain_surface_has_no_part(grain: float) -> None:
    nothing = np.zeros((160, 220), bool)
    assert Foreground()(photograph(nothing, 0.5, 0.5, grain), ANY) is None


def test_uneven_light_is_no_part() -> None:
    ramp = np.linspace(60, 200, 220)[None] + np.random.default_rng(0).normal(0, 3, (160, 220))
    assert Foreground()(ramp.astype(np.uint8), ANY) is None


def test_a_line_along_the_edge_is_no_part() -> None:
    line = np.zeros((160, 220), bool)
    line[:, 0] = True
    assert Foreground()(photograph(line, 0.9, 0.2, 0.01), ANY) is None


def test_a_part_that_fills_the_picture_is_none() -> None:
    part = np.zeros((200, 200), bool)
    part[4:-4, 4:-4] = True
    assert Foreground()(photograph(part, 0.8, 0.2, 0.01), ANY) is None


def test_whole_is_none() -> None:
    assert Whole()(picture(0), ANY) is None


def test_region_images_are_found_by_stem(tmp_path: Path) -> None:
    region = club(10)
    write_mask(tmp_path / "part[1].png", region)
    write_mask(tmp_path / "a.b.png", ~region)
    (tmp_path / "a.txt").write_text("notes")
    pixels = picture(0, (200, 200))
    legal = RegionImages(tmp_path)
    found = legal(pixels, Path("somewhere/part[1].jpg"))
    assert found is not None and np.array_equal(found, region)
    assert legal(pixels, Path("a.png")) is None
    other = legal(pixels, Path("a.b.tif"))
    assert other is not None and np.array_equal(other, ~region)


def test_region_images_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_mask(tmp_path / "small.png", club(0)[:50])
    write_mask(tmp_path / "black.png", np.zeros((200, 200), bool))
    legal = RegionImages(tmp_path)
    for name, words in (("small.png", "does not fit"), ("black.png", "empty")):
        with pytest.raises(UserError, match=words) as error:
            legal(picture(0, (200, 200)), Path(name))
        assert name in one_line(error.value)
    with pytest.raises(UserError, match="no such folder"):
        RegionImages(tmp_path / "missing")


def test_what_is_forbidden_is_taken_from_what_is_legal_or_from_the_whole_picture(tmp_path: Path) -> None:
    legal, hole, pixels = club(10), club(10) & (np.arange(200) < 100), picture(0, (200, 200))
    write_mask(tmp_path / "legal/a.png", legal)
    write_mask(tmp_path / "forbidden/a.png", hole)
    write_mask(tmp_path / "forbidden/b.png", hole)
    region = RegionImages(tmp_path / "legal", forbidden=tmp_path / "forbidden")
    first, second = region(pixels, Path("a.jpg")), region(pixels, Path("b.jpg"))
    assert first is not None and np.array_equal(first, legal & ~hole)
    assert second is not None and np.array_equal(second, ~hole)
    assert region(pixels, Path("c.jpg")) is None
    alone = RegionImages(forbidden=tmp_path / "forbidden")(pixels, Path("a.jpg"))
    assert alone is not None and np.array_equal(alone, ~hole)


def test_one_mask_for_all_pictures_but_those_with_their_own(tmp_path: Path) -> None:
    write_mask(tmp_path / "all.png", club(0))
    write_mask(tmp_path / "a.png", club(90))
    region = RegionImages(tmp_path)
    for name, degrees in (("a", 90), ("b", 0), ("c", 0)):
        found = region(picture(0, (200, 200)), Path(f"{name}.png"))
        assert found is not None and np.array_equal(found, club(degrees))
    with pytest.raises(UserError, match=r"all\.png: .*does not fit"):
        region(picture(0, (100, 200)), Path("d.png"))


def test_forbidden_regions_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    write_mask(tmp_path / "legal/a.png", club(0))
    write_mask(tmp_path / "forbidden/all.png", np.ones((200, 200), bool))
    with pytest.raises(UserError, match=r"nothing of a\.png is left"):
        RegionImages(tmp_path / "legal", tmp_path / "forbidden")(picture(0, (200, 200)), Path("a.png"))
    with pytest.raises(UserError, match="neither a folder nor forbidden"):
        RegionImages()
    with pytest.raises(UserError, match="no such folder"):
        RegionImages(forbidden=tmp_path / "missing")


@pytest.mark.parametrize("depth", [8, 16])
def test_the_soft_shadow_of_a_part_is_not_the_part(depth: int) -> None:
    part = club(35)
    lit = photograph(part, 0.25, 0.75, 0.01, depth=depth)
    shade = cv2.GaussianBlur(np.roll(part, (9, 12), (0, 1)).astype(np.float32), (0, 0), 4)
    pixels = np.where(part, lit, lit * (1 - 0.45 * shade)).astype(lit.dtype)
    found = silhouette(pixels)
    assert found[part].mean() > 0.99
    assert (found & ~grow(part, 4)).sum() < 0.03 * part.sum()


def test_the_part_is_what_is_seen_of_a_legal_region_and_else_the_region() -> None:
    part = club(20)
    pixels, wide = photograph(part, 0.8, 0.2, 0.01), grow(part, 20)
    found = find_part(pixels, wide)
    assert found is not None and (found ^ part).sum() < 0.25 * part.sum() and not (found & ~wide).any()
    assert find_part(pixels, None) is None
    plain = photograph(np.zeros((200, 200), bool), 0.5, 0.5, 0.01)
    assert np.array_equal(find_part(plain, wide), wide)


@pytest.mark.parametrize("radius", [0.0, 1.0, 1.5, 3.7, 10.0])
def test_growing_takes_every_pixel_within_the_radius(radius: float) -> None:
    mask = np.random.default_rng(0).random((25, 30)) < 0.01
    rows, columns = np.mgrid[:25, :30]
    distance = np.min([np.hypot(rows - y, columns - x) for y, x in np.argwhere(mask)], axis=0)
    assert np.array_equal(grow(mask, radius), distance <= radius + 1e-4)


def test_nothing_grows_from_nothing() -> None:
    assert not grow(np.zeros((5, 6), bool), 3).any()


def test_a_picture_of_the_part_in_another_size_and_file_is_the_same_part(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", photograph(club(40), 0.8, 0.2, 0.01))
    dark = Foreground()(photograph(club(40), 0.8, 0.2, 0.01), tmp_path / "a.png")
    deep = Foreground()(photograph(club(40), 0.8, 0.2, 0.01, depth=16), tmp_path / "b.png")
    assert dark is not None and deep is not None
    assert (dark ^ deep).mean() < 0.002
