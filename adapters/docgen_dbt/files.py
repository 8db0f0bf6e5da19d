"""Reading property files, replacing them in one step, and showing the change."""

from __future__ import annotations

import difflib
import os
import stat
from dataclasses import dataclass
from pathlib import Path

from docgen_dbt.document import Refused
from docgen_plugin import files as in_one_step

__all__ = ["FileText", "check_writable", "read_file", "replace_file", "unified_diff"]

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileText:
    """A file as it was read: `content` None means that it does not exist yet."""

    path: Path
    content: bytes | None

    @property
    def text(self) -> str:
        """Return the text without its byte order mark."""
        return (self.content or b"").removeprefix(_BOM).decode("utf-8")

    def encode(self, text: str) -> bytes:
        """Return the bytes of a new text, with the byte order mark where there was one."""
        return (_BOM if (self.content or b"").startswith(_BOM) else b"") + text.encode("utf-8")


def read_file(path: Path) -> FileText:
    """Return a property file's content.

    Raises:
        Refused: when it cannot be read or is not UTF-8.
    """
    try:
        content = path.read_bytes()
        content.decode("utf-8")
    except FileNotFoundError:
        return FileText(path, None)
    except UnicodeDecodeError as err:
        raise Refused(f"the file is not UTF-8 (byte {err.start})") from err
    except OSError as err:
        raise Refused(f"the file cannot be read: {err.strerror}") from err
    return FileText(path, content)


def replace_file(before: FileText, content: bytes) -> None:
    """Put new content in a file's place in one step; its mode stays, a link goes on pointing to it.

    Raises:
        Refused: when the file is read-only, changed since it was read, or cannot be written.
    """
    try:
        _check_mode(Path(os.path.realpath(before.path)), before)
        in_one_step.replace_file(before.path, content, lambda path: _check_unchanged(path, before))
    except OSError as err:
        raise Refused(f"the file cannot be written: {err.strerror}") from err


def check_writable(before: FileText) -> None:
    """Refuse what `replace_file` would refuse, without touching anything.

    Raises:
        Refused: when the file is read-only or lies in a folder that is.
    """
    path = Path(os.path.realpath(before.path))
    try:
        _check_mode(path, before)
    except OSError as err:
        raise Refused(f"the file cannot be written: {err.strerror}") from err
    if path.parent.is_dir() and not os.access(path.parent, os.W_OK):
        raise Refused("the file's folder is read-only")


def _check_mode(path: Path, before: FileText) -> None:
    if before.content is None:
        return
    mode = stat.S_IMODE(path.stat().st_mode)
    # os.access says yes to the superuser, whose containers mount read-only files too
    if not mode & 0o222 or not os.access(path, os.W_OK):
        raise Refused("the file is read-only")


def _check_unchanged(path: Path, before: FileText) -> None:
    try:
        now: bytes | None = path.read_bytes()
    except FileNotFoundError:
        now = None
    if now != before.content:
        raise Refused("the file changed since it was read")


def unified_diff(before: FileText, after: bytes, shown: str) -> str:
    """Return the change as `git apply` reads it; `shown` is the path relative to the project."""
    old = (before.content or b"").decode("utf-8").split("\n")
    new = after.decode("utf-8").split("\n")
    end = "\t" if " " in shown else ""
    names = ("/dev/null" if before.content is None else f"a/{shown}{end}", f"b/{shown}{end}")
    lines = difflib.unified_diff(_with_breaks(old), _with_breaks(new), *names, lineterm="\n")
    head = ["new file mode 100644\n"] if before.content is None else []
    body = [line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines]
    if not body:
        return ""
    return "".join([f"diff --git a/{shown} b/{shown}\n", *head, *body])


def _with_breaks(lines: list[str]) -> list[str]:
    """Return lines with the line feed that `split` took; carriage returns belong to their line."""
    return [*(f"{line}\n" for line in lines[:-1]), *([lines[-1]] if lines[-1] else [])]
