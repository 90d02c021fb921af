"""YAML files as people write them: one mapping, and another one laid over it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeGuard

import yaml
from jsonargparse import get_loader

from defectgen.errors import UserError
from defectgen.suggest import hint

CELL = "cell"  # the block of an overlay that says where in the design it stands; see defectgen/sweep


def read_yaml(path: Path) -> dict[str, Any]:
    """The file's mapping, numbers such as 1e-4 read as numbers.

    Raises:
        UserError: no such file, not YAML, a key given twice, or no mapping.
    """
    if not path.is_file():
        nearby = [str(file) for folder in {path.parent, Path("configs")} for file in sorted(folder.glob("*.y*ml"))]
        raise UserError(f"{path}: no such file{hint(str(path), nearby)}")
    try:
        text = path.read_text(encoding="utf-8")
        _refuse_repeated_keys(yaml.compose(text), path)
        raw = get_loader("yaml")(text)
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path}{line}: {error.problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: not YAML: {error}") from None
    if not isinstance(raw, dict):
        raise UserError(f"{path}: expected keys and values such as `product: tile`")
    return raw


def read_overlay(path: Path) -> dict[str, Any]:
    """What a file lays over a product's.

    Raises:
        UserError: as `read_yaml`.
    """
    return {key: value for key, value in read_yaml(path).items() if key != CELL}


def overlaid(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """A file's keys with another one's over them, block by block; what names a class is replaced as a whole."""
    merged = dict(under)
    for key, value in over.items():
        below = under.get(key)
        merged[key] = overlaid(below, value) if _is_block(below) and _is_block(value) else value
    return merged


def _is_block(value: Any) -> TypeGuard[Mapping[str, Any]]:
    """Whether it holds keys of its own, not a class with those of its making."""
    return isinstance(value, Mapping) and "class_path" not in value


def _refuse_repeated_keys(node: yaml.Node | None, path: Path) -> None:
    """YAML keeps only the last of two equal keys; a block written twice would be lost without a word."""
    if not isinstance(node, yaml.MappingNode):
        return
    seen: set[str] = set()
    for key, value in node.value:
        if key.value in seen:
            raise UserError(f"{path}, line {key.start_mark.line + 1}: {key.value} is given twice; join the two")
        seen.add(key.value)
        _refuse_repeated_keys(value, path)
