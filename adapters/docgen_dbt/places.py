"""What is to be written, and which entry of a property file it belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Place", "Text", "includes"]


@dataclass(frozen=True, slots=True)
class Place:
    """Which entry of a property file a node has."""

    section: str  # models, seeds, snapshots, sources
    name: str
    table: str = ""  # of a source
    version: str = ""  # of a model

    def __str__(self) -> str:
        return f"{self.name}.{self.table}" if self.table else self.name


@dataclass(frozen=True, slots=True)
class Text:
    """One description to put in: column "" is the entry's own."""

    place: Place
    column: str
    before: str
    after: str
    reference: str = ""  # a doc() call to write in place of the text
    mark: Mapping[str, Any] | None = None  # where the text comes from; {} drops what says so, None leaves it


def includes(version: dict[str, Any], column: str) -> bool:
    """Tell whether a version takes over a column of the model: dbt's `include:` and `exclude:`."""
    columns = version.get("columns")
    if not columns:
        return True
    for item in columns if isinstance(columns, list) else ():
        if isinstance(item, dict) and "include" in item:
            included, excluded = item["include"], item.get("exclude") or ()
            listed = included in ("all", "*") or (isinstance(included, list) and column in included)
            return listed and column not in excluded
    return True
