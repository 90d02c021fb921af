"""What is timed as a large sample is one: drawn at 256 px, whatever untrained networks draw and gates say of it."""

from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd
import pytest
import torch

from defectgen.imaging.read import read_image, read_mask
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.upsample import Upsampler
from defectgen.manifest import Manifest
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.unet import UNet
from defectgen.quality.gates import Filled
from defectgen.spec import DataSpec
from defectgen.speed import drawing
from defectgen.speed.drawing import Drawing, drawings, stored
from defectgen.speed.recipe import LARGE
from defectgen.stages import benchmark

SMALL = 3


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> tuple[Drawing, Drawing]:
    """A small and a large contender with tiny networks and a gate that nothing passes."""
    defaults = benchmark.defaults()
    detail = replace(
        defaults.detail, network=partial(EfficientUNet, width=16, multipliers=(1, 1), blocks=(1, 1)), steps=2
    )
    network = partial(UNet, width=16, multipliers=(1, 1))
    recipe = replace(defaults, network=network, drawn=SMALL, steps=2, gates=[Filled(1000)], detail=detail)
    folders = benchmark.prepare(tmp_path_factory.mktemp("product"), recipe.drawn)
    torch.manual_seed(0)
    spec = DataSpec.load(folders.patch)
    checkpoint = stored(folders.out / CHECKPOINT, recipe.denoiser(spec), recipe.schedule, spec, "32-true")
    upsampler = benchmark.untrained_upsampler(recipe, folders, spec, "32-true")
    return drawings(recipe, folders, checkpoint, upsampler)


@pytest.fixture
def raised(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of what the upsampler is given."""
    shapes: list[tuple[int, ...]] = []
    call = Upsampler.__call__

    def noted(self: Upsampler, clean: Any, *rest: Any) -> Any:
        shapes.append(clean.shape)
        return call(self, clean, *rest)

    monkeypatch.setattr(Upsampler, "__call__", noted)
    return shapes


def test_every_large_sample_goes_through_the_upsampler_and_no_small_one(
    both: tuple[Drawing, Drawing], raised: list[tuple[int, ...]]
) -> None:
    small, large = both
    small.go()
    assert raised == []
    large.go()
    assert [shape[-2:] for shape in raised] == 2 * LARGE * [(256, 256)], "as good surface and as a defect"


@pytest.mark.parametrize(("number", "count", "sides"), [(0, SMALL, range(64, 97)), (1, LARGE, [256])])
def test_every_sample_goes_all_the_way(
    both: tuple[Drawing, Drawing], monkeypatch: pytest.MonkeyPatch, number: int, count: int, sides: Any
) -> None:
    """It is composited, labelled, written and selected into the pictures."""
    selected: list[Manifest] = []
    select = drawing.select

    def noted(*parts: Any) -> Manifest:
        selected.append(select(*parts))
        return selected[-1]

    monkeypatch.setattr(drawing, "select", noted)
    contender = both[number]
    contender.go()
    (manifest,) = selected
    attempts: pd.DataFrame = manifest.accepted()
    assert len(attempts) == count
    for _, row in attempts.iterrows():
        crop, label = (contender.attempts.out / row[path] for path in ("crop_path", "label_path"))
        assert set(read_image(crop).shape[:2]) <= set(sides)
        assert read_mask(label).any()
        assert read_mask(manifest.folder / row["mask_path"]).any()


def test_steps_add_up_and_the_first_call_is_forgotten(both: tuple[Drawing, Drawing]) -> None:
    for contender in both:
        contender.go()
        contender.forget()
        contender.go()
        (whole,) = contender.sample.whole.seconds
        steps = [second for step in contender.sample.steps.values() for second in step.seconds]
        assert len(steps) == len(contender.sample.steps)
        assert sum(steps) == pytest.approx(whole)
    assert list(both[1].sample.steps)[:4] == ["preparing", "expected", "sampling", "upsampling"]
