"""The concept dictionary: what common column names mean, with a slot for the thing a row is.

Two files of lexicon/: `concepts.jsonl` (name patterns with the slots {entity}, {other}, {x}) and
`entities.jsonl` (known things: what one row is, and their own columns). A match is evidence for the
model, given as a hint; see `prompt`. A user's glossary is a third file, in the form of the first, and wins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ConfigError
from docgen_plugin.model import Column, Table
from docgen_plugin.prefixes import own_name
from docgen_plugin.words import (
    FAMILIES,
    display_forms,
    entity_words,
    expand,
    family,
    name_words,
    plural,
    split_identifier,
    tell_abbreviations,
)

__all__ = ["Concept", "Entity", "Lexicon", "Match", "fill_slot", "lexicon", "load_lexicon", "printed"]

_SLOT = re.compile(r"\{(?:other|x)\}")
_BRACED = re.compile(r"(\{[^{}]*\})")
_COUNTED = re.compile(
    r"\b(?:[Nn]umber|[Cc]ount|[Ll]ist|[Ii]dentifiers) of (?:all |distinct |different |new |active )?\{(?:x|other)\}"
)


@dataclass(frozen=True, slots=True)
class Concept:
    """One idea: names in whole lower-case words, the text they all deserve, the type families it fits."""

    names: tuple[str, ...]
    text: str
    types: tuple[str, ...] = ()
    told: bool = False  # by the user's glossary


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
    told: bool = False  # by the user's glossary


def printed(words: Sequence[str]) -> str:
    """Return words as they stand in a sentence, acronyms in their usual form.

    >>> printed(["customer", "id"])
    'customer ID'
    """
    forms = display_forms()
    return " ".join(forms.get(word, word) for word in words)


# of so many telling columns one at least is usual, if the table holds what its name says
_TELLING_COLUMNS = 4
# how a name asks for a yes or no
_ASKING = frozenset(
    "is are was were has have had can should must does do did not no use uses show hide enable disable".split()
)
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
        # a glossary's slot is for any rest of a name; it says nothing of the grammar around it
        done = not self.concept.told and self.slot == "{x}" and self.after[:1] in (("at",), ("on",), ("by",))
        return None if done and not _is_participle(filling[-1]) else filling


@dataclass(frozen=True, slots=True)
class Lexicon:
    """The dictionary, ready to be asked; build it with `lexicon()`, or `load_lexicon()` with a glossary."""

    concepts: tuple[Concept, ...]
    entities: dict[str, Entity]
    _exact: dict[str, list[Concept]] = field(default_factory=dict)
    _patterns: dict[str, list[_Pattern]] = field(default_factory=dict)

    _things: set[str] = field(default_factory=set)  # what an entity's name ends with

    def __post_init__(self) -> None:
        self._things.update(name.split()[-1] for name in self.entities)
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
        thing = printed(entity)
        forms = tuple(_forms(words, tuple(entity)))
        exact = [one for form in forms for one in self._exact.get(" ".join(form), ()) if _fits(one, kind)]
        told = [concept for concept in exact if concept.told]
        known = self.entities.get(" ".join(entity)) if not told else None
        if known:
            for name, _, text in known.columns:
                if tuple(expand(name.split())) == words:
                    return Match(text, 1.0)
        for concept in told or exact:
            return Match(_said(concept, thing), 1.0, concept.told)
        best: Match | None = None
        for form in forms:
            for pattern, filling in self._filled(form, kind):
                concept = pattern.concept
                fit = 0.5 + 0.4 * (1 - len(filling) / len(form))
                if pattern.slot == "{other}" and form[-1] == "id" and " ".join(filling) in self.entities:
                    fit = 1.0  # "product id" of anything: it has one reading
                if best is None or (fit, concept.told) > (best.fit, best.told):
                    text = _said(concept, thing, pattern.slot, self._with_article(concept, filling))
                    best = Match(text, fit, concept.told)
        return best

    def _with_article(self, concept: Concept, filling: tuple[str, ...]) -> tuple[str, ...]:
        """Return a slot's words, with "a" before them where the text says that something is such a thing."""
        if not concept.text.endswith(" is {x}.") or filling[-1] not in self._things:
            return filling
        return ("an" if filling[0][0] in "aeiou" else "a", *filling)

    def knows(self, table: Table, column: Column) -> bool:
        """Return whether a column's name is known exactly; the glossary's types are meant, the dictionary's usual."""
        entity, words = entity_words(table.name), name_words(own_name(table, column))
        found = (self.column_match(entity, words, kind) for kind in (family(column.type), ""))
        typed, untyped = ((match if match and match.fit == 1.0 else None) for match in found)
        return typed is not None or (untyped is not None and not untyped.told)

    def _filled(self, words: tuple[str, ...], kind: str) -> Iterator[tuple[_Pattern, tuple[str, ...]]]:
        if not words:
            return
        for anchor in (f"^{words[0]}", f"{words[-1]}$"):
            for pattern in self._patterns.get(anchor, ()):
                filling = pattern.fill(words)
                if not filling or "{entity}" in filling or not _fits(pattern.concept, kind):
                    continue
                # "tax paid" of no stated type is an amount as well as a yes or no: "is" or "has" has to say it
                if kind or pattern.concept.told or pattern.concept.types != ("bool",) or words[0] in _ASKING:
                    yield pattern, filling

    def match(self, table: Table, column: Column | None) -> Match | None:
        """Return the best text for a column of a table, or for the table itself when `column` is None."""
        entity = entity_words(table.name)
        if column is None:
            known = self.entities.get(" ".join(entity))
            return Match(known.grain, 1.0) if known and not _is_namesake(table, known) else None
        match = self.column_match(entity, name_words(own_name(table, column)), family(column.type))
        if match and column.foreign_key and match.text.startswith("Identifier of the "):
            return replace(match, fit=1.0)  # the schema itself says what the name only suggests
        return match

    def hints(self, table: Table, column: Column | None) -> tuple[str, ...]:
        """Return the texts to give to the model as hints for a place: none or one."""
        match = self.match(table, column)
        return (match.text,) if match else ()


