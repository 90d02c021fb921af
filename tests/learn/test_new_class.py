"""A new class is learned by its own entry, all else follows slowly and is held to what the earlier network said."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from defectgen.diffusion.denoise import EDM, Denoiser, EDMWeighting, noised
from defectgen.diffusion.noise import Karras
from defectgen.errors import UserError
from defectgen.learn.checkpoint import Checkpoint, save_checkpoint
from defectgen.learn.data import Example
from defectgen.learn.new_class import NEW, REST, Preserving, earlier_inpainter, entries_to_learn, united
from defectgen.learn.task import Inpainting, Task, Whole
from defectgen.nn.term import Label, Nothing, Reference, Term, Text
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec
from tests.small import one_line

EARLIER = DataSpec(1, ["good", "dent", "pit", "stain"], 0.4, 64)


def test_earlier_classes_keep_their_numbers_and_new_ones_come_after_them(spec: DataSpec) -> None:
    both = united(EARLIER, spec)
    assert both.classes == ["good", "dent", "pit", "stain", "scratch"]
    assert replace(both, classes=spec.classes) == spec


@pytest.mark.parametrize("init_from", ["prior", "none"])
def test_what_knows_no_classes_of_the_users_has_none_to_preserve(init_from: str) -> None:
    with pytest.raises(UserError) as caught:
        earlier_inpainter(init_from, Inpainting(), Karras(), "train.inpaint")
    assert one_line(caught.value).startswith(f"train.inpaint.preserve: init_from: {init_from} knows no classes")
    assert "leave preserve out" in str(caught.value)


def test_the_noisy_picture_of_what_is_mixed_in_stays_the_same() -> None:
    """The answer takes the picture's place, and what the noisy picture differs from it by that of the noise."""
    module, batch = taught(), examples()
    answered = module._answered(batch | {"mixed_in": torch.tensor([True, False, True, False])})
    sigma, cond = module.schedule.draw(batch["uniform"]), module.told(batch, module.classes)
    before, after = (noised(one["x0"], one["noise"], sigma, cond) for one in (batch, answered))
    torch.testing.assert_close(after, before, rtol=1e-5, atol=1e-5)
    changed = (answered["x0"] != batch["x0"]).flatten(1).any(dim=1)
    assert changed.tolist() == [True, False, True, False]
    outside = batch["region"] == 0
    assert torch.equal(answered["x0"][outside], batch["x0"][outside])


def test_before_it_learns_it_has_nothing_to_learn_from_what_is_mixed_in_and_then_it_is_held_to_it() -> None:
    module, batch = taught(), examples()
    batch["mixed_in"] = torch.tensor([True, False, True, False])
    alone = module.loss(examples())
    loss = module.loss(batch)
    assert loss[0] < 1e-9 and loss[2] < 1e-9
    torch.testing.assert_close(loss[[1, 3]], alone[[1, 3]])
    with torch.no_grad():
        for parameter in module.parameters():
            parameter += 0.05
    assert (module.loss(batch) > 1e-4).all()


def test_the_earlier_network_is_no_part_of_what_is_trained_and_saved() -> None:
    module = taught()
    assert module.state_dict().keys() == {f"denoiser.{name}" for name in module.denoiser.state_dict()}
    assert len(list(module.parameters())) == len(list(module.denoiser.parameters()))
    module.loss(examples() | {"mixed_in": torch.ones(4, dtype=torch.bool)}).mean().backward()


def network(spec: DataSpec, term: Term) -> Denoiser:
    return Denoiser(UNet(spec, width=8, multipliers=(1,), attention=(), term=term), EDM(), spec.sigma_data)


def earlier_of(term: Term, spec: DataSpec = EARLIER) -> Checkpoint:
    return Checkpoint(network(spec, term), Karras(), spec, "32-true", "", Inpainting())


def taught(known: int = 3) -> Preserving:
    """A denoiser of EARLIER's classes, of which the first `known` are old."""
    torch.manual_seed(0)
    denoiser = network(EARLIER, Label())
    for parameter in denoiser.parameters():
        parameter.data += 0.05 * torch.randn_like(parameter)
    earlier = earlier_of(Label(), replace(EARLIER, classes=EARLIER.classes[:known]))
    entries = entries_to_learn(denoiser, earlier, EARLIER, "")
    settings = {"classes": len(EARLIER.classes), "learning_rate": 1e-3, "warmup": 0, "steps": 1}
    return Preserving(denoiser, Karras(), EDMWeighting(), entries=entries, **settings)


