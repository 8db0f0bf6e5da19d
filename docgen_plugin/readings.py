"""What a shortening that the abbreviation list does not know may stand for, read from its letters.

`lexicon/words.tsv` holds the words of the project's own texts and names with how often each is used: a
shortening is read as the most frequent word that it can be. Made by `docgen-train words`. `lexicon/spoken.txt` holds
words of English prose that look like shortenings of those and are none: launch is not launched. Made by `docgen-train spoken`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache, lru_cache
from importlib.resources import files

__all__ = ["frequencies", "read_shortening", "segments", "spoken", "voice"]

_VOWEL = re.compile(r"[aeiou]")
_DOUBLED = re.compile(r"(.)\1+")
_LEAST_PREFIX = 4  # letters of a word cut short: "prosp" for prospect
_LEAST_SKELETON = 4  # consonants of a word without its vowels: three may be a name of its own (dll, rds)
# what an English word may take at its end: the word itself is no shortening of that
_INFLECTION = re.compile(
    r"e?d|e?s|er?s?|ors?|ing|ly|ness|able|ible|ities|ity|ite|ments?|ations?|ions?|ance|ence|ive|ives|al|als|ally|est|ship|"
    r"ships|ous|ish|ists?|ures?|ants?|ents?|age|y"
)
_LONGEST_RUN = 14
# a run of letters is cut only where its last part says what kind of column it is
_ENDINGS = frozenset(
    "no nbr num nm cd dt tm ts qty amt pct flg fl ind id key typ cat desc dsc cnt rt st".split()
)


@cache
def _rows() -> tuple[tuple[str, int, int], ...]:
    text = files("docgen_plugin").joinpath("lexicon", "words.tsv").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))
    return tuple((word, int(uses), int(said)) for word, uses, said in rows)


@cache
def frequencies() -> dict[str, int]:
    """Return word -> how many names and texts of the project use it."""
    return {word: uses for word, uses, _ in _rows()}


@cache
def spoken() -> frozenset[str]:
    """Return words of English prose that the project's own texts do not use, and that are no shortenings."""
    text = files("docgen_plugin").joinpath("lexicon", "spoken.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _is_said(word: str) -> bool:
    """Return whether a word, or the one that it is the plural of, is in use as it is."""
    return any(one in frequencies() or one in spoken() for one in (word, word.removesuffix("s")))


@cache
def voice(least: int) -> frozenset[str]:
    """Return the words that at least `least` of the project's texts say though nothing in their schema does."""
    return frozenset(word for word, _, said in _rows() if said >= least)


def skeleton(word: str) -> str:
    """Return a word as it is most often shortened: its first letter, then its consonants, doubled ones once.

    >>> skeleton("pattern"), skeleton("applied")
    ('ptrn', 'apld')
    """
    return _DOUBLED.sub(r"\1", word[:1] + _VOWEL.sub("", word[1:]))


@cache
def _by_skeleton() -> dict[str, str]:
    found: dict[str, str] = {}
    for word in sorted(frequencies(), key=lambda one: (-frequencies()[one], one)):
        if len(word) > 3:
            found.setdefault(skeleton(word), word)
    return found


@cache
def _by_skeleton_start() -> dict[str, str]:
    """Return the first letters of skeletons, four at least -> the most frequent word that they begin."""
    found: dict[str, str] = {}
    for whole, word in _by_skeleton().items():
        for end in range(_LEAST_PREFIX, len(whole)):
            known = found.get(whole[:end])
            if known is None or frequencies()[word] > frequencies()[known]:
                found[whole[:end]] = word
    return found


@cache
def _by_start() -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    for word in sorted(frequencies(), key=lambda one: (-frequencies()[one], one)):
        if len(word) > _LEAST_PREFIX:
            found.setdefault(word[:3], []).append(word)
    return {start: tuple(words) for start, words in found.items()}


@lru_cache(maxsize=50_000)
def read_shortening(word: str) -> str:
    """Return the word that an unknown shortening most likely stands for, "" when there is none.

    >>> [read_shortening(word) for word in ("shft", "ptrn", "order", "zqx")]
    ['shift', 'pattern', '', '']
    """
    if len(word) < 3 or not word.isascii() or not word.isalpha() or _is_said(word):
        return ""
    bare = not _VOWEL.search(word[1:])
    if bare:
        if len(word) < _LEAST_SKELETON:
            return ""
        once = _DOUBLED.sub(r"\1", word)
        long = _by_skeleton().get(once) or _by_skeleton_start().get(once, "")
        # "tpps" is not tips: a letter that is written twice is twice in the word
        return long if once == word or _VOWEL.sub("", long[1:]).startswith(word[1:]) else ""
    if len(word) < _LEAST_PREFIX:
        return ""
    return next(
        (
            long
            for long in _by_start().get(word[:3], ())
            if long.startswith(word) and len(long) > len(word) + 1 and not _is_inflected(word, long)
        ),
        "",
    )


def _is_inflected(word: str, long: str) -> bool:
    """Return whether a longer word is a form of a shorter: launched, submitted, whiteness."""
    rest = long[len(word) :]
    return bool(_INFLECTION.fullmatch(rest) or (rest[0] == word[-1] and _INFLECTION.fullmatch(rest[1:])))


def segments(word: str, shortenings: Collection[str]) -> tuple[str, ...]:
    """Return the parts of names run together without a mark, known words and shortenings, () when it is no such run.

    >>> segments("stncd", {"stn", "cd"}), segments("fastener", {"en", "er"})
    (('stn', 'cd'), ())
    """
    if not 4 < len(word) <= _LONGEST_RUN or not word.isascii() or not word.isalpha() or _is_said(word):
        return ()
    best: list[tuple[str, ...] | None] = [None] * (len(word) + 1)
    best[0] = ()
    for end in range(2, len(word) + 1):
        for start in range(0, end - 1):
            before, part = best[start], word[start:end]
            known = part in shortenings or (
                len(part) > 2 and (part in frequencies() or _by_skeleton().get(part))
            )
            if before is not None and known and (best[end] is None or len(before) + 1 < len(best[end] or ())):
                best[end] = (*before, part)
    found = best[len(word)] or ()
    return found if len(found) > 1 and found[-1] in _ENDINGS else ()
