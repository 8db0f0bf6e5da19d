"""What reviewers look at: filters over a source's suggestions, a page of them at a time, and their numbers.

A page is found by the keys of its neighbours, not by counting rows: the last page of a million costs what the first does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_

from docgen_plugin.errors import LedgerError
from docgen_plugin.migrations import SORT_CHARS, suggestions
from docgen_plugin.model import text_hash

__all__ = ["Filter", "GROUPS", "ORDERS", "bookmark", "conditions", "page_query", "tally_query"]

GROUPS = ("state", "origin", "model", "path", "owner", "table_key")
ORDERS = ("table", "confidence", "newest")
_LIKE_ESCAPE = "\\"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which suggestions of a source are meant; an empty field means all."""

    states: Sequence[str] = ()
    origins: Sequence[str] = ()
    models: Sequence[str] = ()
    min_confidence: float | None = None  # 0 to 1, this one included
    max_confidence: float | None = None  # 0 to 1, this one left out
    tables: Sequence[str] = ()  # keys, at most some hundred
    folder: str = ""  # of the file that documents the table, with everything below it
    owner: str = ""
    search: str = ""  # found in the table's key, the column's name or the text, whatever its case


def conditions(source: str, wanted: Filter) -> list[ColumnElement[bool]]:
    """Return the filter as conditions of a query over the suggestions."""
    c = suggestions.c
    found: list[ColumnElement[bool]] = [c.source_hash == text_hash(source)]
    for column, values in (
        (c.state, wanted.states),
        (c.origin, wanted.origins),
        (c.model, wanted.models),
        (c.table_key, wanted.tables),
    ):
        if values:
            found.append(column.in_(list(values)))
    if wanted.tables:
        found.append(
            c.sort_key.in_({key[:SORT_CHARS] for key in wanted.tables})
        )  # what the index has of them
    if wanted.min_confidence is not None:
        found.append(c.confidence >= wanted.min_confidence)
    if wanted.max_confidence is not None:
        found.append(c.confidence < wanted.max_confidence)
    if wanted.owner:
        found.append(c.owner == wanted.owner)
    if wanted.folder:
        found.append(c.path.like(f"{_literal(wanted.folder.rstrip('/'))}/%", escape=_LIKE_ESCAPE))
    if wanted.search:
        pattern = f"%{_literal(wanted.search.lower())}%"
        texts = (c.table_key, c.column_name, c.text)
        found.append(or_(*(func.lower(one).like(pattern, escape=_LIKE_ESCAPE) for one in texts)))
    return found


def _literal(text: str) -> str:
    for sign in (_LIKE_ESCAPE, "%", "_"):
        text = text.replace(sign, _LIKE_ESCAPE + sign)
    return text


def _keys(order: str) -> tuple[tuple[Any, ...], bool]:
    """Return the columns that an order sorts by, the last of them unique, and whether the largest comes first."""
    c = suggestions.c
    if order == "confidence":
        return (c.confidence, c.place), True
    if order == "newest":
        return (c.suggested_at, c.place), True
    assert order == "table", order
    return (c.sort_key, c.position, c.place), False


def page_query(
    source: str, wanted: Filter, order: str, after: str, backwards: bool, limit: int
) -> Select[Any]:
    """Return the query for the rows that follow a bookmark in an order, or with `backwards` those before it, nearest first.

    Raises:
        LedgerError: when the bookmark is none of this order's.
    """
    keys, descending = _keys(order)
    query = select(suggestions).where(*conditions(source, wanted))
    falling = descending != backwards
    if after:
        here = tuple_(*(sqlalchemy.literal(value) for value in _read_bookmark(order, after, len(keys))))
        query = query.where(tuple_(*keys) < here if falling else tuple_(*keys) > here)
    return query.order_by(*(key.desc() if falling else key for key in keys)).limit(limit)


def bookmark(order: str, found: Any) -> str:
    """Return what names the place of a row in an order, from the row's own mapping."""
    keys, _ = _keys(order)
    values = [found[key.name] for key in keys]
    return json.dumps(
        [order, *(value.isoformat() if hasattr(value, "isoformat") else value for value in values)]
    )


def _read_bookmark(order: str, text: str, number: int) -> list[Any]:
    from datetime import datetime

    try:
        found = json.loads(text)
        if not isinstance(found, list) or found[0] != order or len(found) != number + 1:
            raise ValueError(text)
        values = found[1:]
        return [datetime.fromisoformat(values[0]), *values[1:]] if order == "newest" else values
    except (ValueError, TypeError, IndexError) as err:
        raise LedgerError(f"{text!r} is no place in the order by {order}: begin at the first page") from err


def tally_query(source: str, by: Sequence[str], wanted: Filter) -> Select[Any]:
    """Return the query for (value of each group, number of rows), for groups out of `GROUPS`."""
    columns = [suggestions.c[name] for name in by]
    return select(*columns, func.count()).where(*conditions(source, wanted)).group_by(*columns)
