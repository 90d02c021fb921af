"""Killed, stopped, out of room or in each other's way: the same command goes on and ends as if nothing had happened."""

import json
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import cv2
import pandas as pd
import pytest
import torch
from deaths import Run, digests, files, workplace

INPAINT, GENERATE = "data/train/tiny/inpaint", "data/generate/tiny"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which nothing happened."""
    folder = workplace(tmp_path_factory.mktemp("undisturbed"))
    run = Run(folder, "run")
    assert run.ended() == 0, run.output()
    return folder


@pytest.fixture
def patched(undisturbed: Path, tmp_path: Path) -> Path:
    """The same before the trainings."""
    return workplace(tmp_path / "patched", undisturbed, ("draw", "ingest", "patch"))


@pytest.fixture
def planned(undisturbed: Path, tmp_path: Path) -> Path:
    """The same before anything is drawn."""
    return workplace(tmp_path / "planned", undisturbed, ("draw", "ingest", "patch", "train", "plan"))


def crop_of(folder: Path, shard: int) -> Path:
    """A picture that a shard's table speaks of."""
    return folder / GENERATE / str(pd.read_parquet(folder / GENERATE / f"shards/{shard:05}.parquet")["crop_path"][0])


def assert_whole(folder: Path) -> None:
    """No file is a half one."""
    for path in folder.rglob("*"):
        assert not path.name.startswith(".tmp-"), path
        if path.suffix == ".png":
            assert cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None, path
        if path.suffix == ".parquet":
            pd.read_parquet(path)


def test_killed_in_the_training_and_in_generate_it_ends_with_the_same_digests(undisturbed: Path, patched: Path) -> None:
    """Between the first two checkpoints, and with a shard drawn but its table not yet there; then pictures are lost."""
    assert Run(patched, "run", halts_at=["resume/last.ckpt"]).kill(signal.SIGKILL) == -signal.SIGKILL
    assert [path.name for path in (patched / INPAINT / "resume").glob("*.ckpt")] == ["best.ckpt"]
    assert Run(patched, "run", halts_at=["shards/00003.parquet"]).kill(signal.SIGKILL) == -signal.SIGKILL
    assert len(list((patched / GENERATE / "shards").glob("*.parquet"))) == 3
    assert list((patched / GENERATE).rglob(".tmp-*"))
    vanished, changed = (crop_of(patched, shard) for shard in (0, 2))
    vanished.unlink()
    cv2.imwrite(str(changed), 255 - cv2.imread(str(changed), cv2.IMREAD_UNCHANGED))
    last = Run(patched, "run")
    assert last.ended() == 0
    assert last.output().count("unchanged, skipped") == 7
    notes = [line for line in last.output().splitlines() if line.startswith("note: ")]
    assert [note.partition(":")[2].split(":")[0] for note in notes] == [
        " shard 0 is drawn again",
        " shard 2 is drawn again",
    ]
    assert vanished.name in notes[0] and changed.name in notes[1]
    assert digests(patched) == digests(undisturbed)
    assert_whole(patched)
    spent = json.loads((patched / GENERATE / "seconds.json").read_text())
    drawn = pd.concat([pd.read_parquet(path) for path in (patched / GENERATE / "shards").iterdir()])
    for work in ("expected", "sampling"):
        assert spent[work] == pytest.approx(drawn[f"seconds_{work}"].sum()), "of all starts"
    assert set(spent) == {"expected", "sampling", "composite", "gates", "writing", "select"}
    table = pd.read_parquet(patched / GENERATE / "instances.parquet")
    assert not [column for column in table if column.startswith("seconds")], "what is made does not tell the time"


def test_sigterm_ends_a_training_with_a_checkpoint_of_its_step_and_code_143(undisturbed: Path, patched: Path) -> None:
    first = Run(patched, "train", halts_at=["curves.jsonl"])
    assert first.kill(signal.SIGTERM) == 143
    assert first.errors() == ["defectgen: terminated; the same command goes on where it stopped"]
    reached = torch.load(patched / INPAINT / "resume/last.ckpt", weights_only=True)["global_step"]
    assert reached == 11, "its figures are written at step 10, after the step; the first validation would be at 16"
    again = Run(patched, "train")
    assert again.ended() == 0
    assert digests(patched)["train/tiny/inpaint"] == digests(undisturbed)["train/tiny/inpaint"]


