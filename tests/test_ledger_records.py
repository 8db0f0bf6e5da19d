"""A ledger's decisions as training records."""

from __future__ import annotations

import sqlite3

import pytest
from click.testing import CliRunner
from docgen_training.cli_harvest import COMMANDS
from docgen_training.ledger_records import harvest_ledger
from docgen_training.licenses import Terms
from docgen_training.records import read_records

from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError
from docgen_plugin.model import ColumnRef, Suggestion
from docgen_plugin.sources import read_catalog
from docgen_plugin.store import Decision, Ledger

DECIDED = {
    "ord_ts": ("accepted", None),
    "tot_amt": ("edited", "Amount to pay, tax included."),
    "note": ("rejected", None),
    "x7": ("accepted", None),  # 'unclear' that was accepted as a text
}


def decide(ledger, source, ref, state, text=None):
    row = ledger.row(source, ref)
    assert ledger.decide(source, [Decision(row, state, "ann", text)])


@pytest.fixture
def team(tmp_path, monkeypatch):
    """A database, and a ledger beside it with decisions on it."""
    monkeypatch.chdir(tmp_path)
    with sqlite3.connect("shop.db") as made:
        made.execute(
            "create table orders (id integer primary key, ord_ts timestamp not null, tot_amt numeric, note text, x7 text)"
        )
    made.close()
    url = f"sqlite:///{tmp_path}/shop.db"
    catalog = read_catalog(url, Config())
    table = catalog.tables[0]
    with Ledger("l.db") as ledger:
        ledger.add(
            catalog.source,
            [
                Suggestion(
                    ColumnRef(table.key, name),
                    f"Text of {name} here.",
                    position=table.position(name),
                    origin="unclear" if name == "x7" else "generated",
                )
                for name in DECIDED
            ],
        )
        for name, (state, text) in DECIDED.items():
            decide(ledger, catalog.source, ColumnRef(table.key, name), state, text)
    return url, catalog.source


def run(*arguments):
    return CliRunner().invoke(COMMANDS[0], [*arguments, "--out", "own.jsonl"])


def test_names_alone(team, tmp_path):
    done = run("--ledger", "l.db")
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0].endswith(": 1 table, 2 described columns, internal")
    (record,) = read_records(tmp_path / "own.jsonl")
    assert [(one.name, one.description) for one in record.table.columns] == [
        ("ord_ts", "Text of ord_ts here."),
        ("tot_amt", "Amount to pay, tax included."),
    ]
    assert (record.source, record.license) == (team[1], "internal")


def test_with_the_catalog_come_types_keys_and_all_columns(team, tmp_path):
    done = run("--ledger", "l.db", "--catalog", team[0], "--license", "MIT")
    assert done.exit_code == 0, done.output
    (record,) = read_records(tmp_path / "own.jsonl")
    columns = {one.name: one for one in record.table.columns}
    assert list(columns) == ["id", "ord_ts", "tot_amt", "note", "x7"]
    assert columns["id"].primary_key
    assert columns["ord_ts"].type.lower() == "timestamp"
    assert [name for name, one in columns.items() if one.description] == ["ord_ts", "tot_amt"]
    assert record.license == "MIT"


def test_one_source_of_several(team, tmp_path):
    with Ledger("l.db") as ledger:
        ledger.add("other", [Suggestion(ColumnRef("t", "a"), "One.")])
        decide(ledger, "other", ColumnRef("t", "a"), "accepted")
    assert run("--ledger", "l.db", "--source", "other").exit_code == 0
    assert [one.source for one in read_records(tmp_path / "own.jsonl")] == ["other"]
    assert run("--ledger", "l.db").exit_code == 0
    assert len(list(read_records(tmp_path / "own.jsonl"))) == 2


def test_tables_that_are_gone_are_told(team):
    with Ledger("l.db") as ledger:
        ledger.add(team[1], [Suggestion(ColumnRef("main.gone", "a"), "One.")])
        decide(ledger, team[1], ColumnRef("main.gone", "a"), "accepted")
    assert "1 table of the ledger is no longer in" in run("--ledger", "l.db", "--catalog", team[0]).stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"location": "none.db"}, "no ledger at"),
        ({"location": "l.db", "sources": ("moon",)}, "moon: the ledger"),
        ({"location": "l.db", "catalogs": ("nowhere",)}, "dbt_project.yml"),
        ({"location": "l.db", "terms": Terms("GPL-3.0-only")}, "--allow-license"),
    ],
)
def test_user_mistakes(team, arguments, told):
    with pytest.raises(DocgenError, match=told):
        harvest_ledger(**{"terms": Terms(), **arguments})


def test_usage_and_nothing_decided(team):
    assert run().exit_code == 2
    assert run("x", "--ledger", "l.db").exit_code == 2
    assert run("x", "--catalog", "y").exit_code == 2
    with pytest.raises(DocgenError, match="not written: no table"):
        CliRunner().invoke(
            COMMANDS[0],
            ["--ledger", "l.db", "--min-described", "9", "--out", "own.jsonl"],
            catch_exceptions=False,
        )
