"""Spilled: nothing may be drawn beside the plan."""

from defectgen.imaging.label import SMALL
from defectgen.imaging.region import grow
from defectgen.quality.drawn import Drawn
from defectgen.quality.gates.gate import Gate


class Spilled(Gate):
    """The defect must stay where it was planned: its score is the share of the label that lies on the shape.

    A pixel at 64 px about the shape still counts as the shape.
    """

    reason = "spilled"

    def score(self, drawn: Drawn) -> float:
        """In [0, 1]; 1 where nothing changed."""
        beside = drawn.label & ~grow(drawn.shape, drawn.side / SMALL)
        return 1 - float(beside.sum() / max(1, drawn.label.sum()))
