"""The one prompt, for training and for use: (table, column, evidence) -> segments -> token ids.

A prompt is a tuple of segments, each either a mark (one control token of the bespoke vocabulary) or a
plain text. Texts are encoded on their own and never parsed for control tokens, so nothing that stands in
a name, a default or a comment can act as a mark.

    prefix    <s> <ctx> table words [<say> description] [<from> upstream words]* (<col> name words <type>)*
    question  <ask> name words <type> [<pk>] [<uq>] [<nn>] [<fk> table words] [<val> a | b] [<hint> text]* <desc>
              <ask> <tab> [<hint> text]* <desc>                                     the table itself
    answer    text </s>
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from docgen_plugin.model import Column, Table
from docgen_plugin.words import FAMILIES, family, name_words

__all__ = [
    "COMPACT_GRAMMAR",
    "CONTEXT_COLUMNS",
    "GRAMMAR",
    "MARKS",
    "Mark",
    "Segment",
    "clean",
    "encode",
    "prefix",
    "question",
    "table_question",
    "windows",
]

GRAMMAR = "docgen-1"  # stands in the GGUF's metadata as docgen.grammar; changes with any change below
COMPACT_GRAMMAR = "docgen-compact-1"  # and what stands there for the prompt of `compact`

# columns shown to the model at once: a wider table is read through several windows, so that neither the
# context nor the attention of a small model is strained
CONTEXT_COLUMNS = 32
_VALUES_SHOWN = 8
_UPSTREAM_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Mark:
    """One control token of the bespoke vocabulary, by its piece ("<ctx>")."""

    piece: str


_NAMES = ("ctx", "say", "from", "col", "ask", "tab", "pk", "uq", "nn", "fk", "val", "hint", "desc")
MARKS = tuple(f"<{name}>" for name in (*_NAMES, *(f"t:{one}" for one in FAMILIES)))
_MARK = {piece[1:-1]: Mark(piece) for piece in MARKS}

Segment = Mark | str


def clean(text: str, max_words: int) -> str:
    """Return a free text fit for a prompt: one line, no control characters or angle brackets, cut to words.

    >>> clean("Ends <desc> here\\nor not", 3)
    'Ends desc here'
    """
    printable = "".join(char if char.isprintable() and char not in "<>" else " " for char in text)
    return " ".join(printable.split()[:max_words])


def _words(name: str) -> str:
    words = " ".join(name_words(name))
    return words or clean(name, 8) or "unnamed"


def _typed(column: Column) -> tuple[Segment, ...]:
    kind = family(column.type)
    return (_words(column.name), _MARK[f"t:{kind}"]) if kind else (_words(column.name),)


def windows(columns: Sequence[str], size: int = CONTEXT_COLUMNS) -> list[tuple[str, ...]]:
    """Return the columns cut into runs of at most `size`, as even as they can be.

    >>> [len(run) for run in windows([str(number) for number in range(70)], 32)]
    [24, 23, 23]
    """
    count = max(1, -(-len(columns) // size))
    share, rest = divmod(len(columns), count)
    cuts = [index * share + min(index, rest) for index in range(count + 1)]
    return [tuple(columns[start:end]) for start, end in pairwise(cuts)]


def prefix(table: Table, shown: Sequence[str]) -> tuple[Segment, ...]:
    """Return the part of the prompt that a table's questions share; `shown` names the columns to list."""
    segments: list[Segment] = [_MARK["ctx"], _words(table.name)]
    if table.description:
        segments += [_MARK["say"], clean(table.description, 30)]
    for key in table.upstream[:_UPSTREAM_SHOWN]:
        segments += [_MARK["from"], _words(key.rsplit(".", 1)[-1])]
    wanted = set(shown)
    for column in table.columns:
        if column.name in wanted:
            segments += [_MARK["col"], *_typed(column)]
    return tuple(segments)


def question(column: Column, hints: Sequence[str] = (), table: Table | None = None) -> tuple[Segment, ...]:
    """Return the question for one column, to follow its table's prefix.

    With its `table`, a column of a key of several is not marked as the key: it identifies no row alone.
    """
    segments: list[Segment] = [_MARK["ask"], *_typed(column)]
    if column.primary_key and (table is None or table.key_columns == (column.name,)):
        segments.append(_MARK["pk"])
    if column.unique and not column.primary_key:
        segments.append(_MARK["uq"])
    if column.not_null and not column.primary_key:
        segments.append(_MARK["nn"])
    if column.foreign_key:
        segments += [_MARK["fk"], _words(column.foreign_key.table.rsplit(".", 1)[-1])]
    if column.values:
        shown = " | ".join(clean(re.sub(r"\|", " ", value), 4) for value in column.values[:_VALUES_SHOWN])
        segments += [_MARK["val"], shown]
    return (*segments, *_hints(hints), _MARK["desc"])


def table_question(hints: Sequence[str] = ()) -> tuple[Segment, ...]:
    """Return the question for the table itself, to follow its prefix."""
    return (_MARK["ask"], _MARK["tab"], *_hints(hints), _MARK["desc"])


def _hints(hints: Sequence[str]) -> tuple[Segment, ...]:
    return tuple(part for hint in hints if hint.strip() for part in (_MARK["hint"], clean(hint, 40)))


def encode(
    segments: Sequence[Segment], marks: dict[str, int], encode_text: Callable[[str], list[int]]
) -> list[int]:
    """Return the token ids of segments; `marks` maps pieces to ids, `encode_text` never adds <s> or </s>."""
    ids: list[int] = []
    for segment in segments:
        if isinstance(segment, Mark):
            ids.append(marks[segment.piece])
        else:
            ids.extend(encode_text(segment))
    return ids
