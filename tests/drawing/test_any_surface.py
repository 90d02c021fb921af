"""The teacher's surfaces: of every kind, brightness, contrast and colour, sharp or not, with and without outlines."""

import numpy as np
import pytest
from scipy.ndimage import distance_transform_edt

from defectgen.drawing.anything import FINISHES, GREY, OUTLINED, AnySurface
from defectgen.drawing.camera import Camera
from defectgen.drawing.finishes import Draw
from defectgen.drawing.outlines import OUTLINES, Outline, rod
from defectgen.drawing.spectrum import filtered_noise

PRODUCT = AnySurface(64)
KINDS = [pytest.param(kind, id=kind.__name__) for kind in dict.fromkeys(FINISHES)]
SHAPES = [pytest.param(shape, id=shape.__name__) for shape in dict.fromkeys(OUTLINES)]


@pytest.fixture(scope="module")
def photographs() -> np.ndarray:
    """(300, 64, 64, 3) from 0 to 1."""
    return np.stack([PRODUCT.photograph([0, part]).image for part in range(300)]) / 255.0


def _surfaces(count: int) -> list:
    return [PRODUCT.surface(np.random.default_rng([1, part])) for part in range(count)]


def test_brightness_and_contrast_vary_widely(photographs: np.ndarray) -> None:
    means, deviations = photographs.mean((1, 2, 3)), photographs.std((1, 2, 3))
    assert np.percentile(means, 3) < 0.2
    assert np.percentile(means, 97) > 0.75
    assert np.percentile(deviations, 5) < 0.03
    assert np.percentile(deviations, 95) > 0.18


def test_hardly_a_picture_is_clipped(photographs: np.ndarray) -> None:
    clipped = ((photographs == 1) | (photographs == 0)).all(-1).mean((1, 2))
    assert (clipped > 0.05).mean() < 0.02


def test_half_of_the_surfaces_are_grey_and_some_are_vivid() -> None:
    spread = np.array([np.ptp(surface.albedo.mean((0, 1))) / surface.albedo.mean() for surface in _surfaces(200)])
    assert (spread < 1e-3).mean() == pytest.approx(GREY, abs=0.1)
    assert (spread > 0.7).mean() > 0.05


def test_many_pictures_show_an_outline_with_room_on_the_part() -> None:
    surfaces = _surfaces(200)
    outlined = [surface for surface in surfaces if surface.material.min() < 0.5]
    assert len(outlined) / len(surfaces) == pytest.approx(OUTLINED, abs=0.1)
    assert min(surface.material.mean() for surface in outlined) > 0.1
    for surface in outlined:
        room, part = PRODUCT.room(surface), surface.material > 0.5
        assert room[part].all()
        assert (distance_transform_edt(~part)[room] < 6).all()


def test_what_lies_behind_shows_where_an_edge_is_missing_and_bare_material_within() -> None:
    seen = 0
    for surface in _surfaces(60):
        if surface.material.min() > 0.5:
            assert surface.substrate.shape == (3,)
            continue
        background = surface.material == 0
        assert np.allclose(surface.substrate[background], surface.albedo[background], atol=1e-6)
        depth = distance_transform_edt(~background)
        if depth.max() > 20:
            seen += 1
            bare = surface.substrate[depth > 20]
            assert np.ptp(bare, axis=0).max() < 1e-6
    assert seen > 3


def test_a_shadow_falls_on_the_background_only() -> None:
    """The same light on the same surface, told apart by where the part is: only what is no part may be darker."""
    darker = 0
    for seed in range(40):
        surface = PRODUCT.surface(np.random.default_rng([2, seed]))
        everywhere = type(surface)(**(vars(surface) | {"material": np.ones_like(surface.material)}))
        lit, all_part = (PRODUCT.render(s, np.random.default_rng(seed))[0] for s in (surface, everywhere))
        assert np.array_equal(lit[surface.material == 1], all_part[surface.material == 1])
        assert (lit <= all_part).all()
        darker += (lit < 0.8 * all_part).any()
    assert darker > 3


