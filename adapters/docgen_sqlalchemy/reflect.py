"""A database's catalog in few queries: by its own system tables where we know them, by SQLAlchemy elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import sqlalchemy
from sqlalchemy.engine import Connection, Inspector
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError, UnreflectableTableError

from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError
from docgen_plugin.lineage import with_lineage
from docgen_plugin.model import Catalog, Table
from docgen_sqlalchemy import duckdb, mariadb, postgres
from docgen_sqlalchemy.comments import Place
from docgen_sqlalchemy.connect import Database
from docgen_sqlalchemy.records import Constraint, Field, Reading, Relation, assemble
from docgen_sqlalchemy.values import enum_values, short_type

__all__ = ["read", "table_texts", "texts"]

# the dialects' own schemas, in lower case
_SYSTEM = {
    "": ("information_schema", "pg_catalog", "pg_internal", "sys"),
    "sqlite": ("temp",),
    "mssql": ("guest", "information_schema", "sys"),
    "clickhouse": ("information_schema", "system"),
}

_SQLGLOT = {
    "postgresql": "postgres",
    "mariadb": "mysql",
    "mssql": "tsql",
}  # dialects that sqlglot calls otherwise
_NOTED = 3  # names in a note
_UNSUPPORTED = (NotImplementedError, AttributeError)


def read(connection: Connection, database: Database, config: Config, definitions: bool = True) -> Catalog:
    """Return the catalog of an open database, only the schemas that the configuration names.

    With `definitions` views carry the query that makes them, where it comes in bulk.

    Raises:
        SourceError: when the configuration names schemas and none of them is there.
    """
    names = _wanted(_schemas(connection, database, config), database, config)
    readers: Mapping[str, Callable[[Connection, Sequence[str], bool], Reading]] = {
        "postgresql": postgres.read,
        "mysql": mariadb.read,
        "mariadb": mariadb.read,
        "duckdb": duckdb.read,
    }
    reader = readers.get(database.dialect, _inspect)
    with warnings.catch_warnings():
        # an unknown type or index is no news for the user: the column is read all the same
        warnings.simplefilter("ignore")
        reading = reader(connection, names, definitions)
    tables = assemble(reading, database.dialect)
    if definitions:
        tables, unread = with_lineage(tables, _SQLGLOT.get(database.dialect, database.dialect))
        if unread:
            shown = ", ".join(unread[:_NOTED]) + (
                f" and {len(unread) - _NOTED:,} more" if len(unread) > _NOTED else ""
            )
            reading.notes.append(f"no lineage for {shown}: the query cannot be read")
    return Catalog(database.name, database.dialect, tables, tuple(reading.notes))


def table_texts(table: Table | None) -> dict[str, str] | None:
    """Return a table's comments by column, with "" its own; None where there is no table."""
    if table is None:
        return None
    return {"": table.description, **{column.name: column.description for column in table.columns}}


def texts(connection: Connection, database: Database, place: Place) -> dict[str, str] | None:
    """Return the comments that stand on one table now, by column with "" its own; None where it is gone."""
    if database.dialect in ("mysql", "mariadb"):
        return mariadb.texts(connection, place.schema, place.table)
    inspector = sqlalchemy.inspect(connection)
    name, schema = place.table, place.schema
    if getattr(connection.dialect, "requires_name_normalize", False):
        # NOTE: not through str: a name that is lower case in the database says so by its type
        name, schema = (connection.dialect.normalize_name(part) for part in (name, schema))
    own = _spelling(inspector)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            columns = inspector.get_columns(name, schema=schema)
        except NoSuchTableError:
            return None
        found = {own(column["name"]): column.get("comment") or "" for column in columns}
        try:
            comment = inspector.get_table_comment(name, schema=schema)
        except _UNSUPPORTED:
            return {"": "", **found}
    return {"": comment.get("text") or "", **found}


def _schemas(connection: Connection, database: Database, config: Config) -> list[str]:
    if database.dialect == "postgresql":
        return postgres.schemas(connection)
    if database.dialect == "duckdb":
        return duckdb.schemas(connection)
    if database.dialect in ("mysql", "mariadb"):
        return mariadb.schemas(connection, "" if config.schemas else database.url.database or "")
    inspector = sqlalchemy.inspect(connection)
    try:
        found = inspector.get_schema_names()
    except _UNSUPPORTED:
        found = [inspector.default_schema_name or ""]
    if database.dialect == "oracle" and not config.schemas:
        # every user is a schema there, dozens of them the system's: the connected one is meant
        found = [inspector.default_schema_name or ""]
    system = _SYSTEM.get(database.dialect, _SYSTEM[""])
    names = [name for name in found if name.lower() not in system]
    if database.dialect == "mssql":  # the roles db_owner and so on each have a schema, always empty
        names = [name for name in names if not name.startswith("db_")]
    return names


def _wanted(found: list[str], database: Database, config: Config) -> list[str]:
    if not config.schemas:
        return found
    names = [name for name in found if any(fnmatchcase(name, pattern) for pattern in config.schemas)]
    if not names:
        raise SourceError(
            f"{database.name}: no schema matches {', '.join(config.schemas)}; there are: {', '.join(found) or 'none'}"
        )
    return names


def _inspect(connection: Connection, names: Sequence[str], definitions: bool) -> Reading:
    """Read any other dialect through SQLAlchemy's bulk reflection, one schema after the other."""
    reading = Reading()
    inspector = sqlalchemy.inspect(connection)
    for name in names:
        schema = name or None
        _inspect_schema(inspector, schema, reading)
    if connection.dialect.name == "sqlite":
        _sqlite_unique(connection, reading)
        if definitions:
            _sqlite_definitions(connection, reading)
    return reading


