"""The least that can be said of a column with a telling name: a sentence by the kinds of its words.

"bytes written" is a number of bytes, "lacks fixed costs" a yes or no, "charged through date" a date through which
something is charged; what has no such structure is a thing of the row. Nothing is said that the name does not say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from docgen_plugin.kinds import (
    PREPOSITIONS,
    acts_itself,
    article,
    is_adjective,
    is_asking_verb,
    is_noun,
    is_noun_phrase,
    is_participle,
    is_plural,
    is_predicate,
    is_verb,
)
from docgen_plugin.model import Column, Table
from docgen_plugin.prefixes import own_name
from docgen_plugin.readings import frequencies
from docgen_plugin.slots import LIKELY, happening, printed, qualified
from docgen_plugin.words import entity_words, family, name_words, plural, singular

__all__ = ["plain_text"]

# the words that a type's frame says already
_FRAMED = {
    "bool": ("flag", "indicator", "status"),
    "date": ("date", "on", "at", "day", "time", "dates"),
    "ts": ("date", "time", "timestamp", "at", "on", "datetime", "dates"),
}
_MARKED = ("flag", "indicator")
_MOMENTS = {
    "date": "Date",
    "on": "Date",
    "at": "Date and time",
    "timestamp": "Date and time",
    "datetime": "Date and time",
}
_CALENDAR = re.compile(r"\b(day|week|month|quarter|hour) of (week|month|quarter|year|day)\b")
_BE = ("is", "are", "was", "were")
_RELATING = ("applies", "depends", "belongs", "refers", "relates", "ends", "starts")
# who may do a thing: "bot generated" says nothing of a bot
_AGENTS = frozenset(
    "user bot machine system human admin server client computer customer ai auto self".split()
)
_MODALS = ("can", "should", "must", "may", "will")
# what a number counts though no type says that it is one
_COUNTED = frozenset(
    "bytes rows credits clicks impressions views sessions visits hits points units seconds minutes hours days weeks "
    "months years requests messages errors attempts items pages calls conversions likes installs downloads visitors "
    "tokens partitions gigabytes megabytes kilobytes meters kilometers miles pixels characters opens bounces swipes "
    "engagements invocations".split()
)
_TIMES = frozenset("seconds minutes hours days weeks months quarters years".split())
_WHOLES = frozenset(
    "data metadata details settings information media parameters properties criteria analytics".split()
)
# what a date has, rather than what it dates
_OF_DATES = frozenset(
    "date time key id code type name format qualifier range part status flag text count number".split()
)
_STEM = 5  # letters that a deed shares with the thing named by it
_UNTIL = {
    "start": "from",
    "begin": "from",
    "from": "from",
    "since": "since",
    "end": "until",
    "until": "until",
}
_UNTIL |= {"till": "until", "to": "until", "through": "through", "thru": "through"}
# these things are no owners of what is counted in them
_RECORDS = frozenset("statistic performance usage data metric analytics insight aggregate fact".split())


@dataclass(frozen=True, slots=True)
class _Name:
    """A column's name in words, without those of its table, the thing that a row is, and the type's family."""

    words: tuple[str, ...]
    thing: tuple[str, ...]
    kind: str
    tail: str = ""  # what is said at the end of the sentence: ", in millionths"
    path: tuple[str, ...] = ()  # the words of the structure that the column is a part of

    @property
    def entity(self) -> str:
        return printed(self.thing)

    def of(self, words: Sequence[str]) -> str:
        """Return words with the thing that they belong to, "" for it where they are a part of its name."""
        thing, said = set(self.thing), tuple(words)
        if self.path:
            return f"{printed(said)} in the {printed(self.path)}"
        if (*said[:-1], singular(said[-1])) == self.thing:
            return self.entity
        if len(said) < len(self.thing) and said and thing.issuperset(said):
            return printed(said)
        if said[-len(self.thing) :] == self.thing:
            return f"{printed(said)} of the record"
        joint = "in" if singular(self.thing[-1]) in _RECORDS else "for" if "of" in said else "of"
        return f"{printed(said)} {joint} the {self.entity}"

    def sentence(self, text: str) -> str:
        """Return a text as a sentence, with what belongs at its end."""
        text = _CALENDAR.sub(r"\1 of the \2", text)
        return f"{text[:1].upper()}{text[1:]}{self.tail}."


def plain_text(table: Table, column: Column) -> str:
    """Return the least that can be said of a column with a telling name: its words written out, in the frame they make.

    >>> table = Table("t", "pumps", columns=(Column("seal_chk_dt", "date"), Column("bypass", "boolean")))
    >>> [plain_text(table, column) for column in table.columns]
    ['Date of the seal check of the pump.', 'True when bypass applies to the pump.']
    >>> [plain_text(table, Column(name)) for name in ("liters_pumped", "lacks_valves", "sealed_until")]
    ['Liters that were pumped for the pump.', 'True when the pump lacks valves.', 'Date until which the pump is sealed.']
    """
    name = _name(table, column)
    if not name.words or name.words == name.thing:
        return ""
    for frame in _FRAMES:
        text = frame(name)
        if text:
            return name.sentence(text)
    said = name.of(name.words)
    return name.sentence(said if said != printed(name.words) else f"{said} to which the row refers")


def _name(table: Table, column: Column) -> _Name:
    """Return what a column's name says beside its table's."""
    thing, kind = entity_words(table.name), family(column.type)
    *above, own = [level for level in re.split(r"[./]+", own_name(table, column)) if level] or [column.name]
    words = tuple(word for word in name_words(own) if word.isalpha() or word.isdigit())
    words = ("number", *words[1:]) if words[:2] == ("no", "of") else words
    words = _date_last(words)
    while len(words) > 1 and words[-1] in _FRAMED.get(kind, ()) and words[-2:] != ("day", "date"):
        words = words[:-1]
    size = len(thing)
    rest = words[size:]
    if words[:size] == thing and rest and is_noun_phrase(rest) and rest[0] not in PREPOSITIONS:
        words = rest
    words, tail = qualified(words)
    path = _path(above)
    return _Name(words, thing, kind or ("num" if tail else ""), tail, path)


def _date_last(words: tuple[str, ...]) -> tuple[str, ...]:
    """Return the words with a date at their head moved to their end, where the rest is what it dates.

    >>> _date_last(("date", "entry")), _date_last(("date", "posted")), _date_last(("date", "of", "birth"))
    (('entry', 'date'), ('posted', 'date'), ('date', 'of', 'birth'))
    """
    at = 2 if words[:2] == ("date", "time") else 1
    rest = words[at:]
    dates = words[:1] == ("date",) and rest and rest[0] not in PREPOSITIONS and rest[-1] not in _OF_DATES
    return (*rest, "date") if dates and (is_noun_phrase(rest) or is_participle(rest[-1])) else words


def _path(above: Sequence[str]) -> tuple[str, ...]:
    """Return the words of the structure that holds a field, with the one above it where it has no name of its own."""
    levels = [name_words(level) for level in above]
    if len(levels) > 1 and levels[-1] in (
        ("value",),
        ("data",),
        ("attributes",),
        ("properties",),
        ("fields",),
    ):
        return (*levels[-2], *levels[-1])
    return levels[-1] if levels and levels[-1] != ("id",) else ()


def _asked(name: _Name) -> str:
    """Return the sentence of a yes or no: by its type, or by a name that asks."""
    words = name.words
    relates = words[0] in _RELATING and words[1:2] and words[1] in PREPOSITIONS and is_noun_phrase(words[2:])
    if relates and name.kind != "bool":
        return f"{printed(words[2:])} {words[1]} which the {name.entity} {words[0]}"
    asks = words[0] in (*_BE, "has", "have") or (words[-1] in _MARKED and happening(words[:-1]) is not None)
    asks = asks or (words[0] == "self" and is_predicate(words))
    asks = asks or (len(words) == 1 and words[0].endswith(("able", "ible")) and is_adjective(words[0]))
    if not name.kind:
        may = words[0] in _MODALS and len(words) > 1 and (words[1] == "be" or is_verb(words[1]))
        asks = asks or may or is_asking_verb(words[0])
    stands = any(word in ("is", "are", "has") and at for at, word in enumerate(words[:-1]))
    if name.kind != "bool" and (not (asks or stands) or name.kind not in ("", "text", "int")):
        return ""
    lead = "true when" if name.kind in ("bool", "") else "marker that shows whether"
    if len(words) > 1 and words[-1] in _MARKED:
        words = words[:-1]
    return f"{lead} {_clause(words, name)}"


def _clause(words: tuple[str, ...], name: _Name) -> str:
    """Return what is so when a yes or no is yes."""
    the, first, rest = f"the {name.entity}", words[0], words[1:]
    if rest and first in _BE:
        deed = happening(rest) if rest[0] not in _AGENTS else None
        if deed is not None:
            return _done(deed, name)
        if is_predicate(rest) or is_noun_phrase(rest) or rest[0] in _AGENTS or rest[0] in PREPOSITIONS:
            return f"{the} is {_complement(rest)}"
        return f"{printed(rest)} applies to {the}"
    if rest and first in ("has", "have"):
        return f"{the} has {article(rest)}{printed(rest)}"
    if rest and first in _MODALS:
        return f"{the} {first} {'be ' if is_predicate(rest) else ''}{printed(rest)}"
    if rest and is_asking_verb(first):
        return f"{the} {first} {article(rest) if is_noun_phrase(rest) else ''}{printed(rest)}"
    if rest and first == "no" and is_noun_phrase(rest):
        return f"there {'are' if is_plural(rest[-1]) else 'is'} no {printed(rest)} for {the}"
    if is_predicate(words) or (
        rest and first in ("not", "in", "on", "under", "out", "within", "without", "over")
    ):
        return f"{the} {'has' if acts_itself(words[-1]) else 'is'} {printed(words)}"
    return _told(words, name)


def _told(words: tuple[str, ...], name: _Name) -> str:
    """Return what is so where a name says it of something else than the row's thing, or asks nothing."""
    the = f"the {name.entity}"
    for at, word in enumerate(words[:-1]):
        if at and (word in (*_BE, "has") or is_asking_verb(word)) and is_noun_phrase(words[:at]):
            after = words[at + 1 :]
            said = _complement(after) if word in _BE else f"{article(after)}{printed(after)}"
            return f"the {printed(words[:at])} {word} {said}"
    deed, last = happening(words), words[-1]
    if deed is None and is_adjective(last) and not is_noun(last) and is_noun_phrase(words[:-1]):
        deed = words[:-1], words[-1:]
    if deed is not None:
        return _done(deed, name)
    if len(words) > 1 and is_verb(words[0]):
        return f"{the} is meant to {printed(words)}"
    many = is_noun_phrase(words) and is_plural(last)
    return f"{printed(words)} {'apply' if many else 'applies'} to {the}"


