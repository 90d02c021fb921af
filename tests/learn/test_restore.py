"""Restoring: what is lost of held-out patches, the noise they are restored from, and how nearness is measured."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from oracles import Scripted

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM, X0, Denoiser
from defectgen.diffusion.noise import Karras
from defectgen.diffusion.solve import DDPM
from defectgen.learn import restore
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.patches import Patches
from defectgen.learn.restore import Lost, figures, lost_of, psnr, restoration_sheet, restored, untold
from defectgen.learn.task import JPEGRestoration, Restoration, Uncropping
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec


@pytest.fixture(scope="module")
def held_out(manifest: Manifest, spec: DataSpec) -> Patches:
    return Patches(manifest, spec, "val")


class Clairvoyant(Scripted):
    """Answers what the guesses lack."""

    def __init__(self, lost: list[Lost]) -> None:
        super().__init__(torch.from_numpy(np.stack([one.picture - one.given.guess for one in lost])))
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.labels: list[int] = []

    def forward(self, x: torch.Tensor, level: torch.Tensor, cond: Condition) -> torch.Tensor:
        self.labels.extend(cond.label.tolist())
        return super().forward(x, level, cond)


def test_psnr_is_that_of_the_region_with_a_data_range_of_two() -> None:
    truth, region = np.zeros((3, 8, 8), np.float32), np.zeros((8, 8), bool)
    region[:4] = True
    picture = truth.copy()
    picture[:, :4] = 0.2
    assert psnr(picture, truth, region) == pytest.approx(20, abs=1e-4)
    picture[:, 4:] = 1
    assert psnr(picture, truth, region) == pytest.approx(20, abs=1e-4)
    assert psnr(truth, truth, region) == pytest.approx(106, abs=0.1), "a number also where nothing is wrong"


@pytest.mark.parametrize("task", [JPEGRestoration(), Uncropping()], ids=lambda task: type(task).__name__)
def test_what_is_lost_of_held_out_patches_is_always_the_same(held_out: Patches, task: Restoration) -> None:
    first, again = lost_of(held_out, task, 4, 3), lost_of(held_out, task, 4, 3)
    assert len(first) == 4 and [one.name for one in first] == [one.name for one in again]
    assert len({one.seed for one in first}) == 4
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.given.context, other.given.context) and one.seed == other.seed
        picture = held_out.pictures[held_out.ids.index(one.name)]
        assert np.array_equal(one.picture, picture) and not np.array_equal(one.given.context, picture)
    assert len(lost_of(held_out, task, 1000, 3)) == len(held_out.pictures)


def test_a_network_that_knows_the_truth_restores_it_untold_of_any_class(
    held_out: Patches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(restore, "BATCH", 3)
    task = Uncropping()
    lost = lost_of(held_out, task, 3, 0)
    network = Clairvoyant(lost)
    restorer = Inpainter(Denoiser(network, X0(), 0.3), Karras().trajectory(3), 3, DDPM(), [], task=task)
    drawn = restored(restorer, lost)
    table = figures(lost, drawn, drawn)
    assert list(table["image_id"]) == [one.name for one in lost]
    assert (table[["psnr", "psnr_sample"]] > 100).all(axis=None) and (table["psnr_trivial"] < 60).all()
    assert set(network.labels) == {3}, "the number that stands for not told"
    assert restoration_sheet(lost, drawn, drawn, task.baseline).shape[2] == 3


def test_a_single_sample_is_as_rough_as_the_truth_and_so_3_db_farther_from_it_than_the_mean_of_all(
    held_out: Patches,
) -> None:
    """Where a guess lacks white noise, a network that answers nothing makes the exact denoiser; few steps blur."""
    task, rng, lacking = JPEGRestoration(), np.random.default_rng(0), 0.02
    lost = [
        replace(one, picture=one.given.guess + rng.normal(0, lacking, one.picture.shape).astype(np.float32))
        for one in lost_of(held_out, task, 4, 0)
    ]
    network = Scripted(torch.zeros(4, 1, 64, 64))
    network.register_parameter("weight", torch.nn.Parameter(torch.zeros(1)))  # by which its device is told
    schedule, denoiser = Karras(lowest=1e-3, highest=1.0), Denoiser(network, EDM(), lacking)
    at_once, walking = (Inpainter(denoiser, schedule.trajectory(steps), 3, DDPM(), [], task=task) for steps in (1, 60))
    sample, four = restored(walking, lost), restored(walking, lost, 4)
    assert np.array_equal(sample, restored(walking, lost))
    table = figures(lost, restored(at_once, lost), sample)
    np.testing.assert_allclose(table["psnr"], table["psnr_trivial"], atol=0.05)
    np.testing.assert_allclose(table["psnr"] - table["psnr_sample"], 10 * np.log10(2), atol=0.4)
    nearer = figures(lost, four, sample)["psnr"] - table["psnr_sample"]
    np.testing.assert_allclose(nearer, 10 * np.log10(2 / 1.25), atol=0.3)


def test_in_training_no_class_is_told_either(manifest: Manifest, spec: DataSpec) -> None:
    label, zeros = torch.tensor([0, 1, 2]), torch.zeros(3, 1, 8, 8)
    cond = untold({"x0": zeros, "context": zeros + 0.5, "region": zeros + 1, "label": label, "noise": zeros,
                   "uniform": torch.zeros(3), "text": "abc", "reference": torch.zeros(3, 2, 8, 8)}, 3)  # fmt: skip
    assert cond.label.tolist() == [3, 3, 3] and (cond.context == 0.5).all() and cond.region.all()
