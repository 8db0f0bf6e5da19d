"""SHOW CREATE TABLE of MySQL and MariaDB taken apart without losing a character: the definitions of columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

__all__ = ["ColumnDdl", "TableDdl", "parse"]

# strings, quoted names and comments are one token each, so nothing inside them looks like syntax
_TOKEN = re.compile(
    r"""'(?:[^'\\]|''|\\.)*' | "(?:[^"\\]|""|\\.)*" | `(?:[^`]|``)*` | /\*.*?\*/ | \w+ | \s+ | .""",
    re.DOTALL | re.VERBOSE,
)
_JSON = " longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
_JSON_CHECK = " CHECK (json_valid(`"
_AUTO_INCREMENT = re.compile(r"\sAUTO_INCREMENT=\d+")


@dataclass(frozen=True, slots=True)
class ColumnDdl:
    """One column's definition, split where its comment stands or would stand."""

    before: str
    after: str = ""
    stored: bool = False  # a generated column that is stored: to redefine it the server copies the table


@dataclass(frozen=True, slots=True)
class TableDdl:
    """The columns of a table, and its whole statement without comments: equal means nothing else changed."""

    columns: dict[str, ColumnDdl]
    bare: str
    copied: bool = False  # holds JSON in another type: MariaDB copies such a table for any change


def parse(ddl: str) -> TableDdl:
    r"""Return a CREATE TABLE statement taken apart.

    >>> parse("CREATE TABLE `t` (\n  `a` int(11) DEFAULT 1 COMMENT 'old' CHECK (`a` > 0)\n)").columns["a"]
    ColumnDdl(before='`a` int(11) DEFAULT 1', after=' CHECK (`a` > 0)', stored=False)
    """
    start, end = _body(ddl)
    columns: dict[str, ColumnDdl] = {}
    bare: list[str] = []
    copied = False
    for item in _items(ddl[start:end]):
        stripped = item.strip()
        if stripped.startswith("`"):
            name, column = _column(stripped)
            stripped = column.before + column.after
            json = column.after.startswith(_JSON_CHECK)
            copied = copied or (json and _JSON not in column.before)
            # NOTE: MariaDB shows JSON as what it stands for; taken at its word, that is another type
            columns[name] = (
                replace(column, before=column.before.replace(_JSON, " json", 1)) if json else column
            )
        bare.append(stripped)
    # the next number of the table moves with every row that someone inserts meanwhile
    options = _AUTO_INCREMENT.sub("", _without_comment(ddl[end:]))
    return TableDdl(columns, "\n".join([ddl[:start].strip(), *bare, options.strip()]), copied)


def _tokens(text: str) -> Iterator[tuple[str, int, int, int]]:
    """Yield each token with its place and the depth of brackets it stands in."""
    depth = 0
    for found in _TOKEN.finditer(text):
        token = found.group()
        if token == ")":
            depth -= 1
        yield token, found.start(), found.end(), depth
        if token == "(":
            depth += 1


def _body(ddl: str) -> tuple[int, int]:
    start = end = 0
    for token, first, last, depth in _tokens(ddl):
        if depth == 0 and token == "(" and not start:
            start = last
        elif depth == 0 and token == ")":
            end = first
            break
    return start, end or len(ddl)


def _items(body: str) -> Iterator[str]:
    start = 0
    for token, first, last, depth in _tokens(body):
        if depth == 0 and token == ",":
            yield body[start:first]
            start = last
    yield body[start:]


def _column(definition: str) -> tuple[str, ColumnDdl]:
    words = [part for part in _tokens(definition) if not part[0].isspace()]
    name = words[0][0][1:-1].replace("``", "`")
    before, after = _around_comment(definition, words)
    stored = any(token in ("STORED", "PERSISTENT") for token, _, _, depth in words if depth == 0)
    return name, ColumnDdl(before, after, stored)


def _around_comment(definition: str, words: list[tuple[str, int, int, int]]) -> tuple[str, str]:
    for (token, first, _, depth), (following, _, end, _) in pairwise(words):
        if depth == 0 and token == "COMMENT" and following.startswith("'"):
            return definition[:first].rstrip(), definition[end:]
    for token, first, _, depth in words:
        if depth == 0 and token == "CHECK":  # MariaDB's grammar wants the comment before the check
            before = definition[:first].rstrip()
            return before, definition[len(before) :]
    return definition, ""


def _without_comment(options: str) -> str:
    words = list(_tokens(options))
    for index, (token, first, _, _) in enumerate(words):
        if token == "COMMENT" and [part[0] for part in words[index + 1 : index + 2]] == ["="]:
            string = words[index + 2]
            return options[:first].rstrip() + options[string[2] :]
    return options
