"""What a step left in its folder: whether it is done, by which recipe, and when it must start over.

`begun.json` holds the recipe the folder was begun with, `config.yaml` the resolved block for people to read, and
`done.json`, written last, the digest. A recipe is everything the output follows from; its hash is the key.
`spent.json` holds the seconds that went into what is there.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from defectgen.errors import UserError
from defectgen.imaging.files import write_atomic

Recipe = dict[str, dict[str, Any]]  # part ("settings", "inputs", "files", "run") -> name -> value


def key_of(recipe: Recipe) -> str:
    """SHA-256 of a recipe."""
    return hashlib.sha256(_json(recipe)).hexdigest()


def fingerprint(path: Path) -> str:
    """SHA-256 of the names, sizes and times of change of a file, or of the files in a folder; the bytes stay unread."""
    files = [path] if path.is_file() else sorted(file for file in path.rglob("*") if file.is_file())
    listing = [(file.relative_to(path).as_posix(), (at := file.stat()).st_size, at.st_mtime_ns) for file in files]
    return hashlib.sha256(_json(listing)).hexdigest()


def done(folder: Path) -> dict[str, Any] | None:
    """What `finish` recorded, or None where the step has not finished."""
    return _read(folder / "done.json")


def begin(folder: Path, recipe: Recipe, growing: Collection[str] = ()) -> str:
    """Make the folder ready for a step: keep what the same recipe began, delete what another one left.

    growing: settings by which the step only does more of the same, so that what is there is kept when they change.
    Returns what a person should know about it, empty where the folder is new.

    Raises:
        UserError: the folder holds files that no step of ours began.
    """
    begun = _read(folder / "begun.json", lost=folder)
    if begun is None:
        if folder.exists() and any(not file.name.startswith(".tmp-") for file in folder.iterdir()):
            raise UserError(f"{folder} holds files that defectgen did not write; move them away or write elsewhere")
        note = ""
    elif not (changed := _differences(begun, recipe)):
        note = "going on where it stopped"
    elif any(part != "settings" or name not in growing for part, name in changed):
        note = f"starting over: {', '.join(name for _, name in changed)} changed"
        _clear(folder)
    else:
        note = f"going on: {', '.join(name for _, name in changed)} changed"
        (folder / "done.json").unlink(missing_ok=True)
    for half in folder.rglob(".tmp-*"):  # a file whose writer was killed
        half.unlink()
    write_atomic(folder / "begun.json", _json(recipe))
    return note


def finish(folder: Path, recipe: Recipe, digest: str, seconds: float, command: str) -> None:
    """Record that the step is done; the last file it writes."""
    record = {
        "key": key_of(recipe),
        "digest": digest,
        "inputs": recipe["inputs"],
        "version": recipe["run"]["version"],
        "seconds": round(seconds, 3),
        "command": command,
    }
    write_atomic(folder / "done.json", _json(record))


class Stopwatch:
    """Seconds of a step over all its starts; of a start that was killed, those until it last told this to `keep`."""

    def __init__(self, folder: Path) -> None:
        self._path, self._start = folder / "spent.json", time.perf_counter()
        self._earlier: float = (_read(self._path) or {"seconds": 0.0})["seconds"]

    def seconds(self) -> float:
        """All of them until now."""
        return self._earlier + time.perf_counter() - self._start

    def keep(self) -> None:
        """The work until now is on the disk; so is the time it took."""
        write_atomic(self._path, _json({"seconds": round(self.seconds(), 3)}))


def _clear(folder: Path) -> None:
    """Empty a folder of ours; killed half-way it belongs to no recipe, so the next run empties the rest."""
    (folder / "done.json").unlink(missing_ok=True)
    write_atomic(folder / "begun.json", _json({"cleared": {}}))
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != "begun.json":
            path.unlink()


def _differences(old: Mapping[str, Any], new: Recipe) -> list[tuple[str, str]]:
    """Part and name of what differs between two recipes, in the order of the new one."""
    before = {(part, name): value for part, values in old.items() for name, value in values.items()}
    after = {(part, name): value for part, values in _plain(new).items() for name, value in values.items()}
    absent = object()  # a setting that is there now, if only as null, was not before
    return [key for key in {**after, **before} if before.get(key, absent) != after.get(key, absent)]


def _read(path: Path, lost: Path | None = None) -> dict[str, Any] | None:
    """What one of our files says; `lost` is what must go with it when it is damaged."""
    if not path.is_file():
        return None
    try:
        return dict(json.loads(path.read_bytes()))
    except (ValueError, TypeError):
        raise UserError(f"{path}: damaged; delete {lost or path} and run again") from None


def _plain(recipe: Recipe) -> Any:
    return json.loads(_json(recipe))


def _json(value: Any) -> bytes:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode(errors="surrogatepass")  # the names of files need not be UTF-8
