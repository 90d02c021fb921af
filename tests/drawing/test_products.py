"""Photographs of drawn parts: exact masks, clean twins, defects on the part, parts that keep their identity."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from defectgen.drawing.families import FAMILIES
from defectgen.drawing.part import PaintedPart
from defectgen.drawing.plate import BrushedPlate
from defectgen.drawing.product import Photograph, Product

PRODUCTS = [BrushedPlate(), PaintedPart()]
CASES = [pytest.param(p, label, id=f"{type(p).__name__}-{label}") for p in PRODUCTS for label in FAMILIES]


def _change(one: Photograph, other: Photograph) -> np.ndarray:
    change = np.abs(one.image.astype(int) - other.image)
    return change if change.ndim == 2 else change.max(-1)


@pytest.mark.parametrize(("product", "label"), CASES)
def test_mask_is_where_the_picture_differs_from_its_clean_twin(product: Product, label: str) -> None:
    for part in range(4):
        marked, twin = product.photograph([1, part], 0, FAMILIES[label]), product.photograph([1, part], 0)
        change = _change(marked, twin)
        assert np.array_equal(marked.clean, twin.image)
        assert not change[~marked.mask].any()
        assert (change[marked.mask] > 0).mean() > 0.75
        assert np.percentile(change[marked.mask], 90) > 10


@pytest.mark.parametrize(("product", "label"), CASES)
def test_defect_is_one_region_on_the_part_of_a_useful_size(product: Product, label: str) -> None:
    for part in range(4):
        photograph = product.photograph([2, part], 0, FAMILIES[label])
        x, y, width, height = cv2.boundingRect(photograph.mask.astype(np.uint8))
        assert cv2.connectedComponents(photograph.mask.astype(np.uint8))[0] == 2
        assert not (photograph.mask & ~photograph.part).any()
        assert photograph.mask.sum() >= 40
        assert 12 <= max(width, height) <= 100
        assert min(x, y) > 0
        assert max(x + width, y + height) < photograph.mask.shape[0]


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_photograph_follows_from_its_seeds_alone(product: Product) -> None:
    def shoot(part: int, shot: int) -> Photograph:
        return product.photograph([3, part], shot, FAMILIES["pit"])

    first, again = shoot(0, 0), shoot(0, 0)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert not np.array_equal(first.image, shoot(0, 1).image)
    assert not np.array_equal(first.image, shoot(1, 0).image)


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_clean_photograph_has_an_empty_mask(product: Product) -> None:
    assert not product.photograph([4]).mask.any()


def test_formats() -> None:
    plate, part = BrushedPlate(size=100).photograph([0]), PaintedPart(size=200).photograph([0])
    assert plate.image.shape == plate.mask.shape == plate.part.shape == (100, 100)
    assert part.image.shape == (200, 200, 3)
    assert part.mask.shape == part.part.shape == (200, 200)
    assert plate.image.dtype == part.image.dtype == np.uint8


def test_shots_of_a_plate_share_texture_and_defect() -> None:
    def texture(photograph: Photograph) -> np.ndarray:
        image = photograph.image.astype(float)
        detail = image - gaussian_filter(image, 4)
        return (detail - detail.mean()).ravel() / detail.std()

    one, other = (BrushedPlate().photograph([5, 0], shot, FAMILIES["stain"]) for shot in (0, 1))
    stranger = BrushedPlate().photograph([5, 1], 0, FAMILIES["stain"])
    same = np.mean(texture(one) * texture(other))
    different = np.mean(texture(one) * texture(stranger))
    assert same > 0.5
    assert abs(different) < 0.2
    assert (one.mask & other.mask).sum() / (one.mask | other.mask).sum() > 0.7


def test_shots_of_a_painted_part_show_the_same_defect_at_the_same_place_of_the_part() -> None:
    """Turned by the angle between the two silhouettes, one mask lies on the other."""
    one, other = (PaintedPart().photograph([6, 0], shot, FAMILIES["crack"]) for shot in (0, 1))
    overlaps = []
    for angle in range(360):
        masks = [_about_its_centre(p.mask, p.part, turn) for p, turn in ((one, 0), (other, angle))]
        parts = [_about_its_centre(p.part, p.part, turn) for p, turn in ((one, 0), (other, angle))]
        overlaps.append((_overlap(*parts), _overlap(*masks)))
    same_pose = max(overlaps)
    assert same_pose[0] > 0.95
    assert same_pose[1] > 0.5


def test_poses_are_free() -> None:
    angles = [_axis(PaintedPart().photograph([7], shot).part) for shot in range(12)]
    assert np.ptp(angles) > 1.5


def test_silhouette_is_where_the_paint_is() -> None:
    photograph = PaintedPart().photograph([8])
    saturation = cv2.cvtColor(photograph.image, cv2.COLOR_RGB2HSV)[..., 1]
    assert ((saturation > 90) == photograph.part).mean() > 0.98


@pytest.mark.parametrize(
    ("product", "settings"),
    [(BrushedPlate, {"size": 20}), (PaintedPart, {"size": 20}), (PaintedPart, {"colour": (2, 0, 0)})],
)
def test_impossible_settings_are_refused(product: type, settings: dict) -> None:
    with pytest.raises(ValueError, match="use "):
        product(**settings)


def _about_its_centre(mask: np.ndarray, part: np.ndarray, angle: float) -> np.ndarray:
    moments = cv2.moments(part.astype(np.uint8))
    centre = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
    turn = cv2.getRotationMatrix2D(centre, angle, 1.0)
    turn[:, 2] += np.array(mask.shape) / 2 - centre
    return cv2.warpAffine(mask.astype(np.uint8), turn, mask.shape, flags=cv2.INTER_NEAREST).astype(bool)


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def _axis(part: np.ndarray) -> float:
    moments = cv2.moments(part.astype(np.uint8))
    return float(np.arctan2(2 * moments["mu11"], moments["mu20"] - moments["mu02"]))
