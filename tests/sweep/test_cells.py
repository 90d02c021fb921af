"""The cells of the design: each reads, stands somewhere of its own, and shares what it may."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from defectgen import outputs, pipeline
from defectgen.config import Settings, read_settings
from defectgen.errors import UserError
from defectgen.learn.task import Whole
from defectgen.steps import STEPS
from defectgen.sweep.cell import Cell, read_cells
from defectgen.sweep.neighbours import lines
from defectgen.sweep.trainings import distinct, placed

ROOT = Path(__file__).parents[2]
DESIGN, DEMO = ROOT / "configs/design", ROOT / "configs/demo.yaml"
NAMES = [path.stem for path in sorted(DESIGN.glob("*.yaml"))]


@pytest.fixture(scope="module")
def product() -> Settings:
    return read_settings(DEMO, "sweep", [], STEPS)


@pytest.fixture(scope="module")
def cells(product: Settings) -> dict[str, Cell]:
    return {cell.name: cell for cell in read_cells(DESIGN, product)}


def folder_of(tmp_path: Path, **texts: str) -> Path:
    texts = {"default": "cell: {steps: 20, guidance: 3}"} | texts
    for name, text in texts.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
def test_every_file_of_the_design_is_settings_of_the_demo(name: str, product: Settings) -> None:
    settings = read_settings(DEMO, "run", [], STEPS, DESIGN / f"{name}.yaml")
    assert settings.arguments["generate"]["steps"] > 0
    assert name == "default" or settings.resolved != product.resolved, "a file that changes nothing"


def test_the_axes_say_what_the_settings_are(cells: dict[str, Cell]) -> None:
    for cell in cells.values():
        inpaint, generate = (cell.settings.arguments[step] for step in ("train.inpaint", "generate"))
        assert cell.axes["steps"] == generate["steps"]
        assert cell.axes["first weights"] == inpaint["init_from"]
        assert cell.axes["begins at"] == type(generate["start"]).__name__.lower()
        assert (cell.axes["context"] == "none") == isinstance(inpaint["task"], Whole)
        assert (cell.axes["sampling process"] == "resampling") == (generate["repeats"] > 1)
        assert (cell.axes["condition type"] == "conditional") == (inpaint["label_dropout"] == 0)
        guides = [type(guide).__name__ for guide in generate["guides"]]
        limits = [{"Clip": "static", "Dynamic": "dynamic"}[name] for name in guides if name in ("Clip", "Dynamic")]
        assert [cell.axes["thresholding"]] == (limits or ["none"])
        scales = [guide.scale for guide in generate["guides"] if type(guide).__name__ == "ClassifierFree"]
        assert isinstance(cell.axes["guidance"], str) or [cell.axes["guidance"]] == (scales or [1])


def test_neighbours_agree_on_every_other_axis(cells: dict[str, Cell]) -> None:
    for line in lines(list(cells.values())):
        values = [cell.axes[line.axis] for cell in line.cells]
        assert len(values) > 1 and len(set(values)) == len(values)
        assert len({tuple((a, v) for a, v in cell.axes.items() if a != line.axis) for cell in line.cells}) == 1
        assert line.reference in line.cells


def test_every_cell_of_the_design_has_a_neighbour(cells: dict[str, Cell]) -> None:
    assert {cell.name for line in lines(list(cells.values())) for cell in line.cells} == set(cells)


def test_the_line_of_an_axis_is_in_order_and_held_against_the_default(cells: dict[str, Cell]) -> None:
    found = {(line.axis, *line.at.values()): line for line in lines(list(cells.values()))}
    steps, high = found[("steps",)], found[("thresholding", 10)]
    assert [cell.axes["steps"] for cell in steps.cells] == [5, 10, 20, 50, 100]
    assert steps.reference.name == "default"
    assert [cell.axes["thresholding"] for cell in high.cells] == ["static", "dynamic", "none"]
    assert high.reference.name == "guidance_10" and high.at == {"guidance": 10}
    algorithms = found[("algorithm", "none")]
    assert {cell.name for cell in algorithms.cells} == {"edm", "ddpm", "ddim"} and algorithms.reference.name == "edm"


def test_each_training_is_run_once_and_ddim_has_that_of_ddpm(cells: dict[str, Cell], product: Settings) -> None:
    homes = {name: placed(cell, product, product.data / "networks") for name, cell in cells.items()}
    trained = distinct(homes.values())
    assert Counter(step.key for _, step in trained) == {"inpaint": 9, "likelihood": 1}
    assert len({settings.folder(step) for settings, step in trained}) == 10
    assert homes["ddim"].folders["inpaint"] == homes["ddpm"].folders["inpaint"] != homes["edm"].folders["inpaint"]
    without = [cell for name, cell in homes.items() if name != "ddim"]
    assert len(distinct(without)) == len(trained), "DDIM trains nothing of its own"
    assert homes["heun"].folders["plan"] == product.data / "plan/demo", "all else is where the product has it"


def test_what_the_product_has_finished_itself_is_not_trained_again(
    tmp_path: Path, cells: dict[str, Cell], product: Settings
) -> None:
    product = replace(product, data=tmp_path)
    default = replace(cells["default"], settings=replace(cells["default"].settings, data=tmp_path))
    (inpaint,) = (step for step in product.steps if step.key == "inpaint")
    own, networks = product.folder(inpaint), tmp_path / "networks"
    assert placed(default, product, networks).folders["inpaint"].parent == networks
    outputs.finish(own, pipeline.recipe_of(product, inpaint), "digest", 1.0, "train")
    assert placed(default, product, networks).folders["inpaint"] == own
    conditional = replace(cells["conditional"].settings, data=tmp_path)
    assert placed(replace(cells["conditional"], settings=conditional), product, networks).folders["inpaint"] != own


def test_a_file_without_a_place_is_no_cell(tmp_path: Path, product: Settings) -> None:
    folder = folder_of(tmp_path, few="ingest: {shots: 5}", five="cell: {steps: 5}\ngenerate: {steps: 5}")
    assert [cell.name for cell in read_cells(folder, product)] == ["default", "five"]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("cell: {step: 5}", "five.yaml: cell: step is no axis; did you mean steps?"),
        ("cell: 5", "five.yaml: cell: give axes"),
        ("cell: {steps: [5]}", "five.yaml: cell: give axes"),
        ("cell: {steps: 20}", "default.yaml stands at the same values"),
        ("cell: {steps: 5}\ngenerate: {stepz: 5}", "five.yaml over "),
        ("cell: {steps: 5}\nplan: {per_class: 5}", "five.yaml: a cell may change"),
        ("cell: {steps: 5}\nseed: 5", "not seed"),
    ],
)
def test_a_mistake_in_a_cell_names_its_file(tmp_path: Path, product: Settings, text: str, line: str) -> None:
    with pytest.raises(UserError) as error:
        read_cells(folder_of(tmp_path, five=text), product)
    assert line in str(error.value) and "five.yaml" in str(error.value)


def test_without_a_default_there_are_no_axes(tmp_path: Path, product: Settings) -> None:
    with pytest.raises(UserError, match=r"default\.yaml: no such cell"):
        read_cells(tmp_path, product)
