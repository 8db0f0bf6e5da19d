"""DuckDB read from its own functions: the reflection of duckdb-engine fails on today's versions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection

from docgen_sqlalchemy.records import Constraint, Field, Reading, Relation
from docgen_sqlalchemy.values import enum_values, short_type

__all__ = ["read", "schemas"]

_HERE = "database_name = current_database() AND NOT internal"

_CONSTRAINT_KINDS = {
    "PRIMARY KEY": "primary",
    "UNIQUE": "unique",
    "FOREIGN KEY": "foreign",
    "CHECK": "check",
}


def schemas(connection: Connection) -> list[str]:
    """Return the schemas of the current database; those of attached ones are left out."""
    rows = connection.execute(
        text(
            f"SELECT DISTINCT schema_name FROM duckdb_schemas() WHERE {_HERE} OR schema_name = 'main' ORDER BY 1"
        )
    )
    return [row[0] for row in rows]


def read(connection: Connection, names: Sequence[str], definitions: bool) -> Reading:
    """Return the tables and views of these schemas; with `definitions` views carry their query."""
    wanted = set(names)
    reading = Reading()
    query = f"SELECT schema_name, table_name, comment FROM duckdb_tables() WHERE {_HERE} AND NOT temporary"
    for schema, name, comment in _rows(connection, query):
        reading.relations.append(Relation(schema, name, "table", comment or ""))
    query = f"SELECT schema_name, view_name, comment, sql FROM duckdb_views() WHERE {_HERE} AND NOT temporary"
    for schema, name, comment, sql in _rows(connection, query):
        reading.relations.append(
            Relation(schema, name, "view", comment or "", sql or "" if definitions else "")
        )
    reading.relations = [relation for relation in reading.relations if relation.schema in wanted]
    kept = {(relation.schema, relation.name) for relation in reading.relations}
    query = (
        "SELECT schema_name, table_name, column_name, data_type, comment, is_nullable "
        f"FROM duckdb_columns() WHERE {_HERE} ORDER BY schema_name, table_name, column_index"
    )
    for schema, table, name, type_text, comment, nullable in _rows(connection, query):
        if (schema, table) in kept:
            values = enum_values(type_text)
            reading.fields.append(
                Field(schema, table, name, short_type(type_text), comment or "", not nullable, values)
            )
    reading.constraints.extend(
        constraint for constraint in _constraints(connection) if (constraint.schema, constraint.table) in kept
    )
    return reading


def _rows(connection: Connection, query: str) -> Sequence[Any]:
    return connection.execute(text(query)).fetchall()


def _constraints(connection: Connection) -> Iterator[Constraint]:
    rows = connection.execute(
        text("SELECT * FROM duckdb_constraints() WHERE database_name = current_database()")
    )
    for row in rows.mappings():
        kind = _CONSTRAINT_KINDS.get(row["constraint_type"])
        if kind is None:
            continue
        target, target_columns = _target(row)
        yield Constraint(
            row["schema_name"],
            row["table_name"],
            kind,
            tuple(row["constraint_column_names"] or ()),
            ("", target),
            target_columns,
            row["constraint_text"] if kind == "check" else "",
        )


def _target(row: Any) -> tuple[str, tuple[str, ...]]:
    # older versions have no columns for what a foreign key points to
    return row.get("referenced_table") or "", tuple(row.get("referenced_column_names") or ())