def _is_namesake(table: Table, known: Entity) -> bool:
    """Return whether a table holds something else of the same name, say tracked events and not pieces of music.

    Its columns tell: there are several, and not one of them is a column that the known thing has.
    """
    words = tuple(known.name.split())
    dull = {("id",), ("name",), (*words, "id"), (*words, "name")}
    telling = {name_words(own_name(table, column)) for column in table.columns} - dull
    usual = {tuple(expand(part[0].split())) for part in known.columns} - dull
    return min(len(telling), len(usual)) >= _TELLING_COLUMNS and telling.isdisjoint(usual)


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


def _said(concept: Concept, thing: str, slot: str = "", filling: tuple[str, ...] = ()) -> str:
    """Return a concept's text about an entity; one that begins with a slot gets its capital here.

    >>> _said(Concept((), "{entity} as sold."), "order item")
    'Order item as sold.'
    """
    text = fill_slot(concept.text, slot, filling) if slot else concept.text
    text = text.replace("{entity}", thing)
    return text[:1].upper() + text[1:] if concept.text.startswith("{") else text


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


def load_lexicon(glossary: Path | str = "") -> Lexicon:
    """Return the dictionary with a user's glossary before it; without one, `lexicon()`.

    Raises:
        ConfigError: when the glossary cannot be read, or a line of it cannot be used.
    """
    if not str(glossary):
        tell_abbreviations({})
        return lexicon()
    path = Path(glossary).expanduser()
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as err:
        raise ConfigError(f"{path}: no such glossary; name a file with the setting glossary") from err
    except UnicodeDecodeError as err:
        raise ConfigError(f"{path}: is no UTF-8 text; save the glossary as UTF-8") from err
    except (OSError, ValueError) as err:
        reason = getattr(err, "strerror", None) or err
        raise ConfigError(f"{path}: the glossary cannot be read: {reason}") from err
    rows = _glossary_rows(str(path), text)
    tell_abbreviations(dict(_told_abbreviation(row, where) for where, row in rows if "abbreviation" in row))
    return _with_glossary(str(path), text)


@lru_cache(maxsize=4)
def _with_glossary(path: str, text: str) -> Lexicon:
    known = lexicon()
    rows = _glossary_rows(path, text)
    told = tuple(_told_concept(row, where) for where, row in rows if "abbreviation" not in row)
    return Lexicon((*told, *known.concepts), known.entities)


