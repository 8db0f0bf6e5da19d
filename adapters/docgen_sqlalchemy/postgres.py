"""PostgreSQL read from its own catalog: the same few queries for ten tables and for ten thousand.

SQLAlchemy's reflection would need several queries a schema, shows no comment of a view and spells types
its own way; here all schemas come at once, with the server's spelling.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError

from docgen_sqlalchemy.records import Constraint, Field, Reading, Relation

__all__ = ["owners_refusing", "read", "schemas"]

_KINDS = {"r": "table", "p": "table", "v": "view", "m": "materialized view", "f": "foreign table"}

# definitions of views are asked for in portions: each locks the tables of its view until the query ends
_DEFINITIONS_PER_QUERY = 500

# a view's definition waits this long for tables that someone else holds, then it is left out
_LOCK_TIMEOUT_S = 2

_SCHEMAS = """
SELECT nspname FROM pg_catalog.pg_namespace
WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1
"""

_RELATIONS = """
SELECT c.oid, n.nspname, c.relname, c.relkind, d.description, c.relispartition,
       EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass
               AND e.objid = c.oid AND e.objsubid = 0 AND e.deptype = 'e')
FROM pg_catalog.pg_class c
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_description d
    ON d.objoid = c.oid AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = 0
WHERE n.nspname = ANY (:schemas) AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
"""

_FIELDS = """
SELECT a.attrelid, a.attnum, a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.atttypid,
       a.attnotnull, d.description
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_description d
    ON d.objoid = a.attrelid AND d.classoid = 'pg_catalog.pg_class'::regclass AND d.objsubid = a.attnum
WHERE a.attrelid = ANY (:relations) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attrelid, a.attnum
"""

_ENUMS = "SELECT enumtypid, enumlabel FROM pg_catalog.pg_enum ORDER BY enumtypid, enumsortorder"

_DOMAINS = """
SELECT t.oid, t.typbasetype, t.typnotnull, pg_catalog.pg_get_constraintdef(k.oid)
FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid AND k.contype = 'c'
WHERE t.typtype = 'd'
"""

_CONSTRAINTS = """
SELECT k.conrelid, k.contype, k.conkey, n.nspname, c.relname,
       ARRAY(SELECT a.attname::text FROM unnest(k.confkey) WITH ORDINALITY AS part (num, place)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = part.num
             ORDER BY part.place),
       CASE WHEN k.contype = 'c' THEN pg_catalog.pg_get_constraintdef(k.oid) END
FROM pg_catalog.pg_constraint k
LEFT JOIN pg_catalog.pg_class c ON c.oid = k.confrelid
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE k.conrelid = ANY (:relations) AND k.contype IN ('p', 'u', 'f', 'c')
UNION ALL
SELECT i.indrelid, 'u', ARRAY[i.indkey[0]], NULL, NULL, NULL, NULL
FROM pg_catalog.pg_index i
WHERE i.indrelid = ANY (:relations) AND i.indisunique AND i.indnkeyatts = 1
  AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisprimary
ORDER BY 1, 2, 3
"""

_CONSTRAINT_KINDS = {"p": "primary", "u": "unique", "f": "foreign", "c": "check"}

_DEFINITIONS = "SELECT o, pg_catalog.pg_get_viewdef(o, true) FROM unnest(CAST(:views AS oid[])) AS o"

_UPSTREAM = """
SELECT DISTINCT r.ev_class, d.refobjid
FROM pg_catalog.pg_rewrite r
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
    AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid <> r.ev_class
WHERE r.ev_class = ANY (:relations)
ORDER BY 1, 2
"""

_OWNERS = """
SELECT n.nspname, c.relname, pg_catalog.pg_get_userbyid(c.relowner), current_user
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (:schemas) AND NOT pg_catalog.pg_has_role(c.relowner, 'USAGE')
ORDER BY 1, 2
"""


def schemas(connection: Connection) -> list[str]:
    """Return the schemas that are not the system's own."""
    return [row[0] for row in _rows(connection, _SCHEMAS)]


def read(connection: Connection, names: Sequence[str], definitions: bool) -> Reading:
    """Return the tables and views of these schemas; partitions and what extensions own are left out.

    With `definitions` views carry their query and what they read; the transaction is then rolled back on
    the way, so it must have written nothing.
    """
    reading = Reading()
    places: dict[int, tuple[str, str]] = {}
    relations = list(_relations(connection, names, reading))
    for oid, relation in relations:
        places[oid] = relation.schema, relation.name
    numbered: dict[int, dict[int, str]] = defaultdict(dict)
    reading.fields.extend(_fields(connection, places, numbered))
    reading.constraints.extend(_constraints(connection, places, numbered))
    sql: dict[int, str] = {}
    upstream: dict[int, list[tuple[str, str]]] = defaultdict(list)
    if definitions:
        views = [oid for oid, relation in relations if relation.kind in ("view", "materialized view")]
        sql = _definitions(connection, views, reading)
        for view, source in _rows(connection, _UPSTREAM, relations=views) if views else ():
            if source in places:
                upstream[view].append(places[source])
    for oid, row in relations:
        reading.relations.append(
            Relation(row.schema, row.name, row.kind, row.comment, sql.get(oid, ""), tuple(upstream[oid]))
        )
    return reading


