"""A checkpoint folder: the same denoiser comes back, anything else is refused in one line, nothing is pickled."""

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from family import members
from oracles import SPEC, condition, randn
from safetensors.torch import load_file

from defectgen.diffusion.denoise import Backbone, Denoiser, Parametrization, V
from defectgen.diffusion.noise import Cosine, Schedule
from defectgen.errors import UserError
from defectgen.learn.checkpoint import build, describe, load_checkpoint, save_checkpoint
from defectgen.learn.task import Inpainting, JPEGRestoration, Task
from defectgen.nn.term import Term, Text
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

SMALL = replace(SPEC, size=16, flips=["horizontal"])
# Arguments other than the defaults, small enough to be built in no time; other numbers are scaled.
OTHER = {"width": 8, "attention": (4,), "patch_size": 1, "term": Text(width=32, layers=1)}
PARTS = [(kind, one) for kind in (Schedule, Parametrization, Backbone, Task) for one in members(kind)]


def small_denoiser() -> Denoiser:
    torch.manual_seed(0)
    network = UNet(SMALL, width=8, multipliers=(1, 2), attention=(4,))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return Denoiser(network, V(), SMALL.sigma_data).eval()


@pytest.fixture
def saved(tmp_path: Path) -> tuple[Path, Denoiser]:
    denoiser = small_denoiser()
    folder = tmp_path / "checkpoint"
    save_checkpoint(folder, denoiser, Cosine(shift=2.0), SMALL, "bf16-mixed", "# Card\n")
    return folder, denoiser


def test_loaded_denoiser_answers_bit_for_bit_like_the_saved_one(saved: tuple[Path, Denoiser]) -> None:
    folder, denoiser = saved
    x, sigma = randn(2, 1, 16, 16), torch.tensor([0.3, 4.0], dtype=torch.float64)
    loaded = load_checkpoint(folder)
    assert torch.equal(loaded.denoiser(x, sigma, condition(x)), denoiser(x, sigma, condition(x)))
    assert not loaded.denoiser.training
    assert torch.equal(loaded.schedule.trajectory(9), Cosine(shift=2.0).trajectory(9))
    assert (loaded.spec, loaded.precision) == (SMALL, "bf16-mixed")


def test_weights_laid_out_for_speed_are_saved_too(saved: tuple[Path, Denoiser], tmp_path: Path) -> None:
    folder, denoiser = saved
    denoiser.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    digest = save_checkpoint(tmp_path / "fast", denoiser, Cosine(), SMALL, "32-true", "")
    assert digest == load_checkpoint(folder).digest, "the digest is that of the values"


def test_digest_is_that_of_the_weights_alone(saved: tuple[Path, Denoiser], tmp_path: Path) -> None:
    folder, denoiser = saved
    digest = load_checkpoint(folder).digest
    assert len(digest) == 64
    assert save_checkpoint(tmp_path / "again", denoiser, Cosine(), SMALL, "32-true", "other card") == digest
    next(denoiser.parameters()).data[0] += 1e-3
    assert save_checkpoint(tmp_path / "other", denoiser, Cosine(), SMALL, "32-true", "") != digest


