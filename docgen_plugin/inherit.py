"""Texts that exist already: in a column's own sources, or accepted by the team for like columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from docgen_plugin.model import Catalog, Column, ColumnRef, Table
from docgen_plugin.words import family, split_identifier

__all__ = ["Accepted", "Found", "inherited"]

# names that mean something else in every table: never reused from a sibling
_GENERIC_WORDS = (
    "id name status type code description value date created_at updated_at key title label comment note notes "
    "amount count number category state level position data active deleted_at start_date end_date "
    "is_active is_deleted version source url"
)
_GENERIC = frozenset(_GENERIC_WORDS.split())
_PLACEHOLDER = re.compile(
    r"^(to ?do|tbd|tba|fixme|n/?a|none|null|unknown|description|placeholder|\W*)\W*$", re.I
)

_LOOK_BACK = 2_000  # characters: a longer expression is no plain column
_ITEM_START = re.compile(r"(?:,|\bselect|\bdistinct)$", re.I)
# a table that a query reads, by its last name, and the alias behind it
_READ = re.compile(
    r"\b(?:from|join)\s+(?:[\w\"`\[\]]+\.)*[\"`\[]?(\w+)[\"`\]]?"
    r"(?:\s+(?:as\s+)?(?!(?:on|using|where|join|left|right|full|inner|cross|natural|group|order|union|limit|"
    r"having|qualify|window|lateral|asof|positional|anti|semi)\b)[\"`\[]?(\w+))?",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A text to take over word by word, how it was found, and from where."""

    text: str
    origin: str  # inherited or reused
    source: str  # the place or places it stands, in a few words


def inherited(catalog: Catalog, table: Table, column: Column) -> Found | None:
    """Return the text of the same column where it comes from: what its foreign key points to, or upstream.

    Only a column of the same name counts, and only when every upstream table that has it says the same;
    a column that the table's own SQL computes or renames is left alone, and so is every one where there is
    no SQL to see it in. An upstream table whose columns nobody listed could be where the column comes from:
    then the SQL itself must say that it is another.
    """
    key = column.foreign_key
    if key is not None and key.column.lower() == column.name.lower():
        target = _target(catalog, key.table, table)
        parent = target.column(key.column) if target is not None else None
        if target is not None and parent is not None and _is_text(parent.description, column.name):
            return Found(parent.description, "inherited", str(ColumnRef(target.key, parent.name)))
    if not table.sql.strip():
        return None
    parents = [catalog.table(name) for name in table.upstream]
    sources = [
        (upstream, parent)
        for upstream in parents
        if upstream is not None and (parent := _like(upstream, column.name)) is not None
    ]
    texts = {" ".join(parent.description.split()) for _, parent in sources}
    if len(texts) != 1 or _is_computed(table.sql, column.name):
        return None
    upstream, parent = sources[0]
    if not _is_text(parent.description, column.name):
        return None
    unlisted = {
        key.rsplit(".", 1)[-1].lower()
        for key, one in zip(table.upstream, parents, strict=True)
        if one is None or not one.columns
    }
    known = {one.name.lower() for one, _ in sources} - unlisted
    if unlisted and _origin(table.sql, column.name) not in known:
        return None
    return Found(parent.description, "inherited", str(ColumnRef(upstream.key, parent.name)))


def _like(table: Table, name: str) -> Column | None:
    lowered = name.lower()
    return next((column for column in table.columns if column.name.lower() == lowered), None)


def _target(catalog: Catalog, name: str, table: Table) -> Table | None:
    """Return the table that a foreign key names, None when several could be meant."""
    for key in (name, f"{table.schema}.{name}"):
        found = catalog.table(key)
        if found is not None:
            return found
    schema, _, plain = name.rpartition(".")
    like = [one for one in catalog.tables if one.name == plain and (not schema or one.schema == schema)]
    return like[0] if len(like) == 1 else None


def _is_text(text: str, name: str) -> bool:
    """Return whether a description says anything: no placeholder, not the name once more."""
    return not _PLACEHOLDER.match(text.strip()) and split_identifier(text) != split_identifier(name)


