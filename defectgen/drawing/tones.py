"""Tones of defects: how much darker, brighter or otherwise coloured than the surface they are."""

import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.texture import Field

Colour = NDArray[np.float32]
"""(3,) RGB albedo, or factor on it."""


def contrast(rng: np.random.Generator, least: float, most: float) -> Colour:
    """Return a factor on the albedo, darker or brighter by exp(least) to exp(most), grey or tinged."""
    strength = np.exp(rng.uniform(np.log(least), np.log(most)))
    direction = -1 if rng.random() < 0.6 else 1
    tinge = 1 + rng.uniform(0, 0.8) * rng.uniform(-1, 1, 3) * (rng.random() < 0.4)
    return np.exp(direction * strength * tinge).astype(np.float32)


def pigment(rng: np.random.Generator) -> Colour:
    """Return any albedo from near black to near white, grey or coloured."""
    grey = rng.uniform(0.02, 0.95)
    tinge = rng.uniform(0, 1) * rng.uniform(-1, 1, 3) * (rng.random() < 0.5)
    return np.clip(grey * np.exp(tinge), 0.01, 0.98).astype(np.float32)


def tinted(share: Field, factor: Field) -> Field:
    """Return the tint (h, w, 3) that is `factor`, (3,) or (h, w, 3), where `share` (h, w) is 1, and 1 where it is 0."""
    return np.asarray(1 + share[..., None] * (factor - 1), np.float32)


def coated(share: Field, colour: Field) -> Field:
    """Return the coat (h, w, 4) of this `colour`, (3,) or (h, w, 3), that hides `share` (h, w) of what is below."""
    return np.dstack([np.broadcast_to(colour, (*share.shape, 3)), share]).astype(np.float32)
