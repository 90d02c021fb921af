"""Configuration: one YAML is one product, one block per step; the parser is built from the steps' signatures."""

import inspect
import json
import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace
from jsonargparse.typing import NonNegativeInt

from defectgen.errors import UserError
from defectgen.explain import explain
from defectgen.steps import Step
from defectgen.yaml_file import overlaid, read_overlay, read_yaml

_PLAIN = (str, int, float, bool, bytes, Path, type(None), type)


@dataclass(frozen=True)
class Settings:
    """Everything the user decided, with nothing left to look up."""

    path: Path  # the YAML file
    overlay: Path | None  # the YAML file laid over it
    command: str  # the command line, as typed
    product: str
    seed: int
    data: Path  # root folder of the outputs
    steps: tuple[Step, ...]  # those that take part
    resolved: dict[str, Any]  # the whole configuration as plain builtins
    sources: dict[str, list[Path]]  # step name -> the user's own files and folders named in its block
    arguments: dict[str, dict[str, Any]]  # step name -> keyword arguments, objects made
    elsewhere: Mapping[str, Path] = field(default_factory=dict)  # step name -> its folder, where not the usual one

    def block(self, step: Step) -> dict[str, Any]:
        """The step's resolved block as plain builtins."""
        tree: Any = self.resolved
        for part in step.name.split("."):
            tree = tree.get(part, {})
        return dict(tree)

    def folder(self, step: Step) -> Path:
        """Where the step writes."""
        return self.elsewhere.get(step.name) or step.folder(self.data, self.product)

    def text(self) -> str:
        """The resolved configuration as YAML that can be fed back in."""
        return yaml.safe_dump(self.resolved, sort_keys=False)


def read_settings(
    path: Path, command: str, overrides: Sequence[str], steps: Sequence[Step], overlay: Path | None = None
) -> Settings:
    """Read the YAML, lay another one over it, apply the overrides of the command line and make the objects named.

    Raises:
        UserError: missing or malformed file, unknown key or class, wrong value; of an overlay it names both files.
    """
    raw, files, source = read_yaml(path), ["--config", str(path)], str(path)
    if overlay is not None:
        raw, source = overlaid(raw, read_overlay(overlay)), f"{overlay} over {path}"
        files += ["--with", str(overlay)]
    given = [key for key, _ in _items(raw)]
    given += [word[2:].partition("=")[0] for word in overrides if word.startswith("--")]
    asked = [f"{key}." for key in (command, *given)]
    active = tuple(step for step in steps if not step.optional or any(key.startswith(f"{step.name}.") for key in asked))
    parser = build_parser(active)
    _default_to(parser, dict(_named(raw, overrides)))
    raw = _without_replaced(raw, dict(_named({}, overrides)))
    known = {step.name: None for step in steps} | _types(parser)
    raw = _without_empty_blocks(raw, {name.rpartition(".")[0] for name in known} | {s.name for s in steps}, source)
    config = _parse(parser, raw, overrides, known, source)
    if not re.fullmatch(r"\w[\w.-]*", config.product):
        raise UserError(f"{source}: product: {config.product!r} names folders; use letters, digits, _ - and . only")
    return Settings(
        path=path,
        overlay=overlay,
        command=shlex.join(["defectgen", command, *files, *overrides]),
        product=config.product,
        seed=config.seed,
        data=config.data,
        steps=active,
        resolved=json.loads(parser.dump(config, format="json", skip_unset=False)),
        sources={step.name: list(_paths(config.get(step.name))) for step in active},
        arguments={step.name: _arguments(parser, config, step, source) for step in active},
    )


def build_parser(steps: Sequence[Step], command: str = "run") -> ArgumentParser:
    """The parser of every command: the product's own keys and one block per step."""
    parser = ArgumentParser(
        prog=f"defectgen {command}", exit_on_error=False, allow_abbrev=False, print_config=None, add_help=False
    )
    parser.add_argument("--config", action="config", help="The product's YAML file; any key can be overridden here.")
    parser.add_argument("--product", type=str, required=True, help="Name of the product and of its folders.")
    parser.add_argument("--seed", type=NonNegativeInt, default=0, help="Everything random follows from it.")
    parser.add_argument("--data", type=Path, default=Path("data"), help="Root folder of the outputs.")
    for step in steps:
        parser.add_function_arguments(step.function(), step.name, skip={*step.filled()})
        for name, parameter in inspect.signature(step.function()).parameters.items():
            if _holds_objects(parameter.default):
                parser.set_defaults({f"{step.name}.{name}": _spelled_out(parameter.default)})
    return parser


def print_class_help(steps: Sequence[Step], words: Sequence[str]) -> None:
    """Print the settings of the class that `--block.key.help Name` among the words asks for.

    Raises:
        UserError: there is no such key or class.
    """
    parser = build_parser(steps)
    try:
        parser.parse_args(list(words))
    except SystemExit:  # how argparse ends after printing help
        return
    except ArgumentError as error:
        raise UserError(f"command line: {explain(str(error), _types(parser))}") from None


