"""The ledger as a team's record: pages, filters, undo, bulk actions, moving it, two at work at once."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy
from click.testing import CliRunner

from docgen_plugin import migrations
from docgen_plugin.calibration import Curve
from docgen_plugin.cli import cli
from docgen_plugin.errors import LedgerError
from docgen_plugin.ledger_transfer import Imported, curve_lines, export_lines, import_lines
from docgen_plugin.model import ColumnRef, Suggestion
from docgen_plugin.store import Decision, Filter, Ledger

SOURCE = "shop"


def suggestion(table, column="", position=0, **more):
    return Suggestion(ColumnRef(table, column), f"Text of {table} {column}.", position=position, **more)


def filled(ledger):
    """Add three tables of which the columns stand in another order than their names."""
    found = []
    for number, (table, path, owner) in enumerate(
        (("b", "models/marts/_m.yml", "finance"), ("a", "models/staging/_s.yml", ""), ("C_100%", "", "ops"))
    ):
        found.append(suggestion(table, path=path, owner=owner, confidence=0.1 * number, origin="unclear"))
        found += [
            suggestion(table, name, place, path=path, owner=owner, confidence=0.5 + 0.1 * place, model="m@1")
            for place, name in enumerate(("zip", "amount"), 1)
        ]
    ledger.add(SOURCE, found)


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def location(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/l.db"
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def any_ledger(location):
    with Ledger(location) as opened:
        filled(opened)
        yield opened


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "l.db") as opened:
        filled(opened)
        yield opened


def refs(rows):
    return [str(row.suggestion.ref) for row in rows]


def pages(ledger, order, limit, wanted=None):
    """Return the rows of all pages forwards, and the same gone through from the last page backwards."""
    forwards, after, last = [], "", None
    while True:
        last = ledger.page(SOURCE, wanted, order, after=after, limit=limit)
        forwards += refs(last.rows)
        if not last.next:
            break
        after = last.next
    backwards = refs(last.rows)
    while last.previous:
        last = ledger.page(SOURCE, wanted, order, before=last.previous, limit=limit)
        backwards = refs(last.rows) + backwards
    return forwards, backwards


@pytest.mark.parametrize("order", ["table", "confidence", "newest"])
@pytest.mark.parametrize("limit", [1, 2, 3, 9, 50])
def test_pages_hold_every_row_once_in_order_both_ways(any_ledger, order, limit):
    forwards, backwards = pages(any_ledger, order, limit)
    assert len(forwards) == len(set(forwards)) == 9
    assert backwards == forwards
    if order == "table":
        assert [name for name in forwards if name.startswith("b")] == ["b", "b.zip", "b.amount"]
    if order == "confidence":
        by_name = {str(row.suggestion.ref): row.suggestion.confidence for row in any_ledger.rows(SOURCE)}
        assert [by_name[name] for name in forwards] == sorted(by_name.values(), reverse=True)


def test_a_page_goes_on_where_it_was_though_rows_left_it(any_ledger):
    first = any_ledger.page(SOURCE, Filter(states=("suggested",)), limit=3)
    any_ledger.decide(SOURCE, [Decision(row, "accepted", "ann") for row in first.rows])
    second = any_ledger.page(SOURCE, Filter(states=("suggested",)), after=first.next, limit=3)
    assert len(second.rows) == 3
    assert not set(refs(first.rows)) & set(refs(second.rows))


FILTERS = [
    (Filter(), 9),
    (Filter(states=("accepted",)), 0),
    (Filter(origins=("unclear",)), 3),
    (Filter(models=("m@1",)), 6),
    (Filter(tables=("a", "b")), 6),
    (Filter(min_confidence=0.65), 3),
    (Filter(max_confidence=0.2), 2),
    (Filter(folder="models"), 6),
    (Filter(folder="models/marts/"), 3),
    (Filter(folder="models/mart"), 0),
    (Filter(owner="finance"), 3),
    (Filter(search="AMOUNT"), 3),
    (Filter(search="100%"), 3),
    (Filter(search="1_0"), 0),
    (Filter(search="%"), 3),
    (Filter(search="100%", tables=("C_100%",), models=("m@1",)), 2),
    (Filter(tables=("B",)), 0),
    (Filter(search="text of b zip"), 1),
    (Filter(search="'; drop table docgen_suggestion; --"), 0),
    (Filter(owner="ops", origins=("generated",), min_confidence=0.65), 1),
]


@pytest.mark.parametrize(("wanted", "number"), FILTERS, ids=lambda value: str(value)[:60])
def test_filters(any_ledger, wanted, number):
    assert any_ledger.count(SOURCE, wanted) == number
    assert len(any_ledger.page(SOURCE, wanted).rows) == number
    assert sum(n for _, n in any_ledger.tally(SOURCE, ("state",), wanted)) == number


@pytest.mark.parametrize("needle", ["Größe", "GRÖSSE", "größe", "GRÖßE"])
def test_search_knows_the_cases_of_other_letters(any_ledger, needle):
    for number, text in enumerate(("Größe der Kiste", "GRÖẞE", "die größe")):
        any_ledger.add(SOURCE, [Suggestion(ColumnRef("k", f"c{number}"), text)])
    found = any_ledger.count(SOURCE, Filter(search=needle))
    assert found == (0 if needle == "GRÖSSE" else 2)


def test_long_names_that_begin_alike_are_counted_apart(any_ledger):
    names = ["k" * 180, "k" * 180 + "1", "k" * 180 + "2", "k" * 179]
    any_ledger.add("long", [suggestion(name, f"c{n}") for name in names for n in range(len(name) - 178)])
    told = {key: number for (key, _), number in any_ledger.tally("long", ("table_key", "state"))}
    assert told == {name: len(name) - 178 for name in names}
    assert [key for key, *_ in any_ledger.counts("long")] == sorted(names)


def test_tallies(any_ledger):
    assert any_ledger.tally(SOURCE, ("owner",)) == [(("",), 3), (("finance",), 3), (("ops",), 3)]
    assert any_ledger.tally(SOURCE, ("origin", "state")) == [
        (("generated", "suggested"), 6),
        (("unclear", "suggested"), 3),
    ]
    assert any_ledger.sources() == [SOURCE]


@pytest.mark.parametrize(
    "bad", ["x", "[]", '["newest", "today", "p"]', '["table"]', '["confidence", 1, "p"]']
)
def test_a_bookmark_of_something_else_is_refused(ledger, bad):
    with pytest.raises(LedgerError, match="begin at the first page"):
        ledger.page(SOURCE, order="table", after=bad)


def row(ledger, name="b", column="zip"):
    found = ledger.row(SOURCE, ColumnRef(name, column))
    assert found is not None
    return found


def decide(ledger, state, who="ann", **more):
    assert ledger.decide(SOURCE, [Decision(row(ledger), state, who, **more)])


def test_undo_goes_back_one_decision_at_a_time(any_ledger):
    before = row(any_ledger).suggestion
    decide(any_ledger, "accepted")
    decide(any_ledger, "edited", "bob", text="Postal code.")
    decide(any_ledger, "edited", "cleo", text="Postal code of the buyer.")
    for state, text, who in (
        ("edited", "Postal code.", "bob"),
        ("accepted", before.text, "ann"),
        ("suggested", before.text, ""),
    ):
        assert any_ledger.undo(SOURCE, [row(any_ledger)], "dan") == {ColumnRef("b", "zip")}
        now = row(any_ledger).suggestion
        assert (now.state, now.text, now.reviewer) == (state, text, who)
        assert (now.decided_at is None) == (state == "suggested")
    assert any_ledger.undo(SOURCE, [row(any_ledger)], "dan") == set()
    told = [(event.who, event.new_state, event.why) for event in any_ledger.history(SOURCE, before.ref)]
    assert told[-3:] == [
        ("dan", "edited", "undone"),
        ("dan", "accepted", "undone"),
        ("dan", "suggested", "undone"),
    ]


def test_undo_and_decide_again_and_undo(ledger):
    decide(ledger, "rejected", why="wrong")
    ledger.undo(SOURCE, [row(ledger)], "ann")
    decide(ledger, "edited", text="Postal code.")
    ledger.undo(SOURCE, [row(ledger)], "ann")
    assert row(ledger).suggestion.state == "suggested"
    assert ledger.undo(SOURCE, [row(ledger)], "ann") == set()


@pytest.mark.parametrize("last", ["applied", "stale"])
def test_what_was_applied_or_is_stale_is_not_undone(ledger, last):
    decide(ledger, "accepted")
    decide(ledger, last)
    assert ledger.undo(SOURCE, [row(ledger)], "ann") == set()


def test_an_undo_on_an_old_view_changes_nothing(ledger):
    decide(ledger, "accepted")
    old = row(ledger)
    decide(ledger, "rejected", "bob")
    assert ledger.undo(SOURCE, [old], "ann") == set()
    assert row(ledger).suggestion.state == "rejected"


def test_a_text_written_to_a_file_can_still_be_undone(ledger):
    decide(ledger, "accepted")
    ledger.file(SOURCE, [row(ledger)], "out.yml")
    assert ledger.undo(SOURCE, [row(ledger)], "ann")
    assert row(ledger).suggestion.state == "suggested"


def test_a_bulk_action_is_found_by_its_name_without_what_changed_since(any_ledger):
    rows = list(any_ledger.page(SOURCE, Filter(tables=("b",))).rows)
    any_ledger.decide(SOURCE, [Decision(one, "accepted", "ann") for one in rows], batch="0a1b" * 8)
    decide(any_ledger, "edited", text="Postal code.")
    assert sorted(refs(any_ledger.batch(SOURCE, "0a1b0a1b"))) == ["b", "b.amount"]
    assert len(any_ledger.undo(SOURCE, any_ledger.batch(SOURCE, "0a1b0a1b"), "ann")) == 2
    assert any_ledger.batch(SOURCE, "0a1b0a1b") == []
    assert any_ledger.batch(SOURCE, "%") == []
    assert row(any_ledger).suggestion.state == "edited"


def test_a_new_suggestion_is_recorded_with_what_it_was(ledger):
    event = ledger.history(SOURCE, ColumnRef("b", "zip"))[0]
    assert (event.origin, event.model, event.confidence) == ("generated", "m@1", 0.6)


def as_first_version(path):
    """Take from a ledger what its second version added."""
    connection = sqlite3.connect(path)
    indexes = connection.execute("select name from sqlite_master where type = 'index' and sql is not null")
    for (name,) in indexes.fetchall():
        connection.execute(f"drop index {name}")
    for table, columns in (
        ("docgen_suggestion", ("sort_key", "position", "path", "owner", "asked", "weighed_by")),
        ("docgen_event", ("batch", "origin", "model", "confidence", "logprob", "asked", "weighed_by")),
    ):
        for column in columns:
            connection.execute(f"alter table {table} drop column {column}")
    connection.execute("delete from docgen_version where version > 1")
    connection.commit()
    connection.close()


def test_a_ledger_of_the_first_version_is_brought_up_to_date(tmp_path):
    path = tmp_path / "l.db"
    with Ledger(path) as ledger:
        filled(ledger)
    as_first_version(path)
    with Ledger(path) as ledger:
        forwards, backwards = pages(ledger, "table", 2)
        assert len(forwards) == 9
        assert forwards == backwards
        decide(ledger, "accepted")
        assert ledger.undo(SOURCE, [row(ledger)], "ann")


@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_other_databases_take_the_second_version_too(request, kind):
    url = request.getfixturevalue(f"{kind}_url")
    with Ledger(url) as ledger:
        filled(ledger)
        engine = ledger._database._engine
        with engine.begin() as connection:
            for index in migrations.suggestions.indexes:
                index.drop(connection)
            for name in ("sort_key", "owner"):
                connection.execute(sqlalchemy.text(f"alter table docgen_suggestion drop column {name}"))
            connection.execute(sqlalchemy.text("alter table docgen_event drop column confidence"))
            if kind == "mariadb":  # as its own default has it
                caseless = "text collate utf8mb4_general_ci not null"
                connection.execute(
                    sqlalchemy.text(f"alter table docgen_suggestion modify table_key {caseless}")
                )
            connection.execute(
                sqlalchemy.delete(migrations.versions).where(migrations.versions.c.version > 1)
            )
    with Ledger(url) as ledger:
        assert len(pages(ledger, "table", 4)[0]) == 9
        assert ledger.count(SOURCE, Filter(tables=("b",))) == 3
        assert ledger.count(SOURCE, Filter(tables=("B",))) == 0


def curve(share, model="m@1", origin="generated"):
    points = ((-2.5, 0.1), (-0.3, share))
    return Curve(model, origin, points, 40, "platt", datetime(2026, 1, 31, 9, tzinfo=UTC))


def test_a_ledger_moves_to_another_database_and_back(any_ledger, tmp_path):
    decide(any_ledger, "edited", text="Postleitzahl des Käufers 🙂")
    decide(any_ledger, "applied")
    any_ledger.keep_curves([curve(0.2), curve(0.3), curve(0.4, model="", origin="composed")])
    lines = list(export_lines(any_ledger))
    assert len(lines) == 9
    with Ledger(tmp_path / "other.db") as other:
        assert import_lines(other, [*lines, *curve_lines(any_ledger)], "f") == Imported(9, 0, 3, 0)
        assert import_lines(other, [*curve_lines(any_ledger), *lines], "f") == Imported(0, 9, 0, 3)
        assert other.curves() == any_ledger.curves()
        assert list(export_lines(other)) == lines or sorted(export_lines(other)) == sorted(lines)
        assert other.history(SOURCE, ColumnRef("b", "zip")) == any_ledger.history(
            SOURCE, ColumnRef("b", "zip")
        )
        assert row(other) == row(any_ledger)


def test_a_calibrated_model_keeps_its_calibration_and_others_come_in(ledger, tmp_path):
    ledger.keep_curves([curve(0.2), curve(0.4, "new@2")])
    with Ledger(tmp_path / "other.db") as other:
        other.keep_curves([curve(0.9)])
        assert import_lines(other, curve_lines(ledger), "f") == Imported(0, 0, 1, 1)
        assert other.curves() == [curve(0.9), curve(0.4, "new@2")]


def test_of_one_source_only_the_calibration_that_it_goes_by_is_written(ledger):
    ledger.keep_curves([curve(0.2), curve(0.4, "new@2"), curve(0.5, "m@1", "reused")])
    assert [json.loads(line)["curve"]["points"][1][1] for line in curve_lines(ledger, [SOURCE])] == [0.2]
    assert len(list(curve_lines(ledger))) == 3


def curve_line(**more):
    one = {"model": "m", "origin": "generated", "points": [[0, 0.5]], "decisions": 9, "method": "platt",
           "fitted_at": "2026-01-31T09:00:00+00:00"}  # fmt: skip
    return json.dumps({"format": 1, "kind": "curve", "curve": one | more})


def test_the_line_of_a_curve_is_read(ledger):
    assert import_lines(ledger, [curve_line()], "f").curves_taken == 1


BAD_LINES = [
    curve_line(points=[]),
    curve_line(points=[[0, 0.5], [1, 0.4]]),
    curve_line(points=[[0, 1.5]]),
    curve_line(points=[[0, float("nan")]]),
    curve_line(points="steep"),
    curve_line(model=None),
    curve_line(fitted_at=None),
    curve_line(fitted_at="then"),
    curve_line(decisions="many"),
    curve_line(more=1),
    '{"format": 1, "kind": "curve"}',
    '{"format": 1, "kind": "curve", "curve": {"points": [[0, 1]]}}',
    '{"format": 1, "kind": "rule", "rule": {}}',
    '{"format": 1, "source": "s", "row": {"ref": ["t", "c"], "version": 1, "previous": "", "text": null}, "events": []}',
    "nonsense",
    "[]",
    "{}",
    '{"format": 2}',
    '{"format": 1, "source": "s", "row": {}, "events": []}',
    '{"format": 1, "source": "s", "row": {"ref": ["t"], "version": 1, "previous": ""}, "events": []}',
    '{"format": 1, "source": "s", "row": {"ref": ["t", "c"], "version": 1, "previous": "", "text": 3}, "events": []}',
    '{"format": 1, "source": "s", "row": {"ref": ["t", "c"], "version": 1, "previous": "", "text": "", "state": "odd"}, "events": []}',
    '{"format": 1, "source": "s", "row": {"ref": ["t", "c"], "version": 1, "previous": "", "text": "", "more": ""}, "events": []}',
    '{"format": 1, "source": "s", "row": {"ref": ["t", "c"], "version": 1, "previous": "", "text": ""}, "events": [{}]}',
]


@pytest.mark.parametrize("bad", BAD_LINES)
def test_a_bad_line_is_named_and_nothing_is_taken(ledger, tmp_path, bad):
    good, *_ = export_lines(ledger)
    with Ledger(tmp_path / "other.db") as other:
        with pytest.raises(LedgerError, match=r"^moved\.jsonl:2: "):
            import_lines(other, [good, bad], "moved.jsonl")
        assert other.sources() == []
        assert other.curves() == []


def test_export_and_import_as_typed(ledger, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ledger.keep_curves([curve(0.2)])
    ledger.close()
    run = CliRunner().invoke(cli, ["ledger", "export", "--ledger", "l.db"])
    assert run.exit_code == 0, run.output
    assert len([json.loads(line) for line in run.stdout.splitlines()]) == 10
    assert "wrote 9 suggestions and 1 curve" in run.stderr
    assert CliRunner().invoke(cli, ["ledger", "export", "out.jsonl", "--ledger", "l.db"]).exit_code == 0
    run = CliRunner().invoke(cli, ["ledger", "import", "out.jsonl", "--ledger", "new.db", "--json"])
    assert json.loads(run.stdout) == {"taken": 9, "kept": 0, "curves_taken": 1, "curves_kept": 0}
    run = CliRunner().invoke(cli, ["ledger", "import", "out.jsonl", "--ledger", "new.db"])
    assert run.stdout.splitlines() == [
        "took 0 suggestions, kept 9 that stood here already",
        "took 0 curves, kept 1 that stood here already",
    ]
    for arguments, message in (
        (["export", "--ledger", "none.db"], "no ledger at none.db"),
        (["export", "no/where.jsonl", "--ledger", "l.db"], "cannot be written"),
        (["import", "gone.jsonl"], "gone.jsonl: cannot be read"),
        (["import", "l.db", "--ledger", "new.db"], "l.db"),
    ):
        run = CliRunner().invoke(cli, ["ledger", *arguments])
        assert run.exit_code == 1, run.output
        assert message in run.stderr
        assert run.stderr.count("\n") == 1
    assert not Path("no").exists()


def accept_all(location, who, offset):
    """Decide on every place as one reviewer, each from a fresh look, and return nothing."""
    with Ledger(location) as ledger:
        mine = 0
        order = list(range(60))
        for number in order[offset:] + order[:offset]:
            found = ledger.row(SOURCE, ColumnRef("t", f"c{number}"))
            if found is not None and found.suggestion.state == "suggested":
                mine += len(ledger.decide(SOURCE, [Decision(found, "edited", who, text=f"by {who}")]))
        ledger.add(f"count of {who}", [Suggestion(ColumnRef("n", str(mine)), "")])


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_two_reviewers_at_once_lose_no_decision(request, tmp_path, kind):
    location = str(tmp_path / "l.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with Ledger(location) as ledger:
        ledger.add(SOURCE, [suggestion("t", f"c{number}", number) for number in range(60)])
    context = multiprocessing.get_context("spawn")
    people = [
        context.Process(target=accept_all, args=(location, who, at)) for who, at in (("ann", 0), ("bob", 30))
    ]
    for one in people:
        one.start()
    for one in people:
        one.join(120)
    assert [one.exitcode for one in people] == [0, 0]
    with Ledger(location) as ledger:
        rows = list(ledger.rows(SOURCE))
        assert all(one.suggestion.text == f"by {one.suggestion.reviewer}" for one in rows)
        # each told decision is the one that stands, and no place was decided on twice
        assert all(len(ledger.history(SOURCE, one.suggestion.ref)) == 2 for one in rows)
        for who in ("ann", "bob"):
            (told,) = (one.suggestion.ref.column for one in ledger.rows(f"count of {who}"))
            assert int(told) == sum(one.suggestion.reviewer == who for one in rows)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["postgres", "mariadb"])
def test_bulk_actions_that_wait_for_each_other_are_both_told_what_they_did(request, kind, monkeypatch):
    monkeypatch.setattr("docgen_plugin.ledger_rows._BATCH", 50)
    location = request.getfixturevalue(f"{kind}_url")
    with Ledger(location) as ledger:
        ledger.add(SOURCE, [suggestion("t", f"c{number}", number) for number in range(400)])
        rows = list(ledger.page(SOURCE, limit=400).rows)
    meet = threading.Barrier(2)

    def accept(order):
        with Ledger(location) as own:
            meet.wait()
            decisions = [Decision(one, "accepted", "ann") for one in rows[::order]]
            return len(own.decide(SOURCE, decisions, f"{order}"))

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(accept, (1, -1)))
    assert sorted(done) == [0, 400]
    with Ledger(location) as ledger:
        assert {one.version for one in ledger.rows(SOURCE)} == {2}
        assert all(len(events) == 2 for _, events in ledger.histories(SOURCE))


def decide_forever(location):
    """Accept and undo until killed."""
    with Ledger(location) as ledger:
        while True:
            for found in list(ledger.rows(SOURCE)):
                if found.suggestion.state == "suggested":
                    ledger.decide(SOURCE, [Decision(found, "edited", "ann", text="Edited.")])
                else:
                    ledger.undo(SOURCE, [found], "ann")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_killed_writer_leaves_rows_and_history_that_agree(request, tmp_path, kind):
    location = str(tmp_path / "l.db") if kind == "sqlite" else request.getfixturevalue("postgres_url")
    with Ledger(location) as ledger:
        filled(ledger)
    context = multiprocessing.get_context("spawn")
    for _ in range(2):
        writer = context.Process(target=decide_forever, args=(location,))
        writer.start()
        with Ledger(location) as ledger:
            events = 0
            while events < 30:
                events = sum(len(ledger.history(SOURCE, one.suggestion.ref)) for one in ledger.rows(SOURCE))
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join(30)
        with Ledger(location) as ledger:
            for one in ledger.rows(SOURCE):
                told = ledger.history(SOURCE, one.suggestion.ref)
                assert one.version == len(told)
                assert told[-1].new_state == one.suggestion.state
