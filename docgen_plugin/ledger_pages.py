"""What reviewers look at: filters over a source's suggestions, a page of them at a time, and their numbers.

A page is found by the keys of its neighbours, not by counting rows: the last page of a million costs what the first does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Select, String, func, or_, select, tuple_
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement

from docgen_plugin.errors import LedgerError
from docgen_plugin.migrations import SORT_CHARS, suggestions
from docgen_plugin.model import text_hash

__all__ = ["Filter", "GROUPS", "ORDERS", "bookmark", "count_query", "page_query", "tally_query"]

GROUPS = ("state", "origin", "model", "path", "owner", "table_key")
ORDERS = ("table", "confidence", "newest")
_LIKE_ESCAPE = "\\"
_INDEXES = {
    "table": "docgen_suggestion_order",
    "confidence": "docgen_suggestion_confidence",
    "newest": "docgen_suggestion_newest",
}


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

    @property
    def needs_rows(self) -> bool:
        """Whether it asks for what no index holds."""
        return bool(self.models or self.folder or self.owner or self.search)


class _Folded(FunctionElement[str]):
    """A text as LIKE finds it whatever its case."""

    type = String()
    inherit_cache = True


@compiles(_Folded)
def _lower(element: _Folded, compiler: SQLCompiler, **options: Any) -> str:
    return f"lower({compiler.process(element.clauses, **options)})"


@compiles(_Folded, "sqlite")
def _as_it_is(element: _Folded, compiler: SQLCompiler, **options: Any) -> str:
    # LIKE there knows no case of ASCII by itself; lower() knows no other either, and doubles the time
    return compiler.process(element.clauses, **options)


def _conditions(source: str, wanted: Filter) -> list[ColumnElement[bool]]:
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
        texts = (c.table_key, c.column_name, c.text)
        patterns = [f"%{_literal(one)}%" for one in _cases(wanted.search)]
        found.append(
            or_(*(_Folded(one).like(like, escape=_LIKE_ESCAPE) for one in texts for like in patterns))
        )
    return found


def _cases(text: str) -> list[str]:
    """Return the spellings to look for: SQLite tells the cases of letters beyond ASCII apart.

    >>> _cases("Zip"), _cases("Änderung")
    (['zip'], ['änderung', 'Änderung', 'ÄNDERUNG'])
    """
    lower = text.lower()
    return [lower] if text.isascii() else list(dict.fromkeys((lower, text, text.upper(), lower.capitalize())))


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
    query = _read_by(select(suggestions), wanted, _INDEXES[order]).where(*_conditions(source, wanted))
    falling = descending != backwards
    if after:
        values = [sqlalchemy.literal(value) for value in _read_bookmark(order, after, len(keys))]
        here, first = tuple_(*values), values[0]
        query = query.where(tuple_(*keys) < here if falling else tuple_(*keys) > here)
        # says nothing new, but MariaDB finds no place in an index by several columns
        query = query.where(keys[0] <= first if falling else keys[0] >= first)
    return query.order_by(*(key.desc() if falling else key for key in keys)).limit(limit)


def count_query(source: str, wanted: Filter) -> Select[Any]:
    """Return the query for the number of rows that a filter leaves."""
    query = select(func.count()).select_from(suggestions)
    return _read_by(query, wanted).where(*_conditions(source, wanted))


def _read_by(query: Select[Any], wanted: Filter, index: str = "") -> Select[Any]:
    """Return the query with the way through its rows where a database, left alone, takes one that is far longer.

    Measured by tests/benchmarks/review_page.py on 100,000 suggestions: rows looked up from the index of another
    order lie anywhere, 300 ms; read in the order of the tables, in which most were written, 50 ms.
    """
    if wanted.needs_rows:
        index = _INDEXES["table"]
        if not wanted.tables:  # MariaDB's rows lie in no order of ours: all of them, as they lie
            for dialect in ("mariadb", "mysql"):
                query = query.with_hint(suggestions, "USE INDEX ()", dialect)
    return query.with_hint(suggestions, f"INDEXED BY {index}", "sqlite") if index else query


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
    """Return the query for (value of each group, number of rows), for groups out of `GROUPS` or "sort_key"."""
    columns = [suggestions.c[name] for name in by]
    query = _read_by(select(*columns, func.count()), wanted)
    return query.where(*_conditions(source, wanted)).group_by(*columns)
