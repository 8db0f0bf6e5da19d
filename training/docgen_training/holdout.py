"""Documented tables in two parts, to learn from and to judge on; tables that are near copies stay on one side.

docgen-train split ours.jsonl --train learn.jsonl --held judge.jsonl
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from docgen_training.records import Record

__all__ = ["near_copies", "split_records", "without_texts_of"]

_OVER = 1.15  # the held part may be this much above its share: groups are not cut


def split_records(records: Sequence[Record], share: float, seed: int) -> tuple[list[Record], list[Record]]:
    """Return the records to learn from and those held back: about `share` of the described columns, by a seeded shuffle."""
    groups = near_copies(records)
    random.Random(seed).shuffle(groups)
    sizes = [sum(bool(column.description) for column in record.table.columns) for record in records]
    room = sum(sizes) * share * _OVER
    held: set[int] = set()
    for group in groups:
        size = sum(sizes[one] for one in group)
        if size <= room:
            held.update(group)
            room -= size
    kept = [record for at, record in enumerate(records) if at not in held]
    return kept, [records[at] for at in sorted(held)]


def near_copies(records: Sequence[Record]) -> list[list[int]]:
    """Return the records' numbers in groups: tables that share half of their column names, or half of their texts.

    >>> from docgen_plugin.model import Column, Table
    >>> tables = [Table(name, name, columns=tuple(map(Column, columns))) for name, columns in
    ...           (("orders", "abc"), ("stg_orders", "abcd"), ("users", "xy"))]
    >>> near_copies([Record(table, "", "") for table in tables])
    [[0, 1], [2]]
    """
    features = [
        (
            frozenset(column.name.lower() for column in record.table.columns),
            frozenset(column.description for column in record.table.columns if column.description),
        )
        for record in records
    ]
    group = list(range(len(records)))
    for one, ours in enumerate(features):
        for other, theirs in enumerate(features[:one]):
            if group[one] != group[other] and any(map(_alike, ours, theirs)):
                gone = group[one]
                group = [group[other] if number == gone else number for number in group]
    found: dict[int, list[int]] = {}
    for at, number in enumerate(group):
        found.setdefault(number, []).append(at)
    return list(found.values())


def _alike(ours: frozenset[str], theirs: frozenset[str]) -> bool:
    return bool(ours and theirs) and 2 * len(ours & theirs) >= len(ours | theirs)


def without_texts_of(records: Sequence[Record], known: Sequence[Record]) -> list[Record]:
    """Return records without the texts that stand word for word in `known`: what is left cannot be known by heart."""
    seen = {column.description for record in known for column in record.table.columns}
    return [
        replace(
            record,
            table=replace(
                record.table,
                columns=tuple(
                    replace(column, description="") if column.description in seen else column
                    for column in record.table.columns
                ),
            ),
        )
        for record in records
    ]
