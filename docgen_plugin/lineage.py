"""Where the columns of a query come from: each followed through CTEs, subqueries, stars, joins and unions to tables.

A column that is only passed on keeps its parent's meaning, under whatever name; so does a cast. Anything that a
query computes has inputs, not a parent.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from docgen_plugin.model import ColumnRef, Lineage, Table

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

    from docgen_plugin.known_columns import KnownColumns

__all__ = [
    "SQLGLOT_BUGS",
    "mark_functions",
    "quiet_sqlglot",
    "rare_collections",
    "read_lineage",
    "trace",
    "with_lineage",
]

_EXPRESSION_CHARS = 200  # of an expression's text: a reviewer reads it, a longer one says no more
_CASTS = ("Cast", "TryCast")
_COLLECTED_AFTER = (
    10_000  # new objects: a tenth quicker than 700; with 50,000 the trees leave the processor's cache
)
_OURS = "docgen_written"  # marks a function that stands in the query, not one that qualifying put there

# what sqlglot raises on SQL that it half understands, beside its own errors
SQLGLOT_BUGS = (AttributeError, KeyError, IndexError, TypeError, ValueError, RecursionError, AssertionError)


@dataclass(frozen=True, slots=True)
class _Value:
    """What an expression gives: `bare` columns of tables, or something `derived` from them."""

    kind: str  # bare, derived, constant, null, unknown, own: the table that is being made
    inputs: tuple[ColumnRef, ...] = ()
    expression: str = ""


_UNKNOWN = _Value("unknown")
_OWN = _Value("own")


def trace(
    query: exp.Query,
    key_of: Callable[[exp.Table], str],
    own: str = "",
    opaque: str = "",
    listed: Iterable[str] = (),
    scope: Scope | None = None,
) -> dict[str, Lineage]:
    """Return what each output column of a query is made of, by name in lower case.

    Args:
        query: qualified by sqlglot, its identifiers in lower case; `mark_functions` ran on it before that.
        key_of: gives the key of a table that the query reads, "" for one that nobody knows.
        own: the key of the table that the query makes: what an incremental model reads back says nothing.
        opaque: the name of a function that stands for something we could not read.
        listed: columns that the query is known to have, be it behind a star.
        scope: the query's scope, where somebody built it already.
    """
    from sqlglot.optimizer.scope import build_scope

    scope = scope or build_scope(query)
    if scope is None:
        return {}
    tracer = _Tracer(key_of, own, opaque)
    names = dict.fromkeys((*tracer.names(scope), *(name.lower() for name in listed)))
    return {name: _lineage(name, tracer.output(scope, name)) for name in names if name and name != "*"}


def _lineage(name: str, value: _Value) -> Lineage:
    inputs = value.inputs
    if value.kind == "bare" and len(inputs) == 1:
        return Lineage("pass-through" if inputs[0].column.lower() == name else "rename", inputs)
    if value.kind == "bare":
        return Lineage("union", inputs)
    kinds = {"derived": "derived", "constant": "constant", "null": "constant"}
    return Lineage(kinds.get(value.kind, "unknown"), inputs, value.expression)


class _Tracer:
    """Follows columns through the scopes of one query; every column of every scope is looked at once."""

    def __init__(self, key_of: Callable[[exp.Table], str], own: str, opaque: str) -> None:
        self._key_of, self._own, self._opaque = key_of, own, opaque
        self._done: dict[tuple[int, str], _Value] = {}
        self._selects: dict[int, dict[str, Any]] = {}
        self._stars: dict[int, list[Any]] = {}

    def names(self, scope: Any) -> list[str]:
        """Return the names of a scope's output columns, those of an unread star left out."""
        first = scope
        while parts := _parts(first):
            first = parts[0]
        self._read(first)
        return list(self._selects[id(first)])

    def output(self, scope: Any, name: str) -> _Value:
        """Return what one output column of a scope is."""
        key = (id(scope), name)
        if key not in self._done:
            self._done[key] = _OWN  # a recursive query adds nothing to what it starts from
            self._done[key] = self._branches(scope, name) if _parts(scope) else self._select(scope, name)
        return self._done[key]

    def _read(self, scope: Any) -> None:
        """Look a scope's SELECT list up by name."""
        from sqlglot import exp

        if id(scope) in self._selects:
            return
        named: dict[str, Any] = {}
        stars: list[Any] = []
        query = scope.expression
        for select in query.selects if isinstance(query, exp.Query) else ():
            if select.is_star:
                stars.append(select)
            else:
                named.setdefault(select.alias_or_name.lower(), select)
        self._selects[id(scope)], self._stars[id(scope)] = named, stars

    def _branches(self, scope: Any, name: str) -> _Value:
        """Return a column of a union: what all branches agree on; EXCEPT and INTERSECT show their left side."""
        from sqlglot import exp

        left, right = _parts(scope)
        value = self.output(left, name)
        if not isinstance(scope.expression, exp.Union):
            return value
        names, others = self.names(left), self.names(right)
        by_position = name in names and len(names) == len(others) and not scope.expression.args.get("by_name")
        other = others[names.index(name)] if by_position else name
        return _either(value, self.output(right, other))

    def _select(self, scope: Any, name: str) -> _Value:
        self._read(scope)
        found = self._selects[id(scope)].get(name)
        if found is not None:
            return self._value(scope, found)
        return self._through_star(scope, name)

    def _through_star(self, scope: Any, name: str) -> _Value:
        """Return a column that only a star can give, where one table alone is behind that."""
        from sqlglot import exp

        sources = []
        for star in self._stars[id(scope)]:
            inner = star.this if isinstance(star, exp.Column) else star
            if any(isinstance(inner, exp.Star) and inner.args.get(key) for key in ("rename", "replace")):
                return _UNKNOWN
            table = star.table if isinstance(star, exp.Column) else ""
            sources += (
                [scope.sources.get(table)] if table else [pair[1] for pair in scope.selected_sources.values()]
            )
        if len(sources) != 1 or sources[0] is None:
            return _UNKNOWN
        return self._from(scope, sources[0], name)

    def _from(self, scope: Any, source: Any, name: str) -> _Value:
        """Return a column of a table or of a query within the query."""
        from sqlglot import exp

        if not isinstance(source, exp.Table):
            if source.is_udtf:
                return _UNKNOWN
            return _OWN if _is_recursive(scope, source) else self.output(source, name)
        if source.args.get("pivots"):
            return _UNKNOWN
        key = self._key_of(source)
        if not key:
            return _UNKNOWN
        return _OWN if key == self._own else _Value("bare", (ColumnRef(key, name),))

    def _value(self, scope: Any, node: Any) -> _Value:
        from sqlglot import exp

        node = _unwrapped(node)
        if isinstance(node, exp.Column):
            return self._column(scope, node)
        if isinstance(node, exp.Null):
            return _Value("null")
        if isinstance(node, exp.Coalesce) and not node.meta.get(_OURS):
            return self._joined(scope, node)
        if _is_call(node, self._opaque):
            return _UNKNOWN
        values = list(self._within(scope, node))
        if not values and not _is_computed(node):
            return _Value("constant", (), _shown(node))
        inputs = dict.fromkeys(ref for value in values for ref in value.inputs)
        return _Value("derived", tuple(inputs), _shown(node))

    def _column(self, scope: Any, column: Any) -> _Value:
        name, table = column.name.lower(), column.table
        if table:
            above = scope
            while above is not None:  # a subquery may speak of what is outside of it
                if table in above.sources:
                    return self._from(scope, above.sources[table], name)
                above = above.parent
            return _UNKNOWN
        sources = list(scope.selected_sources.values())
        return self._from(scope, sources[0][1], name) if len(sources) == 1 else _UNKNOWN

    def _joined(self, scope: Any, coalesce: Any) -> _Value:
        """Return the column that USING makes one of two: the outer side's, which is never missing."""
        values = [self._column(scope, one) for one in (coalesce.this, *coalesce.expressions)]
        sides = {str(join.side or "").upper() for join in scope.expression.args.get("joins") or ()}
        if "FULL" in sides:
            whole = values[0]
            for value in values[1:]:
                whole = _either(whole, value)
            return whole
        return values[-1] if "RIGHT" in sides else values[0]

    def _within(self, scope: Any, node: Any) -> Iterator[_Value]:
        """Yield what stands inside an expression: its columns, and the outputs of its subqueries."""
        from sqlglot import exp

        inner = {id(one.expression): one for one in scope.subquery_scopes}
        for part in node.walk(prune=lambda one: id(one) in inner):
            if id(part) in inner:
                below = inner[id(part)]
                yield from (self.output(below, name) for name in self.names(below))
            elif isinstance(part, exp.Column):
                yield self._column(scope, part)


