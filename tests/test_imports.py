"""Imports point one way: stages -> ... -> learn, imaging -> nn -> diffusion -> condition."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import defectgen

ROOT = Path(defectgen.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
ROOMS = {room: sorted((ROOT / room).rglob("*.py")) for room in ("diffusion", "nn")}
# From the bottom up: a room may import from those left of it and from its own.
ORDER = ("condition", "diffusion", "nn", "learn", "utility", "engines", "stages")


def imports(file: Path) -> Iterator[str]:
    """Every module a file imports, wherever in it, as "package.module.name"."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: import by the full name"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def importers(package: str) -> list[str]:
    """The files that import a package."""
    found = [file for file in FILES if any(within(name, package) for name in imports(file))]
    return [file.relative_to(ROOT).as_posix() for file in found]


def within(name: str, package: str) -> bool:
    return f"{name}.".startswith(f"{package}.")


def room_of(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


@pytest.mark.parametrize("room", ORDER)
def test_no_room_imports_from_above_itself(room: str) -> None:
    above = [f"defectgen.{other}" for other in ORDER[ORDER.index(room) + 1 :]]
    for file in FILES:
        if room_of(file) == room:
            assert not [name for name in imports(file) for other in above if within(name, other)], file


def test_only_the_pipeline_asks_for_stages() -> None:
    """Everything else, in whatever room, would be a stage's part that cannot be used without it."""
    assert [name for name in importers("defectgen.stages") if not name.startswith("stages/")] == []


@pytest.mark.parametrize("file", [*ROOMS["diffusion"], ROOT / "condition.py"], ids=lambda file: file.name)
def test_the_mathematics_imports_torch_and_condition_and_nothing_else(file: Path) -> None:
    allowed = {"torch", "defectgen.condition", "defectgen.diffusion"}
    foreign = [name for name in imports(file) if name.partition(".")[0] not in sys.stdlib_module_names]
    assert [name for name in foreign if not any(within(name, package) for package in allowed)] == []


@pytest.mark.parametrize("file", ROOMS["nn"], ids=lambda file: file.name)
def test_networks_import_the_mathematics_and_the_spec_and_nothing_else_of_ours(file: Path) -> None:
    allowed = ("defectgen.condition", "defectgen.diffusion", "defectgen.nn", "defectgen.spec")
    ours = [name for name in imports(file) if within(name, "defectgen")]
    assert [name for name in ours if not any(within(name, package) for package in allowed)] == []


@pytest.mark.parametrize(
    ("package", "owner"),
    [("mlflow", "tracking/server.py"), ("albumentations", "imaging/augment.py")],
)
def test_libraries_that_may_have_to_go_are_known_to_one_file(package: str, owner: str) -> None:
    assert importers(package) == [owner]
