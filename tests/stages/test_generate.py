"""From a plan to a labelled data set: promises 3 to 6 of the design, on a tiny product and untrained networks.

An untrained network paints noise, which is a change everywhere in the region: enough to label, gate and count.
"""

import json
import shutil
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from critics import always
from small import unmeasured

from defectgen.diffusion.denoise import EDM, Denoise, Denoiser, V
from defectgen.diffusion.guide import Classifier, Clip, Guide
from defectgen.diffusion.likelihood import LearnedLikelihood
from defectgen.diffusion.noise import Cosine, Karras
from defectgen.diffusion.solve import DPMSolver2M
from defectgen.drawing.part import PaintedPart
from defectgen.errors import UserError
from defectgen.imaging.read import read_mask
from defectgen.imaging.region import Foreground
from defectgen.imaging.square import Square
from defectgen.learn.checkpoint import CHECKPOINT, CONFIG, load_checkpoint, save_checkpoint
from defectgen.learn.critic import save_critic
from defectgen.learn.likelihood import save_likelihood
from defectgen.learn.start import Donor, Noise
from defectgen.learn.task import JPEGRestoration, Task, Whole
from defectgen.manifest import Manifest, write_table
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.noisy import NoisyClassifier
from defectgen.nn.unet import UNet
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import Gate
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.stages.draw import draw
from defectgen.stages.export import export
from defectgen.stages.generate import generate
from defectgen.stages.ingest import ingest
from defectgen.stages.patch import patch
from defectgen.stages.plan import plan


@dataclass
class Folders:
    ingest: Path
    patch: Path
    inpaint: Path
    upsample: Path
    critic: Path
    plan: Path


class Coin(Gate):
    """Passes about every other attempt, by its own pixels, where its limit is half."""

    reason = "coin"

    def score(self, drawn: Drawn) -> float:
        return float(int(drawn.result.sum()) % 2)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    root = tmp_path_factory.mktemp("generate")
    draw(root / "source", product=PaintedPart(), clean=10, per_class=4, seed=1)
    ingest(root / "ingest", "tiny", 0, source=root / "source", legal=Foreground())
    patch(root / "patch", root / "ingest", 0, crops=1, good=8, flips=["vertical"])
    plan(root / "plan", root / "ingest", root / "patch", 0, "tiny", per_class=6, per_picture=3, attempts=6, batch=4)
    spec = DataSpec.load(root / "patch")
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(spec, width=8, multipliers=(1, 2), attention=()), V(), spec.sigma_data)
    save_checkpoint(root / "inpaint/checkpoint", denoiser, Cosine(), spec, "32-true", "untrained")
    save_critic(root / "critic" / CHECKPOINT, [always(1, spec)], {}, spec, "of one opinion")
    spec = replace(spec, size=128, upsampled=True)
    upsampler = Denoiser(EfficientUNet(spec, width=8, multipliers=(1, 1), blocks=(1, 1)), EDM(), spec.sigma_data)
    save_checkpoint(root / "upsample/checkpoint", upsampler, Cosine(4.0), spec, "32-true", "untrained")
    return Folders(root / "ingest", root / "patch", root / "inpaint", root / "upsample", root / "critic", root / "plan")


@pytest.fixture(scope="module")
def narrow(folders: Folders) -> Path:
    """A likelihood that knows fewer noise levels than the inpainter."""
    spec = DataSpec.load(folders.patch)
    likelihood = LearnedLikelihood(NoisyClassifier(spec, width=8, multipliers=(1, 1)), spec.sigma_data)
    folder = folders.ingest.parent / "narrow"
    save_likelihood(folder / CHECKPOINT, likelihood, Karras(lowest=0.02, highest=50), spec, "untrained")
    return folder


def draw_set(folders: Folders, out: Path, planned: Path | None = None, **settings: Any) -> str:
    inputs = (folders.ingest, folders.inpaint, folders.upsample, folders.critic, planned or folders.plan)
    usual = {"steps": 2, "upsampling_steps": 2, "guides": (Clip(),), "gates": (Coin(0.5),)}
    return generate(out, *inputs, 0, **usual | settings)


