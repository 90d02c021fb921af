"""Healing whole pictures: nothing of a defect is left, everything beside it stays, whoever is healed along with it."""

import numpy as np
import pandas as pd
import pytest
from brightening import LEVEL, SHAPE, Brightening, painter_of
from numpy.typing import NDArray
from small import disc, one_line, put_mask, put_picture

from defectgen.errors import UserError
from defectgen.healed import WIDE, defects_in_turn, heal_pictures
from defectgen.imaging.files import Pixels
from defectgen.imaging.region import grow
from defectgen.manifest import IMAGES, INSTANCES, Manifest, Row, table
from defectgen.source import Source

DISCS = {  # picture -> defect -> x, y, radius; neighbours of one picture show in each other's squares
    "alone": {"a": (170, 160, 12)},
    "close": {"b": (100, 100, 8), "c": (128, 104, 14), "d": (250, 250, 30)},
    "large": {"e": (180, 170, 60)},
}
GRAIN = 10  # of the healed surface, in grey values


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Dark discs on bright grain."""
    folder = tmp_path_factory.mktemp("product")
    images: list[Row] = []
    instances: list[Row] = []
    for number, (name, discs) in enumerate(DISCS.items()):
        pixels = np.random.default_rng(number).integers(80, 95, SHAPE, dtype=np.uint8)
        for defect, spot in discs.items():
            mask = disc(*spot, SHAPE)
            pixels[mask] = 10
            instances.append(put_mask(folder, defect, name, "pit", mask))
        images.append(put_picture(folder, name, pixels) | {"legal_path": ""})
    return Source(Manifest(folder, table(images, IMAGES), table(instances, INSTANCES)))


def turns(source: Source, *names: str) -> pd.DataFrame:
    """The defects of some pictures, or of all."""
    table = defects_in_turn(source, "train", 0).assign(batch=2)
    return table[table["image_id"].isin(names or DISCS)]


@pytest.fixture(scope="module")
def healed(source: Source) -> dict[str, Pixels]:
    return heal_pictures(source, painter_of(Brightening()), turns(source))


def test_of_each_picture_the_largest_defect_comes_first(source: Source) -> None:
    table = turns(source)
    assert table.loc[["d", "c", "b"], "turn"].to_list() == [0, 1, 2]
    assert table.loc[["a", "e"], "turn"].to_list() == [0, 0]
    assert table["seed"].is_unique


@pytest.mark.parametrize("name", DISCS)
def test_a_healed_picture_shows_none_of_its_defects(source: Source, healed: dict[str, Pixels], name: str) -> None:
    level = (LEVEL + 1) / 2 * 255
    for spot in DISCS[name].values():
        there = healed[name][disc(*spot, SHAPE)].astype(float)
        assert source.pixels(name)[disc(*spot, SHAPE)].max() == 10
        assert abs(np.median(there) - level) < GRAIN and there.min() > 40


@pytest.mark.parametrize("name", DISCS)
def test_beside_the_regions_a_healed_picture_is_bit_identical(
    source: Source, healed: dict[str, Pixels], name: str
) -> None:
    near = np.zeros(SHAPE, bool)
    for x, y, radius in DISCS[name].values():
        side = max(64, 4 * radius)  # a square's longest, whose pixels are the largest
        near |= grow(disc(x, y, radius, SHAPE), (WIDE + 2) * side / 64)
    changed = healed[name] != source.pixels(name)
    assert changed.any() and not (changed & ~near).any()


def test_a_picture_is_healed_in_any_company_as_alone(source: Source, healed: dict[str, Pixels]) -> None:
    for name in DISCS:
        alone = heal_pictures(source, painter_of(Brightening()), turns(source, name))
        assert list(alone) == [name] and np.array_equal(alone[name], healed[name])


def test_no_unhealed_defect_is_surroundings_to_another(source: Source) -> None:
    """Known pixels that the network is shown are bright: neighbours in a square are painted over with it."""
    darkest: list[float] = []

    class Watched(Brightening):
        def low(self, patches: NDArray[np.float32], regions: NDArray[np.bool_], *rest: object) -> NDArray[np.float32]:
            darkest.extend(patch[0][~region].min() for patch, region in zip(patches, regions, strict=True))
            return super().low(patches, regions, *rest)  # type: ignore[arg-type]

    heal_pictures(source, painter_of(Watched()), turns(source))
    assert len(darkest) == 5 and min(darkest) > -0.65  # a disc is -0.92


def test_networks_that_draw_nothing_finite_end_in_one_line(source: Source) -> None:
    with pytest.raises(UserError, match="draw nothing finite") as error:
        heal_pictures(source, painter_of(Brightening(spoiled=64)), turns(source))
    one_line(error.value)
