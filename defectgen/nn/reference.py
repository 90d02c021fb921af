"""An example defect as a network sees it: a few convolutions down to tokens of places, and their mean."""

import torch
from torch import Tensor, nn

from defectgen.condition import Condition
from defectgen.nn.embed import Embedder, Told
from defectgen.nn.layers import Downsample, Entry, norm, zeroed
from defectgen.spec import DataSpec


class ReferenceEmbedder(Embedder):
    """Tokens of the places of an example, an eighth of its side, and the vector of it as a whole."""

    reads = True

    def __init__(self, spec: DataSpec, size: int, width: int) -> None:
        super().__init__()
        self.places = nn.Sequential(
            Entry(spec.channels + 1, width, 2),
            *(nn.Sequential(norm(width << n), nn.SiLU(), Downsample(width << n, width << n + 1)) for n in range(2)),
            norm(4 * width),
            nn.SiLU(),
        )
        self.tokens, self.whole = nn.Linear(4 * width, size), zeroed(nn.Linear(4 * width, size))

    def forward(self, cond: Condition) -> Told:
        assert cond.reference is not None, "a network that looks at an example was given none"
        states = self.places(cond.reference).flatten(2).transpose(1, 2)
        heard = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        return Told(self.whole(states.mean(dim=1)), self.tokens(states), heard)

    @torch.no_grad()
    def begin(self, untold: Tensor) -> None:
        self.whole.bias.copy_(untold)
