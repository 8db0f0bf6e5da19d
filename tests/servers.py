"""PostgreSQL and MariaDB of the test session's own: started when a test asks, on free loopback ports.

A test takes the fixture `postgres_url` or `mariadb_url` and gets the SQLAlchemy URL of a fresh, empty
database, dropped after the test. Where the server's binaries are missing the test is skipped with the
reason; with the environment variable CI set it fails instead.
"""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

import pytest

__all__ = [
    "PASSWORD",
    "Server",
    "caseless_mariadb_server",
    "execute",
    "mariadb_server",
    "mariadb_url",
    "postgres_server",
    "postgres_url",
]

PASSWORD = "s3cret/p@ss"  # has characters that a URL must escape; no message may ever show it
_URL_PASSWORD = "s3cret%2Fp%40ss"
_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 20.0


@dataclass
class Server:
    """One running database server; `execute` runs statements as its superuser, each on its own."""

    name: str
    version: str
    port: int
    folder: Path
    process: subprocess.Popen[bytes]
    execute: Callable[..., list[tuple[Any, ...]]]
    counter: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def url(self, database: str, user: str = "docgen") -> str:
        """Return the SQLAlchemy URL of a database on this server, with the password that all roles share."""
        driver = "postgresql+psycopg" if self.name == "postgres" else "mariadb+pymysql"
        return f"{driver}://{user}:{_URL_PASSWORD}@127.0.0.1:{self.port}/{database}"


