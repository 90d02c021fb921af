"""All training defects show one part: nothing is known of another one's, and no gate may reject everything for it."""

from dataclasses import replace

import numpy as np
from cases import defect, evidence

from defectgen.quality.gates import (
    Agreement,
    Contrast,
    Copied,
    Extent,
    Filled,
    Gate,
    Legal,
    Seam,
    Spilled,
    calibrate,
)

GATES: list[Gate] = [Filled(), Spilled(), Contrast(), Seam(), Extent(), Legal(), Agreement(), Copied()]


def test_a_defect_like_the_real_ones_passes_though_all_of_these_show_one_part() -> None:
    known = evidence()
    calibration = calibrate(GATES, replace(known, real=[replace(one, group="the one") for one in known.real[:6]]))
    assert not np.isnan([limit.limit for limit in calibration.limits]).any()
    assert calibration.judge(defect(77, group="the one"))[1] == []