def test_the_task_comes_back_and_a_checkpoint_that_names_none_inpaints(saved: tuple[Path, Denoiser]) -> None:
    folder, denoiser = saved
    assert type(load_checkpoint(folder).task) is Inpainting
    save_checkpoint(folder, denoiser, Cosine(), SMALL, "32-true", "", JPEGRestoration(7, 8))
    task = load_checkpoint(folder).task
    assert isinstance(task, JPEGRestoration) and (task.lowest, task.highest) == (7, 8)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["task"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert type(load_checkpoint(folder).task) is Inpainting


def test_folder_holds_three_readable_files_and_no_pickle(saved: tuple[Path, Denoiser]) -> None:
    folder, denoiser = saved
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "weights.safetensors", "MODEL_CARD.md"}
    assert load_file(folder / "weights.safetensors").keys() == denoiser.state_dict().keys()
    assert (folder / "MODEL_CARD.md").read_text() == "# Card\n"
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["network"]["class_path"] == "defectgen.nn.unet.UNet"
    assert config["schedule"]["init_args"]["shift"] == 2.0


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("spoil", [flip_a_bit, truncate, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damaged_weights_are_refused_in_one_line(saved: tuple[Path, Denoiser], spoil: Callable[[Path], object]) -> None:
    folder, _ = saved
    spoil(folder / "weights.safetensors")
    refused(folder)


def swapped(part: str, other: str) -> Callable[[dict[str, Any]], object]:
    return lambda config: config.update({part: config[other]})


@pytest.mark.parametrize(
    "change",
    [
        swapped("schedule", "parametrization"),
        swapped("parametrization", "schedule"),
        lambda config: config["network"].update(class_path="defectgen.nn.layers.SelfAttention", init_args={}),
        lambda config: config["schedule"].update(class_path="defectgen.diffusion.noise.Absent"),
        lambda config: config["schedule"]["init_args"].update(typo=1),
        lambda config: config["spec"].update(typo=1),
        lambda config: config.pop("network"),
        lambda config: config.pop("weights_sha256"),
        lambda config: config.update(weights_sha256="0" * 64),
    ],
)
def test_config_that_does_not_fit_is_refused_in_one_line(
    saved: tuple[Path, Denoiser], change: Callable[[dict[str, Any]], object]
) -> None:
    folder, _ = saved
    config = yaml.safe_load((folder / "config.yaml").read_text())
    change(config)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    refused(folder)


@pytest.mark.parametrize("text", ["", "just a word", "[1, 2]"])
def test_config_that_is_something_else_is_refused_in_one_line(saved: tuple[Path, Denoiser], text: str) -> None:
    folder, _ = saved
    (folder / "config.yaml").write_text(text)
    refused(folder)


def test_folder_that_is_not_there_is_refused_in_one_line(tmp_path: Path) -> None:
    refused(tmp_path / "nothing")


def refused(folder: Path) -> None:
    with pytest.raises(UserError) as raised:
        load_checkpoint(folder)
    assert str(folder) in str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize(("kind", "one"), PARTS, ids=lambda part: part.__name__)
def test_every_part_is_rebuilt_with_the_arguments_it_was_made_with(kind: type, one: type) -> None:
    """A class that does not keep an argument under its own name would come back with the default."""
    first = [SMALL] if "spec" in inspect.signature(one).parameters else []
    arguments = {
        name: OTHER[name] if name in OTHER else other_than(parameter.default)
        for name, parameter in inspect.signature(one).parameters.items()
        if name != "spec"
    }
    part = one(*first, **arguments)
    description = describe(part)
    assert description["init_args"] == {name: plain(value) for name, value in arguments.items()}
    rebuilt: object = build(yaml.safe_load(yaml.safe_dump(description)), kind, *first)
    assert type(rebuilt) is one and describe(rebuilt) == description
    if isinstance(part, torch.nn.Module) and isinstance(rebuilt, torch.nn.Module):
        rebuilt.load_state_dict(part.state_dict())


def other_than(default: object) -> object:
    """Another value of the same type, close enough to be as valid."""
    match default:
        case bool():
            return not default
        case int():
            return default + 1
        case float():
            return default * 0.75
        case tuple():
            return tuple(number + 1 for number in default)
    raise TypeError(f"add a value other than {default!r} to OTHER, under the argument's name")


def plain(value: object) -> object:
    if isinstance(value, Term):
        return {"class_path": "defectgen.nn.term.Text", "init_args": {"width": 32, "layers": 1}}
    return list(value) if isinstance(value, tuple) else value


def test_spec_is_no_setting(saved: tuple[Path, Denoiser]) -> None:
    """It is stored once, for all."""
    _, denoiser = saved
    assert "spec" not in describe(denoiser.network)["init_args"]
    assert isinstance(build(describe(denoiser.network), Backbone, SMALL), UNet)
    wider = DataSpec(3, SMALL.classes, 0.3, 16)
    assert build(describe(denoiser.network), UNet, wider).entry.in_channels == 7 * 4


EDITS: dict[str, Callable[[dict[str, Any]], None]] = {
    "module absent": lambda config: config["schedule"].update(class_path="defectgen.diffusion.absent.Cosine"),
    "no module": lambda config: config["schedule"].update(class_path="Cosine"),
    "bad value": lambda config: config["schedule"]["init_args"].update(shift=-1),
    "other width": lambda config: config["network"]["init_args"].update(width=16),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS.keys())
def test_an_edited_config_is_refused_in_one_line(
    saved: tuple[Path, Denoiser], edit: Callable[[dict[str, Any]], None]
) -> None:
    path = saved[0] / "config.yaml"
    config = yaml.safe_load(path.read_text())
    edit(config)
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(UserError) as raised:
        load_checkpoint(saved[0])
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 500


def test_a_config_is_data_and_nothing_it_names_is_run(saved: tuple[Path, Denoiser], tmp_path: Path) -> None:
    path, planted = saved[0] / "config.yaml", tmp_path / "planted"
    config = yaml.safe_load(path.read_text())
    config["schedule"] = {"class_path": "subprocess.check_call", "init_args": {"args": ["touch", str(planted)]}}
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(UserError):
        load_checkpoint(saved[0])
    assert not planted.exists()
