"""The ledger: every suggestion and what became of it, in SQLite beside the project or in a team's database.

A place (source, table, column) has one live row and a history of events. Every change compares the row's
version first, so that two people at work on one ledger cannot undo each other unseen.

    suggested -> accepted | edited | rejected -> applied;  any of them -> stale -> suggested anew

A stale row whose text stands in the source again, and still fits, is applied once more.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import sqlalchemy
from sqlalchemy.engine import Connection, RowMapping
from sqlalchemy.exc import IntegrityError

from docgen_plugin.database import Database
from docgen_plugin.errors import LedgerError
from docgen_plugin.migrations import events, suggestions
from docgen_plugin.model import STATES, ColumnRef, Suggestion, text_hash

__all__ = ["Decision", "Event", "Ledger", "Row"]

_T = TypeVar("_T")

_NEXT = {
    "suggested": ("accepted", "edited", "rejected", "stale"),
    "accepted": ("edited", "rejected", "applied", "stale"),
    "edited": ("edited", "rejected", "applied", "stale"),
    "rejected": ("accepted", "edited", "stale"),
    "applied": ("stale",),
    "stale": ("applied",),
}
_FILED = ("accepted", "edited")
_INTO_FILE = "written to the file "
_TRIES = 5
_BATCH = 500  # places asked for in one statement: below every database's limit on parameters


@dataclass(frozen=True, slots=True)
class Row:
    """A suggestion as it stands in the ledger; `version` counts its changes."""

    suggestion: Suggestion
    version: int
    previous: str = ""  # the state before this one


@dataclass(frozen=True, slots=True)
class Decision:
    """A state that a row should take, valid only while the row has the version that `row` shows."""

    row: Row
    state: str
    who: str = ""
    text: str | None = None  # "edited": the reviewer's wording; "applied": what stands there, if it was cut
    why: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One change in the history of a place; a text is None where it did not change."""

    happened_at: datetime
    who: str
    old_state: str
    new_state: str
    old_text: str | None
    new_text: str | None
    why: str