def _complement(words: tuple[str, ...]) -> str:
    """Return what something is, with an article where it is a thing of several words."""
    named = len(words) > 1 and is_noun_phrase(words) and not is_predicate(words)
    return f"{article(words) if named else ''}{printed(words)}"


def _done(deed: tuple[tuple[str, ...], tuple[str, ...]], name: _Name, tense: str = "") -> str:
    thing, done = deed
    many, itself = is_plural(thing[-1]), acts_itself(done[-1])
    if tense:
        be = "" if itself else "were " if many else "was "
    else:
        be = ("have " if many else "has ") if itself else ("are " if many else "is ")
    return f"the {name.of(thing)} {be}{printed(done)}"


def _moment(name: _Name) -> str:
    """Return the sentence of a date: of what happened, of the time from or until which something holds, of a thing."""
    words, ending = name.words, name.words[-1]
    until = _UNTIL.get(ending, "") if len(words) > 1 and ending not in ("start", "end", "begin") else ""
    dated = name.kind in ("date", "ts") or (not name.kind and ending in _MOMENTS and len(words) > 1)
    if not dated and not (until in ("until", "since") and not name.kind and is_predicate(words[:-1])):
        return ""
    head = {"date": "date", "ts": "date and time"}.get(name.kind) or _MOMENTS.get(ending, "Date").lower()
    if not name.kind and ending in _MOMENTS:
        words = words[:-1]
    if len(words) > 1 and words[0] in ("date", "time", "datetime"):
        words = words[1:]
    when = "on which" if head == "date" else "when"
    return _bound(words, name, head) or _event(words, name, f"{head} {when}") or _dated(words, name, head)


