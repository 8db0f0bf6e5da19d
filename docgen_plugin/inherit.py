"""Texts that exist already: in a column's own sources, or accepted by the team for like columns."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from docgen_plugin.model import Catalog, Column, ColumnRef, Suggestion, Table, text_hash
from docgen_plugin.words import family, name_words, singular, split_identifier

__all__ = ["Accepted", "DISAGREE", "Found", "Hint", "evidence", "inherited", "reference_of"]

DISAGREE = "parents disagree"  # how the evidence begins where several parents say different things

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

_TIME = re.compile(r"\b(?:timestamp|datetime|date ?time|date and time|time)\b", re.I)
_KEY = re.compile(r"\bprimary key\b", re.I)
_PASSED = ("pass-through", "rename", "union")  # kinds of lineage that keep a parent's meaning
_PARENTS_SHOWN = 3
_TEXT_SHOWN = 100  # characters of a parent's text in a reviewer's line

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
    reference: str = ""  # what stands there in its stead: a doc() call

    def suggestion(self, ref: ColumnRef, confidence: float) -> Suggestion:
        """Return the text as a suggestion for a place."""
        parent_hash = text_hash(self.text) if self.origin == "inherited" else ""
        return Suggestion(
            ref,
            self.text,
            origin=self.origin,
            confidence=confidence,
            evidence=f"from {self.source}",
            parent_hash=parent_hash,
        )


def inherited(
    catalog: Catalog, table: Table, column: Column, machine_made: Container[ColumnRef] = ()
) -> Found | None:
    """Return the text of the column that this one is, where the query passes it on or a foreign key points to it.

    A column is followed through its parents, documented or not, until one has a text; each must come to one,
    and all of them to the same. What the query computes has no parent. Where no query tells, an upstream column
    of the same name counts, as long as nothing speaks against it.

    Args:
        machine_made: places with a text of ours that no person worded: what stands above them, and what a key
            points to, is asked before them.
    """
    lineage = column.lineage
    place = ColumnRef(table.key, column.name)
    inputs = lineage.inputs if lineage is not None and lineage.kind in _PASSED else ()
    found = _agreed(table, column, _walk(catalog, place, inputs, machine_made))
    found = found or _by_key(catalog, table, column)
    found = found or _agreed(table, column, _walk(catalog, place, inputs, ()))
    if found is None and (lineage is None or lineage.kind == "unknown"):
        return _by_name(catalog, table, column)
    return found


def reference_of(catalog: Catalog, suggestion: Suggestion, machine_made: Container[ColumnRef] = ()) -> str:
    """Return what stands in the parent's place for an inherited text, "" where that is the text itself."""
    table = catalog.table(suggestion.ref.table)
    column = table.column(suggestion.ref.column) if table is not None else None
    if suggestion.origin != "inherited" or table is None or column is None:
        return ""
    found = inherited(catalog, table, column, machine_made)
    return found.reference if found is not None and found.text == suggestion.text else ""


def _by_key(catalog: Catalog, table: Table, column: Column) -> Found | None:
    """Return the text of the column of the same name that a foreign key points to."""
    key = column.foreign_key
    if key is None or key.column.lower() != column.name.lower():
        return None
    target = _target(catalog, key.table, table)
    parent = target.column(key.column) if target is not None else None
    if target is None or parent is None or not _is_text(parent.description, column.name):
        return None
    return _found(parent, ColumnRef(target.key, parent.name))


