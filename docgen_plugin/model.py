"""The words every room shares: tables, columns, suggestions, changes. Imports nothing of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

__all__ = [
    "Catalog",
    "Change",
    "Column",
    "ColumnRef",
    "DICTIONARY",
    "ForeignKey",
    "GLOSSARY",
    "Lineage",
    "NAME",
    "Provenance",
    "STATES",
    "Suggestion",
    "Table",
    "WriteReport",
    "text_hash",
]

STATES = ("suggested", "accepted", "edited", "rejected", "applied", "stale")
# recorded as the model of a text that no model wrote
DICTIONARY = "docgen-concepts"  # the concept dictionary gave it
NAME = "docgen-frames"  # the words of the name and of the columns gave it
GLOSSARY = "glossary"  # the user's glossary gave it


def text_hash(text: str) -> str:
    """Return the first 16 hex digits of the SHA-256 of a text, its outer white space left out.

    >>> text_hash(" a ") == text_hash("a")
    True
    """
    return hashlib.sha256(text.strip().encode("utf-8", "surrogatepass")).hexdigest()[:16]


@dataclass(frozen=True, slots=True, order=True)
class ColumnRef:
    """Names one place that can carry a description: a column, or with column "" the table itself."""

    table: str  # Table.key
    column: str = ""

    def __str__(self) -> str:
        return f"{self.table}.{self.column}" if self.column else self.table


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """The table and column that a column points to, by the names people read (no quoting)."""

    table: str
    column: str = ""


@dataclass(frozen=True, slots=True)
class Lineage:
    """What a column is made of in the query of its table; columns compare without case."""

    kind: str  # pass-through, rename, union (one of several columns), derived, constant, unknown
    inputs: tuple[ColumnRef, ...] = ()  # columns of other tables, in the order the query names them
    expression: str = ""  # of a derived or constant one, shortened; "" for the others


@dataclass(frozen=True, slots=True)
class Column:
    """One column as its catalog shows it; an empty string or tuple means the catalog does not say."""

    name: str
    type: str = ""  # the database's own spelling, e.g. "character varying(40)"
    description: str = ""
    primary_key: bool = False
    not_null: bool = False
    unique: bool = False
    foreign_key: ForeignKey | None = None
    values: tuple[str, ...] = ()  # allowed values: enum, CHECK (... IN ...), accepted_values
    lineage: Lineage | None = None  # None where no query tells
    reference: str = ""  # what stands for the description in the source, if that is no text: a doc() call
    pinned: bool = False  # its owner wants no text taken over or suggested here


@dataclass(frozen=True, slots=True)
class Table:
    """One table, view, model, source, seed or snapshot with its columns in order."""

    key: str  # unique in its catalog and stable between runs: "schema.table", "model.shop.orders"
    name: str
    kind: str = "table"  # table, view, materialized view, foreign table, model, source, seed, snapshot
    schema: str = ""
    description: str = ""
    columns: tuple[Column, ...] = ()
    sql: str = ""  # the query that makes it, where there is one
    upstream: tuple[str, ...] = ()  # keys of the tables it reads
    path: str = ""  # file that documents or defines it, relative to the project
    owner: str = ""  # person or team that answers for it, as the catalog names them
    pinned: bool = False  # its owner wants no text suggested for the table itself
    relation: str = ""  # its name in the database, where that is another than `name`

    def column(self, name: str) -> Column | None:
        """Return the column of exactly this name, or None."""
        return next((column for column in self.columns if column.name == name), None)

    def position(self, name: str) -> int:
        """Return the place of a column in the table's order from 1, 0 when it has none of this name."""
        return next((number for number, one in enumerate(self.columns, 1) if one.name == name), 0)

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The names of the primary key's columns, in the table's order."""
        return tuple(column.name for column in self.columns if column.primary_key)

    def refs(self) -> Iterator[ColumnRef]:
        """Yield every place of this table that can carry a description, the table first."""
        yield ColumnRef(self.key)
        for column in self.columns:
            yield ColumnRef(self.key, column.name)


@dataclass(frozen=True, slots=True)
class Catalog:
    """What an adapter read: tables in a stable order, and what the user should know about the reading."""

    source: str  # names this catalog in the ledger; never holds a password
    kind: str  # "dbt", or the SQLAlchemy dialect name
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()  # keys of tables whose columns are not all known
    unlisted_help: str = ""  # why that is, and what the user can do about it
    _by_key: dict[str, Table] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_key.update((table.key, table) for table in self.tables)

    def table(self, key: str) -> Table | None:
        """Return the table with this key, or None."""
        return self._by_key.get(key)

    def description(self, ref: ColumnRef) -> str | None:
        """Return the text that stands at a place now ("" for none), or None when the place is gone."""
        table = self.table(ref.table)
        if table is None:
            return None
        if not ref.column:
            return table.description
        column = table.column(ref.column)
        return None if column is None else column.description


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One row of the ledger: a text for one place, where it came from and what became of it."""

    ref: ColumnRef
    text: str
    state: str = "suggested"  # one of STATES
    origin: str = "generated"  # generated, composed, inherited, reused, unclear
    model: str = ""  # name and version of the model, e.g. "docgen-base@1f3a9c0d2b4e"
    asked: str = ""  # the model that was asked for a text, be this its own or what stands in for it
    weighed_by: str = ""  # the model that was asked what it thinks of this text, which it did not write
    logprob: float = 0.0  # mean log-probability of a token, nats, at most 0: the raw confidence
    confidence: float = 0.0  # 0 to 1
    fingerprint: str = ""  # of what the text was made from: name, type, keys
    before: str = ""  # the text that stood there when the suggestion was made
    evidence: str = ""  # where an inherited text comes from, or what speaks for and against one
    parent_hash: str = ""  # text_hash of the parent's text that was inherited, "" for none
    reviewer: str = ""
    suggested_at: datetime | None = None
    decided_at: datetime | None = None
    applied_at: datetime | None = None
    position: int = 0  # of the column in its table from 1; 0 is the table itself
    path: str = ""  # the table's, when the suggestion was made; so is the owner
    owner: str = ""


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a text comes from that no person worded."""

    origin: str  # as Suggestion.origin
    model: str = ""
    confidence: float = 0.0  # 0 to 1


@dataclass(frozen=True, slots=True)
class Change:
    """One description to write, valid only while `before` is what stands there."""

    ref: ColumnRef
    before: str
    after: str
    reference: str = ""  # what the source may hold in the text's stead, if it can: a doc() call
    provenance: Provenance | None = None  # None where a person worded it


@dataclass(frozen=True, slots=True)
class WriteReport:
    """What a writeback did, or in a dry run would do."""

    written: tuple[ColumnRef, ...] = ()
    skipped: tuple[tuple[ColumnRef, str], ...] = ()  # place, reason in a few words
    altered: tuple[tuple[ColumnRef, str], ...] = ()  # of `written`: where another text stands than was asked
    preview: str = ""  # unified diff or SQL statements, exactly what is or would be done
    error: str = ""  # why it stopped early, one line; what `written` lists is done all the same
    notes: tuple[str, ...] = ()  # what else was done that the user should know, a line each
