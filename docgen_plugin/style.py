"""The house style of a team's descriptions: what its settings ask, and what its own texts show."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from docgen_plugin.config import Config
from docgen_plugin.model import Catalog
from docgen_plugin.words import display_forms

__all__ = ["LANGUAGES", "Style", "language_of"]

_LEAST_TEXTS = 20  # of which a habit is read
_HABIT = 0.7  # share of the texts that makes one
_SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z(])")
_CLAUSE = re.compile(r"(?:;|,| \(| that | which | so that | because )")

LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "pt": "Portuguese", "it": "Italian", "nl": "Dutch"}  # fmt: skip
# words that texts of one language are full of and those of the others are not
_STOP_WORDS = {
    "en": "the of and is for that with which was this when by from each are has on to in",
    "de": "der die das und ist für mit des den dem ein eine einer wird von zum zur bei auf nicht",
    "fr": "le la les des du et est une pour dans sur avec qui aux ce cette par l'identifiant d'un",
    "es": "el los las del y es una para con por que se en su cuando",
    "pt": "o os as do da dos das e é uma para com por que em não ao",
    "it": "il lo gli della del dei e è una per con che nel alla di",
    "nl": "de het een en van is voor met op wordt die dat bij naar niet",
}
_BY_WORD: dict[str, set[str]] = {}
for _name, _listed in _STOP_WORDS.items():
    for _one in _listed.split():
        _BY_WORD.setdefault(_one, set()).add(_name)


@dataclass(frozen=True, slots=True)
class Style:
    """What every suggested text of a catalog is held to."""

    most_words: int = 0  # 0 is no limit
    capital: str = ""  # "upper" or "lower": how a text begins; "" leaves it
    final_stop: bool | None = None  # whether a text ends with a full stop; None leaves it
    forbidden: re.Pattern[str] | None = None
    language: str = "en"  # of the catalog's texts: a key of LANGUAGES

    @classmethod
    def of(cls, config: Config, catalog: Catalog) -> Style:
        """Return the style that the settings ask for, where they say "keep" that of the texts which stand there."""
        texts = [
            text
            for table in catalog.tables
            for text in (table.description, *(c.description for c in table.columns))
        ]
        texts = [text.strip() for text in texts if text.strip()]
        words = [re.escape(" ".join(word.split())) for word in config.style_forbidden if word.strip()]
        return cls(
            config.style_max_words,
            _capital(config.style_capital, texts),
            _final_stop(config.style_final_stop, texts),
            re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.I) if words else None,
            config.style_language or language_of(texts),
        )

    def fit(self, text: str) -> str:
        """Return a text in this style, "" when it cannot be brought into it: a forbidden word, or too many.

        >>> Style(final_stop=False, capital="lower").fit("Date of the order."), Style(capital="lower").fit("URL of it.")
        ('date of the order', 'URL of it.')
        >>> Style(most_words=5).fit("Date of the order, as the customer sees it."), Style(most_words=2).fit("Date of the order.")
        ('Date of the order.', '')
        """
        if self.forbidden is not None and self.forbidden.search(text):
            return ""
        text = self._cut(text.strip())
        if not text:
            return ""
        first = re.split(r"[\s,.;:/-]", text, maxsplit=1)[0]
        if self.capital == "upper":
            text = text[0].upper() + text[1:]
        elif (
            self.capital == "lower"
            and first.lower() not in display_forms()
            and first[1:] == first[1:].lower()
        ):
            text = text[0].lower() + text[1:]
        if self.final_stop is True and text[-1] not in ".!?":
            text += "."
        elif (
            self.final_stop is False
            and text.endswith(".")
            and not _SENTENCE.search(text)
            and not text.endswith("...")
        ):
            text = text[:-1]
        return text

    def _cut(self, text: str) -> str:
        """Return the text with as many of its sentences as the limit allows, or the first one's beginning, or ""."""
        if not self.most_words or len(text.split()) <= self.most_words:
            return text
        sentences = _SENTENCE.split(text)
        while len(sentences) > 1:
            sentences.pop()
            if len(" ".join(sentences).split()) <= self.most_words:
                return " ".join(sentences)
        whole = sentences[0].rstrip(".")
        ends = [found.start() for found in _CLAUSE.finditer(whole)]
        for end in reversed(ends):
            part = whole[:end].rstrip(" ,;")
            if 2 < len(part.split()) <= self.most_words:
                return f"{part}."
        return ""


def _capital(setting: str, texts: list[str]) -> str:
    if setting != "keep":
        return setting
    begun = [text[0].isupper() for text in texts if text[0].isalpha()]
    return {True: "upper", False: "lower"}.get(_habit(begun), "")  # type: ignore[arg-type]


def _final_stop(setting: str, texts: list[str]) -> bool | None:
    if setting != "keep":
        return setting == "always"
    # of several sentences the last ends with a stop whatever the habit
    return _habit([text.endswith(".") for text in texts if not _SENTENCE.search(text)])


def _habit(seen: list[bool]) -> bool | None:
    """Return what most of enough texts do, None where there are too few, or both are done."""
    if len(seen) < _LEAST_TEXTS:
        return None
    share = sum(seen) / len(seen)
    return True if share >= _HABIT else False if share <= 1 - _HABIT else None


def language_of(texts: Iterable[str]) -> str:
    """Return the language that descriptions are written in, "en" where they are too few to say: a key of LANGUAGES.

    >>> language_of(["Datum der Bestellung und des Versands"] * 20), language_of(["Date of the order"] * 20)
    ('de', 'en')
    """
    counts: Counter[str] = Counter()
    number = 0
    for text in texts:
        number += 1
        for word in re.findall(r"[\w']+", text.lower()):
            counts.update(_BY_WORD.get(word, ()))
    if number < _LEAST_TEXTS or not counts:
        return "en"
    (first, most), *others = counts.most_common(2)
    clear = not others or most > 1.2 * others[0][1]
    return first if clear and most > 2 * counts["en"] else "en"
