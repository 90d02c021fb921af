"""A network the user supplies: its features join, and what is none is named in one line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small import one_line
from torch import nn

from defectgen.errors import UserError
from defectgen.quality.inception import scripted_features

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")


def scripted(path: Path, *layers: nn.Module) -> Path:
    torch.jit.save(torch.jit.script(nn.Sequential(*layers)), str(path))
    return path


@pytest.mark.parametrize("channels", [1, 3])
def test_gives_the_networks_features_of_grey_and_colour(tmp_path: Path, channels: int) -> None:
    features = scripted_features(scripted(tmp_path / "mean.pt", nn.AdaptiveAvgPool2d(1), nn.Flatten()))
    patches = np.random.default_rng(0).uniform(-1, 1, (70, channels, 64, 64)).astype(np.float32)
    expected = np.broadcast_to(patches.mean(axis=(2, 3)), (70, 3))
    np.testing.assert_allclose(features(patches), expected, atol=1e-5)


def test_what_is_no_network_for_patches_is_named(tmp_path: Path) -> None:
    patches = np.zeros((2, 1, 64, 64), np.float32)
    (tmp_path / "text.pt").write_text("weights")
    for name in ("text.pt", "none.pt"):
        with pytest.raises(UserError, match="no TorchScript file") as error:
            scripted_features(tmp_path / name)
        assert name in one_line(error.value)
    with pytest.raises(UserError, match="it must give"):
        scripted_features(scripted(tmp_path / "maps.pt", nn.Conv2d(3, 4, 3)))(patches)
    with pytest.raises(UserError, match="cannot take") as error:
        scripted_features(scripted(tmp_path / "one.pt", nn.Conv2d(1, 4, 3)))(patches)
    one_line(error.value)
