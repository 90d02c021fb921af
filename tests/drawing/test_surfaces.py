"""Textures, light and camera: direction of the brush, where the light falls, what the sensor does."""

import numpy as np
import pytest

from defectgen.drawing.camera import Camera
from defectgen.drawing.light import Lamp, Surface, shade
from defectgen.drawing.texture import Field, brushed, orange_peel, smooth_noise


def _surface(height: Field, gloss: float = 0.0) -> Surface:
    return Surface(
        albedo=np.ones((*height.shape, 1), np.float32),
        height=height,
        gloss=np.full_like(height, gloss),
        substrate=np.ones(1, np.float32),
        material=np.ones_like(height),
        shininess=30.0,
    )


@pytest.mark.parametrize("shape", [(64, 64), (90, 41)])
def test_textures_are_standardised_and_reproducible(shape: tuple[int, int]) -> None:
    for draw in (
        lambda rng: smooth_noise(rng, shape, 0.6),
        lambda rng: smooth_noise(rng, shape, 30.0),
        lambda rng: brushed(rng, shape, 0.1),
        lambda rng: orange_peel(rng, shape),
    ):
        field = draw(np.random.default_rng(0))
        assert field.shape == shape
        assert field.dtype == np.float32
        assert field.std() == pytest.approx(1, abs=1e-3)
        assert np.array_equal(field, draw(np.random.default_rng(0)))


@pytest.mark.parametrize("angle", [0.0, 0.4])
def test_brushing_runs_along_its_angle(angle: float) -> None:
    field = brushed(np.random.default_rng(0), (200, 200), angle).astype(float)
    down, right = np.gradient(field)
    along = np.array([np.cos(angle), np.sin(angle)])
    slope_along = np.abs(down * along[0] + right * along[1]).mean()
    slope_across = np.abs(right * along[0] - down * along[1]).mean()
    assert slope_across > 3 * slope_along


def test_a_lamp_lights_what_is_below_it() -> None:
    lamp = Lamp(x=0.25, y=-0.25, z=0.3, power=1.0)
    radiance = shade(_surface(np.zeros((100, 100), np.float32)), [lamp], ambient=0.1)[..., 0]
    row, column = np.unravel_index(np.argmax(radiance), radiance.shape)
    assert (row, column) == pytest.approx((25, 75), abs=1)
    assert radiance.max() == pytest.approx(1.1, abs=0.01)


def test_a_bump_is_bright_towards_the_lamp() -> None:
    y, x = np.mgrid[-30:31, -30:31].astype(np.float32)
    bump = 6 * np.exp(-(x**2 + y**2) / 100)
    radiance = shade(_surface(bump), [Lamp(x=-3.0, y=0.0, z=2.0, power=1.0)], ambient=0.0)[..., 0]
    assert radiance[30, 22] > radiance[30, 30] > radiance[30, 38]


def test_gloss_only_adds_light() -> None:
    height = smooth_noise(np.random.default_rng(0), (40, 40), 3)
    lamps = [Lamp(x=0.2, y=0.1, z=1.0, power=0.8)]
    matt, glossy = (shade(_surface(height, gloss), lamps, ambient=0.2) for gloss in (0.0, 0.4))
    assert (glossy > matt).all()


def test_camera_keeps_order_and_range() -> None:
    radiance = np.linspace(0, 5, 50, dtype=np.float32)[:, None, None].repeat(20, axis=1)
    tones = Camera().develop(radiance)
    assert 0 <= tones.min() <= tones.max() <= 1
    assert (np.diff(tones[5:-5, 10, 0]) > 0).all()
    assert (Camera(exposure=1.5).develop(radiance) >= tones).all()


def test_sensor_noise_has_no_bias_and_grows_with_its_setting() -> None:
    tones = np.full((100, 100, 1), 0.5, np.float32)
    grain = Camera().grain(tones.shape, np.random.default_rng(0))
    pixels = [Camera(noise=noise).sense(tones, grain).astype(float) for noise in (0.004, 0.016)]
    assert pixels[1].mean() == pytest.approx(127.5, abs=0.5)
    assert pixels[1].std() > 2 * pixels[0].std() > 0
