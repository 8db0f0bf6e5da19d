"""The short prefix that a table puts before its columns' names ("po_", "fm_"): it says which table it is, nothing of a column."""

from __future__ import annotations

from collections import Counter

from docgen_plugin.model import Column, Table

__all__ = ["own_name"]

_LONGEST = 4
_SHARE = 0.6  # of a table's columns that carry it
_LEAST = 3
# prefixes that mean something wherever they stand
_MEANT = frozenset(
    "is has num avg min max sum tot cnt pct src dst tgt old new prev next last from to no user date".split()
)

_last: tuple[Table | None, str] = (None, "")


def own_name(table: Table, column: Column) -> str:
    """Return a column's name without the prefix that it shares with most columns of its table.

    >>> names = ("fm_sales", "fm_month", "fm_fee_usd", "store_id")
    >>> table = Table("t", "franchise_month", columns=tuple(map(Column, names)))
    >>> [own_name(table, column) for column in table.columns]
    ['sales', 'month', 'fee_usd', 'store_id']
    """
    global _last
    known, prefix = _last
    if known is not table:
        prefix = _shared(table)
        _last = (table, prefix)
    bare = column.name[len(prefix) :] if prefix and column.name.lower().startswith(prefix) else column.name
    return bare or column.name


def _shared(table: Table) -> str:
    starts = Counter(column.name.partition("_")[0].lower() for column in table.columns if "_" in column.name)
    prefix, count = starts.most_common(1)[0] if starts else ("", 0)
    if (
        not 0 < len(prefix) <= _LONGEST
        or prefix in _MEANT
        or count < max(_LEAST, len(table.columns) * _SHARE)
    ):
        return ""
    # made of the table's own letters, in their order
    letters = iter(table.name.lower())
    return f"{prefix}_" if all(letter in letters for letter in prefix) else ""
