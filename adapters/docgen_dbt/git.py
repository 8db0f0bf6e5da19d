"""A git repository as a commit sees it: the files of the index, those of its parents, and their texts, read in few calls."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from docgen_plugin.errors import SourceError

__all__ = ["Repository", "changed_paths"]

_SUBMODULE = "160000"


class Repository:
    """The repository that holds a folder; paths are relative to its root, with slashes."""

    def __init__(self, folder: Path) -> None:
        """Find the repository.

        Raises:
            SourceError: when the folder is in none, or git cannot be run.
        """
        self._cwd = folder
        self.root = Path(self._said("rev-parse", "--show-toplevel").rstrip("\n"))
        self._cwd = self.root
        self._texts: dict[str, str | None] = {}

    def index(self) -> dict[str, str]:
        """Return the object id of every file as it is staged.

        Raises:
            SourceError: when a merge left conflicts.
        """
        files: dict[str, str] = {}
        for line in self._said("ls-files", "--stage", "-z").split("\0"):
            about, _, path = line.partition("\t")
            if not path:
                continue
            mode, name, stage = about.split()
            if stage != "0":
                raise SourceError(f"{path}: has merge conflicts; resolve them and `git add` it")
            if mode != _SUBMODULE:
                files[path] = name
        return files

    def parents(self, revision: str = "") -> list[str]:
        """Return the commits that the next one is compared with: none for the first, several in a merge.

        With a revision it is the commit where HEAD left that one's history.

        Raises:
            SourceError: when the revision is unknown.
        """
        if revision:
            commit = self._asked("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
            if not commit:
                raise SourceError(f"{self.root}: git knows no revision {revision!r}")
            return [self._asked("merge-base", commit, "HEAD").strip() or commit]
        head = self._asked("rev-parse", "--verify", "--quiet", "HEAD^{commit}").strip()
        if not head:
            return []
        merged = self._asked("rev-parse", "--git-path", "MERGE_HEAD").strip()
        try:
            others = (self.root / merged).read_text(encoding="utf-8").split()
        except OSError:
            others = []
        return [head, *others]

    def tree(self, commit: str) -> dict[str, str]:
        """Return the object id of every file of a commit."""
        files: dict[str, str] = {}
        for line in self._said("ls-tree", "-r", "-z", "--full-tree", commit).split("\0"):
            about, _, path = line.partition("\t")
            if path and not about.startswith(_SUBMODULE):
                files[path] = about.split()[2]
        return files

    def unstaged(self, paths: Iterable[str]) -> list[str]:
        """Return those files whose content on disk is not what is staged, or not known to git at all."""
        names = sorted(set(paths))
        if not names:
            return []
        specs = [f":(literal){name}" for name in names]
        edited = self._said("diff", "--name-only", "-z", "--", *specs)
        unknown = self._said("ls-files", "--others", "-z", "--", *specs)
        return sorted({name for name in (edited + unknown).split("\0") if name})

    def load(self, names: Iterable[str]) -> None:
        """Read these objects with one call of git, so that `text` has them."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._texts]
        if not wanted:
            return
        output = self._run(["cat-file", "--batch"], "".join(f"{name}\n" for name in wanted).encode()).stdout
        start = 0
        for name in wanted:
            end = output.index(b"\n", start)
            words = output[start:end].split()
            size = int(words[2]) if len(words) == 3 else 0
            content = output[end + 1 : end + 1 + size]
            start = end + 1 + (size + 1 if len(words) == 3 else 0)
            try:
                self._texts[name] = content.decode("utf-8-sig")
            except UnicodeDecodeError:
                self._texts[name] = None

    def text(self, name: str) -> str | None:
        """Return the text of an object without its byte order mark, None when it is not UTF-8."""
        self.load([name])
        return self._texts[name]

    def _said(self, *words: str) -> str:
        done = self._run(words)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            raise SourceError(
                f"{self._cwd}: {said[0] if said else 'git failed'}; docgen check needs a git repository"
            )
        return done.stdout.decode("utf-8", "surrogateescape")

    def _asked(self, *words: str) -> str:
        """Return what git says, "" where it says no."""
        done = self._run(words)
        return "" if done.returncode else done.stdout.decode("utf-8", "surrogateescape")

    def _run(self, words: Sequence[str], given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                ["git", *words], cwd=self._cwd, input=given, capture_output=True, check=False
            )
        except OSError as err:
            raise SourceError(
                f"{self._cwd}: git cannot be run ({err.strerror}): docgen check needs it"
            ) from err


def changed_paths(now: Mapping[str, str], parents: Sequence[Mapping[str, str]]) -> set[str]:
    """Return the paths that are in no parent as they are now, those that are gone from all included.

    >>> sorted(changed_paths({"a": "1", "b": "2"}, [{"a": "1", "b": "1", "c": "3"}]))
    ['b', 'c']
    """
    new = {path for path, name in now.items() if all(parent.get(path) != name for parent in parents)}
    return new | {path for parent in parents for path in parent if path not in now}
