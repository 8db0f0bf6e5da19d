"""The columns that a query gives, read from its text alone: quick, no types worked out, stars followed as far as they go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from docgen_dbt.cte_text import Part, split_ctes
from docgen_dbt.render import UNKNOWN

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["Item", "Output", "parse_query", "read_output", "read_text"]

_DEEPEST = 40  # queries within queries; more is a loop
# asked in turn where nobody says which SQL it is
_PARTS_KEPT = 256  # parsed CTEs: a model's, then those of the same model before
_GUESSES = ("", "snowflake", "bigquery", "duckdb", "postgres", "tsql", "databricks")

Lookup = Callable[[str], "Output | None"]  # the columns of a table by its name in the query


@dataclass(frozen=True, slots=True)
class Item:
    """One column of a query."""

    name: str
    type: str = ""  # where the query casts to it
    start: int | None = None  # offset of its name in the text, None where a star brings it


@dataclass(frozen=True)
class Output:
    """What a query gives."""

    items: tuple[Item, ...] = ()
    complete: bool = False  # False where a star or an unread macro may hide columns

    @cached_property
    def by_name(self) -> dict[str, Item]:
        """The items by lower-case name."""
        return {item.name.lower(): item for item in self.items}


def parse_query(text: str, dialect: str) -> tuple[exp.Query, str] | None:
    """Return the last query of a text and the dialect that reads it, None when none does.

    >>> parse_query("select a from b", "")[1], parse_query("select from from", "")
    ('', None)
    """
    for name in (dialect,) if dialect else _GUESSES:
        queries = _queries(text, name)
        if queries:
            return queries[-1], name
    return None


def read_text(text: str, dialect: str, lookup: Lookup) -> Output | None:
    """Return the columns of a text's last query as `read_output` does, None when no dialect reads it.

    A CTE that was parsed before, in this text or another, is not parsed again.
    """
    parts = split_ctes(text)
    for name in (dialect,) if dialect else _GUESSES:
        cut = [_part(part.text, name) for part in parts]
        if cut and None not in cut:
            return _Reader(lookup).read_parts(parts, cut)
        queries = _queries(text, name)
        if queries:
            return read_output(queries[-1], lookup)
    return None


def _queries(text: str, dialect: str) -> list[exp.Query]:
    """Return the queries of a text, none where this dialect does not read it."""
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError

    try:
        return [part for part in sqlglot.parse(text, dialect=dialect) if isinstance(part, exp.Query)]
    except (SqlglotError, RecursionError):
        return []


@lru_cache(maxsize=_PARTS_KEPT)
def _part(text: str, dialect: str) -> exp.Query | None:
    """Return the one query of a part; readers leave it as it is."""
    found = _queries(text, dialect)
    return found[0] if len(found) == 1 else None


def read_output(query: exp.Query, lookup: Lookup) -> Output:
    """Return the columns of a parsed query; `lookup` knows the tables that are not in the query itself."""
    return _Reader(lookup).read(query, {}, 0)


class _Reader:
    def __init__(self, lookup: Lookup) -> None:
        self._lookup = lookup
        self._offset = 0  # of the text that is read in the whole

    def read_parts(self, parts: Sequence[Part], queries: Sequence[exp.Query | None]) -> Output:
        """Return what the last part gives, the others being its CTEs; places are those of the whole text."""
        known: dict[str, Output] = {}
        for part, query in zip(parts, queries, strict=True):
            self._offset = part.start
            known[part.name] = self.read(query, known, 1 if part.name else 0)
        return known[""]

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
            part = self._star(query, select, known, depth) if select.is_star else _item(select, self._offset)
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
            if all(item.start is None for item in found.items):
                return found
            return replace(found, items=tuple(replace(item, start=None) for item in found.items))
        return Output()


def _item(select: exp.Expr, offset: int) -> Output:
    from sqlglot import exp

    if isinstance(select, exp.Anonymous) and str(select.this).lower() == UNKNOWN:
        return Output()
    name = select.output_name
    if not name:
        return Output((), complete=True)  # an expression without a name: no place to describe
    inner = select.unalias()
    kind = _type_name(inner.args["to"]) if isinstance(inner, exp.Cast) and inner.args.get("to") else ""
    written = select.args.get("alias") if isinstance(select, exp.Alias) else select.find(exp.Identifier)
    if isinstance(select, exp.Column):
        written = select.this
    start = written.meta.get("start") if isinstance(written, exp.Expression) else None
    return Output((Item(name, kind, None if start is None else start + offset),), complete=True)


def _type_name(kind: exp.Expr) -> str:
    from sqlglot import exp

    if type(kind) is not exp.DataType or any(value for key, value in kind.args.items() if key != "this"):
        return kind.sql()
    return _plain_type_name(kind.this)


@lru_cache
def _plain_type_name(name: Any) -> str:
    from sqlglot import exp

    return exp.DataType(this=name).sql()


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
    if not out and not renames:
        return found
    kept = (item for item in found.items if item.name.lower() not in out)
    return Output(
        tuple(replace(item, name=renames.get(item.name.lower(), item.name)) for item in kept), found.complete
    )
