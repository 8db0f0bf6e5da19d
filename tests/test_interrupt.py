"""Ctrl-C in the middle of a command: one line, nothing half done, and a second run that finishes."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy
from docgen_sqlalchemy.connect import database

from docgen_plugin.model import ColumnRef
from tests.dbt_projects import property_files
from tests.journeys import Journey, command, ledger_rows, prepared, query, started
from tests.servers import Server, execute
from tests.test_journey_databases import MARIADB_COMMENTS, POSTGRES_COMMENTS

TABLES = 80
COLUMNS = (
    "cust_id integer, ord_dt date, tot_amt numeric, ship_cd text, is_gift integer, note text, qty integer"
)
TWICE = """
SELECT place FROM docgen_event WHERE new_state = 'suggested' GROUP BY place HAVING count(*) > 1
"""
PATIENCE_S = 60
TRIES = 5


def interrupted(process: subprocess.Popen[str], when: Callable[[], object]) -> tuple[int, str]:
    """Send Ctrl-C as soon as something is the case; return the exit code and what was said afterwards."""
    deadline = time.monotonic() + PATIENCE_S
    while not when() and process.poll() is None:
        assert time.monotonic() < deadline, "never came to the point"
        time.sleep(0.001)
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE_S)
    return process.returncode, "\n".join(
        line for line in told.splitlines() if not line.startswith(("model:", "note:"))
    )


@pytest.fixture
def wide(tmp_path):
    """A source that keeps the embedded model busy for some seconds."""
    url = f"sqlite:///{tmp_path / 'wide.db'}"
    execute(url, *(f"CREATE TABLE order_{number:02} ({COLUMNS})" for number in range(TABLES)))
    return Journey(tmp_path, url)


@dataclass
class Kept:
    """How much of a source's ledger is filled, and how much was when it was last looked at."""

    ledger: Path
    total: int
    before: int = 0

    def grows(self) -> bool:
        return self.now() > self.before

    def now(self) -> int:
        """Return how many rows the ledger has; none while it is being made."""
        if not self.ledger.exists():
            return 0
        try:
            return len(
                query(f"sqlite:///file:{self.ledger}?mode=ro&uri=true", "SELECT place FROM docgen_suggestion")
            )
        except sqlalchemy.exc.OperationalError:
            return 0


def stop_suggesting(journey: Journey, kept: Kept, when: Callable[[], object]) -> None:
    """Run suggest, send Ctrl-C at a moment, and compare what it says with what the ledger holds."""
    kept.before = kept.now()
    with started(journey.folder, "suggest", journey.source) as process:
        code, told = interrupted(process, when)
    now = kept.now()
    assert (code, now < kept.total) == (130, True), told
    found = re.fullmatch(r"docgen: interrupted(?:; ([\d,]+) suggestions? kept, run it again to go on)?", told)
    assert found, told
    assert now - kept.before == int((found[1] or "0").replace(",", ""))


def finish_suggesting(journey: Journey, kept: Kept) -> None:
    """The run that is let finish does what is left, and nothing was suggested twice."""
    left = kept.total - kept.now()
    finished = journey.json("suggest")
    assert finished["suggested"] == finished["targets"] == left
    rows = ledger_rows(kept.ledger, database(journey.source).name)
    assert len(rows) == kept.total
    assert all(row.text and row.state == "suggested" for row in rows.values())
    assert query(f"sqlite:///{kept.ledger}", TWICE) == []
    assert "nothing to do" in journey("suggest").stdout


@pytest.mark.slow
def test_suggest_while_the_model_works(wide):
    kept = Kept(wide.folder / ".docgen" / "ledger.db", TABLES * 8)
    for _ in range(2):
        stop_suggesting(wide, kept, kept.grows)
    assert kept.now() > 0
    finish_suggesting(wide, kept)


@pytest.mark.slow
def test_suggest_while_the_model_is_loaded(wide):
    ledger = wide.folder / ".docgen" / "ledger.db"
    for pause_s in (0.0, 0.05, 0.1, 0.2):  # from the moment on which the ledger is there

        def when(pause_s: float = pause_s) -> bool:
            found: bool = ledger.exists()
            time.sleep(pause_s if found else 0)
            return found

        shutil.rmtree(ledger.parent, ignore_errors=True)
        stop_suggesting(wide, Kept(ledger, TABLES * 8), when)


FOLDERS = 120


@pytest.fixture
def folders(tmp_path, monkeypatch) -> Path:
    """A dbt project whose descriptions go into many files, all suggested and accepted."""
    root: Path = tmp_path / "first"
    root.mkdir()
    (root / "dbt_project.yml").write_text("name: many\nprofile: many\n", encoding="utf-8")
    (root / "profiles.yml").write_text(
        "many: {target: d, outputs: {d: {type: duckdb, path: many.duckdb}}}\n", encoding="utf-8"
    )
    for number in range(FOLDERS):
        folder = root / "models" / f"area_{number:03}"
        folder.mkdir(parents=True)
        (folder / f"order_{number:03}.sql").write_text(
            "select 1 as cust_id, 2 as tot_amt, 3 as is_gift, 4 as ship_cd\n", encoding="utf-8"
        )
    prepared(monkeypatch, Journey(root, "."), ("suggest", "accept"))
    return root


