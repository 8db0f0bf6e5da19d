"""The ledger: states, history, two people at once, and files that are no ledger."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy

from docgen_plugin import migrations
from docgen_plugin.errors import LedgerError
from docgen_plugin.model import ColumnRef, Suggestion, text_hash
from docgen_plugin.store import Decision, Ledger

ORDERS = ColumnRef("public.orders")
TOTAL = ColumnRef("public.orders", "total")
ODD = ColumnRef('we\'ird "%s"\n🙂', "no\\rmal; DROP TABLE x")


def suggestion(ref=TOTAL, text="Total of the order.", **more):
    return Suggestion(ref, text, fingerprint="a.b.c.d", **more)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / ".docgen" / "ledger.db") as opened:
        yield opened


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def any_ledger(request, tmp_path):
    url = (
        f"sqlite:///{tmp_path}/l.db"
        if request.param == "sqlite"
        else request.getfixturevalue(f"{request.param}_url")
    )
    with Ledger(url) as opened:
        yield opened


def row(ledger, ref=TOTAL, source="shop"):
    found = ledger.row(source, ref)
    assert found is not None
    return found


def decide(ledger, state, ref=TOTAL, **more):
    return ledger.decide("shop", [Decision(row(ledger, ref), state, "ann", **more)])


def test_a_suggestion_comes_back_as_it_was(any_ledger):
    wanted = suggestion(origin="reused", model="m@1", logprob=-0.25, confidence=0.5, before=" ")
    odd = suggestion(ODD, "Text with 'quotes', 100% and 🙂\nline two")
    assert any_ledger.add("shop", [wanted, odd]) == {TOTAL, ODD}
    found = row(any_ledger)
    assert found.version == 1
    stored = found.suggestion
    assert stored.suggested_at is not None
    assert abs(stored.suggested_at - datetime.now(UTC)) < timedelta(seconds=60)
    for name in ("ref", "text", "state", "origin", "model", "logprob", "confidence", "fingerprint", "before"):
        assert getattr(stored, name) == getattr(wanted, name), name
    assert row(any_ledger, ODD).suggestion.text == odd.text


def test_the_whole_life_of_a_row_with_its_history(any_ledger):
    any_ledger.add("shop", [suggestion()])
    assert decide(any_ledger, "edited", text="Sum of all lines.") == {TOTAL}
    assert decide(any_ledger, "applied") == {TOTAL}
    assert decide(any_ledger, "stale", why="the column changed") == {TOTAL}
    assert any_ledger.add("shop", [suggestion(text="Total, anew.")]) == {TOTAL}
    assert row(any_ledger).suggestion.state == "suggested"
    assert row(any_ledger).suggestion.reviewer == ""
    assert row(any_ledger).suggestion.decided_at is None
    events = any_ledger.history("shop", TOTAL)
    assert [(one.old_state, one.new_state, one.who) for one in events] == [
        ("", "suggested", ""),
        ("suggested", "edited", "ann"),
        ("edited", "applied", "ann"),
        ("applied", "stale", "ann"),
        ("stale", "suggested", ""),
    ]
    assert [(one.old_text, one.new_text) for one in events] == [
        (None, "Total of the order."),
        ("Total of the order.", "Sum of all lines."),
        (None, None),
        (None, None),
        ("Sum of all lines.", "Total, anew."),
    ]
    assert events[3].why == "the column changed"
    assert all(one.happened_at.tzinfo is UTC for one in events)


def test_times_are_those_of_the_decisions(ledger):
    ledger.add("shop", [suggestion()])
    decide(ledger, "accepted")
    accepted = row(ledger).suggestion
    assert accepted.reviewer == "ann"
    assert accepted.decided_at is not None
    assert accepted.applied_at is None
    decide(ledger, "applied")
    applied = row(ledger).suggestion
    assert applied.decided_at == accepted.decided_at
    assert applied.applied_at is not None


@pytest.mark.parametrize("state", ["suggested", "accepted", "edited", "rejected", "applied"])
def test_a_live_row_is_never_replaced_by_a_new_suggestion(ledger, state):
    ledger.add("shop", [suggestion()])
    if state == "applied":
        decide(ledger, "accepted")
    if state != "suggested":
        decide(ledger, state, text="Mine." if state == "edited" else None)
    before = row(ledger)
    assert ledger.add("shop", [suggestion(text="Another."), suggestion(ORDERS)]) == {ORDERS}
    assert row(ledger) == before


def test_a_decision_on_an_old_view_changes_nothing(any_ledger):
    any_ledger.add("shop", [suggestion(), suggestion(ORDERS)])
    seen = row(any_ledger)
    other = row(any_ledger, ORDERS)
    assert decide(any_ledger, "rejected") == {TOTAL}
    late = [Decision(seen, "accepted", "bob"), Decision(other, "accepted", "bob")]
    assert any_ledger.decide("shop", late) == {ORDERS}
    assert row(any_ledger).suggestion.state == "rejected"
    assert len(any_ledger.history("shop", TOTAL)) == 2


def test_texts_in_a_file_are_counted_until_they_change(any_ledger):
    places = [TOTAL, ORDERS, ODD]
    any_ledger.add("shop", [suggestion(place) for place in places])
    any_ledger.add("other", [suggestion()])
    for place in places:
        decide(any_ledger, "accepted", place)
    assert any_ledger.filed("shop") == set()
    any_ledger.file("shop", [row(any_ledger, TOTAL), row(any_ledger, ORDERS)], "texts.yml")
    assert any_ledger.filed("shop") == {TOTAL, ORDERS}
    assert any_ledger.history("shop", TOTAL)[-1].why == "written to the file texts.yml"
    assert row(any_ledger).suggestion.state == "accepted"
    decide(any_ledger, "edited", text="Another.")
    assert any_ledger.filed("shop") == {ORDERS}
    decide(any_ledger, "applied", ORDERS)
    assert (any_ledger.filed("shop"), any_ledger.filed("other")) == (set(), set())


def test_sources_and_letter_case_are_kept_apart(any_ledger):
    lower, upper = ColumnRef("t", "name"), ColumnRef("t", "NAME")
    any_ledger.add("shop", [suggestion(lower, "One."), suggestion(upper, "Two.")])
    any_ledger.add("other", [suggestion(lower, "Three.")])
    assert sorted(found.suggestion.text for found in any_ledger.rows("shop")) == ["One.", "Two."]
    assert [found.suggestion.text for found in any_ledger.rows("other", ["t"])] == ["Three."]
    assert any_ledger.counts("shop") == [("t", "suggested", "generated", 2)]


def test_rows_by_table_and_state(ledger):
    places = [ColumnRef(f"t{number}", "c") for number in range(1200)]
    ledger.add("shop", [suggestion(place) for place in places])
    decide(ledger, "accepted", places[7])
    assert len(list(ledger.rows("shop"))) == 1200
    assert len(list(ledger.rows("shop", [place.table for place in places[:700]]))) == 700
    assert [one.suggestion.ref for one in ledger.rows("shop", states=("accepted",))] == [places[7]]


def test_a_folder_is_made_with_its_own_gitignore(tmp_path):
    Ledger(tmp_path / "odd #1?" / ".docgen" / "ledger.db").close()
    folder = tmp_path / "odd #1?" / ".docgen"
    assert (folder / "ledger.db").is_file()
    assert (folder / ".gitignore").read_text() == "*\n"


def test_without_create_a_missing_file_is_an_empty_ledger(tmp_path):
    with Ledger(tmp_path / ".docgen" / "ledger.db", create=False) as ledger:
        assert (list(ledger.rows("shop")), ledger.missing) == ([], True)
    assert list(tmp_path.iterdir()) == []


def test_the_schema_is_made_once_and_kept(tmp_path):
    path = tmp_path / "ledger.db"
    for _ in range(2):
        with Ledger(path) as ledger:
            ledger.add("shop", [suggestion()])
    connection = sqlite3.connect(path)
    versions = [(number,) for number in range(1, len(migrations.MIGRATIONS) + 1)]
    assert connection.execute("select version from docgen_version").fetchall() == versions
    assert connection.execute("pragma journal_mode").fetchone() == ("wal",)
    connection.close()


OLD_LEDGER = """
create table docgen_version (version integer primary key, applied_at datetime not null);
insert into docgen_version values (1, '2025-01-01 00:00:00.000000');
create table docgen_suggestion (place varchar(64) primary key, source_hash varchar(16) not null, source text not null,
    table_key text not null, column_name text not null, text text not null, text_hash varchar(16) not null,
    state varchar(16) not null, previous varchar(16) not null, origin varchar(16) not null, model text not null,
    logprob float not null, confidence float not null, fingerprint text not null, before_text text not null,
    reviewer text not null, suggested_at datetime not null, decided_at datetime, applied_at datetime,
    version integer not null);
