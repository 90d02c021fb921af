"""A network for tests whose opinion is known beforehand."""

import torch

from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec


def always(label: int, spec: DataSpec) -> Classifier:
    """Calls everything by one class, of three with a probability of e / (e + 2)."""
    network = Classifier(spec, width=8).eval()
    with torch.no_grad():
        network.logits.weight.zero_()
        network.logits.bias.copy_(torch.eye(len(spec.classes))[label])
    return network
