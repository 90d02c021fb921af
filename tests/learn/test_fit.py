"""A training learns, is averaged as promised, keeps its best weights, and a killed one ends where a whole one does."""

import numpy as np
import pytest
import torch
from training import (
    BATCH,
    STEPS,
    Diary,
    KillAfter,
    Killed,
    SpoilFrom,
    Training,
    Weights,
    Whole,
    assert_close,
    assert_same,
    averages,
    weights_of,
)

from defectgen.diffusion.noise import Cosine
from defectgen.imaging.sheet import Rgb
from defectgen.learn.callbacks import SampleSheet, read_curves
from defectgen.learn.data import PatchData
from defectgen.learn.fit import steps_for
from defectgen.learn.module import DiffusionModule


def test_training_learns(training: Training) -> None:
    before = training.validate(training.prepare()[0]).mean()
    module = training.run(steps=30, batch=8, every=15)
    assert training.validate(module).mean() < 0.5 * before


def test_every_example_is_trained_on_once_and_in_order(training: Training, whole: dict[bool, Whole]) -> None:
    examples = training.prepare()[1].train
    expected = [float(examples[index]["uniform"]) for index in range(STEPS * BATCH)]
    for diary, _ in whole.values():
        assert [level for step in diary.levels for level in step] == expected


@pytest.mark.parametrize("validated", [True, False])
def test_killed_training_ends_with_the_weights_of_a_whole_one(
    training: Training, whole: dict[bool, Whole], validated: bool
) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(5), validated=validated)
    rest, (diary, weights) = Diary(), whole[validated]
    assert_same(training.run(rest, validated=validated), weights)
    done = rest.began[0]
    assert 0 < done <= 4, "it goes on from a checkpoint"
    assert rest.began == diary.began[done:] and rest.levels == diary.levels[done:], "with the next examples"
    for mine, theirs in zip(rest.weights, diary.weights[done:], strict=True):
        assert_same(mine, theirs)


def test_training_killed_between_checkpoints_goes_on_from_the_last_one(training: Training) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(5), validated=False)
    rest = Diary()
    training.run(rest, validated=False)
    assert rest.began == [4, 5, 6, 7]


def test_training_killed_before_the_first_checkpoint_starts_anew(training: Training, whole: dict[bool, Whole]) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(1))
    assert_same(training.run(), whole[True].weights)


def test_finished_training_is_not_trained_again(training: Training, whole: dict[bool, Whole]) -> None:
    """Killed after the last step, before the checkpoint folder was written."""
    training.run()
    again = Diary()
    assert_same(training.run(again), whole[True].weights)
    assert again.began == []


def test_weights_of_the_lowest_validation_loss_are_kept(training: Training) -> None:
    module = training.run(SpoilFrom(5))
    curve = list(training.curve().values())
    assert min(curve) < min(curve[2:]), "the later ones are worse"
    assert float(training.validate(module).mean()) == pytest.approx(min(curve), rel=1e-4)


def test_best_weights_from_before_the_kill_are_kept(training: Training) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(7), SpoilFrom(5))
    module = training.run(SpoilFrom(5))
    assert float(training.validate(module).mean()) == pytest.approx(min(training.curve().values()), rel=1e-4)


@pytest.mark.parametrize("every", [3, 100])
def test_without_validation_the_last_weights_are_kept(training: Training, whole: dict[bool, Whole], every: int) -> None:
    """Wherever the last checkpoint fell."""
    assert_same(training.run(every=every, validated=False), whole[False].weights)


def test_averaged_weights_follow_the_ramp(whole: dict[bool, Whole]) -> None:
    diary, weights = whole[False]
    *_, expected = averages(diary.weights, 0.9)
    assert_close(weights, expected)
    assert any(not torch.allclose(value, diary.weights[-1][name]) for name, value in weights.items())


def test_average_decays_no_slower_than_asked(training: Training) -> None:
    diary = Diary()
    module = training.run(diary, decay=0.25, validated=False)
    *_, expected = averages(diary.weights, 0.25)
    assert_close(weights_of(module), expected)


def test_sample_sheets_are_drawn_with_the_averaged_weights(training: Training) -> None:
    diary, drawn = Diary(), list[Weights]()

    def draw(module: DiffusionModule) -> Rgb:
        drawn.append(weights_of(module))
        return np.zeros((4, 4, 3), np.uint8)

    training.run(diary, SampleSheet(training.folder, draw))
    expected = list(averages(diary.weights, 0.9))
    sheets = sorted(path.name for path in training.folder.glob("*.png"))
    assert sheets == [f"step-{step:06d}.png" for step in (2, 4, 6, 8)]
    for step, weights in zip((2, 4, 6, 8), drawn, strict=True):
        assert_close(weights, expected[step - 1])


def test_validation_loss_is_logged_whole_and_for_each_level(training: Training) -> None:
    module = training.run(every=STEPS)
    losses = training.validate(module).reshape(-1, 5).mean(dim=0)  # the levels come in turn
    assert list(training.curve().values()) == pytest.approx([float(losses.mean())], rel=1e-4)
    names = [name for name in read_curves(training.folder / "curves.jsonl") if name.startswith("val/loss_sigma_")]
    assert [float(name.removeprefix("val/loss_sigma_")) for name in names] == pytest.approx(
        Cosine().sigma(torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9])).tolist(), rel=0.01
    )
    assert [training.curve(name).popitem()[1] for name in names] == pytest.approx(losses.tolist(), rel=1e-4)


def test_weights_stay_in_float32_when_the_network_computes_in_bfloat16(training: Training) -> None:
    module = training.run(steps=2, precision="bf16-mixed")
    assert {value.dtype for value in weights_of(module).values()} == {torch.float32}
    assert training.validate(module).isfinite().all()


def test_minutes_become_steps_once_and_leave_the_network_as_it_was(training: Training) -> None:
    module, data = training.prepare()
    first, memory = weights_of(module), training.folder / "steps.json"
    steps = steps_for(0.01, module, data, "32-true", memory)
    assert steps >= 1
    assert_same(module, first)
    assert all(parameter.grad is None for parameter in module.parameters())
    assert steps_for(0.01, module, PatchData(data.train, None, 10**9), "32-true", memory) == steps, "remembered"


def test_a_killed_training_goes_on_from_its_last_validation_even_if_that_was_a_bad_one(training: Training) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(7), SpoilFrom(3))
    rest = Diary()
    training.run(rest)
    assert rest.began[0] == 6


@pytest.mark.parametrize("validated", [True, False])
def test_a_finished_training_is_not_trained_again(
    training: Training, whole: dict[bool, Whole], validated: bool
) -> None:
    training.run(validated=validated)
    again = Diary()
    assert_same(training.run(again, validated=validated), whole[validated].weights)
    assert again.began == []


def test_a_line_of_the_curves_that_was_cut_short_spoils_no_other(training: Training) -> None:
    """By a full disk, say."""
    with pytest.raises(Killed):
        training.run(KillAfter(5))
    with (training.folder / "curves.jsonl").open("a") as file:
        file.write('\n{"step": 5, "train/lo')
    training.run()
    assert list(training.curve()) == [2, 4, 6, 8]


def test_curves_count_steps_like_the_sheets(training: Training) -> None:
    training.run()
    assert list(training.curve()) == [2, 4, 6, 8]
