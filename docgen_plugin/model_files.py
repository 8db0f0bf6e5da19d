"""The files that make up a model: a GGUF, or a team's adapter and the base that it was trained beside."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from docgen_plugin.errors import ModelError
from docgen_plugin.files import digest
from docgen_plugin.gguf_header import Value, read_header

__all__ = ["ModelFiles", "default_model", "find_base", "model_files"]

_DEFAULT = "docgen-base.gguf"

Header = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """The file that is loaded, the adapter laid over it, and what the adapter says of itself."""

    base: Path
    adapter: Path | None = None
    base_name: str = ""  # as the adapter knows its base
    name: str = ""  # the adapter's own
    words: frozenset[str] = frozenset()  # words of the team's voice that an answer may say

    @property
    def version(self) -> str:
        """Twelve hex digits that change with every byte of either file."""
        if self.adapter is None:
            return _hash(self.base)[:12]
        both = f"{_hash(self.base)} {_hash(self.adapter)}"
        return hashlib.sha256(both.encode()).hexdigest()[:12]


def default_model() -> Path:
    """Return the path of the model in the package.

    Raises:
        ModelError: when this installation comes without it.
    """
    path = _embedded()
    if not path.is_file():
        raise ModelError(f"{path}: this installation has no embedded model: name a GGUF file with --model")
    return path


def _embedded() -> Path:
    return Path(str(files("docgen_plugin") / "models" / _DEFAULT))


def _hash(path: Path) -> str:
    try:
        return digest(path)
    except OSError as err:
        raise ModelError(f"{path}: the model cannot be read: {err.strerror or err}") from err


def model_files(path: Path) -> ModelFiles:
    """Return what belongs to a GGUF that the user named: itself, or the adapter that it is and its base.

    Raises:
        ModelError: when it is no readable GGUF, or an adapter whose base is not here.
    """
    header = read_header(path)
    if header.get("general.type") != "adapter":
        return ModelFiles(path)
    return ModelFiles(
        base=find_base(path),
        adapter=path,
        base_name=_said(header, "docgen.base_name"),
        name=_said(header, "general.name") or path.stem,
        words=frozenset(_said(header, "docgen.words").split()),
    )


def _said(header: Header, key: str) -> str:
    value = header.get(key, "")
    return value if isinstance(value, str) else ""


def find_base(adapter: Path) -> Path:
    """Return the model that an adapter was trained beside, found by the SHA-256 that the adapter names.

    Raises:
        ModelError: when the adapter names none, or no place has it.
    """
    header = read_header(adapter)
    wanted = _said(header, "docgen.base_sha256")
    if not wanted:
        raise ModelError(
            f"{adapter}: an adapter that names no base (docgen.base_sha256): make it with `docgen-train finetune`, "
            "or name a merged model"
        )
    size = _said(header, "docgen.base_bytes")
    for path in (_embedded(), *_beside(adapter)):
        try:
            if (not size or str(path.stat().st_size) == size) and digest(path) == wanted:
                return path
        except OSError:
            continue  # one that cannot be read is not the one
    name = _said(header, "docgen.base_name") or "a model"
    raise ModelError(
        f"{adapter}: an adapter for {name} with the SHA-256 {wanted[:12]}..., which is neither the embedded model "
        f"({_shown(_embedded())}) nor a GGUF in {adapter.parent}: put that file beside the adapter"
    )


def _shown(path: Path) -> str:
    return f"SHA-256 {digest(path)[:12]}..." if path.is_file() else "missing here"


def _beside(adapter: Path) -> Iterator[Path]:
    # a registry puts an adapter's base into its folder
    for path in sorted(adapter.parent.glob("*.gguf")):
        if not os.path.samefile(path, adapter):
            yield path
