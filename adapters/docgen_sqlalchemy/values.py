"""Which values a column may hold, read from CHECK constraints and from types spelled `enum('a','b')`."""

from __future__ import annotations

import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

__all__ = ["check_values", "enum_values", "short_type"]

# how sqlglot calls a SQLAlchemy dialect
_SQLGLOT = {
    "bigquery": "bigquery",
    "clickhouse": "clickhouse",
    "databricks": "databricks",
    "duckdb": "duckdb",
    "mariadb": "mysql",
    "mssql": "tsql",
    "mysql": "mysql",
    "oracle": "oracle",
    "postgresql": "postgres",
    "redshift": "redshift",
    "snowflake": "snowflake",
    "sqlite": "sqlite",
    "trino": "trino",
}

_ENUM = re.compile(r"^\s*(enum|set)\s*\(", re.IGNORECASE)
_LITERAL = re.compile(r"'((?:[^']|'')*)'")
# a check longer than this is no list of values that anyone would want to read
_LONGEST_CHECK = 20_000


def enum_values(type_text: str) -> tuple[str, ...]:
    """Return the labels of a type spelled as a list, () for any other type.

    >>> enum_values("enum('new','it''s')")
    ('new', "it's")
    """
    if not _ENUM.match(type_text):
        return ()
    return tuple(label.replace("''", "'") for label in _LITERAL.findall(type_text))


def short_type(type_text: str) -> str:
    """Return the type without the list of labels, which stands in the column's values.

    >>> short_type("ENUM('a', 'b')"), short_type("int(11)")
    ('ENUM', 'int(11)')
    """
    found = _ENUM.match(type_text)
    return found.group(1) if found else type_text


@lru_cache(maxsize=1024)  # the same few checks stand on many tables
def _parse(text: str, dialect: str) -> exp.Expression | None:
    try:
        parsed = sqlglot.parse_one(text, dialect=_SQLGLOT.get(dialect))
    except (SqlglotError, RecursionError, ValueError):
        return None
    return parsed if isinstance(parsed, exp.Expression) else None


def check_values(check: str, dialect: str) -> dict[str, tuple[str, ...]]:
    """Return the allowed values that a check lists, by column; empty where it says something else.

    >>> check_values("status IN ('open', 'closed') AND amount > 0", "duckdb")
    {'status': ('open', 'closed')}
    """
    text = check.strip()
    if text[:5].upper() == "CHECK":
        text = text[5:].removesuffix(" NOT VALID").strip()
    if not text or len(text) > _LONGEST_CHECK or ("'" not in text and not re.search(r"\d", text)):
        return {}
    condition = _parse(text, dialect)
    if condition is None:
        return {}
    found: dict[str, tuple[str, ...]] = {}
    for part in _conjuncts(condition):
        listed = _listed(part)
        if listed:
            name, values = listed
            found.setdefault(name, tuple(dict.fromkeys(values)))
    return found


def _bare(node: exp.Expression | None) -> exp.Expression | None:
    """Return the expression inside brackets, casts and character-set marks."""
    while isinstance(node, (exp.Paren, exp.Cast, exp.Introducer, exp.Collate)):
        node = node.expression if isinstance(node, exp.Introducer) else node.this
    return node


def _conjuncts(node: exp.Expression) -> list[exp.Expression]:
    bare = _bare(node)
    if isinstance(bare, exp.And):
        return [*_conjuncts(bare.this), *_conjuncts(bare.expression)]
    return [bare] if bare is not None else []


def _listed(node: exp.Expression | None) -> tuple[str, list[str]] | None:
    """Return the column and the values of `c IN (..)`, `c = ANY (ARRAY[..])`, `c = 'x'`, joined by OR."""
    node = _bare(node)
    if isinstance(node, exp.Or):
        sides = [_listed(side) for side in (node.this, node.expression) if not _is_null_test(side)]
        names = {side[0] for side in sides if side}
        if not sides or None in sides or len(names) != 1:
            return None
        return names.pop(), [value for side in sides if side for value in side[1]]
    if isinstance(node, exp.In):
        return _named(node.this, node.expressions)
    if isinstance(node, exp.EQ):
        right = _bare(node.expression)
        if isinstance(right, exp.Any):
            right = _bare(right.this)
            return _named(node.this, right.expressions) if isinstance(right, (exp.Array, exp.Tuple)) else None
        return _named(node.this, [node.expression])
    return None


def _is_null_test(node: exp.Expression) -> bool:
    bare = _bare(node)
    return isinstance(bare, exp.Is) and isinstance(_bare(bare.expression), exp.Null)


def _named(column: exp.Expression, nodes: list[exp.Expression]) -> tuple[str, list[str]] | None:
    bare = _bare(column)
    values = [_literal(node) for node in nodes]
    if not isinstance(bare, exp.Column) or not values or None in values:
        return None
    return bare.name, [value for value in values if value is not None]


def _literal(node: exp.Expression) -> str | None:
    bare = _bare(node)
    if isinstance(bare, exp.Neg) and isinstance(bare.this, exp.Literal):
        return f"-{bare.this.this}"
    if isinstance(bare, exp.National):
        return str(bare.this)
    return str(bare.this) if isinstance(bare, exp.Literal) else None
