"""Records -> token rows: a table's prefix once, its answers beside each other, several tables a row.

    docgen-train encode --tokenizer training/runs/tokenizer.model --out training/runs/rows.npz FILE...

A row is what the engine serves: each answer attends to its table's prefix and to itself only, and its
positions start where the prefix ends.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from docgen_plugin.concepts import lexicon
from docgen_plugin.model import Column, Table
from docgen_plugin.prompt import CONTEXT_COLUMNS, Segment, prefix, question, table_question
from docgen_training.records import Record
from docgen_training.vocabulary import Vocabulary

__all__ = ["Prompted", "Recipe", "Rows", "encode_records", "pack_rows"]

Ints = npt.NDArray[np.int32]
Prompted = tuple[
    list[int], list[tuple[list[int], list[int]]]
]  # prefix ids; question ids with their answer ids


@dataclass(frozen=True, slots=True)
class Recipe:
    """How records of one kind become rows: the voice they speak in and how much evidence is shown."""

    raw: bool = False  # human text in its own voice: answered behind <raw> instead of <desc>
    hint_chance: float = 0.5  # share of columns that see their lexicon hint
    description_chance: float = 0.3  # share of tables whose prefix holds their description
    answers: int = 14  # most answers a table contributes


@dataclass(slots=True)
class Rows:
    """Packed rows, one line an example of `width` tokens; all arrays (N, width) int32."""

    width: int
    tokens: list[Ints] = field(default_factory=list)  # token ids, 0 padded
    positions: list[Ints] = field(default_factory=list)  # position ids, restarting after each prefix
    tree: list[Ints] = field(default_factory=list)  # 1000 * table + answer; answer 0 is the prefix; -1 pads
    targets: list[Ints] = field(default_factory=list)  # next token of an answer or a name, else -1

    def arrays(self) -> dict[str, Ints]:
        """Return the rows as four (N, width) int32 arrays."""
        return {name: np.stack(getattr(self, name)) for name in ("tokens", "positions", "tree", "targets")}


class _Row:
    """One row being filled."""

    def __init__(self) -> None:
        self.tokens: list[int] = []
        self.positions: list[int] = []
        self.tree: list[int] = []
        self.targets: list[int] = []
        self.tables = 0

    def add(self, shared: list[int], answers: Sequence[tuple[list[int], list[int]]], names: bool) -> None:
        """Add one table: prefix ids and (question ids, answer ids) pairs, known to fit."""
        base = 1000 * self.tables
        self._run(shared, 0, base, 1 if names else len(shared))
        for number, (asked, answer) in enumerate(answers, 1):
            self._run(asked + answer, len(shared), base + number, len(asked))
        self.tables += 1

    def _run(self, ids: list[int], start: int, tree: int, silent: int) -> None:
        """Append ids; the targets are the next ids from index `silent` on."""
        self.tokens += ids
        self.positions += range(start, start + len(ids))
        self.tree += [tree] * len(ids)
        self.targets += [
            ids[index + 1] if index + 1 >= silent and index + 1 < len(ids) else -1
            for index in range(len(ids))
        ]

    def flush(self, rows: Rows) -> None:
        for name, pad in (("tokens", 0), ("positions", 0), ("tree", -1), ("targets", -1)):
            line = np.full(rows.width, pad, np.int32)
            values = getattr(self, name)
            line[: len(values)] = values
            getattr(rows, name).append(line)


def encode_records(
    records: Iterable[Record],
    vocabulary: Vocabulary,
    recipe: Recipe,
    width: int,
    seed: int,
    names: bool = False,
) -> Rows:
    """Return packed rows of `width` tokens; with `names` the prefix's own tokens are targets as well."""
    draw = random.Random(seed)
    tables = (found for record in records for found in _tables(record.table, vocabulary, recipe, draw, width))
    return pack_rows(tables, width, names)


def pack_rows(tables: Iterable[Prompted], width: int, names: bool = False) -> Rows:
    """Return tables, each piece of which fits a row, packed into rows of `width` tokens in their order."""
    rows, row = Rows(width), _Row()
    for shared, pairs in tables:
        rest = pairs
        while rest:
            fitting = _fitting(rest, width - len(row.tokens) - len(shared))
            # a prefix is not worth repeating for one or two answers at the end of a row
            if fitting < min(3, len(rest)) and row.tokens:
                row.flush(rows)
                row = _Row()
                continue
            row.add(shared, rest[:fitting], names)
            rest = rest[fitting:]
    if row.tokens:
        row.flush(rows)
    return rows


def _fitting(pairs: Sequence[tuple[list[int], list[int]]], room: int) -> int:
    """Return how many of the first pairs fit into `room` tokens."""
    for count, (asked, answer) in enumerate(pairs):
        room -= len(asked) + len(answer)
        if room < 0:
            return count
    return len(pairs)


def _tables(
    table: Table, vocabulary: Vocabulary, recipe: Recipe, draw: random.Random, width: int
) -> Iterator[Prompted]:
    """Yield prefix ids with the (question, answer) ids that share it, cut so that each piece fits a row."""
    known = lexicon()
    asked: list[tuple[Column | None, str]] = [(None, table.description)] if table.description else []
    described = [column for column in table.columns if column.description]
    if not described and not asked:
        return
    shown = [column.name for column in table.columns]
    if len(shown) > CONTEXT_COLUMNS:
        at = draw.randrange(len(shown) - CONTEXT_COLUMNS + 1)
        shown = shown[at : at + CONTEXT_COLUMNS]
        described = [column for column in described if column.name in set(shown)]
    draw.shuffle(described)
    asked += [(column, column.description) for column in described]
    show_description = draw.random() < recipe.description_chance and not recipe.raw
    bare = Table(table.key, table.name, upstream=table.upstream, columns=table.columns)
    shared = vocabulary.prompt((vocabulary.opening, *prefix(table if show_description else bare, shown)))
    pairs: list[tuple[list[int], list[int]]] = []
    room = width - len(shared)
    for column, text in asked[: recipe.answers]:
        if column is None and show_description:
            continue
        hinted = draw.random() < recipe.hint_chance
        if column is None:
            segments: tuple[Segment, ...] = table_question(known.hints(table, None) if hinted else ())
        else:
            segments = question(column, known.hints(table, column) if hinted else (), table)
        ids = vocabulary.prompt(segments)
        if recipe.raw:
            ids[-1] = vocabulary.marks["<raw>"]
        answer = [*vocabulary.encode(text), vocabulary.end]
        if len(ids) + len(answer) <= room:
            pairs.append((ids, answer))
    if pairs:
        yield shared, pairs
