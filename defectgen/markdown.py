"""Tables in Markdown."""

import re
from collections.abc import Sequence
from html import escape


def tabulated(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table, its first column to the left and the others to the right."""
    lines = [header, ["---", *["--:"] * (len(header) - 1)], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def plain(text: str) -> str:
    """A name or sentence as it is, whatever stands in it: no markup, no new cell."""
    return re.sub(r"([|*`\[\]])", r"\\\1", escape(text, quote=False))