class Ledger:
    """The suggestions of every source in one database; close it, or use it in a `with` statement."""

    def __init__(self, location: str | Path, create: bool = True) -> None:
        """Open the ledger at a SQLAlchemy URL or in a SQLite file, its schema brought up to date.

        With `create` off, a SQLite file that is not there is read as an empty ledger and not made.

        Raises:
            LedgerError: when it cannot be opened, is no ledger, or a newer docgen wrote it.
        """
        self._database = Database(location, create)

    @property
    def name(self) -> str:
        """Return where the ledger is, without a password."""
        return self._database.name

    @property
    def missing(self) -> bool:
        """Return whether there is no such file, and an empty ledger is read in its stead."""
        return self._database.missing

    def close(self) -> None:
        """Close every connection; may be called twice."""
        self._database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def rows(
        self, source: str, tables: Iterable[str] | None = None, states: Sequence[str] = STATES
    ) -> Iterator[Row]:
        """Yield a source's rows in these states, of all tables or of those with these keys, in no order.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        base = sqlalchemy.select(suggestions).where(
            suggestions.c.source_hash == text_hash(source), suggestions.c.state.in_(states)
        )
        with self._database.reading() as connection:
            if tables is None:
                for found in connection.execution_options(yield_per=1000).execute(base).mappings():
                    yield _row(found)
                return
            for keys in _batches(dict.fromkeys(tables)):
                wanted = base.where(suggestions.c.table_key.in_(keys))
                for found in connection.execute(wanted).mappings():
                    yield _row(found)

    def row(self, source: str, ref: ColumnRef) -> Row | None:
        """Return the row of one place, or None.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        query = sqlalchemy.select(suggestions).where(suggestions.c.place == _place(source, ref))
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().first()
        return None if found is None else _row(found)

    def counts(self, source: str) -> list[tuple[str, str, str, int]]:
        """Return (table key, state, origin, number of rows) of a source, sorted.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        keys = (suggestions.c.table_key, suggestions.c.state, suggestions.c.origin)
        query = (
            sqlalchemy.select(*keys, sqlalchemy.func.count())
            .where(suggestions.c.source_hash == text_hash(source))
            .group_by(*keys)
        )
        with self._database.reading() as connection:
            return sorted((one[0], one[1], one[2], one[3]) for one in connection.execute(query))

    def history(self, source: str, ref: ColumnRef) -> list[Event]:
        """Return everything that happened to a place, the oldest first.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        query = events.select().where(events.c.place == _place(source, ref)).order_by(events.c.id)
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().all()
        names = Event.__dataclass_fields__
        return [Event(**{name: row[name] for name in names}) for row in found]

    def filed(self, source: str) -> set[ColumnRef]:
        """Return the accepted and edited places that `file` was told of and nobody changed since.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        of_source = suggestions.c.source_hash == text_hash(source)
        last = (
            sqlalchemy.select(sqlalchemy.func.max(events.c.id).label("id"))
            .join_from(events, suggestions, events.c.place == suggestions.c.place)
            .where(of_source, suggestions.c.state.in_(_FILED))
            .group_by(events.c.place)
            .subquery()
        )
        query = (
            sqlalchemy.select(suggestions.c.table_key, suggestions.c.column_name)
            .join_from(last, events, events.c.id == last.c.id)
            .join(suggestions, suggestions.c.place == events.c.place)
            .where(events.c.old_state == events.c.new_state, events.c.why.like(f"{_INTO_FILE}%"))
        )
        with self._database.reading() as connection:
            return {ColumnRef(one[0], one[1]) for one in connection.execute(query)}

    def file(self, source: str, rows: Iterable[Row], name: str) -> None:
        """Record that the texts of accepted or edited rows were written to a file; they stay what they are.

        Raises:
            LedgerError: when the ledger cannot be written.
        """
        now = datetime.now(UTC)
        with self._database.writing() as connection:
            for part in _batches(rows):
                log = [
                    _event(
                        _place(source, row.suggestion.ref),
                        now,
                        "",
                        row.suggestion.state,
                        row.suggestion.state,
                        None,
                        None,
                        f"{_INTO_FILE}{name}",
                    )
                    for row in part
                ]
                connection.execute(events.insert(), log)

    def add(self, source: str, found: Iterable[Suggestion]) -> set[ColumnRef]:
        """Record suggestions and return the places kept; one with a row that is not stale keeps its row.

        Raises:
            LedgerError: when the ledger cannot be written.
        """
        listed = list({suggestion.ref: suggestion for suggestion in found}.values())
        if not listed:
            return set()
        for _ in range(_TRIES):
            # another process may record one of these places between look and insert: then look again
            with contextlib.suppress(IntegrityError), self._database.writing() as connection:
                return _add(connection, source, listed)
        raise LedgerError(f"{self.name}: others write to the ledger all the time; run it again")

    def decide(self, source: str, decisions: Iterable[Decision]) -> set[ColumnRef]:
        """Change rows' states and return the places changed; one that someone else changed since is left.

        Raises:
            LedgerError: when the ledger cannot be written.
        """
        listed = list(decisions)
        done: set[ColumnRef] = set()
        if listed:
            with self._database.writing() as connection:
                for part in _batches(listed):
                    done.update(_decide(connection, source, part))
        return done


def _batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    iterator = iter(items)
    while part := list(itertools.islice(iterator, _BATCH)):
        yield part


def _place(source: str, ref: ColumnRef) -> str:
    name = "\0".join((source, ref.table, ref.column))
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def _row(found: RowMapping) -> Row:
    suggestion = Suggestion(
        ref=ColumnRef(found["table_key"], found["column_name"]),
        text=found["text"],
        state=found["state"],
        origin=found["origin"],
        model=found["model"],
        logprob=found["logprob"],
        confidence=found["confidence"],
        fingerprint=found["fingerprint"],
        before=found["before_text"],
        reviewer=found["reviewer"],
        suggested_at=found["suggested_at"],
        decided_at=found["decided_at"],
        applied_at=found["applied_at"],
    )
    return Row(suggestion, found["version"], found["previous"])


def _present(connection: Connection, places: Sequence[str]) -> dict[str, RowMapping]:
    """Return the rows at these places, locked until the transaction ends where the database locks rows."""
    query = (
        sqlalchemy.select(suggestions.c.place, suggestions.c.state, suggestions.c.version, suggestions.c.text)
        .where(suggestions.c.place.in_(places))
        .with_for_update()
    )
    return {found["place"]: found for found in connection.execute(query).mappings()}


def _add(connection: Connection, source: str, listed: Sequence[Suggestion]) -> set[ColumnRef]:
    kept: set[ColumnRef] = set()
    now = datetime.now(UTC)
    for part in _batches(listed):
        by_place = {_place(source, suggestion.ref): suggestion for suggestion in part}
        present = _present(connection, list(by_place))
        fresh: list[dict[str, Any]] = []
        again: list[dict[str, Any]] = []
        log: list[dict[str, Any]] = []
        for place, suggestion in by_place.items():
            old = present.get(place)
            if old is not None and old["state"] != "stale":
                continue
            values = _values(source, place, suggestion, now)
            values["version"] = 1 if old is None else old["version"] + 1
            values["previous"] = "" if old is None else "stale"
            (fresh if old is None else again).append(values)
            kept.add(suggestion.ref)
            old_text = None if old is None else old["text"]
            log.append(
                _event(place, now, "", "" if old is None else "stale", "suggested", old_text, suggestion.text)
            )
        if fresh:
            connection.execute(suggestions.insert(), fresh)
        _update(connection, again)
        if log:
            connection.execute(events.insert(), log)
    return kept


def _values(source: str, place: str, suggestion: Suggestion, now: datetime) -> dict[str, Any]:
    return {
        "place": place,
        "source_hash": text_hash(source),
        "source": source,
        "table_key": suggestion.ref.table,
        "column_name": suggestion.ref.column,
        "text": suggestion.text,
        "text_hash": text_hash(suggestion.text),
        "state": "suggested",
        "origin": suggestion.origin,
        "model": suggestion.model,
        "logprob": suggestion.logprob,
        "confidence": suggestion.confidence,
        "fingerprint": suggestion.fingerprint,
        "before_text": suggestion.before,
        "reviewer": "",
        "suggested_at": suggestion.suggested_at or now,
        "decided_at": None,
        "applied_at": None,
    }


def _update(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows that all have the same keys over those with the same place."""
    if not rows:
        return
    place: sqlalchemy.BindParameter[str] = sqlalchemy.bindparam("at_place")
    changed: dict[str, sqlalchemy.BindParameter[Any]] = {
        name: sqlalchemy.bindparam(f"new_{name}") for name in rows[0] if name != "place"
    }
    statement = suggestions.update().where(suggestions.c.place == place).values(changed)
    parameters = [
        {"at_place" if name == "place" else f"new_{name}": value for name, value in row.items()}
        for row in rows
    ]
    connection.execute(statement, parameters)