def _bound(words: tuple[str, ...], name: _Name, head: str) -> str:
    """Return the sentence of "valid from", "charged through", "visit effective end", "" for another name."""
    if len(words) < 2 or words[-1] not in _UNTIL:
        return ""
    stem, until = words[:-1], _UNTIL[words[-1]]
    if stem[0] in LIKELY:
        return ""  # a scheduled end is no time until which something is scheduled
    if is_predicate(stem):
        return f"{head} {until} which the {name.entity} is {printed(stem)}"
    if len(stem) > 1 and is_predicate(stem[-1:]) and is_noun_phrase(stem[:-1]):
        return f"{head} {until} which {_done((stem[:-1], stem[-1:]), name)}"
    return ""


def _event(words: tuple[str, ...], name: _Name, head: str) -> str:
    """Return the sentence of "submitted", "last opened", "file uploaded", "" for another name."""
    if words[:2] == ("most", "recent"):
        words = ("last", *words[2:])
    if len(words) == 1 and words[0] in LIKELY:
        return ""
    if words[0] == "next" and is_predicate(words[1:]):
        return f"{head} the {name.entity} is next to be {printed(words[1:])}"
    if is_predicate(words) and (len(words) > 1 or is_participle(words[0])):
        return f"{head} the {name.entity} {'' if acts_itself(words[-1]) else 'was '}{printed(words)}"
    deed = happening(words)
    return f"{head} {_done(deed, name, 'past')}" if deed is not None else ""