@pytest.mark.slow
def test_apply_to_a_dbt_project(folders, tmp_path):
    whole = Path(shutil.copytree(folders, tmp_path / "whole"))
    command(whole, "apply", ".")
    complete = property_files(whole)
    assert len(complete) == FOLDERS
    for attempt in range(TRIES):  # a busy machine may let it finish before the signal is sent
        root = Path(shutil.copytree(folders, tmp_path / f"try{attempt}"))
        first = root / "models" / "area_000" / "_area_000__models.yml"
        with started(root, "apply", ".") as process:
            code, told = interrupted(process, first.exists)
        if code:
            break
    assert code == 130
    assert told.startswith("docgen: interrupted")
    assert len(told.splitlines()) == 1
    some = property_files(root)
    assert 0 < len(some) < FOLDERS
    assert all(complete[name] == text for name, text in some.items())
    assert not [path.name for path in (root / "models").rglob("*") if path.suffix not in (".yml", ".sql", "")]
    command(root, "apply", ".")
    assert property_files(root) == complete
    rows = ledger_rows(root / ".docgen" / "ledger.db", "dbt:many")
    assert len(rows) == FOLDERS * 5
    assert {row.state for row in rows.values()} == {"applied"}
    assert "nothing to do" in command(root, "suggest", ".").stdout


NAMES = [f"order_{number:02}" for number in range(40)]
HELD = "order_20"


def make_orders(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Journey:
    execute(url, *(f"CREATE TABLE {name} (cust_id int, tot_amt numeric(9, 2))" for name in NAMES))
    journey = Journey(tmp_path, url)
    prepared(monkeypatch, journey, ("suggest", "accept"))
    return journey


def stopped_at_a_lock(journey: Journey, lock: str, waiting: Callable[[], object]) -> str:
    """Return what `apply` says when it is stopped while it waits for a table that someone else holds."""
    engine = sqlalchemy.create_engine(journey.source, poolclass=sqlalchemy.NullPool)
    with engine.connect() as other:
        other.exec_driver_sql(lock)
        with started(journey.folder, "apply", journey.source) as process:
            began = time.monotonic()
            code, told = interrupted(process, waiting)
            assert time.monotonic() - began < PATIENCE_S / 2
    engine.dispose()
    assert code == 130
    assert len(told.splitlines()) == 1, told
    assert re.match(r"docgen: .*interrupted", told)
    return told


def states(journey: Journey) -> dict[str, set[str]]:
    """Return the tables in each state of the ledger."""
    found: dict[str, set[str]] = {}
    rows = ledger_rows(journey.folder / ".docgen" / "ledger.db", database(journey.source).name)
    for ref, row in rows.items():
        found.setdefault(row.state, set()).add(ref.table.rpartition(".")[2])
    return found


def check_finished(journey: Journey, sql: str) -> None:
    command(journey.folder, "apply", journey.source)
    rows = ledger_rows(journey.folder / ".docgen" / "ledger.db", database(journey.source).name)
    assert {row.state for row in rows.values()} == {"applied"}
    now = {
        ColumnRef(f"{schema}.{table}", column): text
        for schema, table, column, text in query(journey.source, sql)
    }
    assert now == {ref: row.text for ref, row in rows.items()}
    assert "nothing to do" in journey("suggest").stdout


@pytest.mark.slow
def test_apply_to_mariadb_records_what_is_done(
    mariadb_server: Server, mariadb_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    journey = make_orders(mariadb_url, tmp_path, monkeypatch)
    stopped_at_a_lock(
        journey,
        f"SELECT * FROM {HELD}",
        lambda: mariadb_server.execute(
            "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE LIKE '%metadata lock%'"
        ),
    )
    commented = {table for _, table, _, _ in query(mariadb_url, MARIADB_COMMENTS)}
    done = {name for name in NAMES if name < HELD}
    assert done <= commented  # what the server was at may come through all the same
    assert states(journey) == {"applied": done, "accepted": set(NAMES) - done}
    check_finished(journey, MARIADB_COMMENTS)


@pytest.mark.slow
def test_apply_to_postgres_is_rolled_back(
    postgres_server: Server, postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    journey = make_orders(postgres_url, tmp_path, monkeypatch)
    name = postgres_url.rpartition("/")[2]
    told = stopped_at_a_lock(
        journey,
        f"LOCK TABLE {HELD} IN ACCESS EXCLUSIVE MODE",
        lambda: postgres_server.execute(
            f"SELECT 1 FROM pg_stat_activity WHERE datname = '{name}' AND wait_event_type = 'Lock'"
        ),
    )
    assert "nothing was written" in told or "interrupted" in told
    assert (
        query(postgres_url, POSTGRES_COMMENTS.rstrip() + " AND n.nspname = 'public' AND c.relkind = 'r'")
        == []
    )
    assert states(journey) == {"accepted": set(NAMES)}
    left = f"SELECT query FROM pg_stat_activity WHERE datname = '{name}' AND state <> 'idle'"
    assert postgres_server.execute(left) == []
    check_finished(journey, POSTGRES_COMMENTS)
