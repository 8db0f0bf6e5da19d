"""Human documentation made fit to learn from: terse labels, code, links and repeats are left out.

docgen-train clean --out training/runs/corpus.jsonl.xz FILE...
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from docgen_plugin.model import Table
from docgen_plugin.words import name_words
from docgen_training.records import Record

__all__ = ["clean_records", "clean_text"]

_JUNK = re.compile(
    r"https?://|[{}<>|`#*=\\]|\.\.\.|\bTODO\b|\bTBD\b|\bdeprecated\b|\be\.g\b|[^\x20-\x7e]", re.IGNORECASE
)
_OPENING = re.compile(
    r"^(this|the) (column|field|property|attribute|table|value)( \w+)? (is|contains|represents|stores|holds) ",
    re.I,
)


def clean_text(text: str, name: str) -> str:
    """Return a description's first sentence in one form, or "" when it teaches nothing.

    >>> clean_text("this field contains the date when the vessel left", "left_on")
    'The date when the vessel left.'
    >>> clean_text("Vessel name", "vessel_name")
    ''
    """
    text = " ".join(text.split())
    sentence = re.split(r"(?<=[a-z)])\.\s+(?=[A-Z])", text)[0].strip(" .;:,-")
    sentence = _OPENING.sub("", sentence)
    words = sentence.split()
    if not 4 <= len(words) <= 30 or _JUNK.search(sentence):
        return ""
    if {word.strip(",").lower() for word in words} <= {*name_words(name), "the", "of", "a", "an", "for"}:
        return ""
    return sentence[0].upper() + sentence[1:] + "."


def clean_records(records: Iterable[Record], most_repeats: int = 3) -> Iterator[Record]:
    """Yield records with at least one clean description; a (name, text) pair comes at most `most_repeats` times."""
    seen: dict[tuple[str, str], int] = {}
    for record in records:
        table = record.table
        columns = []
        for column in table.columns:
            text = clean_text(column.description, column.name)
            count = seen.get((column.name, text), 0)
            seen[(column.name, text)] = count + 1
            columns.append(replace(column, description=text if count < most_repeats else ""))
        cleaned: Table = replace(
            table,
            name=table.name.rsplit(".", 1)[-1],
            description=clean_text(table.description, table.name),
            columns=tuple(columns),
            sql="",
        )
        if any(column.description for column in columns):
            yield replace(record, table=cleaned)
