"""Every gate has one case it must reject and one it must pass."""

import numpy as np

from defectgen.quality.gates import Drawn, Filled, Gate, Spilled


def drawn(label: np.ndarray) -> Drawn:
    shape = np.zeros((64, 64), bool)
    shape[20:40, 20:40] = True
    pixels = np.zeros((64, 64), np.uint8)
    return Drawn(pixels, pixels, shape, label)


def box(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((64, 64), bool)
    mask[top:bottom, left:right] = True
    return mask


def verdict(gate: Gate, label: np.ndarray) -> bool:
    return gate.passes(gate.score(drawn(label)))


def test_filled() -> None:
    assert verdict(Filled(0.3), box(20, 20, 40, 30))
    assert not verdict(Filled(0.3), box(20, 20, 40, 25))
    assert Filled().score(drawn(box(20, 20, 40, 30))) == 0.5


def test_spilled() -> None:
    assert verdict(Spilled(0.3), box(20, 20, 40, 42))
    assert not verdict(Spilled(0.3), box(20, 20, 40, 60))
    assert Spilled().score(drawn(box(19, 19, 41, 41))) < 0.05  # a pixel about the shape is the shape
    assert Spilled().score(drawn(box(45, 45, 60, 60))) == 1
