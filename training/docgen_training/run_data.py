"""A team's documentation made ready to learn from: gathered from all sources, cleaned, split into what is learnt and what judges."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docgen_plugin.claims import neighbours
from docgen_plugin.console import count
from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, Table
from docgen_plugin.words import name_words
from docgen_training.corpus import clean_records
from docgen_training.curate import faults
from docgen_training.evaluate import is_scored
from docgen_training.harvest import harvest
from docgen_training.licenses import Terms
from docgen_training.records import Record, read_records
from docgen_training.run_config import CleanOptions, HarvestOptions, SplitOptions

__all__ = ["Split", "clean_texts", "gather", "is_record_file", "split_records"]

_ARTICLE = re.compile(r"^(?:the|an?) (?=\w)", re.IGNORECASE)
# rules about how a text is worded, not about what it says: a team's own voice may break them
_WORDING = frozenset(
    {"too long", "no full stop", "forbidden words", "leading article", "does not say what one row is"}
)
_ALIKE = 0.6  # share of column names in common (Jaccard) from which on two tables are near-duplicates, as `curate` has it


def is_record_file(source: str) -> bool:
    """Return whether a source is a file of training records.

    >>> is_record_file("own.jsonl.xz"), is_record_file("postgresql://host/own.jsonl"), is_record_file("api.json")
    (True, False, False)
    """
    return "://" not in source and source.endswith((".jsonl", ".jsonl.xz"))


def gather(options: HarvestOptions) -> tuple[list[Record], dict[str, Any]]:
    """Return the documented tables of all sources, and what each gave.

    Raises:
        DocgenError: when a source cannot be read, its licence is not accepted, or no table is described.
    """
    terms = Terms(options.license, options.allow_licenses)
    records: list[Record] = []
    notes: list[str] = []
    told = []
    for source in options.sources:
        if is_record_file(source):
            found, name, license_ = _read(Path(source), terms, options.min_described)
        else:
            one = harvest(source, terms, least=options.min_described)
            found, name, license_ = list(one.records), one.source, one.license
            notes.extend(one.notes)
        records.extend(found)
        told.append({"source": name, "license": license_, "tables": len(found), "columns": _columns(found)})
    if not records:
        raise DocgenError(
            "no table of the sources is described: there is nothing to learn from; write descriptions first, "
            "`docgen coverage SOURCE` tells where"
        )
    return records, {"tables": len(records), "columns": _columns(records), "sources": told, "notes": notes}


def _read(path: Path, terms: Terms, least: int) -> tuple[list[Record], str, str]:
    """Return a record file's tables with the licence that each states, all of them accepted."""
    settled: dict[str, str] = {}
    found = []
    for record in read_records(path):
        if record.license not in settled:
            settled[record.license] = terms.settle(str(path), record.license, path.parent)
        described = bool(record.table.description) + _columns([record])
        if described >= least:
            found.append(replace(record, license=settled[record.license]))
    return found, path.name, ", ".join(sorted(set(settled.values())))


def _columns(records: Iterable[Record]) -> int:
    return sum(bool(column.description) for record in records for column in record.table.columns)


def clean_texts(records: Sequence[Record], options: CleanOptions) -> tuple[list[Record], dict[str, Any]]:
    """Return the tables with the texts that are worth learning from, and how many fell by which rule."""
    before = _columns(records)
    cleaned = list(clean_records(records, options.most_repeats))
    fallen: Counter[str] = Counter({"too terse, code, links or repeats": before - _columns(cleaned)})
    kept = [one for one in (_sound(record, options.voice, fallen) for record in cleaned) if one is not None]
    facts = {
        "tables": len(kept),
        "columns": _columns(kept),
        "columns_before": before,
        "fallen": {rule: number for rule, number in fallen.most_common() if number},
    }
    return kept, facts


def _sound(record: Record, voice: str, fallen: Counter[str]) -> Record | None:
    """Return a record without the texts that break a rule, None when no column is left described."""
    table = record.table
    if voice == "house":
        table = replace(
            table,
            description=_without_article(table.description),
            columns=tuple(
                replace(one, description=_without_article(one.description)) for one in table.columns
            ),
        )
    bare = replace(table, columns=tuple(replace(one, description="") for one in table.columns))
    near = neighbours(bare)
    columns = tuple(
        replace(one, description="") if _broken(table, one, near, voice, fallen) else one
        for one in table.columns
    )
    if not any(one.description for one in columns):
        return None
    said = "" if _broken(table, None, near, voice, fallen) else table.description
    return replace(record, table=replace(table, description=said, columns=columns))


