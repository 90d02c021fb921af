"""A text encoder of the user's own: CLIP's or T5's, in a folder of Hugging Face's form. Needs `transformers`."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from defectgen.nn.text import CaptionEmbedder

_ENCODERS = {"clip": "CLIPTextModel", "clip_text_model": "CLIPTextModel", "t5": "T5EncoderModel"}  # by model_type


class PretrainedTextEmbedder(CaptionEmbedder):
    """Frozen states, of which only the projections are trained and stored; the weights stay in their folder.

    Raises:
        ValueError: no `transformers`, or no usable CLIP or T5 in the folder.
    """

    def __init__(self, folder: str, size: int) -> None:
        tokenizer, encoder = _load(Path(folder))
        super().__init__(encoder.config.hidden_size, size)
        self.tokenizer = tokenizer
        self.encoder = [encoder]  # in a list it is no part of what is trained, stored, or averaged

    @torch.no_grad()
    def encode(self, captions: Sequence[str], device: torch.device) -> tuple[Tensor, Tensor]:
        (encoder,) = self.encoder
        given = self.tokenizer(list(captions), padding=True, truncation=True, return_tensors="pt").to(device)
        answer = encoder.to(device)(input_ids=given["input_ids"], attention_mask=given["attention_mask"])
        return answer.last_hidden_state.float(), given["attention_mask"].bool()


def _load(folder: Path) -> tuple[Any, Any]:
    try:
        import transformers
    except ImportError:
        raise ValueError("PretrainedText needs transformers; run `pip install defectgen[text]`") from None
    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} holds no config.json; give the folder of a CLIP or T5 text encoder on this disk")
    kind = transformers.AutoConfig.from_pretrained(folder, local_files_only=True).model_type
    if kind not in _ENCODERS:
        raise ValueError(f"{folder} holds a {kind}; text is read by CLIP or T5")
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)
        encoder = getattr(transformers, _ENCODERS[kind]).from_pretrained(
            folder, local_files_only=True, use_safetensors=True
        )
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}: not a usable text encoder ({' '.join(str(error).split())[:200]})") from None
    return tokenizer, encoder.eval().requires_grad_(False)
