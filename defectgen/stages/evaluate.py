"""evaluate: does the synthetic data help a detector? Every arm, every seed, real test pictures, one verdict."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
from jsonargparse.typing import NonNegativeInt, PositiveInt

from defectgen import tracking
from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic, write_image
from defectgen.joined import with_healed
from defectgen.learn.checkpoint import CHECKPOINT
from defectgen.learn.critic import load_critic
from defectgen.manifest import Manifest, write_table
from defectgen.quality.inception import scripted_features
from defectgen.quality.texture import critic_features, texture_features
from defectgen.source import PLAN, Source
from defectgen.spec import DataSpec
from defectgen.utility import charts
from defectgen.utility.arms import Arm, build, sheet_of
from defectgen.utility.classifier import ImageClassifier
from defectgen.utility.detector import Detector
from defectgen.utility.draws import MOST_ADDED
from defectgen.utility.facts import counted, gather
from defectgen.utility.likeness import Extractor, likeness
from defectgen.utility.measure import SHAM, TEST, UNTOUCHED, VAL, measure
from defectgen.utility.page import page
from defectgen.utility.pictures import load
from defectgen.utility.pools import Materials, seam_pairs
from defectgen.utility.segmenter import PixelSegmenter
from defectgen.utility.study import (
    BASELINE,
    CHART_FOLDER,
    DIFFERENCE_TABLE,
    FIDELITY_TABLE,
    FIGURE_TABLE,
    PAGE,
    SELECTED,
    Study,
)
from defectgen.utility.trials import Trials
from defectgen.utility.types import Picture
from defectgen.utility.verdict import Verdict, not_measured

SHOWN = 32  # pictures on the sheet of an arm


def evaluate(
    out: Path,
    ingest: Path,
    patch: Path,
    critic: Path,
    plan: Path,
    generate: Path,
    seed: int,
    name: str,
    heal: Path | None = None,
    *,
    arms: list[str] = [BASELINE, "copy_paste", SELECTED],  # noqa: B006 - never changed
    detectors: Sequence[Detector] = (ImageClassifier(), PixelSegmenter()),
    seeds: NonNegativeInt = 3,
    size: PositiveInt = 160,
    ratios: list[float] = [0.25, 0.5],  # noqa: B006 - never changed
    replicates: PositiveInt = 1000,
    network: Path | None = None,
) -> str:
    """Train detectors with and without the synthetic data and judge them on real test pictures.

    Args:
        out: folder of the verdict, utility.md, the tables, charts, sheets and readings.
        ingest: folder of the real pictures.
        patch: folder of the DataSpec.
        critic: folder of the critic, whose features fidelity is measured by.
        plan: folder of the plan.
        generate: folder of the synthetic pictures.
        seed: of every draw, first weight and resampling.
        name: product.
        heal: folder of the healed pictures, which defects may be drawn on; None where none were healed.
        arms: what detectors are trained on; all are compared with `augmented`, the verdict is that on `selected`.
        detectors: what is trained; the first that tells the classes of pictures gives the verdict.
        seeds: trainings of each detector in each arm; 0 measures nothing.
        size: side of the pictures as detectors see them, in pixels.
        ratios: shares of synthetic defects among all defect draws to choose from on val, each at most 0.5.
        replicates: resamplings of an interval.
        network: a TorchScript network of yours, Inception say, whose features fidelity is measured by too.
    """
    _check(arms, detectors, ratios)
    spec, source = DataSpec.load(patch), Source(Manifest.load(ingest))
    if obstacle := _obstacle(source, seeds):
        return _conclude(out, not_measured(obstacle), [])
    features = _features(critic, network)
    start = time.perf_counter()
    drawn_on = Source(with_healed(ingest, heal))
    materials = Materials.of(drawn_on, Manifest.load(generate), pd.read_parquet(plan / PLAN), spec, size, seed)
    built = build(arms, materials)
    _write_sheets(out / "sheets", built)
    real = {split: load(source, spec, split, size) for split in ("train", VAL, TEST)}
    real["train"] = [picture for picture in real["train"] if picture.picture_id not in materials.held]
    untouched, sham = seam_pairs(materials)
    spent = {"pictures": time.perf_counter() - start}
    shown = {VAL: real[VAL], TEST: real[TEST], SHAM: sham, UNTOUCHED: untouched}
    trials = Trials(out, replace(spec, size=size), real["train"], shown, seed)
    measured = measure(trials, built, detectors, seeds, ratios, replicates, spec.classes)
    spent["trainings"] = measured.seconds
    study = Study(
        facts=gather(name, size, detectors, seeds, counted(real, spec.classes), measured.chosen, len(sham), spent),
        detector=measured.detector,
        classes=spec.classes,
        arms=built,
        figures=measured.figures,
        differences=measured.differences,
        fidelity=likeness(built, real["train"], spec.classes, features, seed),
        verdict=measured.verdict,
        readings=measured.test,
    )
    _write(out, study, real[TEST])
    _record(out, study)
    return _conclude(out, study.verdict, [study.figures, study.differences, study.fidelity])


def _check(arms: Sequence[str], detectors: Sequence[Detector], ratios: Sequence[float]) -> None:
    """Before the work of an hour begins."""
    if len(set(arms)) < len(arms):
        raise UserError(f"evaluate.arms: {list(arms)} names an arm twice; name each once")
    for needed in (BASELINE, SELECTED):
        if needed not in arms:
            raise UserError(f"evaluate.arms: the verdict compares {SELECTED} with {BASELINE}; add {needed}")
    names = [detector.name for detector in detectors]
    if not names or len(set(names)) < len(names):
        raise UserError(f"evaluate.detectors: {names} must be different classes, at least one")
    if not ratios or not all(0 < ratio <= MOST_ADDED for ratio in ratios):
        raise UserError(f"evaluate.ratios: {list(ratios)} must be shares above 0, at most {MOST_ADDED}")


def _obstacle(source: Source, seeds: int) -> str:
    """Why nothing can be measured; empty where it can."""
    if not seeds:
        return "evaluate.seeds is 0"
    for split in ("train", "val", "test"):
        if source.defects(split).empty:
            return f"the split {split} has no defect"
        if not source.clean(split):
            return f"the split {split} has no good picture"
    return ""


def _features(critic: Path, network: Path | None) -> dict[str, Extractor]:
    """What fidelity is measured by."""
    features: dict[str, Extractor] = {"texture": texture_features}
    features["critic"] = partial(critic_features, load_critic(critic / CHECKPOINT))
    if network:
        features[network.stem] = scripted_features(network)
    return features


def _write_sheets(folder: Path, arms: Sequence[Arm]) -> None:
    """A sheet of what each arm adds."""
    for arm in arms:
        if arm.added:
            write_image(folder / f"{arm.name}.png", sheet_of(arm, SHOWN))


def _write(out: Path, study: Study, test: Sequence[Picture]) -> None:
    """Tables, charts and the page."""
    write_table(out / FIGURE_TABLE, study.figures)
    write_table(out / DIFFERENCE_TABLE, study.differences)
    write_table(out / FIDELITY_TABLE, study.fidelity)
    charts.write(out / CHART_FOLDER, study, {picture.picture_id: picture for picture in test})
    write_atomic(out / PAGE, page(study).encode())


def _record(out: Path, study: Study) -> None:
    """Tell the tracking: a nested run per arm and seed, and everything a person would open."""
    for (arm, seed), table in study.figures.groupby(["arm", "seed"], sort=False):
        with tracking.stage_run(f"{arm}, seed {seed}", {"arm": arm, "seed": seed}):
            named = zip(table["detector"], table["figure"], table["label"], table["value"], strict=True)
            tracking.log_metrics({"/".join(filter(None, name)): value for *name, value in named})
    pictures = [out / "sheets" / f"{arm.name}.png" for arm in study.arms]
    for path in filter(Path.is_file, [*pictures, *sorted((out / CHART_FOLDER).glob("*.png"))]):
        tracking.log_picture(path, f"{path.parent.name}/{path.stem}")
    tracking.log_artifact(out / PAGE)


def _conclude(out: Path, verdict: Verdict, tables: Sequence[pd.DataFrame]) -> str:
    """Write the verdict, say it, and return the digest of what the later stages read."""
    verdict.save(out)
    if verdict.overall:
        tracking.log_metrics({"difference": verdict.overall.difference})
        print(f"  look at {out / PAGE}")
    print(f"  {verdict.sentence}", flush=True)
    return hashlib.sha256("|".join([verdict.sentence, *(table.to_json() for table in tables)]).encode()).hexdigest()