def _items(raw: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of the file, dotted where it lies within another one, and its value."""
    for key, value in raw.items():
        yield f"{inside}{key}", value
        if isinstance(value, Mapping):
            yield from _items(value, f"{inside}{key}.")


def _default_to(parser: ArgumentParser, classes: Mapping[str, str]) -> None:
    """Where a class is named, by its key, its own defaults hold, and none of those of the class it replaces.

    jsonargparse keeps the settings that both know by the same name. What is no class is left to it to refuse.
    """
    defaults = parser.get_defaults()
    for key in classes.keys() & _types(parser).keys():
        if isinstance(defaults.get(key), Namespace):
            with suppress(ValueError, TypeError, ArgumentError):
                parser.set_defaults({key: {"class_path": classes[key]}})


def _without_replaced(raw: Mapping[str, Any], classes: Mapping[str, str], inside: str = "") -> dict[str, Any]:
    """The file's keys; where the command line names another class, none of the settings of the file's."""
    kept: dict[str, Any] = {}
    for key, value in raw.items():
        name = f"{inside}{key}"
        if isinstance(value, Mapping):
            other = "class_path" in value and classes.get(name, value["class_path"]) != value["class_path"]
            kept[key] = {"class_path": classes[name]} if other else _without_replaced(value, classes, f"{name}.")
        else:
            kept[key] = value
    return kept


def _named(raw: Mapping[str, Any], overrides: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every key with a word that may name a class, in the file and then on the command line."""
    for key, value in _items(raw):
        if isinstance(value, str):
            yield key.removesuffix(".class_path"), value
    for word, following in pairwise([*overrides, "--"]):
        key, _, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and (value or not following.startswith("--")):
            yield key.removesuffix(".class_path"), value or following


def _without_empty_blocks(raw: Mapping[str, Any], blocks: set[str], source: str, inside: str = "") -> dict[str, Any]:
    """Drop blocks left empty, which mean all defaults, and refuse those that are no mapping."""
    kept: dict[str, Any] = {}
    for key, value in raw.items():
        name = f"{inside}{key}"
        if name not in blocks:
            kept[key] = value
        elif isinstance(value, Mapping):
            kept[key] = _without_empty_blocks(value, blocks, source, f"{name}.")
        elif value is not None:
            raise UserError(f"{source}: {name} is a block; give it keys and values, not {value}")
    return kept


def _parse(
    parser: ArgumentParser, raw: Mapping[str, Any], overrides: Sequence[str], known: Mapping[str, Any], source: str
) -> Namespace:
    from_file = ["--config", json.dumps(raw, default=str)]
    try:
        return _checked(parser, [*from_file, *overrides])
    except (ArgumentError, TypeError) as error:
        message = str(error)
    try:
        _checked(parser, from_file)
        where = "command line"
    except (ArgumentError, TypeError) as error:
        where = source if str(error) == message else "command line"
    raise UserError(f"{where}: {explain(message, known)}")


def _checked(parser: ArgumentParser, words: list[str]) -> Namespace:
    config = parser.parse_args(words)
    parser.validate(config, skip_unset=False)  # refuses null where a type does not allow it
    return config


def _arguments(parser: ArgumentParser, config: Namespace, step: Step, source: str) -> dict[str, Any]:
    """The step's keyword arguments, the objects named in its block made."""
    block = config.get(step.name)
    if block is None:
        return {}
    try:
        made = parser.instantiate(Namespace({step.name: block}))
    except (ValueError, TypeError) as error:  # a class refused its own settings
        raise UserError(f"{source}: {step.name}: {' '.join(str(error).split())}") from error
    return {name: plain_number(value) for name, value in vars(made.get(step.name)).items()}


def plain_number(value: Any) -> Any:
    """Numbers as builtins: jsonargparse makes checked ones of a class that a checkpoint must not hold."""
    if isinstance(value, tuple):
        return tuple(plain_number(item) for item in value)
    kind = next((kind for kind in (bool, int, float) if isinstance(value, kind)), None)
    return value if kind is None else kind(value)


def _types(parser: ArgumentParser) -> dict[str, Any]:
    """Every key the parser knows with its type."""
    actions = [a for a in parser._actions if a.dest != "config" and not a.dest.endswith(".help")]
    return {action.dest: getattr(action, "_typehint", action.type) for action in actions}


def _paths(value: Any) -> Iterator[Path]:
    """Every path in a parsed block, however deep."""
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Namespace | dict):
        for inner in (vars(value) if isinstance(value, Namespace) else value).values():
            yield from _paths(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _paths(inner)


def _holds_objects(default: Any) -> bool:
    return isinstance(default, list | tuple) and any(not isinstance(item, (*_PLAIN, list, tuple)) for item in default)


def _spelled_out(default: Sequence[Any]) -> list[dict[str, Any]]:
    """A list of objects as jsonargparse writes it; by itself it does so for a single default object only."""
    return [
        {
            "class_path": f"{type(item).__module__}.{type(item).__qualname__}",
            "init_args": {name: getattr(item, name) for name in inspect.signature(type(item)).parameters},
        }
        for item in default
    ]
