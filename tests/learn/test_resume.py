"""A training that was stopped, moved or damaged goes on to the weights of a whole one, or says why it cannot."""

import re
import shutil
import signal
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from training import STEPS, Diary, KillAfter, Killed, SpoilFrom, Training, Whole, assert_same

from defectgen.errors import UserError
from defectgen.learn.module import DiffusionModule
from defectgen.learn.patches import Patches
from defectgen.outputs import Stopwatch
from defectgen.stopping import Terminated, sigterm_raises


class Ask(Callback):
    """Ask the process to end, in the middle of a step or of a validation, as often as said."""

    def __init__(
        self, step: int, what: signal.Signals = signal.SIGTERM, times: int = 1, validating: bool = False
    ) -> None:
        self.step, self.what, self.times, self.validating = step, what, times, validating

    def on_before_optimizer_step(self, trainer: Trainer, module: LightningModule, optimizer: Any) -> None:
        if trainer.global_step == self.step - 1 and not self.validating:
            self._ask()

    def on_validation_epoch_start(self, trainer: Trainer, module: LightningModule) -> None:
        if trainer.global_step == self.step and self.validating:
            self._ask()

    def _ask(self) -> None:
        for _ in range(self.times):
            signal.raise_signal(self.what)


def stopped(training: Training, ask: Ask, **settings: Any) -> Diary:
    """Run until it stops; what it did until then."""
    diary = Diary()
    expected = Terminated if ask.what is signal.SIGTERM else KeyboardInterrupt
    with sigterm_raises(), pytest.raises(KeyboardInterrupt) as raised:
        training.run(diary, ask, **settings)
    assert raised.type is expected
    return diary


@pytest.fixture(scope="module")
def thirds(small: tuple[Patches, Patches], tmp_path_factory: pytest.TempPathFactory) -> dict[bool, DiffusionModule]:
    """Trainings nobody stopped, with and without validation patches, with a checkpoint every third step."""
    return {
        validated: Training(small, tmp_path_factory.mktemp("thirds")).run(validated=validated, every=3)
        for validated in (True, False)
    }


@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("step", range(1, STEPS + 1))
def test_asked_to_stop_it_saves_the_step_it_is_at_and_goes_on_with_the_next(
    training: Training, thirds: dict[bool, DiffusionModule], validated: bool, step: int
) -> None:
    """Between validations, at one, before the first checkpoint, at the last step."""
    before, rest = stopped(training, Ask(step), validated=validated, every=3), Diary()
    assert_same(training.run(rest, validated=validated, every=3), thirds[validated])
    assert before.began + rest.began == list(range(STEPS)), "no step is lost, none is done twice"


