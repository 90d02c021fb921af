"""The design: every pair of choices on its axes trains and draws, what makes no sense is refused with the reason."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import combinations, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from torch.utils.data import default_collate

from defectgen.config import Settings, read_settings
from defectgen.errors import UserError
from defectgen.learn.asked import Asked
from defectgen.learn.begin import begun
from defectgen.learn.checkpoint import CHECKPOINT, save_checkpoint
from defectgen.learn.data import example
from defectgen.learn.module import DiffusionModule
from defectgen.learn.task import Inpainting
from defectgen.spec import DataSpec
from defectgen.steps import STEPS
from defectgen.trained import Trained, trajectory_of

SIDE = 16
SPEC = DataSpec(1, ["good", "pit", "scratch"], 0.3, SIDE)
Blocks = dict[str, dict[str, Any]]

TERMS = {
    "label": "Label",
    "image": "Reference",
    "text": {"class_path": "Text", "init_args": {"width": 32, "layers": 1}},
}
AXES: dict[str, dict[str, Blocks]] = {
    "algorithm": {
        "DDPM": {
            "train": {"schedule": "Linear", "parametrization": "Eps", "weighting": "Simple"},
            "generate": {"solver": "DDPM"},
        },
        "DDIM": {
            "train": {"schedule": "Cosine", "parametrization": "V", "weighting": "UniformV"},
            "generate": {"solver": "DDIM"},
        },
        "EDM": {
            "train": {"schedule": "Karras", "parametrization": "EDM", "weighting": "EDMWeighting"},
            "generate": {"solver": "Heun"},
        },
    },
    "backbone": {
        "UNet": {"network": {"class_path": "UNet", "init_args": {"width": 8, "multipliers": [1, 1]}}},
        "Efficient UNet": {
            "network": {
                "class_path": "EfficientUNet",
                "init_args": {"width": 8, "multipliers": [1, 1], "blocks": [1, 1]},
            }
        },
    },
    "condition type": {
        "unconditional": {"told": {"term": "Nothing"}},
        "conditional": {"train": {"label_dropout": 0.0}},
        "scalable": {"guides": {"first": [{"class_path": "ClassifierFree", "init_args": {"scale": 2.0}}]}},
    },
    "condition term": {name: {"told": {"term": term}} for name, term in TERMS.items()},
    "thresholding": {
        "none": {},
        "static": {"guides": {"last": ["Clip"]}},
        "dynamic": {"guides": {"last": ["Dynamic"]}},
    },
    "sampling process": {"reverse only": {}, "resampling": {"generate": {"jump": 2, "repeats": 2}}},
}
Choice = tuple[str, ...]  # one value for each axis, in order


def pairs_of(choice: Choice) -> set[tuple[tuple[int, str], ...]]:
    return set(combinations(enumerate(choice), 2))


def cover() -> list[Choice]:
    """Few choices in which every two values of different axes meet: always the one that adds most pairs."""
    every = list(product(*AXES.values()))
    missing = set().union(*map(pairs_of, every))
    chosen = []
    while missing:
        chosen.append(max(every, key=lambda choice: len(pairs_of(choice) & missing)))
        missing -= pairs_of(chosen[-1])
    return chosen


def settings_of(folder: Path, parts: Sequence[Blocks]) -> Settings:
    """The settings of a YAML made of these parts; where two say what is told, nothing being told wins."""
    merged: Blocks = {"train": {"init_from": "none"}, "generate": {"steps": 4}, "network": {}, "told": {}, "guides": {}}
    for part in parts:
        for block, keys in part.items():
            silent = block == "told" and merged["told"].get("term") == "Nothing"
            merged[block] |= {} if silent else keys
    guides = [*merged["guides"].get("first", []), *merged["guides"].get("last", [])]
    network = {**merged["network"], "init_args": merged["network"].get("init_args", {}) | merged["told"]}
    blocks = {"train": {"inpaint": merged["train"] | {"network": network}}}
    path = folder / "product.yaml"
    generate = merged["generate"] | {"guides": guides}
    path.write_text(yaml.safe_dump({"product": "p", "ingest": {"source": str(folder)}, "generate": generate, **blocks}))
    return read_settings(path, "run", [], STEPS)


def trained(settings: Settings, folder: Path) -> DiffusionModule:
    """A network after one step of training by these settings, saved into the folder."""
    asked = settings.arguments["train.inpaint"]
    denoiser, spec = begun(asked["network"], asked["parametrization"], SPEC, "none", "train.inpaint", 0)
    module = DiffusionModule(
        denoiser, asked["schedule"], asked["weighting"], classes=3, learning_rate=1e-3, warmup=0, steps=1
    )
    optimizer = module.configure_optimizers()["optimizer"]
    module.loss(batch()).mean().backward()
    optimizer.step()
    save_checkpoint(
        folder / CHECKPOINT, denoiser, asked["schedule"], spec, "32-true", "", dropout=asked["label_dropout"]
    )
    return module


def draw(settings: Settings, folder: Path) -> np.ndarray:
    """What it draws by these settings into PATCHES."""
    asked = settings.arguments["generate"]
    walk = {name: asked[name] for name in ("steps", "jump", "repeats")}
    levels = partial(trajectory_of, asked["schedule"], **walk)
    painter, _ = Trained("generate", folder, None, None).painter(levels, asked["solver"], asked["guides"], 1)
    return painter.cascade.inpainter(PATCHES, REGIONS, ASKED, [1, 2])


PATCHES = np.random.default_rng(0).uniform(-1, 1, (2, 1, SIDE, SIDE)).astype(np.float32)
REGIONS = np.zeros((2, SIDE, SIDE), bool)
REGIONS[:, 4:11, 5:12] = True
ASKED = [Asked.like(PATCHES[0], REGIONS[0], 1, "pit", REGIONS[0], False), Asked.good(PATCHES[1])]


def batch() -> Any:
    rng = np.random.default_rng(1)
    cases = zip(PATCHES, REGIONS, ASKED, strict=True)
    return default_collate(
        [example(patch, Inpainting().given(patch, region, rng), asked, 0.5, 3) for patch, region, asked in cases]
    )


def test_the_cover_has_every_pair_in_few_choices() -> None:
    assert len(cover()) < 20
    values = [(axis, value) for axis, values in enumerate(AXES.values()) for value in values]
    every = {pair for pair in combinations(values, 2) if pair[0][0] != pair[1][0]}
    assert set().union(*map(pairs_of, cover())) == every


@pytest.mark.parametrize("choice", cover(), ids=", ".join)
def test_any_two_choices_train_and_draw_together(choice: Choice, tmp_path: Path) -> None:
    parts = [AXES[axis][value] for axis, value in zip(AXES, choice, strict=True)]
    settings = settings_of(tmp_path, parts)
    module = trained(settings, tmp_path)
    assert all(parameter.isfinite().all() for parameter in module.parameters())
    drawn = draw(settings, tmp_path)
    outside = ~REGIONS[:, None]
    assert np.isfinite(drawn).all() and np.array_equal(drawn[outside], PATCHES[outside])
    assert not np.allclose(drawn[~outside], PATCHES[~outside], atol=1e-3)


SCALED = AXES["condition type"]["scalable"]


def refused() -> Iterator[tuple[str, list[Blocks], str]]:
    """What makes no sense, and what is said of it."""
    unet = AXES["backbone"]["UNet"]
    yield "scaled but always told", [unet, AXES["condition type"]["conditional"], SCALED], "no difference to scale"
    yield "scaled but never told", [unet, AXES["condition type"]["unconditional"], SCALED], "no difference to scale"
    yield "a classifier that is not there", [unet, {"guides": {"first": ["Classifier"]}}], "add `likelihood: {}`"
    yield "blocks that do not fit", [unet, {"generate": {"jump": 9, "repeats": 2}}], "does not fit into 4"
    encoder = {"class_path": "PretrainedText", "init_args": {"folder": "nowhere"}}
    yield "text with no text embedder", [unet, {"told": {"term": encoder}}], "CLIP or T5"
    indivisible = {"class_path": "EfficientUNet", "init_args": {"width": 8, "multipliers": [1] * 5, "blocks": [1] * 5}}
    yield "a network too deep for the patches", [{"network": indivisible}], "do not divide"


@pytest.mark.parametrize(("parts", "reason"), [case[1:] for case in refused()], ids=[case[0] for case in refused()])
def test_what_makes_no_sense_is_refused_with_the_reason(parts: list[Blocks], reason: str, tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    settings = settings_of(tmp_path, parts)
    with pytest.raises(UserError) as error:
        trained(settings, tmp_path)
        draw(settings, tmp_path)
    assert reason in str(error.value) and "\n" not in str(error.value)
    assert str(error.value).startswith(("generate.", "train.inpaint.")), "it names the key"


def test_a_network_that_starts_from_the_prior_cannot_be_of_another_kind(tmp_path: Path) -> None:
    settings = settings_of(tmp_path, [AXES["backbone"]["Efficient UNet"]])
    asked = settings.arguments["train.inpaint"]
    with pytest.raises(UserError, match=r"is a prior of UNet.*, not EfficientUNet"):
        begun(asked["network"], asked["parametrization"], SPEC, "prior", "train.inpaint", 0)
