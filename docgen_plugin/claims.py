"""What a text claims: units, currencies, time zones, examples, literals, other tables; and what supports it."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache

from docgen_plugin.model import Column, Table
from docgen_plugin.words import name_words, plural, singular, split_identifier

__all__ = [
    "Evidence",
    "foreign_mention",
    "invented_literal",
    "neighbours",
    "strip_examples",
    "strip_units",
    "supported_units",
    "unit_words",
]

# one line a unit: the words that state it; any of them in the evidence supports all of them
_UNITS = tuple(
    tuple(form.strip() for form in line.split(","))
    for line in """
usd, us dollar, us dollars, dollar, dollars, $
eur, euro, euros, €
gbp, pound sterling, pounds sterling, british pounds, £
jpy, yen, ¥
inr, rupee, rupees
cny, yuan, renminbi
chf, swiss francs
cents, cent
percent, percentage, percentages, pct, perc, %
utc, coordinated universal time
gmt
local time, local timezone, local time zone
est, edt
pst, pdt
cet, cest
kilogram, kilograms, kg, kgs, kilo, kilos
gram, grams, gms
milligram, milligrams, mg
pound, pounds, lb, lbs
ounce, ounces, oz
tonne, tonnes, metric tons, metric ton
kilometer, kilometers, kilometre, kilometres, km, kms
meters, metres, mtr, mtrs, metre
centimeter, centimeters, centimetre, centimetres, cm
millimeter, millimeters, millimetre, millimetres, mm
mile, miles
feet, ft
inches, inch
square meters, square metres, sqm
square feet, sqft
liter, liters, litre, litres, ltr
milliliter, milliliters, millilitre, millilitres
gallon, gallons, gal
celsius, centigrade
fahrenheit
kelvin
kilowatt, kilowatts, kw
kilowatt hours, kilowatt-hours, kwh
watts, watt
volts, volt
amps, amperes
hertz, hz, khz, mhz
bytes, byte
kilobytes, kilobyte, kb
megabytes, megabyte, mb
gigabytes, gigabyte, gb
nanoseconds, nanosecond, ns
microseconds, microsecond
milliseconds, millisecond, ms, millis
seconds, secs, sec
minutes, mins
hours, hrs
days
weeks
months
years
degrees
radians
basis points, bps
mph, miles per hour
km/h, kilometers per hour, kph
bar, psi, pascal
""".strip().splitlines()
)
# words that the evidence may hold for a unit, beyond its own forms: `duration_s`, `load_min`
_SHORT_LINES = """
seconds: s second mps rps
minutes: min minute rpm bpm lpm gpm
hours: h hr hour mph kph kwh mwh
days: day dys
weeks: week wk
months: month mth
years: year yr yrs
kilogram: kilogrammes
meters: m meter mps m2 m3
degrees: degree deg c f celsius fahrenheit
celsius: c
fahrenheit: f
kelvin: k
bytes: b
gram: g gsm
watts: w
volts: v
percent: %
hertz: hz
tonne: t mt
miles: mi
milliliters: ml
liters: l lpm
inches: in
"""
_SHORT = {
    unit: tuple(forms.split())
    for unit, forms in (line.split(": ") for line in _SHORT_LINES.strip().splitlines())
}
# ordinary words as well as units: they count only where a unit stands, after "in" or in brackets
_AMBIGUOUS = frozenset(
    (
        "bar",
        "cent",
        "inch",
        "feet",
        "ft",
        "mb",
        "gal",
        "est",
        "pst",
        "ms",
        "mm",
        "ns",
        "degrees",
        "pound",
        "sec",
    )
)

# words of units that are plain words as well
_NOT_ONLY_UNITS = frozenset(
    "us per time local bar est second seconds minutes hours days weeks months years in square points basis universal coordinated feet metric".split()
)

_LEAD = r"(?:,?\s*(?:expressed|measured|stated|given|recorded|stored|denominated|represented)?\s*(?:in|as an?|as)\s+)"
_EXAMPLES = re.compile(
    r"\s*(?:\((?:e\.g\.|eg|i\.e\.|for example|for instance|such as|like|including)[^)]*\)"
    r"|,?\s+(?:e\.g\.|such as|for example|for instance|including)[,:]?\s+[^;()]*?(?=[;)]|\.(?:\s|$)|$))",
    re.I,
)
_SEQUENCES = ("sort", "sorting", "display", "processing", "alphabetical", "ascending", "descending", "in")
_QUOTED = re.compile(r"\"([^\"]+)\"|(?<!\w)'([^']+)'(?!\w)|“([^”]+)”|‘([^’]+)’|`([^`]+)`")
_NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*(?![\w])")
_COMMON_WORDS = (
    "date time day week month year status type category name value number code user person record event log item "
    "list group file data detail info information address note setting source unit country city state currency "
    "period calendar level role result rate entry line row table column field key property history "
    "change action process reason method location place position area part point version amount total count "
    "price cost size language image document message text label tag title comment description reference "
    "identifier flag option parameter test report summary"
)
_COMMON = frozenset(_COMMON_WORDS.split())


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything the input says about a place, as lower-case text and as words."""

    own: frozenset[str]  # words of the name, the type, the values, the table's name and text, the hints
    near: frozenset[str] = frozenset()  # words of the other columns, keys and sources; see `neighbours`
    text: str = ""  # the free texts, lower case

    @classmethod
    def of(
        cls, table: Table, column: Column | None, hints: Sequence[str], near: frozenset[str] = frozenset()
    ) -> Evidence:
        """Return the evidence for a column, or with column None for the table itself."""
        texts = [table.description, *hints]
        names = [table.name]
        if column is not None:
            names.append(column.name)
            texts += [column.type, *column.values]
            if column.foreign_key is not None:
                names += [column.foreign_key.table, column.foreign_key.column]
        own = _words_of(names) | {word for text in texts for word in _split(text)}
        return cls(frozenset(own), near, " ".join(" ".join(texts).lower().split()))

    def knows(self, word: str) -> bool:
        """Return whether a word stands anywhere in the input."""
        return word in self.own or word in self.near

    def supports(self, forms: Sequence[str]) -> bool:
        """Return whether any of a unit's forms stands in the place's own name, its type or a text."""
        words = {*forms, *(short for form in forms for short in _SHORT.get(form, ()))}
        return any(
            word in self.own if word.isalnum() else word in self.text or self.own.issuperset(word.split())
            for word in words
        )


