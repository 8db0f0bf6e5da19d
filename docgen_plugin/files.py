"""Files put in place in one step: a reader sees the old content or the new, never half of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import stat
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

__all__ = ["digest", "replace_file"]


def replace_file(path: Path, content: bytes, check: Callable[[Path], None] | None = None) -> None:
    """Put new content in a file's place in one step; mode and owner stay, a link goes on pointing to it.

    `check` gets the real path right before the step and stops it by raising. What the system refuses
    comes out as OSError: each caller has its own words for it.
    """
    real = Path(os.path.realpath(path))
    mode = stat.S_IMODE(real.stat().st_mode) if real.exists() else _new_mode()
    # named before it is made: an interrupt between the two would leave a file that nobody knows
    name = f"{real.parent}{os.sep}.{real.name}.{secrets.token_hex(4)}.tmp"
    try:
        with open(name, "xb", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, mode)
        _keep_owner(real, name)
        if check is not None:
            check(real)
        os.replace(name, real)
    finally:
        with contextlib.suppress(OSError):
            os.unlink(name)


def digest(path: Path) -> str:
    """Return a file's sha256; asked again for a file that did not change, the hash that is known.

    What the system refuses comes out as OSError.
    """
    status = path.stat()
    return _digest(os.path.realpath(path), status.st_size, status.st_mtime_ns, status.st_ino)


@lru_cache(maxsize=64)
def _digest(path: str, *_state: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _new_mode() -> int:
    """Return the rights of a new file: until it is whole it has 0600, the user's umask mostly more."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask


def _keep_owner(path: Path, name: str) -> None:
    with contextlib.suppress(OSError):
        status = path.stat()
        if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
            os.chown(name, status.st_uid, status.st_gid)
