"""A query's text cut at its CTEs, so that what two commits of a model share, or many models, is parsed once."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Part", "split_ctes"]

_GAP = r"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_HEAD = re.compile(rf"{_GAP}with\s(?!\s*recursive\b)", re.I | re.S)
_NAME = re.compile(rf"{_GAP}(\w+){_GAP}\bas{_GAP}\(", re.I | re.S)
_NEXT = re.compile(rf"{_GAP},", re.S)
_LAST = re.compile(rf"{_GAP}select\b", re.I | re.S)
_TOKEN = re.compile(r"'(?:[^']|'')*'|\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|[()]", re.S)
# what some dialects read as a comment, an escape or a string, and others do not
_UNSURE = re.compile(r"[\\#;]|\$\w*\$|'''|\"\"\"|//")


@dataclass(frozen=True, slots=True)
class Part:
    """One CTE's query, or the one after all of them, which has no name."""

    name: str
    text: str
    start: int  # its offset in the whole


def split_ctes(text: str) -> list[Part]:
    """Return the parts of a query in their order, none where it has no CTEs or cutting it is not sure.

    >>> [(part.name, part.text) for part in split_ctes("with a as (select 1), b as (select ')') select * from b")]
    [('a', 'select 1'), ('b', "select ')'"), ('', ' select * from b')]
    >>> split_ctes("with recursive a as (select 1) select 1 from a")
    []
    """
    head = _HEAD.match(text)
    if head is None or _UNSURE.search(text):
        return []
    parts: list[Part] = []
    at = head.end()
    while found := _NAME.match(text, at):
        end = _closing(text, found.end())
        if end < 0:
            return []
        parts.append(Part(found[1].lower(), text[found.end() : end], found.end()))
        following = _NEXT.match(text, end + 1)
        if following is None:
            rest = Part("", text[end + 1 :], end + 1)
            return [*parts, rest] if _LAST.match(rest.text) else []
        at = following.end()
    return []


def _closing(text: str, start: int) -> int:
    """Return where the bracket closes that was opened before `start`, -1 where it does not."""
    depth = 1
    for token in _TOKEN.finditer(text, start):
        if token[0] in ("(", ")"):
            depth += 1 if token[0] == "(" else -1
            if depth == 0:
                return token.start()
    return -1
