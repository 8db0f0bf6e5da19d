"""A model's text against the schema: what the input does not support is taken out, or the text is dropped.

Nothing here asks the model: an opaque name stays unclear however fluent the answer, a unit that the schema
does not state is removed, and what cannot be repaired becomes an explicit 'unclear'.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from docgen_plugin.claims import (
    Evidence,
    foreign_mention,
    invented_literal,
    neighbours,
    strip_examples,
    strip_units,
)
from docgen_plugin.concepts import Lexicon, lexicon
from docgen_plugin.model import Catalog, Column, Table
from docgen_plugin.prefixes import own_name
from docgen_plugin.readings import frequencies, read_shortening, segments
from docgen_plugin.support import unsupported
from docgen_plugin.words import (
    abbreviations,
    display_forms,
    entity_words,
    is_shortening,
    name_words,
    split_identifier,
)

__all__ = ["Checker", "ONE_OF", "UNCLEAR", "Verdict", "confidence", "is_opaque"]

UNCLEAR = "Unclear from the schema."
ONE_OF = " One of: "  # before the allowed values
_UNCLEAR_CONFIDENCE = 0.05
_MOST_WORDS = 40
_VALUE_CHARS = 24
_TABLES_REMEMBERED = 256

# how much each finding takes from the confidence; set by hand, to be fitted to people's decisions later
_DAMPING = {"echo": 0.6, "unit removed": 0.8, "example removed": 0.8, "shortened": 0.9}

_PLACEHOLDERS_WORDS = (
    "attr attribute col column field fld custom udf user defined flag flg var variable val value data misc spare "
    "reserved filler dummy unused temp tmp param parameter text txt string str num number nbr int integer char chr "
    "code other ext extra generic key date dt x y z foo bar baz test dim metric measure prop property f c a b n"
)
_PLACEHOLDERS = frozenset(_PLACEHOLDERS_WORDS.split())
_ALWAYS_OPAQUE_WORDS = (
    "attr col column field fld udf spare filler dummy unused foo bar baz xxx tmp misc reserved"
)
_ALWAYS_OPAQUE = frozenset(_ALWAYS_OPAQUE_WORDS.split())
_FILLERS_WORDS = "the a an of for this that its in on to and or is"
_FILLERS = frozenset(_FILLERS_WORDS.split())
_VOWEL = re.compile(r"[aeiouy]")


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is left of an answer: the text to suggest, where it stands, and why."""

    text: str
    origin: str  # generated or unclear
    confidence: float  # 0 to 1
    reasons: tuple[str, ...] = ()


def confidence(logprob: float, reasons: Iterable[str] = ()) -> float:
    """Return a number from 0 to 1 that rises with the mean log-probability (nats) of an answer's tokens.

    It orders suggestions and is not calibrated: it is not yet the share of them that people accept.

    >>> confidence(0.0), confidence(-0.5, ["echo"]) < confidence(-0.5) < confidence(-0.1)
    (1.0, True)
    """
    raw = math.exp(min(0.0, logprob)) if math.isfinite(logprob) else 0.0
    return raw * math.prod(_DAMPING.get(reason, 1.0) for reason in reasons)


def is_opaque(name: str) -> bool:
    """Return whether a name tells nothing: placeholders with numbers, or letters that make no word.

    >>> [is_opaque(name) for name in ("x7", "attr_03", "custom_field_5", "flag2", "xkcdq", "")]
    [True, True, True, True, True, True]
    >>> [is_opaque(name) for name in ("address_2", "qty", "value", "x", "is_flagged")]
    [False, False, False, False, False]
    """
    words = split_identifier(name)
    letters = [word for word in words if not word.isdigit()]
    if not any(word.isalpha() for word in words):
        return not any(char.isalpha() for char in name)
    if any(_tells(word) for word in letters):
        return False
    marked = len(letters) < len(words) or len(letters) > sum(len(word) > 1 for word in letters) > 0
    return marked or any(map(_is_noise, letters)) or all(word in _ALWAYS_OPAQUE for word in letters)


