"""The words of the project's own names and texts, counted: what shortenings are read as, and the voice of the texts.

docgen-train words training/teacher/tables.jsonl.xz --out docgen_plugin/lexicon/words.tsv
docgen-train spoken FILE... --out docgen_plugin/lexicon/spoken.txt
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from docgen_plugin.concepts import lexicon
from docgen_plugin.readings import read_shortening, segments
from docgen_plugin.words import (
    abbreviations,
    is_shortening,
    name_words,
    plural,
    singular,
    split_identifier,
)
from docgen_training.records import Record

__all__ = ["count_words", "spoken_words", "write_spoken", "write_words"]

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_LEAST_USES = 2
# a word of prose, not of a name, a path or a call: no mark of those on either side
_PROSE = re.compile(r"(?<![\w.`_/\-])[A-Za-z]{3,}(?![\w_`/(\-]|\.\w)")
_LEAST_TABLES = 3


def count_words(records: Iterable[Record]) -> dict[str, tuple[int, int]]:
    """Return word -> (names and texts that use it, texts that say it though no name of their table does)."""
    uses: Counter[str] = Counter()
    said: Counter[str] = Counter()
    for concept in lexicon().concepts:
        _count(uses, said, concept.text, {word for name in concept.names for word in name.split()})
    for entity in lexicon().entities.values():
        own = set(entity.name.split())
        _count(uses, said, entity.grain, own)
        for name, _, text in entity.columns:
            _count(uses, said, text, {*own, *name.split()})
    for record in records:
        table = record.table
        names = [table.name, *(column.name for column in table.columns)]
        spelled = {word for name in names for word in split_identifier(name)}
        read = {word for name in names for word in name_words(name)}
        _count(uses, said, table.description, spelled | read)
        for column in table.columns:
            _count(uses, said, column.description, spelled | read)
    short = abbreviations()
    return {
        word: (uses[word], said[word]) for word in uses if len(word) > 2 and (word not in short or said[word])
    }


def _count(uses: Counter[str], said: Counter[str], text: str, names: set[str]) -> None:
    words = set(_WORD.findall(text.lower()))
    known = {form for word in names for form in (word, singular(word), plural(word))}
    uses.update(words)
    said.update(word for word in words if word not in known and singular(word) not in known)


def write_words(path: Path, counts: dict[str, tuple[int, int]]) -> int:
    """Write the words that are used at least twice, sorted; return how many."""
    kept = sorted(word for word, (uses, _) in counts.items() if uses >= _LEAST_USES)
    lines = [f"{word}\t{counts[word][0]}\t{counts[word][1]}\n" for word in kept]
    path.write_text(
        "# word, texts that use it, texts that say it beyond their schema\n" + "".join(lines),
        encoding="utf-8",
    )
    return len(kept)


def spoken_words(records: Iterable[Record]) -> list[str]:
    """Return the words of at least three tables' texts that would be read as a shortening of another word, sorted.

    Two names run together ("customerid") are read right, and are left out.
    """
    tables: Counter[str] = Counter()
    for record in records:
        texts = (record.table.description, *(column.description for column in record.table.columns))
        tables.update({word.lower() for text in texts for word in _PROSE.findall(text)})
    short = abbreviations()
    return sorted(
        word
        for word, count in tables.items()
        if count >= _LEAST_TABLES
        and word not in short
        and not is_shortening(word)
        and (
            read_shortening(word)
            or segments(word, short)[-1:] not in ((), ("id",), ("key",), ("no",), ("cd",))
        )
    )


def write_spoken(path: Path, words: Iterable[str]) -> None:
    """Write words, one a line."""
    lines = "".join(f"{word}\n" for word in words)
    path.write_text("# words of English prose that are no shortenings\n" + lines, encoding="utf-8")
