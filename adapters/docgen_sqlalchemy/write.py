"""Accepted texts into the database: what still fits is planned, shown or written, and reported."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from docgen_plugin.config import Config
from docgen_plugin.errors import WriteError
from docgen_plugin.model import Catalog, Change, ColumnRef, WriteReport
from docgen_sqlalchemy import connect, postgres, reflect, table_ddl
from docgen_sqlalchemy.comments import NewText, Place, alter_table, comment_sql, refusal
from docgen_sqlalchemy.connect import Database
from docgen_sqlalchemy.dialects import DIALECTS, clean, fit

__all__ = ["write"]

# a table that someone else holds is an error after this long, never an endless wait
_LOCK_TIMEOUT_S = 5

# PostgreSQL keeps a lock for every table commented on until the end of the transaction; by default the
# server has room for 6,400 (max_locks_per_transaction 64 x max_connections 100)
_TABLES_PER_TRANSACTION = 2000

_LOCK_TIMEOUT_STATE = "55P03"  # PostgreSQL's lock_not_available


@dataclass(frozen=True, slots=True)
class _Item:
    """One comment to write: it was compared with what stands there and cut to what the place takes."""

    ref: ColumnRef
    place: Place
    text: str
    note: str = ""


@dataclass(slots=True)
class _Progress:
    """What became of the plan so far."""

    written: list[ColumnRef] = field(default_factory=list)
    error: str = ""


def write(source: str, changes: Sequence[Change], dry_run: bool, config: Config) -> WriteReport:
    """Return what was written as comments, or with `dry_run` what would be.

    Raises:
        SourceError: when the database cannot be opened or read.
        WriteError: when nothing was written: no comments in this dialect, no right, a failed statement.
    """
    database = connect.database(source)
    if database.dialect not in DIALECTS:
        raise WriteError(
            f"{database.dialect} has no comments: use `docgen apply ... --to FILE.yml` "
            "to get the descriptions as YAML"
        )
    with connect.writing(database) as connection:
        try:
            _prepare(connection, database)
            catalog = reflect.read(connection, database, config, definitions=False)
            items, skipped = _plan(catalog, changes, database.dialect)
            groups = _groups(items)
            refused = _refused(connection, database, groups)
            if refused and not dry_run:
                raise WriteError(refused)
            statements = list(_statements(connection, database, groups, skipped))
            preview = _preview(statements, refused)
            if dry_run or not statements:
                return WriteReport(skipped=tuple(skipped), preview=preview)
        except SQLAlchemyError as err:
            raise WriteError(
                f"{database.name}: nothing was written: {connect.reason(err, database)}"
            ) from err
        progress = _run(connection, database, statements)
    if progress.error and not progress.written:
        raise WriteError(f"{database.name}: nothing was written: {progress.error}")
    return WriteReport(tuple(progress.written), tuple(skipped), preview, progress.error)


def _prepare(connection: Connection, database: Database) -> None:
    if database.dialect == "postgresql":
        _execute(connection, f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'")
        _execute(connection, "SET LOCAL standard_conforming_strings = on")
    if database.dialect in ("mysql", "mariadb"):
        # no mode: a backslash escapes, and an old table with a zero date as default can still be altered
        _execute(connection, "SET SESSION sql_mode = ''")
        _execute(connection, f"SET SESSION lock_wait_timeout = {_LOCK_TIMEOUT_S}")


def _execute(connection: Connection, sql: str) -> None:
    # NOTE: no_parameters hands the text to the driver untouched; without it % and :name get a meaning
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _plan(
    catalog: Catalog, changes: Sequence[Change], dialect: str
) -> tuple[list[_Item], list[tuple[ColumnRef, str]]]:
    items: list[_Item] = []
    skipped: list[tuple[ColumnRef, str]] = []
    seen: set[ColumnRef] = set()
    for change in changes:
        item = _item(catalog, change, dialect) if change.ref not in seen else "named twice"
        seen.add(change.ref)
        if isinstance(item, str):
            skipped.append((change.ref, item))
        else:
            items.append(item)
    return items, skipped


def _item(catalog: Catalog, change: Change, dialect: str) -> _Item | str:
    """Return what to write for a change, or why not."""
    table = catalog.table(change.ref.table)
    current = catalog.description(change.ref)
    if table is None:
        return "the table is gone"
    if current is None:
        return "the column is gone"
    rules = DIALECTS[dialect]
    limit = rules.column_limit if change.ref.column else rules.table_limit
    text, note = fit(clean(change.after), limit)
    if not text.strip():
        return "the new text is empty; nothing is blanked"
    if current == text:
        return "already says this"
    if current.strip() != clean(change.before).strip():
        return "text changed meanwhile"
    place = Place(table.schema, table.name, table.kind, change.ref.column)
    return refusal(dialect, place) or _Item(change.ref, place, text, note)


def _groups(items: Iterable[_Item]) -> list[list[_Item]]:
    groups: dict[str, list[_Item]] = defaultdict(list)
    for item in items:
        groups[item.ref.table].append(item)
    return list(groups.values())


def _refused(connection: Connection, database: Database, groups: list[list[_Item]]) -> str:
    """Return which table the role may not comment on, "" where all is well or the dialect does not say."""
    if database.dialect != "postgresql" or not groups:
        return ""
    wanted = sorted({(group[0].place.schema, group[0].place.table) for group in groups})
    owners = postgres.owners_refusing(connection, sorted({schema for schema, _ in wanted}))
    denied = [(place, *owners[place]) for place in wanted if place in owners]
    if not denied:
        return ""
    (schema, table), owner, role = denied[0]
    more = f" and {len(denied) - 1} more" if len(denied) > 1 else ""
    return (
        f"{database.name}: role {role!r} may not comment on {schema}.{table}{more}, owned by {owner!r}: "
        f"connect as the owner, or have {owner!r} granted to {role!r}; nothing was written"
    )


@dataclass(frozen=True, slots=True)
class _Statement:
    """One round trip: the comments of one table, or one comment where a table takes only one at a time."""

    items: tuple[_Item, ...]
    sql: tuple[str, ...]
    bare: str = ""  # MySQL and MariaDB: the table without comments, to compare afterwards


def _statements(
    connection: Connection,
    database: Database,
    groups: list[list[_Item]],
    skipped: list[tuple[ColumnRef, str]],
) -> Iterator[_Statement]:
    for group in groups:
        if database.dialect in ("mysql", "mariadb"):
            statement = _alter(connection, database, group, skipped)
            if statement:
                yield statement
        else:
            sql = tuple(comment_sql(database.dialect, item.place, item.text) for item in group)
            yield _Statement(tuple(group), sql)


def _alter(
    connection: Connection, database: Database, group: list[_Item], skipped: list[tuple[ColumnRef, str]]
) -> _Statement | None:
    place = group[0].place
    ddl = table_ddl.parse(_show_create(connection, database, place))
    columns: list[NewText] = []
    table_text = ""
    kept: list[_Item] = []
    for item in group:
        column = ddl.columns.get(item.place.column)
        if item.place.column and column is None:
            skipped.append((item.ref, "not found in SHOW CREATE TABLE"))
            continue
        if column is None:
            table_text = item.text
        else:
            columns.append(NewText(column.before, item.text, column.after))
        kept.append(item)
    if not kept:
        return None
    return _Statement(tuple(kept), (alter_table(database.dialect, place, columns, table_text),), ddl.bare)


def _show_create(connection: Connection, database: Database, place: Place) -> str:
    name = DIALECTS[database.dialect].name(place.schema, place.table)
    result = connection.exec_driver_sql(
        f"SHOW CREATE TABLE {name}", execution_options={"no_parameters": True}
    )
    return str(result.one()[1])


def _preview(statements: list[_Statement], refused: str) -> str:
    lines = [f"-- {refused.removesuffix('; nothing was written')}"] if refused else []
    for statement in statements:
        lines += [
            f"-- {' '.join(str(item.ref).split())}: {item.note}" for item in statement.items if item.note
        ]
        lines += [f"{sql};" for sql in statement.sql]
    return "".join(f"{line}\n" for line in lines)


def _run(connection: Connection, database: Database, statements: list[_Statement]) -> _Progress:
    """Return what was committed; stops at the first failure, and what is in one transaction goes together."""
    progress = _Progress()
    portions = _portions(statements, DIALECTS[database.dialect].transaction)
    for number, portion in enumerate(portions):
        current: _Statement | None = None
        try:
            if number:
                _prepare(connection, database)
            for current in portion:
                _send(connection, database, current)
            connection.commit()
        except KeyboardInterrupt:
            progress.error = "interrupted"
        except SQLAlchemyError as err:
            progress.error = _explain(err, database, current)
        if progress.error:
            with suppress(SQLAlchemyError):
                connection.rollback()
            break
        progress.written += [item.ref for statement in portion for item in statement.items]
        progress.error = _damage(connection, database, portion)
        if progress.error:
            break
    return progress


def _portions(statements: list[_Statement], transaction: bool) -> Iterator[list[_Statement]]:
    """Yield what is committed together: all where it can be rolled back, else each statement alone."""
    if transaction:
        for start in range(0, len(statements), _TABLES_PER_TRANSACTION):
            yield statements[start : start + _TABLES_PER_TRANSACTION]
        return
    for statement in statements:
        if statement.bare:
            yield [statement]
        else:
            for item, sql in zip(statement.items, statement.sql, strict=True):
                yield [_Statement((item,), (sql,))]


def _send(connection: Connection, database: Database, statement: _Statement) -> None:
    if database.url.get_driver_name() in ("psycopg", "psycopg2"):
        _execute(connection, ";\n".join(statement.sql))  # one round trip a table
        return
    for sql in statement.sql:
        _execute(connection, sql)


def _explain(err: SQLAlchemyError, database: Database, statement: _Statement | None) -> str:
    where = f"{statement.items[0].ref.table}: " if statement else ""
    if isinstance(err, DBAPIError) and getattr(err.orig, "sqlstate", "") == _LOCK_TIMEOUT_STATE:
        return f"{where}locked by another session for over {_LOCK_TIMEOUT_S} s; try again when it is free"
    return where + connect.reason(err, database)


def _damage(connection: Connection, database: Database, portion: list[_Statement]) -> str:
    """Return how a table of MySQL or MariaDB differs from before in more than comments, "" if it does not."""
    for statement in portion:
        if not statement.bare:
            continue
        try:
            now = table_ddl.parse(_show_create(connection, database, statement.items[0].place)).bare
        except KeyboardInterrupt:
            return "interrupted"
        except SQLAlchemyError as err:
            return f"{statement.items[0].ref.table} cannot be read back: {connect.reason(err, database)}"
        if now != statement.bare:
            changed = [line for line in statement.bare.split("\n") if line not in now.split("\n")]
            return (
                f"{statement.items[0].ref.table} differs after the change in more than comments "
                f"(before: {'; '.join(changed) or 'the order of its parts'}): stopped; look at it with SHOW CREATE TABLE"
            )
    return ""
