"""A dictionary text with the words of a name put into it: which words its slot takes, and how the text then runs.

"Date and time when the {entity} was {x}." takes "shipped", and "file uploaded" as what happened to a file; a slot
behind "the" takes only what can be called a thing.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from functools import cache

from docgen_plugin.kinds import (
    acts_itself,
    article,
    is_adjective,
    is_noun_phrase,
    is_participle,
    is_plural,
    is_predicate,
)
from docgen_plugin.words import display_forms, is_initials, plural

__all__ = ["LIKELY", "fill_slot", "happening", "printed", "qualified", "slot_text", "takes"]

_COUNTED = re.compile(
    r"\b(?:[Nn]umber|[Cc]ount|[Ll]ist|[Ii]dentifiers) of (?:all |distinct |different |new |active )?\{(?:x|other)\}"
)
# what a slot's words have to be, by the text around the slot; everywhere else a noun phrase
_ROLES = (
    ("state", re.compile(r"\b(?:was|were|units) \{x\}")),
    ("maker", re.compile(r"\b[Pp]erson who \{x\} |\buser who \{x\} ")),
    ("either", re.compile(r"\b(?:is|is not|has) \{x\}\.$")),
    ("dated", re.compile(r"\{x\} date of")),
    ("action", re.compile(r"\bto \{x\}\.$")),
    ("ending", re.compile(r"\b(?:since|until) the \{x\} of the \{entity\}")),
)
# participles that are not what their past tense is: no "who written"
_STRONG = frozenset(
    "written rewritten taken seen done given drawn chosen known begun withdrawn hidden driven broken shown thrown "
    "overridden frozen sworn stolen worn spoken understood".split()
)
_MONEY = frozenset(
    "amount balance price cost fee revenue total value charge payment credit debit mrr arr tax discount refund spend "
    "budget bid income salary wage earnings sales profit margin".split()
)
# how sure a date is
LIKELY = frozenset("estimated expected actual planned scheduled requested projected proposed revised".split())
_SIZES = frozenset(
    "distance length height width depth radius diameter altitude elevation range thickness".split()
)
_LENGTHS = frozenset("miles kilometers meters centimeters millimeters inches feet".split())
_MEASURED = frozenset("average mean median total minimum maximum net standard date time".split())
_CLOCKS = frozenset("timestamp time duration latency delay interval elapsed".split())
_CURRENCIES = frozenset("home local base reporting transaction company account original".split())
_UNITS = frozenset("milliseconds seconds minutes hours days weeks months years".split())
_MONIES = {"usd": "US dollars", "eur": "euros", "gbp": "pounds sterling"}
_POWERS = {
    "2": "hundredths",
    "4": "ten-thousandths",
    "6": "millionths",
    "8": "hundred-millionths",
    "9": "billionths",
    "18": "quintillionths",
}


def printed(words: Sequence[str]) -> str:
    """Return words as they stand in a sentence: acronyms in their usual form, letters without a reading as initials.

    >>> printed(["customer", "id"]), printed(["kqz", "load"])
    ('customer ID', 'KQZ load')
    """
    forms = display_forms()
    return " ".join(forms.get(word) or (word.upper() if is_initials(word) else word) for word in words)


def happening(words: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Return a name that says what was done to something as the thing and the deed, None for any other name.

    >>> happening(("file", "uploaded")), happening(("uploaded", "file"))
    ((('file',), ('uploaded',)), None)
    """
    for at in range(1, len(words)):
        if is_predicate(words[at:]) and is_noun_phrase(words[:at]) and any(map(is_participle, words[at:])):
            return words[:at], words[at:]
    return None


