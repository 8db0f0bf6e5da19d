"""The ledger's rows: how suggestions, decisions and events stand in its tables, and the statements that change them."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Select
from sqlalchemy.engine import Connection, RowMapping

from docgen_plugin.migrations import SORT_CHARS, events, suggestions
from docgen_plugin.model import ColumnRef, Suggestion, text_hash

__all__ = [
    "Counted",
    "Decision",
    "Event",
    "Row",
    "UNDONE",
    "add_rows",
    "batches",
    "decide_rows",
    "event_of",
    "event_values",
    "histories_query",
    "history_of",
    "place_of",
    "restore_rows",
    "row_of",
    "undo_rows",
]

_T = TypeVar("_T")

_NEXT = {
    "suggested": ("accepted", "edited", "rejected", "stale"),
    "accepted": ("edited", "rejected", "applied", "stale"),
    "edited": ("edited", "rejected", "applied", "stale"),
    "rejected": ("accepted", "edited", "stale"),
    "applied": ("stale",),
    "stale": ("applied",),
}
_DECIDED = ("accepted", "edited", "rejected")
UNDONE = "undone"  # why a row went back to what it was before a decision
_OF_SUGGESTION = ("origin", "model", "confidence", "logprob", "asked", "weighed_by")
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
    batch: str = ""  # names the action on many places that this was part of
    origin: str = ""  # of a new suggestion, as are the next five
    model: str = ""
    confidence: float | None = None
    logprob: float | None = None
    asked: str = ""
    weighed_by: str = ""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a place is counted by, as its row has it."""

    ref: ColumnRef
    path: str
    origin: str
    model: str
    confidence: float  # 0 to 1
    logprob: float  # nats a token
    asked: str
    weighed_by: str


def batches(items: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield the items in lists that one statement can ask for."""
    iterator = iter(items)
    while part := list(itertools.islice(iterator, _BATCH)):
        yield part


def place_of(source: str, ref: ColumnRef) -> str:
    """Return the key of a place in the ledger's tables, 40 hex digits."""
    name = "\0".join((source, ref.table, ref.column))
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:40]


def row_of(found: RowMapping) -> Row:
    """Return the row that a query over the suggestions found."""
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
        position=found["position"] or 0,
        path=found["path"] or "",
        owner=found["owner"] or "",
        evidence=found["evidence"] or "",
        parent_hash=found["parent_hash"] or "",
        asked=found["asked"] or "",
        weighed_by=found["weighed_by"] or "",
    )
    return Row(suggestion, found["version"], found["previous"])


def event_of(found: RowMapping) -> Event:
    """Return the event that a query over the events found."""
    values: dict[str, Any] = {name: found[name] for name in Event.__dataclass_fields__}
    return Event(
        **values | {name: values[name] or "" for name in ("batch", "origin", "model", "asked", "weighed_by")}
    )


def histories_query(source_hash: str) -> Select[Any]:
    """Return the query for what `history_of` reads, the lines of a place together and the oldest first."""
    s = suggestions.c
    counted = (
        *(s.table_key, s.column_name, s.path, s.origin, s.model),
        s.confidence,
        s.logprob,
        s.asked,
        s.weighed_by,
    )
    optional = ("batch", "origin", "model", "asked", "weighed_by")
    happened = (
        sqlalchemy.func.coalesce(events.c[name], "").label(f"event_{name}")
        if name in optional
        else events.c[name].label(f"event_{name}")
        for name in Event.__dataclass_fields__
    )
    return (
        sqlalchemy.select(events.c.place, *counted, *happened)
        .join(suggestions, events.c.place == s.place)
        .where(s.source_hash == source_hash)
        .order_by(events.c.place, events.c.id)
    )


def history_of(lines: Sequence[Any]) -> tuple[Counted, list[Event]]:
    """Return one place and its events, from all its lines of `histories_query`."""
    _, table, column, path, origin, model, confidence, logprob, asked, weighed_by, *_ = lines[0]
    ref = ColumnRef(table, column)
    found = Counted(ref, path or "", origin, model, confidence, logprob, asked or "", weighed_by or "")
    # by place in the line: by name it takes twice as long, and there are hundreds of thousands
    return found, [Event(*line[10:]) for line in lines]


def _present(connection: Connection, places: Sequence[str]) -> dict[str, RowMapping]:
    """Return the rows at these places, locked until the transaction ends where the database locks rows."""
    query = (
        sqlalchemy.select(suggestions.c.place, suggestions.c.state, suggestions.c.version, suggestions.c.text)
        .where(suggestions.c.place.in_(places))
        .with_for_update()
    )
    return {found["place"]: found for found in connection.execute(query).mappings()}