def _decide(connection: Connection, source: str, decisions: Sequence[Decision]) -> Iterator[ColumnRef]:
    now = datetime.now(UTC)
    by_place = {_place(source, one.row.suggestion.ref): one for one in decisions}
    present = _present(connection, list(by_place))
    log = []
    groups: dict[frozenset[str], list[dict[str, Any]]] = {}
    for place, one in by_place.items():
        old = present.get(place)
        if old is None or old["version"] != one.row.version:
            continue
        assert one.state in _NEXT[old["state"]], f"{old['state']} cannot become {one.state}"
        values = _decided(place, one, old, now)
        groups.setdefault(frozenset(values), []).append(values)
        old_text = None if one.text is None else old["text"]
        log.append(_event(place, now, one.who, old["state"], one.state, old_text, one.text, one.why))
        yield one.row.suggestion.ref
    for rows in groups.values():
        _update(connection, rows)
    if log:
        connection.execute(events.insert(), log)


def _decided(place: str, one: Decision, old: RowMapping, now: datetime) -> dict[str, Any]:
    values: dict[str, Any] = {
        "place": place,
        "state": one.state,
        "previous": old["state"],
        "version": old["version"] + 1,
    }
    if one.state in ("accepted", "edited", "rejected"):
        values |= {"reviewer": one.who, "decided_at": now}
    if one.state == "applied":
        values["applied_at"] = now
    if one.text is not None:
        values |= {"text": one.text, "text_hash": text_hash(one.text)}
    return values


def _event(
    place: str,
    now: datetime,
    who: str,
    old_state: str,
    new_state: str,
    old_text: str | None,
    new_text: str | None,
    why: str = "",
) -> dict[str, Any]:
    return {
        "place": place,
        "happened_at": now,
        "who": who,
        "old_state": old_state,
        "new_state": new_state,
        "old_text": old_text,
        "new_text": new_text,
        "why": why,
    }
