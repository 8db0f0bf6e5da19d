"""Documentation that people wrote, as training records: dbt projects, databases, OpenAPI and JSON Schema files.

Every record carries its source and its licence; a source whose licence is not known to be permissive is refused
unless the user says otherwise. Texts stay as they were written, on one line; `docgen-train clean` chooses among them.

docgen-train harvest SOURCE... --license internal --allow-license internal --out training/runs/own.jsonl.xz
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from docgen_plugin.config import load_config
from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, Table
from docgen_plugin.pipeline import read_catalog
from docgen_plugin.selection import chosen_tables, require_choice
from docgen_plugin.words import split_identifier
from docgen_training.json_schemas import read_schemas
from docgen_training.licenses import Terms
from docgen_training.records import Record, write_records

__all__ = ["Harvest", "described", "harvest", "one_line", "plain", "write_harvests"]

_SCHEMA_FILES = (".json", ".yaml", ".yml")
_DBT_FILES = ("dbt_project.yml", "dbt_project.yaml")
_EMPTY = re.compile(
    r"(?:to ?do|tbd|tba|fixme|n[/.]?a|none|null|nil|unknown|undefined|xxx+|lorem ipsum.*|"
    r"(?:no |add |missing |insert )?(?:a )?(?:description|documentation|comment)s?(?: here)?|placeholder|"
    r"(?:to be|not yet) (?:defined|documented|determined|described|done|added)|"
    r"\{\{[^{}]*\}\}|[\W_]*)[\W_]*",
    re.IGNORECASE,
)
_UNFINISHED = re.compile(r"(?:TODO|TBD|TBA|FIXME|XXX)\b|(?:todo|tbd|fixme)\s*[:(]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Harvest:
    """What one source gave."""

    source: str
    license: str
    records: tuple[Record, ...]
    notes: tuple[str, ...] = ()  # what the user should know about the reading

    @property
    def columns(self) -> int:
        """The described columns of its tables."""
        return sum(bool(column.description) for record in self.records for column in record.table.columns)


def harvest(source: str, terms: Terms, name: str = "", least: int = 1) -> Harvest:
    """Return the documented tables of one source: a dbt project's folder, a database URL or a schema file.

    Args:
        source: what `docgen` takes as a source, or the path of an OpenAPI, Swagger or JSON Schema file.
        terms: what the user says about licences.
        name: the records' source; empty is what the source calls itself, which never holds a password.
        least: how many described places a table needs to be kept; it is one place, each column another.

    Raises:
        DocgenError: when the source cannot be read, or its licence is unknown or not accepted.
    """
    terms.check()  # before anything is opened: a refusal should cost nothing
    path = None if "://" in source or "\0" in source else Path(source).expanduser()
    if path is not None and path.suffix.lower() in _SCHEMA_FILES and path.name not in _DBT_FILES:
        found = read_schemas(path)
        license_ = terms.settle(str(path), found.license, path.parent)
        own, tables, notes = found.source, found.tables, found.notes
    else:
        config = load_config(Path.cwd() if path is None else path if path.is_dir() else path.parent)
        catalog = read_catalog(source, config)
        require_choice(catalog, config)
        license_ = terms.settle(catalog.source, "", path)
        own, notes = catalog.source, catalog.notes
        tables = tuple(chosen_tables(catalog.tables, config))
    own = name or own
    records = tuple(Record(plain(table, own), own, license_) for table in tables)
    return Harvest(own, license_, tuple(one for one in records if described(one.table) >= least), notes)


def write_harvests(out: Path, harvests: Iterable[Harvest]) -> int:
    """Write the records of all sources to one file; return how many tables.

    Raises:
        DocgenError: when there is none, or the file cannot be written.
    """
    records = [record for one in harvests for record in one.records]
    if not records:
        raise DocgenError(f"{out}: not written: no table of the sources has enough described places")
    try:
        return write_records(out, records)
    except OSError as err:
        raise DocgenError(f"{out}: cannot be written: {err.strerror or err}") from err


def one_line(text: str, *names: str) -> str:
    r"""Return a description on one line, or "" where it is a placeholder or one of its place's names.

    >>> one_line("When the order\n  was placed.", "ordered_at"), one_line("Order ID", "order_id")
    ('When the order was placed.', '')
    >>> one_line("TODO: describe", "x"), one_line("n/a", "x"), one_line("Todo items of the user", "items")
    ('', '', 'Todo items of the user')
    """
    text = _encodable(" ".join(text.split()))
    if _EMPTY.fullmatch(text) or _UNFINISHED.match(text):
        return ""
    return "" if split_identifier(text) in map(split_identifier, names) else text


def plain(table: Table, source: str) -> Table:
    """Return what a record keeps of a table, as `read_records` gives it back."""
    name = _encodable(table.name)
    return Table(
        key=f"{source}/{name}",
        name=name,
        description=one_line(table.description, name, name.rpartition(".")[2]),
        columns=tuple(_plain_column(column) for column in table.columns),
        upstream=table.upstream,
    )


def _plain_column(column: Column) -> Column:
    key = column.foreign_key
    return replace(
        column,
        name=_encodable(column.name),
        type=_encodable(column.type),
        description=one_line(column.description, column.name),
        foreign_key=key and replace(key, table=key.table.rpartition(".")[2]),
        values=tuple(_encodable(value) for value in column.values),
        lineage=None,
        reference="",
        pinned=False,
    )


def _encodable(text: str) -> str:
    """Return a text that UTF-8 can hold: JSON's escapes also make halves of characters."""
    return text.encode("utf-8", "replace").decode("utf-8")


def described(table: Table) -> int:
    """Return how many places of a table have a text, the table itself among them."""
    return bool(table.description) + sum(bool(column.description) for column in table.columns)
