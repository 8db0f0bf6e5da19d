"""The retrieval baseline: a column gets the human text of the most similar column of other documentation."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable

from docgen_plugin.model import Column, Table
from docgen_plugin.words import entity_words, name_words
from docgen_training.records import Record

__all__ = ["Neighbours"]

_ENTITY_WEIGHT = 0.3  # of a shared word of the table's name against one of the column's
_MOST_SEEN = 400  # candidates looked at for one word


class Neighbours:
    """Documented columns, found again by the words of their names (cosine over TF-IDF)."""

    def __init__(self, records: Iterable[Record]) -> None:
        """Take the documentation to look in; it must not hold what is to be judged."""
        self._texts: list[str] = []
        self._words: list[dict[str, float]] = []
        counts: Counter[str] = Counter()
        bags: list[Counter[str]] = []
        for record in records:
            for column in record.table.columns:
                if column.description:
                    bag = _bag(record.table, column)
                    bags.append(bag)
                    counts.update(bag.keys())
                    self._texts.append(column.description)
        total = max(len(bags), 1)
        self._idf = {word: math.log(total / count) + 1.0 for word, count in counts.items()}
        self._index: dict[str, list[int]] = defaultdict(list)
        for number, bag in enumerate(bags):
            vector = self._vector(bag)
            self._words.append(vector)
            for word in vector:
                if not word.startswith("^"):
                    self._index[word].append(number)

    def _vector(self, bag: Counter[str]) -> dict[str, float]:
        raw = {
            word: self._idf.get(word, 1.0) * (_ENTITY_WEIGHT if word.startswith("^") else 1.0) for word in bag
        }
        norm = math.sqrt(sum(value * value for value in raw.values())) or 1.0
        return {word: value / norm for word, value in raw.items()}

    def text(self, table: Table, column: Column) -> str:
        """Return the text of the nearest column, "" when no name shares a word with it."""
        vector = self._vector(_bag(table, column))
        own = sorted((word for word in vector if not word.startswith("^")), key=lambda word: -vector[word])
        seen = {number for word in own for number in self._index.get(word, ())[:_MOST_SEEN]}
        best = max(seen, key=lambda number: (self._likeness(vector, number), -number), default=None)
        return "" if best is None else self._texts[best]

    def _likeness(self, vector: dict[str, float], number: int) -> float:
        other = self._words[number]
        return sum(value * other.get(word, 0.0) for word, value in vector.items())


def _bag(table: Table, column: Column) -> Counter[str]:
    return Counter([*name_words(column.name), *(f"^{word}" for word in entity_words(table.name))])
