"""A likelihood that is trained: what it can tell, that its gradient leads there, and its folder."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from oracles import randn
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import noised
from defectgen.diffusion.likelihood import LearnedLikelihood
from defectgen.diffusion.noise import Karras
from defectgen.errors import UserError
from defectgen.learn.data import Example
from defectgen.learn.likelihood import LikelihoodModule, TrainedLikelihood, load_likelihood, save_likelihood
from defectgen.learn.module import inpainting_of
from defectgen.nn.noisy import NoisyClassifier
from defectgen.spec import DataSpec

SPEC = DataSpec(1, ["dark", "bright"], 0.3, 16)
SCHEDULE, BATCH, STEPS = Karras(), 32, 80
SIDE, DEPTH = 6, 0.5  # of a blob: in pixels, and how far from its surroundings


def blobs(seed: int, count: int = BATCH) -> Example:
    """Dark and bright squares on grain, their regions a pixel larger, at all noise levels."""
    torch.manual_seed(seed)
    label, start = torch.arange(count) % 2, torch.randint(1, 15 - SIDE, (2, count))
    pixel = torch.arange(16)

    def squares(margin: int) -> Tensor:
        rows, columns = ((pixel >= s[:, None] - margin) & (pixel < s[:, None] + SIDE + margin) for s in start)
        return (rows[:, :, None] & columns[:, None, :])[:, None].float()

    x0 = 0.05 * torch.randn(count, 1, 16, 16) + squares(0) * DEPTH * (2 * label - 1).reshape(-1, 1, 1, 1)
    uniform = (seed * 0.37 + torch.arange(count, dtype=torch.float64) * 0.618034) % 1
    region, noise = squares(1), torch.randn_like(x0)
    return Example(
        x0=x0,
        context=x0 * (1 - region),
        region=region,
        label=label,
        noise=noise,
        uniform=uniform,
        text=[""] * count,  # type: ignore[typeddict-item]  # of a batch
        reference=torch.zeros(count, 2, 16, 16),
    )


@pytest.fixture(scope="module")
def trained() -> LikelihoodModule:
    torch.manual_seed(0)
    likelihood = LearnedLikelihood(NoisyClassifier(SPEC, width=16, multipliers=(1, 1)), SPEC.sigma_data)
    module = LikelihoodModule(likelihood, SCHEDULE, classes=2, learning_rate=5e-3, warmup=5, steps=STEPS)
    optimizer = module.configure_optimizers()["optimizer"]
    for step in range(STEPS):
        optimizer.zero_grad()
        module.loss(blobs(step)).mean().backward()
        optimizer.step()
    return module.eval()


def noisy(sigma: float, seed: int = 10_000, count: int = 400) -> tuple[Tensor, Tensor, Condition]:
    """Unseen blobs, all at this level."""
    batch = blobs(seed, count)
    level, cond = torch.full((count,), sigma, dtype=torch.float64), inpainting_of(batch, 2)
    return noised(batch["x0"], batch["noise"], level, cond), level, cond


def accuracy(trained: LikelihoodModule, sigma: float) -> float:
    x, level, cond = noisy(sigma)
    with torch.no_grad():
        said = trained.likelihood.logits(x, level, cond).argmax(dim=1)
    return float((said == cond.label).float().mean())


def test_it_tells_noisy_pictures_apart_until_nothing_of_them_is_left(trained: LikelihoodModule) -> None:
    """At sigma 1 the blob's mean is 3 deviations from the other's; at 80 it is 1 / 27 of one."""
    assert accuracy(trained, 0.01) > 0.95 and accuracy(trained, 1.0) > 0.9
    assert abs(accuracy(trained, 80.0) - 0.5) < 0.1


def test_it_knows_that_it_does_not_know(trained: LikelihoodModule) -> None:
    """Or the gradient, multiplied by sigma^2, would pull by what there is not to see."""
    with torch.no_grad():
        said = trained.likelihood(*noisy(80.0)).exp()
    assert float((said - 0.5).abs().mean()) < 0.15


@pytest.mark.parametrize("sigma", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("label", [0, 1])
def test_its_gradient_raises_the_probability_of_the_class(trained: LikelihoodModule, sigma: float, label: int) -> None:
    """From where nothing is drawn yet: bright is up, dark is down."""
    batch = blobs(5, 16)
    level, cond = torch.full((16,), sigma, dtype=torch.float64), inpainting_of(batch, 2)
    asked = Condition(cond.context, cond.region, torch.full_like(cond.label, label), cond.dropped)
    x = noised(cond.context, batch["noise"], level, asked).requires_grad_()
    before = trained.likelihood(x, level, asked)
    (gradient,) = torch.autograd.grad(before.sum(), x)
    after = trained.likelihood(x + 0.01 * sigma * gradient / gradient.norm(), level, asked)
    assert (after > before).float().mean() > 0.9
    assert float((gradient * cond.region).sum()) * (2 * label - 1) > 0


def test_validation_tells_accuracy_beside_the_loss(trained: LikelihoodModule) -> None:
    batch = blobs(7)
    judged = trained.judge(batch)
    assert torch.equal(judged["loss"], trained.loss(batch)) and (judged["loss"] > 0).all()
    sure = judged["loss"] < torch.log(torch.tensor(2.0))  # two classes: more than half of the probability
    assert torch.equal(judged["accuracy"], sure.float())


def test_validation_asks_its_network_once(trained: LikelihoodModule) -> None:
    asked: list[int] = []
    hook = trained.likelihood.network.register_forward_hook(lambda *told: asked.append(1))
    trained.judge(blobs(8))
    hook.remove()
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("lowest", "highest", "covered"),
    [(0.01, 100.0, True), (0.02, 50.0, True), (0.005, 100.0, False), (0.01, 120.0, False)],
)
def test_it_covers_what_lies_within_the_levels_it_was_trained_on(
    trained: LikelihoodModule, lowest: float, highest: float, covered: bool
) -> None:
    """The 0 at the end is never asked about."""
    known = TrainedLikelihood(trained.likelihood, Karras(lowest=0.01, highest=100.0), "")
    assert known.covers(Karras(lowest=lowest, highest=highest).trajectory(7)) is covered


def test_the_folder_gives_the_same_likelihood_back(trained: LikelihoodModule, tmp_path: Path) -> None:
    digest = save_likelihood(tmp_path, trained.likelihood, SCHEDULE, SPEC, "# Card\n")
    assert {path.name for path in tmp_path.iterdir()} == {"config.yaml", "weights.safetensors", "MODEL_CARD.md"}
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert config["weights_sha256"] == digest and config["schedule"]["class_path"].endswith("Karras")
    told = load_likelihood(tmp_path, SPEC.classes)
    loaded = told.likelihood
    assert told.digest == digest and vars(told.schedule) == vars(SCHEDULE)
    with torch.no_grad():
        for sigma in (0.1, 10.0):
            assert torch.equal(loaded(*noisy(sigma)), trained.likelihood(*noisy(sigma)))


def test_an_inpainter_that_knows_more_classes_is_told_of_those_of_the_likelihood(
    trained: LikelihoodModule, tmp_path: Path
) -> None:
    """And hears nothing of the others, so that a guide does not pull there."""
    save_likelihood(tmp_path, trained.likelihood, SCHEDULE, SPEC, "")
    good, defect = SPEC.classes
    loaded, (x, sigma, cond) = load_likelihood(tmp_path, [good, "stain", defect]).likelihood, noisy(1.0)
    wider = replace(cond, label=torch.where(cond.label == 1, 2, 0), dropped=3)
    with torch.no_grad():
        assert torch.equal(loaded(x, sigma, wider), trained.likelihood(x, sigma, cond))
        for unknown in (1, 3):  # stain, and not told
            assert not loaded(x, sigma, replace(wider, label=torch.full_like(cond.label, unknown))).any()


def test_a_folder_of_something_else_is_refused_in_one_line(trained: LikelihoodModule, tmp_path: Path) -> None:
    save_likelihood(tmp_path, trained.likelihood, SCHEDULE, SPEC, "")
    config = yaml.safe_load((tmp_path / "config.yaml").read_text())
    config["network"] = {"class_path": "defectgen.nn.unet.UNet", "init_args": {}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    for folder in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(UserError, match="not a usable checkpoint") as raised:
            load_likelihood(folder, SPEC.classes)
        assert "\n" not in str(raised.value)


def test_what_is_shown_is_noisy_in_the_region_only() -> None:
    """And the label is in nothing of it."""
    batch = blobs(3)
    shown: list[tuple[Tensor, Condition]] = []

    class Watched(torch.nn.Module):
        def forward(self, x: Tensor, level: Tensor, cond: Condition) -> Tensor:
            shown.append((x, cond))
            return randn(len(x), 2)

    likelihood = LearnedLikelihood(Watched(), SPEC.sigma_data)
    LikelihoodModule(likelihood, SCHEDULE, classes=2, learning_rate=1e-3, warmup=1, steps=1).loss(batch)
    ((x, cond),) = shown
    known = batch["region"] == 0
    torch.testing.assert_close(x[known], batch["x0"][known] / SPEC.sigma_data)
    assert not cond.context[~known].any() and torch.equal(cond.region, batch["region"])
