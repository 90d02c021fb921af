"""The rival has our size and does our work; that no compiler works is no failure."""

from dataclasses import replace

import pytest
import torch

from defectgen.spec import DataSpec
from defectgen.speed import rival
from defectgen.speed.recipe import Recipe
from defectgen.speed.rival import SETTINGS, rivals
from defectgen.stages.benchmark import defaults

PARAMETERS, OPERATIONS = 1.72e6, 0.598e9  # of our network, and of one patch going through it


@pytest.fixture
def recipe() -> Recipe:
    """The product's network, one patch at a time."""
    return replace(defaults(), batch=1, drawn=1)


def test_the_rival_has_our_size_and_on_our_squares_does_our_work(
    recipe: Recipe, spec: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rival, "SETTINGS", [SETTINGS[0], SETTINGS[4]])
    (pixels, squares), notes = rivals(recipe, spec, "32-true", torch.device("cpu"))
    assert notes == []
    for network, work in ((pixels, 4 * OPERATIONS), (squares, OPERATIONS)):
        assert network.parameters == pytest.approx(PARAMETERS, rel=0.1)
        assert network.denoising.figure.flops == pytest.approx(work, rel=0.08)
        assert network.training.figure.flops == pytest.approx(3 * work, rel=0.08)


def test_a_compiler_that_fails_costs_one_setting_and_a_line(
    recipe: Recipe, spec: DataSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*inputs: object, **options: object) -> None:
        raise RuntimeError("no C++\ncompiler")

    monkeypatch.setattr(torch, "compile", lambda model: fail)
    monkeypatch.setattr(rival, "SETTINGS", SETTINGS[4:])
    networks, (note,) = rivals(recipe, spec, "32-true", torch.device("cpu"))
    assert [network.name for network in networks] == [SETTINGS[4].name]
    assert note == f"Not measured: {SETTINGS[5].name} (no C++ compiler)"