def _dated(words: tuple[str, ...], name: _Name, head: str) -> str:
    likely = [word for word in words if word in LIKELY]
    rest = tuple(word for word in words if word not in LIKELY)
    if len(likely) == 1 and is_noun_phrase(rest):
        return f"{likely[0]} {head} of the {name.of(rest)}"
    if len(words) == 1 and is_adjective(words[0]) and not is_noun(words[0]):
        return f"{words[0]} {head} of the {name.entity}"
    return f"{head} of the {name.of(words)}"


def _identifier(name: _Name) -> str:
    """Return the sentence of an id that is none of the patterns': of an outside system, or of an unusual thing."""
    words = name.words
    if words[0] == "external" and len(words) > 2:
        for at, word in enumerate(words):
            after = words[at + 1 :]
            if word in ("id", "number", "code") and at > 1 and (not after or is_noun_phrase(after)):
                kind = "identifier" if word == "id" else word
                system = printed(("external", *after, "system"))
                own = printed(words[1:at])
                return f"{kind} of the {own} in an {system}"
    if words[-1] in ("pk", "sk") and len(words) > 1:
        return f"key that identifies the {printed(words[:-1])}"
    if words[-1] == "id" and len(words) > 1 and name.kind == "array":
        return f"list of the identifiers of the {name.of(words[:-1])}"
    if words[-1] == "id" and len(words) > 2 and is_adjective(words[-2]) and not is_noun(words[-2]):
        return f"{words[-2]} identifier of the {name.of(words[:-2])}"
    if words[-1] == "id" and len(words) > 1:
        return f"identifier of the {name.of(words[:-1])}"
    return ""


def _source_value(name: _Name) -> str:
    """Return the sentence of what a value was before it was read into a standard."""
    words = name.words
    if words[-2:] != ("source", "value"):
        return ""
    return f"value of the {printed(words[:-2]) or name.entity} in the source data"


