"""Turn jsonargparse's account of a bad setting into one line: which key, what was found, what is known.

The patterns follow jsonargparse 4.5x; a message that none of them knows is passed on, folded into one line.
"""

import inspect
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, get_args, get_origin

from defectgen.suggest import hint, nearest

_KEY = re.compile(r'Parser key "([^"]+)"')
_UNKNOWN = re.compile(
    r"unrecognized arguments: (?P<argument>[^\s=]+)"
    r"|Group '(?P<group>[^']+)' does not accept option '(?P<member>[^']+)'"
    r"|Option '(?P<option>[^']+)' is not accepted"
)
_CLASS = re.compile(r"class_path[ =]'([\w.]+)'")
_NO_CLASS = re.compile(
    r"Expected a dot import path string: (\S+)"
    r"|Import path (\S+) does not correspond"
    r"|class_path '(\S+)':\s+(?:No module named|module '[\w.]+' has no attribute)"
)
_VALUE = re.compile(r"(?:Got|Given) value: (.*?)(?=\. Got value|$)")
_EXPECTED = re.compile(r"Expected an? (?P<type>.+?)\. Got value|Subtypes: \[(?P<types>.*)\]")
_REQUIRED = re.compile(r"the following arguments are required: (.*)")


def explain(message: str, known: Mapping[str, Any]) -> str:
    """One line for a user out of a message of jsonargparse; `known` maps every key to its type."""
    key = ".".join(_KEY.findall(message))
    if missing := _REQUIRED.search(message):
        return f"missing: {missing[1]}"
    if unknown := _UNKNOWN.search(message):
        return _explain_unknown(unknown, key, message, known)
    if name := _NO_CLASS.search(message):
        wrong = next(filter(None, name.groups()))
        options = sorted(class_names(known.get(key)))
        return f"{key or 'help'}: there is no class {wrong}{hint(wrong.rpartition('.')[2], options)}"
    if "Not a valid subclass" in message or "is abstract" in message:
        return f"{key}: name one of the classes {', '.join(sorted(class_names(known.get(key))))}"
    if (expected := _EXPECTED.search(message)) and (value := _VALUE.search(message)):
        return f"{key}: {_explain_value(expected['type'] or expected['types'], value[1])}"
    return _KEY.sub(r"\1", " ".join(message.split()))


def unknown_key(key: str, known: Mapping[str, Any]) -> str:
    """Name the first part of a dotted key that is not known, and what may have been meant."""
    parts = key.split(".")
    inside = ""
    for part in parts:
        siblings = {name.removeprefix(inside).partition(".")[0] for name in known if name.startswith(inside)}
        if part not in siblings:
            break
        inside += f"{part}."
    elsewhere = [name for name in known if name.rpartition(".")[2] == parts[-1]]
    if not nearest(part, siblings) and elsewhere:
        return f"{inside}{part} is not a key; did you mean {elsewhere[0]}?"
    return f"{inside}{part} is not a key{hint(inside + part, [inside + name for name in sorted(siblings)])}"


def class_names(hint_type: Any) -> set[str]:
    """Short names of the classes a type accepts: `Sequence[Guide]` -> {"ClassifierFree", "Dynamic", ...}."""
    if get_origin(hint_type) is not None:
        inner = get_args(hint_type)
        makes = inner[-1:] if get_origin(hint_type) is Callable else inner
        return set().union(*map(class_names, makes))
    if not isinstance(hint_type, type) or hint_type.__module__ == "builtins":
        return set()
    below = set().union(*map(class_names, hint_type.__subclasses__()))
    return below if inspect.isabstract(hint_type) else below | {hint_type.__name__}


def _explain_unknown(found: re.Match[str], key: str, message: str, known: Mapping[str, Any]) -> str:
    if found["group"]:
        return unknown_key(f"{found['group']}.{found['member']}", known)
    if found["argument"]:
        word = found["argument"]
        if not word.startswith("--"):
            return f"{word} belongs to no option; write --block.key value, and lists as [a, b]"
        return unknown_key(word.removeprefix("--"), known)
    if not key:
        return unknown_key(found["option"], known)
    path = _CLASS.findall(message)
    if not path:
        return f"{key}: {found['option']} is not a key"
    module, _, name = path[-1].rpartition(".")
    parameters = inspect.signature(getattr(import_module(module), name)).parameters
    options = ["class_path", "init_args", *parameters]
    return f"{key}: {name} has no setting {found['option']}{hint(found['option'].partition('.')[0], options)}"


def _explain_value(expected: str, value: str) -> str:
    words = re.findall(r"'(\w+)'", " ".join(re.findall(r"Literal\[(.*?)\]", expected)))
    types = re.sub(r"typing\.Literal\[(.*?)\]", r"\1", re.sub(r"<class '(?:\w+\.)*(\w+)'>", r"\1", expected))
    types = types.replace("NoneType", "null").replace("Sequence", "list")
    if "list" in types and not value.startswith("["):
        return f"expected {types}, got {value}; write a list as [a, b]"
    if words and (near := nearest(value, words)):
        return f"{value} is not one of {types}; did you mean {near}?"
    value = "nothing" if value == "None" else value
    quote = " (YAML reads bare numbers, yes, no, on and off as something else: quote it)" if "str" in types else ""
    return f"{value} is not one of {types}" if words else f"expected {types}, got {value}{quote}"
