"""A drawn shape as large and as long as a given one, for classes with too few real shapes to choose from."""

import cv2
import numpy as np
from numpy.typing import NDArray

from defectgen.drawing.shapes import filled, ragged_ellipse

ROUGHNESS = (0.1, 0.5)


def lookalike(shape: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """A ragged ellipse of the area, centre, direction and elongation of a shape (H, W), on a picture of its size.

    Area and elongation (the ratio of the standard deviations along the shape's own axes) are kept but for what its
    ragged outline and the picture's border take.
    """
    pixels = np.argwhere(shape)[:, ::-1].astype(np.float64)
    centre = pixels.mean(axis=0)
    values, axes = np.linalg.eigh((pixels - centre).T @ (pixels - centre) / len(pixels) + np.eye(2) / 12)
    outline = ragged_ellipse(rng, 1.0, 1.0, rng.uniform(*ROUGHNESS))
    long, turned = np.linalg.eigh(np.cov(outline.T))
    round_one = (outline - outline.mean(axis=0)) @ turned / np.sqrt(long)
    outline = round_one * np.sqrt(values) @ axes.T
    outline *= np.sqrt(shape.sum() / cv2.contourArea(outline.astype(np.float32)))
    outline += centre + 0.5  # a pixel's middle
    lines, columns = (np.argwhere(filled(outline, 0) >= 0.5) + np.floor(outline.min(axis=0)).astype(np.int64)[::-1]).T
    inside = (lines >= 0) & (columns >= 0) & (lines < shape.shape[0]) & (columns < shape.shape[1])
    drawn = np.zeros_like(shape)
    drawn[lines[inside], columns[inside]] = True
    return drawn
