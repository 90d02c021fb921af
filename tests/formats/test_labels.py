"""Class names: words as written, one spelling each."""

import pytest

from defectgen.errors import BadInput
from defectgen.formats.labels import check_label


@pytest.mark.parametrize("label", ["crack", "no", "012", "1e3", "nan", "Öl fleck", "true", "good"])
def test_words_stay_as_they_are(label: str) -> None:
    assert check_label("row 2", label, {label: 3}) == label


@pytest.mark.parametrize("label", ["", ".", "..", "a/b", "a\\b", " crack", "crack ", "a\nb", "a\0", ".pit", "x" * 300])
def test_what_can_name_no_folder_is_refused(label: str) -> None:
    with pytest.raises(BadInput, match=r"row 2: label .*; name its class with a word"):
        check_label("row 2", label, {})


@pytest.mark.parametrize("label", [12, None, False, ["crack"], 1.5])
def test_numbers_are_no_names(label: object) -> None:
    with pytest.raises(BadInput, match="is no text; put it into quotes"):
        check_label("row 2", label, {})


@pytest.mark.parametrize(
    ("label", "counts", "meant"),
    [
        ("Crack", {"Crack": 2, "crack": 9}, "crack"),
        ("crack", {"Crack": 9, "crack": 2}, "Crack"),
        ("CRACK", {"CRACK": 2, "crack": 2}, "crack"),
        ("Good", {"Good": 99}, "good"),
        ("Straße", {"Straße": 1, "strasse": 2}, "strasse"),
    ],
)
def test_of_two_spellings_the_rarer_is_refused_and_both_are_named(
    label: str, counts: dict[str, int], meant: str
) -> None:
    with pytest.raises(BadInput, match=f"{label!r} differs from {meant!r} only by case; write it {meant}"):
        check_label("row 2", label, counts)
    assert check_label("row 3", meant, counts) == meant