def owners_refusing(connection: Connection, names: Sequence[str]) -> dict[tuple[str, str], tuple[str, str]]:
    """Return the relations that the current role may not comment on, each with its owner and that role.

    Only the owner, members of the owning role and superusers may comment:
    https://www.postgresql.org/docs/current/sql-comment.html
    """
    return {
        (schema, name): (owner, role)
        for schema, name, owner, role in _rows(connection, _OWNERS, schemas=list(names))
    }


def _rows(connection: Connection, query: str, **values: Any) -> Sequence[Any]:
    return connection.execute(text(query), values).fetchall()


def _relations(
    connection: Connection, names: Sequence[str], reading: Reading
) -> Iterator[tuple[int, Relation]]:
    partitions = extension = 0
    for oid, schema, name, kind, comment, is_partition, is_extension in _rows(
        connection, _RELATIONS, schemas=list(names)
    ):
        partitions += is_partition
        extension += is_extension
        if not is_partition and not is_extension:
            yield oid, Relation(schema, name, _KINDS[_letter(kind)], comment or "")
    if partitions:
        reading.notes.append(f"{partitions} partitions left out: the partitioned table carries the text")
    if extension:
        reading.notes.append(f"{extension} tables and views left out that belong to extensions")


def _letter(value: str | bytes) -> str:
    # the type "char" comes as bytes from some drivers
    return value.decode() if isinstance(value, bytes) else value


def _fields(
    connection: Connection, places: dict[int, tuple[str, str]], numbered: dict[int, dict[int, str]]
) -> Iterator[Field]:
    labels: dict[int, list[str]] = defaultdict(list)
    for oid, label in _rows(connection, _ENUMS):
        labels[oid].append(label)
    domains: dict[int, tuple[int, bool]] = {}
    checks: dict[int, list[str]] = defaultdict(list)
    for oid, base, not_null, check in _rows(connection, _DOMAINS):
        domains[oid] = base, not_null
        if check:
            checks[oid].append(check)
    for relation, number, name, type_text, type_oid, not_null, comment in _rows(
        connection, _FIELDS, relations=list(places)
    ):
        numbered[relation][number] = name
        schema, table = places[relation]
        values, required = _domain_values(type_oid, labels, domains, checks)
        yield Field(schema, table, name, type_text, comment or "", not_null or required, values)


def _domain_values(
    type_oid: int,
    labels: dict[int, list[str]],
    domains: dict[int, tuple[int, bool]],
    checks: dict[int, list[str]],
) -> tuple[tuple[str, ...], bool]:
    """Return the values a type allows, its domains followed down to their base, and whether NULL is ruled out."""
    from docgen_sqlalchemy.values import check_values

    required = False
    while type_oid in domains:
        for check in checks.get(type_oid, ()):
            for values in check_values(check, "postgresql").values():
                return values, required or domains[type_oid][1]
        required = required or domains[type_oid][1]
        type_oid = domains[type_oid][0]
    return tuple(labels.get(type_oid, ())), required


def _constraints(
    connection: Connection, places: dict[int, tuple[str, str]], numbered: dict[int, dict[int, str]]
) -> Iterator[Constraint]:
    for relation, kind, key, target_schema, target, target_columns, check in _rows(
        connection, _CONSTRAINTS, relations=list(places)
    ):
        schema, table = places[relation]
        yield Constraint(
            schema,
            table,
            _CONSTRAINT_KINDS[_letter(kind)],
            tuple(numbered[relation].get(number, "") for number in key or ()),
            (target_schema or "", target or ""),
            tuple(target_columns or ()),
            check or "",
        )


def _definitions(connection: Connection, views: list[int], reading: Reading) -> dict[int, str]:
    found: dict[int, str] = {}
    for start in range(0, len(views), _DEFINITIONS_PER_QUERY):
        portion = views[start : start + _DEFINITIONS_PER_QUERY]
        connection.rollback()  # ends the transaction and with it the locks; nothing was written in it
        try:
            connection.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'"))
            rows = _rows(connection, _DEFINITIONS, views=portion)
        except DBAPIError as err:  # a table under ALTER keeps the lock; the rest of the catalog is still good
            connection.rollback()
            cause = " ".join(str(err.orig).split())
            reading.notes.append(f"the queries of {len(portion)} views were not read: {cause}")
            continue
        found.update((oid, (sql or "").strip()) for oid, sql in rows)
    return found
