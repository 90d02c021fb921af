"""Features of patches: the texture of a surface by rule, and what a trained critic sees.

    texture    local binary patterns (Ojala et al. 2002): which neighbours of a pixel are brighter, at two scales
               radial power spectrum: how much of each spatial frequency, from coarse shading to grain
    critic     what its last layer decides by

Features by rule need no weights and no training. They react to blur, noise, compression and a swapped texture; they are
not Inception's, so no distance between them is an FID.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import local_binary_pattern

from defectgen.learn.critic import CrossFitted

Features = NDArray[np.float64]  # (N, F)

SCALES = ((8, 1), (16, 2))  # neighbours and radius in pixels of a local binary pattern
RING = 2  # width of a ring of the spectrum, in periods over the patch
STEP = 2 / 255  # between two grey values of 8 bits
CHUNK = 64  # patches that go through a network at a time


def texture_features(patches: NDArray[np.float32]) -> Features:
    """patches (N, C, S, S) in [-1, 1] to (N, F), F = 28 + S / 4 + C: 45 for grey patches of 64 px.

    Square roots of the two pattern histograms, log10 of the power in rings, both averaged over the channels; and the
    mean of each channel, the spectrum's zero frequency.
    """
    return np.stack([_texture(patch) for patch in patches])


def critic_features(critic: CrossFitted, patches: NDArray[np.float32]) -> Features:
    """patches (N, C, H, W) in [-1, 1] to the mean and the maximum of each channel of the last maps, (N, F).

    Of the critic's first member: those of all say much the same, and distances in fewer dimensions need fewer patches.
    """
    pooled = []
    with torch.no_grad():
        for chunk in torch.from_numpy(patches).split(CHUNK):
            maps = critic.members[0].features(chunk)
            pooled.append(torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1))
    return torch.cat(pooled).numpy().astype(np.float64)


def _texture(patch: NDArray[np.float32]) -> NDArray[np.float64]:
    rows = [np.concatenate([*(_patterns(plane, *scale) for scale in SCALES), _spectrum(plane)]) for plane in patch]
    return np.concatenate([np.mean(rows, axis=0), patch.mean(axis=(1, 2), dtype=np.float64)])


def _patterns(plane: NDArray[np.float32], neighbours: int, radius: int) -> NDArray[np.float64]:
    """Square root of the share of each uniform, rotation-invariant pattern in a plane (S, S), (neighbours + 2,).

    In grey values of 8 bits: a float's last digits are no texture. Without the border, whose neighbours are missing.
    """
    grey = np.rint((plane.clip(-1, 1) + 1) / STEP).astype(np.uint8)
    patterns = local_binary_pattern(grey, neighbours, radius, "uniform")[radius:-radius, radius:-radius]
    return np.sqrt(np.bincount(patterns.astype(np.int64).ravel(), minlength=neighbours + 2) / patterns.size)


def _spectrum(plane: NDArray[np.float32]) -> NDArray[np.float64]:
    """log10 of the mean power in rings of a plane (S, S), from coarse to fine, (S / 2 / RING,).

    Under a Hann window, as the patch does not wrap round; its unit is the variance of white noise. The rounding noise
    of 8 bits is added, so that emptiness has a logarithm.
    """
    size = len(plane)
    window = np.outer(np.hanning(size), np.hanning(size))
    centred = plane - np.average(plane, weights=window)
    power = np.abs(np.fft.fft2(centred * window)) ** 2 / (window**2).sum()
    frequency = np.fft.fftfreq(size, 1 / size)
    ring = np.rint(np.hypot(frequency[:, None], frequency)).astype(np.int64) - 1
    inside = (ring >= 0) & (ring < size // 2)
    number = ring[inside] // RING
    return np.log10(np.bincount(number, power[inside]) / np.bincount(number) + STEP**2 / 12)
