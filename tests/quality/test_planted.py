"""A planted copy is a defect whatever its original is like."""

from dataclasses import replace

import numpy as np
import pytest
from textured import defect, surface

from defectgen.imaging.files import Pixels
from defectgen.quality.planted import planted


@pytest.mark.parametrize("blended", [False, True])
def test_a_defect_of_one_pixel_has_a_copy_with_a_shape(blended: bool) -> None:
    original, point = defect(1), np.zeros_like(defect(1).shape)
    point[point.shape[0] // 2, point.shape[1] // 2] = True
    for seed in range(40):
        copy = planted(replace(original, shape=point, label=point), surface(99), blended, np.random.default_rng(seed))
        assert copy.shape.any()


def test_a_copy_has_the_depth_of_the_picture_it_is_pasted_on() -> None:
    def deep(pixels: Pixels) -> Pixels:
        return pixels.astype(np.uint16) * 257

    original, onto = defect(1), surface(99)
    same = planted(original, onto, False, np.random.default_rng(0)).result / 255
    deeper = replace(original, clean=deep(original.clean), result=deep(original.result))
    for one, other in ((deeper, onto), (original, deep(onto))):
        mixed = planted(one, other, False, np.random.default_rng(0)).result
        assert mixed.dtype == other.dtype
        assert mixed / np.iinfo(mixed.dtype).max == pytest.approx(same, abs=3 / 255)
