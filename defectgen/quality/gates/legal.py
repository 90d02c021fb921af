"""Legal: a defect lies on the part."""

from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Gate


class Legal(Gate):
    """The defect must lie where one may: its score is the share of the label that lies on the legal region."""

    reason = "legal"

    def score(self, drawn: Drawn) -> float:
        """In [0, 1]; 1 where nothing changed."""
        return 1 - float((drawn.label & ~drawn.legal).sum() / max(1, drawn.label.sum()))
