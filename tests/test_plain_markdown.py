import pytest

from defectgen.markdown import plain, tabulated


@pytest.mark.parametrize("name", ["a|b", "*bold*", "`code`", "[link](x)"])
def test_a_name_brings_no_markup_of_its_own(name: str) -> None:
    told = plain(name)
    assert told.replace("\\", "") == name
    assert all(told[place - 1] == "\\" for place, letter in enumerate(told) if letter in "|*`[]")


def test_html_in_a_name_is_text() -> None:
    assert plain("<script>") == "&lt;script&gt;"


def test_a_table_has_as_many_cells_as_its_header() -> None:
    table = tabulated(["class", "n"], [[plain("a|b"), "1"]])
    assert [line.replace("\\|", "").count("|") for line in table.splitlines()] == [3, 3, 3]
