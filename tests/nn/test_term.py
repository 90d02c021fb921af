"""Terms: each network listens to its own, and to nothing where that is dropped; every one starts from a prior."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
from family import members
from oracles import randn, square_region
from torch import Tensor

from defectgen.condition import Condition
from defectgen.diffusion.denoise import Backbone
from defectgen.nn.efficient import EfficientUNet
from defectgen.nn.term import Label, Nothing, PretrainedText, Reference, Term, Text
from defectgen.nn.text import LENGTH, NO_WORD, START, UNKNOWN, Tokenizer
from defectgen.nn.unet import UNet
from defectgen.spec import DataSpec

SPEC = DataSpec(1, ["good", "crack", "thread_side"], 0.3, 16)
TERMS = {"Label": Label(), "Text": Text(width=32, layers=1), "Reference": Reference(width=8), "Nothing": Nothing()}
SMALL = {"width": 8, "multipliers": (1, 2), "patch_size": 1}
NETWORKS = {
    "UNet": partial(UNet, SPEC, attention=(8,), **SMALL),
    "EfficientUNet": partial(EfficientUNet, SPEC, blocks=(1, 1), **SMALL),
}
each_network = pytest.mark.parametrize("kind", NETWORKS)


def cond(label: int, text: str, reference: int) -> Condition:
    region = square_region(2, 16, 6)
    example = randn(2, 2, 16, 16, seed=reference)
    return Condition(randn(2, 1, 16, 16), region, torch.tensor([label] * 2), 3, text=(text,) * 2, reference=example)


ONE = cond(1, "dark crack", 5)
OTHER = {"Label": cond(2, "dark crack", 5), "Text": cond(1, "bright crack", 5), "Reference": cond(1, "dark crack", 6)}


def network(kind: str, term: Term) -> Backbone:
    """None of its layers is zero."""
    torch.manual_seed(0)
    made = NETWORKS[kind](term=term).eval()
    for number, parameter in enumerate(made.parameters()):
        parameter.data += 0.1 * randn(*parameter.shape, seed=number)
    return made


def answer(network: Backbone, cond: Condition) -> Tensor:
    with torch.no_grad():
        return network(randn(2, 1, 16, 16, seed=9), torch.tensor([-1.0, 1.0]), cond)


def test_every_term_but_the_users_own_encoder_is_tried_here() -> None:
    assert {type(term) for term in TERMS.values()} == set(members(Term)) - {PretrainedText}


@each_network
@pytest.mark.parametrize("name", TERMS)
def test_a_network_listens_to_its_own_term_and_to_no_other(kind: str, name: str) -> None:
    made = network(kind, TERMS[name])
    for term, other in OTHER.items():
        assert torch.equal(answer(made, ONE), answer(made, other)) == (term != name), term


@each_network
@pytest.mark.parametrize("name", TERMS)
def test_where_it_is_dropped_all_that_is_told_is_one(kind: str, name: str) -> None:
    made = network(kind, TERMS[name])
    untold = [answer(made, each.unconditional()) for each in (ONE, *OTHER.values())]
    assert all(torch.equal(untold[0], each) for each in untold[1:])
    told, also_untold = answer(made, ONE), untold[0]
    with torch.no_grad():
        x, level = randn(2, 1, 16, 16, seed=9).repeat(2, 1, 1, 1), torch.tensor([-1.0, 1.0]).repeat(2)
        both = made(x, level, ONE.doubled()).chunk(2)
    torch.testing.assert_close(both, (told, also_untold), atol=1e-5, rtol=1e-4)


@each_network
@pytest.mark.parametrize("name", ["Text", "Reference", "Nothing"])
def test_started_from_one_that_knew_labels_it_answers_as_if_nothing_were_told(kind: str, name: str) -> None:
    prior, made = network(kind, Label()), NETWORKS[kind](term=TERMS[name]).eval()
    made.inherit(prior, [0, 1, 1])
    torch.testing.assert_close(answer(made, ONE), answer(prior, ONE.unconditional()), atol=1e-5, rtol=1e-4)


def test_a_network_that_read_captions_hands_on_every_word_it_knew() -> None:
    classes = ["good", "pit", "crack"]
    prior = network("UNet", Text(width=32, layers=1))
    made = UNet(replace(SPEC, classes=classes), attention=(8,), term=Text(width=32, layers=1), **SMALL).eval()
    made.inherit(prior, [0, 1, 1])
    torch.testing.assert_close(answer(made, ONE), answer(prior, ONE))


def test_captions_become_numbers_of_one_length() -> None:
    tokenizer = Tokenizer(SPEC.classes)
    numbers = tokenizer(["", "Long, dark thread side", "a zebra", "dark " * 40])
    assert numbers.shape == (4, LENGTH) and int(numbers.max()) < len(tokenizer)
    assert (numbers[0] != NO_WORD).sum() == 1 and (numbers[:, 0] == START).all()
    assert UNKNOWN not in numbers[1] and (numbers[1] != NO_WORD).sum() == 5
    assert (numbers[2] == UNKNOWN).sum() == 2 and (numbers[3] != NO_WORD).all()


def test_what_a_caption_is_batched_with_does_not_matter() -> None:
    made = network("UNet", TERMS["Text"])
    mixed = replace(ONE, text=("dark crack", "long thin dark thread side, near the edge"))
    torch.testing.assert_close(answer(made, mixed)[0], answer(made, ONE)[0], atol=1e-5, rtol=1e-4)


@pytest.fixture(scope="module", params=["clip", "t5"])
def encoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder with random weights, saved as Hugging Face saves one."""
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("encoder")
    words = {"<pad>": 0, "<unk>": 1, "<start>": 2, "<end>": 3, "dark": 4, "bright": 5, "crack": 6}
    from tokenizers import Tokenizer as Fast
    from tokenizers import models, pre_tokenizers, processors

    fast = Fast(models.WordLevel(words, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    fast.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", 2), ("<end>", 3)]
    )
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=fast, pad_token="<pad>", unk_token="<unk>", bos_token="<start>", eos_token="<end>"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"vocab_size": 7, "bos_token_id": 2, "eos_token_id": 3, "pad_token_id": 0}
    if request.param == "clip":
        config = transformers.CLIPTextConfig(
            hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, **sizes
        )
        transformers.CLIPTextModel(config).save_pretrained(folder)
    else:
        config = transformers.T5Config(d_model=32, d_kv=16, d_ff=32, num_layers=1, num_heads=2, **sizes)
        transformers.T5EncoderModel(config).save_pretrained(folder)
    return folder


def test_an_encoder_of_ones_own_is_listened_to_and_neither_trained_nor_stored(encoder: Path) -> None:
    made = network("UNet", PretrainedText(str(encoder)))
    assert not torch.equal(answer(made, ONE), answer(made, OTHER["Text"]))
    assert torch.equal(answer(made, ONE), answer(made, OTHER["Label"]))
    assert not [name for name in made.state_dict() if "encoder" in name]
    again = network("UNet", PretrainedText(str(encoder)))
    again.load_state_dict(made.state_dict())
    assert torch.equal(answer(again, ONE), answer(made, ONE))


@pytest.mark.parametrize("config", [None, '{"model_type": "bert"}'])
def test_a_folder_without_a_usable_encoder_is_refused_in_one_line(tmp_path: Path, config: str | None) -> None:
    pytest.importorskip("transformers")
    if config:
        (tmp_path / "config.json").write_text(config)
    with pytest.raises(ValueError, match="CLIP or T5") as raised:
        PretrainedText(str(tmp_path)).embedder(SPEC, 8)
    assert str(tmp_path) in str(raised.value) and "\n" not in str(raised.value)
