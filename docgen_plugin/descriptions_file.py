"""Accepted texts as a dbt properties file of their own, for sources that cannot hold a comment.

The file says `models:`, `seeds:`, `snapshots:` for a dbt project and `sources:` for tables of a database,
one source a schema, so that a dbt project can take it over as it is. The ledger keeps such texts as
accepted: they stand in a file, not in the source.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from docgen_plugin.errors import WriteError
from docgen_plugin.files import replace_file
from docgen_plugin.jinja import escape_jinja, holds_jinja
from docgen_plugin.model import Catalog, ColumnRef, Suggestion, Table
from docgen_plugin.pipeline import ApplyReport

__all__ = ["render", "write"]

_SECTIONS = {"model": "models", "seed": "seeds", "snapshot": "snapshots"}
_VERSIONED = re.compile(r"model\.[^.]+\.(?P<name>.+)\.v(?P<version>[^.]+(?:\.\d+)?)")


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
    skipped = tuple((item.ref, why) for item in suggestions if (why := _refusal(catalog, item)))
    left_out = {ref for ref, _ in skipped}
    good = [item for item in suggestions if item.ref not in left_out]
    text = render(catalog, good) if good else ""
    if good and not dry_run:
        _replace(path, text)
    return ApplyReport(catalog.source, tuple(item.ref for item in good), skipped, preview=text)


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
        version = _version(table)
        if version is not None:
            _add_version(sections.setdefault("models", []), *version, entry)
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
        {"name": column.name, "description": escape_jinja(texts[ref])}
        for column in table.columns
        if (ref := ColumnRef(table.key, column.name)) in texts
    ]
    if own is None and not columns:
        return None
    entry: dict[str, Any] = {"name": table.name}
    if own is not None:
        entry["description"] = escape_jinja(own)
    if columns:
        entry["columns"] = columns
    return entry


def _add_version(models: list[dict[str, Any]], name: str, version: str | int, entry: dict[str, Any]) -> None:
    """Put one version's texts under its model, as dbt has it: `versions:` of one entry."""
    model = next((one for one in models if one["name"] == name and "versions" in one), None)
    if model is None:
        model = {"name": name, "versions": []}
        models.append(model)
    model["versions"].append({"v": version, **{key: entry[key] for key in entry if key != "name"}})


def _source_name(catalog: Catalog, table: Table) -> str:
    if table.kind == "source" and table.key.count(".") >= 3:
        return table.key.split(".")[2]  # source.<project>.<source>.<table>
    return table.schema or catalog.kind


def _refusal(catalog: Catalog, suggestion: Suggestion) -> str:
    """Return why a text cannot stand in a file that dbt reads, "" when it can."""
    ref = suggestion.ref
    table = catalog.table(ref.table)
    if table is None:
        return "no longer in the source"
    for name in (
        ref.column,
        table.name,
        *([] if table.kind in _SECTIONS else [_source_name(catalog, table)]),
    ):
        if holds_jinja(name):
            return f"the name {name} looks like Jinja, which dbt would run"
    if not ref.column and _version(table) and holds_jinja(suggestion.text):
        return "the text looks like Jinja, which dbt runs twice in a version's description"
    return ""


def _version(table: Table) -> tuple[str, str | int] | None:
    """Return the name and version that dbt knows a versioned model by, None for other tables.

    >>> _version(Table("model.shop.orders.v2", "orders_v2", "model"))
    ('orders', 2)
    >>> _version(Table("model.shop.orders_v2", "orders_v2", "model"))
    """
    found = _VERSIONED.fullmatch(table.key) if table.kind == "model" else None
    if found is None or table.name != f"{found['name']}_v{found['version']}":
        return None
    return found["name"], int(found["version"]) if found["version"].isdecimal() else found["version"]


def _replace(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, text.encode("utf-8"))
    except (OSError, UnicodeError) as err:
        raise WriteError(f"{path}: cannot be written: {err}") from err
