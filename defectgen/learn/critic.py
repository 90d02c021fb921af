"""The critic: classifiers of patches that have seen real ones only, each without a part of them, and their folder.

Cross-fitting: the training groups are divided into folds, and member i is trained without fold i. So every training
patch, and every defect drawn after one, can be judged by a network that has not seen the part it comes from.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from defectgen.imaging.files import write_atomic
from defectgen.learn.checkpoint import CARD, CONFIG, build, describe, usable
from defectgen.manifest import GOOD
from defectgen.nn.classifier import Classifier
from defectgen.spec import DataSpec


@dataclass(frozen=True)
class CrossFitted:
    """Trained classifiers in evaluation mode, with what they were trained on.

    members: the one of number i was trained without the groups of fold i.
    folds: group -> its fold; training groups that every member was shown are not in it.
    digest: SHA-256 of the SHA-256 sums of the members' weights.
    """

    members: Sequence[Classifier]
    folds: Mapping[str, int]
    spec: DataSpec
    digest: str

    def predict(self, patches: NDArray[np.float32], groups: Sequence[str] | None = None) -> NDArray[np.float32]:
        """The probability of each class, (N, classes), in the order of the spec.

        patches (N, C, size, size) in [-1, 1]; groups (N,): of the part that each shows, or whose defect it was drawn
        after. Of a group in `folds` the member that has not seen it is asked, of any other all of them: their mean.
        One patch at a time, as the same patch beside others would get other last digits.
        """
        said = np.empty((len(patches), len(self.spec.classes)), np.float32)
        for number, patch in enumerate(patches):
            fold = None if groups is None else self.folds.get(groups[number])
            asked = self.members if fold is None else [self.members[fold]]
            said[number] = _probabilities(asked, torch.from_numpy(patch[None]))
        return said

    def calls_good(self, patches: NDArray[np.float32], groups: Sequence[str] | None = None) -> NDArray[np.bool_]:
        """Which patches (N, C, size, size) it holds for good surface rather than for any defect, (N,).

        Both as likely beforehand: members are shown all classes equally often, so where there are K good is the
        likelier above 1 / K.
        """
        return self.predict(patches, groups)[:, self.spec.number(GOOD)] > 1 / len(self.spec.classes)


@torch.no_grad()
def _probabilities(asked: Sequence[Classifier], patch: Tensor) -> NDArray[np.float32]:
    """Mean of the members' probabilities for a patch (1, C, size, size), (classes,)."""
    return torch.cat([member(patch) for member in asked]).softmax(dim=1).mean(dim=0).numpy()


def save_critic(
    folder: Path, members: Sequence[Classifier], folds: Mapping[str, int], spec: DataSpec, card: str
) -> None:
    """Write the weights of each member, the card and, last, the config with the weights' SHA-256 sums."""
    sums = {}
    for number, member in enumerate(members):
        weights = save({name: value.contiguous() for name, value in member.state_dict().items()})
        sums[f"member-{number}.safetensors"] = hashlib.sha256(weights).hexdigest()
        write_atomic(folder / f"member-{number}.safetensors", weights)
    config = {"network": describe(members[0]), "spec": asdict(spec), "folds": dict(folds), "weights_sha256": sums}
    write_atomic(folder / CARD, card.encode())
    write_atomic(folder / CONFIG, yaml.safe_dump(config, sort_keys=False).encode())


def load_critic(folder: Path) -> CrossFitted:
    """Rebuild the critic of a folder, in evaluation mode on the CPU.

    Raises:
        UserError: a file is missing, damaged, or the weights are not those the config names.
    """
    with usable(folder):
        config = yaml.safe_load((folder / CONFIG).read_text())
        spec, sums = DataSpec(**config["spec"]), config["weights_sha256"]
        members = []
        for name, expected in sums.items():
            weights = (folder / name).read_bytes()
            if hashlib.sha256(weights).hexdigest() != expected:
                raise ValueError(f"{name}: not the weights {CONFIG} names")
            member = build(config["network"], Classifier, spec)
            member.load_state_dict(load(weights))
            members.append(member.eval())
        digest = hashlib.sha256("".join(sums.values()).encode()).hexdigest()
        return CrossFitted(members, config["folds"], spec, digest)
