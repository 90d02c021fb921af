"""The card of an exported data set counts what is there and says of every class what the study found."""

from pathlib import Path

import pytest
from small import real_manifest, synthetic_manifest

from defectgen.formats.card import MEANING, card
from defectgen.manifest import Manifest
from defectgen.utility.verdict import Effect, Verdict, not_measured

HELPS = Verdict(Effect(0.5, 0.3, 0.2, 0.1, 0.3), {"crack": Effect(0.6, 0.5, 0.1, 0.05, 0.2)}, 5, 40, 20)


@pytest.fixture
def manifests(tmp_path: Path) -> tuple[Manifest, Manifest]:
    return synthetic_manifest(tmp_path / "drawn"), real_manifest(tmp_path / "real")


def rows_of(text: str) -> dict[str, list[str]]:
    cells = [line.strip("|").split(" | ") for line in text.splitlines() if line.startswith("|")]
    return {row[0].strip(): [value.strip() for value in row[1:]] for row in cells}


def test_the_verdict_comes_first(manifests: tuple[Manifest, Manifest]) -> None:
    lines = card(*manifests, HELPS, ["coco"]).splitlines()
    assert lines[0].startswith("# ") and lines[2] == f"**Verdict: {HELPS.sentence}**"


def test_counts_are_of_what_is_exported(manifests: tuple[Manifest, Manifest]) -> None:
    """Accepted defects only, clean pictures of the training split only."""
    text = card(*manifests, HELPS, ["mvtec", "coco"])
    assert "2 synthetic pictures with 3 labelled defects, and 2 clean pictures" in text
    rows = rows_of(text)
    assert rows["crack"] == ["2", "2", "1", "helps", HELPS.classes["crack"].words]
    assert rows["dent"] == ["1", "1", "1", "not measured", "–"]
    assert rows["train"] == ["3", "3", "2"] and rows["test"] == ["1", "1", "0"] and rows["val"] == ["0", "0", "0"]


def test_weights_it_came_from_are_named(manifests: tuple[Manifest, Manifest]) -> None:
    drawn, real = manifests
    instances = drawn.instances.assign(checkpoint=["weights"] * 4 + ["others, of a failed one"])
    text = card(Manifest(drawn.folder, drawn.images, instances), real, HELPS, ["coco"])
    assert "`weights`" in text and "others" not in text


@pytest.mark.parametrize("difference", [0.2, -0.2, 0.0])
def test_every_state_has_its_meaning(manifests: tuple[Manifest, Manifest], difference: float) -> None:
    for margin in (0.01, 0.5):
        effect = Effect(0.5, 0.5 - difference, difference, difference - margin, difference + margin)
        assert MEANING[effect.state] in card(*manifests, Verdict(effect, {}, 1, 1, 1), ["coco"])


def test_what_was_not_measured_claims_no_measurement(manifests: tuple[Manifest, Manifest]) -> None:
    text = card(*manifests, not_measured("no <test> pictures"), ["coco"])
    assert "**Verdict: not measured: no &lt;test&gt; pictures**" in text and "Measured on" not in text