def qualified(words: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Return a measure's name without the scale or currency at its end, and that as the tail of a sentence.

    >>> qualified(("cost", "micros")), qualified(("cost",))
    ((('cost',), ', in millionths of the currency unit'), (('cost',), ''))
    """
    if words[-1:] == ("micros",) and len(words) > 1:
        time, money = words[-2] in _CLOCKS, not _MONEY.isdisjoint(words)
        of = " of a second" if time else " of the currency unit" if money else ""
        return words[:-1], f", in millionths{of}"
    unit, of = (words[-1], words[-2]) if len(words) > 1 else ("", "")
    if (unit in _UNITS and of in _CLOCKS) or (len(words) > 2 and unit in _LENGTHS and of in _SIZES):
        return words[:-1], f", in {words[-1]}"
    if words[-1:] == ("s",) and len(words) > 1 and words[-2] in _CLOCKS:
        return words[:-1], ", in seconds"
    if len(words) > 2 and words[-2] == "e" and words[-1] in _POWERS:
        return words[:-2], f", in {_POWERS[words[-1]]}"
    if len(words) > 1 and words[-1] in _MONIES:
        return words[:-1], f", in {_MONIES[words[-1]]}"
    if len(words) > 2 and words[-1] == "currency" and words[-2] in _CURRENCIES:
        rest = words[:-3] if words[-3] == "in" else words[:-2]
        if not _MONEY.isdisjoint(rest):
            return rest, f", in the {words[-2]} currency"
    return words, ""


@cache
def _role(text: str) -> str:
    return next((role for role, pattern in _ROLES if pattern.search(text)), "noun")


def takes(text: str, filling: tuple[str, ...]) -> bool:
    """Return whether words are of the kind that the text around its slot wants.

    >>> date = "Date of the {x} of the {entity}."
    >>> takes(date, ("first", "visit")), takes(date, ("charged", "through"))
    (True, False)
    """
    if "{entity}" in filling:
        return False
    role = _role(text)
    if role == "action":
        return True
    if role == "state":
        return is_predicate(filling) or (happening(filling) is not None and "was {x}" in text)
    if role == "maker":
        return is_participle(filling[-1]) and (is_predicate(filling) or happening(filling) is not None)
    if len(filling) > 1 and filling[-1] in ("start", "end", "begin") and is_adjective(filling[-2]):
        return False  # "valid start": from when something is valid
    if len(filling) == 1 and filling[0] in _MEASURED and "{x}" in text:
        return False  # "average duration seconds": of what?
    if text.startswith("Date") and not LIKELY.isdisjoint(filling[1:]):
        return False  # "estimated" is said of the date
    if is_noun_phrase(filling) or (role in ("either", "ending", "dated") and is_predicate(filling)):
        return True
    deed = happening(filling) if _COUNTED.search(text) else None
    return deed is not None and is_plural(deed[0][-1])


def slot_text(
    text: str, slot: str, filling: tuple[str, ...], entity: Sequence[str], things: Collection[str] = ()
) -> str:
    """Return a text with its slot filled, {entity} left open, so that it stays a sentence.

    What something "is" gets an article where the word is one of the known `things` or the last of several.

    >>> slot_text("Date on which the {entity} was {x}.", "{x}", ("file", "uploaded"), ("resume",))
    'Date on which the file of the {entity} was uploaded.'
    >>> slot_text("True when the {entity} has {x}.", "{x}", ("gun", "safe"), ("room",))
    'True when the {entity} has a gun safe.'
    >>> slot_text("Date of the {x} of the {entity}.", "{x}", ("survey",), ("survey", "answer"))
    'Date of the survey.'
    """
    role, deed = _role(text), happening(filling)
    # "cohort initiation" is that of the cohort definition; two ids may share a word
    own = _within(filling if deed is None else deed[0], tuple(entity), 1 if slot == "{x}" else 2)
    if role in ("state", "maker") and deed is not None and not is_predicate(filling):
        thing = printed(deed[0]) if own else f"{printed(deed[0])} of the {{entity}}"
        if role == "maker" and deed[1][-1] in _STRONG:
            was = "were" if is_plural(deed[0][-1]) else "was"
            return text.replace("who {x} the {entity}", f"by whom the {thing} {was} {printed(deed[1])}")
        if role == "maker":
            return text.replace("{x} the {entity}", f"{printed(deed[1])} the {thing}")
        was = "" if acts_itself(deed[1][-1]) else "were " if is_plural(deed[0][-1]) else "was "
        return text.replace("the {entity} was {x}", f"the {thing} {was}{printed(deed[1])}")
    if role == "state" and acts_itself(filling[-1]):
        text = text.replace("was {x}", "{x}")
    if role == "maker" and filling[-1] in _STRONG:
        return re.sub(r"who \{x\} the \{entity\}", f"by whom the {{entity}} was {printed(filling)}", text)
    if role == "ending" and is_predicate(filling):
        return text.replace("the {x} of the {entity}", f"the {{entity}} was {printed(filling)}")
    is_a = "has {x}" in text or (not is_predicate(filling) and (len(filling) > 1 or filling[-1] in things))
    if role == "either" and is_a and is_noun_phrase(filling):
        return text.replace("{x}", f"{article(filling)}{printed(filling)}")
    if own and slot == "{other}" and len(filling) > 1:
        text = text.replace(
            "{entity}", "record"
        )  # a name that comes twice in one sentence reads as a mistake
    if own and role == "noun":
        text = re.sub(rf"({re.escape(slot)}) (?:of|for) the \{{entity\}}(?=[., ])", r"\1", text)
    return fill_slot(text, slot, filling)


def _within(words: tuple[str, ...], entity: tuple[str, ...], start: int) -> bool:
    """Return whether words are a part of what a row is called, not all of it, or begin with the same `start` words."""
    size = len(words)
    if min(size, len(entity)) > 1 and words[:start] == entity[:start] and words != entity:
        return True
    return size < len(entity) and any(entity[at : at + size] == words for at in range(len(entity) - size + 1))


def fill_slot(text: str, slot: str, filling: tuple[str, ...]) -> str:
    """Return a concept's text with one slot filled, in the plural where the text counts.

    >>> fill_slot("Number of {x} for the {entity}.", "{x}", ("sales", "order"))
    'Number of sales orders for the {entity}.'
    """
    deed = happening(filling)
    thing, rest = deed if deed is not None else (filling, ())
    many = printed((*thing[:-1], plural(thing[-1]), *rest))
    text = _COUNTED.sub(lambda match: match.group(0).replace(slot, many), text)
    return text.replace(slot, printed(filling))
