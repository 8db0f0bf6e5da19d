"""Comments on their way to the server, each compared with what stands there right before it is sent."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError
from docgen_plugin.model import ColumnRef
from docgen_sqlalchemy import alter, connect, reflect
from docgen_sqlalchemy.comments import Place, comment_sql
from docgen_sqlalchemy.connect import Database
from docgen_sqlalchemy.dialects import DIALECTS
from docgen_sqlalchemy.plan import Item, Skipped, Statement, recheck

__all__ = ["Sent", "build", "prepare", "send"]

# a table that someone else holds is an error after this long, never an endless wait
_LOCK_TIMEOUT_S = 5

# PostgreSQL keeps a lock for every table commented on until the end of the transaction; by default the
# server has room for 6,400 (max_locks_per_transaction 64 x max_connections 100)
_TABLES_PER_TRANSACTION = 2000

_LOCK_TIMEOUT_STATE = "55P03"  # PostgreSQL's lock_not_available
_LOCK_TIMEOUT_NUMBER = 1205  # MySQL's and MariaDB's ER_LOCK_WAIT_TIMEOUT

_MYSQL = ("mysql", "mariadb")


@dataclass(slots=True)
class Sent:
    """What became of a plan so far."""

    statements: list[Statement] = field(default_factory=list)  # those that are done
    skipped: list[Skipped] = field(default_factory=list)
    failure: str = ""  # why the first table failed that did not keep the others from being written
    error: str = ""  # why it stopped before the end

    @property
    def written(self) -> list[ColumnRef]:
        """The places whose comments stand."""
        return [item.ref for statement in self.statements for item in statement.items]


def prepare(connection: Connection, database: Database) -> None:
    """Set up the transaction, or where there is none the session, for texts sent word for word."""
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


def build(
    connection: Connection, database: Database, groups: Iterable[tuple[Item, ...]], skipped: list[Skipped]
) -> list[Statement]:
    """Return the statements of these tables, one a table where they go together, else one a comment.

    Where there is no transaction, a table that cannot be looked at is added to `skipped` with the reason.
    """
    found: list[Statement] = []
    for group in groups:
        if database.dialect in _MYSQL:
            try:
                found += alter.statements(connection, database.dialect, group, skipped)
            except SQLAlchemyError as err:
                if connection.invalidated:
                    raise
                skipped += [(item.ref, _why(err, database)) for item in group]
            continue
        sql = tuple(comment_sql(database.dialect, item.place, item.text) for item in group)
        if DIALECTS[database.dialect].transaction:
            found.append(Statement(group, sql))
        else:
            found += [Statement((item,), (one,)) for item, one in zip(group, sql, strict=True)]
    return found


def send(
    connection: Connection, database: Database, config: Config, groups: Sequence[tuple[Item, ...]]
) -> Sent:
    """Return what was committed.

    In one transaction all goes together and the first failure stops it. Elsewhere a table that fails is
    skipped and the next one follows, until the connection breaks or a table changed in more than comments.
    """
    sent = Sent()
    if DIALECTS[database.dialect].transaction:
        for start in range(0, len(groups), _TABLES_PER_TRANSACTION):
            portion = groups[start : start + _TABLES_PER_TRANSACTION]
            _send_together(connection, database, config, portion, start > 0, sent)
            if sent.error:
                break
        return sent
    for group in groups:
        try:
            _send_table(connection, database, group, sent)
        except KeyboardInterrupt:
            sent.error = "interrupted"
        except SQLAlchemyError as err:
            sent.error = _explain(err, database, group)
        if sent.error:
            break
    return sent


def _send_together(
    connection: Connection,
    database: Database,
    config: Config,
    portion: Sequence[tuple[Item, ...]],
    later: bool,
    sent: Sent,
) -> None:
    """Write many tables in one transaction; a later one begins by reading what stands there now."""
    statements: list[Statement] = []
    skipped: list[Skipped] = []
    current: Statement | None = None
    try:
        if later:
            prepare(connection, database)
            catalog = reflect.read(connection, database, config, definitions=False)
            portion = [
                recheck(group, reflect.table_texts(catalog.table(group[0].ref.table)), skipped)
                for group in portion
            ]
        statements = build(connection, database, filter(None, portion), skipped)
        for current in statements:
            _send(connection, database, current)
        connection.commit()
    except KeyboardInterrupt:
        sent.error = "interrupted"
    except (SQLAlchemyError, SourceError) as err:
        sent.error = _explain(err, database, current.items if current else ())
    if sent.error:
        with suppress(SQLAlchemyError):
            connection.rollback()
        return
    sent.statements += statements
    sent.skipped += skipped


def _send_table(connection: Connection, database: Database, group: tuple[Item, ...], sent: Sent) -> None:
    """Write one table where nothing can be rolled back; what stands there is read under its lock."""
    skipped: list[Skipped] = []
    place = group[0].place
    try:
        try:
            _lock(connection, database, place)
            items = recheck(group, reflect.texts(connection, database, place), skipped)
            statements = build(connection, database, [items] if items else [], skipped)
        except SQLAlchemyError as err:
            _fail(connection, database, group, err, sent)
            return
        sent.skipped += skipped
        for statement in statements:
            try:
                _send(connection, database, statement)
                connection.commit()
            except SQLAlchemyError as err:
                _fail(connection, database, statement.items, err, sent)
            else:
                sent.statements.append(statement)
                if statement.bare:
                    sent.error = alter.difference(connection, database.dialect, statement)
            if sent.error:
                return
    finally:
        if database.dialect in _MYSQL:
            with suppress(SQLAlchemyError):
                _execute(connection, "UNLOCK TABLES")


def _lock(connection: Connection, database: Database, place: Place) -> None:
    """Keep a table of MySQL or MariaDB from being altered between our look at it and our ALTER."""
    if database.dialect not in _MYSQL:
        return
    name = DIALECTS[database.dialect].name(place.schema, place.table)
    try:
        _execute(connection, f"LOCK TABLES {name} WRITE")
    except DBAPIError as err:
        # without the right to lock, or where a cluster forbids it, the two still follow each other at once
        if connection.invalidated or _number(err) == _LOCK_TIMEOUT_NUMBER:
            raise


def _fail(
    connection: Connection, database: Database, items: tuple[Item, ...], err: SQLAlchemyError, sent: Sent
) -> None:
    """Note what could not be written; only a lost connection ends the run."""
    explained = _explain(err, database, items)
    if connection.invalidated:
        sent.error = explained
        return
    sent.failure = sent.failure or explained
    sent.skipped += [(item.ref, _why(err, database)) for item in items]
    with suppress(SQLAlchemyError):
        connection.rollback()


def _send(connection: Connection, database: Database, statement: Statement) -> None:
    if database.url.get_driver_name() in ("psycopg", "psycopg2"):
        _execute(connection, ";\n".join(statement.sql))  # one round trip a table
        return
    for sql in statement.sql:
        _execute(connection, sql)


def _execute(connection: Connection, sql: str) -> None:
    # NOTE: no_parameters hands the text to the driver untouched; without it % and :name get a meaning
    connection.exec_driver_sql(sql, execution_options={"no_parameters": True})


def _explain(err: Exception, database: Database, items: Sequence[Item]) -> str:
    return (f"{items[0].ref.table}: " if items else "") + _why(err, database)


def _why(err: Exception, database: Database) -> str:
    state = getattr(err.orig, "sqlstate", "") if isinstance(err, DBAPIError) else ""
    number = _number(err) if database.dialect in _MYSQL else 0
    if state == _LOCK_TIMEOUT_STATE or number == _LOCK_TIMEOUT_NUMBER:
        return f"locked by another session for over {_LOCK_TIMEOUT_S} s; try again when it is free"
    if number in alter.REFUSED_IN_PLACE:
        return alter.WOULD_COPY
    return connect.reason(err, database)


def _number(err: Exception) -> int:
    """Return the server's number of an error, as the drivers of MySQL give it first; 0 where there is none."""
    arguments = err.orig.args if isinstance(err, DBAPIError) and err.orig is not None else ()
    return arguments[0] if arguments and isinstance(arguments[0], int) else 0
