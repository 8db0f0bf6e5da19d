"""What is wrong with a description that stands somewhere: it is missing, a placeholder, the name again, too short, or belied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from docgen_plugin.model import Column, Table
from docgen_plugin.words import family, name_words, singular, split_identifier

__all__ = ["FAULTS", "Fault", "find_fault"]

FAULTS = ("missing", "placeholder", "echo", "short", "contradiction")

_PLACEHOLDER = re.compile(
    r"(?:\W*|(?:\W*(?:to ?do|tbd|tba|tbc|fixme|xxx+|n/?a|none|null|unknown|placeholder|description|lorem ipsum.*|"
    r"no description(?: available| provided)?|(?:add|insert|enter|write)(?: a| the| your)? description(?: here)?|"
    r"(?:to be|needs to be) (?:documented|described|added|defined)|docgen: .*)\b\W*))",
    re.I | re.S,
)
_FILLER = frozenset(
    "a an the this that these of for in on to is are be it its and or column field table model view contains stores "
    "holds represents shows indicates attribute value values data record records name names each s".split()
)

# what a text says at its beginning about the kind of the values, and the type families that belie it; families
# that people store such values in are left out: a date in a text or number, a yes or no in anything short
_KINDS: Sequence[tuple[re.Pattern[str], frozenset[str], str]] = tuple(
    (re.compile(rf"(?:an? |the )?(?:{pattern})", re.I), frozenset(families.split()), said)
    for pattern, families, said in (
        (
            r"(?:big|small)?int(?:eger)?\b(?! the)|decimal\b|float(?:ing.point)?\b",
            "date ts time bool json geo uuid",
            "a number",
        ),
        (r"bool(?:ean)?\b|true (?:if|when|where)\b|whether\b", "date ts time json geo uuid", "a yes or no"),
        (
            r"(?:date|day|timestamp|datetime|date and time|time)(?: (?:on|at|when|that|the|of)\b|stamp\b)",
            "bool json geo uuid",
            "a time",
        ),
        (
            r"(?:varchar|free text|text string|string (?:value|representation))\b",
            "int num bool date ts time",
            "a text",
        ),
        (r"uuid\b|guid\b", "bool date ts time num", "a UUID"),
        (r"json\b|array of\b", "bool date ts time", "a structure"),
    )
)
_NAMED = {
    "int": "an integer", "num": "a number", "bool": "a boolean", "date": "a date", "ts": "a timestamp", "time": "a time",
    "json": "JSON", "geo": "a geometry", "uuid": "a UUID",
}  # fmt: skip
_LAYERS = frozenset("dim dimension fct fact stg staging int raw src tbl table".split())
_PRIMARY = re.compile(r"(?:the )?primary key\b(?! (?:of|in|from|to) (?!this\b|the table\b))", re.I)
_FOREIGN = re.compile(
    r"(?:a |the )?foreign key (?:to|of|referencing|references|for) (?:the )?[`'\"]?(\w*[_.]\w+)", re.I
)
_QUOTED = re.compile(r"(?<!\w)[`'\"‘“]([\w .:/+-]{1,40})[`'\"’”](?!\w)")


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a description does not help its reader."""

    kind: str  # one of FAULTS
    reason: str  # a few words


def find_fault(table: Table, column: Column | None) -> Fault | None:
    """Return what is wrong with the description of a column, or of the table itself, None where nothing shows.

    >>> orders = Table("orders", "orders", description="One row per order.", columns=())
    >>> find_fault(orders, None), find_fault(orders, Column("order_id", "int", "The order ID.")).kind
    (None, 'echo')
    >>> find_fault(orders, Column("placed_at", "timestamp", "Integer of when it was placed.")).reason
    'says a number, the type is a timestamp'
    """
    text = (column.description if column is not None else table.description).strip()
    if not text:
        return Fault("missing", "has no description")
    if _PLACEHOLDER.fullmatch(text):
        return Fault("placeholder", "stands in for a description")
    name = column.name if column is not None else table.name
    if _echoes(text, name):
        return Fault("echo", "says the name again")
    if len(text.split()) < 2:
        return Fault("short", "is a single word")
    reason = _contradiction(table, column, text) if column is not None else ""
    return Fault("contradiction", reason) if reason else None


def _echoes(text: str, name: str) -> bool:
    """Return whether a text has no word that the name does not have as it is spelled: to expand it says something."""
    said = {singular(word) for word in split_identifier(text) if word not in _FILLER}
    known = {singular(word) for word in split_identifier(name)}
    squeezed = "".join(split_identifier(text)) == "".join(split_identifier(name))
    return said <= known or squeezed


def _contradiction(table: Table, column: Column, text: str) -> str:
    kind = family(column.type)
    for pattern, belying, said in _KINDS:
        if pattern.match(text) and kind in belying:
            return f"says {said}, the type is {_NAMED.get(kind, column.type)}"
    keys = table.key_columns
    if keys and column.name not in keys and _PRIMARY.match(text):
        return f"says primary key, that is {', '.join(keys)}"
    target = _FOREIGN.match(text)
    if target is not None and column.foreign_key is not None:
        told, known = _last_words(target[1]), _last_words(column.foreign_key.table)
        column_words = _last_words(column.foreign_key.column)
        if told and known and not told & (known | column_words):
            return f"names {target[1]}, the key points to {column.foreign_key.table}"
    quoted = set(_QUOTED.findall(text))
    wrong = quoted - set(column.values)
    if column.values and wrong and quoted & set(column.values):
        return f"names the value {sorted(wrong)[0]!r}, which is not allowed"
    return ""


def _last_words(name: str) -> set[str]:
    return {singular(word) for part in name.split(".") for word in name_words(part)} - _LAYERS
