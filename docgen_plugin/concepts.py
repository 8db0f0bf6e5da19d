"""The concept dictionary: what common column names mean, with a slot for the thing a row is.

Two files of lexicon/: `concepts.jsonl` (name patterns with the slots {entity}, {other}, {x}) and
`entities.jsonl` (known things: what one row is, and their own columns). A match is evidence for the
model, given as a hint; see `prompt`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

from docgen_plugin.model import Column, Table
from docgen_plugin.words import display_forms, entity_words, expand, family, name_words, plural

__all__ = ["Concept", "Entity", "Lexicon", "Match", "fill_slot", "lexicon", "printed"]

_SLOT = re.compile(r"\{(?:other|x)\}")
_COUNTED = re.compile(
    r"\b(?:[Nn]umber|[Cc]ount|[Ll]ist|[Ii]dentifiers) of (?:all |distinct |different |new |active )?\{(?:x|other)\}"
)


@dataclass(frozen=True, slots=True)
class Concept:
    """One idea: names in whole lower-case words, the text they all deserve, the type families it fits."""

    names: tuple[str, ...]
    text: str
    types: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """One known thing: its name in the singular, what one row of it is, its own columns."""

    name: str
    grain: str
    columns: tuple[tuple[str, str, str], ...] = ()  # name words, type family, text


@dataclass(frozen=True, slots=True)
class Match:
    """A composed text and how well its concept fits: 1 exact, below 1 through a slot."""

    text: str
    fit: float


def printed(words: Sequence[str]) -> str:
    """Return words as they stand in a sentence, acronyms in their usual form.

    >>> printed(["customer", "id"])
    'customer ID'
    """
    forms = display_forms()
    return " ".join(forms.get(word, word) for word in words)


_PARTICIPLES = frozenset(
    "sent paid made sold built run set lost left read shut held found born met won put cut done known begun bought "
    "brought caught dealt drawn kept laid led lent seen spent taken taught told thrown understood withdrawn written".split()
)


def _is_participle(word: str) -> bool:
    """Return whether a word can stand before "at", "on", "by": shipped at, written by; not "late by"."""
    return word.endswith("ed") or word in _PARTICIPLES


@dataclass(frozen=True, slots=True)
class _Pattern:
    before: tuple[str, ...]
    after: tuple[str, ...]
    slot: str
    concept: Concept

    def fill(self, words: tuple[str, ...]) -> tuple[str, ...] | None:
        taken = len(self.before) + len(self.after)
        if len(words) <= taken or len(words) - taken > 4:
            return None
        if words[: len(self.before)] != self.before or words[len(words) - len(self.after) :] != self.after:
            return None
        filling = words[len(self.before) : len(words) - len(self.after)]
        done = self.slot == "{x}" and self.after[:1] in (("at",), ("on",), ("by",))
        return None if done and not _is_participle(filling[-1]) else filling


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The dictionary, ready to be asked; build it with `lexicon()`."""

    concepts: tuple[Concept, ...]
    entities: dict[str, Entity]
    _exact: dict[str, list[Concept]] = field(default_factory=dict)
    _patterns: dict[str, list[_Pattern]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for concept in self.concepts:
            for name in {" ".join(expand(name.split())) for name in concept.names}:
                slots = _SLOT.findall(name)
                if not slots:
                    self._exact.setdefault(name, []).append(concept)
                elif len(slots) == 1 and name != slots[0]:
                    before, after = (tuple(part.split()) for part in name.split(slots[0]))
                    anchor = f"^{before[0]}" if before else f"{after[-1]}$"
                    self._patterns.setdefault(anchor, []).append(_Pattern(before, after, slots[0], concept))

    def column_match(self, entity: Sequence[str], words: tuple[str, ...], kind: str) -> Match | None:
        """Return the best composed text for a column of an entity, or None; `kind` is a type family or ""."""
        known = self.entities.get(" ".join(entity))
        if known:
            for name, _, text in known.columns:
                if tuple(expand(name.split())) == words:
                    return Match(text, 1.0)
        thing = printed(entity)
        for form in _forms(words, tuple(entity)):
            for concept in self._exact.get(" ".join(form), ()):
                if _fits(concept, kind):
                    return Match(concept.text.replace("{entity}", thing), 1.0)
        best: Match | None = None
        for form in _forms(words, tuple(entity)):
            for pattern, filling in self._filled(form, kind):
                fit = 0.5 + 0.4 * (1 - len(filling) / len(form))
                if pattern.slot == "{other}" and form[-1] == "id" and " ".join(filling) in self.entities:
                    fit = 1.0  # "product id" of anything: it has one reading
                if best is None or fit > best.fit:
                    best = Match(
                        fill_slot(pattern.concept.text, pattern.slot, filling).replace("{entity}", thing), fit
                    )
        return best

    def _filled(self, words: tuple[str, ...], kind: str) -> Iterator[tuple[_Pattern, tuple[str, ...]]]:
        if not words:
            return
        for anchor in (f"^{words[0]}", f"{words[-1]}$"):
            for pattern in self._patterns.get(anchor, ()):
                filling = pattern.fill(words)
                if filling and "{entity}" not in filling and _fits(pattern.concept, kind):
                    yield pattern, filling

    def match(self, table: Table, column: Column | None) -> Match | None:
        """Return the best text for a column of a table, or for the table itself when `column` is None."""
        entity = entity_words(table.name)
        if column is None:
            known = self.entities.get(" ".join(entity))
            return Match(known.grain, 1.0) if known else None
        match = self.column_match(entity, name_words(column.name), family(column.type))
        if match and column.foreign_key and match.text.startswith("Identifier of the "):
            return Match(match.text, 1.0)  # the schema itself says what the name only suggests
        return match

    def hints(self, table: Table, column: Column | None) -> tuple[str, ...]:
        """Return the texts to give to the model as hints for a place: none or one."""
        match = self.match(table, column)
        return (match.text,) if match else ()


def _forms(words: tuple[str, ...], entity: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the name as it is, then with the entity's own words marked, then without them."""
    yield words
    size = len(entity)
    for start in range(len(words) - size + 1):
        if words[start : start + size] == entity:
            yield (*words[:start], "{entity}", *words[start + size :])
            rest = words[:start] + words[start + size :]
            if rest and start == 0:
                yield rest
            return


def _fits(concept: Concept, kind: str) -> bool:
    return not kind or not concept.types or kind in concept.types


def fill_slot(text: str, slot: str, filling: tuple[str, ...]) -> str:
    """Return a concept's text with one slot filled, in the plural where the text counts.

    >>> fill_slot("Number of {x} for the {entity}.", "{x}", ("sales", "order"))
    'Number of sales orders for the {entity}.'
    """
    many = printed((*filling[:-1], plural(filling[-1])))
    text = _COUNTED.sub(lambda match: match.group(0).replace(slot, many), text)
    return text.replace(slot, printed(filling))


@cache
def lexicon() -> Lexicon:
    """Return the dictionary that comes with the package, read once."""
    folder = files("docgen_plugin").joinpath("lexicon")
    concepts = tuple(
        Concept(tuple(row["names"]), row["text"], tuple(row["types"]))
        for row in map(json.loads, folder.joinpath("concepts.jsonl").read_text("utf-8").splitlines())
    )
    entities = {
        " ".join(expand(row["entity"].split())): Entity(
            row["entity"], row["grain"], tuple((part[0], part[1], part[2]) for part in row["columns"])
        )
        for row in map(json.loads, folder.joinpath("entities.jsonl").read_text("utf-8").splitlines())
    }
    return Lexicon(concepts, entities)
