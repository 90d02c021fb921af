"""Problems: each is said once, in one line, whatever the names of files are made of."""

import csv
import pickle
from pathlib import Path

from defectgen.errors import BadInput
from defectgen.problems import HEADER, Problems, aligned, printable


def _some() -> Problems:
    problems = Problems()
    problems.warn("b.png", "soft", "look")
    for _ in range(2):
        problems.refuse(BadInput("table row 7", "no label", "name it"), Path("z.png"))
        problems.refuse(BadInput("z.png", "an empty file", "copy it"), Path("z.png"))
        problems.refuse(BadInput("annotation 3", "no picture", "export anew"))
        problems.warn("b.png", "soft", "look")
    return problems


def test_each_is_said_once_errors_first() -> None:
    lines = [f"{problem.severity} {problem}" for problem in _some().all()]
    assert lines == [
        "error annotation 3: no picture; export anew",
        "error table row 7: no label; name it",
        "error z.png: an empty file; copy it",
        "warning b.png: soft; look",
    ]


def test_a_picture_is_lost_once_and_so_is_what_belongs_to_none() -> None:
    lost = _some().lost()
    assert {subject: problem.what for subject, problem in lost.items()} == {
        "annotation 3": "no picture",
        "z.png": "no label",
    }
    assert next(iter(lost)) == "annotation 3"


def test_the_table_reads_back(tmp_path: Path) -> None:
    problems = _some()
    problems.refuse(BadInput('a, "b"\n\udce9.png', "x", "y"))
    problems.save(tmp_path / "problems.csv")
    with (tmp_path / "problems.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == HEADER and len(rows) == 5
    assert ["error", 'a, "b"??.png', "x", "y"] in rows


def test_printable_keeps_what_can_be_printed() -> None:
    assert printable(Path("größe  1.png")) == "größe  1.png"
    assert printable("a\tb\x1b[31m\0") == "a?b?[31m?"


def test_columns_stand_under_each_other() -> None:
    assert aligned([("name", "count"), ("a", 7), ("longer", 1234567)]) == "\n".join(
        ["name    count", "a             7", "longer  1234567"]
    )


def test_bad_input_travels_between_processes() -> None:
    error = pickle.loads(pickle.dumps(BadInput(Path("a.png"), "empty", "copy it")))
    assert str(error) == "a.png: empty; copy it" and (error.where, error.mend) == ("a.png", "copy it")