def neighbours(table: Table) -> frozenset[str]:
    """Return the words of a table's columns, of what they point to and say, and of its sources."""
    names = [column.name for column in table.columns] + [key.rsplit(".", 1)[-1] for key in table.upstream]
    names += [column.foreign_key.table for column in table.columns if column.foreign_key is not None]
    said = {word for column in table.columns for word in _split(column.description)}
    return frozenset(_words_of(names) | said)


def _split(text: str) -> list[str]:
    return re.findall(r"[^\W_]+|[$€£¥%]", text.lower())


def _words_of(names: Sequence[str]) -> set[str]:
    return {word for name in names for word in (*split_identifier(name), *name_words(name))}


def _pattern(forms: Sequence[str]) -> tuple[str, str]:
    """Return the pattern of the forms that are units anywhere, and that of all of them."""
    every = [_whole(form) for form in sorted(forms, key=len, reverse=True)]
    clear = [_whole(form) for form in forms if form not in _AMBIGUOUS]
    return "|".join(clear) or r"(?!)", "|".join(every)


def _whole(form: str) -> str:
    # a sign such as % may stand right behind a number, a word may not
    # nor one that a hyphen binds: the hours of kilowatt-hours are no unit of their own
    return rf"(?<![\w-]){re.escape(form)}(?![\w-])" if form[0].isalnum() else re.escape(form)


_PATTERNS = tuple((forms, re.compile(_pattern(forms)[0], re.I), _pattern(forms)[1]) for forms in _UNITS)
_TRAILING = tuple(
    re.compile(rf"{_LEAD}(?:the\s+)?(?:{every})(?=[\s.,;)]|$)|\s*\((?:in\s+)?(?:{every})\)", re.I)
    for _, _, every in _PATTERNS
)

# a text without any of these words claims no unit: most texts need not be searched for each
_UNIT_WORDS = frozenset(word for forms in _UNITS for form in forms for word in _split(form)[:1])


