"""One YAML laid over another: what is named anew is replaced, all else stays; every mistake names the overlay."""

from pathlib import Path
from typing import Any

import fake_stages
import pytest
import yaml

from defectgen.cli import main
from defectgen.config import Settings, read_settings
from defectgen.errors import UserError
from defectgen.pipeline import command_for
from defectgen.yaml_file import overlaid

PRODUCT = {
    "product": "tile",
    "ingest": {"source": "pictures"},
    "patch": {"size": 32},
    "train": {"inpaint": {"rate": 0.5, "schedule": {"class_path": "Cosine", "init_args": {"shift": 3.0}}}},
    "generate": {"guides": ["Dynamic"], "note": "mine"},
}


def settings(folder: Path, overlay: dict[str, Any] | None, *overrides: str) -> Settings:
    (folder / "tile.yaml").write_text(yaml.safe_dump(PRODUCT))
    if overlay is not None:
        (folder / "over.yaml").write_text(yaml.safe_dump(overlay))
    over = None if overlay is None else folder / "over.yaml"
    return read_settings(folder / "tile.yaml", "run", overrides, fake_stages.STEPS, over)


@pytest.mark.parametrize("overlay", [{}, {"cell": {"steps": 5}}, PRODUCT])
def test_an_overlay_of_nothing_or_of_the_same_changes_nothing(tmp_path: Path, overlay: dict[str, Any]) -> None:
    assert settings(tmp_path, overlay).resolved == settings(tmp_path, None).resolved


def test_a_key_is_replaced_and_its_neighbours_stay(tmp_path: Path) -> None:
    resolved = settings(tmp_path, {"train": {"inpaint": {"rate": 0.25}}, "generate": {"guides": []}}).resolved
    assert resolved["train"]["inpaint"]["rate"] == 0.25
    assert resolved["train"]["inpaint"]["schedule"]["init_args"] == {"shift": 3.0}
    assert resolved["generate"] == {"guides": [], "note": "mine"} and resolved["patch"] == {"size": 32}


@pytest.mark.parametrize("schedule", ["Cosine", {"class_path": "Cosine"}, "Linear", {"class_path": "Linear"}])
def test_a_class_is_replaced_as_a_whole(tmp_path: Path, schedule: Any) -> None:
    """Settings of the class before it would be wrong for another one, and a surprise for the same one."""
    arguments = settings(tmp_path, {"train": {"inpaint": {"schedule": schedule}}}).arguments
    made = arguments["train.inpaint"]["schedule"]
    assert made.sigma() == {"Cosine": 1.0, "Linear": 0.0}[type(made).__name__]


def test_one_over_another_is_the_second_where_both_speak() -> None:
    first, second = {"a": {"x": 1, "y": 2}, "b": 1}, {"a": {"y": 3}, "c": None}
    assert overlaid(first, second) == {"a": {"x": 1, "y": 3}, "b": 1, "c": None}
    assert overlaid({}, first) == overlaid(first, {}) == overlaid(first, first) == first


def test_an_optional_step_takes_part_where_the_overlay_has_its_block(tmp_path: Path) -> None:
    steps = [step.name for step in settings(tmp_path, {"draw": {"count": 7}}).steps]
    assert steps == ["draw", *(step.name for step in settings(tmp_path, None).steps)]


def test_the_command_line_has_the_last_word(tmp_path: Path) -> None:
    found = settings(tmp_path, {"patch": {"size": 16}}, "--patch.size", "8")
    assert found.resolved["patch"] == {"size": 8}
    assert f"--with {tmp_path / 'over.yaml'}" in found.command and "--with" in command_for(found, found.steps[0])


def test_on_the_command_line_it_is_named_by_with(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    laid = settings(tmp_path, {"patch": {"size": 16}})
    words = ["--config", str(tmp_path / "tile.yaml"), "--with", str(tmp_path / "over.yaml"), "--print_config"]
    assert main(["run", *words], fake_stages.STEPS) == 0
    assert yaml.safe_load(capsys.readouterr().out) == laid.resolved
    assert main(["run", *words[:3], str(tmp_path / "ower.yaml")], fake_stages.STEPS) == 2
    assert "did you mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("overlay", "line"),
    [
        ({"patch": {"sise": 3}}, "patch.sise is not a key; did you mean patch.size?"),
        ({"patch": 3}, "patch is a block"),
        ({"train": {"inpaint": {"schedule": "Cosin"}}}, "there is no class Cosin; did you mean Cosine?"),
        ({"train": {"inpaint": {"schedule": {"class_path": "Cosine", "init_args": {"shift": -1}}}}}, "shift must be"),
    ],
)
def test_a_mistake_names_the_overlay(tmp_path: Path, overlay: dict[str, Any], line: str) -> None:
    with pytest.raises(UserError, match=r"over\.yaml over .*tile\.yaml: ") as error:
        settings(tmp_path, overlay)
    assert line in str(error.value)
