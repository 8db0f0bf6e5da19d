"""A query without the CTEs that only pass a table on, as dbt's house style writes them: half the scopes, the same columns.

`with a as (select * from t), b as (select x from a) select * from b` becomes `select x from t as a`: every scope that
sqlglot need not qualify, type and trace is time saved, in a project of that style about a quarter of reading its SQL.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlglot import exp

__all__ = ["merge_passing"]

_TABLE_PARTS = {"this", "db", "catalog", "alias"}


def merge_passing(query: exp.Query, listed: Callable[[exp.Table], bool]) -> exp.Query:
    """Return a query that gives the same columns, changed in place where that is sure.

    Args:
        query: as it was parsed.
        listed: tells whether all columns of a table are known; sqlglot takes a name without a table, and one in USING,
            otherwise from a table that it knows nothing of than from a query that passes this on.

    >>> import sqlglot
    >>> text = "with a as (select * from t), b as (select a.x from a) select * from b"
    >>> merge_passing(sqlglot.parse_one(text), lambda table: True).sql()
    'SELECT a.x FROM t AS a'
    """
    from sqlglot import exp

    clause = query.args.get("with_") or query.args.get("with")
    if clause is None or clause.args.get("recursive") or not isinstance(query, exp.Select):
        return query
    found = list(query.find_all(exp.CTE, exp.Table))
    names = Counter(one.alias.lower() for one in found if isinstance(one, exp.CTE))
    read: dict[str, list[exp.Table]] = {}
    for one in found:
        if isinstance(one, exp.Table):
            read.setdefault(one.name.lower(), []).append(one)
    for cte in list(clause.expressions):
        name = cte.alias.lower()
        table = _passed(cte.this)
        if table is None or names[name] > 1 or not _is_plain(cte) or not listed(table):
            continue
        readers = [one for one in read.get(name, ()) if one is not table]
        if any(one.args.get("db") or not set(_given(one)) <= _TABLE_PARTS for one in readers):
            continue
        for reader in readers:
            _read_instead(reader, table)
            read.setdefault(table.name.lower(), []).append(reader)
        cte.pop()
    return _without_last(query, clause)


def _given(node: exp.Expr) -> list[str]:
    return [key for key, value in node.args.items() if value]


def _is_plain(cte: exp.CTE) -> bool:
    """Return whether a CTE is a name and a query: no list of columns."""
    alias = cte.args.get("alias")
    return alias is not None and not alias.args.get("columns")


def _passed(query: exp.Expr) -> exp.Table | None:
    """Return the table of a query that is `select * from table` and nothing more."""
    from sqlglot import exp

    if not isinstance(query, exp.Select) or not set(_given(query)) <= {
        "expressions",
        "from",
        "from_",
        "kind",
    }:
        return None
    if query.args.get("kind") or len(query.expressions) != 1:
        return None
    star = query.expressions[0]
    table = (query.args.get("from_") or query.args.get("from") or exp.From()).this
    if type(star) is not exp.Star or _given(star) or not isinstance(table, exp.Table):
        return None
    alias = table.args.get("alias")
    if not set(_given(table)) <= _TABLE_PARTS or (alias is not None and alias.args.get("columns")):
        return None
    return table if isinstance(table.this, exp.Identifier) else None


def _read_instead(reader: exp.Table, table: exp.Table) -> None:
    """Let a place that reads a CTE read the table behind it, under the name it had."""
    from sqlglot import exp

    if not reader.args.get("alias"):
        reader.set("alias", exp.TableAlias(this=reader.this.copy()))
    for part in ("this", "db", "catalog"):
        value = table.args.get(part)
        reader.set(part, value.copy() if value else None)


def _without_last(query: exp.Select, clause: exp.With) -> exp.Query:
    """Return the last CTE's own query where all of its columns are all that the whole one asks for."""
    from sqlglot import exp

    if not clause.expressions:
        clause.pop()
        return query
    last = clause.expressions[-1]
    body = last.this
    key = "with_" if query.args.get("with_") else "with"
    query.set(key, None)
    table = _passed(query)
    query.set(key, clause)
    if (
        table is None
        or table.args.get("db")
        or table.name.lower() != last.alias.lower()
        or not _is_plain(last)
        or not isinstance(body, exp.Select)
        or body.args.get(key)
    ):
        return query
    last.pop()
    body.pop()
    if clause.expressions:
        body.set(key, clause)
    return body