def evidence(catalog: Catalog, table: Table, column: Column, machine_made: Container[ColumnRef] = ()) -> str:
    """Return in one line what a reviewer should know of a column that inherits nothing, "" where there is nothing.

    The model is not told: what the parents say made its sentences worse (training/LOG.md, "Parents as hints").
    """
    lineage = column.lineage
    if lineage is None or not lineage.inputs or lineage.kind == "unknown":
        return ""
    if lineage.kind == "derived":
        inputs = _listed([str(ref) for ref in lineage.inputs])
        return f"computed from {inputs}: {lineage.expression}".removesuffix(": ")
    place = ColumnRef(table.key, column.name)
    ends = _walk(catalog, place, lineage.inputs, machine_made)
    if not ends or None in ends.values():
        ends = _walk(catalog, place, lineage.inputs, ())
    told = {ref: _line(parent.description) for ref, parent in ends.items() if parent is not None}
    silent = [str(ref) for ref, parent in ends.items() if parent is None]
    if len(set(told.values())) > 1:
        return f"{DISAGREE}: {_quoted(told)}"
    if told and silent:
        return f"not taken over, {_listed(silent)} has no text: {_quoted(told)}"
    return f"not taken over, the name, type or key differs: {_quoted(told)}" if told else ""


def _agreed(table: Table, column: Column, ends: Mapping[ColumnRef, Column | None]) -> Found | None:
    """Return the one text that all ends of a column's ancestry carry, None where they differ or one is silent."""
    told = [(ref, parent) for ref, parent in ends.items() if parent is not None]
    if len(told) < len(ends) or len({_line(parent.description) for _, parent in told}) != 1:
        return None
    if any(_is_wrong_here(table, column, parent) for _, parent in told):
        return None
    found = _found(told[0][1], told[0][0])
    if any(parent.reference != found.reference for _, parent in told):
        found = replace(found, reference="")
    return replace(found, source=_listed([str(ref) for ref, _ in told]))


def _found(parent: Column, ref: ColumnRef) -> Found:
    return Found(parent.description, "inherited", str(ref), parent.reference)


def _is_wrong_here(table: Table, column: Column, parent: Column) -> bool:
    """Return whether a parent's text would be wrong of a column: under its name, of its type, in its table."""
    text = parent.description
    if family(column.type) == "date" and family(parent.type) in ("", "ts") and _TIME.search(text):
        return True  # a date cut out of a time
    if _KEY.search(text) and not (column.primary_key or column.unique) and _is_joined(table, column):
        return True  # the key of another table than this one, perhaps
    return _speaks_of_the_old(column.name, parent.name, text)


def _is_joined(table: Table, column: Column) -> bool:
    """Return whether a table's columns come from several tables, or from one that it joins to itself."""
    found = [one.lineage.inputs for one in table.columns if one.lineage]
    same = sum(column.lineage is not None and inputs == column.lineage.inputs for inputs in found)
    return same > 1 or len({ref.table for inputs in found for ref in inputs}) > 1


def _speaks_of_the_old(name: str, old: str, text: str) -> bool:
    """Return whether a text fits a column's old name but not its new one.

    It does where it spells the old one out, and where the new name says other words than those that the text
    took from the old one: that is another reading of the values.

    >>> _speaks_of_the_old("customer_name", "cust_nm", "The cust_nm of the ERP.")
    True
    >>> _speaks_of_the_old("server_id", "user_id", "Number of the user.")
    True
    >>> _speaks_of_the_old("order_status", "status", "The status of the order.")
    False
    """
    if old.lower() == name.lower():
        return False
    spelled = re.escape(old)
    if re.search(rf"[`'\"]{spelled}[`'\"]", text, re.I):
        return True
    if not old.isalpha() and re.search(rf"(?<!\w){spelled}(?!\w)", text, re.I):
        return True
    before, after = set(name_words(old)), set(name_words(name))
    said = split_identifier(text)
    lost = before - after if after - before else set()
    return not lost.isdisjoint(said) or not lost.isdisjoint(map(singular, said))


def _walk(
    catalog: Catalog, start: ColumnRef, inputs: Sequence[ColumnRef], skipped: Container[ColumnRef]
) -> dict[ColumnRef, Column | None]:
    """Return the nearest columns above that have a text, some skipped; None at a place where a way up ends without."""
    ends: dict[ColumnRef, Column | None] = {}
    seen = {_folded(start)}  # a hand-made manifest may go round in circles
    waiting = list(reversed(inputs))
    while waiting:
        ref = waiting.pop()
        if _folded(ref) in seen:
            continue
        seen.add(_folded(ref))
        table = catalog.table(ref.table)
        column = _like(table, ref.column) if table is not None else None
        if table is None or column is None:
            ends[ref] = None
            continue
        place = ColumnRef(table.key, column.name)
        if _is_text(column.description, column.name) and place not in skipped:
            ends[place] = column
        elif column.lineage is not None and column.lineage.kind in _PASSED:
            waiting += reversed(column.lineage.inputs)
        else:
            ends[place] = None
    return ends


