"""What a model says of itself: `docgen-model.json` beside its GGUF, with hash, licence, lineage and scores."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ModelError

__all__ = [
    "Base",
    "DataSet",
    "FILE",
    "Manifest",
    "headline",
    "is_name",
    "parse",
    "read",
    "render",
    "version_key",
]

FILE = "docgen-model.json"
_VERSION = 1
_KINDS = ("model", "adapter")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
_HEADLINE = (("chrf", "chrF"), ("back_identification", "back-id"), ("claims_per_100", "claims/100"))


@dataclass(frozen=True, slots=True)
class Base:
    """The model that another one was made from."""

    name: str  # as a person would look for it: a hub's name, or ours
    revision: str = ""
    sha256: str = ""  # of the base's GGUF; an adapter cannot run without that file


@dataclass(frozen=True, slots=True)
class DataSet:
    """Data that a model was trained on."""

    name: str
    sha256: str
    licenses: tuple[str, ...] = ()
    tables: int = 0


@dataclass(frozen=True, slots=True)
class Manifest:
    """A model's version: which file it is, to the byte, and where it comes from."""

    name: str
    version: str
    file: str  # name of the GGUF beside the manifest
    sha256: str
    size: int  # bytes
    kind: str = "model"  # or "adapter": a LoRA that runs on its base
    grammar: str = ""  # of the bespoke prompt; empty for a general instruct model
    license: str = ""
    base: Base | None = None
    data: tuple[DataSet, ...] = ()
    code_commit: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)  # the training run's options
    scores: Mapping[str, Any] = field(default_factory=dict)  # what `docgen-train evaluate` found
    created_at: str = ""  # ISO 8601, UTC
    manifest_version: int = _VERSION


def is_name(text: str) -> bool:
    """Return whether a text can name a model or a version: it is a folder's name in a registry.

    >>> is_name("shop-2.1"), is_name("../shop"), is_name("shop.gguf"), is_name("")
    (True, False, False, False)
    """
    return _NAME.fullmatch(text) is not None and not text.lower().endswith(".gguf")


def version_key(version: str) -> list[tuple[int, int, str]]:
    """Return what orders versions: numbers as numbers, and words before the version that they prepare.

    >>> sorted(["1.10", "1.9", "2.0", "2.0-rc1", "2.0.1"], key=version_key)
    ['1.9', '1.10', '2.0-rc1', '2.0', '2.0.1']
    """
    parts = re.findall(r"[0-9]+|[A-Za-z]+", version)
    return [(2, int(part), "") if part[0].isdecimal() else (0, 0, part) for part in parts] + [(1, 0, "")]


def headline(manifest: Manifest) -> str:
    """Return the scores that a list has room for, "" when there are none.

    >>> scores = {"systems": {"docgen suggest": {"chrf": 31.6, "claims_per_100": 0.75}}}
    >>> headline(Manifest("shop", "1", "a.gguf", "", 1, scores=scores))
    'chrF 31.6, claims/100 0.75'
    """
    systems = manifest.scores.get("systems")
    ours = systems.get("docgen suggest") if isinstance(systems, Mapping) else None
    if not isinstance(ours, Mapping):
        return ""
    return ", ".join(
        f"{word} {ours[key]:g}" for key, word in _HEADLINE if isinstance(ours.get(key), int | float)
    )


def read(path: Path) -> Manifest:
    """Return a manifest from its file.

    Raises:
        ModelError: when it cannot be read, is no JSON, lacks a field, or is of a newer version.
    """
    try:
        content = path.read_bytes()
    except OSError as err:
        raise ModelError(f"{path}: cannot be read: {err.strerror or err}") from err
    return parse(content, str(path))


def parse(content: bytes, where: str) -> Manifest:
    """Return a manifest from its JSON; `where` is named in errors.

    Raises:
        ModelError: when it is no JSON, lacks a field, has one that is not what it should be, or is of a newer version.
    """
    try:
        values = json.loads(content.decode("utf-8"))
    except ValueError as err:
        raise ModelError(f"{where}: is no JSON ({err}): publish the model again") from err
    if not isinstance(values, dict):
        raise ModelError(f"{where}: wants an object with a model's name, version, file and sha256")
    version = values.get("manifest_version")
    if isinstance(version, int) and version > _VERSION:
        raise ModelError(
            f"{where}: manifest version {version}, this docgen reads up to {_VERSION}: upgrade docgen-plugin"
        )
    try:
        found = _manifest(values)
    except _Wrong as err:
        raise ModelError(f"{where}: {err}") from None
    return found


