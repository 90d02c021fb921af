"""The families of defects that can be drawn, by label."""

from defectgen.drawing.blobs import Pit, Stain
from defectgen.drawing.defect import Defect
from defectgen.drawing.strokes import Crack, Scratch

FAMILIES: dict[str, Defect] = {"scratch": Scratch(), "pit": Pit(), "stain": Stain(), "crack": Crack()}
