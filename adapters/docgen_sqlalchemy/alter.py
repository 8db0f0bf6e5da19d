"""MySQL and MariaDB: comments that need each column's whole definition, and proof that nothing else changed."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.engine import Connection

from docgen_sqlalchemy.comments import NewText, Place, alter_table
from docgen_sqlalchemy.dialects import DIALECTS
from docgen_sqlalchemy.plan import Item, Skipped, Statement
from docgen_sqlalchemy.table_ddl import TableDdl, parse

__all__ = ["REFUSED_IN_PLACE", "WOULD_COPY", "difference", "statements"]

# ER_ALTER_OPERATION_NOT_SUPPORTED and .._REASON: the server would have to copy the table
REFUSED_IN_PLACE = (1845, 1846)
WOULD_COPY = "the server would copy the whole table for this comment"

# a stored generated column cannot be redefined in place; a table up to this size is copied in seconds
_LARGEST_COPY_BYTES = 64 * 1024 * 1024

_SIZE = """
SELECT COALESCE(DATA_LENGTH, 0) + COALESCE(INDEX_LENGTH, 0) FROM information_schema.TABLES
WHERE TABLE_SCHEMA = :schema AND TABLE_NAME = :name
"""


def statements(
    connection: Connection, dialect: str, group: tuple[Item, ...], skipped: list[Skipped]
) -> list[Statement]:
    """Return the ALTER TABLE for one table's comments; a second one for columns that need a copy of it.

    Columns that would need the copy of a large table are added to `skipped` with the reason.
    """
    place = group[0].place
    ddl = parse(_show_create(connection, dialect, place))
    in_place: list[Item] = []
    copied: list[Item] = []
    for item in group:
        column = ddl.columns.get(item.place.column)
        if item.place.column and column is None:
            skipped.append((item.ref, "not found in SHOW CREATE TABLE"))
        elif ddl.copied or (column and column.stored):
            copied.append(item)
        else:
            in_place.append(item)
    if copied and _size(connection, place) > _LARGEST_COPY_BYTES:
        skipped += [(item.ref, WOULD_COPY) for item in copied]
        copied = []
    portions = ((in_place, True), (copied, False))
    return [_statement(dialect, ddl, items, where) for items, where in portions if items]


def _statement(dialect: str, ddl: TableDdl, items: list[Item], in_place: bool) -> Statement:
    columns = [
        NewText(ddl.columns[item.place.column].before, item.text, ddl.columns[item.place.column].after)
        for item in items
        if item.place.column
    ]
    table_text = next((item.text for item in items if not item.place.column), "")
    sql = alter_table(dialect, items[0].place, columns, table_text, in_place)
    return Statement(tuple(items), (sql,), ddl.bare)


def difference(connection: Connection, dialect: str, statement: Statement) -> str:
    """Return how the table differs from before in more than comments, "" if it does not."""
    now = parse(_show_create(connection, dialect, statement.items[0].place)).bare
    if now == statement.bare:
        return ""
    left = now.split("\n")
    changed = [line for line in statement.bare.split("\n") if line not in left]
    return (
        f"{statement.items[0].ref.table} differs after the change in more than comments "
        f"(it was: {'; '.join(changed) or 'the same parts in another order'}): "
        "stopped here; look at it with SHOW CREATE TABLE"
    )


def _show_create(connection: Connection, dialect: str, place: Place) -> str:
    name = DIALECTS[dialect].name(place.schema, place.table)
    result = connection.exec_driver_sql(
        f"SHOW CREATE TABLE {name}", execution_options={"no_parameters": True}
    )
    return str(result.one()[1])


def _size(connection: Connection, place: Place) -> int:
    values = {"schema": place.schema, "name": place.table}
    return int(connection.execute(text(_SIZE), values).scalar() or 0)
