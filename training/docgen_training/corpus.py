"""Human documentation made fit to learn from: terse labels, code, links and repeats are left out.

docgen-train clean --out training/runs/corpus.jsonl.xz FILE...
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from docgen_plugin.claims import neighbours
from docgen_plugin.model import Table
from docgen_plugin.words import name_words
from docgen_training.curate import faults
from docgen_training.records import Record

__all__ = ["clean_records", "clean_text", "house_records"]

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


_ARTICLE = re.compile(r"^(?:the|a|an) (?=\w)", re.IGNORECASE)
# how the house's own texts open; a human text that does as well can be learnt as one of them
_HOUSE = re.compile(
    r"^(?:True when|Date (?:on|and time|of)|Number of|Unique identifier|Identifier of|Name of|Code (?:that|for|of)|Amount|"
    r"Total|Share of|Length of|Text |Type of|Kind of|Status of|Percentage of|Address|Average|Currency|Description of|"
    r"Time at|Sum of|List of|Version of|Title of|Reason|Person who|User who|Country|Category of|Rate at|Price|Cost of|Unit) ?"
)
_LEAST_DESCRIBED = 3


def house_records(records: Iterable[Record]) -> Iterator[Record]:
    """Yield cleaned records with only the texts that could be the house's own: no rule broken, opened as the house does.

    A table is kept with at least three such columns; its description is kept where it says what one row is.
    """
    for record in records:
        table = record.table
        columns = tuple(
            replace(column, description=_house_text(column.description)) for column in table.columns
        )
        bare = replace(table, columns=tuple(replace(column, description="") for column in columns))
        near = neighbours(bare)
        kept = tuple(
            replace(column, description="")
            if faults(replace(bare, columns=columns), column, near)
            else column
            for column in columns
        )
        if sum(bool(column.description) for column in kept) >= _LEAST_DESCRIBED:
            said = table.description if table.description.startswith("One row per ") else ""
            yield replace(record, table=replace(table, description=said, columns=kept))


def _house_text(text: str) -> str:
    """Return a text without its leading article, "" where it does not open as the house's texts do.

    >>> _house_text("The date on which the vessel left."), _house_text("Whether it left.")
    ('Date on which the vessel left.', '')
    """
    text = _ARTICLE.sub("", text)
    text = text[:1].upper() + text[1:]
    return text if _HOUSE.match(text) else ""
