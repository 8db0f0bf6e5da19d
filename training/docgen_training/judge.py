"""What can be told about a text without people: echo, claims the schema does not give, form, abstention, expansions."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from itertools import pairwise

from docgen_plugin.claims import Evidence, foreign_mention, invented_literal, neighbours, strip_units
from docgen_plugin.concepts import lexicon
from docgen_plugin.grounding import UNCLEAR
from docgen_plugin.model import Column, Table
from docgen_plugin.words import entity_words, family, name_words, plural, singular, split_identifier

__all__ = [
    "GENERAL",
    "Expansion",
    "Planted",
    "claim",
    "expansion_rate",
    "expansion_tables",
    "expansions",
    "is_echo",
    "is_expanded",
    "is_valid",
    "opaque_names",
    "plant",
]

_STOP = frozenset("the a an of for in to this is and column field value name record".split())
_MOST_WORDS = 25
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def is_echo(text: str, name: str) -> bool:
    """Return whether a text says nothing that the name does not.

    >>> is_echo("The customer name.", "cust_nm"), is_echo("Name of the buyer.", "cust_nm")
    (True, False)
    """
    words = {word.strip(".,:;()").lower() for word in text.split()}
    return words <= {*name_words(name), *_STOP}


def is_valid(text: str) -> bool:
    """Return whether a text has the form of a description: a capital, a full stop, at most 25 words, nothing twice.

    >>> is_valid("Date on which the order was placed."), is_valid("date of the the order")
    (True, False)
    """
    words = re.findall(r"\w+(?:['’-]\w+)*", text.lower())
    threes = list(zip(words, words[1:], words[2:], strict=False))
    return (
        0 < len(words) <= _MOST_WORDS
        and text[:1].isupper()
        and text.endswith((".", "!", "?"))
        and len(set(threes)) == len(threes)
        and all(one != two or one in ("that", "had") for one, two in pairwise(words))
        and text.count("(") == text.count(")")
    )


def claim(text: str, table: Table, column: Column, entities: frozenset[tuple[str, ...]]) -> str:
    """Return the first claim of a text that the schema does not give, "" when there is none.

    A claim is a unit or currency, a number or quoted value, another table of the same source by its name, a uniqueness,
    a thing of the known world that neither the table nor its columns name, or a kind of content that the type belies.

    >>> table = Table("orders", "orders", columns=(Column("total", "numeric"),))
    >>> claim("Total in euros.", table, table.columns[0], frozenset()), claim("Sum of all lines.", table, table.columns[0], frozenset())
    ('a unit', '')
    """
    if not text or text == UNCLEAR:
        return ""
    bare = replace(
        table, description="", columns=tuple(replace(one, description="") for one in table.columns)
    )
    evidence = Evidence.of(bare, column, (), neighbours(bare))
    if strip_units(text, evidence, everywhere=True) != text:
        return "a unit"
    literal = invented_literal(text, evidence)
    if literal:
        return literal
    words = _WORD.findall(text.lower())
    mention = foreign_mention(words, entities, evidence)
    if mention:
        return f"the table {mention}"
    if text.startswith(("Unique", "Primary key", "Surrogate key")) and not _may_be_key(column, table):
        return "that it is unique"
    thing = _unknown_thing(words, evidence)
    if thing:
        return f"the thing {thing}"
    kind = family(column.type)
    if text.startswith("True when") and kind in ("num", "date", "ts", "time", "json", "array", "uuid"):
        return "that it is true or false"
    if text.startswith(("Date ", "Time of day")) and kind in (
        "num",
        "bool",
        "json",
        "array",
        "uuid",
        "binary",
    ):
        return "that it is a date"
    return ""


def _may_be_key(column: Column, table: Table) -> bool:
    words, entity = name_words(column.name), entity_words(table.name)
    last = words[-1:] and words[-1] in (
        "id",
        "key",
        "uuid",
        "guid",
        "code",
        "number",
        "identifier",
        "hash",
        "sk",
        "pk",
    )
    return column.primary_key or column.unique or bool(last and set(words[:-1]) <= set(entity))


def _unknown_thing(words: Sequence[str], evidence: Evidence) -> str:
    """Return the first entity of the dictionary that a text names as "of the ..." though nothing in the input does.

    Words that stand for things in general (record, person, user, table, ...) claim nothing.
    """
    for before, word in pairwise(words):
        if before != "the" or word in GENERAL or word not in _things():
            continue
        forms = {word, singular(word), plural(word)}
        if any(evidence.knows(form) for form in forms):
            continue
        if any(known.startswith(word[:5]) for known in evidence.own | evidence.near if len(word) >= 5):
            continue
        return word
    return ""


@cache
def _things() -> frozenset[str]:
    return frozenset(name for name in lexicon().entities if " " not in name)


# things in general: to name one claims nothing
GENERAL = frozenset(
    "record row event item system source value unit period date time number amount code name list group share person user "
    "party process step level part position place point kind type way end start table column file message address "
    "state country city day week month year account company organization people location data".split()
)


@cache
def opaque_names() -> tuple[str, ...]:
    """Return names that tell nothing, from tables of the teacher that were never trained on."""
    return tuple(files("docgen_training").joinpath("data", "opaque_names.txt").read_text("utf-8").split())


@dataclass(frozen=True, slots=True)
class Planted:
    """Tables with opaque columns planted among their own, and which those are."""

    tables: tuple[Table, ...]
    places: frozenset[tuple[str, str]]  # (table key, column name)


def plant(tables: Sequence[Table], names: Sequence[str], each: int, seed: int) -> Planted:
    """Return the tables with `each` opaque columns planted at random places of every one, drawn from `names`.

    A planted column carries the honest answer as its description, so that it is asked about as a described one; columns
    that the documentation itself calls unclear count as planted.
    """
    draw = random.Random(seed)
    planted, places = [], set()
    for table in tables:
        own = {column.name.lower() for column in table.columns}
        columns = list(table.columns)
        places |= {(table.key, column.name) for column in columns if column.description == UNCLEAR}
        for name in draw.sample(sorted(set(names)), min(each * 3, len(set(names)))):
            if name.lower() in own or len(columns) == len(table.columns) + each:
                continue
            kind = draw.choice([column.type for column in table.columns])
            columns.insert(draw.randrange(len(columns) + 1), Column(name, kind, UNCLEAR))
            places.add((table.key, name))
        planted.append(replace(table, columns=tuple(columns)))
    return Planted(tuple(planted), frozenset(places))


@dataclass(frozen=True, slots=True)
class Expansion:
    """One line of the abbreviation list: a column and the words its description must hold, each with its equals."""

    table: str
    column: str
    type: str
    words: tuple[tuple[str, ...], ...]


@cache
def expansions() -> tuple[Expansion, ...]:
    """Return the list of 300 abbreviated columns, written for this purpose and never trained on."""
    text = files("docgen_training").joinpath("data", "abbreviations_300.tsv").read_text("utf-8")
    rows = (line.split("\t") for line in text.splitlines())
    return tuple(
        Expansion(table, column, kind, tuple(tuple(word.split("/")) for word in words.split()))
        for table, column, kind, words in rows
    )


def expansion_tables() -> list[Table]:
    """Return the columns of the list as tables, those of one name together; every column described, to be asked about."""
    grouped: dict[str, list[Column]] = {}
    for one in expansions():
        grouped.setdefault(one.table, []).append(Column(one.column, one.type, "-"))
    return [Table(name, name, columns=tuple(columns)) for name, columns in grouped.items()]


# what kind of column it is may be said in the house's own words
_KINDS = {
    "code": ("identifies", "identifier"),
    "number": ("identifier", "identifies", "count"),
    "quantity": ("number", "units"),
    "count": ("number",),
    "type": ("kind", "category"),
    "description": ("text", "describes"),
    "text": ("wording",),
    "timestamp": ("time",),
    "location": ("place",),
    "percent": ("share", "percentage"),
    "indicator": ("true",),
    "flag": ("true",),
    "status": ("state",),
    "message": ("text",),
    "cost": ("amount",),
    "charge": ("fee", "amount"),
    "probability": ("likelihood",),
}
_STEM = 5  # letters that two shapes of a word share: settled, settlement


def is_expanded(text: str, expected: Expansion) -> bool:
    """Return whether a text says every word that the name abbreviates, in any shape; a kind of column in its own words.

    A right paraphrase beyond that ("date on which the patient was born" for a date of birth) counts as wrong.

    >>> is_expanded("Numbers of the customers.", Expansion("t", "cust_nbr", "int", (("customer",), ("number", "count"))))
    True
    >>> is_expanded("Date on which the trade is settled.", Expansion("t", "stlmt_dt", "date", (("settlement",), ("date",))))
    True
    """
    said = {
        word
        for part in text.lower().split()
        for word in split_identifier(part.strip(".,:;()").removesuffix("'s"))
    }
    return all(any(_is_said(word, said) for word in equals) for equals in expected.words)


def _is_said(word: str, said: set[str]) -> bool:
    forms = {word, singular(word), plural(word), *_KINDS.get(singular(word), ())}
    if forms & said:
        return True
    return len(word) > _STEM and any(other.startswith(word[:_STEM]) for other in said)


def expansion_rate(texts: Mapping[tuple[str, str], str]) -> float:
    """Return the share of the list whose text holds every expected word, 0 to 1, higher is better."""
    right = sum(is_expanded(texts.get((one.table, one.column), ""), one) for one in expansions())
    return right / len(expansions())
