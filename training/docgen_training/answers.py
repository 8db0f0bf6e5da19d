"""A teacher's answer as training records: one commented CREATE TABLE for each seed, in the seed's dialect.

The form is set by data/teach_prompt.md: the table's description and the seed's number in a comment before the
statement, a column's description behind `-- ` at the end of its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from docgen_plugin.model import Column, ForeignKey, Table
from docgen_training.records import Record
from docgen_training.seeds import Seed

__all__ = ["SOURCE", "Answer", "read_answers"]

SOURCE = "docgen-plugin/teacher"
_LICENSE = "Apache-2.0"

_HEAD = re.compile(r"^--\s*(\d+)\s+(.+)$")
_COLUMN = re.compile(r"^\s*(?P<definition>.+?),?\s+-- (?P<text>.+)$")
_TABLE_LINE = re.compile(
    r"^\s*(?:PRIMARY KEY|UNIQUE|FOREIGN KEY|CONSTRAINT|CHECK|KEY|INDEX)\b", re.IGNORECASE
)
_SQLGLOT = {"sqlserver": "tsql", "postgresql": "postgres"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of one block of an answer: a record, or why there is none."""

    number: int  # of the seed; 0 where the block names none
    record: Record | None
    fault: str = ""


def read_answers(text: str, seeds: Mapping[int, Seed]) -> Iterator[Answer]:
    r"""Yield an answer for every block of a teacher's text; code fences and prose between blocks are passed over.

    >>> seed = Seed(7, "111110", "Soybean Farming", "soil sampling", "fact", "snake_case", "duckdb", 2, 0)
    >>> text = "-- 7 One row per sample.\nCREATE TABLE s (\n  id INT, -- Unique identifier of the sample.\n  ph FLOAT -- Acidity.\n);"
    >>> [answer.record.table.columns[1].description for answer in read_answers(text, {7: seed})]
    ['Acidity.']
    """
    block: list[str] = []
    for line in text.splitlines():
        if _HEAD.match(line):
            yield from _unfinished(block)
            block = [line]
        elif block and line.strip() and not line.startswith("```"):
            block.append(line.rstrip())
        if block and line.strip() in (");", ")"):
            yield _answer(block, seeds)
            block = []
    yield from _unfinished(block)


def _unfinished(block: list[str]) -> Iterator[Answer]:
    """Yield the fault of a block that another one, or the end of the text, cuts off."""
    head = _HEAD.match(block[0]) if block else None
    if head:
        yield Answer(int(head[1]), None, "the statement does not end")


def _answer(lines: list[str], seeds: Mapping[int, Seed]) -> Answer:
    head = _HEAD.match(lines[0])
    assert head is not None
    number = int(head[1])
    seed = seeds.get(number)
    if seed is None:
        return Answer(number, None, f"there is no seed {number}")
    texts: list[str] = []
    definitions: list[str] = []
    bare: list[str] = []
    for line in lines[2:-1]:
        found = _COLUMN.match(line)
        if found:
            definitions.append(found["definition"])
            texts.append(found["text"].strip())
        elif _TABLE_LINE.match(line):
            bare.append(line.strip().rstrip(","))
        else:
            return Answer(number, None, f"a line without a description: {line.strip()[:60]}")
    statement = f"{lines[1]}\n" + ",\n".join([*definitions, *bare]) + "\n)"
    parsed = _parsed(statement, _SQLGLOT.get(seed.dialect, seed.dialect))
    if isinstance(parsed, str):
        return Answer(number, None, f"not a statement in {seed.dialect}: {parsed}")
    schema = parsed.find(exp.Schema)
    if not isinstance(parsed, exp.Create) or schema is None:
        return Answer(number, None, "not a CREATE TABLE statement")
    columns = [one for one in schema.expressions if isinstance(one, exp.ColumnDef)]
    if len(columns) != len(texts):
        return Answer(number, None, f"{len(columns)} columns, but {len(texts)} descriptions")
    key = _table_key(schema)
    name = schema.this.name
    table = Table(
        key=f"{SOURCE}/{name}",
        name=name,
        description=head[2].strip(),
        columns=tuple(_column(one, text, key, seed) for one, text in zip(columns, texts, strict=True)),
    )
    if len({column.name.lower() for column in table.columns}) < len(table.columns):
        return Answer(number, None, "a column name comes twice")
    return Answer(number, Record(table, SOURCE, _LICENSE, seed))


def _parsed(statement: str, dialect: str) -> Any:
    """Return the statement as a tree, or why it is none; what a dialect's own grammar refuses is read leniently."""
    fault = ""
    for grammar in (dialect, "postgres", ""):
        try:
            return sqlglot.parse_one(statement, dialect=grammar)
        except (SqlglotError, RecursionError) as err:
            fault = fault or str(err).splitlines()[0][:80]
    return fault


def _table_key(schema: exp.Schema) -> frozenset[str]:
    """Return the names of a primary key that is declared on a line of its own."""
    for one in schema.expressions:
        key = one.find(exp.PrimaryKey) if not isinstance(one, exp.ColumnDef) else None
        if key is not None:
            return frozenset(part.name.lower() for part in key.expressions)
    return frozenset()


def _column(definition: exp.ColumnDef, text: str, key: frozenset[str], seed: Seed) -> Column:
    kinds = [constraint.kind for constraint in definition.constraints]
    reference = next((kind for kind in kinds if isinstance(kind, exp.Reference)), None)
    own = any(isinstance(kind, exp.PrimaryKeyColumnConstraint) for kind in kinds)
    return Column(
        name=definition.name,
        type=definition.kind.sql(dialect=_SQLGLOT.get(seed.dialect, seed.dialect)) if definition.kind else "",
        description=text,
        primary_key=own or definition.name.lower() in key,
        not_null=any(
            isinstance(kind, exp.NotNullColumnConstraint) and not kind.args.get("allow_null")
            for kind in kinds
        ),
        unique=any(isinstance(kind, exp.UniqueColumnConstraint) for kind in kinds),
        foreign_key=_foreign_key(reference),
        values=_values(kinds) or _enumerated(definition),
    )


def _foreign_key(reference: exp.Reference | None) -> ForeignKey | None:
    if reference is None:
        return None
    table = reference.find(exp.Table)
    if table is None:
        return None
    parts = reference.this.expressions if isinstance(reference.this, exp.Schema) else []
    return ForeignKey(table.name, parts[0].name if parts else "")


def _enumerated(definition: exp.ColumnDef) -> tuple[str, ...]:
    """Return the values of an ENUM or SET type."""
    kind = definition.kind
    if kind is None or kind.this not in (exp.DataType.Type.ENUM, exp.DataType.Type.SET):
        return ()
    return tuple(one.name for one in kind.find_all(exp.Literal))


def _values(kinds: Sequence[Any]) -> tuple[str, ...]:
    """Return the allowed values of a CHECK (column IN (...)), strings and numbers alike."""
    for kind in kinds:
        listed = kind.find(exp.In) if isinstance(kind, exp.CheckColumnConstraint) else None
        if listed is not None and listed.find_ancestor(exp.Not) is None:
            told = [
                one for one in listed.expressions if isinstance(one, exp.Literal | exp.National | exp.Neg)
            ]
            return tuple(one.sql() if isinstance(one, exp.Neg) else one.name for one in told)
    return ()
