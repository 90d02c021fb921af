"""The page itself: a Jinja template, everything inlined, everything escaped."""

from collections.abc import Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from defectgen.page.tiles import jpeg

TEMPLATE = "report.html.j2"


def render(facts: Mapping[str, Any]) -> str:
    """The page as one HTML document that needs no other file."""
    environment = Environment(
        loader=PackageLoader("defectgen", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "duration": duration, "count": count, "jpeg": jpeg}
    return environment.get_template(TEMPLATE).render(facts)


def percent(share: float | None) -> str:
    """A share in [0, 1] as people read it."""
    return "–" if share is None else f"{share:.0%}"


def duration(seconds: float) -> str:
    """Seconds as the two largest units: 4.2 s, 3 min 05 s, 2 h 10 min."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def count(number: int, what: str = "") -> str:
    """A number with its digits in groups and, if given, what is counted, in the plural unless there is one."""
    noun = f" {what}{'' if number == 1 else 's'}" if what else ""
    return f"{number:,}{noun}"
