"""The critic: whom it asks about what, and what its folder keeps."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from critics import always
from numpy.typing import NDArray

from defectgen.errors import UserError
from defectgen.learn.critic import CrossFitted, load_critic, save_critic
from defectgen.nn.classifier import Block, Classifier
from defectgen.spec import DataSpec

FOLDS = {"first": 0, "second": 1, "third": 2}


def noise(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).uniform(-1, 1, (count, 1, 64, 64)).astype(np.float32)


def various(spec: DataSpec) -> Classifier:
    """A network whose every layer has its say."""
    network = Classifier(spec, width=16).eval()
    for block in network.features:
        if isinstance(block, Block):
            torch.nn.init.normal_(block.conv_out.weight, std=0.05)
    return network


@pytest.fixture
def critic(spec: DataSpec) -> CrossFitted:
    """Member i says class i of three."""
    return CrossFitted([always(label, spec) for label in range(3)], FOLDS, spec, "")


def test_of_a_training_group_the_member_that_has_not_seen_it_is_asked(critic: CrossFitted) -> None:
    said = critic.predict(noise(4), ["third", "first", "second", "first"])
    sure = np.exp(1) / (np.exp(1) + 2)
    np.testing.assert_allclose(said, np.where(np.eye(3)[[2, 0, 1, 0]], sure, (1 - sure) / 2), rtol=1e-5)


@pytest.mark.parametrize("groups", [None, ["never seen", "never seen"]])
def test_of_others_it_is_the_mean_of_all(critic: CrossFitted, groups: list[str] | None) -> None:
    np.testing.assert_allclose(critic.predict(noise(2), groups), np.full((2, 3), 1 / 3), rtol=1e-6)


def test_the_mean_is_of_probabilities(spec: DataSpec) -> None:
    torch.manual_seed(0)
    members, patches = [various(spec), various(spec), always(2, spec)], noise(3)
    each = [CrossFitted([member], {}, spec, "").predict(patches) for member in members]
    np.testing.assert_allclose(CrossFitted(members, {}, spec, "").predict(patches), np.mean(each, axis=0), rtol=1e-5)


def test_known_and_unknown_may_stand_side_by_side(critic: CrossFitted) -> None:
    said = critic.predict(noise(2), ["new", "second"])
    np.testing.assert_array_equal(said[0], critic.predict(noise(1))[0])
    assert said[1].argmax() == 1


def test_good_is_what_is_likelier_than_all_defects_together(spec: DataSpec) -> None:
    """Good may be less likely than each class alone and yet be called good: beforehand defects are K - 1 to one."""

    def leaning(good: float) -> CrossFitted:
        network = always(0, spec)
        with torch.no_grad():
            network.logits.bias.copy_(torch.tensor([good, (1 - good) * 0.8, (1 - good) * 0.2]).log())
        return CrossFitted([network], {}, spec, "")

    assert leaning(0.34).calls_good(noise(2)).tolist() == [True, True]
    assert leaning(0.32).calls_good(noise(1)).tolist() == [False]


def test_of_good_too_the_member_that_has_not_seen_the_group_is_asked(critic: CrossFitted) -> None:
    assert critic.calls_good(noise(3), ["first", "second", "third"]).tolist() == [True, False, False]


def test_the_very_same_is_said_of_a_patch_whatever_is_judged_beside(spec: DataSpec) -> None:
    torch.manual_seed(0)
    critic, patches = CrossFitted([various(spec), various(spec)], {"known": 1}, spec, ""), noise(9)
    groups = ["known", "new", "other"] * 3
    together = critic.predict(patches, groups)
    np.testing.assert_allclose(together.sum(axis=1), 1, rtol=1e-5)
    for number in range(9):
        alone = critic.predict(patches[number : number + 1], groups[number : number + 1])
        np.testing.assert_array_equal(alone[0], together[number])


def test_of_no_patches_nothing_is_said(critic: CrossFitted) -> None:
    assert critic.predict(noise(0)).shape == critic.predict(noise(0), []).shape == (0, 3)


def test_the_folder_gives_back_what_was_saved(spec: DataSpec, tmp_path: Path) -> None:
    torch.manual_seed(0)
    members = [various(spec), various(spec)]
    folds = {"no": 0, "1": 1, "2024-01-01": 0, "Größe: ✓": 1}
    save_critic(tmp_path, members, folds, spec, "card")
    loaded = load_critic(tmp_path)
    files = {"config.yaml", "MODEL_CARD.md", "member-0.safetensors", "member-1.safetensors"}
    assert {path.name for path in tmp_path.iterdir()} == files
    assert (loaded.spec, loaded.folds) == (spec, folds)
    assert [member.width for member in loaded.members] == [16, 16]
    for groups in (None, ["no", "1"]):
        expected = CrossFitted(members, folds, spec, "").predict(noise(2), groups)
        np.testing.assert_allclose(loaded.predict(noise(2), groups), expected, atol=1e-6)


def test_the_digest_is_of_all_members(spec: DataSpec, tmp_path: Path) -> None:
    torch.manual_seed(0)
    one, two, three = (Classifier(spec, width=8) for _ in range(3))
    for name, members in {"a": [one, two], "again": [one, two], "b": [one, three], "turned": [two, one]}.items():
        save_critic(tmp_path / name, members, {}, spec, name)
    digests = {name: load_critic(tmp_path / name).digest for name in ("a", "again", "b", "turned")}
    assert digests["a"] == digests["again"]
    assert len(set(digests.values())) == 3
    sums = [hashlib.sha256((tmp_path / f"a/member-{n}.safetensors").read_bytes()).hexdigest() for n in (0, 1)]
    assert digests["a"] == hashlib.sha256("".join(sums).encode()).hexdigest()


def test_weights_that_are_not_the_config_s_are_refused(spec: DataSpec, tmp_path: Path) -> None:
    save_critic(tmp_path, [always(0, spec), always(1, spec)], {}, spec, "")
    (tmp_path / "member-1.safetensors").write_bytes((tmp_path / "member-0.safetensors").read_bytes())
    with pytest.raises(UserError, match=r"member-1\.safetensors: not the weights"):
        load_critic(tmp_path)


def test_a_missing_member_is_one_line(spec: DataSpec, tmp_path: Path) -> None:
    save_critic(tmp_path, [always(0, spec), always(1, spec)], {}, spec, "")
    (tmp_path / "member-0.safetensors").unlink()
    with pytest.raises(UserError, match="not a usable checkpoint"):
        load_critic(tmp_path)


def test_a_missing_folder_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not a usable checkpoint"):
        load_critic(tmp_path)
