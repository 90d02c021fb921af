"""Files of a source folder that belong to nothing: what the user may believe to be used, and is not."""

from collections import defaultdict
from pathlib import Path

from defectgen.formats.folders import MASKS
from defectgen.formats.tree import Tree
from defectgen.imaging.files import is_picture
from defectgen.problems import Problems

IGNORED = {".md", ".txt", ".pdf", ".html", ".db", ".ini"}  # what people and their systems leave beside pictures
NAMED = 20  # files of one kind in one folder that are named one by one


def note_strays(tree: Tree, problems: Problems) -> None:
    """Note the files nobody asked for, many of one kind together."""
    kinds: dict[tuple[Path, str, str], list[Path]] = defaultdict(list)
    for path in tree.unclaimed():
        if path.suffix.lower() not in IGNORED:
            kinds[(path.parent, *_fault(path, tree.root))].append(path)
    for (folder, what, mend), paths in kinds.items():
        if len(paths) > NAMED:
            problems.warn(folder, f"{len(paths)} files, {paths[0].name} the first: {what}", mend)
        else:
            for path in paths:
                problems.warn(path, what, mend)


def _fault(path: Path, root: Path) -> tuple[str, str]:
    """What is wrong with it and what to do."""
    if not is_picture(path):
        return f"no file that is read ({path.suffix or 'no ending'})", "save it as PNG, or move it away"
    if path.relative_to(root).parts[0] == MASKS:
        return "a mask of no picture", "call it as its picture is called, or remove it"
    return "belongs to no class", "move it into a class folder, name it in the table, or remove it"