def _tells(word: str) -> bool:
    """Return whether a word of a name means something: no placeholder, no single letter, no letters without a reading."""
    return word not in _PLACEHOLDERS and len(word) > 1 and not _is_noise(word)


def _is_noise(word: str) -> bool:
    """Return whether letters make no word: no vowel among them, no known abbreviation, no reading as a shortening."""
    if len(word) < 2 or not word.isascii() or not word.isalpha() or _VOWEL.search(word):
        return False
    if is_shortening(word) or word in display_forms() or word in frequencies():
        return False
    return not (read_shortening(word) or segments(word, abbreviations()))


class Checker:
    """Checks answers against one catalog; what it needs of the other tables is read once."""

    def __init__(self, catalog: Catalog, known: Lexicon | None = None) -> None:
        """Take the catalog whose table names an answer may not invent relations to, and the dictionary to ask."""
        self._lexicon = known or lexicon()
        entities = {entity_words(table.name) for table in catalog.tables}
        self._entities = frozenset(words for words in entities if all(word.isalpha() for word in words))
        self._near: dict[str, frozenset[str]] = {}

    def unclear(self, *reasons: str) -> Verdict:
        """Return the explicit 'unclear'."""
        return Verdict(UNCLEAR, "unclear", _UNCLEAR_CONFIDENCE, reasons)

    def opaque(self, table: Table, column: Column | None) -> Verdict | None:
        """Return 'unclear' for a place whose name tells nothing, before any model is asked; else None.

        A key to a known table has a meaning whatever its name is; so has a table with telling columns, and
        a name that the concept dictionary or the user's glossary knows.
        """
        if column is None:
            telling = any(not is_opaque(one.name) for one in table.columns)
            return self.unclear("opaque name") if is_opaque(table.name) and not telling else None
        if column.foreign_key is not None or not is_opaque(own_name(table, column)):
            return None
        return None if self._lexicon.knows(table, column) else self.unclear("opaque name")

    def told(self, column: Column | None, text: str, logprob: float) -> Verdict:
        """Return what a person wrote for names like a column's: it stands as written, the allowed values behind it."""
        text = _with_values(text, column.values) if column is not None else text
        return Verdict(text, "generated", confidence(logprob))

    def mentions(self, table: Table, column: Column | None, text: str) -> str:
        """Return the other table that a text names though nothing here does, "" when there is none."""
        evidence = Evidence.of(table, column, (), self._neighbours(table))
        return foreign_mention(_plain_words(text), self._entities, evidence)

    def check(
        self,
        table: Table,
        column: Column | None,
        answer: str,
        logprob: float = 0.0,
        hints: Sequence[str] = (),
        strict: bool = False,
        voice: frozenset[str] = frozenset(),
    ) -> Verdict:
        """Return what is left of an answer for a column, or with column None for the table itself.

        `strict` is for models that know little beyond the dictionary: every word must be held up by the
        input or belong to the dictionary's voice, see `support`, or be one of `voice`, the words that a team
        says in its own texts.
        """
        opaque = self.opaque(table, column)
        if opaque is not None:
            return opaque
        if "\N{REPLACEMENT CHARACTER}" in answer:
            return self.unclear("garbled")
        if strict and column is None and not table.columns:
            return self.unclear("no column is known")
        evidence = Evidence.of(table, column, hints, self._neighbours(table))
        reasons: list[str] = []
        text = _tidy(answer)
        for repair, reason in (
            (strip_examples, "example removed"),
            (strip_units, "unit removed"),
            (_cut, "shortened"),
        ):
            repaired = repair(text, evidence)
            if repaired != text:
                reasons.append(reason)
                text = _tidy(repaired)
        fault = self._fault(text, table, column, evidence)
        if strict and not fault:
            guess = unsupported(text, table, column, evidence, voice)
            fault = f"guesses {guess}" if guess else ""
        if fault:
            return self.unclear(*reasons, fault)
        if _is_reordered_name(text, table, column):
            reasons.append("echo")
        if column is not None:
            text = _with_values(text, column.values)
        return Verdict(text, "generated", confidence(logprob, reasons), tuple(reasons))

    def _neighbours(self, table: Table) -> frozenset[str]:
        """Return the words around a table's columns, remembered for the tables that are being answered."""
        if table.key not in self._near:
            if len(self._near) >= _TABLES_REMEMBERED:
                self._near.clear()
            self._near[table.key] = neighbours(table)
        return self._near[table.key]

    def _fault(self, text: str, table: Table, column: Column | None, evidence: Evidence) -> str:
        """Return why a text must be dropped, "" when it may stand."""
        words = _plain_words(text)
        if not words:
            return "empty"
        if len(words) > _MOST_WORDS or _repeats(text):
            return "garbled"
        if strip_units(text, evidence, everywhere=True) != text:
            return "claims a unit"
        literal = invented_literal(text, evidence)
        if literal:
            return f"claims {literal}"
        if [word for word in words if word not in _FILLERS] in _names_as_said(table, column):
            return "echoes the name"
        mention = foreign_mention(words, self._entities, evidence)
        return f"mentions {mention}" if mention else ""