@pytest.mark.parametrize("what", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("validating", [False, True])
def test_both_signals_are_heeded_in_steps_and_in_validations(
    training: Training, whole: dict[bool, Whole], what: signal.Signals, validating: bool
) -> None:
    before, rest = stopped(training, Ask(4, what, validating=validating)), Diary()
    assert len(training.curve()) == 2, "the validation is part of its step"
    assert_same(training.run(rest), whole[True].weights)
    assert before.began + rest.began == list(range(STEPS))


def test_asked_twice_it_stops_at_once(training: Training, whole: dict[bool, Whole]) -> None:
    diary = stopped(training, Ask(4, times=2))
    assert len(diary.weights) == 3, "the fourth step was not finished"
    assert_same(training.run(), whole[True].weights)


def test_handlers_are_as_before_when_it_is_over(training: Training) -> None:
    def mine(*_: object) -> None:
        raise AssertionError

    before = signal.signal(signal.SIGTERM, mine)
    try:
        with pytest.raises(KeyboardInterrupt):
            training.run(Ask(2))
        assert signal.getsignal(signal.SIGTERM) is mine
        training.run()
        assert signal.getsignal(signal.SIGTERM) is mine
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_training_whose_folder_was_moved_keeps_its_best_weights(
    training: Training, whole: dict[bool, Whole], tmp_path: Path
) -> None:
    """To a disk with more room, say; the best weights so far are those of step 2, the later ones are worse."""
    undisturbed = Training(training.small, tmp_path / "whole").run(SpoilFrom(3))
    with pytest.raises(Killed):
        training.run(KillAfter(5), SpoilFrom(3))
    shutil.move(training.folder / "resume", tmp_path / "elsewhere/resume")
    assert_same(Training(training.small, tmp_path / "elsewhere").run(SpoilFrom(3)), undisturbed)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    """In the weights, where torch would not notice."""
    with zipfile.ZipFile(path) as archive:
        member = max(archive.infolist(), key=lambda member: member.file_size)
    data = bytearray(path.read_bytes())
    data[member.header_offset + member.file_size // 2 + 64] ^= 1
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def of_another_network(path: Path) -> None:
    checkpoint = torch.load(path, weights_only=True)
    checkpoint["state_dict"].popitem()
    torch.save(checkpoint, path)


def of_something_else(path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, path)


DAMAGES = [cut_short, flip_a_bit, empty, of_another_network, of_something_else]


@pytest.mark.parametrize("damage", DAMAGES)
def test_where_the_last_checkpoint_is_damaged_it_goes_on_from_the_best_and_says_so(
    training: Training, whole: dict[bool, Whole], damage: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(5))
    damage(training.folder / "resume/last.ckpt")
    capsys.readouterr()
    diary = Diary()
    assert_same(training.run(diary), whole[True].weights)
    (note,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note: ")]
    assert "last.ckpt is damaged" in note and f"going on from best.ckpt, which is of step {diary.began[0]}" in note
    assert diary.began[0] > 0


def test_killed_between_the_first_two_checkpoints_it_goes_on_from_the_one(
    training: Training, whole: dict[bool, Whole]
) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(3))
    (training.folder / "resume/last.ckpt").unlink()
    diary = Diary()
    assert_same(training.run(diary), whole[True].weights)
    assert diary.began[0] == 2


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("names", "validated"), [(["last", "best"], True), (["best"], True), (["last"], False)])
def test_what_cannot_go_on_says_so_in_one_line_and_touches_nothing(
    training: Training, damage: Callable[[Path], None], names: list[str], validated: bool
) -> None:
    """Silently starting from the beginning would cost the night."""
    with pytest.raises(Killed):
        training.run(KillAfter(5), validated=validated)
    for name in names:
        damage(training.folder / f"resume/{name}.ckpt")
    before = {path: path.read_bytes() for path in training.folder.rglob("*") if path.is_file()}
    with pytest.raises(UserError) as raised:
        training.run(validated=validated)
    assert re.search(rf"{names[-1]}.ckpt is damaged .*delete .*/resume to train from the beginning$", str(raised.value))
    assert {path: path.read_bytes() for path in training.folder.rglob("*") if path.is_file()} == before


def test_a_vanished_best_checkpoint_is_missed_at_the_start_and_not_at_the_end(training: Training) -> None:
    with pytest.raises(Killed):
        training.run(KillAfter(5))
    (training.folder / "resume/best.ckpt").unlink()
    diary = Diary()
    with pytest.raises(UserError, match=r"best\.ckpt is damaged"):
        training.run(diary)
    assert diary.began == []


def test_a_checkpoint_is_data_and_nothing_in_it_is_run(training: Training, tmp_path: Path) -> None:
    class Planted:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "planted",)

    with pytest.raises(Killed):
        training.run(KillAfter(5), validated=False)
    torch.save({"state_dict": Planted()}, training.folder / "resume/last.ckpt")
    with pytest.raises(UserError):
        training.run(validated=False)
    assert not (tmp_path / "planted").exists()


def test_no_half_written_file_is_left_anywhere(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk under the second checkpoint: the first one stays, whole."""
    with monkeypatch.context() as patched, pytest.raises(OSError, match=r"last\.ckpt"):
        patched.setattr("os.fsync", full_disk(after=1))
        training.run(validated=False)
    assert [path.name for path in (training.folder / "resume").iterdir()] == ["last.ckpt"]
    assert torch.load(training.folder / "resume/last.ckpt", weights_only=True)["global_step"] == 2


def full_disk(after: int) -> Callable[[int], None]:
    """What fsync answers after so many checkpoints, each with a note of its time and the names of both files."""
    calls = iter(range(4 * after))

    def fsync(handle: int) -> None:
        if next(calls, None) is None:
            raise OSError(28, "No space left on device")

    return fsync


def test_seconds_add_up_over_the_starts(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a killed start, those until its last checkpoint."""
    clock = iter(range(10**6))
    monkeypatch.setattr("defectgen.outputs.time.perf_counter", lambda: next(clock))
    with pytest.raises(Killed):
        training.run(KillAfter(5))
    kept = Stopwatch(training.folder).seconds()
    assert kept > 1
    training.run()
    assert Stopwatch(training.folder).seconds() > kept + 1