def render(manifest: Manifest) -> bytes:
    """Return the JSON of a manifest; `parse` gives the same manifest back."""
    values = {"manifest_version": manifest.manifest_version, **asdict(manifest)}
    return (json.dumps(values, ensure_ascii=False, indent=2) + "\n").encode()


class _Wrong(Exception):
    """A field is not what it should be."""


def _manifest(values: Mapping[str, Any]) -> Manifest:
    _known(values, Manifest, "")
    found = Manifest(
        name=_text(values, "name", needed=True),
        version=_text(values, "version", needed=True),
        file=_text(values, "file", needed=True),
        sha256=_hash(values, "sha256", needed=True),
        size=_number(values, "size", needed=True),
        kind=_text(values, "kind") or "model",
        grammar=_text(values, "grammar"),
        license=_text(values, "license"),
        base=_base(values.get("base")),
        data=tuple(_data_set(one) for one in _listed(values, "data")),
        code_commit=_text(values, "code_commit"),
        configuration=_object(values, "configuration"),
        scores=_object(values, "scores"),
        created_at=_text(values, "created_at"),
        manifest_version=_number(values, "manifest_version", needed=True),
    )
    for key in ("name", "version"):
        if not is_name(getattr(found, key)):
            raise _Wrong(f"{key} {getattr(found, key)!r} wants letters, digits, dots, dashes and underscores")
    if Path(found.file).name != found.file or not found.file.endswith(".gguf") or "\\" in found.file:
        raise _Wrong(f"file {found.file!r} wants the name of a .gguf beside the manifest")
    if found.kind not in _KINDS:
        raise _Wrong(f"kind {found.kind!r} wants {' or '.join(_KINDS)}")
    if found.kind == "adapter" and (found.base is None or not found.base.sha256):
        raise _Wrong("an adapter wants base.sha256, the hash of the GGUF that it runs on")
    return found


def _known(values: Mapping[str, Any], of: type, within: str) -> None:
    for key in values:
        if key not in of.__dataclass_fields__:  # type: ignore[attr-defined]
            raise _Wrong(f"unknown field {within}{key}")


def _base(value: Any) -> Base | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise _Wrong("base wants an object with name, revision and sha256")
    _known(value, Base, "base.")
    return Base(
        _text(value, "name", "base.", needed=True),
        _text(value, "revision", "base."),
        _hash(value, "sha256", "base."),
    )


def _data_set(value: Any) -> DataSet:
    if not isinstance(value, dict):
        raise _Wrong("data wants objects with name, sha256, licenses and tables")
    _known(value, DataSet, "data.")
    licenses = _listed(value, "licenses", "data.")
    if not all(isinstance(one, str) for one in licenses):
        raise _Wrong("data.licenses wants texts")
    return DataSet(
        _text(value, "name", "data.", needed=True),
        _hash(value, "sha256", "data."),
        tuple(licenses),
        _number(value, "tables", "data."),
    )


def _text(values: Mapping[str, Any], key: str, within: str = "", needed: bool = False) -> str:
    value = values.get(key, "")
    if not isinstance(value, str):
        raise _Wrong(f"{within}{key} wants a text, found {value!r}")
    if needed and not value:
        raise _Wrong(f"lacks {within}{key}")
    return value


def _hash(values: Mapping[str, Any], key: str, within: str = "", needed: bool = False) -> str:
    value = _text(values, key, within, needed)
    if value and not _SHA256.fullmatch(value):
        raise _Wrong(f"{within}{key} wants 64 hexadecimal digits in lower case, found {value!r}")
    return value


def _number(values: Mapping[str, Any], key: str, within: str = "", needed: bool = False) -> int:
    if needed and key not in values:
        raise _Wrong(f"lacks {within}{key}")
    value = values.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise _Wrong(f"{within}{key} wants a whole number, found {value!r}")
    return value


def _listed(values: Mapping[str, Any], key: str, within: str = "") -> list[Any]:
    value = values.get(key, [])
    if not isinstance(value, list):
        raise _Wrong(f"{within}{key} wants a list, found {value!r}")
    return value


def _object(values: Mapping[str, Any], key: str) -> dict[str, Any]:
    value = values.get(key, {})
    if not isinstance(value, dict):
        raise _Wrong(f"{key} wants an object, found {value!r}")
    return value
