"""Whether the words of a small model's text are held up by what it was shown.

The bespoke model says little that its dictionary does not: a word that is neither the dictionary's glue
("monetary amount", "date on which") nor somewhere in the input is a guess, however fluent the sentence.
"""

from __future__ import annotations

import re
from collections import Counter
from functools import cache, lru_cache

from docgen_plugin.claims import Evidence, supported_units
from docgen_plugin.concepts import lexicon, printed
from docgen_plugin.model import Column, Table
from docgen_plugin.prefixes import own_name
from docgen_plugin.readings import frequencies, voice
from docgen_plugin.words import (
    abbreviations,
    entity_words,
    family,
    name_words,
    plural,
    singular,
    split_identifier,
)

__all__ = [
    "BELYING",
    "openings",
    "plain_words",
    "speakable",
    "stem_forms",
    "unsupported",
    "wanted_words",
]

# a word of this many concept texts belongs to the voice, not to a subject
_GLUE_TEXTS = 3
# and one that this many texts say though no name around them does
_VOICE_TEXTS = 40
# things in general: naming one claims nothing
_ABSTRACT = frozenset(
    "record row event item system source value unit period date time number amount code name list group share person "
    "party process step level part position place point kind type way end start".split()
)
# a length of time is a claim like a unit
_SPANS = frozenset(
    "second minute hour day week month quarter year daily weekly monthly quarterly yearly annual".split()
)
# what a text opens with, and the type families that belie it
_BELIED = (
    ("True when", {"num", "date", "ts", "time", "json", "array", "uuid"}),
    ("Date", {"num", "bool", "json", "array", "uuid", "binary"}),
    ("Person", {"num", "bool", "date", "ts", "time"}),
    ("Number of", {"bool", "date", "ts", "time", "json", "array", "uuid"}),
    ("Monetary", {"bool", "date", "ts", "time", "json", "array", "uuid", "binary"}),
    ("Length of time", {"bool", "date", "json", "array", "uuid"}),
)
_FUNCTION = frozenset(
    ", . that to of in on at by for from with which who whom whose is was are were has have had been be and or as "
    "into under over per between within after before belongs refers applies can may it its".split()
)
_OWN_KEYS = frozenset({"id", "key", "uuid", "guid", "code", "number", "identifier", "sk", "pk", "hash"})
_OPENING = re.compile(
    r"^(?:One row per|Unique identifier of the|Surrogate key of the|Name by which the) (.+?)(?:,| is known|[.:])"
)
_LISTED = re.compile(r"with its (.+?)\.?$")
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")
_SHARED_LETTERS = 5
# what a text must not open with unless `openings` says so
BELYING = frozenset({"true", "unique", "one"})
# what kind of column it is: a text says that in its own words
_ROLES = frozenset(
    "id key code number date time timestamp at on by flag indicator is has can was amount count total type name num "
    "of to in for the and per description text value status desc datetime day year month min max avg sum percent "
    "percentage ratio rate quantity price cost flags ids codes no first last current previous".split()
)


@cache
def plain_words() -> frozenset[str]:
    """Return the words of the plain voice, lower case: in many texts of the project, and not the name of a thing."""
    known = lexicon()
    counts = Counter(
        word
        for concept in known.concepts
        for word in set(_WORD.findall(re.sub(r"\{\w+\}", " ", concept.text.lower())))
    )
    things = {name.split()[-1] for name in known.entities} - _ABSTRACT
    common = {word for word, count in counts.items() if count >= _GLUE_TEXTS} | voice(_VOICE_TEXTS)
    return frozenset(word for word in common if singular(word) not in things)


def unsupported(
    text: str, table: Table, column: Column | None, evidence: Evidence, voice: frozenset[str] = frozenset()
) -> str:
    """Return the first thing a text says that nothing in the input holds up, "" when there is none.

    `voice` holds lower-case words that may be said beside the plain ones.

    >>> table = Table("kilns", "kilns", columns=(Column("id", "int", primary_key=True),))
    >>> evidence = Evidence.of(table, table.columns[0], ())
    >>> unsupported("Unique identifier of the shipment.", table, table.columns[0], evidence)
    'shipment'
    >>> unsupported("Unique identifier of the kiln.", table, table.columns[0], evidence)
    ''
    """
    entity = entity_words(table.name)
    opening = _OPENING.match(text)
    if opening and (column is None or text.startswith("Unique")):
        thing = opening[1].lower()
        if thing != printed(entity).lower() and thing not in evidence.text:
            return thing
    if text.startswith("Unique") and column is not None and not _is_own_key(column, table):
        return "that it is unique"
    if column is not None and any(
        text.startswith(opening) and family(column.type) in kinds for opening, kinds in _BELIED
    ):
        return "another type"
    if column is not None and text.lower() not in evidence.text:
        if _says_twice(text):
            return "the same thing twice"
        if re.search(rf"\b(?:that|which|when|whom) the {re.escape(printed(entity))}\.$", text, re.IGNORECASE):
            return "half a sentence"
    listed = _LISTED.search(text) if column is None else None
    if listed:
        return _unlisted(listed[1], table, entity)
    said = _WORD.findall(text.lower())
    for word in said:
        if word not in plain_words() and word not in voice and not _held(word, evidence):
            return str(word)
    return "" if column is None or _covers(said, table, column) else "nothing of the name"


