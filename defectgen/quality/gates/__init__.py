"""Gates: what a drawn defect must satisfy to be accepted."""

from defectgen.quality.gates.agreement import Agreement
from defectgen.quality.gates.calibration import POOLED, Calibration, Limit, calibrate
from defectgen.quality.gates.contrast import Contrast
from defectgen.quality.gates.copied import Copied
from defectgen.quality.gates.extent import Extent
from defectgen.quality.gates.filled import Filled
from defectgen.quality.gates.gate import Evidence, Gate
from defectgen.quality.gates.legal import Legal
from defectgen.quality.gates.seam import Seam
from defectgen.quality.gates.spilled import Spilled

__all__ = [
    "POOLED",
    "Agreement",
    "Calibration",
    "Contrast",
    "Copied",
    "Evidence",
    "Extent",
    "Filled",
    "Gate",
    "Legal",
    "Limit",
    "Seam",
    "Spilled",
    "calibrate",
]
