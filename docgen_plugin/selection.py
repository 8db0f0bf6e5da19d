"""Which tables and places a user means: globs over names, case-sensitive everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

from docgen_plugin.config import Config
from docgen_plugin.model import Column, Table

__all__ = ["chosen_columns", "chosen_tables", "is_selected"]


def _names(table: Table) -> tuple[str, ...]:
    names = (table.name, f"{table.schema}.{table.name}" if table.schema else table.name, table.key)
    return tuple(dict.fromkeys(names))


def _matches(names: Iterable[str], globs: Sequence[str]) -> bool:
    return any(fnmatchcase(name, glob) for name in names for glob in globs)


def chosen_tables(tables: Iterable[Table], config: Config) -> Iterator[Table]:
    """Yield the tables that `include` and `exclude` leave, in their order.

    >>> tables = [Table("public.orders", "orders", schema="public"), Table("public.users", "users")]
    >>> [table.name for table in chosen_tables(tables, Config(include=("ord*",)))]
    ['orders']
    """
    for table in tables:
        names = _names(table)
        if config.include and not _matches(names, config.include):
            continue
        if not _matches(names, config.exclude):
            yield table


def is_selected(table: Table, column: str, globs: Sequence[str]) -> bool:
    """Return whether a place is meant by any glob over its table or over table.column; no globs mean all.

    >>> orders = Table("public.orders", "orders", schema="public")
    >>> is_selected(orders, "email", ("*.email",)), is_selected(orders, "email", ("public.users",))
    (True, False)
    """
    if not globs:
        return True
    names = _names(table)
    return _matches(names, globs) or bool(column and _matches((f"{name}.{column}" for name in names), globs))


def chosen_columns(table: Table, globs: Sequence[str]) -> tuple[Column, ...]:
    """Return the columns of a table that the globs mean, in their order."""
    return tuple(column for column in table.columns if is_selected(table, column.name, globs))
