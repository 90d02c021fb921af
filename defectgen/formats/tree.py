"""The files below a source folder: the one place where a name in a table or a JSON becomes a path.

A name is looked up among the files that were found by walking the folder, so it can never lead out of it: not by
being absolute, not by `..`, not by a link. Names are compared in Unicode's composed form (NFC), because disks, tables
and file servers disagree about how to write an "ä". Hidden files (`.DS_Store`, `._0001.png`) are not seen.
"""

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from unicodedata import normalize

from defectgen.errors import BadInput
from defectgen.imaging.files import is_picture

Entry = os.DirEntry[str]


class Tree:
    """Files and folders below a root by name, and which of the files somebody asked for.

    folders: names of the folders, relative to the root, sorted.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.folders: list[str] = []
        self._files: dict[str, Path] = {}
        self._refused: dict[str, list[BadInput]] = defaultdict(list)
        self._claimed: set[Path] = set()
        for entry in self._walk():
            self._enter(Path(entry.path), entry)
        self._by_case = {name.casefold(): name for name in self._files}

    def find(self, where: object, name: str, folder: str = ".") -> Path:
        """The file of this name, relative to `folder` or to the root, with "/" between folders.

        where: who names it.

        Raises:
            BadInput: there is no such file, it cannot be used, or the name leads out of the folder.
        """
        fault = _fault(name)
        if fault:
            raise BadInput(where, f"{name} {fault}", f"use a path below {self.root}, relative to it, with /")
        names = [_spelled(f"{folder}/{name}"), _spelled(name)]
        for error in [error for spelled in names for error in self._refused.get(spelled, [])]:
            self.claim(Path(error.where))
            raise BadInput(where, f"{name}: {error.what}", error.mend)
        for spelled in names:
            if spelled in self._files:
                return self.claim(self._files[spelled])
        other = self._by_case.get(names[0].casefold()) or self._by_case.get(names[1].casefold())
        mend = f"the folder has {other}: write it so" if other else "correct the path or remove the row"
        raise BadInput(where, f"{name}: no such file", mend)

    def mention(self, name: str) -> None:
        """Note that the data set names a file, if there is one of this name."""
        path = self._files.get(_spelled(name))
        if path:
            self.claim(path)

    def claim(self, path: Path) -> Path:
        """Note that a file belongs to the data set."""
        self._claimed.add(path)
        return path

    def pictures(self, folder: str) -> list[Path]:
        """What lies directly in a folder (one of `folders`) and is a picture by its name, sorted."""
        return [path for name, path in self._files.items() if name.rpartition("/")[0] == folder and is_picture(path)]

    def unclaimed(self) -> list[Path]:
        """The files nobody asked for, sorted."""
        return [path for path in self._files.values() if path not in self._claimed]

    def refused(self) -> list[BadInput]:
        """The files that cannot be used by any name and that nobody asked for."""
        refused = [error for errors in self._refused.values() for error in errors]
        return [error for error in refused if Path(error.where) not in self._claimed]

    def _walk(self) -> Iterator[Entry]:
        """Everything below the root, however deep; links to folders are not followed."""
        ahead = self._listed(self.root)
        while ahead:
            entry = ahead.pop()
            yield entry
            if entry.is_dir(follow_symlinks=False):
                ahead += self._listed(entry.path)

    def _listed(self, folder: Path | str) -> list[Entry]:
        """What lies directly in a folder and is not hidden, the last name first."""
        try:
            with os.scandir(folder) as found:
                seen = [entry for entry in found if not entry.name.startswith(".")]
        except OSError as error:
            self._refuse(Path(folder), f"cannot be opened ({error.strerror})", "allow reading it, or move it away")
            return []
        return sorted(seen, key=lambda entry: entry.name, reverse=True)

    def _enter(self, path: Path, entry: Entry) -> None:
        name = self._name(path)
        folder = entry.is_dir(follow_symlinks=False)
        if folder and _is_text(name):
            self.folders.append(name)
        if not _is_text(name):
            self._refuse(path, "its name is not written in UTF-8", "rename it")
        elif entry.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(self.root)):
            self._refuse(path, "a link that leaves the folder", "copy here what it points to")
        elif entry.is_symlink() and path.is_dir():
            self._refuse(path, "a link to a folder, which is not followed", "copy here what it points to")
        elif name in self._files or name in self._refused:
            for twin in filter(None, (path, self._files.pop(name, None))):
                self._refuse(twin, "another file's name differs only in how its Unicode is written", "rename one")
        elif not folder or is_picture(path):  # a folder may be named like a picture, and is then no picture
            self._files[name] = path

    def _name(self, path: Path) -> str:
        return _spelled(path.relative_to(self.root).as_posix())

    def _refuse(self, path: Path, what: str, mend: str) -> None:
        self._refused[self._name(path)].append(BadInput(path, what, mend))


def _spelled(name: str) -> str:
    return normalize("NFC", PurePosixPath(name).as_posix())


def _is_text(name: str) -> bool:
    """Whether the bytes of a file's name are UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _fault(name: str) -> str | None:
    """Why a name cannot be one of a file below the folder."""
    if PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or ".." in PurePosixPath(name).parts:
        return "leaves the folder"
    if "\\" in name:
        return "is written with backslashes"
    return "holds a NUL character" if "\0" in name else None
