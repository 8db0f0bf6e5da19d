"""What a dialect's reader brings home, as flat rows, and how they become the catalog's tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from docgen_plugin.model import Column, ForeignKey, Table
from docgen_sqlalchemy.values import check_values

__all__ = ["Constraint", "Field", "Reading", "Relation", "assemble", "table_key"]


@dataclass(frozen=True, slots=True)
class Relation:
    """One table or view."""

    schema: str
    name: str
    kind: str = "table"
    comment: str = ""
    sql: str = ""
    upstream: tuple[tuple[str, str], ...] = ()  # (schema, name) of what a view reads


@dataclass(frozen=True, slots=True)
class Field:
    """One column of a relation; fields of a relation come in the order of its columns."""

    schema: str
    table: str
    name: str
    type: str
    comment: str = ""
    not_null: bool = False
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Constraint:
    """One key or check; a check's columns are found in its text."""

    schema: str
    table: str
    kind: str  # primary, unique, foreign, check
    columns: tuple[str, ...] = ()
    target: tuple[str, str] = ("", "")  # schema and name of what a foreign key points to
    target_columns: tuple[str, ...] = ()
    check: str = ""


@dataclass(slots=True)
class Reading:
    """All rows of one reading, and what the user should know about it."""

    relations: list[Relation] = field(default_factory=list)
    fields: list[Field] = field(default_factory=list)
    constraints: list[Constraint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def table_key(schema: str, name: str) -> str:
    """Return the key of a table: "schema.table", a part quoted where a dot or quote would make it ambiguous.

    >>> table_key("public", "film")
    'public.film'
    >>> table_key("a.b", "c"), table_key("a", "b.c")
    ('"a.b".c', 'a."b.c"')
    """
    return f"{_part(schema)}.{_part(name)}"


def _part(name: str) -> str:
    if "." in name or name.startswith('"'):
        return '"' + name.replace('"', '""') + '"'
    return name


def assemble(reading: Reading, dialect: str) -> tuple[Table, ...]:
    """Return the tables of a reading, by schema and name; `dialect` says how its checks are spelled."""
    fields: dict[tuple[str, str], list[Field]] = defaultdict(list)
    for row in reading.fields:
        fields[row.schema, row.table].append(row)
    constraints: dict[tuple[str, str], list[Constraint]] = defaultdict(list)
    for constraint in reading.constraints:
        constraints[constraint.schema, constraint.table].append(constraint)
    known = {(relation.schema, relation.name) for relation in reading.relations}
    return tuple(
        Table(
            key=table_key(relation.schema, relation.name),
            name=relation.name,
            kind=relation.kind,
            schema=relation.schema,
            description=relation.comment,
            columns=_columns(
                fields[relation.schema, relation.name], constraints[relation.schema, relation.name], dialect
            ),
            sql=relation.sql,
            upstream=tuple(table_key(*place) for place in relation.upstream if place in known),
        )
        for relation in sorted(reading.relations, key=lambda relation: (relation.schema, relation.name))
    )


def _columns(fields: Iterable[Field], constraints: list[Constraint], dialect: str) -> tuple[Column, ...]:
    primary = {name for row in constraints if row.kind == "primary" for name in row.columns}
    unique = {row.columns[0] for row in constraints if row.kind == "unique" and len(row.columns) == 1}
    foreign = _foreign_keys(constraints)
    values: dict[str, tuple[str, ...]] = {}
    for row in constraints:
        if row.kind == "check":
            for name, allowed in check_values(row.check, dialect).items():
                values.setdefault(name, allowed)
    return tuple(
        Column(
            name=row.name,
            type=row.type,
            description=row.comment,
            primary_key=row.name in primary,
            not_null=row.not_null,
            unique=row.name in unique,
            foreign_key=foreign.get(row.name),
            values=row.values or values.get(row.name, ()),
        )
        for row in fields
    )


def _foreign_keys(constraints: list[Constraint]) -> dict[str, ForeignKey]:
    """Map each column to what it points to; a key of one column says more than its part in a wider one."""
    found: dict[str, ForeignKey] = {}
    for row in sorted(
        (row for row in constraints if row.kind == "foreign"),
        key=lambda row: (len(row.columns), row.target, row.columns),
    ):
        schema, name = row.target
        shown = name if schema in ("", row.schema) else f"{schema}.{name}"
        targets = row.target_columns or ("",) * len(row.columns)
        for column, target in zip(row.columns, targets, strict=False):
            found.setdefault(column, ForeignKey(shown, target))
    return found
