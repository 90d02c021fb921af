"""Features of a network the user supplies, such as Inception's: nothing is ever downloaded."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from defectgen.errors import UserError
from defectgen.quality.texture import CHUNK, Features


def scripted_features(path: Path) -> Callable[[NDArray[np.float32]], Features]:
    """What turns patches (N, C, S, S) in [-1, 1] into a TorchScript network's features (N, F).

    The network must take (n, 3, S, S) in [-1, 1], grey three times, and give (n, F); resizing to what it wants is its
    own work. The file runs as a program: use none of a stranger.

    Raises:
        UserError: no such file, no TorchScript, or, when it is used, a network that takes or gives something else.
    """
    try:
        network = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{path}: no TorchScript file ({_line(error)}); write one with torch.jit.save") from None

    @torch.no_grad()
    def features(patches: NDArray[np.float32]) -> Features:
        colour = torch.from_numpy(patches).expand(-1, 3, -1, -1)
        try:
            found = torch.cat([network(chunk) for chunk in colour.split(CHUNK)])
        except (RuntimeError, TypeError) as error:
            raise UserError(f"{path}: cannot take {tuple(colour.shape[1:])} patches ({_line(error)})") from None
        if found.ndim != 2:
            raise UserError(f"{path}: gives {tuple(found.shape)}; it must give (patches, features)")
        return found.numpy().astype(np.float64)

    return features


def _line(error: Exception) -> str:
    """The beginning of an exception's message as one line."""
    return " ".join(str(error).split())[:200]