def test_other_stages_stop_at_once_when_asked(undisturbed: Path, planned: Path) -> None:
    moments = ((2, signal.SIGINT, 130, "interrupted"), (5, signal.SIGTERM, 143, "terminated"))
    for shard, number, code, word in moments:
        run = Run(planned, "generate", halts_at=[f"shards/{shard:05}.parquet"])
        assert run.kill(number) == code
        assert run.errors() == [f"defectgen: {word}; the same command goes on where it stopped"]
        shards = len(list((planned / GENERATE / "shards").iterdir()))
        assert shards in (shard, shard + 1), "the rename it halted before may still happen"
        assert_whole(planned)
    assert Run(planned, "generate").ended() == 0
    assert digests(planned)["generate/tiny"] == digests(undisturbed)["generate/tiny"]


def test_a_second_run_that_wants_a_folder_says_who_has_it_and_writes_nothing(undisturbed: Path, planned: Path) -> None:
    """Nor may another process change what a step reads; when the first one is killed, its locks are gone."""
    first = Run(planned, "generate", halts_at=["shards/00003.parquet"])
    first.halted()
    before = files(planned)
    for command, folder in (("generate", "generate/tiny"), ("run", "ingest/tiny"), ("plan", "plan/tiny")):
        second = Run(planned, command, "--seed", "1")
        assert second.ended() == 2
        (line,) = second.errors()
        holder = f"process {first.pid} on {socket.gethostname()} since "
        assert line.startswith(f"defectgen: error: data/{folder} is in use by {holder}")
        assert re.search(r" since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(`defectgen generate --config tiny.yaml`\); ", line)
    assert files(planned) == before
    assert first.kill(signal.SIGKILL) == -signal.SIGKILL
    assert Run(planned, "generate").ended() == 0
    assert digests(planned)["generate/tiny"] == digests(undisturbed)["generate/tiny"]


def test_a_checkpoint_cut_short_names_a_mend_that_trains_nothing_anew(undisturbed: Path, planned: Path) -> None:
    weights, curves = planned / INPAINT / "checkpoint/weights.safetensors", planned / INPAINT / "curves.jsonl"
    figures = curves.read_text()
    weights.write_bytes(weights.read_bytes()[:1000])
    refused = Run(planned, "generate")
    assert refused.ended() == 2
    (line,) = refused.errors()
    assert line.startswith(f"defectgen: error: {INPAINT}/checkpoint")
    assert line.endswith(f"; restore it, or delete {INPAINT}/done.json and run again to have it written anew")
    (planned / INPAINT / "done.json").unlink()
    assert Run(planned, "train").ended() == 0
    assert curves.read_text() == figures
    assert digests(planned)["train/tiny/inpaint"] == digests(undisturbed)["train/tiny/inpaint"]
    assert Run(planned, "generate").ended() == 0
    assert digests(planned)["generate/tiny"] == digests(undisturbed)["generate/tiny"]


@pytest.fixture
def small_disk(planned: Path) -> Iterator[Path]:
    """What generate writes goes to a disk of its own, which has room for a few of its pictures."""
    disk = planned / "data/generate"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "none", disk], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no disk can be mounted here: {mounted.stderr}")
    yield disk
    subprocess.run(["umount", "--lazy", disk], check=True)


def test_a_full_disk_costs_one_line_and_when_there_is_room_the_same_command_goes_on(
    undisturbed: Path, planned: Path, small_disk: Path
) -> None:
    first = Run(planned, "generate")
    assert first.ended() == 2
    (line,) = first.errors()
    assert re.fullmatch(
        r"defectgen: error: data/generate/tiny/\S+: No space left on device; make room, "
        "the same command goes on where it stopped",
        line,
    )
    assert (planned / GENERATE / "shards/00000.parquet").exists(), "in the middle of it"
    assert_whole(planned)
    subprocess.run(["mount", "-o", "remount,size=16m", small_disk], check=True)
    second = Run(planned, "generate")
    assert second.ended() == 0
    assert digests(planned)["generate/tiny"] == digests(undisturbed)["generate/tiny"]
