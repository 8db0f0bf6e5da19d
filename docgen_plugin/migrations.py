"""The ledger's schema as functions that each ran once, in order; append, never edit one that was released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    inspect,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeDecorator

__all__ = ["MIGRATIONS", "SORT_CHARS", "calibrations", "events", "metadata", "suggestions", "versions"]


class UtcDateTime(TypeDecorator[datetime]):
    """Stores aware times as UTC without an offset, so that every database sorts them alike."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time in UTC, its zone left out."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return the time with its zone, UTC."""
        return None if value is None else value.replace(tzinfo=UTC)


SORT_CHARS = 180  # of a table's key that are sorted by: MariaDB indexes 3,072 bytes, 4 a character
_BEHIND = 1_000_000  # the position of a column that an older ledger did not number

metadata = MetaData()

_DOUBLE = Float(53)  # MariaDB keeps seven digits of a plain FLOAT, and then finds no row by what it gave
# names and people that differ by case alone are two: MariaDB and MySQL by themselves see one
_CASELESS = ("mysql", "mariadb")
_NAME = Text().with_variant(mysql.TEXT(charset="utf8mb4", collation="utf8mb4_bin"), *_CASELESS)
_NAME_BEGINNING = String(SORT_CHARS).with_variant(
    mysql.VARCHAR(SORT_CHARS, charset="utf8mb4", collation="utf8mb4_bin"), *_CASELESS
)
_BIG_KEY = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up by itself in INTEGER only

versions = Table(
    "docgen_version",
    metadata,
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("applied_at", UtcDateTime, nullable=False),
)

# NOTE: these tables are today's shape; a later migration alters old files to match what stands here
suggestions = Table(
    "docgen_suggestion",
    metadata,
    # a hash of source, table and column: names have no length limit that every database could index
    Column("place", String(64), primary_key=True),
    Column("source_hash", String(16), nullable=False),
    Column("source", Text, nullable=False),
    Column("table_key", _NAME, nullable=False),
    Column("column_name", _NAME, nullable=False),  # "" is the table itself
    Column("text", Text, nullable=False),
    Column("text_hash", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("previous", String(16), nullable=False),  # the state before this one, "" for the first
    Column("origin", String(16), nullable=False),
    Column("model", _NAME, nullable=False),
    Column("logprob", _DOUBLE, nullable=False),
    Column("confidence", _DOUBLE, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("before_text", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("suggested_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("applied_at", UtcDateTime),
    Column("version", Integer, nullable=False),  # counts changes: the compare of compare-and-swap
    Column("sort_key", _NAME_BEGINNING),  # the table's key as far as every database can index it
    Column("position", Integer),  # of the column in its table from 1, 0 for the table itself
    Column("path", _NAME),  # the file that documents the table, and who owns it: what reviewers filter by
    Column("owner", _NAME),
    Column("evidence", Text),  # where the text comes from, or what speaks against one
    Column("parent_hash", String(16)),  # of the text that was inherited
    Column("asked", _NAME),  # the model that was asked, be the text its own or not
    Column("weighed_by", _NAME),  # the model whose log-probability a text that it did not write has
    # each holds what filters ask for besides what it sorts by: a row is read only when it is shown
    Index("docgen_suggestion_source_state", "source_hash", "state", "origin", "confidence"),
    Index("docgen_suggestion_tally", "source_hash", "sort_key", "state", "origin"),
    Index(
        "docgen_suggestion_order",
        *("source_hash", "sort_key", "position", "place", "state", "origin", "confidence"),
    ),
    Index("docgen_suggestion_confidence", "source_hash", "confidence", "place", "state", "origin"),
    Index(
        "docgen_suggestion_newest", "source_hash", "suggested_at", "place", "state", "origin", "confidence"
    ),
)

events = Table(
    "docgen_event",
    metadata,
    Column("id", _BIG_KEY, primary_key=True, autoincrement=True),
    Column("place", String(64), nullable=False),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("who", _NAME, nullable=False),
    Column("old_state", String(16), nullable=False),
    Column("new_state", String(16), nullable=False),
    Column("old_text", Text),  # None where the text did not change
    Column("new_text", Text),
    Column("why", Text, nullable=False),
    Column("batch", String(32)),  # one person's one action; None for an action on this place alone
    # of a new suggestion, so that its fate can be counted after another took its row
    Column("origin", String(16)),
    Column("model", Text),
    Column("confidence", _DOUBLE),
    Column("logprob", _DOUBLE),
    Column("asked", _NAME),
    Column("weighed_by", _NAME),
    Index("docgen_event_place", "place"),
    Index("docgen_event_batch", "batch"),
)

# what log-probabilities are worth, fitted on decisions; the latest row of a model and origin counts
calibrations = Table(
    "docgen_calibration",
    metadata,
    Column("id", _BIG_KEY, primary_key=True, autoincrement=True),
    Column("model", Text, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("fitted_at", UtcDateTime, nullable=False),
    Column("method", String(16), nullable=False),
    Column("decisions", Integer, nullable=False),
    Column("points", Text, nullable=False),  # JSON: [[log-probability, share], ...], both rising
)


def _first(connection: Connection) -> None:
    """Create the suggestions and their history."""
    suggestions.create(connection)
    events.create(connection)


def _second(connection: Connection) -> None:
    """Add what reviewers sort and filter by, and what the measures count by."""
    for table in (suggestions, events):
        _complete(connection, table)
    connection.execute(
        suggestions.update()
        .where(suggestions.c.sort_key.is_(None))
        .values(sort_key=func.substr(suggestions.c.table_key, 1, SORT_CHARS), position=_BEHIND)
    )


def _complete(connection: Connection, table: Table) -> None:
    """Add the columns and indexes that an older ledger's table lacks; all of them allow nulls."""
    found = inspect(connection)
    present = {column["name"] for column in found.get_columns(table.name)}
    prepare = connection.dialect.identifier_preparer
    for column in table.columns:
        if column.name not in present:
            definition = CreateColumn(column).compile(dialect=connection.dialect)
            connection.exec_driver_sql(f"ALTER TABLE {prepare.format_table(table)} ADD COLUMN {definition}")
    indexed = {index["name"] for index in found.get_indexes(table.name)}
    for index in table.indexes:
        if index.name not in indexed:
            index.create(connection)


def _third(connection: Connection) -> None:
    """Add where a text comes from."""
    _complete(connection, suggestions)


def _fourth(connection: Connection) -> None:
    """Create the table of calibrations."""
    calibrations.create(connection, checkfirst=True)


def _fifth(connection: Connection) -> None:
    """Add which model was asked, and which one weighed."""
    for table in (suggestions, events):
        _complete(connection, table)


def _sixth(connection: Connection) -> None:
    """Make the indexes those that pages and numbers are read from, and names differ by case everywhere."""
    indexes = sorted(suggestions.indexes, key=lambda index: str(index.name))
    found = {one["name"]: one["column_names"] for one in inspect(connection).get_indexes(suggestions.name)}
    if all(found.get(str(index.name)) == [column.name for column in index.columns] for index in indexes):
        return  # the tables are new and have today's shape
    for index in indexes:
        index.drop(connection, checkfirst=True)
    if connection.dialect.name in _CASELESS:
        for column in (*suggestions.columns, *events.columns):
            if column.type in (_NAME, _NAME_BEGINNING):
                definition = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {column.table.name} MODIFY {definition}")
    for index in indexes:
        index.create(connection)


MIGRATIONS: Sequence[Callable[[Connection], None]] = (_first, _second, _third, _fourth, _fifth, _sixth)
