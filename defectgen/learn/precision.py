"""Which arithmetic this machine trains fastest in."""

import time
from typing import Literal

import torch

Precision = Literal["32-true", "bf16-mixed"]


def fastest_precision() -> Precision:
    """bfloat16 on GPUs that have it and on CPUs whose matrix product is faster in it, else float32.

    CPUs without bfloat16 instructions emulate it, up to a hundred times slower, so a small product is timed.
    """
    if torch.cuda.is_available():
        return "bf16-mixed" if torch.cuda.is_bf16_supported() else "32-true"
    matrix = torch.randn(256, 256)
    return "bf16-mixed" if _seconds(matrix.bfloat16()) < 0.8 * _seconds(matrix) else "32-true"


def _seconds(matrix: torch.Tensor) -> float:
    """The best of a few products of a square matrix with itself; the first one warms up."""
    times = []
    for _ in range(5):
        start = time.perf_counter()
        matrix @ matrix
        times.append(time.perf_counter() - start)
    return min(times[1:])
