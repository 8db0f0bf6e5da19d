"""SHOW CREATE TABLE of MySQL and MariaDB taken apart without losing a character: the definitions of columns."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["ColumnDdl", "TableDdl", "parse"]

# strings, quoted names and comments are one token each, so nothing inside them looks like syntax
_TOKEN = re.compile(
    r"""'(?:[^'\\]|''|\\.)*' | "(?:[^"\\]|""|\\.)*" | `(?:[^`]|``)*` | /\*.*?\*/ | \w+ | \s+ | .""",
    re.DOTALL | re.VERBOSE,
)
_AUTO_INCREMENT = re.compile(r"\sAUTO_INCREMENT=\d+")


@dataclass(frozen=True, slots=True)
class ColumnDdl:
    """One column's definition, split where its comment stands or would stand."""

    before: str
    after: str = ""


@dataclass(frozen=True, slots=True)
class TableDdl:
    """The columns of a table, and its whole statement without comments: equal means nothing else changed."""

    columns: dict[str, ColumnDdl]
    bare: str


def parse(ddl: str) -> TableDdl:
    r"""Return a CREATE TABLE statement taken apart.

    >>> parse("CREATE TABLE `t` (\n  `a` int(11) DEFAULT 1 COMMENT 'old' CHECK (`a` > 0)\n)").columns["a"]
    ColumnDdl(before='`a` int(11) DEFAULT 1', after=' CHECK (`a` > 0)')
    """
    start, end = _body(ddl)
    columns: dict[str, ColumnDdl] = {}
    bare: list[str] = []
    for item in _items(ddl[start:end]):
        stripped = item.strip()
        if stripped.startswith("`"):
            name, column = _column(stripped)
            columns[name] = column
            stripped = column.before + column.after
        bare.append(stripped)
    # the next number of the table moves with every row that someone inserts meanwhile
    options = _AUTO_INCREMENT.sub("", _without_comment(ddl[end:]))
    return TableDdl(columns, "\n".join([ddl[:start].strip(), *bare, options.strip()]))


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
    name = ""
    check: int | None = None
    words = [part for part in _tokens(definition) if not part[0].isspace()]
    for index, (token, first, _, depth) in enumerate(words):
        if not index:
            name = token[1:-1].replace("``", "`")
        if (
            depth == 0
            and token == "COMMENT"
            and index + 1 < len(words)
            and words[index + 1][0].startswith("'")
        ):
            return name, ColumnDdl(definition[:first].rstrip(), definition[words[index + 1][2] :])
        if depth == 0 and token == "CHECK" and check is None:
            check = first
    if check is None:
        return name, ColumnDdl(definition)
    # MariaDB's grammar wants the comment before the check
    before = definition[:check].rstrip()
    return name, ColumnDdl(before, definition[len(before) :])


def _without_comment(options: str) -> str:
    words = list(_tokens(options))
    for index, (token, first, _, _) in enumerate(words):
        if token == "COMMENT" and [part[0] for part in words[index + 1 : index + 2]] == ["="]:
            string = words[index + 2]
            return options[:first].rstrip() + options[string[2] :]
    return options
