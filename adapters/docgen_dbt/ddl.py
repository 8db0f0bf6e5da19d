"""Plain SQL files that make and change tables: every new table and column needs a comment somewhere among them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docgen_dbt.findings import Finding, fault_of, told

if TYPE_CHECKING:
    from sqlglot import Token, exp

__all__ = ["check_migrations", "has_ddl"]

_DDL = re.compile(
    r"(?i)\b(?:create\s+(?:or\s+replace\s+)?(?:\w+\s+){0,2}table|alter\s+table|comment\s+on\s+(?:table|column))\b"
)
_LEFT_OUT = re.compile(
    r"(?is)\s*(?:create\s+(?:or\s+replace\s+)?(?:\w+\s+){0,2}table|alter\s+table\s+\S+\s+add)\b"
)
_MYSQL = re.compile(r"(?i)`|\bauto_increment\b|\bengine\s*=")
_GUESSES = ("postgres", "mysql", "tsql", "snowflake", "bigquery", "")


@dataclass(frozen=True, slots=True)
class _Made:
    """A table or column that a statement makes."""

    table: str
    column: str
    type: str
    line: int
    at: int  # column of the text, from 1


@dataclass(slots=True)
class _Read:
    """What one file does."""

    made: list[_Made] = field(default_factory=list)
    comments: dict[tuple[str, str], tuple[str, int, int]] = field(default_factory=dict)
    unread: list[tuple[int, int]] = field(default_factory=list)


def has_ddl(text: str) -> bool:
    """Return whether a SQL text is worth parsing.

    >>> has_ddl("create table a (b int)"), has_ddl("select 1")
    (True, False)
    """
    return bool(_DDL.search(text))


def check_migrations(
    texts: Mapping[str, str], befores: Mapping[str, Sequence[str]], dialect: str = "", strict: bool = False
) -> list[Finding]:
    """Return what new tables and columns lack a good comment; a comment may stand in any of the files.

    Args:
        texts: the files by path.
        befores: what stood in each file before, once for each parent that has it; empty when nothing is compared.
        dialect: sqlglot's name of the SQL, "" to guess.
    """
    read = {path: _read(text, dialect) for path, text in texts.items() if has_ddl(text)}
    comments = {place: said for one in read.values() for place, said in one.comments.items()}
    paths = {place: path for path, one in read.items() for place in one.comments}
    findings = []
    for path, one in read.items():
        for line, column in one.unread:
            message = "this statement cannot be read; name its SQL with --dialect"
            findings.append(Finding(path, line, column, message, "unread", fails=False))
        earlier = [_read(text, dialect) for text in befores.get(path, ()) if has_ddl(text)]
        for made in one.made:
            place = _place(comments, made)
            text, line, column = comments[place] if place else ("", made.line, made.at)
            if any(_stood(made, text, then) for then in earlier):
                continue
            fault = fault_of(made.table, made.column, made.type, text)
            if fault is None:
                continue
            at = (paths[place] if place else path, line, column)
            kind = "column" if made.column else "table"
            known = any(
                (old.table, old.column) == (made.table, made.column) for then in earlier for old in then.made
            )
            why = "" if not befores else "changed and " if known else "is new and "
            findings.append(told(at, kind, made.table, made.column, fault, text, why, strict))
    return sorted(set(findings))


def _stood(made: _Made, text: str, then: _Read) -> bool:
    """Return whether a file had the same column of the same type with the same comment."""
    place = _place(then.comments, made)
    said = then.comments[place][0] if place else ""
    same = ((old.table, old.column, old.type) == (made.table, made.column, made.type) for old in then.made)
    return any(same) and said == text


def _place(comments: Mapping[tuple[str, str], object], made: _Made) -> tuple[str, str] | None:
    """Return the key of the comment on a table or column, with or without its schema."""
    for table in (made.table, made.table.rpartition(".")[2]):
        if (table.lower(), made.column.lower()) in comments:
            return table.lower(), made.column.lower()
    last = made.table.rpartition(".")[2].lower()
    for table, column in comments:
        if table.endswith(f".{last}") and "." not in made.table and column == made.column.lower():
            return table, column
    return None


def _read(text: str, dialect: str) -> _Read:
    guesses: tuple[str, ...] = (dialect,) if dialect else _GUESSES
    if not dialect and _MYSQL.search(text):
        guesses = ("mysql", *_GUESSES)
    best: _Read | None = None
    for name in dict.fromkeys(guesses):
        found = _read_as(text, name)
        if best is None or len(found.unread) < len(best.unread):
            best = found
        if not best.unread:
            break
    return best or _Read()


def _read_as(text: str, dialect: str) -> _Read:
    from sqlglot import exp
    from sqlglot.dialects.dialect import Dialect
    from sqlglot.errors import SqlglotError

    reader = Dialect.get_or_raise(dialect)
    found = _Read()
    try:
        tokens = reader.tokenize(text)
    except SqlglotError:
        found.unread.append((1, 1))
        return found
    for part in _statements(tokens):
        start = part[0].start
        written = text[start : part[-1].end + 1]
        if not _DDL.match(written) and not _LEFT_OUT.match(written):
            continue
        try:
            statements = reader.parser().parse(part, text)
        except (SqlglotError, RecursionError):
            statements = [exp.Command(this="")]
        for statement in statements:
            if isinstance(statement, exp.Command) and _LEFT_OUT.match(written):
                found.unread.append(_where(text, start))
            elif statement is not None:
                _take(found, statement, text, start)
    return found


def _statements(tokens: Sequence[Token]) -> Iterator[list[Token]]:
    from sqlglot import TokenType

    part: list[Token] = []
    for token in tokens:
        if token.token_type == TokenType.SEMICOLON:
            if part:
                yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def _take(found: _Read, statement: exp.Expr, text: str, start: int) -> None:
    from sqlglot import exp

    if isinstance(statement, exp.Create) and statement.kind == "TABLE":
        if statement.find(exp.TemporaryProperty):
            return
        table = _name(statement.find(exp.Table))
        named = statement.find(exp.Table)
        line, column = _where(text, _start(named, start))
        found.made.append(_Made(table, "", "", line, column))
        comment = statement.find(exp.SchemaCommentProperty)
        if comment is not None:
            found.comments[table.lower(), ""] = (comment.this.name, line, column)
        if isinstance(statement.this, exp.Schema):
            for definition in statement.this.expressions:
                _define(found, table, definition, text, start)
    elif isinstance(statement, exp.Alter) and str(statement.args.get("kind")).upper() == "TABLE":
        table = _name(statement.this)
        for action in statement.args.get("actions") or ():
            _define(found, table, action, text, start)
            if isinstance(action, exp.Schema):
                for definition in action.expressions:
                    _define(found, table, definition, text, start)
    elif isinstance(statement, exp.Comment):
        said = statement.expression.name if statement.expression is not None else ""
        target = statement.this
        parts = [part.name for part in target.parts] if hasattr(target, "parts") else [target.name]
        if str(statement.args.get("kind")).upper() == "COLUMN":
            place = (".".join(parts[:-1]).lower(), parts[-1].lower())
        else:
            place = (".".join(parts).lower(), "")
        found.comments[place] = (said, *_where(text, start))


def _define(found: _Read, table: str, definition: exp.Expr, text: str, start: int) -> None:
    from sqlglot import exp

    if not isinstance(definition, exp.ColumnDef):
        return
    line, column = _where(text, _start(definition, start))
    kind = definition.args.get("kind")
    found.made.append(_Made(table, definition.name, kind.sql() if kind is not None else "", line, column))
    comment = definition.find(exp.CommentColumnConstraint)
    if comment is not None:
        found.comments[table.lower(), definition.name.lower()] = (comment.this.name, line, column)


def _name(table: exp.Expr | None) -> str:
    return (
        ".".join(part.name for part in table.parts) if table is not None and hasattr(table, "parts") else ""
    )


def _start(node: exp.Expr | None, otherwise: int) -> int:
    from sqlglot import exp

    identifier = node.find(exp.Identifier) if node is not None else None
    if identifier is None:
        return otherwise
    return int(identifier.meta.get("start", otherwise))


def _where(text: str, start: int) -> tuple[int, int]:
    return text.count("\n", 0, start) + 1, start - text.rfind("\n", 0, start)
