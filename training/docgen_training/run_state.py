"""What a run remembers: for every stage what went in, by content, what came out, and what it told; a JSON file in its folder."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_plugin.files import replace_file

__all__ = ["Hashes", "Kept", "State", "changes"]

_FILE = "state.json"
_FORM = 1
# a file changed again this soon after it was looked at can keep its size and its time: it is read again
_TOO_FRESH_NS = 2_000_000_000
# what a project's own tools make beside its files, anew on every run
_PASSED_OVER = frozenset(
    ".git .hg .svn .docgen .venv .mypy_cache .ruff_cache .pytest_cache __pycache__ node_modules target logs venv".split()
)
_PASSED_OVER_ENDINGS = (".db", ".duckdb", ".log", ".sqlite", ".wal")


class Hashes:
    """The SHA-256 of files and folders; a file whose size and time of change are known is not read again."""

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        """Take what `kept` of an earlier run returned."""
        self._known = dict(known or {})

    @property
    def kept(self) -> dict[str, list[Any]]:
        """The files looked at: path -> size in bytes, time of change in ns, SHA-256; without those changed just then."""
        return {path: seen for path, seen in self._known.items() if os.path.exists(path)}

    def of(self, path: Path) -> str:
        """Return the hash of a file's content, or of a folder's names and contents; "" where there is nothing.

        Raises:
            OSError: when it cannot be read.
        """
        if path.is_dir():
            whole = hashlib.sha256()
            for one in _files(path):
                whole.update(f"{one.relative_to(path).as_posix()}\0{self._of_file(one)}\n".encode())
            return whole.hexdigest()
        return self._of_file(path) if path.exists() else ""

    def _of_file(self, path: Path) -> str:
        status = path.stat()
        seen = [status.st_size, status.st_mtime_ns]
        known = self._known.get(str(path))
        if isinstance(known, list) and known[:2] == seen and len(known) == 3:
            return str(known[2])
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        self._known.pop(str(path), None)
        if time.time_ns() - status.st_mtime_ns > _TOO_FRESH_NS:
            self._known[str(path)] = [*seen, found]
        return found


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files under a folder in one order, without what tools make."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _PASSED_OVER)
        for name in sorted(names):
            path = Path(place) / name
            if not name.endswith(_PASSED_OVER_ENDINGS) and path.is_file():
                yield path


@dataclass(frozen=True, slots=True)
class Kept:
    """What is remembered of one stage that was done."""

    version: int  # of the stage
    options: Mapping[str, Any]  # those that matter to it
    inputs: Mapping[str, str]  # what was read, as messages call it -> its hash
    outputs: Mapping[str, str] = field(default_factory=dict)  # files in the stage's folder -> their hash
    facts: Mapping[str, Any] = field(default_factory=dict)  # what the stage told: counts, paths, scores
    seconds: float = 0.0
    ended: str = ""  # ISO 8601, UTC


def changes(old: Kept, new: Kept) -> list[str]:
    """Return what differs between what went in then and what would go in now, in words.

    >>> old = Kept(1, {"share": 0.2}, {"clean/records": "a", "gone": "b"})
    >>> changes(old, Kept(1, {"share": 0.3}, {"clean/records": "c", "new": "d"}))
    ['share is 0.3, was 0.2', 'clean/records changed', 'new is new', 'gone is no longer read']
    """
    found = [] if old.version == new.version else ["docgen-train does it otherwise now"]
    for key in new.options:
        before, now = old.options.get(key), new.options[key]
        if before != now:
            found.append(f"{key} is {json.dumps(now)}, was {json.dumps(before)}")
    for name, value in new.inputs.items():
        if name not in old.inputs:
            found.append(f"{name} is new")
        elif old.inputs[name] != value:
            found.append(f"{name} changed" if value else f"{name} is gone")
    return [*found, *(f"{name} is no longer read" for name in old.inputs if name not in new.inputs)]


@dataclass(slots=True)
class State:
    """The stages that are done, and the hashes of the files; every change is written at once."""

    folder: Path
    stages: dict[str, Kept] = field(default_factory=dict)
    hashes: Hashes = field(default_factory=Hashes)

    @classmethod
    def read(cls, folder: Path) -> State:
        """Return the state of a run's folder, an empty one where there is none.

        Raises:
            DocgenError: when the file is not what a run wrote.
        """
        path = folder / _FILE
        if not path.exists():
            return cls(folder)
        try:
            found = json.loads(path.read_text("utf-8"))
            if found["form"] != _FORM:
                raise ValueError(f"form {found['form']!r}, not {_FORM}")
            stages = {name: Kept(**kept) for name, kept in found["stages"].items()}
            return cls(folder, stages, Hashes(found["files"]))
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as err:
            raise DocgenError(
                f"{path}: is not the state of a run: {err!r}; delete it, and all stages run again"
            ) from err

    def keep(self, name: str, kept: Kept) -> None:
        """Remember a stage that was done.

        Raises:
            OSError: when the file cannot be written.
        """
        self.stages[name] = kept
        self.write()

    def write(self) -> None:
        """Write the file in one step.

        Raises:
            OSError: when it cannot be written.
        """
        whole = {
            "form": _FORM,
            "stages": {name: asdict(kept) for name, kept in self.stages.items()},
            "files": self.hashes.kept,
        }
        replace_file(self.folder / _FILE, (json.dumps(whole, indent=1) + "\n").encode())