def _tidy(text: str) -> str:
    """Return a text on one line, with a capital and a final stop.

    >>> _tidy('  unique  identifier of\\tthe order ')
    'Unique identifier of the order.'
    """
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split()).strip(" \"'`*-")
    line = re.sub(r"\s+([.,;:)])", r"\1", line).rstrip(",;:")
    if not line:
        return ""
    first = line.split()[0]
    if first.islower() and first.isalpha():
        line = line[0].upper() + line[1:]
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _cut(text: str, evidence: Evidence) -> str:
    """Return a text cut at the end of a sentence to at most the words we allow."""
    if len(text.split()) <= _MOST_WORDS:
        return text
    kept = ""
    for sentence in re.split(r"(?<=[.!?])\s+", text):
        longer = f"{kept} {sentence}".strip()
        if len(longer.split()) > _MOST_WORDS:
            break
        kept = longer
    return kept or text


def _plain_words(text: str) -> list[str]:
    return re.findall(r"[^\W_]+(?:['’-][^\W_]+)*", text.lower())


def _repeats(text: str) -> bool:
    """Return whether three words in a row come twice, or one word twice in a row."""
    words = re.findall(r"\w+(?:['’-]\w+)*", text.lower())
    threes = list(zip(words, words[1:], words[2:], strict=False))
    doubled = any(one == two and one not in ("that", "had") for one, two in pairwise(words))
    return doubled or len(set(threes)) < len(threes)


def _names_as_said(table: Table, column: Column | None) -> list[list[str]]:
    name = column.name if column is not None else table.name
    spelled = split_identifier(name)
    whole = list(name_words(name))
    return [[word for word in words if word not in _FILLERS] for words in (spelled, whole)]


def _is_reordered_name(text: str, table: Table, column: Column | None) -> bool:
    """Return whether a text has no word of its own beside the name's and the fillers."""
    name = column.name if column is not None else table.name
    known = {*split_identifier(name), *name_words(name), *_FILLERS}
    if column is None:
        known |= {*entity_words(name), "one", "row", "per", "table"}
    return all(word in known or word.rstrip("s") in known for word in _plain_words(text))


def _with_values(text: str, values: Sequence[str]) -> str:
    """Return a text that names the allowed values, where they are few and short.

    >>> _with_values("Status of the order.", ("open", "closed"))
    'Status of the order. One of: open, closed.'
    """
    if not 2 <= len(values) <= 8 or any(
        not value.strip() or len(value) > _VALUE_CHARS or not value.isprintable() for value in values
    ):
        return text
    lowered = text.lower()
    if all(re.search(rf"(?<!\w){re.escape(value.lower())}(?!\w)", lowered) for value in values):
        return text
    return f"{text}{ONE_OF}{', '.join(values)}."