def _parts(scope: Any) -> list[Any]:
    """Return the two sides of a union, nothing for another scope; older versions of sqlglot call them otherwise."""
    return list(getattr(scope, "set_operation_scopes", None) or getattr(scope, "union_scopes", None) or ())


def _is_recursive(scope: Any, source: Any) -> bool:
    """Return whether a query reads the recursive query that it is a part of."""
    from sqlglot import exp

    if not source.is_cte:
        return False
    above = scope.expression.find_ancestor(exp.CTE)
    return above is not None and above is source.expression.find_ancestor(exp.CTE)


def _either(one: _Value, other: _Value) -> _Value:
    """Return what a column is that has one value in some rows and another in others."""
    for first, second in ((one, other), (other, one)):
        if first.kind == "own" or (first.kind == "null" and second.kind != "own"):
            return second
    inputs = tuple(dict.fromkeys((*one.inputs, *other.inputs)))
    kinds = {one.kind, other.kind}
    kind = one.kind if len(kinds) == 1 else "unknown" if "unknown" in kinds else "derived"
    told = next((value.expression for value in (one, other) if value.kind == kind), "")
    return _Value(kind, inputs, told)


def _unwrapped(node: Any) -> Any:
    """Return an expression without what keeps its meaning: its alias, brackets, a cast."""
    from sqlglot import exp

    kinds = (exp.Alias, exp.Paren, *(getattr(exp, name) for name in _CASTS))
    while isinstance(node, kinds):
        node = node.this
    return node


