"""The ledger: every suggestion and what became of it, in SQLite beside the project or in a team's database.

A place (source, table, column) has one live row and a history of events. Every change compares the row's
version first, so that two people at work on one ledger cannot undo each other unseen.

    suggested -> accepted | edited | rejected -> applied;  any of them -> stale -> suggested anew

A stale row whose text stands in the source again, and still fits, is applied once more. Until it is applied, a
decision can be undone, the latest first.
"""

from __future__ import annotations

import contextlib
import itertools
import operator
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import sqlalchemy
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from docgen_plugin.calibration import Curve, points_json, read_points
from docgen_plugin.database import Database, Deadlock
from docgen_plugin.errors import LedgerError
from docgen_plugin.ledger_pages import Filter, bookmark, count_query, page_query, tally_query
from docgen_plugin.ledger_rows import (
    UNDONE,
    Counted,
    Decision,
    Event,
    Row,
    add_rows,
    batches,
    decide_rows,
    event_of,
    event_values,
    histories_query,
    history_of,
    place_of,
    restore_rows,
    row_of,
    undo_rows,
)
from docgen_plugin.migrations import SORT_CHARS, calibrations, events, suggestions
from docgen_plugin.model import STATES, ColumnRef, Suggestion, text_hash

__all__ = ["Decision", "Event", "Filter", "Ledger", "Page", "Row"]

_T = TypeVar("_T")

