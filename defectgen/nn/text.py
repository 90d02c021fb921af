"""Captions as a network reads them: words to numbers, numbers through a small transformer (Vaswani et al. 2017)."""

import re
from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.nn.embed import Embedder, Told
from defectgen.nn.layers import zeroed
from defectgen.spec import DataSpec

ATTRIBUTES = (  # every word of a caption that is not of a class's name, see imaging/caption.py
    *("tiny", "small", "large", "long", "short", "round", "thin", "thick", "dark", "bright", "faint", "mixed"),
    *("horizontal", "vertical", "diagonal", "near", "the", "edge", "surface"),
)
LENGTH = 16  # words that are read of a caption
NO_WORD, START, UNKNOWN = range(3)  # numbers that stand for no word of the vocabulary


def words_of(text: str) -> list[str]:
    """The words of a caption or of a class's name, in small letters."""
    return re.findall(r"[^\W_]+", text.lower())


class Tokenizer:
    """Captions to numbers; the vocabulary is the attributes and the words of the class names."""

    def __init__(self, classes: Sequence[str]) -> None:
        named = {word for name in classes for word in words_of(name)}
        self.words = [*ATTRIBUTES, *sorted(named - set(ATTRIBUTES))]
        self.numbers = {word: number for number, word in enumerate(self.words, UNKNOWN + 1)}

    def __len__(self) -> int:
        return len(self.words) + UNKNOWN + 1

    def __call__(self, captions: Sequence[str]) -> Tensor:
        """(B, LENGTH) int64: START, the words as far as they fit, NO_WORD; "" is START alone."""
        rows = [[START, *(self.numbers.get(word, UNKNOWN) for word in words_of(text))][:LENGTH] for text in captions]
        return torch.tensor([row + [NO_WORD] * (LENGTH - len(row)) for row in rows])


class CaptionEmbedder(Embedder):
    """Tokens of a caption, and the vector of what it says as a whole.

    states: numbers in which the encoder answers; size: of the tokens and of the vector.
    """

    reads = True

    def __init__(self, states: int, size: int) -> None:
        super().__init__()
        self.tokens, self.whole = nn.Linear(states, size), zeroed(nn.Linear(states, size))

    @abstractmethod
    def encode(self, captions: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        """States (B, T, states), and which of them are words (B, T) bool, at least one of each caption."""

    def forward(self, cond: Condition) -> Told:
        assert len(cond.text) == len(cond.label), "a network that reads captions was given none"
        states, heard = self.encode(cond.text, cond.region.device)
        words = heard[..., None]
        return Told(self.whole((states * words).sum(dim=1) / words.sum(dim=1)), self.tokens(states), heard)

    @torch.no_grad()
    def begin(self, untold: Tensor) -> None:
        self.whole.bias.copy_(untold)


class TextEmbedder(CaptionEmbedder):
    """Captions in the vocabulary of one product, read by a transformer that is trained with the network."""

    def __init__(self, spec: DataSpec, size: int, width: int, layers: int) -> None:
        super().__init__(width, size)
        self.tokenizer = Tokenizer(spec.classes)
        self.table = nn.Embedding(len(self.tokenizer), width)
        self.places = nn.Parameter(0.02 * torch.randn(LENGTH, width))
        layer = nn.TransformerEncoderLayer(
            width, width // 32, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.transformer = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)

    def encode(self, captions: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        numbers = self.tokenizer(captions).to(device)
        heard = numbers != NO_WORD
        return self.transformer(self.table(numbers) + self.places, src_key_padding_mask=~heard), heard

    def entries(self, number: int, name: str) -> list[int]:
        return [self.tokenizer.numbers[word] for word in words_of(name) if word not in ATTRIBUTES]

    def inherit(self, prior: Embedder, numbers: Sequence[int]) -> None:
        """Of a network that read captions, every word it knew too; a new one starts by itself."""
        if not isinstance(prior, TextEmbedder):
            super().inherit(prior, numbers)
            return
        table = self.table.weight.detach().clone()
        known = [word for word in self.tokenizer.words if word in prior.tokenizer.numbers]
        ours = [*range(UNKNOWN + 1), *(self.tokenizer.numbers[word] for word in known)]
        theirs = [*range(UNKNOWN + 1), *(prior.tokenizer.numbers[word] for word in known)]
        table[ours] = prior.table.weight.detach()[theirs]
        self.load_state_dict(prior.state_dict() | {"table.weight": table})
