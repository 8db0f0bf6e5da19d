"""From what the user typed to a connection, with one clear line for whatever goes wrong and no password in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import sqlalchemy
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

from docgen_plugin.database import with_driver
from docgen_plugin.errors import SourceError

__all__ = ["Database", "database", "reading", "reason", "writing"]

# seconds to wait for a server that does not answer, unless the URL says otherwise
_CONNECT_TIMEOUT_S = 10

_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306, "mssql": 1433, "oracle": 1521, "redshift": 5439}

_FILES = ("duckdb", "sqlite")

# what to install for a dialect: our own extra, or the package that documents itself as its dialect
_INSTALL = {
    "postgresql": "docgen-plugin[postgres]",
    "mysql": "docgen-plugin[mysql]",
    "mariadb": "docgen-plugin[mysql]",
    "duckdb": "docgen-plugin[duckdb]",
    "mssql": "pyodbc",
    "oracle": "oracledb",
    "snowflake": "snowflake-sqlalchemy",
    "bigquery": "sqlalchemy-bigquery",
    "databricks": "databricks-sqlalchemy",
    "trino": "trino[sqlalchemy]",
    "redshift": "sqlalchemy-redshift",
    "clickhouse": "clickhouse-sqlalchemy",
}

_SECRET = re.compile(r"pass|secret|token|key|pwd|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Database:
    """A database that the user named: the URL to open and the name that may be shown."""

    url: URL
    name: str  # for the ledger and for messages: no user, no password, no query

    @property
    def dialect(self) -> str:
        """The dialect's name without its driver."""
        return self.url.get_backend_name()

    @property
    def file(self) -> Path | None:
        """The file of a file database, None for a server or a database in memory."""
        path = self.url.database or ""
        if self.dialect not in _FILES or path in ("", ":memory:") or path.startswith(("file:", "md:")):
            return None
        return Path(path)


def database(source: str) -> Database:
    """Return the database that a URL names; nothing is opened.

    Raises:
        SourceError: when the URL cannot be read.
    """
    try:
        url = with_driver(make_url(source.strip()))
    except (ArgumentError, ValueError) as err:
        scheme = source.strip().partition("://")[0]
        raise SourceError(
            f"{scheme}://... cannot be read as a database URL: expected "
            f"{scheme}://user:password@host:port/database, with special characters of the password escaped"
        ) from err
    return Database(url, _name(url))


def _name(url: URL) -> str:
    dialect = url.get_backend_name()
    if dialect in _FILES:
        path = url.database or ":memory:"
        local = path != ":memory:" and not path.startswith(("file:", "md:"))
        return f"{dialect}:///{Path(path).resolve()}" if local else f"{dialect}://{path}"
    host = url.host or str(url.query.get("host", "localhost"))
    if ":" in host:
        host = f"[{host}]"
    port = url.port or _PORTS.get(dialect)
    # some dialects name the database in the query: without it two catalogs would share one ledger entry
    parts = [
        url.database or "",
        *(str(url.query.get(key, "")) for key in ("service_name", "catalog", "schema")),
    ]
    return f"{dialect}://{host}{f':{port}' if port else ''}/{'/'.join(part for part in parts if part)}"


def _engine(database: Database, **connect_args: Any) -> Engine:
    dialect = database.dialect
    try:
        driver = database.url.get_driver_name()
        if driver in ("psycopg", "psycopg2", "pymysql") and "connect_timeout" not in database.url.query:
            connect_args["connect_timeout"] = _CONNECT_TIMEOUT_S
        engine = sqlalchemy.create_engine(
            database.url, poolclass=sqlalchemy.NullPool, connect_args=connect_args, hide_parameters=True
        )
    except NoSuchModuleError as err:
        wanted = _INSTALL.get(dialect)
        hint = f"pip install '{wanted}'" if wanted else "is the name right, and its package installed?"
        raise SourceError(f"{database.name}: SQLAlchemy knows no dialect {dialect!r} here: {hint}") from err
    except ImportError as err:
        wanted = _INSTALL.get(dialect, err.name or dialect)
        raise SourceError(
            f"{database.name}: the driver {err.name or dialect!r} is not installed: pip install '{wanted}'"
        ) from err
    except (SQLAlchemyError, TypeError, ValueError) as err:
        raise SourceError(f"{database.name}: {reason(err, database)}") from err
    if engine.dialect.is_async:
        raise SourceError(
            f"{database.name}: the driver {driver!r} is asynchronous: name another, or none for the default"
        )
    return engine


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """Yield a connection that only reads; closed on the way out.

    Raises:
        SourceError: when the database cannot be opened, or reading from it fails.
    """
    _check_file(database)
    # a DuckDB file may be on a read-only disk, or open for reading elsewhere
    attempts: list[dict[str, Any]] = (
        [{"read_only": True}, {}] if database.file and _is_duckdb(database) else [{}]
    )
    for number, arguments in enumerate(attempts, 1):
        engine = _engine(database, **arguments)
        try:
            connection = _open(engine, database)
        except SourceError:
            engine.dispose()
            if number == len(attempts):
                raise
            continue
        try:
            with connection:
                yield connection
        except SQLAlchemyError as err:
            raise SourceError(f"{database.name}: cannot be read: {reason(err, database)}") from err
        finally:
            engine.dispose()
        return


@contextmanager
def writing(database: Database) -> Iterator[Connection]:
    """Yield a connection that may write; what is not committed is undone on the way out.

    Raises:
        SourceError: when the database cannot be opened.
    """
    _check_file(database)
    engine = _engine(database)
    try:
        with _open(engine, database) as connection:
            yield connection
    finally:
        engine.dispose()


def _is_duckdb(database: Database) -> bool:
    return database.dialect == "duckdb"


def _check_file(database: Database) -> None:
    # both file databases would create an empty file for a mistyped name
    if database.file and not database.file.is_file():
        raise SourceError(
            f"{database.name}: no such file; give the path of an existing {database.dialect} database"
        )


def _open(engine: Engine, database: Database) -> Connection:
    try:
        return engine.connect()
    except Exception as err:  # a driver may fail with errors of its own
        raise SourceError(f"cannot connect to {database.name}: {reason(err, database)}") from err


def reason(err: BaseException, database: Database) -> str:
    """Return why a database call failed, in one line, with every secret of the URL struck out."""
    cause = err.orig if isinstance(err, DBAPIError) and err.orig is not None else err
    arguments = cause.args
    text = str(arguments[1]) if len(arguments) == 2 and isinstance(arguments[0], int) else str(cause)
    text = " ".join(text.split()) or type(cause).__name__
    for secret in _secrets(database.url):
        text = text.replace(secret, "***")
    return text


def _secrets(url: URL) -> list[str]:
    found = [str(url.password)] if url.password else []
    found += [str(value) for key, value in url.query.items() if _SECRET.search(key)]
    spellings = {
        form for secret in found if secret for form in (secret, quote(secret, safe=""), quote_plus(secret))
    }
    return sorted(spellings, key=len, reverse=True)
