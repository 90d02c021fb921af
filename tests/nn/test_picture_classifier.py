"""The picture classifier: shapes, and that light does not tell it anything."""

import torch

from defectgen.nn.picture import PictureClassifier
from defectgen.spec import DataSpec

SPEC = DataSpec(3, ["good", "pit"], 0.3, 64)


def test_a_picture_has_one_answer_and_its_cells_one_each() -> None:
    network = PictureClassifier(SPEC, width=8)
    logits, cells = network.localised(torch.rand(2, 3, 96, 96))
    assert logits.shape == (2, 2) and cells.shape == (2, 2, 6, 6)


def test_it_does_not_depend_on_exposure_nor_on_batch_mates() -> None:
    torch.manual_seed(0)
    network = PictureClassifier(SPEC, width=8).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    pictures = 0.4 * torch.randn(3, 3, 64, 64)
    said = network(pictures)
    torch.testing.assert_close(network(pictures[1:2]), said[1:2], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(network(pictures + 0.3), said, atol=1e-4, rtol=1e-4)
    assert not torch.allclose(network(pictures[1:2]), said[:1], atol=1e-2)
