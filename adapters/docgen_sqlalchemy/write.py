"""Accepted texts into the database: planned, shown or written, and reported."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from docgen_plugin.config import Config
from docgen_plugin.errors import WriteError
from docgen_plugin.model import Change, ColumnRef, WriteReport
from docgen_sqlalchemy import alter, connect, postgres, reflect
from docgen_sqlalchemy.comments import comment_sql
from docgen_sqlalchemy.connect import Database
from docgen_sqlalchemy.dialects import DIALECTS
from docgen_sqlalchemy.plan import Item, Skipped, Statement, plan

__all__ = ["write"]

# a table that someone else holds is an error after this long, never an endless wait
_LOCK_TIMEOUT_S = 5

# PostgreSQL keeps a lock for every table commented on until the end of the transaction; by default the
# server has room for 6,400 (max_locks_per_transaction 64 x max_connections 100)
_TABLES_PER_TRANSACTION = 2000

_LOCK_TIMEOUT_STATE = "55P03"  # PostgreSQL's lock_not_available

_MYSQL = ("mysql", "mariadb")


@dataclass(slots=True)
class _Progress:
    """What became of the plan so far."""

    written: list[ColumnRef] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
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
            groups, skipped = plan(catalog, changes, database.dialect)
            refused = _refused(connection, database, groups)
            if refused and not dry_run:
                raise WriteError(f"{refused}; nothing was written")
            statements = _statements(connection, database, groups, skipped)
            preview = _preview(statements, refused)
            if dry_run or not statements:
                would = [] if refused else [item.ref for statement in statements for item in statement.items]
                return _report(would, changes, statements, skipped, preview)
        except SQLAlchemyError as err:
            raise WriteError(
                f"{database.name}: nothing was written: {connect.reason(err, database)}"
            ) from err
        progress = _run(connection, database, statements)
    if progress.error and not progress.written:
        raise WriteError(f"{database.name}: nothing was written: {progress.error}")
    skipped += progress.skipped
    return _report(progress.written, changes, statements, skipped, preview, progress.error)


def _report(
    written: Sequence[ColumnRef],
    changes: Sequence[Change],
    statements: Sequence[Statement],
    skipped: Sequence[Skipped],
    preview: str,
    error: str = "",
) -> WriteReport:
    asked = {change.ref: change.after for change in changes}
    sent = {item.ref: item.text for statement in statements for item in statement.items}
    return WriteReport(
        written=tuple(written),
        skipped=tuple(skipped),
        # the ledger takes white space for no difference: only what was cut or struck out is news
        altered=tuple((ref, sent[ref]) for ref in written if sent[ref].split() != asked[ref].split()),
        preview=preview,
        error=error,
    )


def _prepare(connection: Connection, database: Database) -> None:
    if database.dialect == "postgresql":
        _execute(connection, f"SET LOCAL lock_timeout = '{_LOCK_TIMEOUT_S}s'")
        _execute(connection, "SET LOCAL standard_conforming_strings = on")
    if database.dialect in _MYSQL:
        # no mode: a backslash escapes, and an old table with a zero date as default can still be altered
        _execute(connection, "SET SESSION sql_mode = ''")
        _execute(connection, f"SET SESSION lock_wait_timeout = {_LOCK_TIMEOUT_S}")
    if getattr(connection.dialect, "is_mariadb", False):
        # a comment does not touch the history of a versioned table; the server asks all the same
        _execute(connection, "/*M!100304 SET SESSION system_versioning_alter_history = KEEP */")


def _execute(connection: Connection, sql: str) -> None:
    # NOTE: no_parameters hands the text to the driver untouched; without it % and :name get a meaning
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _refused(connection: Connection, database: Database, groups: Iterable[tuple[Item, ...]]) -> str:
    """Return which table the role may not comment on, "" where all is well or the dialect does not say."""
    wanted = sorted({(group[0].place.schema, group[0].place.table) for group in groups})
    if database.dialect != "postgresql" or not wanted:
        return ""
    owners = postgres.owners_refusing(connection, sorted({schema for schema, _ in wanted}))
    denied = [(place, *owners[place]) for place in wanted if place in owners]
    if not denied:
        return ""
    (schema, table), owner, role = denied[0]
    more = f" and {len(denied) - 1} more" if len(denied) > 1 else ""
    return (
        f"{database.name}: role {role!r} may not comment on {schema}.{table}{more}, owned by {owner!r}: "
        f"connect as the owner, or have {owner!r} granted to {role!r}"
    )


def _statements(
    connection: Connection, database: Database, groups: Iterable[tuple[Item, ...]], skipped: list[Skipped]
) -> list[Statement]:
    found: list[Statement] = []
    for group in groups:
        if database.dialect in _MYSQL:
            found += alter.statements(connection, database.dialect, group, skipped)
        else:
            sql = tuple(comment_sql(database.dialect, item.place, item.text) for item in group)
            found.append(Statement(group, sql))
    return found


def _preview(statements: Iterable[Statement], refused: str) -> str:
    lines = [f"-- {refused}"] if refused else []
    for statement in statements:
        lines += [
            f"-- {' '.join(str(item.ref).split())}: {item.note}" for item in statement.items if item.note
        ]
        lines += [f"{sql};" for sql in statement.sql]
    return "".join(f"{line}\n" for line in lines)


def _run(connection: Connection, database: Database, statements: list[Statement]) -> _Progress:
    """Return what was committed; stops at the first failure, and what is in one transaction goes together."""
    progress = _Progress()
    for number, portion in enumerate(_portions(statements, DIALECTS[database.dialect].transaction)):
        current: Statement | None = None
        try:
            if number:
                _prepare(connection, database)
            for current in portion:
                _send(connection, database, current)
            connection.commit()
            progress.written += [item.ref for statement in portion for item in statement.items]
            for current in portion:
                if current.bare and not progress.error:
                    progress.error = alter.difference(connection, database.dialect, current)
        except KeyboardInterrupt:
            progress.error = "interrupted"
        except SQLAlchemyError as err:
            if current and _refused_in_place(err, database):
                progress.skipped += [(item.ref, alter.WOULD_COPY) for item in current.items]
                continue
            progress.error = _explain(err, database, current)
        if progress.error:
            with suppress(SQLAlchemyError):
                connection.rollback()
            break
    return progress


def _portions(statements: list[Statement], transaction: bool) -> Iterator[list[Statement]]:
    """Yield what is committed together: all where it can be rolled back, else each statement alone."""
    if transaction:
        for start in range(0, len(statements), _TABLES_PER_TRANSACTION):
            yield statements[start : start + _TABLES_PER_TRANSACTION]
        return
    for statement in statements:
        if len(statement.sql) == 1:
            yield [statement]
            continue
        for item, sql in zip(statement.items, statement.sql, strict=True):
            yield [Statement((item,), (sql,))]


def _send(connection: Connection, database: Database, statement: Statement) -> None:
    if database.url.get_driver_name() in ("psycopg", "psycopg2"):
        _execute(connection, ";\n".join(statement.sql))  # one round trip a table
        return
    for sql in statement.sql:
        _execute(connection, sql)


def _refused_in_place(err: SQLAlchemyError, database: Database) -> bool:
    if database.dialect not in _MYSQL or not isinstance(err, DBAPIError) or err.orig is None:
        return False
    return bool(err.orig.args) and err.orig.args[0] in alter.REFUSED_IN_PLACE


def _explain(err: SQLAlchemyError, database: Database, statement: Statement | None) -> str:
    where = f"{statement.items[0].ref.table}: " if statement else ""
    if isinstance(err, DBAPIError) and getattr(err.orig, "sqlstate", "") == _LOCK_TIMEOUT_STATE:
        return f"{where}locked by another session for over {_LOCK_TIMEOUT_S} s; try again when it is free"
    return where + connect.reason(err, database)