def _names(inspector: Inspector, schema: str | None) -> dict[str, str]:
    kinds = dict.fromkeys(inspector.get_table_names(schema=schema), "table")
    listings = (
        ("view", inspector.get_view_names),
        ("materialized view", inspector.get_materialized_view_names),
    )
    for kind, listing in listings:
        try:
            kinds.update((name, kind) for name in listing(schema=schema))
        except _UNSUPPORTED:
            continue
    return kinds


def _bulk(
    inspector: Inspector, what: str, schema: str | None, kinds: Mapping[str, str], reading: Reading
) -> dict[str, Any]:
    """Return one kind of fact for all relations of a schema; one by one where a broken one spoils the bulk."""
    try:
        found = getattr(inspector, f"get_multi_{what}")(schema=schema, kind=ObjectKind.ANY)
        return {key[1]: value for key, value in found.items()}
    except _UNSUPPORTED:
        return {}
    except SQLAlchemyError:
        return _one_by_one(inspector, what, schema, kinds, reading)


def _one_by_one(
    inspector: Inspector, what: str, schema: str | None, kinds: Mapping[str, str], reading: Reading
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name in kinds:
        try:
            result[name] = getattr(inspector, f"get_{what}")(name, schema=schema)
        except _UNSUPPORTED:
            return {}
        except (SQLAlchemyError, UnreflectableTableError) as err:
            if what == "columns":
                cause = " ".join(str(getattr(err, "orig", None) or err).split())
                reading.notes.append(f"{schema or ''}.{name} cannot be read: {cause}")
    return result


def _inspect_schema(inspector: Inspector, schema: str | None, reading: Reading) -> None:
    kinds = _names(inspector, schema)
    own = _spelling(inspector)
    place = own(schema or inspector.default_schema_name or "main")
    comments = _bulk(inspector, "table_comment", schema, kinds, reading)
    for name, kind in kinds.items():
        comment = (comments.get(name) or {}).get("text") or ""
        reading.relations.append(Relation(place, own(name), kind, comment))
    for name, columns in _bulk(inspector, "columns", schema, kinds, reading).items():
        if name in kinds:
            reading.fields.extend(_field(inspector, place, own(name), column, own) for column in columns)
    for name, key in _bulk(inspector, "pk_constraint", schema, kinds, reading).items():
        columns = tuple(own(column) for column in (key or {}).get("constrained_columns") or ())
        reading.constraints.append(Constraint(place, own(name), "primary", columns))
    for name, keys in _bulk(inspector, "unique_constraints", schema, kinds, reading).items():
        for key in keys:
            columns = tuple(own(column) for column in key["column_names"])
            reading.constraints.append(Constraint(place, own(name), "unique", columns))
    for name, keys in _bulk(inspector, "foreign_keys", schema, kinds, reading).items():
        for key in keys:
            target = own(key.get("referred_schema") or schema or place), own(key["referred_table"])
            columns = tuple(own(column) for column in key["constrained_columns"])
            targets = tuple(own(column) for column in key["referred_columns"])
            reading.constraints.append(Constraint(place, own(name), "foreign", columns, target, targets))
    for name, checks in _bulk(inspector, "check_constraints", schema, kinds, reading).items():
        for check in checks:
            reading.constraints.append(Constraint(place, own(name), "check", check=check["sqltext"]))


def _spelling(inspector: Inspector) -> Callable[[str], str]:
    """Return what gives a name as the database stores it: some dialects show ORDERS as orders."""
    dialect = inspector.dialect
    if not getattr(dialect, "requires_name_normalize", False):
        return str
    return lambda name: str(dialect.denormalize_name(name))


def _field(
    inspector: Inspector, schema: str, table: str, column: Mapping[str, Any], own: Callable[[str], str]
) -> Field:
    try:
        type_text = column["type"].compile(dialect=inspector.dialect)
    except (SQLAlchemyError, *_UNSUPPORTED):
        type_text = str(column["type"])
    if type_text == "NULL":  # what SQLAlchemy calls a type it does not know
        type_text = ""
    labels = tuple(str(label) for label in getattr(column["type"], "enums", None) or ()) or enum_values(
        type_text
    )
    return Field(
        schema,
        table,
        own(column["name"]),
        short_type(type_text),
        column.get("comment") or "",
        not column.get("nullable", True),
        labels,
    )


def _sqlite_unique(connection: Connection, reading: Reading) -> None:
    """Add the unique keys of one column that SQLAlchemy's pattern over the table's SQL does not see."""
    for schema in {relation.schema for relation in reading.relations}:
        quoted = connection.dialect.identifier_preparer.quote_identifier(schema)
        rows = connection.exec_driver_sql(
            f"SELECT t.name, max(c.name) FROM {quoted}.sqlite_master t, pragma_index_list(t.name, ?) i, "
            "pragma_index_info(i.name, ?) c WHERE t.type = 'table' AND i.\"unique\" AND NOT i.partial "
            "AND i.origin <> 'pk' GROUP BY t.name, i.name HAVING count(*) = 1 AND count(c.name) = 1",
            (schema, schema),
        )
        reading.constraints.extend(
            Constraint(schema, str(table), "unique", (str(name),)) for table, name in rows
        )


def _sqlite_definitions(connection: Connection, reading: Reading) -> None:
    for schema in {relation.schema for relation in reading.relations}:
        quoted = connection.dialect.identifier_preparer.quote_identifier(schema)
        rows = connection.exec_driver_sql(f"SELECT name, sql FROM {quoted}.sqlite_master WHERE type = 'view'")
        sql = {row[0]: row[1] or "" for row in rows}
        reading.relations = [
            Relation(row.schema, row.name, row.kind, row.comment, sql.get(row.name, ""), row.upstream)
            if row.schema == schema and row.kind == "view"
            else row
            for row in reading.relations
        ]
