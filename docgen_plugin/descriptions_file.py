"""Accepted texts as a dbt properties file of their own, for sources that cannot hold a comment.

The file says `models:`, `seeds:`, `snapshots:` for a dbt project and `sources:` for tables of a database,
one source a schema, so that a dbt project can take it over as it is. The ledger keeps such texts as
accepted: they stand in a file, not in the source.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docgen_plugin.errors import WriteError
from docgen_plugin.model import Catalog, ColumnRef, Suggestion, Table
from docgen_plugin.pipeline import ApplyReport

__all__ = ["render", "write"]

_SECTIONS = {"model": "models", "seed": "seeds", "snapshot": "snapshots"}
_JINJA = re.compile(r"\{[{%#]")


def write(
    target: str, catalog: Catalog, suggestions: Sequence[Suggestion], dry_run: bool, force: bool
) -> ApplyReport:
    """Write texts into a new properties file and return what it holds.

    Raises:
        WriteError: when the file is there already and `force` is off, or cannot be written.
    """
    path = Path(target).expanduser()
    if path.suffix not in (".yml", ".yaml"):
        raise WriteError(f"{target}: wants a name that ends in .yml or .yaml")
    if path.is_dir() or (path.exists() and not force):
        raise WriteError(f"{target}: is there already; name another file, or add --force to replace it")
    text = render(catalog, suggestions)
    if suggestions and not dry_run:
        _replace(path, text)
    written = tuple(suggestion.ref for suggestion in suggestions)
    return ApplyReport(catalog.source, written, preview=text if suggestions else "")


def render(catalog: Catalog, suggestions: Sequence[Suggestion]) -> str:
    """Return the texts as the YAML of a dbt properties file, tables in the catalog's order."""
    import yaml

    texts = {suggestion.ref: suggestion.text for suggestion in suggestions}
    sections: dict[str, list[dict[str, Any]]] = {}
    sources: dict[str, dict[str, Any]] = {}
    for table in catalog.tables:
        entry = _entry(table, texts)
        if entry is None:
            continue
        if table.kind in _SECTIONS:
            sections.setdefault(_SECTIONS[table.kind], []).append(entry)
            continue
        name = _source_name(catalog, table)
        if name not in sources:
            sources[name] = {"name": name, "tables": []}
            sections.setdefault("sources", []).append(sources[name])
        sources[name]["tables"].append(entry)
    document = {"version": 2, **sections}
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)


def _entry(table: Table, texts: dict[ColumnRef, str]) -> dict[str, Any] | None:
    """Return one table with its texts, None when there is none for it."""
    own = texts.get(ColumnRef(table.key))
    columns = [
        {"name": column.name, "description": _escaped(texts[ref])}
        for column in table.columns
        if (ref := ColumnRef(table.key, column.name)) in texts
    ]
    if own is None and not columns:
        return None
    entry: dict[str, Any] = {"name": table.name}
    if own is not None:
        entry["description"] = _escaped(own)
    if columns:
        entry["columns"] = columns
    return entry


def _source_name(catalog: Catalog, table: Table) -> str:
    if table.kind == "source" and table.key.count(".") >= 3:
        return table.key.split(".")[2]  # source.<project>.<source>.<table>
    return table.schema or catalog.kind


def _escaped(text: str) -> str:
    """Return a text that dbt's Jinja gives back as it is.

    >>> _escaped("a {{ b }}")
    "a {{ '{{' }} b }}"
    """
    return _JINJA.sub(lambda found: f"{{{{ '{found[0]}' }}}}", text)


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            # mkstemp gives 0600: a new file should have the rights that the user's umask gives
            mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
            os.chmod(temporary, mode)
            os.replace(temporary, path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except (OSError, UnicodeError) as err:
        raise WriteError(f"{path}: cannot be written: {err}") from err


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
