"""Tasks: what each gives of a picture, how it keeps what is known, and that training and sampling go by it."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from family import members
from numpy.typing import NDArray
from oracles import Scripted, randn, same

from defectgen.diffusion.denoise import X0, Denoiser
from defectgen.diffusion.noise import Karras
from defectgen.diffusion.sample import KnownNoised
from defectgen.diffusion.solve import DDPM
from defectgen.errors import UserError
from defectgen.imaging.files import Mask
from defectgen.learn.asked import Asked
from defectgen.learn.data import TrainingExamples, ValidationExamples
from defectgen.learn.inpaint import Inpainter
from defectgen.learn.patches import Patches
from defectgen.learn.task import (
    Colorization,
    Filling,
    Given,
    Inpainting,
    JPEGRestoration,
    Restoration,
    Task,
    Uncropping,
    Whole,
    compressed,
)
from defectgen.manifest import Manifest
from defectgen.spec import DataSpec

SIDE = 32
every_task = pytest.mark.parametrize("task", [one() for one in members(Task)], ids=lambda task: type(task).__name__)


def picture(seed: int = 0) -> NDArray[np.float32]:
    """A smooth coloured ground with some grain."""
    rng, y = np.random.default_rng(seed), np.linspace(0, 3, SIDE)
    ground = np.sin(y[:, None] + y + rng.uniform(0, 6, (3, 1, 1)))
    return (0.6 * ground + 0.1 * rng.uniform(-1, 1, ground.shape)).astype(np.float32)


def square() -> Mask:
    region = np.zeros((SIDE, SIDE), bool)
    region[10:20, 4:16] = True
    return region


def given_by(task: Task, seed: int = 0, shown: NDArray[np.float32] | None = None) -> Given:
    return task.given(picture() if shown is None else shown, square(), np.random.default_rng(seed))


@every_task
def test_what_is_given_follows_from_picture_region_and_chance_alone(task: Task) -> None:
    given, again = given_by(task), given_by(task)
    assert np.array_equal(given.context, again.context) and np.array_equal(given.region, again.region)
    assert np.array_equal(given.guess, again.guess)
    for part in (given.context, given.guess):
        assert part.shape == (3, SIDE, SIDE) and part.dtype == np.float32
    assert given.region.shape == (SIDE, SIDE) and given.region.dtype == bool and given.region.any()
    assert np.abs(given.context).max() <= 1


@every_task
def test_outside_what_is_to_be_drawn_the_context_is_the_truth(task: Task) -> None:
    for seed in range(5):
        given = given_by(task, seed)
        truth = picture()[:, ~given.region]
        assert np.array_equal(given.context[:, ~given.region], truth)
        guess = given.guess[:, ~given.region]
        assert np.array_equal(guess, truth if isinstance(task, Restoration) else 0 * truth)


@every_task
def test_what_is_known_is_kept_bit_for_bit_in_the_end(task: Task) -> None:
    pictures, wanted = randn(2, 3, 8, 8), torch.zeros(2, 1, 8, 8)
    wanted[..., 2:5, 2:5] = 1
    known, x = task.known(pictures, wanted), torch.full_like(pictures, 9.0)
    noise = randn(2, 3, 8, 8, seed=1)
    final = known(x, torch.tensor(0.0, dtype=torch.float64), lambda: noise)
    assert torch.equal(final, torch.where(wanted > 0, x, pictures))
    noisy = known(x, torch.tensor(2.0, dtype=torch.float64), lambda: noise)
    around = pictures + 2 * noise if isinstance(known, KnownNoised) else pictures
    assert torch.equal(noisy, torch.where(wanted > 0, x, around))


def test_inpainting_blanks_the_region_as_it_always_has_and_leaves_nothing_to_chance() -> None:
    rng = np.random.default_rng(0)
    context, region, guess = Inpainting().given(picture(), square(), rng)
    assert rng.random() == np.random.default_rng(0).random(), "else other examples would follow from the same seed"
    x0, blanked = torch.from_numpy(picture()), torch.from_numpy(square().astype(np.float32))
    assert (x0 * (1 - blanked)).numpy().tobytes() == context.tobytes()
    assert np.array_equal(region, square()) and not guess.any()


def test_the_whole_picture_is_to_be_drawn_and_nothing_of_it_told() -> None:
    one, other = given_by(Whole()), given_by(Whole(), shown=picture(1))
    assert np.array_equal(one.context, other.context) and one.region.all()
    assert isinstance(Whole().known(torch.zeros(1, 3, 8, 8), torch.ones(1, 1, 8, 8)), KnownNoised)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.75])
def test_uncropping_hides_its_share_beyond_each_side_or_beyond_all(share: float) -> None:
    seen = set()
    for seed in range(60):
        hidden = given_by(Uncropping(share), seed).region
        assert share <= hidden.mean() <= share + 0.13, "whole pixels, at least the share"
        rows, columns = np.flatnonzero(~hidden.all(axis=1)), np.flatnonzero(~hidden.all(axis=0))
        assert not hidden[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].any(), "a window"
        seen.add((rows[0] > 0, rows[-1] < SIDE - 1, columns[0] > 0, columns[-1] < SIDE - 1))
    assert seen == {tuple(row) for row in np.vstack([np.eye(4, dtype=bool), np.ones((1, 4), bool)])}


def test_uncropping_trivially_carries_the_edge_on() -> None:
    task, ramp = Uncropping(), np.broadcast_to(np.linspace(-1, 1, SIDE, dtype=np.float32), (1, SIDE, SIDE))
    for seed in range(12):
        given = task.given(ramp, square(), np.random.default_rng(seed))
        columns = np.flatnonzero(~given.region.all(axis=0))
        expected = ramp[0, 0].clip(ramp[0, 0, columns[0]], ramp[0, 0, columns[-1]])
        assert np.array_equal(given.guess, np.broadcast_to(expected, (1, SIDE, SIDE)))


def test_uncropping_shows_nothing_of_what_is_beyond_the_window() -> None:
    for seed in range(6):
        given = given_by(Uncropping(), seed)
        other = np.where(given.region, -picture(), picture())
        assert np.array_equal(given_by(Uncropping(), seed, other).context, given.context)


def test_colorization_shows_the_same_grey_in_every_channel() -> None:
    given = given_by(Colorization())
    assert given.region.all()
    assert all(np.array_equal(given.context[0], channel) for channel in given.context[1:])
    assert picture().min() <= given.context.min() and given.context.max() <= picture().max()
    grey = np.repeat(picture()[:1], 3, axis=0)
    np.testing.assert_allclose(given_by(Colorization(), shown=grey).context, grey, atol=1e-6)
    green = np.stack([0 * picture()[0] + value for value in (-1, 1, -1)])
    assert given_by(Colorization(), shown=green).context.mean() > 0, "as bright as it looks"


def test_a_grey_product_cannot_be_colorized() -> None:
    with pytest.raises(UserError, match=r"train\.restore\.task: Colorization: .* grey; take another") as error:
        given_by(Colorization(), shown=picture()[:1])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_spoils_the_picture_by_every_quality_asked_for_and_no_other(channels: int) -> None:
    shown, task = picture()[:channels], JPEGRestoration(6, 9)
    possible = {compressed(shown, quality).tobytes() for quality in range(6, 10)}
    assert len(possible) == 4 and shown.tobytes() not in possible
    assert {given_by(task, seed, shown).context.tobytes() for seed in range(60)} == possible
    errors = [np.abs(compressed(shown, quality) - shown).mean() for quality in (5, 30, 95)]
    assert errors[0] > errors[1] > errors[2] and errors[2] < 0.05


def test_a_restoration_sees_the_guess_that_it_mends() -> None:
    for task in (JPEGRestoration(), Colorization(), Uncropping()):
        given = given_by(task)
        assert np.array_equal(given.guess, given.context) and not np.array_equal(given.guess, picture())


@pytest.mark.parametrize(
    ("task", "arguments"),
    [(Uncropping, (0.0,)), (Uncropping, (1.0,)), (JPEGRestoration, (0, 5)), (JPEGRestoration, (9, 5)),
     (JPEGRestoration, (5, 101))],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(task: type[Task], arguments: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="must lie"):
        task(*arguments)


def test_every_task_is_of_one_of_the_two_families() -> None:
    assert {*members(Filling), *members(Restoration)} == set(members(Task))
    assert not set(members(Filling)) & set(members(Restoration))


@every_task
def test_an_example_of_any_task_follows_from_seed_and_index_and_differs_only_in_what_is_given(
    colour_manifest: Manifest, spec: DataSpec, task: Task
) -> None:
    spec = replace(spec, channels=3)
    train, held_out = (Patches(colour_manifest, spec, split) for split in ("train", "val"))

    def streams(task: Task) -> list[TrainingExamples | ValidationExamples]:
        return [TrainingExamples(train, spec, 100, 0.35, 0.1, 3, task), ValidationExamples(held_out, spec, 2, 3, task)]

    for one, again, plain in zip(streams(task), streams(task), streams(Inpainting()), strict=True):
        for index in (7, 2, 0):
            example = one[index]
            assert same(example, again[index])
            for name in ("noise", "label", "uniform"):
                assert torch.equal(example[name], plain[index][name])  # type: ignore[literal-required]
            truth, known = plain[index]["x0"], (example["region"] == 0).expand_as(example["x0"])
            assert torch.equal(example["context"][known], truth[known])
            if isinstance(task, Filling):
                assert torch.equal(example["x0"], truth), "all of it is drawn"
            else:
                assert (example["x0"][known] == 0).all(), "what the guess lacks"
                assert 0 < example["x0"].abs().mean() < truth.abs().mean()


def test_a_task_that_draws_lots_draws_others_for_every_example(manifest: Manifest, spec: DataSpec) -> None:
    examples = TrainingExamples(Patches(manifest, spec, "train"), spec, 100, 0.35, 0.1, 3, Uncropping())
    assert len({examples[index]["region"].numpy().tobytes() for index in range(30)}) == 5


@pytest.mark.parametrize("task", [Inpainting(), Whole()], ids=lambda task: type(task).__name__)
def test_the_inpainter_shows_its_network_what_the_task_gives_and_draws_in_the_wanted_region_only(task: Filling) -> None:
    network = Scripted(torch.zeros(2, 3, SIDE, SIDE))
    network.register_parameter("weight", torch.nn.Parameter(torch.zeros(1)))  # by which its device is told
    inpainter = Inpainter(Denoiser(network, X0(), 0.5), Karras().trajectory(4), 3, DDPM(), [], task=task)
    patches, regions = np.stack([picture(0), picture(1)]), np.stack([square(), square().T])
    asked = [Asked.only(label, patch) for label, patch in zip((1, 2), patches, strict=True)]
    drawn = inpainter(patches, regions, asked, [5, 6])
    outside = np.broadcast_to(~regions[:, None], patches.shape)
    assert np.array_equal(drawn[outside], patches[outside]) and (drawn[~outside] == 0).all()
    x, _, cond = network.asked
    given = [task.given(*pair, np.random.default_rng(0)) for pair in zip(patches, regions, strict=True)]
    assert np.array_equal(cond.context, np.stack([one.context for one in given]))
    assert np.array_equal(cond.region[:, 0] > 0, np.stack([one.region for one in given]))
    clean = np.array_equal(x.numpy()[outside], patches[outside])
    assert clean == isinstance(task, Inpainting), "surroundings are as noisy as the rest where all is drawn"