_FILED = ("accepted", "edited")
_UNDOABLE = ("accepted", "edited", "rejected")
_INTO_FILE = "written to the file "
_OF_CURVE = ("model", "origin", "decisions", "method", "fitted_at")
_TRIES = 5
_BATCH_CHARS = 32  # of the name of an action on many places
_PATIENCE_S = 0.05  # doubled before every further try
_LATE = 1000  # events that one may come behind and still be seen


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows in an order, and the bookmarks of the pages around them, "" where there is none."""

    rows: tuple[Row, ...]
    previous: str = ""
    next: str = ""


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
        self,
        source: str,
        tables: Iterable[str] | None = None,
        states: Sequence[str] = STATES,
        origins: Sequence[str] = (),
    ) -> Iterator[Row]:
        """Yield a source's rows in these states, of all tables or of those with these keys, in no order.

        With `origins` only rows whose text came about in one of these ways.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        base = sqlalchemy.select(suggestions).where(suggestions.c.source_hash == text_hash(source))
        if set(states) != set(STATES):  # SQLite would rather find all states one by one than few tables
            base = base.where(suggestions.c.state.in_(states))
        if origins:
            base = base.where(suggestions.c.origin.in_(origins))
        with self._database.reading() as connection:
            if tables is None:
                for found in connection.execution_options(yield_per=1000).execute(base).mappings():
                    yield row_of(found)
                return
            for keys in batches(dict.fromkeys(tables)):
                # the index has the keys' beginnings
                begins = suggestions.c.sort_key.in_({key[:SORT_CHARS] for key in keys})
                wanted = base.where(begins, suggestions.c.table_key.in_(keys))
                for found in connection.execute(wanted).mappings():
                    yield row_of(found)

    def row(self, source: str, ref: ColumnRef) -> Row | None:
        """Return the row of one place, or None.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        query = sqlalchemy.select(suggestions).where(suggestions.c.place == place_of(source, ref))
        with self._database.reading() as connection:
            found = connection.execute(query).mappings().first()
        return None if found is None else row_of(found)

    def page(
        self,
        source: str,
        wanted: Filter | None = None,
        order: str = "table",
        after: str = "",
        before: str = "",
        limit: int = 50,
    ) -> Page:
        """Return the rows that follow the bookmark `after`, or end before `before`, in one of `ledger_pages.ORDERS`.

        Raises:
            LedgerError: when the ledger cannot be read, or a bookmark is none of this order's.
        """
        backwards = bool(before)
        query = page_query(source, wanted or Filter(), order, before or after, backwards, limit + 1)
        with self._database.reading() as connection:
            found = list(connection.execute(query).mappings())
        more = len(found) > limit
        found = found[:limit]
        if backwards:
            found.reverse()
        if not found:
            return Page(())
        first, last = bookmark(order, found[0]), bookmark(order, found[-1])
        return Page(
            tuple(row_of(one) for one in found),
            previous=first if (more if backwards else after) else "",
            next=last if (backwards or more) else "",
        )

    def sources(self) -> list[str]:
        """Return the names of the catalogs that have rows, sorted.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        query = sqlalchemy.select(suggestions.c.source_hash, sqlalchemy.func.min(suggestions.c.source))
        with self._database.reading() as connection:
            return sorted(one[1] for one in connection.execute(query.group_by(suggestions.c.source_hash)))

    def count(self, source: str, wanted: Filter | None = None) -> int:
        """Return how many rows of a source a filter leaves.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        with self._database.reading() as connection:
            return int(connection.execute(count_query(source, wanted or Filter())).scalar() or 0)

    def tally(
        self, source: str, by: Sequence[str], wanted: Filter | None = None
    ) -> list[tuple[tuple[str, ...], int]]:
        """Return (value of each group, number of rows) for groups out of `ledger_pages.GROUPS`, sorted.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        wanted = wanted or Filter()
        # an index has the tables' keys as far as it can; the few that are longer are asked for by themselves
        begun = tuple("sort_key" if name == "table_key" else name for name in by)
        with self._database.reading() as connection:
            found = connection.execute(tally_query(source, begun, wanted)).all()
            if begun != tuple(by):
                at = by.index("table_key")
                cut = {one[at] for one in found if len(one[at]) == SORT_CHARS}
                found = [one for one in found if one[at] not in cut]
                for part in batches(cut):
                    whole = tally_query(source, by, wanted).where(suggestions.c.sort_key.in_(part))
                    found += connection.execute(whole).all()
        return sorted((tuple([value or "" for value in one[:-1]]), int(one[-1])) for one in found)

    def counts(self, source: str) -> list[tuple[str, str, str, int]]:
        """Return (table key, state, origin, number of rows) of a source, sorted.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        found = self.tally(source, ("table_key", "state", "origin"))
        return [(key, state, origin, number) for (key, state, origin), number in found]

    def history(self, source: str, ref: ColumnRef) -> list[Event]:
        """Return everything that happened to a place, the oldest first.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        query = events.select().where(events.c.place == place_of(source, ref)).order_by(events.c.id)
        with self._database.reading() as connection:
            return [event_of(found) for found in connection.execute(query).mappings()]

    def histories(self, source: str) -> Iterator[tuple[Counted, list[Event]]]:
        """Yield every place of a source with all that happened to it, the oldest first, in one query.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        query = histories_query(text_hash(source))
        with self._database.reading() as connection:
            found = connection.execution_options(yield_per=1000).execute(query)
            for _, lines in itertools.groupby(found, key=operator.itemgetter(0)):
                yield history_of(list(lines))

    def curves(self) -> list[Curve]:
        """Return what was fitted on decisions, the oldest first.

        Raises:
            LedgerError: when the ledger or a curve in it cannot be read.
        """
        query = sqlalchemy.select(calibrations).order_by(calibrations.c.id)
        with self._database.reading() as connection:
            found = list(connection.execute(query).mappings())
        return [
            Curve(points=read_points(one["points"]), **{name: one[name] for name in _OF_CURVE})
            for one in found
        ]

    def keep_curves(self, curves: Iterable[Curve]) -> None:
        """Add curves; from now on they count for the suggestions made.

        Raises:
            LedgerError: when the ledger cannot be written.
        """
        with self._database.writing() as connection:
            _add_curves(connection, curves)

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
            for part in batches(rows):
                log = [
                    event_values(
                        place_of(source, row.suggestion.ref),
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
        return self._written(lambda connection: add_rows(connection, source, listed))

    def _written(self, change: Callable[[Connection], _T]) -> _T:
        """Make a change in a transaction of its own; when others' work came between, look again and make it anew."""
        for number in range(_TRIES):
            if number:
                time.sleep(_PATIENCE_S * 2**number)
            # a place may be recorded between look and insert, two bulk actions may wait for each other
            with contextlib.suppress(IntegrityError, Deadlock), self._database.writing() as connection:
                return change(connection)
        raise LedgerError(f"{self.name}: others write to the ledger all the time; run it again")

    def decide(self, source: str, decisions: Iterable[Decision], batch: str = "") -> set[ColumnRef]:
        """Change rows' states and return the places changed; one that someone else changed since is left.

        `batch` names one action on many places: it is undone as one, and counted apart from looking at each.

        Raises:
            LedgerError: when the ledger cannot be written.
        """
        listed = list(decisions)
        if not listed:
            return set()
        return self._written(
            lambda connection: {
                ref for part in batches(listed) for ref in decide_rows(connection, source, part, batch)
            }
        )

    def undo(self, source: str, rows: Iterable[Row], who: str = "") -> set[ColumnRef]:
        """Take back the latest decision on each row and return the places changed.

        A row that was applied, that nobody decided on, or that someone else changed since is left.

        Raises:
            LedgerError: when the ledger cannot be written.
        """
        listed = list(rows)
        return self._written(
            lambda connection: {
                ref for part in batches(listed) for ref in undo_rows(connection, source, part, who)
            }
        )

    def batch(self, source: str, name: str) -> list[Row]:
        """Return the rows that an action on many places changed and that nothing has changed since.

        `name` is what the action was named, or how that begins.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        whole = len(name) == _BATCH_CHARS  # then the index finds it
        named = events.c.batch == name if whole else events.c.batch.startswith(name, autoescape=True)
        later = events.alias()
        changed = sqlalchemy.exists().where(later.c.place == events.c.place, later.c.id > events.c.id)
        query = (
            sqlalchemy.select(suggestions)
            .join(events, events.c.place == suggestions.c.place)
            .where(suggestions.c.source_hash == text_hash(source), named, ~changed)
        )
        with self._database.reading() as connection:
            return [row_of(found) for found in connection.execute(query).mappings()]

    def latest(self, source: str, who: str) -> list[Row]:
        """Return the rows of a reviewer's latest decision, or bulk action, that nothing has changed since.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        later = events.alias()
        changed = sqlalchemy.exists().where(later.c.place == events.c.place, later.c.id > events.c.id)
        of_source = sqlalchemy.exists().where(
            suggestions.c.place == events.c.place, suggestions.c.source_hash == text_hash(source)
        )
        # from the newest event back: the first that fits ends it
        query = (
            sqlalchemy.select(events.c.batch, events.c.place)
            .where(events.c.who == who, events.c.new_state.in_(_UNDOABLE), events.c.why != UNDONE)
            .where(~changed, of_source)
            .order_by(events.c.id.desc())
            .limit(1)
        )
        with self._database.reading() as connection:
            found = connection.execute(query).first()
            if found is None:
                return []
            if not found.batch:
                one = suggestions.select().where(suggestions.c.place == found.place)
                return [row_of(row) for row in connection.execute(one).mappings()]
        return self.batch(source, found.batch)

    def mark(self) -> int:
        """Return a number that grows with every change of the ledger, 0 when it is empty.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        newest = sqlalchemy.select(sqlalchemy.func.max(events.c.id))
        number = sqlalchemy.select(sqlalchemy.func.count()).select_from(events)
        with self._database.reading() as connection:
            last = int(connection.execute(newest).scalar() or 0)
            # a team's database numbers events before they are there to see: one that comes late fills a gap
            there = connection.execute(number.where(events.c.id > last - _LATE, events.c.id <= last)).scalar()
        return last * (_LATE + 1) + int(there or 0)

    def restore(
        self, found: Iterable[tuple[str, Row, Sequence[Event]]], curves: Iterable[Curve] = ()
    ) -> tuple[int, int]:
        """Write rows of any state with their histories, and curves, all or none; return how many rows and curves.

        Left out are rows of places that have one, and curves of a model and origin that have one.

        Raises:
            LedgerError: when the ledger cannot be written.
        """
        with self._database.writing() as connection:
            taken = sum(restore_rows(connection, part) for part in batches(found))
            standing = sqlalchemy.select(calibrations.c.model, calibrations.c.origin).distinct()
            present = {(one[0], one[1]) for one in connection.execute(standing)}
            fresh = [one for one in curves if (one.model, one.origin) not in present]
            _add_curves(connection, fresh)
            return taken, len(fresh)


def _add_curves(connection: Connection, curves: Iterable[Curve]) -> None:
    rows = [
        {"points": points_json(curve.points), **{name: getattr(curve, name) for name in _OF_CURVE}}
        for curve in curves
    ]
    if rows:
        connection.execute(calibrations.insert(), rows)
