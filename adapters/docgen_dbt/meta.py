"""What a project's `meta: {docgen: ...}` asks of us."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["is_pinned", "pin_notes"]


def is_pinned(entry: Mapping[str, Any], default: bool = False) -> bool:
    """Return whether a model, source or column says `meta: {docgen: {pin: true}}`, in `config:` or beside it.

    What is no true or false pins: the owner wanted something, and nothing is written in doubt.

    >>> is_pinned({"config": {"meta": {"docgen": {"pin": True}}}}), is_pinned({"meta": {}}, default=True)
    (True, True)
    """
    value = _pin(entry)
    return default if value is None else value is not False


def pin_notes(nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a note for every pin that is neither true nor false."""
    for key, node in nodes.items():
        columns = (node.get("columns") or {}).items()
        for place, entry in ((key, node), *((f"{key}.{name}", column) for name, column in columns)):
            value = _pin(entry)
            if value is not None and not isinstance(value, bool):
                yield f"{place}: meta docgen pin wants true or false, found {value!r}; taken as true"


def _pin(entry: Mapping[str, Any]) -> Any:
    """Return what `pin` is set to, None where it is not set; dbt shows `config.meta` in both places."""
    for meta in ((entry.get("config") or {}).get("meta"), entry.get("meta")):
        ours = meta.get("docgen") if isinstance(meta, Mapping) else None
        if isinstance(ours, Mapping) and ours.get("pin") is not None:
            return ours["pin"]
    return None
