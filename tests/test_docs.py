"""The documents speak of the code as it is."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("docs/*.md"), *ROOT.glob("reports/*.md"), ROOT / "README.md"])
named = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


@named
def test_links_lead_to_files(document: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)", document.read_text())
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_every_name_in_the_mathematics_is_one_of_the_code() -> None:
    """Words in backticks are identifiers or files."""
    code = "\n".join(path.read_text() for path in (ROOT / "defectgen").rglob("*.py"))
    identifiers = set(re.findall(r"\w+", code))
    quoted = re.findall(r"`([^`\n]+)`", (ROOT / "docs/mathematics.md").read_text())
    assert len(quoted) > 40
    for text in quoted:
        path = "/" in text
        assert (ROOT / text).exists() if path else identifiers.issuperset(re.findall(r"[A-Za-z_]\w*", text)), text
