"""DiffusionModule: what the network is shown, which loss it gets, how the learning rate goes."""

from itertools import pairwise

import pytest
import torch
from oracles import Scripted, randn, square_region
from torch import Tensor

from defectgen.diffusion.denoise import Backbone, Denoiser, MinSNR, V, denoising_loss
from defectgen.diffusion.noise import Cosine
from defectgen.learn.data import Example
from defectgen.learn.module import DiffusionModule, inpainting_of

CLASSES, SPREAD = 3, 0.3


class Learning(Scripted):
    """A constant answer, and something to optimise."""

    def __init__(self, answer: Tensor) -> None:
        super().__init__(answer)
        self.weight = torch.nn.Parameter(torch.ones(1))


def module_of(network: Backbone, warmup: int = 10, steps: int = 110) -> DiffusionModule:
    denoiser = Denoiser(network, V(), SPREAD)
    return DiffusionModule(
        denoiser, Cosine(), MinSNR(), classes=CLASSES, learning_rate=0.02, warmup=warmup, steps=steps
    )


@pytest.fixture
def batch() -> Example:
    x0, region = randn(3, 1, 8, 8).clamp(-1, 1), torch.cat([square_region(1, 8, side) for side in (1, 3, 5)])
    return Example(
        x0=x0,
        context=x0 * (1 - region),
        region=region,
        label=torch.tensor([0, 2, 3]),
        noise=randn(3, 1, 8, 8, seed=1),
        uniform=torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64),
        text=["", "", ""],  # type: ignore[typeddict-item]  # of a batch
        reference=torch.zeros(3, 2, 8, 8),
    )


def test_inpainter_is_told_the_surroundings_and_the_label_but_nothing_inside_the_region(batch: Example) -> None:
    network = Scripted(torch.zeros(3, 1, 8, 8))
    module_of(network).loss(batch)
    x, level, cond = network.asked
    known = batch["region"] == 0
    assert torch.equal(cond.context[known], batch["x0"][known]) and not cond.context[~known].any()
    assert torch.equal(cond.region, batch["region"])
    assert cond.label.tolist() == [0, 2, 3] and cond.dropped == CLASSES
    assert torch.equal(x[known], batch["x0"][known])
    torch.testing.assert_close(level, Cosine().sigma(batch["uniform"]).log().float())


def test_what_is_hidden_reaches_the_network_only_as_noisy_picture(batch: Example) -> None:
    """At the highest level, where it drowns in noise, another defect gives the network the same input."""
    batch["uniform"] = torch.ones(3, dtype=torch.float64)
    seen = []
    for sign in (1, -1):
        network = Scripted(torch.zeros(3, 1, 8, 8))
        hidden = torch.where(batch["region"] > 0, sign * batch["x0"], batch["x0"])
        module_of(network).loss(Example(**(batch | {"x0": hidden})))
        seen.append((network.asked[0], network.asked[2].context))
    torch.testing.assert_close(seen[0][0], seen[1][0], rtol=0, atol=0.05)
    assert torch.equal(seen[0][1], seen[1][1])


def test_loss_is_the_masked_one_of_each_example(batch: Example) -> None:
    module = module_of(Scripted(randn(3, 1, 8, 8, seed=2)))
    sigma = Cosine().sigma(batch["uniform"])
    cond = inpainting_of(batch, CLASSES)
    expected = denoising_loss(module.denoiser, batch["x0"], batch["noise"], sigma, MinSNR()(sigma, SPREAD), cond)
    loss = module.loss(batch)
    assert loss.shape == (3,) and torch.equal(loss, expected)


def test_learning_rate_rises_to_the_one_asked_for_and_falls_to_a_tenth() -> None:
    module = module_of(Learning(torch.zeros(1)), warmup=10, steps=110)
    made = module.configure_optimizers()
    optimizer, scheduler = made["optimizer"], made["lr_scheduler"]["scheduler"]
    assert made["lr_scheduler"]["interval"] == "step"
    rates = []
    for _ in range(130):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates[:10] == pytest.approx([0.002 * (step + 1) for step in range(10)])
    assert max(rates) == pytest.approx(0.02) and rates[10] == pytest.approx(0.02)
    assert rates[60] == pytest.approx(0.011), "half-way between the highest and a tenth of it"
    assert all(later < earlier for earlier, later in pairwise(rates[10:111]))
    assert rates[110:] == pytest.approx([0.002] * 20), "and stays there"


def test_learning_rate_without_warm_up_starts_at_the_highest() -> None:
    made = module_of(Learning(torch.zeros(1)), warmup=0, steps=4).configure_optimizers()
    assert made["optimizer"].param_groups[0]["lr"] == pytest.approx(0.02)


def test_everything_of_the_denoiser_is_optimised() -> None:
    module = module_of(Learning(torch.zeros(1)))
    (group,) = module.configure_optimizers()["optimizer"].param_groups
    assert [id(value) for value in group["params"]] == [id(value) for value in module.denoiser.parameters()]