def _span(name: _Name) -> str:
    """Return the sentence of "n days after first order", of "job opened n days after post", "" for another name."""
    words = name.words
    for at, word in enumerate(words):
        if word in _TIMES and at + 2 < len(words) and words[at + 1] in ("after", "before", "since", "until"):
            before = words[: at - 1] if at and words[at - 1] in ("n", "number") else words[:at]
            deed, after = happening(before), printed(words[at + 2 :])
            number = f"number of {word} {words[at + 1]} the {after}"
            if is_predicate(words[at + 2 :]):
                number = f"number of {word} {words[at + 1]} the {name.entity} was {after}"
            if deed is not None:
                return f"{number} at which {_done(deed, name, 'past')}"
            return number if not before or before == ("number", "of") else ""
    verb = words[0]
    if len(words) > 2 and words[1] in ("after", "before") and (is_verb(verb) or verb == "renew"):
        return f"{printed(words[2:])} {words[1]} which the {name.entity} {verb}s"
    return ""


def _counted(name: _Name) -> str:
    """Return the sentence of a number of things, of things per something, of things that something was done to."""
    words = name.words
    if words[0] == "number" and words[1:2] != ("of",) and len(words) > 1:
        words = words[1:]
        if is_plural(words[-1]) or happening(words) is not None:
            return f"number of {printed(words)} for the {name.entity}"
    deed = happening(words)
    number = name.kind == "int" or not name.kind
    if "per" in words[1:-1]:
        at = words.index("per")
        many = is_noun_phrase(words[:at]) and is_plural(words[at - 1]) and name.kind in ("", "int", "num")
        return f"number of {printed(words)}" if many else ""
    if deed is not None and is_plural(deed[0][-1]):
        if name.kind in ("array", "json"):
            return f"list of the {printed(deed[0])} that were {printed(deed[1])}"
        total, things = ("total ", deed[0][1:]) if deed[0][0] == "total" else ("", deed[0])
        if name.kind == "int" or (name.kind in ("", "num") and things and things[-1] in _COUNTED):
            return f"{total}number of {printed((*things, *deed[1]))} for the {name.entity}"
        itself = deed[1][0].startswith(name.thing[-1][:_STEM]) and len(name.thing[-1]) >= _STEM
        owner = "" if itself else f" for the {name.entity}"  # not "accessed for the access"
        return f"{printed(deed[0])} that were {printed(deed[1])}{owner}" if number else ""
    head = next((words[at - 1] for at, word in enumerate(words) if at and word in PREPOSITIONS), words[-1])
    if is_plural(words[-1]) and not {"through", "to"}.isdisjoint(words):
        head = words[-1]  # "view through conversions"
    if is_noun_phrase(words) and is_plural(head) and head not in _WHOLES:
        if name.kind in ("array", "json"):
            return f"list of the {name.of(words)}"
        if name.kind == "int" or (not name.kind and head in _COUNTED):
            return f"number of {name.of(words)}"
    return ""


def _described(name: _Name) -> str:
    """Return a thing with what was done to it before it: "invoice amount unpaid" is an unpaid invoice amount."""
    words = name.words
    if words[0] == "time" and len(words) > 1 and is_predicate(words[1:]):
        return f"time when the {name.entity} was {printed(words[1:])}"
    deed = happening(words)
    if deed is not None and deed[1][0] == "not":
        return f"{printed(deed[0])} that {'were' if is_plural(deed[0][-1]) else 'was'} {printed(deed[1])}"
    last = words[-1]
    adjective = is_adjective(last) and not is_noun(last) and last != "due"
    if len(words) == 1 and adjective:
        return f"{last} value of the {name.entity}"
    if last == "by" and is_predicate(words[:-1]) and is_adjective(words[0]):
        return f"user by whom the {name.entity} was marked as {printed(words[:-1])}"
    late = is_participle(last) or adjective or last == "original"
    shares = words[0] == "total" or "percent" in words or "percentage" in words
    if late and len(words) == 3 and words[1] == "total" and words[0] != "lifetime":
        return name.of(("total", last, words[0]))
    if late and is_noun_phrase(words[:-1]) and not shares:
        return name.of((last, *words[:-1]))
    if name.kind == "array" and is_noun_phrase(words):
        many = (
            (*words[:-1], plural(last))
            if last in frequencies() and last not in _WHOLES
            else (*words, "values")
        )
        return f"list of the {name.of(many)}"
    return ""


_FRAMES: tuple[Callable[[_Name], str], ...] = (
    _asked,
    _moment,
    _identifier,
    _source_value,
    _span,
    _counted,
    _described,
)