create table docgen_event (id integer primary key autoincrement, place varchar(64) not null,
    happened_at datetime not null, who text not null, old_state varchar(16) not null,
    new_state varchar(16) not null, old_text text, new_text text, why text not null);
insert into docgen_suggestion values ('p', '{hash}', 'shop', 'orders', 'total', 'Total.', 'h', 'suggested', '',
    'inherited', '', 0, 0.9, '', '', '', '2025-01-01 00:00:00.000000', null, null, 1);
"""


def test_a_ledger_of_the_first_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "ledger.db"
    connection = sqlite3.connect(path)
    connection.executescript(OLD_LEDGER.format(hash=text_hash("shop")))
    connection.close()
    with Ledger(path) as ledger:
        (old,) = ledger.rows("shop", origins=("inherited",))
        assert (old.suggestion.text, old.suggestion.evidence, old.suggestion.parent_hash) == (
            "Total.",
            "",
            "",
        )
        ledger.add("shop", [Suggestion(ColumnRef("t"), "T.", evidence="from a.b", parent_hash="0123")])
        kept = ledger.row("shop", ColumnRef("t"))
        assert kept is not None
        assert (kept.suggestion.evidence, kept.suggestion.parent_hash) == ("from a.b", "0123")


def test_a_new_migration_runs_once_on_an_old_ledger(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    runs = []

    def add_table(connection):
        runs.append(1)
        connection.execute(sqlalchemy.text("create table later (a int)"))

    monkeypatch.setattr("docgen_plugin.database.MIGRATIONS", (*migrations.MIGRATIONS, add_table))
    Ledger(path).close()
    Ledger(path).close()
    assert runs == [1]


def test_a_migration_that_fails_leaves_the_ledger_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    with Ledger(path) as ledger:
        ledger.add("shop", [suggestion()])

    def broken(connection):
        connection.execute(sqlalchemy.text("create table half (a int)"))
        connection.execute(sqlalchemy.text("this is no SQL"))

    with monkeypatch.context() as patch:
        patch.setattr("docgen_plugin.database.MIGRATIONS", (*migrations.MIGRATIONS, broken))
        with pytest.raises(LedgerError):
            Ledger(path)
    with Ledger(path) as ledger:
        assert row(ledger).suggestion.text == "Total of the order."
    connection = sqlite3.connect(path)
    assert connection.execute("select count(*) from sqlite_master where name = 'half'").fetchone() == (0,)
    connection.close()


def newer(path):
    Ledger(path).close()
    connection = sqlite3.connect(path)
    connection.execute("insert into docgen_version values (99, '2030-01-01 00:00:00.000000')")
    connection.commit()
    connection.close()


def cut(path):
    with Ledger(path) as ledger:
        ledger.add("shop", [suggestion(ColumnRef(f"t{number}")) for number in range(2000)])
    data = path.read_bytes()
    path.write_bytes(data[:5000] + b"\xff" * 8000 + data[13000:20000])


BROKEN = {
    "newer": (newer, "of version 99, this docgen knows"),
    "not a database": (lambda path: path.write_text("hello " * 500), "damaged or no ledger"),
    "cut": (cut, "damaged or no ledger"),
    "folder": (lambda path: path.mkdir(), "unable to open"),
}


def read_and_write(path):
    with Ledger(path) as ledger:
        list(ledger.rows("shop"))
        ledger.add("shop", [suggestion()])


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_ledger_is_one_clear_line(tmp_path, case):
    make, message = BROKEN[case]
    path = tmp_path / "ledger.db"
    make(path)
    with pytest.raises(LedgerError) as caught:
        read_and_write(path)
    assert message in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_locked_ledger_is_waited_for_and_then_named(tmp_path, monkeypatch):
    path = tmp_path / "ledger.db"
    monkeypatch.setattr("docgen_plugin.database._BUSY_TIMEOUT_S", 0.2)
    with Ledger(path) as ledger:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("begin immediate")
        assert list(ledger.rows("shop")) == []  # reading goes on
        with pytest.raises(LedgerError, match="locked by another process"):
            ledger.add("shop", [suggestion()])
        other.execute("rollback")
        other.close()
        assert ledger.add("shop", [suggestion()]) == {TOTAL}


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to become a user without rights")
def test_a_read_only_ledger_is_named(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger(path).close()
    tmp_path.chmod(0o755)
    path.chmod(0o444)
    # rights do not bind root: the write must come from another user
    code = (
        "import os, sys; from docgen_plugin.store import Ledger; import docgen_plugin.model as m\n"
        "from docgen_plugin.errors import LedgerError; import sqlalchemy.dialects.sqlite\n"
        "import sqlite3, docgen_plugin.database\n"
        "for parent in reversed(sys.argv[2:]): os.chmod(parent, 0o755)\n"
        "os.setuid(65534)\n"
        "try: Ledger(sys.argv[1]).add('s', [m.Suggestion(m.ColumnRef('t'), 'x')])\n"
        "except LedgerError as err: print(err)\n"
    )
    parents = [str(parent) for parent in tmp_path.parents if Path(tempfile.gettempdir()) in parent.parents]
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path), *parents], capture_output=True, text=True, check=True
    )
    assert "read-only" in ran.stdout or "unable to open" in ran.stdout
    assert len(ran.stdout.splitlines()) == 1


@pytest.mark.parametrize(
    ("location", "message"),
    [
        ("nosuchdb://host/x", "no driver"),
        ("postgresql+nosuchdriver://u:hunter2@h/x", "no driver"),
        ("://", "not a URL"),
        ("postgresql+psycopg://u:hunter2@127.0.0.1:1/x", "cannot be used"),
    ],
)
def test_a_bad_address_is_one_line_without_the_password(location, message):
    with pytest.raises(LedgerError) as caught:
        Ledger(location)
    assert message in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_text_that_is_no_unicode_is_refused_whole(ledger):
    with pytest.raises(LedgerError, match="Unicode"):
        ledger.add("shop", [suggestion(), suggestion(ORDERS, "bad \ud800 text")])
    assert list(ledger.rows("shop")) == []


def add_many(path, start):
    with Ledger(path) as ledger:
        for number in range(start, start + 20):
            # half of the places are everybody's
            ref = ColumnRef(f"t{number if number % 2 else -number % 20}", "c")
            ledger.add("shop", [suggestion(ref, f"from {start}")])


@pytest.mark.slow
def test_several_processes_write_one_ledger(tmp_path):
    path = tmp_path / "ledger.db"
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=add_many, args=(path, start)) for start in (0, 100, 200)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    with Ledger(path) as ledger:
        rows = list(ledger.rows("shop"))
        assert len({found.suggestion.ref for found in rows}) == len(rows) >= 40
        assert all(len(ledger.history("shop", found.suggestion.ref)) == 1 for found in rows)


@pytest.mark.slow
def test_many_rows_take_seconds(tmp_path):
    with Ledger(tmp_path / "ledger.db") as ledger:
        started = time.process_time()
        many = [suggestion(ColumnRef(f"t{number // 20}", f"c{number % 20}")) for number in range(20_000)]
        assert len(ledger.add("shop", many)) == 20_000
        decisions = [Decision(found, "accepted", "ann") for found in ledger.rows("shop")]
        assert len(ledger.decide("shop", decisions)) == 20_000
        assert time.process_time() - started < 10  # 3 s alone on two cores
