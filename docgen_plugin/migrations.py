"""The ledger's schema as functions that each ran once, in order; append, never edit one that was released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from sqlalchemy import BigInteger, Column, DateTime, Float, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.types import TypeDecorator

__all__ = ["MIGRATIONS", "events", "metadata", "suggestions", "versions"]


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


metadata = MetaData()

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
    Column("table_key", Text, nullable=False),
    Column("column_name", Text, nullable=False),  # "" is the table itself
    Column("text", Text, nullable=False),
    Column("text_hash", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("previous", String(16), nullable=False),  # the state before this one, "" for the first
    Column("origin", String(16), nullable=False),
    Column("model", Text, nullable=False),
    Column("logprob", Float, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("fingerprint", Text, nullable=False),
    Column("before_text", Text, nullable=False),
    Column("reviewer", Text, nullable=False),
    Column("suggested_at", UtcDateTime, nullable=False),
    Column("decided_at", UtcDateTime),
    Column("applied_at", UtcDateTime),
    Column("version", Integer, nullable=False),  # counts changes: the compare of compare-and-swap
    Index("docgen_suggestion_source_state", "source_hash", "state"),
)

events = Table(
    "docgen_event",
    metadata,
    Column("id", _BIG_KEY, primary_key=True, autoincrement=True),
    Column("place", String(64), nullable=False),
    Column("happened_at", UtcDateTime, nullable=False),
    Column("who", Text, nullable=False),
    Column("old_state", String(16), nullable=False),
    Column("new_state", String(16), nullable=False),
    Column("old_text", Text),  # None where the text did not change
    Column("new_text", Text),
    Column("why", Text, nullable=False),
    Index("docgen_event_place", "place"),
)


def _first(connection: Connection) -> None:
    """Create the suggestions and their history."""
    suggestions.create(connection)
    events.create(connection)


MIGRATIONS: Sequence[Callable[[Connection], None]] = (_first,)