def _folded(ref: ColumnRef) -> tuple[str, str]:
    return ref.table, ref.column.lower()


def _line(text: str) -> str:
    return " ".join(text.split())


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_PARENTS_SHOWN])
    return f"{shown} and {len(names) - _PARENTS_SHOWN} more" if len(names) > _PARENTS_SHOWN else shown


def _quoted(told: Mapping[ColumnRef, str]) -> str:
    """Return what parents say, one after the other, shortened: the first of each text."""
    parts = []
    for text in dict.fromkeys(told.values()):
        places = _listed([str(ref) for ref, one in told.items() if one == text])
        cut = text if len(text) <= _TEXT_SHOWN else f"{text[: _TEXT_SHOWN - 3].rstrip()}..."
        parts.append(f"{places}: '{cut}'")
    more = f" / {len(parts) - _PARENTS_SHOWN} more" if len(parts) > _PARENTS_SHOWN else ""
    return " / ".join(parts[:_PARENTS_SHOWN]) + more


def _by_name(catalog: Catalog, table: Table, column: Column) -> Found | None:
    """Return the text of an upstream column of the same name, where no parsed query says what the column is.

    Only when every upstream table that has it says the same; a column that the table's own SQL computes or
    renames is left alone, and so is every one where there is no SQL to see it in. An upstream table whose
    columns nobody listed could be where the column comes from: then the SQL itself must say that it is another.
    """
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
    return _found(parent, ColumnRef(upstream.key, parent.name))


def _like(table: Table, name: str) -> Column | None:
    """Return the column of a name: the exact one, else the only one without regard to case."""
    lowered = name.lower()
    like = [column for column in table.columns if column.name.lower() == lowered]
    return like[0] if len(like) == 1 else table.column(name)


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


@dataclass(frozen=True, slots=True)
class Hint:
    """A text that the team has for a like column of another table."""

    text: str
    ref: ColumnRef  # where it stands
    edited: bool  # whether a person worded it


@dataclass(slots=True)
class Accepted:
    """The texts that people accepted, by what a column is; tells which of them a like column may reuse."""

    _texts: dict[tuple[str, str, str], dict[str, set[ColumnRef]]] = field(default_factory=dict)
    _edited: set[ColumnRef] = field(default_factory=set)

    @classmethod
    def collect(cls, catalog: Catalog, texts: Iterable[tuple[ColumnRef, str, bool]]) -> Accepted:
        """Return the index over (place, accepted text, whether a person worded it); places that are gone are left out."""
        index = cls()
        for ref, text, edited in texts:
            table = catalog.table(ref.table)
            column = table.column(ref.column) if table is not None and ref.column else None
            if column is not None and column.name.lower() not in _GENERIC:
                index._texts.setdefault(_kind(column), {}).setdefault(text, set()).add(ref)
                if edited:
                    index._edited.add(ref)
        return index

    def hint(self, table: Table, column: Column) -> Hint | None:
        """Return the text of other tables' like columns to go by, None when there is none.

        What a person worded comes before what was accepted as it was, then the text that most columns carry.
        """
        texts: Mapping[str, set[ColumnRef]] = self._texts.get(_kind(column), {})
        found: list[tuple[int, int, str, ColumnRef]] = []
        for text, refs in texts.items():
            others = {ref for ref in refs if ref.table != table.key}
            if others:
                found.append((-len(others & self._edited), -len(others), text, min(others)))
        if not found:
            return None
        edits, _, text, ref = min(found)
        return Hint(text, ref, edits < 0)

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
