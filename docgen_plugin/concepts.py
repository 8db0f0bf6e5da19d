"""The concept dictionary: what common column names mean, with a slot for the thing a row is.

Two files of lexicon/: `concepts.jsonl` (name patterns with the slots {entity}, {other}, {x}) and
`entities.jsonl` (known things: what one row is, and their own columns). A match is evidence for the
model, given as a hint; see `prompt`. A user's glossary is a third file, in the form of the first, and wins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ConfigError
from docgen_plugin.kinds import is_named_action, is_occasion, is_party
from docgen_plugin.model import Column, Table
from docgen_plugin.prefixes import own_name
from docgen_plugin.slots import fill_slot, printed, qualified, slot_text, takes
from docgen_plugin.words import (
    FAMILIES,
    entity_words,
    expand,
    family,
    name_words,
    singular,
    split_identifier,
    table_words,
    tell_abbreviations,
)

__all__ = [
    "Concept",
    "Entity",
    "Lexicon",
    "Match",
    "fill_slot",
    "lexicon",
    "load_lexicon",
    "printed",
]

_SLOT = re.compile(r"\{(?:other|x)\}")
_BRACED = re.compile(r"(\{[^{}]*\})")


@dataclass(frozen=True, slots=True)
class Concept:
    """One idea: names in whole lower-case words, the text they all deserve, the type families it fits."""

    names: tuple[str, ...]
    text: str
    types: tuple[str, ...] = ()
    told: bool = False  # by the user's glossary
    only: str = ""  # "party" or "occasion": the things that the text can be said of, "" for all

    def suits(self, thing: Sequence[str]) -> bool:
        """Return whether the text can be said of a thing: an order has no birthday."""
        if self.only == "party":
            return is_party(thing)
        return self.only != "occasion" or is_occasion(thing)


@dataclass(frozen=True, slots=True)
class Entity:
    """One known thing: its name in the singular, what one row of it is, its own columns."""

    name: str
    grain: str
    columns: tuple[tuple[str, str, str], ...] = ()  # name words, type family, text
    needs: tuple[
        str, ...
    ] = ()  # the name has other senses: in this one, a column's name has one of these words

    def defines(self, table: Table) -> bool:
        """Return whether the grain holds for a table of this name: a row for each, and the sense that is meant.

        >>> race = Entity("race", "One row per race: a contest of speed.", needs=("lap", "winner"))
        >>> [race.defines(Table("t", "races", columns=(Column(name),))) for name in ("lap_count", "ethnicity")]
        [True, False]
        """
        named = table_words(table.name)
        if ":" not in self.grain or named.shape or named.period or table.kind == "snapshot":
            return False
        words = (word for column in table.columns for word in name_words(column.name))
        return not self.needs or any(word in self.needs or singular(word) in self.needs for word in words)


@dataclass(frozen=True, slots=True)
class Match:
    """A composed text and how well its concept fits: 1 exact, below 1 through a slot."""

    text: str
    fit: float
    told: bool = False  # by the user's glossary


_TWICE = re.compile(r"\b(the [a-z]+(?: [a-z]+)?) of \1\b")  # "the address of the address"
_QUALIFIED = 0.8  # at most, for a name that is known but for the scale at its end
_DESIGNATIONS = (("name",), ("code",), ("number",))
# how a name asks for a yes or no
_ASKING = frozenset(
    "is are was were has have had can should must does do did not no use uses show hide enable disable".split()
)


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
        if filling[-1] in ("date", "time") and self.after[:1] in (("date",), ("time",)):
            return None
        # a glossary's slot is for any rest of a name; it says nothing of the grammar around it
        return filling if self.concept.told or takes(self.concept.text, filling) else None


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
        forms = tuple(_forms(words, tuple(entity)))
        exact = [one for form in forms for one in self._exact.get(" ".join(form), ())]
        exact = [one for one in exact if _fits(one, kind, entity)]
        told = [concept for concept in exact if concept.told]
        known = self.entities.get(" ".join(entity)) if not told else None
        if known:
            for name, _, text in known.columns:
                if tuple(expand(name.split())) == words:
                    return Match(text, 1.0)
        for concept in told or exact:
            return Match(_said(concept, entity), 1.0, concept.told)
        best: Match | None = None
        for form in forms:
            for pattern, filling in self._filled(form, kind, entity):
                concept = pattern.concept
                fit = 0.5 + 0.4 * (1 - len(filling) / len(form))
                if pattern.slot == "{other}" and form[-1] == "id" and " ".join(filling) in self.entities:
                    fit = 1.0  # "product id" of anything: it has one reading
                if best is None or (fit, concept.told) > (best.fit, best.told):
                    best = Match(
                        _said(concept, entity, pattern.slot, filling, self._things), fit, concept.told
                    )
        rest, tail = qualified(words)
        if tail and not (best and best.told):
            whole = self.column_match(entity, rest, kind or "num")
            if whole:
                return Match(f"{whole.text[:-1]}{tail}.", min(whole.fit, _QUALIFIED))
            money = words[-1] in ("usd", "eur", "gbp")
            return best if best and money and best.text.endswith(f"{tail}.") else None
        return best

    def knows(self, table: Table, column: Column) -> bool:
        """Return whether a column's name is known exactly; the glossary's types are meant, the dictionary's usual."""
        entity, words = entity_words(table.name), name_words(own_name(table, column))
        found = (self.column_match(entity, words, kind) for kind in (family(column.type), ""))
        typed, untyped = ((match if match and match.fit == 1.0 else None) for match in found)
        return typed is not None or (untyped is not None and not untyped.told)

    def _filled(
        self, words: tuple[str, ...], kind: str, entity: Sequence[str]
    ) -> Iterator[tuple[_Pattern, tuple[str, ...]]]:
        if not words:
            return
        for anchor in (f"^{words[0]}", f"{words[-1]}$"):
            for pattern in self._patterns.get(anchor, ()):
                filling = pattern.fill(words)
                if not filling or "{entity}" in filling or not _fits(pattern.concept, kind, entity):
                    continue
                if not pattern.concept.told and not self._is_reference(pattern, filling):
                    continue
                # "tax paid" of no stated type is an amount as well as a yes or no: "is" or "has" has to say it
                if kind or pattern.concept.told or pattern.concept.types != ("bool",) or words[0] in _ASKING:
                    yield pattern, filling

    def _is_reference(self, pattern: _Pattern, filling: tuple[str, ...]) -> bool:
        """Return whether a slot's words can name the other thing that a row points to; any words where it points to none."""
        last = filling[-1]
        refers = pattern.slot == "{other}" or pattern.after[-1:] in _DESIGNATIONS
        if refers and last.endswith("ing") and not (last in self._things or is_named_action(last)):
            return False  # "accounting code", "billing name": what the code or name is for
        # only what has papers has a number of its own: a "tail number" is no number of a tail
        return pattern.after != ("number",) or singular(last) in self._things

    def match(self, table: Table, column: Column | None) -> Match | None:
        """Return the best text for a column of a table, or for the table itself when `column` is None."""
        entity = entity_words(table.name)
        if column is None:
            known = self.entities.get(" ".join(entity))
            return Match(known.grain, 1.0) if known and known.defines(table) else None
        match = self.column_match(entity, name_words(own_name(table, column)), family(column.type))
        if match and column.foreign_key and match.text.startswith("Identifier of the "):
            return replace(match, fit=1.0)  # the schema itself says what the name only suggests
        return match

    def hints(self, table: Table, column: Column | None) -> tuple[str, ...]:
        """Return the texts to give to the model as hints for a place: none or one."""
        match = self.match(table, column)
        return (match.text,) if match else ()


