"""The families of defects that can be drawn, by label."""

from defectgen.drawing.blobs import Pit, Stain
from defectgen.drawing.defect import Defect
from defectgen.drawing.dents import Dent
from defectgen.drawing.extra import Extra
from defectgen.drawing.gone import Chip, Missing
from defectgen.drawing.patch import Patch
from defectgen.drawing.rust import Rust
from defectgen.drawing.shifts import Bend, Smear, ThreadPull
from defectgen.drawing.spots import Spots
from defectgen.drawing.strokes import Crack, Scratch
from defectgen.drawing.veils import Band, Blob

FAMILIES: dict[str, Defect] = {"scratch": Scratch(), "pit": Pit(), "stain": Stain(), "crack": Crack()}
"""What the demo products have."""

TAUGHT: dict[str, Defect] = {
    **FAMILIES,
    "chip": Chip(),
    "dent": Dent(),
    "rust": Rust(),
    "missing": Missing(),
    "extra": Extra(),
    "blob": Blob(),
    "band": Band(),
    "threadpull": ThreadPull(),
    "bend": Bend(),
    "smear": Smear(),
    "patch": Patch(),
    "spots": Spots(),
}
"""What the teacher draws, in the order of the prior's labels."""
