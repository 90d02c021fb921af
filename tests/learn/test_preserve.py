"""What an earlier inpainter knows is drawn once, kept, and shown again under its own class numbers."""

from pathlib import Path

import numpy as np
import pytest
import torch

from defectgen.diffusion.denoise import EDM, Denoiser
from defectgen.diffusion.noise import Karras
from defectgen.imaging.region import REACH, grow
from defectgen.learn import preserve
from defectgen.learn.checkpoint import Checkpoint
from defectgen.learn.new_class import united
from defectgen.learn.patches import Patches
from defectgen.learn.preserve import preserved
from defectgen.learn.task import Inpainting
from defectgen.manifest import Manifest
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

EARLIER = DataSpec(1, ["good", "dent", "pit", "stain"], 0.4, 64)


@pytest.fixture(autouse=True)
def _few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preserve, "PER_CLASS", 3)
    monkeypatch.setattr(preserve, "STEPS", 1)
    monkeypatch.setattr(preserve, "BATCH", 4)


@pytest.fixture
def own(manifest: Manifest, spec: DataSpec) -> Patches:
    return Patches(manifest, united(EARLIER, spec), "train")


def kept(folder: Path, own: Patches, spec: DataSpec, seed: int = 1) -> Patches:
    both = united(EARLIER, spec)
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(both, width=8, multipliers=(1,), attention=()), EDM(), both.sigma_data)
    earlier = Checkpoint(denoiser, Karras(), EARLIER, "32-true", "", Inpainting())
    return preserved(folder, denoiser, earlier, own, both, "32-true", seed)


def test_every_earlier_class_is_drawn_as_often_and_no_new_one(own: Patches, spec: DataSpec, tmp_path: Path) -> None:
    again = kept(tmp_path, own, spec)
    assert sorted(filter(None, again.labels)) == [1, 1, 1, 2, 2, 2, 3, 3, 3]
    assert len(again.good) == len(own.good), "beside the clean patches"


def test_they_are_drawn_on_clean_patches_in_shapes_of_many_kinds(own: Patches, spec: DataSpec, tmp_path: Path) -> None:
    again = kept(tmp_path, own, spec)
    grounds = Manifest.load(tmp_path).images.set_index("image_id")["clean_id"]
    assert len({mask.tobytes() for mask in again.masks.values()}) == len(again.masks)
    for number, mask in again.masks.items():
        ground = own.ids.index(grounds[again.ids[number]])
        assert ground in own.good
        changed = np.abs(again.pictures[number] - own.pictures[ground]).max(axis=0) > 1e-4
        assert changed.any() and not changed[~grow(mask, REACH)].any()


def test_a_resumed_training_finds_what_the_first_one_drew(own: Patches, spec: DataSpec, tmp_path: Path) -> None:
    first = kept(tmp_path, own, spec, seed=1)
    again = kept(tmp_path, own, spec, seed=2)  # which would draw others
    assert first.ids == again.ids
    np.testing.assert_array_equal(np.stack(first.pictures), np.stack(again.pictures))


def test_killed_while_drawing_it_draws_the_same_again(
    own: Patches, spec: DataSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = kept(tmp_path / "whole", own, spec)
    write, written = preserve.write_image, []

    def dying(path: Path, pixels: np.ndarray) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        write(path, pixels)

    with monkeypatch.context() as patched:
        patched.setattr(preserve, "write_image", dying)
        with pytest.raises(KeyboardInterrupt):
            kept(tmp_path / "killed", own, spec)
    resumed = kept(tmp_path / "killed", own, spec)
    np.testing.assert_array_equal(np.stack(resumed.pictures), np.stack(whole.pictures))
    assert resumed.labels == whole.labels