@pytest.fixture(scope="module")
def generated(folders: Folders, tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    out = tmp_path_factory.mktemp("generated")
    draw_set(folders, out)
    return Manifest.load(out)


def test_outside_the_regions_a_picture_is_bit_identical_to_its_clean_one(folders: Folders, generated: Manifest) -> None:
    source = Source(Manifest.load(folders.ingest))
    for _, image in generated.images.iterrows():
        outside = np.ones((image["height"], image["width"]), bool)
        for _, row in generated.accepted()[generated.accepted()["image_id"] == image["image_id"]].iterrows():
            square = Square(row["region_x"], row["region_y"], row["side"])
            outside[square.inside(outside.shape)[0]] = False
        drawn, clean = generated.read(image), source.pixels(image["clean_id"])
        assert drawn.dtype == clean.dtype
        assert np.array_equal(drawn[outside], clean[outside])
        assert not np.array_equal(drawn, clean)


def test_labels_are_never_empty_and_lie_where_pixels_changed(folders: Folders, generated: Manifest) -> None:
    source = Source(Manifest.load(folders.ingest))
    images = generated.images.set_index("image_id", drop=False)
    for _, row in generated.accepted().iterrows():
        image = images.loc[row["image_id"]]
        mask = generated.read_mask(row)
        moved = (generated.read(image) != source.pixels(image["clean_id"])).any(axis=2)
        assert mask.any()
        assert (mask & moved).sum() > 0.9 * mask.sum()  # noise may leave single pixels inside a change as they were


def test_labels_of_one_picture_do_not_overlap(generated: Manifest) -> None:
    several = 0
    for _, rows in generated.accepted().groupby("image_id"):
        masks = [generated.read_mask(row) for _, row in rows.iterrows()]
        several += len(masks) > 1
        assert np.sum(masks, axis=0).max() == 1
    assert several


def test_every_attempt_is_accounted_for(folders: Folders, generated: Manifest) -> None:
    planned = pd.read_parquet(folders.plan / "plan.parquet")
    table = generated.instances
    assert set(table["plan_id"]) == set(planned["plan_id"])
    assert table["status"].isin(["accepted", "rejected", "failed"]).all()
    assert ((table["reason"] == "") == (table["status"] == "accepted")).all()
    for _, rows in table.groupby("plan_id"):
        statuses = list(rows.sort_values("attempt")["status"])
        assert list(rows.sort_values("attempt")["attempt"]) == list(range(len(rows)))
        assert "accepted" not in statuses[:-1]  # drawn again only after a failure
        assert statuses[-1] == "accepted" or len(rows) == rows["attempts"].iloc[0]
    assert {"accepted", "rejected"} <= set(table["status"])


def test_the_digest_survives_other_shards_a_restart_and_another_row_order(
    folders: Folders, generated: Manifest, tmp_path: Path
) -> None:
    other = tmp_path / "plan"
    plan(
        other, folders.ingest, folders.patch, 0, "tiny",
        per_class=6, per_picture=3, attempts=6, batch=4, pictures_per_shard=2,
    )  # fmt: skip
    out = tmp_path / "generated"
    assert draw_set(folders, out, other) == generated.digest()
    shards = sorted((out / "shards").iterdir())
    assert len(shards) > 1
    shards[-1].unlink()  # killed before the last shard was done
    shutil.rmtree(out / "images")
    assert draw_set(folders, out, other) == generated.digest()
    rows = pd.read_parquet(folders.plan / PLAN).sample(frac=1, random_state=0)
    write_table(tmp_path / "turned" / PLAN, rows)
    assert draw_set(folders, tmp_path / "generated from turned", tmp_path / "turned") == generated.digest()


def test_every_picture_leads_back_to_its_origin(folders: Folders, generated: Manifest) -> None:
    real = Manifest.load(folders.ingest)
    train = set(real.images.loc[real.images["split"] == "train", "image_id"])
    donors = real.instances.set_index("instance_id")["image_id"]
    assert set(generated.images["clean_id"]) <= train
    assert set(generated.instances["donor_id"].map(donors)) <= train
    assert (generated.images["split"] == "train").all()
    assert generated.images["synthetic"].all()
    assert generated.instances["checkpoint"].str.len().eq(16).all()
    large = generated.instances["drawn_at"] > 64
    assert generated.instances["upsampler"].str.len().eq(large * 16).all()


def test_large_defects_have_been_through_the_upsampler_and_without_one_nothing_has(
    folders: Folders, generated: Manifest, tmp_path: Path
) -> None:
    accepted = generated.accepted()
    large = accepted["side"] > 96
    assert large.any() and (accepted.loc[large, "drawn_at"] == 256).all()
    assert not large.all() and (accepted.loc[~large, "drawn_at"] == 64).all()
    assert (generated.instances.loc[generated.instances["side"] <= 96, "drawn_at"] == 64).all()
    assert json.loads((generated.folder / "seconds.json").read_text())["upsampling"] > 0
    without = replace(folders, upsample=tmp_path / "nothing large")
    draw_set(without, tmp_path / "out")
    table = Manifest.load(tmp_path / "out").instances
    assert (table["drawn_at"] == 64).all() and (table["upsampler"] == "").all()
    assert "upsampling" not in json.loads((tmp_path / "out/seconds.json").read_text())


def test_planned_shapes_lie_in_the_legal_region(folders: Folders) -> None:
    source = Source(Manifest.load(folders.ingest))
    for _, row in pd.read_parquet(folders.plan / "plan.parquet").iterrows():
        shape, legal = source.planned_shape(row), source.legal(row["clean_id"])
        assert shape.any()
        assert legal is not None and not (shape & ~legal).any()


def test_levels_of_another_schedule_and_resampling_make_other_pictures(folders: Folders, tmp_path: Path) -> None:
    """Levels below and above those of the training are cut off; without any in common nothing is drawn."""
    inputs = (folders.ingest, folders.inpaint, tmp_path / "nothing large", folders.critic, folders.plan, 0)

    def drawn(name: str, **settings: Any) -> str:
        common: dict[str, Any] = {"steps": 2, "guides": (Clip(),), "gates": (Coin(0.5),)}
        return partial(generate, tmp_path / name, *inputs)(**common, **settings)

    plain, spaced = drawn("plain"), drawn("karras", schedule=Karras(lowest=1e-4, highest=1e4))
    assert spaced == drawn("cut", schedule=Karras(lowest=0.01, highest=100))
    resampled = drawn("resampled", jump=1, repeats=2)
    assert len({plain, spaced, resampled, drawn("solved", solver=DPMSolver2M())}) == 4
    with pytest.raises(UserError, match=r"generate.jump: a block of 10 steps does not fit into 2"):
        drawn("nothing again", repeats=2)
    with pytest.raises(UserError, match=r"trained on levels 0.01 to 100"):
        drawn("beyond", schedule=Karras(lowest=200, highest=300))
    assert not (tmp_path / "beyond").exists()


def test_a_classifier_without_a_likelihood_asks_the_trained_one(
    folders: Folders, generated: Manifest, tmp_path: Path
) -> None:
    """Told nothing, an untrained network says nothing; where there is none at all, one line says what to add."""
    spec, inputs = DataSpec.load(folders.patch), (folders.ingest, folders.inpaint, folders.upsample, folders.critic)
    torch.manual_seed(0)
    likelihood = LearnedLikelihood(NoisyClassifier(spec, width=8, multipliers=(1, 1)), spec.sigma_data)
    save_likelihood(tmp_path / "silent" / CHECKPOINT, likelihood, Cosine(), spec, "untrained")
    torch.nn.init.normal_(likelihood.network.logits.weight)
    save_likelihood(tmp_path / "random" / CHECKPOINT, likelihood, Cosine(), spec, "random")

    def drawn(name: str, trained: Path | None) -> str:
        settings: dict[str, Any] = {"steps": 2, "upsampling_steps": 2, "gates": (Coin(0.5),)}
        return generate(tmp_path / name, *inputs, folders.plan, 0, trained, guides=(Classifier(), Clip()), **settings)

    assert drawn("as without", tmp_path / "silent") == generated.digest() != drawn("pulled", tmp_path / "random")
    told = yaml.safe_load((tmp_path / "random" / CHECKPOINT / CONFIG).read_text())["weights_sha256"]
    assert set(Manifest.load(tmp_path / "pulled").instances["likelihood"]) == {told[:16]}
    assert set(generated.instances["likelihood"]) == {""}
    test_outside_the_regions_a_picture_is_bit_identical_to_its_clean_one(folders, Manifest.load(tmp_path / "pulled"))
    with pytest.raises(
        UserError, match=r"generate.guides: Classifier has no likelihood; add `likelihood: {}`"
    ) as error:
        drawn("nothing", None)
    assert "\n" not in str(error.value) and not (tmp_path / "nothing").exists()


def retold(folders: Folders, folder: Path, task: Task) -> Folders:
    """The same network, said to be trained for another task."""
    trained = load_checkpoint(folders.inpaint / CHECKPOINT)
    save_checkpoint(folder / CHECKPOINT, trained.denoiser, trained.schedule, trained.spec, "32-true", "", task)
    return replace(folders, inpaint=folder)


def test_a_network_of_whole_pictures_draws_by_repaint_and_leaves_what_is_outside_the_regions(
    folders: Folders, generated: Manifest, tmp_path: Path
) -> None:
    whole = retold(folders, tmp_path / "whole", Whole())
    resampled = draw_set(whole, tmp_path / "resampled", jump=1, repeats=2)
    assert len({resampled, draw_set(whole, tmp_path / "straight"), generated.digest()}) == 3
    drawn = Manifest.load(tmp_path / "resampled")
    test_outside_the_regions_a_picture_is_bit_identical_to_its_clean_one(whole, drawn)


def test_a_network_that_restores_is_refused_in_one_line(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"generate: .* trained for JPEGRestoration, which draws no defects") as error:
        draw_set(retold(folders, tmp_path / "restorer", JPEGRestoration()), tmp_path / "nothing")
    assert "\n" not in str(error.value) and not (tmp_path / "nothing").exists()


def test_begun_at_the_donors_it_draws_other_pictures_and_always_the_same(folders: Folders, tmp_path: Path) -> None:
    starts = {"donor": Donor(0.5), "again": Donor(0.5), "noise": Noise()}
    digests = [draw_set(folders, tmp_path / name, start=start, steps=8) for name, start in starts.items()]
    assert digests[0] == digests[1] != digests[2]
    test_outside_the_regions_a_picture_is_bit_identical_to_its_clean_one(folders, Manifest.load(tmp_path / "donor"))


def test_a_network_of_whole_pictures_cannot_begin_at_a_donor(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"generate.start: .* surroundings, which Whole knows nothing of") as error:
        draw_set(retold(folders, tmp_path / "whole", Whole()), tmp_path / "none", start=Donor())
    assert "\n" not in str(error.value) and not (tmp_path / "none").exists()


def test_a_solver_that_cannot_begin_at_a_donor_is_refused_in_one_line(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"generate.start: Donor cannot undo the steps of DPMSolver2M") as error:
        draw_set(folders, tmp_path / "none", start=Donor(), solver=DPMSolver2M())
    assert "\n" not in str(error.value) and not (tmp_path / "none").exists()


def test_a_likelihood_that_nobody_asks_is_named_nowhere_and_need_not_know_every_level(
    folders: Folders, narrow: Path, generated: Manifest, tmp_path: Path
) -> None:
    inputs = (folders.ingest, folders.inpaint, folders.upsample, folders.critic, folders.plan, 0, narrow)
    settings: dict[str, Any] = {"steps": 2, "upsampling_steps": 2, "gates": (Coin(0.5),)}
    assert generate(tmp_path / "out", *inputs, guides=(Clip(),), **settings) == generated.digest()
    assert set(Manifest.load(tmp_path / "out").instances["likelihood"]) == {""}


def test_a_likelihood_that_does_not_know_the_levels_is_refused(folders: Folders, narrow: Path, tmp_path: Path) -> None:
    inputs = (folders.ingest, folders.inpaint, folders.upsample, folders.critic, folders.plan, 0, narrow)
    with pytest.raises(
        UserError, match=r"trained on levels 0.02 to 50, the inpainter walks [\d.]+ to 100; give"
    ) as error:
        generate(tmp_path / "out", *inputs, steps=2, guides=(Classifier(), Clip()))
    assert "\n" not in str(error.value) and not (tmp_path / "out").exists()


def test_a_guide_that_refuses_for_its_own_reasons_says_so_in_its_own_words(folders: Folders, tmp_path: Path) -> None:
    class Sulking(Guide):
        def wrap(self, denoise: Denoise) -> Denoise:
            raise ValueError("not today")

    inputs = (folders.ingest, folders.inpaint, folders.upsample, folders.critic, folders.plan, 0)
    with pytest.raises(UserError, match=r"^generate.guides: not today$"):
        generate(tmp_path / "out", *inputs, steps=2, guides=(Sulking(),))


def test_a_set_in_which_nothing_passes_is_refused(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no attempt passed the gates"):
        draw_set(folders, tmp_path / "none", gates=(Coin(2.0),))


def test_exported_masks_are_the_labels(folders: Folders, generated: Manifest, tmp_path: Path) -> None:
    export(tmp_path, folders.ingest, generated.folder, unmeasured(tmp_path / "evaluate"), formats=["mvtec"])
    for image_id, rows in generated.accepted().groupby("image_id"):
        label = rows["label"].iloc[0]
        union = np.any([generated.read_mask(row) for _, row in rows.iterrows()], axis=0)
        assert np.array_equal(read_mask(tmp_path / f"mvtec/ground_truth/{label}/{image_id}_mask.png"), union)
        assert (tmp_path / f"mvtec/train/{label}/{image_id}.png").is_file()