def _glossary_rows(path: str, text: str) -> list[tuple[str, dict[str, Any]]]:
    # not splitlines(): JSON may hold the other line ends within a text
    lines = ((number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip())
    return [(f"{path}:{number}", _glossary_row(line, f"{path}:{number}")) for number, line in lines]


_GLOSSARY_LINE = 'write a line as {"names": ["order number"], "text": "Number of the order."}'
_GLOSSARY_KEYS = ("names", "text", "types")


def _glossary_row(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except json.JSONDecodeError as err:
        raise ConfigError(f"{where}: is not JSON ({err.msg}, column {err.colno}); {_GLOSSARY_LINE}") from err
    except (ValueError, RecursionError) as err:
        raise ConfigError(f"{where}: is not JSON that can be read; {_GLOSSARY_LINE}") from err
    if not isinstance(row, dict):
        raise ConfigError(f"{where}: is no JSON object; {_GLOSSARY_LINE}")
    return row


def _told_abbreviation(row: dict[str, Any], where: str) -> tuple[str, str]:
    """Return what a line of a glossary says of a shortening: itself and its meaning, in lower case."""
    wanted = 'write a line as {"abbreviation": "cust", "expansion": "customer"}'
    short, long = row.get("abbreviation"), row.get("expansion")
    if set(row) != {"abbreviation", "expansion"} or not isinstance(short, str) or not isinstance(long, str):
        raise ConfigError(
            f"{where}: an abbreviation has an expansion and nothing else, both of them texts; {wanted}"
        )
    words = split_identifier(long)
    if len(split_identifier(short)) != 1 or not words:
        raise ConfigError(f"{where}: {short!r} is not one word with a meaning; {wanted}")
    return short.strip().lower(), " ".join(words)


def _told_concept(row: dict[str, Any], where: str) -> Concept:
    """Return what one line of a glossary says of names."""
    unknown = [key for key in row if key not in _GLOSSARY_KEYS]
    if unknown:
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; known: {', '.join(_GLOSSARY_KEYS)}")
    names, types = (_texts(row, key, where) for key in ("names", "types"))
    if not names:
        found = "names is empty" if "names" in row else "has no names"
        raise ConfigError(f"{where}: {found}; {_GLOSSARY_LINE}")
    strange = [one for one in types if one not in FAMILIES]
    if strange:
        raise ConfigError(f"{where}: unknown type {strange[0]!r}; known: {', '.join(FAMILIES)}")
    text = _told_text(row.get("text", ""), where)
    return Concept(tuple(_told_name(name, text, where) for name in names), text, types, told=True)


def _texts(row: dict[str, Any], key: str, where: str) -> tuple[str, ...]:
    found = row.get(key, [])
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ConfigError(f"{where}: {key} wants a list of texts, found {found!r:.60}; {_GLOSSARY_LINE}")
    return tuple(found)


def _told_text(text: Any, where: str) -> str:
    """Return a glossary's text on one line, with a full stop."""
    if not isinstance(text, str):
        raise ConfigError(f"{where}: text wants a text, found {text!r:.60}; {_GLOSSARY_LINE}")
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    if not line:
        raise ConfigError(f"{where}: has no text; {_GLOSSARY_LINE}")
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _told_name(name: str, text: str, where: str) -> str:
    """Return a glossary's name in words, its slots kept, once they are known to be those of the text."""
    parts = _BRACED.split(name)  # every second part is a slot
    slots = parts[1::2]
    words = [word for part in parts for word in ([part] if part in slots else split_identifier(part))]
    filled = [slot for slot in slots if _SLOT.fullmatch(slot)]
    if not words or words == filled:
        raise ConfigError(f"{where}: the name {name!r} holds no word; write the column's name")
    for slot in (*slots, *_BRACED.findall(text)):
        if slot != "{entity}" and not _SLOT.fullmatch(slot):
            raise ConfigError(f"{where}: unknown slot {slot}; known: {{entity}}, {{other}}, {{x}}")
    if len(filled) > 1 or len(slots) - len(filled) > 1:
        raise ConfigError(
            f"{where}: the name {name!r} has too many slots; keep {{entity}} and one of {{other}}, {{x}}"
        )
    for slot in _SLOT.findall(text):
        if slot not in slots:
            raise ConfigError(f"{where}: the text's {slot} is not in the name {name!r}; add it there")
    return " ".join(words)
