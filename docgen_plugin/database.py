"""The database under the ledger: opens it, brings its schema up to date, and turns its errors into ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import event
from sqlalchemy.dialects.sqlite.base import SQLiteCompiler
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.sql import FromClause

from docgen_plugin.errors import LedgerError
from docgen_plugin.migrations import MIGRATIONS, versions

__all__ = ["Database", "Deadlock", "with_driver"]

_BUSY_TIMEOUT_S = 10

# a URL without a driver takes the one that our extras install
_DRIVERS = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
    "oracle": "oracle+oracledb",
}

_IGNORED = "*\n"  # the folder's own .gitignore: a ledger in SQLite is one person's working file


_DEADLOCKS = ("40P01", "40001", 1213)  # PostgreSQL's, the standard's, MariaDB's


class Deadlock(LedgerError):
    """Two transactions waited for each other, and the database took this one back: it can be tried again."""


class _Compiler(SQLiteCompiler):
    """Writes hints, which SQLAlchemy leaves out for SQLite."""

    def get_from_hint_text(self, table: FromClause, text: str | None) -> str | None:
        """Return what stands behind a table's name: INDEXED BY, https://www.sqlite.org/lang_indexedby.html."""
        return text


class Database:
    """One open ledger database; its two context managers are transactions."""

    def __init__(self, location: str | Path, create: bool) -> None:
        """Open a SQLAlchemy URL or a SQLite file; without `create`, a missing file becomes an empty memory.

        Raises:
            LedgerError: when it cannot be opened or holds another version's ledger.
        """
        parsed = _parse(location)
        self.name = parsed.render_as_string(hide_password=True)
        self.missing = False
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            self.name = str(parsed.database)
            path = Path(str(parsed.database))
            if not self.name.startswith("file:") and not path.exists():
                if create:
                    self._make_folder(path.parent)
                else:
                    self.missing = True
                    parsed = sqlalchemy.make_url("sqlite://")
        self._engine = self._connectable(parsed)
        try:
            self._migrate()
        except BaseException:
            self._engine.dispose()
            raise

    def _make_folder(self, folder: Path) -> None:
        try:
            if folder.is_dir():
                return
            folder.mkdir(parents=True)
            if folder.name == ".docgen":
                (folder / ".gitignore").write_text(_IGNORED, encoding="utf-8")
        except OSError as err:
            raise LedgerError(
                f"{folder}: cannot be made for the ledger ({err.strerror}); name another place with --ledger"
            ) from err

    def _connectable(self, url: URL) -> Engine:
        try:
            # NOTE: one thread at a time; a memory database lives as long as its only connection
            # a server closes what was idle overnight, which is asked before every use; a file does not
            engine = sqlalchemy.create_engine(url, pool_pre_ping=url.get_backend_name() != "sqlite")
        except (SQLAlchemyError, ImportError) as err:
            raise LedgerError(
                f"ledger {self.name}: no driver for it is installed ({_line(err)}); install it, or leave "
                "--ledger out for a SQLite file"
            ) from err
        if engine.dialect.name == "sqlite":
            engine.dialect.statement_compiler = _Compiler
            event.listen(engine, "connect", _on_connect)
            event.listen(engine, "begin", _on_begin)
        return engine

    def close(self) -> None:
        """Close every connection; may be called twice."""
        self._engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Give a connection for reading.

        Raises:
            LedgerError: when the database refuses.
        """
        with self._ours(), self._engine.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Give a connection in a transaction that is kept when the block ends well.

        Raises:
            LedgerError: when the database refuses.
        """
        with self._ours(), self._engine.connect() as connection:
            writer = connection.execution_options(docgen_write=True)
            with writer.begin():
                yield writer

    @contextmanager
    def _ours(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except UnicodeError as err:
            raise LedgerError(f"{self.name}: a name or text is not valid Unicode ({err})") from err
        except SQLAlchemyError as err:
            cause = getattr(err, "orig", None)
            codes = (getattr(cause, "sqlstate", None), *getattr(cause, "args", ())[:1])
            kind = Deadlock if any(code in _DEADLOCKS for code in codes) else LedgerError
            raise kind(self._explain(err)) from err

    def _explain(self, err: SQLAlchemyError) -> str:
        cause = _line(getattr(err, "orig", None) or err)
        lowered = cause.lower()
        if "database is locked" in lowered:
            return f"{self.name}: the ledger is locked by another process; try again when it is done"
        if "not a database" in lowered or "malformed" in lowered:
            return (
                f"{self.name}: is damaged or no ledger ({cause}); move it away or name another with --ledger"
            )
        if "readonly" in lowered or "read-only" in lowered:
            return f"{self.name}: the ledger is read-only; change its rights or name another with --ledger"
        return f"{self.name}: the ledger cannot be used: {cause}"

    def _migrate(self) -> None:
        found = self._version()
        if found > len(MIGRATIONS):
            raise LedgerError(
                f"{self.name}: the ledger is of version {found}, this docgen knows {len(MIGRATIONS)}; "
                "upgrade docgen-plugin"
            )
        if found == len(MIGRATIONS):
            return
        if self._engine.dialect.name == "sqlite":
            self._use_wal()
        try:
            with self.writing() as connection:
                _upgrade(connection)
        except (LedgerError, IntegrityError):
            # another process may have been upgrading the same ledger and won
            if self._version() != len(MIGRATIONS):
                raise

    def _version(self) -> int:
        with self.reading() as connection:
            return _found_version(connection)

    def _use_wal(self) -> None:
        with self._ours(), self._engine.connect() as connection:
            # readers and a writer then do not wait for each other; a file system without it keeps its mode
            connection.connection.cursor().execute("PRAGMA journal_mode=WAL")


def _upgrade(connection: Connection) -> None:
    versions.create(connection, checkfirst=True)
    for number in range(_found_version(connection), len(MIGRATIONS)):
        MIGRATIONS[number](connection)
        connection.execute(versions.insert().values(version=number + 1, applied_at=datetime.now(UTC)))


def _found_version(connection: Connection) -> int:
    if not sqlalchemy.inspect(connection).has_table(versions.name):
        return 0
    return int(connection.execute(sqlalchemy.select(sqlalchemy.func.max(versions.c.version))).scalar() or 0)


def _parse(location: str | Path) -> URL:
    if isinstance(location, Path) or "://" not in location:
        # NOTE: never through a text: a folder's name may hold "?" or "#"
        return URL.create("sqlite", database=str(Path(location).expanduser()))
    try:
        return with_driver(sqlalchemy.make_url(location.strip()))
    except (SQLAlchemyError, ValueError) as err:
        raise LedgerError(
            "the ledger's address is not a URL that SQLAlchemy reads; give a file for SQLite, or something like "
            "postgresql+psycopg://user@host/name"
        ) from err


def with_driver(url: URL) -> URL:
    """Return a database's URL with its dialect in lower case and, where it names no driver, ours.

    >>> with_driver(sqlalchemy.make_url("MySQL://host/shop")).drivername
    'mysql+pymysql'
    """
    name = url.drivername.lower()
    return url.set(drivername=_DRIVERS.get(name, name))


def _line(err: object) -> str:
    return next((line.strip() for line in str(err).splitlines() if line.strip()), type(err).__name__)


def _on_connect(connection: Any, record: object) -> None:
    # NOTE: the driver's own transactions begin too late for BEGIN IMMEDIATE, so it must begin none:
    # https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#serializable-isolation-savepoints-transactional-ddl
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_S * 1000}")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # a writer takes its lock at once: read-then-write transactions would fail instead of waiting
    writes = connection.get_execution_options().get("docgen_write")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