def execute(url: str, *statements: str) -> None:
    """Run statements in one transaction, their text untouched, on any database URL."""
    import sqlalchemy

    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})
    engine.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server; role `docgen` owns what it creates and is no superuser, `postgres` is one."""
    bins = [path.parent for path in sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)]
    initdb = _find("initdb", bins, "PostgreSQL", "apt-get install postgresql")
    with _Folder("postgres") as (folder, account):
        password_file = folder / "password"
        password_file.write_text(PASSWORD + "\n", encoding="utf-8")
        _give(password_file, account)
        _run(
            [
                *(str(initdb), "-D", "data", "-U", "postgres", "-E", "UTF8", "--locale=C", "-N"),
                *("-A", "scram-sha-256", f"--pwfile={password_file}"),
            ],
            folder,
            account,
        )
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(folder),
            "fsync": "off",
            "full_page_writes": "off",
            "synchronous_commit": "off",
            "autovacuum": "off",
            "shared_buffers": "32MB",
        }
        options = [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]
        server = _start(
            "postgres",
            lambda port: [str(initdb.with_name("postgres")), "-D", "data", "-p", str(port), *options],
            folder,
            account,
            _postgres_execute,
        )
        try:
            server.execute(f"CREATE ROLE docgen LOGIN CREATEDB CREATEROLE PASSWORD '{PASSWORD}'")
            yield server
        finally:
            _stop(server.process, signal.SIGQUIT)


@pytest.fixture
def postgres_url(postgres_server: Server) -> Iterator[str]:
    """The URL of a fresh, empty PostgreSQL database, owned by the role `docgen`."""
    name = f"test{next(postgres_server.counter)}"
    postgres_server.execute(f"CREATE DATABASE {name} OWNER docgen TEMPLATE template0")
    yield postgres_server.url(name)
    postgres_server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[Server]:
    """A MariaDB server; user `docgen` may do anything in databases named `test%`, `root` anything."""
    with _mariadb() as server:
        yield server


@pytest.fixture
def caseless_mariadb_server() -> Iterator[Server]:
    """Another one, where names of databases and tables have no case, as on Windows and managed servers."""
    with _mariadb("--lower-case-table-names=1") as server:
        yield server


@contextmanager
def _mariadb(*more: str) -> Iterator[Server]:
    bins = [Path("/usr/sbin"), Path("/usr/libexec"), Path("/usr/local/sbin")]
    daemon = _find("mariadbd", bins, "MariaDB", "apt-get install mariadb-server")
    install = _find("mariadb-install-db", [Path("/usr/bin")], "MariaDB", "apt-get install mariadb-server")
    with _Folder("mysql") as (folder, account):
        _run(
            [
                *(str(install), "--no-defaults", f"--datadir={folder}/data", "--skip-test-db"),
                *("--skip-name-resolve", "--auth-root-authentication-method=normal"),
                # not /tmp: a server that starts clears the temporary files of all others there
                *("--innodb-log-file-size=8M", "--innodb-buffer-pool-size=32M", f"--tmpdir={folder}"),
            ],
            folder,
            account,
        )
        server = _start(
            "mariadb",
            lambda port: [
                *(str(daemon), "--no-defaults", f"--datadir={folder}/data", f"--socket={folder}/socket"),
                *(f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve", "--skip-log-bin"),
                *(
                    "--innodb-flush-log-at-trx-commit=0",
                    "--innodb-doublewrite=0",
                    "--innodb-flush-method=nosync",
                ),
                *("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=8M", f"--pid-file={folder}/pid"),
                *("--performance-schema=off", f"--tmpdir={folder}"),
                *more,
            ],
            folder,
            account,
            _mariadb_execute,
        )
        try:
            server.execute(
                f"CREATE USER docgen@'127.0.0.1' IDENTIFIED BY '{PASSWORD}'",
                "GRANT ALL PRIVILEGES ON `test%`.* TO docgen@'127.0.0.1'",
            )
            yield server
        finally:
            _stop(server.process, signal.SIGTERM)


@pytest.fixture
def mariadb_url(mariadb_server: Server) -> Iterator[str]:
    """The URL of a fresh, empty MariaDB database."""
    name = f"test{next(mariadb_server.counter)}"
    mariadb_server.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
    yield mariadb_server.url(name)
    mariadb_server.execute(f"DROP DATABASE IF EXISTS {name}")


def _postgres_execute(port: int, *statements: str) -> list[tuple[Any, ...]]:
    import psycopg

    rows: list[tuple[Any, ...]] = []
    with psycopg.connect(
        host="127.0.0.1", port=port, user="postgres", password=PASSWORD, dbname="postgres", autocommit=True
    ) as connection:
        for statement in statements:
            cursor = connection.execute(statement.encode())
            rows = cursor.fetchall() if cursor.description else []
    return rows


def _mariadb_execute(port: int, *statements: str) -> list[tuple[Any, ...]]:
    import pymysql

    rows: list[tuple[Any, ...]] = []
    connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
    try:
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
                rows = list(cursor.fetchall())
    finally:
        connection.close()
    return rows


class _Folder:
    """A temporary folder for a server, with the account to run it as: another one where we are root."""

    def __init__(self, preferred: str) -> None:
        self.account = _account(preferred)

    def __enter__(self) -> tuple[Path, pwd.struct_passwd | None]:
        # NOTE: not pytest's tmp_path: its parents are closed to other users, and a socket's path is short
        self.path = Path(tempfile.mkdtemp(prefix="docgen-", dir="/tmp"))
        if self.account:
            _give(self.path, self.account)
        return self.path, self.account

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def _account(preferred: str) -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    for name in (preferred, "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    _missing(f"{preferred} cannot run as root and there is no user {preferred!r} or 'nobody'")


def _give(path: Path, account: pwd.struct_passwd | None) -> None:
    if account:
        os.chown(path, account.pw_uid, account.pw_gid)


def _find(name: str, folders: list[Path], product: str, install: str) -> Path:
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), *map(str, folders)]))
    if found is None:
        _missing(f"{product} is not installed ({name} not found): {install}")
    return Path(found).resolve()


def _missing(reason: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


def _as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _run(command: list[str], folder: Path, account: pwd.struct_passwd | None) -> None:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, **_as(account))
    if result.returncode:
        pytest.fail(f"{' '.join(command)}: exit {result.returncode}\n{result.stdout}\n{result.stderr}")


def _start(
    name: str,
    command: Callable[[int], list[str]],
    folder: Path,
    account: pwd.struct_passwd | None,
    execute: Callable[..., list[tuple[Any, ...]]],
) -> Server:
    """Return the server once it answers; a port that someone else took meanwhile is tried anew."""
    log = folder / "log"
    for _ in range(3):
        port = _free_port()
        with log.open("ab") as output:
            process = subprocess.Popen(
                command(port),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C stops the tests first, then they stop the server
                **_as(account),
            )
        version = _wait(process, port, execute)
        if version:
            return Server(name, version, port, folder, process, lambda *sql, port=port: execute(port, *sql))
        _stop(process, signal.SIGKILL)
    pytest.fail(f"{name} did not start:\n{log.read_text(errors='replace')[-3000:]}")


def _wait(process: subprocess.Popen[bytes], port: int, execute: Callable[..., list[tuple[Any, ...]]]) -> str:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            return str(execute(port, "SELECT version()")[0][0])
        except Exception:  # noqa: BLE001 - each driver has its own word for "not yet"
            time.sleep(0.05)
    return ""


def _stop(process: subprocess.Popen[bytes], how: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(_STOP_TIMEOUT_S)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
