"""Figures of pictures that were raised to full resolution, inside the region that was drawn.

Pictures (C, S, S) in [-1, 1], regions (S, S). All figures see what a file would hold, 8 bits.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from defectgen.imaging.distance import to_outside
from defectgen.imaging.files import Mask, from_float, to_float
from defectgen.learn.upsample import FACTOR, reduced
from defectgen.quality.distances import frechet_distance
from defectgen.quality.texture import RING, STEP, Features, texture_features

TAPER = 8  # pixels over which the window rises from the region's border
WINDOW = 64  # side in pixels of what texture features are taken of
COVERED = 0.5  # share of a window that the region must cover; of a small region the best window counts
HALVES = 20  # random halves of the groups
FLOOR = 0.01  # of the largest standard deviation: a feature that hardly changes must not outweigh all

Picture = NDArray[np.float32]
Spectrum = NDArray[np.float64]


def eight_bits(picture: Picture) -> Picture:
    return to_float(from_float(picture, np.dtype(np.uint8)))


def spectrum(picture: Picture, region: Mask) -> Spectrum:
    """log10 of the mean power in rings of the region's pixels, from coarse to fine, (S / 2 / RING,).

    Of the differences of neighbours, which whiten: or the coarse would leak through an irregular window into the fine,
    where a blur shows. Their response multiplies every picture's power alike.
    """
    depth = to_outside(np.pad(region, 1))[1:-1, 1:-1]
    window = np.sin(np.pi / 2 * np.minimum(depth / TAPER, 1)) ** 2
    size = len(region)
    frequency = np.fft.fftfreq(size, 1 / size)
    ring = np.rint(np.hypot(frequency[:, None], frequency)).astype(np.int64) - 1
    inside = (ring >= 0) & (ring < size // 2)
    number = ring[inside] // RING
    power = np.zeros((size, size))
    for plane in eight_bits(picture):
        for slope in np.gradient(plane.astype(np.float64)):
            power += np.abs(np.fft.fft2(slope * window)) ** 2 / (window**2).sum() / len(picture)
    return np.log10(np.bincount(number, power[inside]) / np.bincount(number) + STEP**2 / 12)


def spectrum_distance(one: Picture, other: Picture, region: Mask) -> float:
    """Root mean square over the rings of the difference of log10 power."""
    return float(np.sqrt(np.mean((spectrum(one, region) - spectrum(other, region)) ** 2)))


def psnr(drawn: Picture, real: Picture, region: Mask) -> float:
    """Peak signal-to-noise ratio inside the region in dB."""
    difference = (eight_bits(drawn) - eight_bits(real))[:, region]
    return float(10 * np.log10(2**2 / np.mean(difference**2, dtype=np.float64)))


def drift(drawn: Picture, low: Picture, region: Mask) -> float:
    """Root mean square of the area averages of `drawn` less low (C, S / FACTOR, S / FACTOR), in grey levels of 255.

    Over the low-resolution pixels that the region touches.
    """
    averages = reduced(torch.from_numpy(eight_bits(drawn))[None])[0].numpy()
    touched = region.reshape(len(region) // FACTOR, FACTOR, -1, FACTOR).any(axis=(1, 3))
    return float(np.sqrt(np.mean((averages - low)[:, touched] ** 2, dtype=np.float64)) * 255 / 2)


def texture(picture: Picture, region: Mask) -> Features:
    """Texture features of the windows of a grid that the region covers, or of the one it covers most, (N, F)."""
    count = len(region) // WINDOW
    share = region.reshape(count, WINDOW, count, WINDOW).mean(axis=(1, 3))
    rows, columns = np.nonzero(share >= min(COVERED, share.max()))
    windows = [
        picture[:, WINDOW * row : WINDOW * (row + 1), WINDOW * column : WINDOW * (column + 1)]
        for row, column in zip(rows, columns, strict=True)
    ]
    return texture_features(np.stack(windows))


def texture_distances(
    real: Sequence[Features], drawn: Sequence[Features], groups: Sequence[str], seed: int
) -> tuple[float, float, float]:
    """Frechet distance of drawn texture from real, that of real from real, and the latter's standard deviation.

    Means over random halves of the groups: one half's real windows against the other's drawn ones, and against the
    other's real ones, so that the two differ in nothing but the drawing. Features (windows, F) of one region each.
    """
    rng, names = np.random.default_rng(seed), sorted(set(groups))
    everything = np.concatenate(list(real))
    deviation = everything.std(axis=0)
    scale = np.maximum(deviation, FLOOR * deviation.max())
    against_drawn, against_real = [], []
    for _ in range(HALVES):
        half = set(rng.permutation(names)[: len(names) // 2].tolist())
        mine = [number for number, group in enumerate(groups) if group in half]
        others = [number for number, group in enumerate(groups) if group not in half]
        left, right, made = (
            np.concatenate([features[number] for number in numbers]) / scale
            for features, numbers in ((real, mine), (real, others), (drawn, others))
        )
        against_drawn.append(frechet_distance(left, made))
        against_real.append(frechet_distance(left, right))
    return float(np.mean(against_drawn)), float(np.mean(against_real)), float(np.std(against_real))