@cache
def unit_words() -> frozenset[str]:
    """Return the words that state a unit and nothing else: no text may say them unless its schema gives the unit."""
    return frozenset(word for forms in _UNITS for form in forms for word in _split(form)) - _NOT_ONLY_UNITS


def supported_units(evidence: Evidence) -> frozenset[str]:
    """Return the words of every unit that a schema gives."""
    given = (forms for forms in _UNITS if evidence.supports(forms))
    return frozenset(word for forms in given for form in forms for word in _split(form) if word.isalpha())


def strip_units(text: str, evidence: Evidence, everywhere: bool = False) -> str:
    """Return a text without the units that nothing supports: "... in USD", "(kg)"; `everywhere` finds the rest.

    >>> plain = Evidence(frozenset({"amount"}))
    >>> strip_units("Total amount of the order in US dollars.", plain)
    'Total amount of the order.'
    >>> strip_units("Total weight, measured in kg.", Evidence(frozenset({"weight", "kg"})))
    'Total weight, measured in kg.'
    """
    if _UNIT_WORDS.isdisjoint(_split(text)):
        return text
    for (forms, anywhere, _), trailing in zip(_PATTERNS, _TRAILING, strict=True):
        if not (trailing.search(text) or anywhere.search(text)) or evidence.supports(forms):
            continue
        text = trailing.sub("", text)
        if everywhere:
            text = anywhere.sub("", text)
    return text


def strip_examples(text: str, evidence: Evidence) -> str:
    """Return a text without the examples that name something the evidence does not.

    >>> strip_examples("Status of the order, such as open or paid.", Evidence(frozenset()))
    'Status of the order.'
    """

    def kept(found: re.Match[str]) -> str:
        said = set(_split(found[0])) - {
            "e",
            "g",
            "i",
            "eg",
            "such",
            "as",
            "for",
            "example",
            "instance",
            "like",
        }
        said -= {"including", "and", "or", "the", "a", "an", "of", "etc", "other", "in"}
        return found[0] if all(map(evidence.knows, said)) else ""

    # an example that was a sentence leaves its stop behind
    return re.sub(r"\.\s*\.(?=\s|$)", ".", _EXAMPLES.sub(kept, text))


def invented_literal(text: str, evidence: Evidence) -> str:
    """Return the first number or quoted value of a text that the evidence does not hold, "" when there is none.

    >>> invented_literal("Currency by ISO 4217.", Evidence(frozenset()))
    'the number 4217'
    """
    for found in _QUOTED.finditer(text):
        value = next(group for group in found.groups() if group is not None)
        if value.lower() not in evidence.text and not all(map(evidence.knows, _split(value))):
            return f"the value {value!r}"
    for found in _NUMBER.finditer(text):
        digits = found[0]
        if digits not in evidence.own and digits not in evidence.text:
            return f"the number {digits}"
    return ""


def foreign_mention(words: Sequence[str], entities: Collection[tuple[str, ...]], evidence: Evidence) -> str:
    """Return the first table of the catalog that a text names though nothing in the input does, "" for none.

    >>> foreign_mention(["identifier", "of", "the", "invoice"], {("invoice",)}, Evidence(frozenset()))
    'invoice'
    """
    for start in range(len(words)):
        for length in (3, 2, 1):
            said = tuple(words[start : start + length])
            if len(said) < length:
                continue
            for name in (said, _one(said)):
                if name in entities and not _is_known(name, evidence) and not _is_sequence(words, start):
                    return " ".join(name)
    return ""


def _is_sequence(words: Sequence[str], at: int) -> bool:
    """Return whether "order" at this place means a sequence: "sort order", "order in which"."""
    if words[at] != "order":
        return False
    after = words[at + 1] if at + 1 < len(words) else ""
    return after in ("in", "to") or (at > 0 and words[at - 1] in _SEQUENCES)


def _one(words: tuple[str, ...]) -> tuple[str, ...]:
    return (*words[:-1], singular(words[-1]))


def _is_known(name: tuple[str, ...], evidence: Evidence) -> bool:
    if len(name) == 1 and name[0] in _COMMON:
        return True
    return all(evidence.knows(word) or evidence.knows(plural(word)) for word in name)