def speakable(table: Table, column: Column | None, evidence: Evidence) -> frozenset[str]:
    """Return the words, lower case, that the input holds up beyond the plain ones: its own, their forms and readings.

    Where a name is shortened in a way that has several readings, all of them: the model chooses.
    """
    names = [table.name] if column is None else [column.name, table.name]
    held = {form for word in _words_held(evidence) for form in (word, singular(word), plural(word))}
    spelled = [word for name in names for word in split_identifier(name)]
    for word in spelled:
        held |= {part for long, _ in abbreviations().get(word, ()) for part in long.lower().split()}
    for word in evidence.own:
        held |= stem_forms(word)
    return frozenset(held) | supported_units(evidence)


def openings(table: Table, column: Column | None) -> frozenset[str]:
    """Return the words that a text must open with by what the schema says of its place, empty where any may be right.

    >>> table = Table("t", "pumps", columns=(Column("is_on", "boolean"), Column("owner_id", "int")))
    >>> [sorted(openings(table, column)) for column in table.columns]
    [['true'], ['identifier']]
    """
    if column is None:
        return frozenset({"one"})
    words, kind = name_words(own_name(table, column)), family(column.type)
    if kind == "bool" or (not kind and words[:1] in (("is",), ("has",))):
        return frozenset({"true"})
    if kind in ("date", "ts"):
        return frozenset({"date"})
    if _is_own_key(column, table) and words[-1:] in (("id",), ("key",), ("uuid",), ("guid",)):
        return frozenset({"unique", "identifier", "surrogate"})
    if column.foreign_key or words[-1:] == ("id",):
        return frozenset({"identifier"})
    return frozenset()


def wanted_words(table: Table, column: Column) -> list[frozenset[str]]:
    """Return for each telling word of a column's name the forms in which a text may say it.

    A shortening with several readings is said by any of them, not by itself.
    """
    return [_forms(word) for word in _telling(table, column)]


@lru_cache(maxsize=20_000)
def _forms(word: str) -> frozenset[str]:
    readings = {
        part
        for long, certainty in abbreviations().get(word, ())
        if certainty != "keep" and word not in frequencies()
        for part in long.lower().split()
    }
    forms = {form for one in readings or {word} for form in (one, singular(one), plural(one))}
    for one in readings or {word}:
        if len(one) > _SHARED_LETTERS:
            stem = _stem(one)
            forms |= {other for other in _by_stem().get(stem[:_SHARED_LETTERS], ()) if other.startswith(stem)}
    return frozenset(forms)


def _telling(table: Table, column: Column) -> list[str]:
    """Return the words of a column's name that say more than what kind of column it is, the table's own left out."""
    words = [word for word in name_words(own_name(table, column)) if word.isalpha() and word not in _ROLES]
    own = entity_words(table.name)
    return [word for word in words if word not in own]


def _words_held(evidence: Evidence) -> frozenset[str]:
    return frozenset(word for word in evidence.own | evidence.near if word.isalpha())


def stem_forms(word: str) -> frozenset[str]:
    """Return the words of the project that share their first letters with a long word: canceled, cancellation."""
    return _by_stem().get(word[:_SHARED_LETTERS], frozenset()) if len(word) > _SHARED_LETTERS else frozenset()


@cache
def _by_stem() -> dict[str, frozenset[str]]:
    """Return the first letters of long words -> the words of the project that begin with them."""
    found: dict[str, set[str]] = {}
    for word in frequencies():
        if len(word) >= _SHARED_LETTERS:
            found.setdefault(word[:_SHARED_LETTERS], set()).add(word)
    return {stem: frozenset(words) for stem, words in found.items()}


def _covers(said: list[str], table: Table, column: Column) -> bool:
    """Return whether at least two thirds of the telling words of a column's name come back in a text, in any shape."""
    telling = _telling(table, column)
    found = sum(
        not _forms(word).isdisjoint(said) or any(_stem(word) == other[: len(_stem(word))] for other in said)
        for word in telling
    )
    return found * 3 >= len(telling) * 2


def _stem(word: str) -> str:
    return word[: max(_SHARED_LETTERS, len(word) // 2)] if len(word) > _SHARED_LETTERS else singular(word)


def _held(word: str, evidence: Evidence) -> bool:
    if len(word) < 3 or any(evidence.knows(form) for form in (word, singular(word), plural(word))):
        return True
    # canceled, cancellation: one word in two shapes
    return len(word) > _SHARED_LETTERS and any(
        other.startswith(_stem(word)) for words in (evidence.own, evidence.near) for other in words
    )


def _is_own_key(column: Column, table: Table) -> bool:
    """Return whether a column alone may identify a row: declared so, or named "id", "key", "<entity> id"."""
    words, entity = name_words(own_name(table, column)), entity_words(table.name)
    named = words[-1:] and words[-1] in _OWN_KEYS and words[:-1] in ((), entity, entity[-1:])
    return table.key_columns == (column.name,) or column.unique or bool(named)


def _says_twice(text: str) -> bool:
    """Return whether the same thing comes twice: "Name of the product that the product is sold"."""
    things: list[list[str]] = []
    inside = False
    for word in re.findall(r"[^\W_]+|[,.]", text.lower()):
        if word == "the":
            things.append([])
            inside = True
        elif word in _FUNCTION:
            inside = False
        elif inside:
            things[-1].append(word)
    said = [" ".join(thing) for thing in things if thing]
    return len(set(said)) < len(said)


def _unlisted(items: str, table: Table, entity: tuple[str, ...]) -> str:
    """Return the first of "a, b and c" that is no column of the table or comes twice, "" when all are."""
    own = {singular(word) for word in entity}
    names = [{singular(word) for word in name_words(column.name)} for column in table.columns]
    seen: set[str] = set()
    for item in re.split(r", | and ", items.lower()):
        words = {singular(word) for word in _WORD.findall(item)}
        if not words or words == own or item in seen or not any(words <= name for name in names):
            return item or "nothing"
        seen.add(item)
    return ""
