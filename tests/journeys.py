"""The command line as people use it, for tests that make whole journeys, and what a ledger holds afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy
from click.testing import CliRunner

from docgen_plugin.cli import cli
from docgen_plugin.model import Catalog, ColumnRef, Suggestion
from docgen_plugin.store import Ledger
from tests.fakes import FakeGenerator, FakeModel, registered

__all__ = [
    "PROGRAM",
    "Journey",
    "Outcome",
    "by_origin",
    "clean_environment",
    "command",
    "in_process",
    "ledger_rows",
    "places",
    "prepared",
    "query",
    "started",
    "suggested_twice",
    "undocumented",
]

PROGRAM = str(Path(sys.executable).with_name("docgen"))
_LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one call of `docgen` did."""

    code: int
    stdout: str
    stderr: str

    def json(self) -> Any:
        """Return what it printed for machines."""
        return json.loads(self.stdout)


def clean_environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment without settings of whoever runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCGEN_", "DBT_"))}
    # one thread: more of them wait for each other on a machine that is busy with other tests
    return {**kept, "DOCGEN_THREADS": "1", **(more or {})}


def command(
    folder: Path, *arguments: str, code: int = 0, environment: Mapping[str, str] | None = None
) -> Outcome:
    """Run the installed `docgen` in a folder and return its outcome, its exit code checked."""
    done = subprocess.run(
        [PROGRAM, *arguments],
        cwd=folder,
        env=clean_environment(environment),
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    assert done.returncode == code, f"docgen {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
    return Outcome(done.returncode, done.stdout, done.stderr)


@contextmanager
def started(folder: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Give a running `docgen`; it is ended with the block."""
    process = subprocess.Popen(
        [PROGRAM, *arguments],
        cwd=folder,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # NOTE: a shell that started the tests in the background made them, and so their children, deaf to it
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ledger_rows(location: str | Path, source: str) -> dict[ColumnRef, Suggestion]:
    """Return a source's rows of the ledger by place."""
    with Ledger(location, create=False) as ledger:
        return {row.suggestion.ref: row.suggestion for row in ledger.rows(source)}


def suggested_twice(location: str, source: str) -> list[ColumnRef]:
    """Return the places for which the ledger's history has more than one suggestion."""
    with Ledger(location, create=False) as ledger:
        return [
            row.suggestion.ref
            for row in ledger.rows(source)
            if sum(one.new_state == "suggested" for one in ledger.history(source, row.suggestion.ref)) != 1
        ]


def places(catalog: Catalog) -> list[ColumnRef]:
    """Return every place of a catalog that can carry a description."""
    return [ref for table in catalog.tables for ref in table.refs()]


def undocumented(catalog: Catalog) -> set[ColumnRef]:
    """Return the places without a description."""
    return {ref for ref in places(catalog) if not catalog.description(ref)}


def query(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query, asked past docgen."""
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.connect() as connection:
        rows = [tuple(row) for row in connection.exec_driver_sql(sql)]
    engine.dispose()
    return rows


@dataclass(frozen=True, slots=True)
class Journey:
    """One source and its ledger, walked verb by verb through the command line."""

    folder: Path
    source: str
    options: tuple[str, ...] = ()
    run: Callable[..., Outcome] = command

    def __call__(self, verb: str, *arguments: str, code: int = 0) -> Outcome:
        return self.run(self.folder, verb, self.source, *self.options, *arguments, code=code)

    def json(self, verb: str, *arguments: str) -> Any:
        """Return what a verb prints for machines."""
        return self(verb, *arguments, "--json").json()


def in_process(folder: Path, *arguments: str, code: int = 0) -> Outcome:
    """Run the command here, which saves the start of a process; `folder` must be the working folder."""
    assert Path.cwd() == folder
    settings: dict[str, str | None] = {name: None for name in os.environ if name.startswith("DOCGEN_")}
    result = CliRunner(env=settings | {"DOCGEN_THREADS": "1"}).invoke(cli, arguments)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return Outcome(result.exit_code, result.stdout, result.stderr)


def prepared(monkeypatch: pytest.MonkeyPatch, journey: Journey, verbs: Iterable[str]) -> None:
    """Walk some verbs of a journey in this process, with a quick stand-in for the model."""
    monkeypatch.chdir(journey.folder)
    with registered(FakeModel(FakeGenerator())):
        for verb in verbs:
            in_process(journey.folder, verb, journey.source, *journey.options)


def by_origin(rows: Iterable[Suggestion]) -> dict[str, int]:
    """Return how many rows came from where, as the command reports it."""
    return dict(sorted(Counter(row.origin for row in rows).items()))
