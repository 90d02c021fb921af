"""The command line: `defectgen run --config x.yaml`, or one stage of it. `--help` answers without importing torch."""

import argparse
import errno
import io
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from defectgen.errors import UserError
from defectgen.steps import STEPS, Step
from defectgen.stopping import Terminated, sigterm_raises
from defectgen.suggest import hint
from defectgen.tools import TOOLS

if TYPE_CHECKING:
    from defectgen.config import Settings

Commands = Mapping[str, Sequence[Step]]

GOES_ON = "the same command goes on where it stopped"
MENDS = {  # what the disk may answer to a program that is right
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EROFS: "make the disk writable",
    errno.EACCES: "change its permissions",
    errno.EIO: "look after the disk",
    errno.EEXIST: "move the file away that is in its place",
    errno.ENOTDIR: "move the file away that is in the place of a folder",
    errno.EISDIR: "move the folder away that is in its place",
    errno.ENAMETOOLONG: "shorten it",
}
HELP = """usage: defectgen <command> --config configs/<product>.yaml [--block.key value ...]

Defects for your detector: a folder of real pictures in, a labelled data set of synthetic defects out.

the shortest way through:
  defectgen run --config configs/demo.yaml

commands:
  run       every stage in order; what is done and unchanged is skipped, what was killed goes on
{stages}

commands without a product:
{tools}

options of every command with one:
  --config FILE       the product's YAML, one block per stage
  --with FILE         a YAML laid over it, e.g. configs/design/heun.yaml
  --block.key VALUE   override one key of the YAML, e.g. --train.inpaint.steps 100
  --print_config      print all settings with their defaults as YAML, and stop
  --help              after a command: the keys of its block
  --block.key.help X  the settings of class X, e.g. --generate.solver.help Heun
"""


def main(words: Sequence[str] | None = None, steps: Sequence[Step] = STEPS) -> int:
    """Run a command line; returns the exit code.

    0 done, 1 problems found, 2 the user can mend it, 130 interrupted, 141 nobody reads its output, 143 terminated.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # names of files may have letters that the terminal lacks
    try:
        with sigterm_raises():
            code = _main(sys.argv[1:] if words is None else words, steps)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # `| head` has seen enough; what is still to be flushed goes nowhere
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except UserError as error:
        code, line = 2, f"error: {' '.join(str(error).split())}"
    except OSError as error:
        if error.errno not in MENDS:
            raise
        place = f"{error.filename}: " if error.filename else ""
        code, line = 2, f"error: {place}{error.strerror}; {MENDS[error.errno]}, {GOES_ON}"
    except Terminated:
        code, line = 143, f"terminated; {GOES_ON}"
    except KeyboardInterrupt:
        code, line = 130, f"interrupted; {GOES_ON}"
    print(f"defectgen: {line}", file=sys.stderr)
    return code


def _main(words: Sequence[str], steps: Sequence[Step]) -> int:
    commands = _commands(steps)
    if not words or words[0] in ("-h", "--help"):
        print(_help(commands))
        return 0 if words else 2
    command, *rest = words
    tools = {tool.command: tool for tool in TOOLS}
    if command in tools:
        return tools[command].run(rest)
    if command not in commands:
        raise UserError(f"there is no command {command}{hint(command, [*commands, *tools])}")
    options, overrides = _options(rest)
    from defectgen.config import build_parser, print_class_help, read_settings  # imports the stages and torch

    if options.help:
        build_parser(commands[command], command).print_help()
        return 0
    if any(word.partition("=")[0].endswith(".help") for word in overrides):
        print_class_help(commands[command], overrides)
        return 0
    if options.config is None:
        raise UserError(f"which product? defectgen {command} --config configs/<product>.yaml")
    settings = read_settings(options.config, command, overrides, steps, options.overlay)
    if options.print_config:
        print(settings.text(), end="")
        return 0
    _run(settings, [step for step in settings.steps if step in commands[command]])
    return 0


def _run(settings: "Settings", chosen: Sequence[Step]) -> None:
    from defectgen import pipeline, tracking

    ran = pipeline.run(settings, chosen)
    for step in chosen:
        for page in sorted(settings.folder(step).glob("*.html")):
            print(f"{step.name}: {page}")
    if ran:
        print(f"how it went: {tracking.ui_command()}")
    following = settings.steps[settings.steps.index(chosen[-1]) + 1 :]
    if following:
        print(f"next: {pipeline.command_for(settings, following[0])}")


def _commands(steps: Sequence[Step]) -> Commands:
    """Command -> the steps it runs."""
    stages = dict.fromkeys(step.command for step in steps)
    return {"run": steps} | {stage: [step for step in steps if step.command == stage] for stage in stages}


def _help(commands: Commands) -> str:
    stages = {name: "; ".join(step.summary for step in steps) for name, steps in commands.items() if name != "run"}
    tools = {tool.command: tool.summary for tool in TOOLS}
    return HELP.format(stages=_listed(stages), tools=_listed(tools))


def _listed(summaries: Mapping[str, str]) -> str:
    return "\n".join(f"  {name:9} {summary}" for name, summary in summaries.items())


def _options(words: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """The options of every command, and the rest: overrides of the YAML."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("-h", "--help", action="store_true")
    parser.add_argument("--config", type=Path)
    parser.add_argument("--with", type=Path, dest="overlay")
    parser.add_argument("--print_config", action="store_true")
    try:
        return parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise UserError(str(error)) from None


if __name__ == "__main__":
    sys.exit(main())
