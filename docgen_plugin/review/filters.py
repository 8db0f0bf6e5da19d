"""What a reviewer types to say which suggestions are meant, read into a `Filter` and said again.

    state:suggested,edited  origin:generated  model:NAME  confidence:>0.8  table:stg_*  folder:models/marts  owner:finance  words

Commas are between alternatives; a confidence is a bound (>, >=, <, <=) or a range such as 0.5-0.8, from 0 to 1 or in
percent. All other words are searched for as they stand together; what holds a blank, a comma or a colon stands in quotes.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

from docgen_plugin.errors import ConfigError
from docgen_plugin.ledger_pages import Filter
from docgen_plugin.model import STATES

__all__ = ["KEYS", "ORIGINS", "parse", "spoken"]

ORIGINS = ("generated", "composed", "inherited", "reused", "unclear")
KEYS = ("state", "origin", "model", "confidence", "table", "folder", "owner")
_LISTED = MappingProxyType({"state": "states", "origin": "origins", "model": "models", "table": "tables"})
_KNOWN = MappingProxyType({"state": STATES, "origin": ORIGINS})
_OPEN = "open"  # what people call a suggestion that waits
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PART = re.compile(rf'(?:{_QUOTED}|[^\s"])+', re.DOTALL)
_WHOLE = re.compile(rf'(?:{_QUOTED}|[^"])*', re.DOTALL)
_PIECE = re.compile(rf"({_QUOTED})|([^\",]+)|(,)", re.DOTALL)
_NUMBER = r"([\d.]+(?:e-?\d+)?%?)"
_BOUND = re.compile(rf"(>=|<=|>|<)?{_NUMBER}", re.ASCII)
_RANGE = re.compile(rf"{_NUMBER}-{_NUMBER}", re.ASCII)
_PLAIN = re.compile(r'[^\s",:\\]+')


def parse(text: str) -> Filter:
    """Return the filter that a text says; `state:all` names every state, a state left out none.

    >>> parse('origin:generated,reused confidence:>=0.8 owner:"data team" tax rate')
    Filter(states=(), origins=('generated', 'reused'), models=(), min_confidence=0.8, max_confidence=None, \
tables=(), folder='', owner='data team', search='tax rate')

    Raises:
        ConfigError: for an unknown key, a value that cannot be, one key twice, or a quote that does not end.
    """
    if not _WHOLE.fullmatch(text):
        raise ConfigError(f'filter: a quote does not end in {text!r}; \\" is a quote within quotes')
    found: dict[str, str] = {}
    words: list[str] = []
    for part in _PART.findall(text):
        key, colon, value = part.partition(":")
        if not colon or part.startswith('"'):
            words.append("".join(_values(part, commas=False)))
        elif key.lower() not in KEYS:
            raise ConfigError(_unknown(key, part))
        elif key.lower() in found:
            raise ConfigError(f"filter {key}: stands twice; alternatives have a comma between them")
        else:
            found[key.lower()] = value
    wanted = Filter(search=" ".join(word for word in words if word))
    for key, value in found.items():
        wanted = _narrowed(wanted, key, value)
    return wanted


def _unknown(key: str, part: str) -> str:
    close = get_close_matches(key.lower(), KEYS, 1)
    meant = f"did you mean {close[0]}:?;" if close else f"there are {', '.join(f'{one}:' for one in KEYS)};"
    return f'filter: {key + ":"!r} is unknown; {meant} to search for it, put it in quotes: "{part}"'


def _narrowed(wanted: Filter, key: str, value: str) -> Filter:
    if key == "confidence":
        lowest, highest = _confidence(value)
        return replace(wanted, min_confidence=lowest, max_confidence=highest)
    values = tuple(dict.fromkeys(_values(value, commas=True)))
    if not values or not all(values):
        raise ConfigError(f"filter {key}: wants a value right behind the colon")
    if key in _LISTED:
        if key == "state":
            values = (
                STATES if "all" in values else tuple("suggested" if one == _OPEN else one for one in values)
            )
        for one in values:
            if one not in _KNOWN.get(key, values):
                raise ConfigError(f"filter {key}: {one!r} is none of {', '.join(_KNOWN[key])}")
        changed: dict[str, Any] = {_LISTED[key]: values}
        return replace(wanted, **changed)
    if len(values) > 1:
        raise ConfigError(f"filter {key}: takes one value; put one that holds a comma in quotes")
    return replace(wanted, folder=values[0]) if key == "folder" else replace(wanted, owner=values[0])


def _values(text: str, commas: bool) -> list[str]:
    """Return the values in a text, cut at commas outside quotes if they are meant to cut."""
    values = [""]
    for quoted, plain, comma in _PIECE.findall(text):
        if comma and commas:
            values.append("")
        else:
            values[-1] += re.sub(r"\\(.)", r"\1", quoted[1:-1], flags=re.DOTALL) or plain or comma
    return values


def _confidence(text: str) -> tuple[float | None, float | None]:
    """Return the least confidence meant, and the one that all meant are below."""
    between = _RANGE.fullmatch(text)
    if between is not None:
        lowest, highest = _number(between[1], text), _number(between[2], text)
        if lowest > highest:
            raise ConfigError(f"filter confidence: {text!r} is empty, the lower number stands first")
        return lowest, _above(highest)
    bound = _BOUND.fullmatch(text)
    if bound is None:
        raise ConfigError(f"filter confidence: {text!r} is none of >0.8, >=0.8, <0.5, <=0.5, 0.5-0.8")
    number = _number(bound[2], text)
    match bound[1]:
        case ">":
            return _above(number), None
        case "<":
            return None, number
        case "<=":
            return None, _above(number)
    return number, None  # a number alone is what --min-confidence takes


def _number(text: str, whole: str) -> float:
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ConfigError(f"filter confidence: wants numbers from 0 to 1 (or percent), found {whole!r}")
    return value


def _above(number: float) -> float:
    """Return the next number: a filter's lower bound is included, its upper one is not."""
    return math.nextafter(number, math.inf)


def spoken(wanted: Filter) -> str:
    """Return the text that `parse` reads as this filter.

    >>> spoken(parse("confidence:>0.8 state:all words"))
    'state:all confidence:>0.8 words'
    """
    parts: list[str] = []
    for key, name in _LISTED.items():
        values = getattr(wanted, name)
        if key == "state" and set(values) == set(STATES):
            values = ("all",)
        parts += [f"{key}:{','.join(map(_quoted, values))}"] if values else []
    for least, bound in ((True, wanted.min_confidence), (False, wanted.max_confidence)):
        parts += [f"confidence:{_bound(bound, least)}"] if bound is not None else []
    if wanted.min_confidence is not None and wanted.max_confidence is not None:
        parts[-2:] = [f"confidence:{wanted.min_confidence!r}-{_below(wanted.max_confidence)!r}"]
    parts += [f"folder:{_quoted(wanted.folder)}"] if wanted.folder else []
    parts += [f"owner:{_quoted(wanted.owner)}"] if wanted.owner else []
    words = wanted.search.split()
    plain = " ".join(words) == wanted.search and all(map(_PLAIN.fullmatch, words))
    parts += [wanted.search if plain else _quoted(wanted.search)] if wanted.search else []
    return " ".join(parts)


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _bound(number: float, least: bool) -> str:
    below = _below(number)
    if len(repr(below)) < len(repr(number)):
        return f"{'>' if least else '<='}{below!r}"
    return f"{'>=' if least else '<'}{number!r}"


def _below(number: float) -> float:
    return math.nextafter(number, -math.inf)
