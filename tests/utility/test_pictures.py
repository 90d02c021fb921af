"""What a detector is shown of a picture and its defects, whatever the camera's format."""

from pathlib import Path

import numpy as np
import pytest

from defectgen.imaging.files import to_float
from defectgen.manifest import Manifest
from defectgen.source import Source
from defectgen.spec import DataSpec
from defectgen.utility.pictures import load, picture
from defectgen.utility.types import UNKNOWN
from tests.small import SHAPE, disc, real_manifest
from tests.small import picture as noise

SPEC = DataSpec(1, ["good", "crack", "dent"], 0.3, 64)


@pytest.mark.parametrize(("channels", "depth"), [(1, 8), (3, 8), (1, 16), (3, 16)])
@pytest.mark.parametrize("shape", [(64, 64), (256, 256), (20, 30), (300, 40), (40, 300)])
def test_brightness_stays_where_it_was(channels: int, depth: int, shape: tuple[int, int]) -> None:
    pixels = noise(0, shape, channels, depth) // 2
    pixels[: shape[0] // 2] += np.iinfo(pixels.dtype).max // 2  # the upper half is bright
    shown = picture("a", "g", pixels, [], SPEC, 64).pixels
    assert shown.shape == (channels, 64, 64) and shown.dtype == np.float32
    assert abs(shown).max() <= 1
    for half in (np.s_[:32], np.s_[32:]):
        native = to_float(pixels)[:, : shape[0] // 2] if half == np.s_[:32] else to_float(pixels)[:, shape[0] // 2 :]
        assert np.allclose(shown[:, half].mean(axis=(1, 2)), native.mean(axis=(1, 2)), atol=0.06)


@pytest.mark.parametrize("shape", [(640, 40), (40, 640), (640, 640)])
def test_grain_is_averaged_along_every_side_that_shrinks(shape: tuple[int, int]) -> None:
    """Also where the other side grows: aliased, the shrunk side would keep the full contrast of the stripes."""
    stripes = np.where(np.indices(shape)[np.argmax(shape)] % 2, np.uint8(255), np.uint8(0))
    assert abs(picture("a", "g", stripes, [], SPEC, 64).pixels).max() < 0.1


@pytest.mark.parametrize("shape", [(640, 640), (640, 40), (40, 640), (48, 64)])
def test_thin_and_tiny_defects_survive(shape: tuple[int, int]) -> None:
    line, dot = np.zeros(shape, bool), np.zeros(shape, bool)
    line[:, 3] = True
    dot[shape[0] - 3, shape[1] - 3] = True
    classes = picture("a", "g", noise(0, shape), [(1, line), (2, dot)], SPEC, 64).classes
    assert (classes == 1).any(axis=1).all()
    assert (classes == 2).any()
    assert (classes[-8:, -8:] == 2).any()


def test_a_pixel_is_defect_from_a_quarter_on() -> None:
    mask = np.zeros((32, 32), bool)
    mask[:2, :2] = True  # 4 of 16 pixels
    mask[8:9, 8:11] = True  # 3 of 16
    mask[16:20, 16:20] = True  # all of it
    classes = picture("a", "g", noise(0, (32, 32)), [(1, mask)], SPEC, 8).classes
    assert np.argwhere(classes).tolist() == [[0, 0], [4, 4]]


def test_a_small_defect_is_not_hidden_by_a_large_one() -> None:
    large, tiny = disc(30, 24, 20), disc(30, 24, 3)
    for masks in ([(1, large), (2, tiny)], [(2, tiny), (1, large)]):
        assert picture("a", "g", noise(0), masks, SPEC, 64).classes[32, 30] == 2


def test_a_picture_is_named_by_its_defects() -> None:
    masks = [(1, disc(10, 10, 4)), (2, disc(40, 30, 4))]
    named = [picture("a", "g", noise(0), some, SPEC, 32).named.tolist() for some in ([], masks[:1], masks)]
    assert named == [[True, False, False], [False, True, False], [False, True, True]]
    unknown = picture("a", "g", noise(0), [(UNKNOWN, disc(10, 10, 4))], SPEC, 32)
    assert unknown.named.tolist() == [False, True, True]
    assert set(np.unique(unknown.classes)) == {0, UNKNOWN}


def test_a_split_is_loaded_by_id_with_all_its_defects(tmp_path: Path) -> None:
    source = Source(real_manifest(tmp_path))
    pictures = load(source, SPEC, "train", 64)
    assert [one.picture_id for one in pictures] == ["broken", "clean-a", "clean-b"]
    assert [one.good for one in pictures] == [False, True, True]
    assert pictures[0].classes[12 * 64 // SHAPE[0], 12] == 1 and pictures[0].classes[40, 45] == 2
    assert not pictures[1].classes.any()
    assert [one.picture_id for one in load(source, SPEC, "test", 64)] == ["unseen"]
    assert load(source, SPEC, "reserve", 64) == []


def test_a_defect_that_was_not_accepted_is_not_there(tmp_path: Path) -> None:
    real = real_manifest(tmp_path)
    status = np.where(real.instances["label"] == "dent", "rejected", "accepted")
    judged = Manifest(real.folder, real.images, real.instances.assign(status=status))
    broken = load(Source(judged), SPEC, "train", 64)[0]
    assert broken.named.tolist() == [False, True, False]
    assert set(np.unique(broken.classes)) == {0, 1}