def test_a_photograph_and_its_clean_twin() -> None:
    one, other = PRODUCT.photograph([3, 1]), PRODUCT.photograph([3, 1])
    assert np.array_equal(one.image, other.image)
    assert np.array_equal(one.image, one.clean)
    assert one.image.shape == (64, 64, 3)
    assert not np.array_equal(one.image, PRODUCT.photograph([3, 2]).image)


def test_a_size_that_shows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="use 32 or more"):
        AnySurface(8)


@pytest.mark.parametrize("kind", KINDS)
def test_finishes_are_finite_of_their_shape_and_of_a_sane_strength(kind: Draw) -> None:
    for seed in range(20):
        finish = kind(np.random.default_rng(seed), (48, 70))
        for field in (finish.tone, finish.relief):
            assert field.shape == (48, 70)
            assert field.dtype == np.float32
            assert np.isfinite(field).all()
        assert finish.tone.std() < 4
        assert np.abs(np.gradient(finish.relief)).mean() < 1.5


@pytest.mark.parametrize("kind", KINDS)
def test_finishes_differ_from_seed_to_seed(kind: Draw) -> None:
    drawn = [kind(np.random.default_rng(seed), (64, 64)).tone for seed in (0, 1, 0)]
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("shape", SHAPES)
def test_outlines_leave_part_and_background_and_measure_in_pixels(shape: type[Outline]) -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32) - 31.5
    both = 0
    for seed in range(30):
        distance, _ = shape(np.random.default_rng(seed), x, y, 32.0)
        both += 0.05 < (distance < 0).mean() < 0.98
        slope = np.hypot(*np.gradient(distance))
        assert np.percentile(slope, 90) < 2.5
    assert both > 20


def test_a_rod_shows_both_edges() -> None:
    y, x = np.mgrid[:64, :64].astype(np.float32) - 31.5
    narrow = 0
    for seed in range(30):
        part = rod(np.random.default_rng(seed), x, y, 32.0).distance < 0
        narrow += part[32].any() and not part[0].all() and not part[-1].all()
    assert narrow > 25


@pytest.mark.parametrize("angle", [0.0, 0.7, 2.0])
def test_filtered_noise_runs_along_its_angle(angle: float) -> None:
    field = filtered_noise(np.random.default_rng(0), (96, 96), 20.0, 2.0, angle)
    down, right = np.gradient(field)
    along = np.abs(right * np.cos(angle) + down * np.sin(angle)).mean()
    across = np.abs(down * np.cos(angle) - right * np.sin(angle)).mean()
    assert across > 3 * along


@pytest.mark.parametrize("scale", [0.5, 3.0, 40.0])
@pytest.mark.parametrize("shape", [(64, 64), (1, 300), (50, 90)])
def test_filtered_noise_is_standardised_and_reproducible(shape: tuple[int, int], scale: float) -> None:
    field = filtered_noise(np.random.default_rng(1), shape, scale)
    assert field.shape == shape
    assert field.dtype == np.float32
    assert field.mean() == pytest.approx(0, abs=1e-3)
    assert field.std() == pytest.approx(1, abs=1e-3)
    assert np.array_equal(field, filtered_noise(np.random.default_rng(1), shape, scale))


def test_filtered_noise_does_not_wrap_around() -> None:
    fields = [filtered_noise(np.random.default_rng(seed), (64, 64), 3.0) for seed in range(40)]
    assert abs(np.mean([field[:, 0] * field[:, -1] for field in fields])) < 0.15
    assert np.mean([field[:, 0] * field[:, 1] for field in fields]) > 0.7


def test_the_grain_of_filtered_noise_grows_with_its_scale() -> None:
    def roughness(scale: float) -> float:
        field = filtered_noise(np.random.default_rng(0), (128, 128), scale)
        return float(np.hypot(*np.gradient(field)).mean())

    rough = [roughness(scale) for scale in (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)]
    assert rough == sorted(rough, reverse=True)
    assert rough[2] / rough[4] == pytest.approx(4, rel=0.4)


@pytest.mark.parametrize("tone", [0.1, 0.5, 0.9])
def test_an_exposure_meets_its_tone(tone: float) -> None:
    radiance = np.full((20, 20, 3), 0.37, np.float32)
    camera = Camera(exposure=Camera.exposure_for(tone, radiance))
    assert camera.develop(radiance).mean() == pytest.approx(tone, abs=1e-3)
