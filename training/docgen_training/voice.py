"""The words of a team's own voice: what its texts say beyond their schema, again and again."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from docgen_plugin.claims import unit_words
from docgen_plugin.concepts import lexicon
from docgen_plugin.words import name_words, plural, singular, split_identifier
from docgen_training.judge import GENERAL
from docgen_training.records import Record

__all__ = ["voice_words"]

_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_LEAST_TEXTS = 3  # texts that say a word though no name of their table does


def voice_words(records: Iterable[Record], least: int = _LEAST_TEXTS) -> list[str]:
    """Return the words that at least `least` different texts say beyond their schema, as they are mostly spelled, sorted.

    A unit is no such word: whether a column has it only its schema can tell. Nor is a number, nor the name of a thing
    that the dictionary knows (customer, order): without it the model says as much and invents less (LOG.md).
    """
    things = {name.split()[-1] for name in lexicon().entities} - GENERAL
    texts: dict[str, set[str]] = defaultdict(set)
    spelled: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        table = record.table
        names = [table.name, *(column.name for column in table.columns)]
        known = {word for name in names for word in (*split_identifier(name), *name_words(name))}
        known |= {form for word in known for form in (singular(word), plural(word))}
        for text in (table.description, *(column.description for column in table.columns)):
            for at, found in enumerate(_WORD.finditer(text)):
                word = found[0].lower()
                if word in known:
                    continue
                texts[word].add(text)
                # the first word of a text has a capital whatever it is
                spelled[word][found[0]] += 1 if at else 0
    return sorted(
        spelled[word].most_common(1)[0][0] if spelled[word].total() else word
        for word, said in texts.items()
        if len(said) >= least and word not in unit_words() and singular(word) not in things
    )
