"""Terms: what of a condition a network is told besides its context, which is never dropped."""

from abc import ABC, abstractmethod

from defectgen.nn.embed import Embedder, LabelEmbedder, NothingEmbedder
from defectgen.nn.pretrained import PretrainedTextEmbedder
from defectgen.nn.reference import ReferenceEmbedder
from defectgen.nn.text import TextEmbedder
from defectgen.spec import DataSpec


class Term(ABC):
    """One way to say what is to be drawn, as a setting of a network."""

    @abstractmethod
    def embedder(self, spec: DataSpec, size: int) -> Embedder:
        """The part of a network that listens to it, for vectors and tokens of `size` numbers."""


class Nothing(Term):
    """Nothing is said: an unconditional network, which draws the classes as often as it was shown them."""

    def embedder(self, spec: DataSpec, size: int) -> Embedder:
        return NothingEmbedder(size)


class Label(Term):
    """The class."""

    def embedder(self, spec: DataSpec, size: int) -> Embedder:
        return LabelEmbedder(spec, size)


class Text(Term):
    """A caption made of the class and measured attributes, read by a small transformer that is trained along.

    Args:
        width: numbers that stand for a word, a multiple of 32.
        layers: of the transformer.
    """

    def __init__(self, width: int = 96, layers: int = 2) -> None:
        self.width, self.layers = width, layers

    def embedder(self, spec: DataSpec, size: int) -> Embedder:
        return TextEmbedder(spec, size, self.width, self.layers)


class PretrainedText(Term):
    """The same caption, read by a Hugging Face CLIP or T5 text encoder of yours, which stays as it is.

    Args:
        folder: of its config.json, tokenizer and *.safetensors; nothing is downloaded.
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder

    def embedder(self, spec: DataSpec, size: int) -> Embedder:
        return PretrainedTextEmbedder(self.folder, size)


class Reference(Term):
    """An example defect, "more like this one": in training another one of its class, when drawing the shape's donor.

    Args:
        width: channels at half the resolution.
    """

    def __init__(self, width: int = 24) -> None:
        self.width = width

    def embedder(self, spec: DataSpec, size: int) -> Embedder:
        return ReferenceEmbedder(spec, size, self.width)
