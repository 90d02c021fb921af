"""Commands that belong to no product: what they are told stands on the command line, and they return an exit code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module

from defectgen.errors import UserError


@dataclass(frozen=True)
class Tool:
    """One such command, known by name until it is needed. The function's signature is the command line's schema."""

    command: str
    target: str  # "module:function"; what has no default is given by position
    summary: str  # one line for `defectgen --help`

    def run(self, words: Sequence[str]) -> int:
        """Run it with the rest of the command line; returns its exit code.

        Raises:
            UserError: a word that the function does not know, or a value of the wrong type.
        """
        from jsonargparse import ArgumentError, ArgumentParser

        from defectgen.config import plain_number

        module_name, _, name = self.target.partition(":")
        function: Callable[..., int] = getattr(import_module(module_name), name)
        parser = ArgumentParser(prog=f"defectgen {self.command}", exit_on_error=False, allow_abbrev=False)
        parser.add_function_arguments(function, as_positional=True)
        try:
            given = parser.instantiate(parser.parse_args(list(words)))
        except ArgumentError as error:
            reason = " ".join(str(error).split())
            raise UserError(f"command line: {reason}; see `defectgen {self.command} --help`") from None
        return function(**{key: plain_number(value) for key, value in vars(given).items()})


TOOLS: tuple[Tool, ...] = (
    Tool("validate", "defectgen.stages.validate:validate", "name every problem of a folder of pictures and masks"),
    Tool("pretrain", "defectgen.stages.pretrain:pretrain", "teach a prior by drawings, to start every product from"),
    Tool("compare", "defectgen.stages.compare:compare", "put the studies of all products side by side"),
    Tool("sweep", "defectgen.stages.sweep:sweep", "draw the same defects by every cell of the design, side by side"),
    Tool("benchmark", "defectgen.stages.benchmark:benchmark", "measure how fast this machine trains and draws"),
)
