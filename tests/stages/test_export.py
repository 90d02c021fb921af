"""Export: the card says first whether the data set helps, and one that hurts is refused unless told otherwise."""

from pathlib import Path

import pytest
from small import one_line, real_manifest, synthetic_manifest, unmeasured

from defectgen.errors import UserError
from defectgen.manifest import Manifest
from defectgen.stages.export import export
from defectgen.utility.verdict import Effect, Verdict

HURTS = Verdict(Effect(0.3, 0.5, -0.2, -0.3, -0.1), {"crack": Effect(0.4, 0.5, -0.1, -0.2, 0.1)}, 5, 40, 20)


@pytest.fixture
def manifests(tmp_path: Path) -> tuple[Path, Path]:
    made: list[Manifest] = [real_manifest(tmp_path / "ingest"), synthetic_manifest(tmp_path / "generate")]
    for manifest in made:
        manifest.save()
    return made[0].folder, made[1].folder


def test_a_data_set_that_hurts_is_refused(manifests: tuple[Path, Path], tmp_path: Path) -> None:
    evaluate, out = tmp_path / "evaluate", tmp_path / "out"
    HURTS.save(evaluate)
    with pytest.raises(UserError, match="hurts") as refused:
        export(out, *manifests, evaluate)
    message = one_line(refused.value)
    assert str(evaluate) in message and "-0.300 to -0.100" in message and "--export.although_it_hurts true" in message
    assert not out.exists()


def test_told_so_it_is_written_and_its_card_says_that_it_hurts(manifests: tuple[Path, Path], tmp_path: Path) -> None:
    evaluate, out = tmp_path / "evaluate", tmp_path / "out"
    HURTS.save(evaluate)
    export(out, *manifests, evaluate, although_it_hurts=True)
    lines = (out / "DATASET_CARD.md").read_text().splitlines()
    assert lines[2].startswith("**Verdict: hurts") and lines[4].startswith(
        "Detectors trained with this data set did worse"
    )
    assert (out / "mvtec/train/crack").is_dir() and (out / "coco/annotations.json").is_file()


def test_one_nobody_measured_is_written(manifests: tuple[Path, Path], tmp_path: Path) -> None:
    export(tmp_path / "out", *manifests, unmeasured(tmp_path / "evaluate"))
    assert "**Verdict: not measured: nothing to test on**" in (tmp_path / "out/DATASET_CARD.md").read_text()


def test_without_a_verdict_nothing_is_written(manifests: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run evaluate"):
        export(tmp_path / "out", *manifests, tmp_path / "evaluate")
    assert not (tmp_path / "out").exists()


def test_the_digest_follows_from_the_verdict_and_not_from_the_place(
    manifests: tuple[Path, Path], tmp_path: Path
) -> None:
    unmeasured(tmp_path / "one")
    unmeasured(tmp_path / "two")
    HURTS.save(tmp_path / "three")
    digests = [
        export(tmp_path / f"out-{name}", *manifests, tmp_path / name, although_it_hurts=True)
        for name in ("one", "two", "three")
    ]
    assert digests[0] == digests[1] != digests[2]