def _is_computed(sql: str, name: str) -> bool:
    """Return whether a query makes this column from more than a column of the same name.

    >>> _is_computed("select amount / 100 as amount from t", "amount")
    True
    >>> _is_computed("select t.amount as amount, b from t", "amount")
    False
    """
    plain = re.compile(rf"^(?:.*[,(.])?[\"`\[]?{re.escape(name)}[\"`\]]?$", re.I)
    for found in re.finditer(rf"\bas\s+[\"`\[]?{re.escape(name)}\b", sql, re.I):
        # looking back from "as" stays linear where a pattern that starts with the expression would not
        words = sql[max(0, found.start() - _LOOK_BACK) : found.start()].rsplit(None, 2)
        if len(words) < 2 or not plain.match(words[-1]) or not _ITEM_START.search(words[-2]):
            return True
    return False


def _origin(sql: str, name: str) -> str:
    """Return the table that a query takes every column of this name from, "" when it does not clearly say.

    >>> _origin("select o.total from orders as o join lines as l on o.id = l.id", "total")
    'orders'
    >>> _origin("select total from orders join lines", "total")
    ''
    """
    taken = re.findall(rf"(?<!\bas\s)(?:\b(\w+)[\"`\]]?\.)?[\"`\[]?(?<!\w){re.escape(name)}\b", sql, re.I)
    qualifiers = {one.lower() for one in taken}
    if len(qualifiers) != 1 or "" in qualifiers:
        return ""
    qualifier = qualifiers.pop()
    read = {(table.lower(), (alias or table).lower()) for table, alias in _READ.findall(sql)}
    tables: list[str] = [table for table, alias in read if alias == qualifier]
    if len(tables) != 1 or _is_query(sql, qualifier) or _is_query(sql, tables[0]):
        return ""
    return tables[0]


def _is_query(sql: str, name: str) -> bool:
    """Return whether a name stands for a query within the query: `with x as (...)` or `(...) as x`.

    >>> _is_query("with x as (select 1) select * from x", "x"), _is_query("select 1 from (select 1) x", "x")
    (True, True)
    """
    quoted = rf"[\"`\[]?\b{re.escape(name)}\b[\"`\]]?"
    pattern = rf"{quoted}\s*(?:\([^()]*\)\s*)?\bas\b[\s\w]*\(|\)\s*(?:as\s+)?{quoted}"
    return re.search(pattern, sql, re.I) is not None


@dataclass(slots=True)
class Accepted:
    """The texts that people accepted, by what a column is; tells which of them a like column may reuse."""

    _texts: dict[tuple[str, str, str], dict[str, set[ColumnRef]]] = field(default_factory=dict)

    @classmethod
    def collect(cls, catalog: Catalog, texts: Iterable[tuple[ColumnRef, str]]) -> Accepted:
        """Return the index over (place, accepted text) pairs; places that are gone are left out."""
        index = cls()
        for ref, text in texts:
            table = catalog.table(ref.table)
            column = table.column(ref.column) if table is not None and ref.column else None
            if column is not None and column.name.lower() not in _GENERIC:
                index._texts.setdefault(_kind(column), {}).setdefault(text, set()).add(ref)
        return index

    def reusable(self, table: Table, column: Column) -> Found | None:
        """Return the one text that at least two other tables' like columns carry, None when they differ."""
        texts: Mapping[str, set[ColumnRef]] = self._texts.get(_kind(column), {})
        others = {text: {ref for ref in refs if ref.table != table.key} for text, refs in texts.items()}
        told = [(text, refs) for text, refs in others.items() if refs]
        if len(told) != 1 or len(told[0][1]) < 2:
            return None
        text, refs = told[0]
        return Found(text, "reused", f"{len(refs)} columns of this name")


def _kind(column: Column) -> tuple[str, str, str]:
    key = column.foreign_key
    return (column.name.lower(), family(column.type), f"{key.table}.{key.column}".lower() if key else "")
