"""Copied: a drawn defect that repeats a training defect's picture is rejected, one that shares its shape passes."""

from dataclasses import replace

import cv2
import numpy as np
from cases import Knowing, control, defect, ellipse

from defectgen.quality.drawn import Drawn
from defectgen.quality.gates import Evidence
from defectgen.quality.gates.copied import Copied
from defectgen.quality.planted import planted


def textured(seed: int) -> Drawn:
    """The spot of `defect` with a texture of its own."""
    made = defect(seed, shape=ellipse(24, 14))
    noise = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, made.shape.shape), (0, 0), 2.5)
    result = np.where(made.shape, made.result + 15 * noise / noise.std(), made.result)
    return replace(made, result=np.rint(result).clip(0, 255).astype(np.uint8))


def test_a_copy_of_any_class_is_rejected_and_a_fresh_one_passes() -> None:
    evidence = Evidence(known := [textured(seed) for seed in range(6)], [control(0)], known, Knowing())
    gate = Copied()
    gate.prepare(evidence)
    reference = gate.reference(evidence)
    limit = gate.bounds(evidence, reference)[0].limit("pit")
    copy = planted(textured(4), control(1).clean, True, np.random.default_rng(0))
    assert reference.shape == (6,)
    assert np.isfinite(reference).all()
    assert gate.score(replace(copy, label_name="crack")) < min(limit, -0.6)
    assert np.mean([gate.score(textured(seed)) >= limit for seed in range(20, 25)]) > 0.6
    assert gate.score(evidence.real[0]) < limit  # it is its own copy, but was judged without its group
    assert reference[0] >= limit - 0.1


def test_without_training_defects_nothing_is_a_copy() -> None:
    gate = Copied()
    gate.prepare(Evidence([], [], [], Knowing()))
    assert gate.score(textured(0)) == 1.0
