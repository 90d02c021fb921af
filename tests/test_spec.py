"""DataSpec: what a network is built from survives the file, and a broken file is named."""

from pathlib import Path

import pytest
from small import one_line

from defectgen.errors import UserError
from defectgen.spec import DataSpec


def test_the_spec_reads_back_as_written(tmp_path: Path) -> None:
    spec = DataSpec(3, ["good", "no", "012", "crack: deep"], 0.123456789, 64, [])
    spec.save(tmp_path)
    assert DataSpec.load(tmp_path) == spec
    assert [spec.number(label) for label in spec.classes] == [0, 1, 2, 3]
    assert spec.context == 3


def test_an_upsampler_sees_surroundings_and_low_resolution_picture_in_every_colour(tmp_path: Path) -> None:
    spec = DataSpec(3, ["good", "pit"], 0.3, 256, upsampled=True)
    spec.save(tmp_path)
    assert DataSpec.load(tmp_path) == spec and spec.context == 6


def test_a_spec_written_before_there_were_upsamplers_is_an_inpainters(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("channels: 1\nclasses: [good, pit]\nsigma_data: 0.3\nsize: 64\nflips: []\n")
    spec = DataSpec.load(tmp_path)
    assert not spec.upsampled and spec.context == 1


@pytest.mark.parametrize("text", [None, "just words", "channels: 1", "channels: [", "- 1\n- 2"])
def test_a_spec_that_cannot_be_read_is_named(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "spec.yaml").write_text(text)
    with pytest.raises(UserError, match=r"spec\.yaml: cannot be read .*run patch again") as error:
        DataSpec.load(tmp_path)
    one_line(error.value)
