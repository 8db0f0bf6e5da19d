"""The columns that a query gives, read from its text alone: quick, no types worked out, stars followed as far as they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from docgen_dbt.render import UNKNOWN

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Item", "Output", "parse_query", "read_output"]

_DEEPEST = 40  # queries within queries; more is a loop
# asked in turn where nobody says which SQL it is
_GUESSES = ("", "snowflake", "bigquery", "duckdb", "postgres", "tsql", "databricks")

Lookup = Callable[[str], "Output | None"]  # the columns of a table by its name in the query


@dataclass(frozen=True, slots=True)
class Item:
    """One column of a query."""

    name: str
    type: str = ""  # where the query casts to it
    start: int | None = None  # offset of its name in the text, None where a star brings it


@dataclass(frozen=True, slots=True)
class Output:
    """What a query gives."""

    items: tuple[Item, ...] = ()
    complete: bool = False  # False where a star or an unread macro may hide columns

    @property
    def by_name(self) -> dict[str, Item]:
        """The items by lower-case name."""
        return {item.name.lower(): item for item in self.items}


def parse_query(text: str, dialect: str) -> tuple[exp.Query, str] | None:
    """Return the last query of a text and the dialect that reads it, None when none does.

    >>> parse_query("select a from b", "")[1], parse_query("select from from", "")
    ('', None)
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    for name in (dialect,) if dialect else _GUESSES:
        try:
            parts = sqlglot.parse(text, dialect=name)
        except (SqlglotError, RecursionError):
            continue
        queries = [part for part in parts if isinstance(part, exp.Query)]
        if queries:
            return queries[-1], name
    return None


def read_output(query: exp.Query, lookup: Lookup) -> Output:
    """Return the columns of a parsed query; `lookup` knows the tables that are not in the query itself."""
    return _Reader(lookup).read(query, {}, 0)


class _Reader:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup

    def read(self, query: exp.Expr | None, ctes: Mapping[str, Output], depth: int) -> Output:
        """Return what a query gives where these names are its CTEs."""
        from sqlglot import exp

        if depth > _DEEPEST or not isinstance(query, exp.Query):
            return Output()
        known = dict(ctes)
        clause = query.args.get("with_") or query.args.get("with")
        for cte in clause.expressions if clause is not None else ():
            known[cte.alias.lower()] = _renamed(self.read(cte.this, known, depth + 1), cte)
        if isinstance(query, exp.Subquery):
            return self.read(query.this, known, depth + 1)
        if isinstance(query, exp.SetOperation):
            return self.read(query.this, known, depth + 1)
        if not isinstance(query, exp.Select):
            return Output()
        items: list[Item] = []
        complete = True
        for select in query.expressions:
            part = self._star(query, select, known, depth) if select.is_star else _item(select)
            items += part.items
            complete = complete and part.complete
        return Output(tuple({item.name.lower(): item for item in reversed(items)}.values())[::-1], complete)

    def _star(self, query: exp.Select, star: exp.Expr, ctes: Mapping[str, Output], depth: int) -> Output:
        from sqlglot import exp

        of = star.table.lower() if isinstance(star, exp.Column) else ""
        joins = query.args.get("joins") or []
        start = query.args.get("from_") or query.args.get("from")
        sources = [part.this for part in (start, *joins) if part is not None]
        if query.args.get("laterals") or (start is None):
            return Output()
        items: dict[str, Item] = {}
        complete = True
        for source in sources:
            if of and source.alias_or_name.lower() != of:
                continue
            found = self._source(source, ctes, depth)
            complete = complete and found.complete
            for item in found.items:
                items.setdefault(item.name.lower(), item)
        if not items:
            return Output()
        return _trimmed(Output(tuple(items.values()), complete), star)

    def _source(self, source: exp.Expr, ctes: Mapping[str, Output], depth: int) -> Output:
        from sqlglot import exp

        if source.args.get("pivots") or source.args.get("joins"):
            return Output()
        if isinstance(source, exp.Subquery):
            return _renamed(self.read(source, ctes, depth + 1), source)
        if isinstance(source, exp.Values):
            return _renamed(Output(), source)
        if isinstance(source, exp.Table) and isinstance(source.this, exp.Identifier):
            name = source.name.lower()
            if name in ctes and not source.args.get("db"):
                return ctes[name]
            found = self._lookup(name) or Output()
            return replace(found, items=tuple(replace(item, start=None) for item in found.items))
        return Output()


def _item(select: exp.Expr) -> Output:
    from sqlglot import exp

    if isinstance(select, exp.Anonymous) and str(select.this).lower() == UNKNOWN:
        return Output()
    name = select.output_name
    if not name:
        return Output((), complete=True)  # an expression without a name: no place to describe
    inner = select.unalias()
    kind = inner.args["to"].sql() if isinstance(inner, exp.Cast) and inner.args.get("to") else ""
    written = select.args.get("alias") if isinstance(select, exp.Alias) else select.find(exp.Identifier)
    if isinstance(select, exp.Column):
        written = select.this
    start = written.meta.get("start") if isinstance(written, exp.Expression) else None
    return Output((Item(name, kind, start),), complete=True)


def _renamed(found: Output, named: exp.Expr) -> Output:
    """Return columns under the names that `as t (a, b)` gives them."""
    alias = named.args.get("alias")
    names = [column.name for column in (alias.args.get("columns") or ())] if alias is not None else []
    if not names:
        return found
    return Output(tuple(Item(name) for name in names), complete=True)


def _trimmed(found: Output, star: exp.Expr) -> Output:
    """Return a star's columns without those of EXCEPT or EXCLUDE, and renamed where it says so."""
    from sqlglot import exp

    node = star.this if isinstance(star, exp.Column) else star
    out = {part.name.lower() for part in node.args.get("except_") or node.args.get("except") or ()}
    renames = {
        part.this.name.lower(): part.alias
        for part in node.args.get("rename") or ()
        if isinstance(part, exp.Alias)
    }
    kept = (item for item in found.items if item.name.lower() not in out)
    return Output(
        tuple(replace(item, name=renames.get(item.name.lower(), item.name)) for item in kept), found.complete
    )
