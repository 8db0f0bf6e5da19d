"""Which tables and places a user means: globs over names, case-sensitive everywhere, and a catalog tool's own grammar."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from functools import lru_cache
from glob import escape

from docgen_plugin.config import Config
from docgen_plugin.errors import ConfigError
from docgen_plugin.model import Catalog, Table
from docgen_plugin.plugins import manager

__all__ = ["chosen_tables", "is_selected", "require_choice", "resolved"]

_EXAMPLES = 3


def _names(table: Table) -> tuple[str, ...]:
    names = (table.name, f"{table.schema}.{table.name}" if table.schema else table.name, table.key)
    return tuple(dict.fromkeys(names))


def _matches(names: Iterable[str], globs: Sequence[str]) -> bool:
    exact, patterns = _sorted_out(tuple(globs))
    return any(name in exact or any(fnmatchcase(name, glob) for glob in patterns) for name in names)


@lru_cache(maxsize=64)
def _sorted_out(globs: tuple[str, ...]) -> tuple[frozenset[str], tuple[str, ...]]:
    """Return the globs that are plain names, and the others: a criterion may stand for thousands of names."""
    patterns = tuple(glob for glob in globs if any(sign in glob for sign in "*?["))
    return frozenset(globs).difference(patterns), patterns


def resolved(source: str, config: Config, criteria: Iterable[str]) -> tuple[str, ...]:
    """Return globs for what a user typed: a criterion in the catalog tool's own grammar becomes its tables' keys.

    Raises:
        ConfigError: for a criterion that cannot be read, or that means no table.
    """
    globs: list[str] = []
    for criterion in criteria:
        keys = manager().hook.select_tables(source=source, criterion=criterion, config=config)
        if keys is None:
            globs.append(criterion)
        elif keys:
            globs += sorted(map(escape, keys))
        else:
            raise ConfigError(f"no table matches {criterion!r}")
    return tuple(globs)


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


def require_choice(catalog: Catalog, config: Config, select: Sequence[str] = ()) -> None:
    """Return nothing when the globs mean at least one place, or the catalog has no table at all.

    Raises:
        ConfigError: when they mean none: a check that looks at nothing must not pass.
    """
    tables = list(chosen_tables(catalog.tables, config))
    if not catalog.tables or any(
        is_selected(table, ref.column, select) for table in tables for ref in table.refs()
    ):
        return
    if tables:
        what, globs, among = "table or column", select, tables
    elif config.include:
        what, globs, among = "table", config.include, list(catalog.tables)
    else:
        raise ConfigError(f"exclude leaves out every table; there are {len(catalog.tables):,}")
    shown = ", ".join(map(repr, globs))
    raise ConfigError(f"no {what} matches {shown}; {_for_instance(globs, among)}")


def _for_instance(globs: Sequence[str], tables: Sequence[Table]) -> str:
    """Return how many tables there are, with some names: those like what was asked for, else the first."""
    names = list(dict.fromkeys(name for table in tables for name in _names(table)[:2]))
    close = [name for glob in globs for name in get_close_matches(glob, names, _EXAMPLES)]
    examples = ", ".join(list(dict.fromkeys(close or names))[:_EXAMPLES])
    there = "is 1 table" if len(tables) == 1 else f"are {len(tables):,} tables"
    return f"there {there}, for instance {examples}"
