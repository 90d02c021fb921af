"""Did you mean: the known name nearest to a mistyped one."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, whatever its capitals, or None where nothing comes near."""
    spelled = {option.lower(): option for option in known}
    matches = get_close_matches(name.lower(), spelled, n=1)
    return spelled[matches[0]] if matches else None


def hint(name: str, known: Iterable[str]) -> str:
    """The end of an error line: the nearest known name, otherwise all of them, otherwise nothing."""
    options = list(known)
    near = nearest(name, options)
    if near:
        return f"; did you mean {near}?"
    return f" (known: {', '.join(options)})" if options else ""