def _broken(
    table: Table, column: Column | None, near: frozenset[str], voice: str, fallen: Counter[str]
) -> bool:
    found = [one for one in faults(table, column, near) if voice == "house" or one not in _WORDING]
    fallen.update(found[:1])
    return bool(found)


def _without_article(text: str) -> str:
    text = _ARTICLE.sub("", text)
    return text[:1].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Split:
    """Which tables are learnt, which are watched while training, which judge the model."""

    train: tuple[Record, ...]
    valid: tuple[Record, ...]
    held_out: tuple[Record, ...]


def split_records(
    records: Sequence[Record], options: SplitOptions, seed: int
) -> tuple[Split, dict[str, Any]]:
    """Return the split, and which table went where.

    Tables with the same or nearly the same columns, or of one name, stay on one side: else the model would be judged by
    what it has read. A group's place is drawn from its names and the seed, so a new table moves few others.

    Raises:
        DocgenError: when too few tables are documented, or they are all alike.
    """
    scored = sum(is_scored(record.table) for record in records)
    if scored < options.least_tables:
        raise DocgenError(
            f"{scored} documented tables are left after cleaning (four described columns or more, 80 columns or fewer), "
            f"{options.least_tables} are needed ([split] least_tables): add sources or describe more"
        )
    groups = _alike(records)
    wanted = {"held_out": options.held_out * scored, "valid": options.valid * scored}
    parts: dict[str, list[Record]] = {"held_out": [], "valid": [], "train": []}
    for group in sorted(groups, key=lambda group: _lot(group, seed)):
        counted = sum(is_scored(record.table) for record in group)
        part = next(
            (name for name in wanted if counted and _fits(parts[name], counted, wanted[name])), "train"
        )
        parts[part].extend(group)
    if not all(parts.values()):
        raise DocgenError(
            f"the {len(records)} documented tables fall into {count(len(groups), 'group')} of like columns, too few to keep some from "
            "the training: add sources of another kind"
        )
    split = Split(*(tuple(parts[name]) for name in ("train", "valid", "held_out")))
    facts: dict[str, Any] = {"groups": len(groups), "seed": seed}
    facts |= {name: {"tables": len(part), "columns": _columns(part)} for name, part in parts.items()}
    facts["places"] = {
        name: sorted(record.table.key for record in part) for name, part in parts.items() if name != "train"
    }
    return split, facts


def _fits(part: Sequence[Record], more: int, wanted: float) -> bool:
    """Return whether tables may join a part: it wants some still, and they do not overfill it by more than half."""
    held = sum(is_scored(record.table) for record in part)
    return held < wanted and held + more <= max(1.5 * wanted, held + 1)


def _lot(group: Sequence[Record], seed: int) -> str:
    first = min(record.table.key for record in group)
    return hashlib.sha256(f"{seed}\0{first}".encode()).hexdigest()


def _alike(records: Sequence[Record]) -> list[list[Record]]:
    """Return the tables in groups; two are in one when their names or most of their columns are the same."""
    parents = list(range(len(records)))

    def root(number: int) -> int:
        while parents[number] != number:
            parents[number] = parents[parents[number]]
            number = parents[number]
        return number

    for one, other in _pairs(
        [_column_names(record.table) for record in records], [r.table.name for r in records]
    ):
        parents[root(other)] = root(one)
    groups: dict[int, list[Record]] = {}
    for number, record in enumerate(records):
        groups.setdefault(root(number), []).append(record)
    return list(groups.values())


def _pairs(columns: Sequence[frozenset[str]], names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield pairs of near-duplicates: only tables that share a column are compared."""
    by_column: dict[str, list[int]] = {}
    by_name: dict[str, int] = {}
    for number, own in enumerate(columns):
        if names[number].lower() in by_name:
            yield by_name[names[number].lower()], number
        by_name.setdefault(names[number].lower(), number)
        shared = Counter(other for name in own for other in by_column.get(name, ()))
        for other, both in shared.items():
            if both / (len(own) + len(columns[other]) - both) >= _ALIKE:
                yield other, number
        for name in own:
            by_column.setdefault(name, []).append(number)


def _column_names(table: Table) -> frozenset[str]:
    return frozenset(" ".join(name_words(column.name)) for column in table.columns)