def _forms(words: tuple[str, ...], entity: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the name as it is, then with the entity's own words marked, then without them.

    The key of the table itself is first of all the entity's, whatever such keys are elsewhere.
    """
    marked: list[tuple[str, ...]] = []
    size = len(entity)
    for start in range(len(words) - size + 1):
        if (*words[start : start + size - 1], singular(words[start + size - 1])) == entity:
            marked.append((*words[:start], "{entity}", *words[start + size :]))
            rest = words[:start] + words[start + size :]
            if rest and start == 0:
                marked.append(rest)
            break
    key = marked and marked[0] in (("{entity}", "id"), ("{entity}", "uuid"), ("{entity}", "guid"))
    yield from (*marked[:1], words, *marked[1:]) if key else (words, *marked)


def _fits(concept: Concept, kind: str, entity: Sequence[str]) -> bool:
    return concept.suits(entity) and (not kind or not concept.types or kind in concept.types)


def _said(
    concept: Concept,
    entity: Sequence[str],
    slot: str = "",
    filling: tuple[str, ...] = (),
    things: Collection[str] = (),
) -> str:
    """Return a concept's text about an entity; one that begins with a slot gets its capital here.

    >>> _said(Concept((), "{entity} as sold."), ("order", "item"))
    'Order item as sold.'
    """
    text = concept.text
    if slot and concept.told:
        text = fill_slot(text, slot, filling)
    elif slot:
        text = slot_text(text, slot, filling, entity, things)
    text = _TWICE.sub(r"\1", text.replace("{entity}", printed(entity)))
    return text[:1].upper() + text[1:] if concept.text.startswith("{") else text


@cache
def lexicon() -> Lexicon:
    """Return the dictionary that comes with the package, read once."""
    folder = files("docgen_plugin").joinpath("lexicon")
    concepts = tuple(
        Concept(tuple(row["names"]), row["text"], tuple(row["types"]), only=row.get("only", ""))
        for row in map(json.loads, folder.joinpath("concepts.jsonl").read_text("utf-8").splitlines())
    )
    entities = {
        " ".join(expand(row["entity"].split())): Entity(
            row["entity"],
            row["grain"],
            tuple((part[0], part[1], part[2]) for part in row["columns"]),
            tuple(row.get("needs", "").split()),
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
