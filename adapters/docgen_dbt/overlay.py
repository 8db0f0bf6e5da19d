"""Descriptions of property files that are newer than the manifest, put over what the manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from docgen_dbt.scalars import unescape_jinja

__all__ = ["overlay_file"]

_KINDS = {"models": "model", "seeds": "seed", "snapshots": "snapshot"}


def overlay_file(path: Path, nodes: Mapping[str, dict[str, Any]]) -> None:
    """Put the descriptions that a property file holds now into the manifest's nodes, in place.

    What we cannot know without dbt stays as the manifest has it: texts with Jinja in them, and files that
    do not read as YAML.
    """
    if path.suffix not in (".yml", ".yaml"):
        return
    try:
        data = yaml.load(path.read_bytes(), yaml.CSafeLoader)
    except (OSError, ValueError, yaml.YAMLError, RecursionError):
        return
    if not isinstance(data, dict):
        return
    entries = {(kind, source, name): entry for kind, source, name, entry in _entries(data)}
    for node in nodes.values():
        kind = str(node["resource_type"])
        name = (kind, str(node.get("source_name") or ""), str(node["name"]))
        if name in entries:
            _overlay(node, entries[name])


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for section, kind in _KINDS.items():
        for entry in _mappings(data.get(section)):
            yield kind, "", str(entry.get("name")), entry
    for source in _mappings(data.get("sources")):
        for table in _mappings(source.get("tables")):
            yield "source", str(source.get("name")), str(table.get("name")), table


def _overlay(node: dict[str, Any], entry: Mapping[str, Any]) -> None:
    _describe(node, entry)
    columns = node.setdefault("columns", {})
    known = {name.lower(): name for name in columns}
    for item in _mappings(entry.get("columns")):
        name = str(item.get("name") or "")
        if not name:
            continue
        if name.lower() not in known and node.get("version") is not None:
            continue  # which version has the column is dbt's to say
        name = known.get(name.lower(), name)
        _describe(columns.setdefault(name, {"name": name, "description": ""}), item)


def _describe(target: dict[str, Any], entry: Mapping[str, Any]) -> None:
    text = unescape_jinja(str(entry.get("description") or ""))
    if text == str(entry.get("description") or "") and ("{{" in text or "{%" in text):
        return
    target["description"] = text


def _mappings(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
