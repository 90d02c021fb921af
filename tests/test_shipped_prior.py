"""The prior that comes with defectgen: whole, small, and what trainings start from unless told otherwise."""

import torch

from defectgen.condition import Condition
from defectgen.diffusion.denoise import EDM
from defectgen.drawing.teacher import Teacher
from defectgen.imaging.files import to_float
from defectgen.imaging.region import grow
from defectgen.learn.checkpoint import CARD, load_checkpoint
from defectgen.learn.drawn import CLASSES
from defectgen.learn.prior import SHIPPED, started
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from defectgen.steps import STEPS

SHA256 = "8348a423c98d024350a59d35bf8e344d1053724e977a702796faee8323ce6326"
TRAINING = 2  # version of train.inpaint that starts from these weights
MOST = 20e6  # bytes


def test_the_weights_are_those_released_and_the_step_knows() -> None:
    """Other weights give other inpainters: a release of new ones raises the step's version, so that all train anew."""
    version = next(step.version for step in STEPS if step.name == "train.inpaint")
    assert (load_checkpoint(SHIPPED).digest, version) == (SHA256, TRAINING)


def test_it_is_small_and_tells_how_it_is_made_again() -> None:
    assert sum(path.stat().st_size for path in SHIPPED.rglob("*") if path.is_file()) < MOST
    card = (SHIPPED / CARD).read_text()
    assert "defectgen pretrain --steps" in card and "| step | masked loss" in card


def test_it_fills_a_hole_better_than_the_mean_of_its_surroundings() -> None:
    """On drawings that it never saw, from all but nothing: the region is noise 20 times as strong as the picture."""
    spec, sigma = DataSpec(3, ["good", "defect"], 0.4, 64), torch.tensor([20.0])
    denoiser = started(UNet(spec), EDM(), SHIPPED, spec.classes).eval()
    errors = []
    for lesson in map(Teacher(64, seed=987), range(16)):
        clean = torch.from_numpy(to_float(lesson.clean))[None]
        region = torch.from_numpy(grow(lesson.mask, 2.0))[None, None].float()
        known = clean * (1 - region)
        noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            seen = known + region * sigma * noise[:, :1] if lesson.grey else known + region * sigma * noise
            guess = denoiser(seen, sigma, Condition(known, region, torch.tensor([0]), 2))
        mean = known.sum(dim=(2, 3), keepdim=True) / (1 - region).sum()
        errors.append([float(((filled - clean) ** 2 * region).sum() / region.sum()) for filled in (guess, mean)])
    ours, plain = torch.tensor(errors).mean(dim=0)
    assert ours < 0.75 * plain


def test_it_was_taught_what_is_drawn_today() -> None:
    assert load_checkpoint(SHIPPED).spec.classes == CLASSES
