"""How each dialect spells a comment: quoting, escaping, the longest text it takes. Pure, needs no driver."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["DIALECTS", "Limit", "Rules", "clean", "fit", "keep"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_ASTRAL = re.compile(r" ?[\U00010000-\U0010ffff][\U00010000-\U0010ffff\u200d\ufe0f]*")
_SENTENCE = re.compile(r"[.!?。！？](?=\s|$)|[。！？]")


@dataclass(frozen=True, slots=True)
class Limit:
    """The longest text a dialect takes; 0 is none that its documentation names."""

    length: int = 0
    unit: str = "characters"  # characters, bytes (UTF-8) or UTF-16 bytes

    def measure(self, text: str) -> int:
        """Return the length of a text in this limit's unit."""
        if self.unit == "bytes":
            return len(text.encode("utf-8"))
        if self.unit == "UTF-16 bytes":
            return len(text.encode("utf-16-le"))
        return len(text)


@dataclass(frozen=True, slots=True)
class Rules:
    """How one dialect writes names and texts."""

    quote: str = '"'  # around identifiers, doubled inside
    backslash: bool = False  # a backslash in a literal is an escape, so it is doubled
    backslash_quote: bool = False  # a quote in a literal is escaped with a backslash, not doubled
    backslash_name: bool = False  # so is the quote inside an identifier
    one_line: bool = False  # a literal ends with its line: a newline is written as an escape
    prefix: str = ""  # before a literal
    column_limit: Limit = Limit()
    table_limit: Limit = Limit()
    transaction: bool = False  # DDL can be rolled back
    basic_plane: bool = False  # comments are stored in utf8mb3: anything above U+FFFF becomes "?"

    def name(self, *parts: str) -> str:
        """Return a dotted name, each part quoted; always, so that case and reserved words never matter."""
        return ".".join(f"{self.quote}{self._escape(part)}{self.quote}" for part in parts if part)

    def _escape(self, part: str) -> str:
        if self.backslash_name:
            return part.replace("\\", "\\\\").replace(self.quote, "\\" + self.quote)
        return part.replace(self.quote, self.quote * 2)

    def literal(self, text: str) -> str:
        """Return a text as a literal."""
        if self.backslash:
            text = text.replace("\\", "\\\\")
        text = text.replace("'", "\\'" if self.backslash_quote else "''")
        if self.one_line:
            text = text.replace("\n", "\\n")
        return f"{self.prefix}'{text}'"


# Limits. MySQL: dev.mysql.com/doc/refman/8.4/en/create-table.html, and run on MariaDB 10.11. SQL Server:
# learn.microsoft.com, sp_addextendedproperty. Oracle: Database SQL Language Reference, COMMENT. BigQuery:
# cloud.google.com/bigquery/quotas. Databricks: what a Hive metastore holds, issues.apache.org HIVE-21337.
# The others name none for the statement; a catalog behind Trino may have its own and says so itself.
_MYSQL = Rules(quote="`", backslash=True, basic_plane=True, column_limit=Limit(1024), table_limit=Limit(2048))
_MSSQL_LIMIT = Limit(7500, "UTF-16 bytes")
_HIVE_LIMIT = Limit(4000)
_ORACLE_LIMIT = Limit(4000, "bytes")

DIALECTS = {
    "bigquery": Rules(
        quote="`",
        backslash=True,
        backslash_quote=True,
        backslash_name=True,
        one_line=True,
        column_limit=Limit(1024),
        table_limit=Limit(16384),
    ),
    "clickhouse": Rules(quote="`", backslash=True, backslash_quote=True, backslash_name=True),
    "databricks": Rules(
        quote="`",
        backslash=True,
        backslash_quote=True,
        column_limit=_HIVE_LIMIT,
        table_limit=_HIVE_LIMIT,
    ),
    "duckdb": Rules(transaction=True),
    "mariadb": _MYSQL,
    "mssql": Rules(prefix="N", column_limit=_MSSQL_LIMIT, table_limit=_MSSQL_LIMIT, transaction=True),
    "mysql": _MYSQL,
    "oracle": Rules(column_limit=_ORACLE_LIMIT, table_limit=_ORACLE_LIMIT),
    "postgresql": Rules(transaction=True),
    "redshift": Rules(backslash=True, transaction=True),
    "snowflake": Rules(backslash=True),
    "trino": Rules(),
}


def clean(text: str) -> str:
    """Return a text without what no database keeps: control characters but newline and tab, lone surrogates.

    >>> clean("a\\x00b\\r\\nc")
    'ab\\nc'
    """
    return _CONTROL.sub("", text)


def fit(text: str, limit: Limit) -> tuple[str, str]:
    """Return the text cut to a limit at the end of a sentence, else of a word, and a note where it was cut.

    >>> fit("One. Two is longer.", Limit(10))
    ('One.', 'cut from 19 to 4 characters, the limit is 10')
    """
    whole = limit.measure(text)
    if not limit.length or whole <= limit.length:
        return text, ""
    room = _room(text, limit, "")
    ends = [found.end() for found in _SENTENCE.finditer(text, 0, room + 1) if found.end() <= room]
    if ends:
        short = text[: ends[-1]]
    else:
        room = _room(text, limit, "…")
        short = text[:room]
        if " " in short and not text[room : room + 1].isspace():
            short = short[: short.rindex(" ")]
        short = short.rstrip() + "…"
    return short, f"cut from {whole} to {limit.measure(short)} {limit.unit}, the limit is {limit.length}"


def _room(text: str, limit: Limit, end: str) -> int:
    """Return how many characters fit together with `end`, found by halving: bytes are not characters."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (
            (middle, high) if limit.measure(text[:middle] + end) <= limit.length else (low, middle - 1)
        )
    return low


def keep(text: str, rules: Rules) -> tuple[str, str]:
    """Return the text without characters that the dialect would turn into question marks, and a note if so.

    >>> keep("Two 🎟 tickets", DIALECTS["mariadb"])
    ('Two tickets', 'left out 🎟, which comments of this database cannot hold')
    """
    found = _ASTRAL.findall(text) if rules.basic_plane else []
    if not found:
        return text, ""
    shown = "".join(dict.fromkeys(part.strip() for part in found))
    return _ASTRAL.sub("", text), f"left out {shown}, which comments of this database cannot hold"