def add_rows(connection: Connection, source: str, listed: Sequence[Suggestion]) -> set[ColumnRef]:
    """Write suggestions where no live row stands and return their places."""
    kept: set[ColumnRef] = set()
    now = datetime.now(UTC)
    for part in batches(listed):
        by_place = {place_of(source, suggestion.ref): suggestion for suggestion in part}
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
            before = "" if old is None else "stale"
            made = event_values(place, now, "", before, "suggested", old_text, suggestion.text)
            log.append(made | {name: values[name] for name in _OF_SUGGESTION})
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
        "sort_key": suggestion.ref.table[:SORT_CHARS],
        "position": suggestion.position,
        "path": suggestion.path,
        "owner": suggestion.owner,
        "evidence": suggestion.evidence,
        "parent_hash": suggestion.parent_hash,
        "asked": suggestion.asked,
        "weighed_by": suggestion.weighed_by,
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


def decide_rows(
    connection: Connection, source: str, decisions: Sequence[Decision], batch: str
) -> Iterator[ColumnRef]:
    """Write decisions whose rows are as they were seen, and yield their places."""
    now = datetime.now(UTC)
    by_place = {place_of(source, one.row.suggestion.ref): one for one in decisions}
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
        log.append(
            event_values(place, now, one.who, old["state"], one.state, old_text, one.text, one.why, batch)
        )
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


def event_values(
    place: str,
    now: datetime,
    who: str,
    old_state: str,
    new_state: str,
    old_text: str | None,
    new_text: str | None,
    why: str = "",
    batch: str = "",
) -> dict[str, Any]:
    """Return an event as a row of the ledger's table."""
    return {
        "place": place,
        "happened_at": now,
        "who": who,
        "old_state": old_state,
        "new_state": new_state,
        "old_text": old_text,
        "new_text": new_text,
        "why": why,
        "batch": batch or None,
        "origin": None,
        "model": None,
        "confidence": None,
        "logprob": None,
        "asked": None,
        "weighed_by": None,
    }


def undo_rows(connection: Connection, source: str, rows: Sequence[Row], who: str) -> Iterator[ColumnRef]:
    """Take back the latest standing decision on rows that are as they were seen, and yield their places."""
    now = datetime.now(UTC)
    by_place = {place_of(source, row.suggestion.ref): row for row in rows}
    present = _present(connection, list(by_place))
    standing = _standing(connection, list(by_place))
    log, undone = [], []
    for place, row in by_place.items():
        old, decisions = present.get(place), standing.get(place)
        if old is None or not decisions or old["version"] != row.version or old["state"] not in _DECIDED:
            continue
        last = decisions.pop()
        earlier = decisions[-1] if decisions else None
        text = old["text"] if last["old_text"] is None else last["old_text"]
        undone.append(
            {
                "place": place,
                "state": last["old_state"],
                "previous": old["state"],
                "version": old["version"] + 1,
                "text": text,
                "text_hash": text_hash(text),
                "reviewer": earlier["who"] if earlier is not None else "",
                "decided_at": earlier["happened_at"] if earlier is not None else None,
            }
        )
        changed = text != old["text"]
        texts: tuple[str | None, str | None] = (old["text"], text) if changed else (None, None)
        log.append(event_values(place, now, who, old["state"], last["old_state"], *texts, UNDONE))
        yield row.suggestion.ref
    _update(connection, undone)
    if log:
        connection.execute(events.insert(), log)


def _standing(connection: Connection, places: Sequence[str]) -> dict[str, list[RowMapping]]:
    """Return the decisions on each place since its suggestion that were not taken back, the latest last."""
    query = sqlalchemy.select(events).where(events.c.place.in_(places)).order_by(events.c.id)
    found: dict[str, list[RowMapping]] = {}
    for happened in connection.execute(query).mappings():
        decisions = found.setdefault(happened["place"], [])
        if happened["why"] == UNDONE:
            del decisions[-1:]
        elif happened["old_state"] == happened["new_state"] and happened["new_text"] is None:
            continue  # written to a file
        elif happened["new_state"] in _DECIDED:
            decisions.append(happened)
        else:
            decisions.clear()
    return found


def restore_rows(connection: Connection, found: Sequence[tuple[str, Row, Sequence[Event]]]) -> int:
    """Write rows as another ledger had them where no row stands, with their events; return how many."""
    by_place = {
        place_of(source, row.suggestion.ref): (source, row, happened) for source, row, happened in found
    }
    present = _present(connection, list(by_place))
    rows: list[dict[str, Any]] = []
    log: list[dict[str, Any]] = []
    for place, (source, row, happened) in by_place.items():
        if place in present:
            continue
        one = row.suggestion
        values = _values(source, place, one, one.suggested_at or datetime.now(UTC))
        kept = {name: getattr(one, name) for name in ("state", "reviewer", "decided_at", "applied_at")}
        rows.append(values | kept | {"version": row.version, "previous": row.previous})
        for event in happened:
            texts = (event.old_text, event.new_text)
            states = (event.old_state, event.new_state)
            made = event_values(place, event.happened_at, event.who, *states, *texts, event.why, event.batch)
            if event.origin:
                made |= {name: getattr(event, name) for name in _OF_SUGGESTION}
            log.append(made)
    if rows:
        connection.execute(suggestions.insert(), rows)
    if log:
        connection.execute(events.insert(), log)
    return len(rows)
