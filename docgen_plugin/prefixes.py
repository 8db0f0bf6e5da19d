"""What stands before columns' names and says nothing of them: the short prefix of a table ("po_", "fm_"), a layer's mark ("dim_")."""

from __future__ import annotations

import re
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

# a key names the table that it is of, with the mark of its layer: dim_store_id, fact_sales_key
_LAYERED_KEY = re.compile(r"(?:dim|fact|fct)_(?P<table>\w+)_(?P<key>id|key|sk)", re.IGNORECASE)

_last: tuple[Table | None, str] = (None, "")


def own_name(table: Table, column: Column) -> str:
    """Return a column's name without the prefix that it shares with most columns of its table, and without a layer's mark.

    >>> names = ("fm_sales", "fm_month", "fm_fee_usd", "store_id")
    >>> table = Table("t", "franchise_month", columns=tuple(map(Column, names)))
    >>> [own_name(table, column) for column in table.columns]
    ['sales', 'month', 'fee_usd', 'store_id']
    >>> table = Table("t", "shop__fact_sales", columns=(Column("fact_sales_id"), Column("dim_store_id")))
    >>> [own_name(table, column) for column in table.columns]
    ['id', 'store_id']
    """
    global _last
    known, prefix = _last
    if known is not table:
        prefix = _shared(table)
        _last = (table, prefix)
    bare = column.name[len(prefix) :] if prefix and column.name.lower().startswith(prefix) else column.name
    return _unlayered(table, bare or column.name)


def _unlayered(table: Table, name: str) -> str:
    """Return the name of a key without the mark of its table's layer; the table's own is its "id" or "key"."""
    found = _LAYERED_KEY.fullmatch(name)
    if not found:
        return name
    own = table.name.lower().endswith(found["table"].lower())
    return found["key"] if own else name[found.start("table") :]


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
