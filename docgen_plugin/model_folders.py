"""Models in a folder, NAME/VERSION/{docgen-model.json, *.gguf, card.md}: a shared registry, and the local cache."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from docgen_plugin.errors import ModelError
from docgen_plugin.files import digest
from docgen_plugin.manifest import FILE, Manifest, is_name, read, render, version_key

__all__ = ["Kept", "check_space", "copy_checked", "discard", "link_or_copy", "place", "require", "versions"]

_CHUNK = 1 << 20  # bytes
_SPARE = 16 << 20  # bytes that a download leaves free
_ABANDONED_S = 24 * 3600  # a half-made folder older than this has nobody who still fills it


@dataclass(frozen=True, slots=True)
class Kept:
    """A version of a model in a folder."""

    manifest: Manifest
    folder: Path

    @property
    def path(self) -> Path:
        """The model's GGUF."""
        return self.folder / self.manifest.file


def versions(root: Path, name: str = "") -> tuple[list[Kept], list[str]]:
    """Return the versions in a folder, of one name or all, the newest last, and what is wrong with the others.

    Raises:
        ModelError: when the folder cannot be listed.
    """
    found: list[Kept] = []
    problems: list[str] = []
    for own in [root / name] if name else _folders(root):
        for folder in _folders(own) if own.is_dir() else ():
            try:
                manifest = read(folder / FILE)
            except ModelError as err:
                problems.append(str(err))
                continue
            if (manifest.name, manifest.version) != (own.name, folder.name):
                problems.append(f"{folder / FILE}: speaks of {manifest.name}@{manifest.version}")
                continue
            found.append(Kept(manifest, folder))
    found.sort(
        key=lambda one: (one.manifest.name, version_key(one.manifest.version), one.manifest.created_at)
    )
    return found, problems


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(one for one in root.iterdir() if is_name(one.name) and one.is_dir())
    except OSError as err:
        raise ModelError(f"{root}: cannot be listed: {err.strerror or err}") from err


def require(kept: Kept) -> str:
    """Return the sha256 of a version's GGUF after checking that it is the one its manifest states.

    Raises:
        ModelError: when the file is missing, cannot be read, or is another one.
    """
    wanted = kept.manifest
    try:
        size, found = kept.path.stat().st_size, ""
        if size == wanted.size:
            found = digest(kept.path)
    except OSError as err:
        raise ModelError(f"{kept.path}: cannot be read: {err.strerror or err}") from err
    if size != wanted.size:
        raise ModelError(f"{kept.path}: refused: has {size:,} bytes, its manifest states {wanted.size:,}")
    if found != wanted.sha256:
        raise ModelError(
            f"{kept.path}: refused: its sha256 is {found[:12]}..., its manifest states {wanted.sha256[:12]}..."
        )
    return found


def check_space(folder: Path, size: int) -> None:
    """Make sure that a file of `size` bytes has room in a folder, which may not be there yet.

    Raises:
        ModelError: when it has not.
    """
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free
    if free < size + _SPARE:
        raise ModelError(
            f"{folder}: {size / 1e6:,.0f} MB do not fit, {free / 1e6:,.0f} MB are free: "
            "make room, or set `cache` to a folder on another disk"
        )


def copy_checked(source: Path, target: Path, sha256: str) -> None:
    """Copy a file and check on the way that it is the one wanted; `target` is gone again when it is not.

    Raises:
        ModelError: when a file cannot be read or written, or has another hash.
    """
    hashed = hashlib.sha256()
    try:
        with source.open("rb") as reader, target.open("xb") as writer:
            while chunk := reader.read(_CHUNK):
                hashed.update(chunk)
                writer.write(chunk)
            writer.flush()
            os.fsync(writer.fileno())
    except OSError as err:
        target.unlink(missing_ok=True)
        raise ModelError(f"{source}: cannot be copied to {target.parent}: {err.strerror or err}") from err
    if hashed.hexdigest() != sha256:
        target.unlink(missing_ok=True)
        raise ModelError(
            f"{source}: refused: its sha256 is {hashed.hexdigest()[:12]}..., its manifest states {sha256[:12]}..."
        )


def link_or_copy(source: Path, target: Path, sha256: str) -> None:
    """Give a file a second place, without a second copy where the disk allows it.

    Raises:
        ModelError: when that fails.
    """
    if target.exists():
        return
    real = source.resolve()
    with contextlib.suppress(OSError):
        os.link(real, target)
        return
    check_space(target.parent, real.stat().st_size)
    half = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    copy_checked(real, half, sha256)
    half.replace(target)


def place(root: Path, manifest: Manifest, fill: Callable[[Path], None]) -> Kept:
    """Put a version into a folder in one step: it is there whole, or not at all, and never replaces another.

    `fill` puts the GGUF, and what else belongs to it, into the folder that it is given.

    Raises:
        ModelError: when the version is there already, or the folder cannot be written.
    """
    own = root / manifest.name
    target = own / manifest.version
    with _writing(own):
        own.mkdir(parents=True, exist_ok=True)
        _sweep(own)
        half = Path(tempfile.mkdtemp(dir=own, prefix=f".{manifest.version}.", suffix=".tmp"))
    try:
        with _writing(own):
            fill(half)
            (half / FILE).write_bytes(render(manifest))
            half.chmod(0o777 & ~_umask())
        try:
            half.rename(target)
        except OSError as err:
            if target.exists():
                raise ModelError(
                    f"{target}: is there already: a version is never replaced, give another with --version"
                ) from err
            raise ModelError(f"{target}: cannot be written: {err.strerror or err}") from err
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return Kept(manifest, target)


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise ModelError(
            f"{folder}: cannot be written: {err.strerror or err}: ask for the right to write there, or name another folder"
        ) from err


def _sweep(folder: Path) -> None:
    """Take away half-made folders that a killed process left."""
    for half in folder.glob(".*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - half.stat().st_mtime > _ABANDONED_S:
                shutil.rmtree(half, ignore_errors=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def discard(kept: Kept) -> None:
    """Take a version out of a folder of ours, in one step for whoever looks for it."""
    gone = Path(tempfile.mkdtemp(dir=kept.folder.parent, prefix=".gone.", suffix=".tmp"))
    kept.folder.rename(gone / kept.folder.name)
    shutil.rmtree(gone, ignore_errors=True)
