"""MariaDB and MySQL read from information_schema: a fixed number of queries, however many tables."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import bindparam, text
from sqlalchemy.engine import Connection

from docgen_sqlalchemy.records import Constraint, Field, Reading, Relation
from docgen_sqlalchemy.values import enum_values, short_type

__all__ = ["read", "schemas", "texts"]

_SYSTEM = ("information_schema", "mysql", "performance_schema", "sys")

_TYPE_COMMENT = re.compile(r"/\*.*?\*/")

_KINDS = {"BASE TABLE": "table", "SYSTEM VERSIONED": "table", "VIEW": "view"}

_SCHEMAS = "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA ORDER BY 1"

_TABLES = """
SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, TABLE_COMMENT
FROM information_schema.TABLES WHERE TABLE_SCHEMA IN :schemas
"""

_TEXTS = """
SELECT '', TABLE_COMMENT FROM information_schema.TABLES WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name
UNION ALL
SELECT COLUMN_NAME, COLUMN_COMMENT FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name
"""

_VIEWS = """
SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA IN :schemas
"""

_COLUMNS = """
SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, COLUMN_COMMENT, IS_NULLABLE
FROM information_schema.COLUMNS WHERE TABLE_SCHEMA IN :schemas
ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION
"""

_KEYS = """
SELECT c.TABLE_SCHEMA, c.TABLE_NAME, c.CONSTRAINT_NAME, c.CONSTRAINT_TYPE, k.COLUMN_NAME,
       k.REFERENCED_TABLE_SCHEMA, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME
FROM information_schema.TABLE_CONSTRAINTS c
JOIN information_schema.KEY_COLUMN_USAGE k
    ON k.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = c.CONSTRAINT_NAME
    AND k.TABLE_SCHEMA = c.TABLE_SCHEMA AND k.TABLE_NAME = c.TABLE_NAME
WHERE c.TABLE_SCHEMA IN :schemas AND k.TABLE_SCHEMA IN :schemas
ORDER BY c.TABLE_SCHEMA, c.TABLE_NAME, c.CONSTRAINT_NAME, k.ORDINAL_POSITION
"""

_CHECKS_MARIADB = """
SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CHECK_CLAUSE
FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA IN :schemas
"""

_CHECKS_MYSQL = """
SELECT c.TABLE_SCHEMA, c.TABLE_NAME, k.CHECK_CLAUSE
FROM information_schema.TABLE_CONSTRAINTS c
JOIN information_schema.CHECK_CONSTRAINTS k
    ON k.CONSTRAINT_SCHEMA = c.CONSTRAINT_SCHEMA AND k.CONSTRAINT_NAME = c.CONSTRAINT_NAME
WHERE c.CONSTRAINT_TYPE = 'CHECK' AND c.TABLE_SCHEMA IN :schemas
"""

_CONSTRAINT_KINDS = {"PRIMARY KEY": "primary", "UNIQUE": "unique", "FOREIGN KEY": "foreign"}


def schemas(connection: Connection, database: str) -> list[str]:
    """Return the databases that are not the system's own; only `database` where the URL names one."""
    found = [row[0] for row in connection.execute(text(_SCHEMAS)) if row[0].lower() not in _SYSTEM]
    if not database or database in found:
        return [database] if database else found
    # where names of databases have no case, the server opens Shop and calls it shop
    return [name for name in found if name.lower() == database.lower()]


def texts(connection: Connection, schema: str, table: str) -> dict[str, str] | None:
    """Return the comments of one table now, by column with "" its own; None where it is gone."""
    rows = connection.execute(text(_TEXTS), {"schema": schema, "name": table})
    found = {row[0]: row[1] or "" for row in rows}
    return found if "" in found else None


def read(connection: Connection, names: Sequence[str], definitions: bool) -> Reading:
    """Return the tables and views of these databases; with `definitions` views carry their query."""
    reading = Reading()
    if not names:
        return reading
    sql: dict[tuple[str, str], str] = {}
    if definitions:
        sql = {(row[0], row[1]): row[2] or "" for row in _rows(connection, _VIEWS, names)}
    for schema, name, kind, comment in _rows(connection, _TABLES, names):
        if kind in _KINDS:
            # a view's comment column holds the word VIEW, or why the view is broken
            own = "" if kind == "VIEW" else comment
            reading.relations.append(
                Relation(schema, name, _KINDS[kind], own or "", sql.get((schema, name), ""))
            )
    kept = {(relation.schema, relation.name) for relation in reading.relations}
    for schema, table, name, type_text, comment, nullable in _rows(connection, _COLUMNS, names):
        if (schema, table) in kept:
            # labels come escaped as in a literal; a compressed column says so in a comment of its type
            values = tuple(label.replace("\\\\", "\\") for label in enum_values(type_text))
            shown = _TYPE_COMMENT.sub("", short_type(type_text)).strip()
            reading.fields.append(Field(schema, table, name, shown, comment or "", nullable == "NO", values))
    reading.constraints.extend(_keys(connection, names))
    for schema, table, check in _checks(connection, names):
        reading.constraints.append(Constraint(schema, table, "check", check=check))
    empty = kept - {(row.schema, row.table) for row in reading.fields}
    reading.notes.extend(
        f"{schema}.{name} shows no columns: a broken view, or no right to read it"
        for schema, name in sorted(empty)
    )
    return reading


def _rows(connection: Connection, query: str, names: Sequence[str]) -> Sequence[Any]:
    statement = text(query).bindparams(bindparam("schemas", expanding=True))
    return connection.execute(statement, {"schemas": list(names)}).fetchall()


def _keys(connection: Connection, names: Sequence[str]) -> Iterator[Constraint]:
    grouped: dict[tuple[str, ...], list[Any]] = defaultdict(list)
    for row in _rows(connection, _KEYS, names):
        grouped[tuple(row[:4])].append(row)
    for (schema, table, _, kind), rows in grouped.items():
        yield Constraint(
            schema,
            table,
            _CONSTRAINT_KINDS[kind],
            tuple(row[4] for row in rows),
            (rows[0][5] or "", rows[0][6] or ""),
            tuple(row[7] or "" for row in rows) if kind == "FOREIGN KEY" else (),
        )


def _checks(connection: Connection, names: Sequence[str]) -> Sequence[Any]:
    columns = {
        row[0].upper()
        for row in connection.execute(
            text(
                "SELECT COLUMN_NAME FROM information_schema.COLUMNS "
                "WHERE TABLE_SCHEMA = 'information_schema' AND TABLE_NAME = 'CHECK_CONSTRAINTS'"
            )
        )
    }
    if not columns:  # MySQL before 8.0.16 has no checks
        return ()
    if "TABLE_NAME" in columns:
        return _rows(connection, _CHECKS_MARIADB, names)
    # MySQL shows the quotes of a check's literals with a backslash before them
    return [(*row[:2], row[2].replace("\\'", "'")) for row in _rows(connection, _CHECKS_MYSQL, names)]