def _is_call(node: Any, name: str) -> bool:
    from sqlglot import exp

    return bool(name) and isinstance(node, exp.Anonymous) and str(node.this).lower() == name


def _is_computed(node: Any) -> bool:
    """Return whether an expression without a column asks the database for something: the time, a number."""
    from sqlglot import exp

    casts = tuple(getattr(exp, name) for name in _CASTS)
    return any(isinstance(part, exp.Func) and not isinstance(part, casts) for part in node.walk())


def _shown(node: Any) -> str:
    """Return an expression's text as a reviewer reads it: no quotes, no table names."""
    from sqlglot import exp
    from sqlglot.errors import ErrorLevel

    copy = node.copy()
    for column in list(copy.find_all(exp.Column)):
        for part in ("table", "db", "catalog"):
            column.set(part, None)
    for table in list(copy.find_all(exp.Table)):
        table.replace(exp.to_table(table.alias_or_name))
    for identifier in copy.find_all(exp.Identifier):
        identifier.set("quoted", False)
    text = " ".join(copy.sql(unsupported_level=ErrorLevel.IGNORE, comments=False, copy=False).split())
    return text if len(text) <= _EXPRESSION_CHARS else text[: _EXPRESSION_CHARS - 3].rstrip() + "..."


def mark_functions(query: exp.Query) -> None:
    """Mark what the query itself says, so that `trace` tells it from what qualifying makes of USING."""
    from sqlglot import exp

    for node in query.find_all(exp.Coalesce):
        node.meta[_OURS] = True


def read_lineage(
    sql: str, dialect: str, find: Callable[[str], Table | None], own: Table | None = None
) -> dict[str, Lineage] | None:
    """Return what each column of a query is made of, by name in lower case; None where the query cannot be read.

    Args:
        sql: the query, or the CREATE VIEW around it.
        dialect: sqlglot's name for how it is spelled, "" for its own.
        find: gives the table for a name as the query may use it, "table" or "schema.table" in lower case.
        own: what the query makes.
    """
    import sqlglot
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.optimizer.qualify import qualify

    from docgen_plugin.known_columns import KnownColumns

    schema = KnownColumns(dialect)
    try:
        with quiet_sqlglot():
            parsed = sqlglot.parse_one(sql, dialect=dialect or None)
            query = parsed.expression if isinstance(parsed, exp.Create) else parsed
            if not isinstance(query, exp.Query):
                return None
            mark_functions(query)
            keys = _number_tables(query, find, schema)
            for identifier in query.find_all(exp.Identifier):
                identifier.set("this", identifier.name.lower())
                identifier.set("quoted", True)
            qualified = qualify(
                query,
                dialect=dialect or None,
                schema=schema,
                validate_qualify_columns=False,
                allow_partial_qualification=True,
                quote_identifiers=False,
            )
            if not isinstance(qualified, exp.Query):
                return None
            given = [one.name.lower() for one in parsed.this.expressions] if query is not parsed else []
            listed = [column.name for column in own.columns] if own and not given else ()
            key = own.key if own else ""
            found = trace(qualified, lambda table: keys.get(table.name, ""), key, listed=listed)
            return _renamed(found, given) if given else found
    except (SqlglotError, *SQLGLOT_BUGS):
        return None