def step(module: Preserving) -> None:
    """One step of training as Lightning makes it, with a gradient everywhere."""
    optimizer = module.configure_optimizers()["optimizer"]
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    module.on_before_optimizer_step(optimizer)
    optimizer.step()


def test_only_the_new_class_is_looked_up_anew_and_all_else_follows_slowly() -> None:
    """AdamW's first step goes as far as the learning rate, whatever the gradient."""
    module = taught(known=3)
    before = {name: each.detach().clone() for name, each in module.named_parameters()}
    step(module)
    moved = {name: (each.detach() - before[name]).abs() for name, each in module.named_parameters()}
    table = moved.pop("denoiser.network.told.table.weight")
    torch.testing.assert_close(table[3], torch.full_like(table[3], NEW * 1e-3), rtol=1e-2, atol=0)
    assert not table[[0, 1, 2, 4]].any(), "nor is what stands for untold"
    assert all(0.9 * REST * 1e-3 < each.max() < 1.2 * REST * 1e-3 for each in moved.values())


def test_of_captions_the_words_of_new_names_alone_are_new() -> None:
    both = replace(EARLIER, classes=["good", "dent", "oil stain", "dark oil pit"])
    denoiser, earlier = network(both, Text(width=32)), replace(EARLIER, classes=both.classes[:3])
    entries = entries_to_learn(denoiser, earlier_of(Text(width=32), earlier), both, "")
    assert entries.table is denoiser.network.told.table.weight
    numbers = denoiser.network.told.tokenizer.numbers
    assert entries.new.nonzero().flatten().tolist() == [numbers["pit"]]


def test_a_class_of_known_words_alone_is_refused_by_name() -> None:
    both = replace(EARLIER, classes=["good", "oil stain", "pit", "dent", "dark pit"])
    earlier = earlier_of(Text(width=32), replace(EARLIER, classes=both.classes[:3]))
    with pytest.raises(UserError, match="no entry for 'dark pit' alone; give the class a word of its own"):
        entries_to_learn(network(both, Text(width=32)), earlier, both, "train.inpaint")


@pytest.mark.parametrize(
    ("before", "term", "known", "said"),
    [
        (Reference(width=8), Reference(width=8), 3, r"Reference\(width=8\) has no entry for 'stain' alone"),
        (Nothing(), Nothing(), 3, r"Nothing\(\) has no entry for 'stain' alone"),
        (Label(), Text(width=32), 3, r"is told Label\(\), not Text"),
        (Label(), Label(), 4, "no class here is new"),
    ],
)
def test_where_no_class_can_be_learned_by_itself_it_is_refused(before: Term, term: Term, known: int, said: str) -> None:
    earlier = earlier_of(before, replace(EARLIER, classes=EARLIER.classes[:known]))
    with pytest.raises(UserError, match=said) as error:
        entries_to_learn(network(EARLIER, term), earlier, EARLIER, "train.inpaint")
    assert one_line(error.value).startswith("train.inpaint.preserve: ")


def examples() -> Example:
    rng = torch.Generator().manual_seed(1)
    region = torch.zeros(4, 1, 64, 64)
    region[..., 20:40, 10:30] = 1
    x0 = 0.3 * torch.randn(4, 1, 64, 64, generator=rng)
    return Example(
        x0=x0,
        context=x0 * (1 - region),
        region=region,
        label=torch.tensor([1, 2, 3, 4]),
        noise=torch.randn(4, 1, 64, 64, generator=rng),
        uniform=torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64),
        text=[""] * 4,  # type: ignore[typeddict-item]  # of a batch
        reference=torch.zeros(4, 2, 64, 64),
    )


@pytest.mark.parametrize(
    ("task", "schedule", "said"),
    [
        (Whole(), Karras(), "was trained for Whole"),
        (Inpainting(), Karras(highest=20.0), "fewer noise levels"),
    ],
)
def test_an_earlier_network_that_cannot_be_asked_for_its_classes_is_refused(
    tmp_path: Path, task: Task, schedule: Karras, said: str
) -> None:
    network = UNet(EARLIER, width=8, multipliers=(1,), attention=())
    save_checkpoint(tmp_path, Denoiser(network, EDM(), 0.4), schedule, EARLIER, "32-true", "", task)
    with pytest.raises(UserError, match=said) as error:
        earlier_inpainter(tmp_path, Inpainting(), Karras(), "train.inpaint")
    assert str(tmp_path) in one_line(error.value)
