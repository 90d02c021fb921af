"""A small elastic change of a shape, so that no planned shape is quite its donor's.

Every pixel shows what lay at x + u(x), u a sum of a few plane waves as long as the shape. The slopes of u sum to less
than one whatever the waves, so x + u(x) never folds (its Jacobian stays positive): nothing is torn, no hole is filled,
and a line as thin as a pixel of a long crack keeps most of its width.
"""

import cv2
import numpy as np

from defectgen.imaging.files import Mask

WAVES = 3
STEEPEST = 0.35  # the most by which lengths change
LENGTHS = (0.7, 1.4)  # of a wave, over the longer side of the shape's box


def deform(mask: Mask, rng: np.random.Generator) -> tuple[Mask, int]:
    """The changed shape of a mask (H, W), and by how many pixels its picture is wider than it on every side.

    What touches the border of the picture reaches over it, or the change would move it away from there.
    """
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    lengths = max(width, height) * rng.uniform(*LENGTHS, WAVES)
    heights = STEEPEST / (2 * np.pi * WAVES) * lengths
    margin = int(np.ceil(heights.sum())) + 1
    wide = np.pad(mask, margin, mode="edge")
    down, right = np.mgrid[y : y + height + 2 * margin, x : x + width + 2 * margin].astype(np.float64)
    across, along = np.zeros((2, *down.shape))
    for length, most in zip(lengths, heights, strict=True):
        towards, push, phase = rng.uniform(0, 2 * np.pi, 3)
        wave = most * np.sin(2 * np.pi / length * (np.cos(towards) * right + np.sin(towards) * down) + phase)
        across, along = across + np.cos(push) * wave, along + np.sin(push) * wave
    here = np.s_[y : y + height + 2 * margin, x : x + width + 2 * margin]
    maps = ((right + across).astype(np.float32), (down + along).astype(np.float32))
    changed = np.zeros_like(wide)
    changed[here] = cv2.remap(wide.astype(np.float32), *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE) >= 0.5
    return changed, margin