def _number_tables(
    query: exp.Query, find: Callable[[str], Table | None], schema: KnownColumns
) -> dict[str, str]:
    """Give the tables that a query reads names of ours, which no dialect reads otherwise; return keys by these."""
    from sqlglot import exp

    keys: dict[str, str] = {}
    ctes = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for table in list(query.find_all(exp.Table)):
        name = ".".join(part.name.lower() for part in table.parts[-2:])
        found = None if name in ctes else find(name)
        if found is None:
            continue
        number = f"n{len(keys)}"
        keys[number] = found.key
        if not table.alias:
            table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
        table.set("db", None)
        table.set("catalog", None)
        table.set("this", exp.to_identifier(number, quoted=True))
        if found.columns:
            schema.add(number, {column.name.lower(): schema.unknown_type for column in found.columns})
    return keys


def with_lineage(tables: Iterable[Table], dialect: str) -> tuple[tuple[Table, ...], tuple[str, ...]]:
    """Return tables with the lineage of their views' columns, and the keys of views whose query cannot be read."""
    from sqlglot.dialects.dialect import Dialect

    dialect = dialect if dialect and Dialect.get(dialect) else ""
    listed = tuple(tables)
    named: dict[str, list[Table]] = {}
    for table in listed:
        for name in (table.name, f"{table.schema}.{table.name}"):
            named.setdefault(name.lower(), []).append(table)
    found: list[Table] = []
    unread: list[str] = []
    for table in listed:
        if not table.sql.strip() or not table.columns:
            found.append(table)
            continue
        lineage = read_lineage(table.sql, dialect, partial(_seen, named, table), table)
        if lineage is None:
            unread.append(table.key)
        found.append(_attached(table, lineage or {}))
    return tuple(found), tuple(unread)


def _seen(named: Mapping[str, Sequence[Table]], view: Table, name: str) -> Table | None:
    """Return the table that a view means by a name: of its own schema, or the only one."""
    like = named.get(name, ())
    own = [table for table in like if table.schema == view.schema] or like
    return own[0] if len(own) == 1 else None


def _attached(table: Table, lineage: Mapping[str, Lineage]) -> Table:
    if not lineage:
        return table
    columns = tuple(replace(column, lineage=lineage.get(column.name.lower())) for column in table.columns)
    return replace(table, columns=columns)


def _renamed(lineage: Mapping[str, Lineage], names: Sequence[str]) -> dict[str, Lineage]:
    """Return a query's lineage under the names that CREATE VIEW lists; nothing where a star hides how many there are."""
    if len(lineage) != len(names):
        return {}
    return {name: _under(name, one) for name, one in zip(names, lineage.values(), strict=True)}


def _under(name: str, lineage: Lineage) -> Lineage:
    """Return a lineage under another name: what was passed on is then renamed, or the other way round."""
    if lineage.kind not in ("pass-through", "rename"):
        return lineage
    return replace(lineage, kind="pass-through" if lineage.inputs[0].column.lower() == name else "rename")


@contextmanager
def quiet_sqlglot() -> Iterator[None]:
    """Keep sqlglot's warnings about SQL it does not know off the user's screen."""
    logger = logging.getLogger("sqlglot")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let Python look for garbage less often while many queries are parsed: sqlglot's trees are all cycles."""
    before = gc.get_threshold()
    if before[0]:  # 0 is never
        gc.set_threshold(max(before[0], _COLLECTED_AFTER), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
