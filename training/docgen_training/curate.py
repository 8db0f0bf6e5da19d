"""A teacher's tables made fit to train on: rows that break a rule of the house are dropped, near-duplicates too, coverage counted.

docgen-train curate training/runs/teacher.jsonl.xz --out training/teacher/tables.jsonl.xz
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from docgen_plugin.claims import Evidence, invented_literal, neighbours, strip_units
from docgen_plugin.errors import DocgenError
from docgen_plugin.grounding import UNCLEAR, is_opaque
from docgen_plugin.model import Column, Table
from docgen_plugin.words import name_words, plural, singular, split_identifier
from docgen_training.records import Record

__all__ = ["Curation", "Mend", "curate", "faults", "mended", "read_mends"]

_MOST_COLUMN_WORDS = 25
_MOST_TABLE_WORDS = 34
_SAME_COLUMNS = 0.6  # share of column names that two near-duplicate tables have in common, Jaccard
_FORBIDDEN = re.compile(
    r"\b(?:this (?:column|field|table)|contains|represents|indicates)\b|https?://|[{}<>|`]|\bTODO\b",
    re.IGNORECASE,
)
_ARTICLE = re.compile(r"^(?:the|a|an) ", re.IGNORECASE)
_WORD = re.compile(r"[a-z0-9]+")
_SILENT = frozenset("the of a an for in to is and or by at on".split())


@dataclass(frozen=True, slots=True)
class Mend:
    """A text that a reviewer replaced; an empty column is the table's own description."""

    table: str
    column: str
    old: str
    new: str


@dataclass(slots=True)
class Curation:
    """What was kept, and what was found on the way."""

    records: list[Record] = field(default_factory=list)
    found: Counter[str] = field(default_factory=Counter)  # fault -> how many texts had it
    duplicates: list[tuple[str, str]] = field(default_factory=list)  # dropped table, the one it repeats
    examples: dict[str, list[str]] = field(default_factory=dict)  # fault -> a few places with their text

    @property
    def columns(self) -> int:
        """The described columns of the kept tables."""
        return sum(bool(column.description) for record in self.records for column in record.table.columns)


def faults(table: Table, column: Column | None, near: frozenset[str] | None = None) -> list[str]:
    """Return which rules of the house a text of the table breaks, by name; none for an empty or honest 'unclear' text.

    >>> table = Table("t", "pumps", columns=(Column("head", "int", "This column contains the head in metres."),))
    >>> faults(table, table.columns[0])
    ['forbidden words', 'a unit the schema does not give']
    """
    text = column.description if column is not None else table.description
    if not text:
        return []
    if column is not None and text == UNCLEAR:
        named = not is_opaque(column.name) and all(len(word) > 3 for word in split_identifier(column.name))
        return ["unclear though the name tells"] if named else []
    found = []
    words = text.split()
    most = _MOST_COLUMN_WORDS if column is not None else _MOST_TABLE_WORDS
    if len(words) > most:
        found.append("too long")
    if not text.endswith("."):
        found.append("no full stop")
    if _FORBIDDEN.search(text):
        found.append("forbidden words")
    if _ARTICLE.match(text):
        found.append("leading article")
    if column is None:
        return [*found, *([] if text.startswith("One row per ") else ["does not say what one row is"])]
    said = set(_WORD.findall(text.lower())) - _SILENT
    # an abbreviation written out is no echo
    own = {form for word in split_identifier(column.name) for form in (word, singular(word), plural(word))}
    if said <= own | set(split_identifier(table.name)) and not column.primary_key:
        found.append("echoes the name")
    evidence = Evidence.of(table, column, (), _near(table) if near is None else near)
    if strip_units(text, evidence, everywhere=True) != text:
        found.append("a unit the schema does not give")
    if invented_literal(text, evidence):
        found.append("a number or value the schema does not give")
    return found


def _near(table: Table) -> frozenset[str]:
    """Return the words around a table's columns, without what their texts say: no text supports itself."""
    return neighbours(
        replace(table, columns=tuple(replace(column, description="") for column in table.columns))
    )


def read_mends(path: Path) -> list[Mend]:
    """Return the mends of a file of JSON lines {"table", "column", "old", "new"}.

    Raises:
        DocgenError: naming file and line, for a line that is no mend.
    """
    found = []
    try:
        lines = path.read_text("utf-8").rstrip("\n").split("\n")
    except (OSError, UnicodeDecodeError) as err:
        raise DocgenError(f"{path}: cannot be read: {err}") from err
    for number, line in enumerate(lines, 1):
        try:
            found.append(Mend(**json.loads(line)))
        except (ValueError, TypeError) as err:
            raise DocgenError(f"{path}:{number}: not a mend: {err}") from err
    return found


def mended(
    records: Iterable[Record], mends: Sequence[Mend], applied: list[Mend] | None = None
) -> Iterator[Record]:
    """Yield the records with the mends done where the old text still stands; those are added to `applied`."""
    by_place = {(mend.table, mend.column, mend.old): mend for mend in mends}

    def text(table: str, column: str, old: str) -> str:
        mend = by_place.get((table, column, old))
        if mend is None:
            return old
        if applied is not None:
            applied.append(mend)
        return mend.new

    for record in records:
        table = record.table
        columns = tuple(
            replace(one, description=text(table.name, one.name, one.description)) for one in table.columns
        )
        said = text(table.name, "", table.description)
        yield replace(record, table=replace(table, columns=columns, description=said))


def curate(records: Iterable[Record]) -> Curation:
    """Return the records without the texts that break a rule and without tables that nearly repeat an earlier one.

    A column whose text falls stays in the table, undescribed: it is context for the others. A table that loses its own
    description stays too; one with fewer than three described columns goes.
    """
    done = Curation()
    seen: dict[str, list[tuple[frozenset[str], str]]] = {}
    names: Counter[str] = Counter()
    for record in records:
        table = _kept(record.table, done)
        if sum(bool(column.description) for column in table.columns) < 3:
            done.found["too little left of the table"] += 1
            continue
        twin = _twin(table, seen)
        if twin:
            done.duplicates.append((table.name, twin))
            continue
        names[table.name] += 1
        done.records.append(replace(record, table=table))
    return done


def _kept(table: Table, done: Curation) -> Table:
    near = _near(table)
    columns = []
    for column in table.columns:
        broken = faults(table, column, near)
        _note(done, broken, f"{table.name}.{column.name}: {column.description}")
        columns.append(replace(column, description="") if broken else column)
    broken = faults(table, None)
    _note(done, broken, f"{table.name}: {table.description}")
    return replace(table, columns=tuple(columns), description="" if broken else table.description)


def _note(done: Curation, broken: list[str], place: str) -> None:
    for one in broken:
        done.found[one] += 1
        done.examples.setdefault(one, []).append(place)


def _twin(table: Table, seen: dict[str, list[tuple[frozenset[str], str]]]) -> str:
    """Return the earlier table that this one nearly repeats, "" for none; remember it otherwise.

    Only tables that share a column name that is not everybody's are compared.
    """
    own = frozenset(" ".join(name_words(column.name)) for column in table.columns)
    keys = sorted(own, key=lambda name: (-len(name), name))[:4]
    for key in keys:
        for other, name in seen.get(key, ()):
            if len(own & other) / len(own | other) >= _SAME_COLUMNS:
                return name
    for key in keys:
        seen.setdefault(key, []).append((own, table.name))
    return ""
