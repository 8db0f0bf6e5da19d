"""The entries of a property file with their places in it: what is described, and where a reader finds that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

__all__ = ["Entry", "Said", "read_entries"]

_SECTIONS = {"models": "model", "seeds": "seed", "snapshots": "snapshot"}
_NULL = "tag:yaml.org,2002:null"
_DEPTH = 50  # of a node that refers to itself by an anchor


@dataclass(frozen=True, slots=True)
class Said:
    """The description of one column, or of the whole entry."""

    name: str
    text: str
    line: int  # from 1: of the text, or of the name where there is none
    column: int
    type: str = ""  # `data_type:`
    named: tuple[int, int] = (1, 1)  # line and column of the name


@dataclass(frozen=True, slots=True)
class Entry:
    """One model, seed, snapshot or table of a source in a property file."""

    kind: str
    source: str  # "" but for the table of a source
    path: str
    own: Said
    columns: dict[str, Said]  # by lower-case name
    versions: dict[str, Entry] = field(default_factory=dict)  # by the file's name without .sql


def read_entries(path: str, text: str) -> list[Entry]:
    """Return the entries of a property file.

    Raises:
        ValueError: when it is not YAML; the text says where.
    """
    try:
        root = yaml.compose(text, yaml.CSafeLoader)
    except (yaml.YAMLError, RecursionError) as err:
        mark = getattr(err, "problem_mark", None)
        where = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        raise ValueError(
            f"{where}: is not YAML: {getattr(err, 'problem', None) or 'nested too deep'}"
        ) from err
    found: list[Entry] = []
    for section, kind in _SECTIONS.items():
        found += [_entry(kind, "", path, node) for node in _items(_value(root, section))]
    for source in _items(_value(root, "sources")):
        name = _text(_value(source, "name"))
        found += [_entry("source", name, path, node) for node in _items(_value(source, "tables"))]
    return [entry for entry in found if entry.own.name]


def _entry(kind: str, source: str, path: str, node: yaml.Node) -> Entry:
    own = _said(node)
    columns = _columns(node)
    versions: dict[str, Entry] = {}
    for version in _items(_value(node, "versions")):
        number = _text(_value(version, "v"))
        stem = _text(_value(version, "defined_in")).removesuffix(".sql") or f"{own.name}_v{number}"
        told = _said(version)
        said = Said(stem, told.text or own.text, told.line, told.column, named=told.named)
        versions[stem] = Entry(kind, source, path, said, {**columns, **_columns(version)})
    return Entry(kind, source, path, own, columns, versions)


def _columns(node: yaml.Node) -> dict[str, Said]:
    said = (_said(item) for item in _items(_value(node, "columns")))
    return {one.name.lower(): one for one in said if one.name}


def _said(node: yaml.Node) -> Said:
    name, text = _value(node, "name"), _value(node, "description")
    told = _text(text).strip()
    named = _where(name or node)
    line, column = _where(text) if told and text is not None else named
    return Said(_text(name), told, line, column, _text(_value(node, "data_type")), named)


def _where(node: yaml.Node) -> tuple[int, int]:
    mark = node.start_mark
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _value(node: yaml.Node | None, key: str, depth: int = 0) -> yaml.Node | None:
    """Return what a mapping has for a key, be it merged in by `<<`."""
    if not isinstance(node, yaml.MappingNode) or depth > _DEPTH:
        return None
    merged: yaml.Node | None = None
    for name, value in node.value:
        if name.value == key:
            return value  # type: ignore[no-any-return]
        if name.value == "<<":
            merged = merged or _value(value, key, depth + 1)
    return merged


def _items(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.SequenceNode):
        yield from (item for item in node.value if isinstance(item, yaml.MappingNode))


def _text(node: yaml.Node | None) -> str:
    return str(node.value) if isinstance(node, yaml.ScalarNode) and node.tag != _NULL else ""
