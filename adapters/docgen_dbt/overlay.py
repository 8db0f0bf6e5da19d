"""Descriptions of property files that are newer than the manifest, put over what the manifest says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from docgen_dbt.places import includes
from docgen_dbt.references import References
from docgen_plugin.jinja import unescape_jinja

__all__ = ["describe_entries", "overlay_file"]

_KINDS = {"models": "model", "seeds": "seed", "snapshots": "snapshot"}


def overlay_file(path: Path, nodes: Mapping[str, dict[str, Any]], references: References) -> None:
    """Put the descriptions that a property file holds now into the manifest's nodes, in place.

    What we cannot know without dbt stays as the manifest has it: texts with Jinja in them that is more than a
    call of a docs block, and files that do not read as YAML.
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
            _overlay(node, entries[name], references)


def describe_entries(data: Mapping[str, Any]) -> dict[tuple[str, str, str], tuple[str, dict[str, str]]]:
    """Return (kind, source, name) -> (description, description of each column by its lower-case name) of a property file.

    >>> describe_entries({"models": [{"name": "a", "columns": [{"name": "B", "description": "x"}]}]})
    {('model', '', 'a'): ('', {'b': 'x'})}
    """
    found = {}
    for kind, source, name, entry in _entries(data):
        columns = {
            str(item.get("name")).lower(): unescape_jinja(str(item.get("description") or ""))
            for item in _mappings(entry.get("columns"))
        }
        found[kind, source, name] = (unescape_jinja(str(entry.get("description") or "")), columns)
    return found


def _entries(data: Mapping[str, Any]) -> Iterator[tuple[str, str, str, dict[str, Any]]]:
    for section, kind in _KINDS.items():
        for entry in _mappings(data.get(section)):
            yield kind, "", str(entry.get("name")), entry
    for source in _mappings(data.get("sources")):
        for table in _mappings(source.get("tables")):
            yield "source", str(source.get("name")), str(table.get("name")), table


def _overlay(node: dict[str, Any], entry: Mapping[str, Any], references: References) -> None:
    columns = _mappings(entry.get("columns"))
    if node.get("version") is not None:
        version = _version(entry, str(node["version"]))
        if version is None:
            return  # the file does not know it yet, or any more: dbt will say
        # as dbt has it: the version's own text and columns go over those it takes from the model
        columns = [item for item in columns if includes(version, str(item.get("name")))]
        columns += _mappings(version.get("columns"))
        entry = version if version.get("description") else entry
    _describe(node, entry, references)
    documented = node.setdefault("columns", {})
    known = {name.lower(): name for name in documented}
    for item in columns:
        if not item.get("name"):
            continue
        name = known.setdefault(str(item["name"]).lower(), str(item["name"]))
        _describe(documented.setdefault(name, {"name": name, "description": ""}), item, references)


def _version(entry: Mapping[str, Any], wanted: str) -> dict[str, Any] | None:
    versions = _mappings(entry.get("versions"))
    return next((version for version in versions if str(version.get("v")) == wanted), None)


def _describe(target: dict[str, Any], entry: Mapping[str, Any], references: References) -> None:
    called = references.text(str(entry.get("description") or ""))
    text = unescape_jinja(str(entry.get("description") or "")) if called is None else called
    if text == str(entry.get("description") or "") and ("{{" in text or "{%" in text):
        return
    target["description"] = text


def _mappings(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
