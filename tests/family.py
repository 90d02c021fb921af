"""The concrete classes of a family, so that a new class is tested the day it is written."""

import inspect
import pkgutil
from importlib import import_module
from typing import TypeVar

Kind = TypeVar("Kind")


def members(kind: type[Kind]) -> list[type[Kind]]:
    """Every concrete subclass the packages of mathematics and networks define, sorted by name."""
    for package in ("defectgen.diffusion", "defectgen.nn"):
        for module in pkgutil.iter_modules(import_module(package).__path__, f"{package}."):
            import_module(module.name)
    ours = [one for one in _below(kind) if one.__module__.startswith("defectgen.") and not inspect.isabstract(one)]
    return sorted(ours, key=lambda one: one.__name__)


def _below(kind: type[Kind]) -> set[type[Kind]]:
    return {one for child in kind.__subclasses__() for one in {child, *_below(child)}}
