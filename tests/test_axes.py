"""Every choice of the design is a line of YAML, and a trained one is found again in its checkpoint."""

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from family import members
from oracles import SPEC
from torch import Tensor

from defectgen.condition import Condition
from defectgen.config import read_settings
from defectgen.diffusion.denoise import Parametrization, Weighting
from defectgen.diffusion.guide import Classifier, Guide
from defectgen.diffusion.likelihood import Likelihood
from defectgen.diffusion.noise import Schedule
from defectgen.diffusion.solve import Churn, Solver
from defectgen.learn.checkpoint import build, describe
from defectgen.learn.task import Filling, Restoration
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.unet import UNet
from defectgen.steps import STEPS

# Where each family is chosen: the step and its key.
AXES: list[tuple[str, str, type]] = [
    ("train.inpaint", "task", Filling),
    ("train.inpaint", "schedule", Schedule),
    ("train.inpaint", "parametrization", Parametrization),
    ("train.inpaint", "weighting", Weighting),
    ("train.likelihood", "schedule", Schedule),
    ("train.restore", "task", Restoration),
    ("generate", "solver", Solver),
    ("generate", "schedule", Schedule),
]
ROUNDS = max(len(members(family)) for *_, family in AXES)


class Undecided(Likelihood):
    """Every class is as likely."""

    def __call__(self, x: Tensor, sigma: Tensor, cond: Condition) -> Tensor:
        return 0 * x.sum(dim=(1, 2, 3))


def made(folder: Path, train: dict[str, Any], generate: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The arguments of every step, by its name, as the product's YAML decides them."""
    path = folder / "tile.yaml"
    blocks = {"ingest": {"source": str(folder)}, "train": train, "generate": generate}
    path.write_text(yaml.safe_dump({"product": "tile"} | blocks))
    return read_settings(path, "run", [], STEPS).arguments


@pytest.mark.parametrize("number", range(ROUNDS))
def test_every_member_of_a_family_is_one_word_of_yaml(tmp_path: Path, number: int) -> None:
    """Each round takes the next member of every family, so that after the last all have been asked for."""
    asked = {(step, key): members(family)[number % len(members(family))] for step, key, family in AXES}
    blocks: dict[str, dict[str, Any]] = {step: {} for step, *_ in AXES}
    for (step, key), member in asked.items():
        blocks[step][key] = member.__name__
    train = {name.removeprefix("train."): block for name, block in blocks.items() if name != "generate"}
    arguments = made(tmp_path, train, blocks["generate"])
    assert {(step, key): type(arguments[step][key]) for step, key in asked} == asked


def test_guides_are_a_list_and_classifier_guidance_takes_any_likelihood(tmp_path: Path) -> None:
    plain = [guide for guide in members(Guide) if guide is not Classifier]
    pull = {
        "class_path": "Classifier",
        "init_args": {"likelihood": {"class_path": "test_axes.Undecided"}, "scale": 2.5},
    }
    guides = made(tmp_path, {}, {"guides": [*(guide.__name__ for guide in plain), pull]})["generate"]["guides"]
    assert [type(guide) for guide in guides] == [*plain, Classifier]
    assert guides[-1].scale == 2.5 and type(guides[-1].likelihood).__name__ == "Undecided"


def test_classifier_guidance_by_the_products_own_likelihood(tmp_path: Path) -> None:
    guides = ["Classifier", {"class_path": "Classifier", "init_args": {"scale": 2.0}}, "Clip"]
    arguments = made(tmp_path, {"likelihood": {}}, {"guides": guides})
    assert arguments["train.likelihood"]["steps"] > 0
    plain, scaled, _ = arguments["generate"]["guides"]
    assert plain.likelihood is scaled.likelihood is None and (plain.scale, scaled.scale) == (1.0, 2.0)


def test_churn_is_a_block_of_its_solver_and_resampling_two_numbers(tmp_path: Path) -> None:
    churn = {"share": 0.2, "lowest": 0.05, "highest": 50.0, "noise": 1.003}
    solver = {"class_path": "Heun", "init_args": {"churn": churn}}
    generate = made(tmp_path, {}, {"solver": solver, "jump": 5, "repeats": 4})["generate"]
    assert generate["solver"].churn == Churn(**churn)
    assert (generate["jump"], generate["repeats"]) == (5, 4)


@pytest.mark.parametrize("schedule", members(Schedule))
def test_a_checkpoint_finds_its_schedule_again(schedule: type[Schedule]) -> None:
    defaults = {name: parameter.default for name, parameter in inspect.signature(schedule).parameters.items()}
    trained = schedule(**{name: value * 1.1 for name, value in defaults.items()})  # none as by default
    again = build(describe(trained), Schedule)
    assert torch.equal(again.trajectory(7), trained.trajectory(7))
    same = torch.linspace(0, 1, 9)
    assert torch.equal(again.draw(same), trained.draw(same))


@pytest.mark.parametrize("parametrization", members(Parametrization))
def test_a_checkpoint_finds_its_parametrization_again(parametrization: type[Parametrization]) -> None:
    assert type(build(describe(parametrization()), Parametrization)) is parametrization


@pytest.mark.parametrize("network", ["EfficientUNet", {"class_path": "EfficientUNet"}])
def test_a_class_that_is_named_has_its_own_defaults_and_none_of_the_one_it_replaces(
    tmp_path: Path, network: Any
) -> None:
    """Both networks know `multipliers`, and only one set of them fits to the Efficient UNet's blocks."""
    made_ = made(tmp_path, {"inpaint": {"network": network}}, {})["train.inpaint"]["network"]
    own = EfficientUNet(SPEC)
    assert describe(made_(SPEC)) == describe(own)
    kept = made(tmp_path, {"inpaint": {"network": {"init_args": {"width": 8}}}}, {})["train.inpaint"]["network"](SPEC)
    assert (kept.width, kept.multipliers) == (8, UNet(SPEC).multipliers)


def test_the_settings_of_every_step_are_yaml_that_can_be_fed_back_in(tmp_path: Path) -> None:
    """A default that jsonargparse cannot spell out would be written as an object at some address."""
    path, again = tmp_path / "tile.yaml", tmp_path / "again.yaml"
    optional: dict[str, Any] = {"draw": {"clean": 9}, "train": {"likelihood": {}, "restore": {}}, "heal": {}}
    path.write_text(yaml.safe_dump({"product": "tile", "ingest": {"source": str(tmp_path)}} | optional))
    settings = read_settings(path, "run", [], STEPS)
    assert {step.name for step in settings.steps} == {step.name for step in STEPS}
    assert " object at 0x" not in settings.text()
    again.write_text(settings.text())
    assert read_settings(again, "run", [], STEPS).resolved == settings.resolved


def test_a_class_named_on_the_command_line_has_none_of_the_settings_of_the_files_class(tmp_path: Path) -> None:
    path = tmp_path / "tile.yaml"
    solver = {"class_path": "Euler", "init_args": {"churn": {"share": 0.4}}}
    path.write_text(yaml.safe_dump({"product": "tile", "generate": {"solver": solver, "steps": 7}}))
    words = ["--ingest.source", str(tmp_path)]
    kept = read_settings(path, "run", words, STEPS).arguments["generate"]
    other = read_settings(path, "run", [*words, "--generate.solver", "Heun"], STEPS).arguments["generate"]
    assert kept["solver"].churn.share == 0.4 and other["solver"].churn == Churn()
    assert (type(other["solver"]).__name__, other["steps"]) == ("Heun", 7)
