"""A dbt project and its warehouse in line: either may be the truth, nothing is blanked, conflicts are shown."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner

import docgen_plugin
from docgen_plugin.cli import cli
from docgen_plugin.model import Catalog, Column, Table
from docgen_plugin.sync import changes, plan
from tests.servers import execute

SHOP = Path(docgen_plugin.__file__).parent / "demo_shop"
YML = Path("models/staging/_staging__models.yml")
DDL = (
    "create table {0}.stg_orders (order_id int, customer_id int, status text, order_dt timestamp)",
    "create table {0}.stg_customers (CUSTOMER_ID int, email text)",
    "comment on column {0}.stg_customers.email is 'Address that the invoice goes to.'",
    "comment on column {0}.stg_orders.order_id is 'Another text.'",
    "comment on column {0}.stg_orders.order_dt is 'Time at which the order came in.'",
    "comment on table {0}.stg_customers is 'One row per customer.'",
)


def table(key, schema="s", description="", relation="", **columns):
    listed = tuple(Column(name, "int", text) for name, text in columns.items())
    return Table(
        key, key.rpartition(".")[2], schema=schema, description=description, columns=listed, relation=relation
    )


def catalog(*tables):
    return Catalog("c", "dbt", tables)


def planned(truth, other, overwrite=False):
    found = plan(catalog(truth), catalog(other), overwrite)
    return {str(one.ref): one.action for one in found.differences}


def test_what_becomes_of_each_place():
    truth = table("m.a", description="One row per a.", x="New.", y="Ours.", z="", w="Same  text", v="")
    other = table("s.a", X="", Y="Theirs.", Z="Kept.", W="Same text ", V="")
    assert planned(truth, other) == {"m.a": "fill", "m.a.x": "fill", "m.a.y": "conflict", "m.a.z": "extra"}
    assert planned(truth, other, True)["m.a.y"] == "overwrite"
    written = changes(plan(catalog(truth), catalog(other), True).differences)
    assert [(str(one.ref), one.before, one.after) for one in written] == [
        ("s.a", "", "One row per a."), ("s.a.X", "", "New."), ("s.a.Y", "Theirs.", "Ours.")
    ]  # fmt: skip
    assert all(one.after.strip() for one in written)


@pytest.mark.parametrize(
    ("truth", "others", "meets"),
    [
        (table("m.a", schema="S"), [table("s.A")], "s.A"),
        (table("m.a", relation="old_a"), [table("s.a"), table("s.old_a")], "s.old_a"),
        (table("m.a", schema="x"), [table("s.a")], None),
        (table("m.a", schema=""), [table("s.a")], "s.a"),
        (table("m.a", schema=""), [table("s.a"), table("t.a", schema="t")], None),
    ],
)
def test_tables_meet_by_schema_and_name(truth, others, meets):
    truth = Table(**{name: getattr(truth, name) for name in truth.__slots__} | {"description": "Text."})
    found = plan(catalog(truth), catalog(*others))
    assert [str(one.other) for one in found.differences] == ([meets] if meets else [])
    assert found.alone == (() if meets else ("m.a",))


def docgen(*words, code=0):
    run = CliRunner().invoke(cli, list(words))
    assert run.exit_code == code, run.output
    return run


@pytest.fixture
def project(tmp_path, monkeypatch):
    root = tmp_path / "shop"
    shutil.copytree(SHOP, root)
    monkeypatch.chdir(root)
    return root


def fill(url, schema):
    statements = [one.format(schema) for one in DDL]
    if url.startswith("duckdb"):
        with duckdb.connect(url.removeprefix("duckdb:///")) as connection:
            for one in statements:
                connection.execute(one)
    else:
        execute(url, f"create schema if not exists {schema}", *statements)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_both_ways_on_a_real_warehouse(project, request, tmp_path, kind):
    url = f"duckdb:///{tmp_path}/w.db" if kind == "duckdb" else request.getfixturevalue("postgres_url")
    fill(url, "main")
    settings = project / "docgen.toml"
    settings.write_text(f'truth = "yaml"\ndatabase = "{url}"\n', encoding="utf-8")

    dry = json.loads(docgen("sync", "--dry-run", "--json").stdout)
    actions = {one["place"].split(".", 2)[2]: one["action"] for one in dry["differences"]}
    assert actions == {
        "stg_orders": "fill", "stg_orders.order_id": "conflict", "stg_orders.order_dt": "extra",
        "stg_customers": "extra", "stg_customers.email": "extra",
    }  # fmt: skip
    assert "COMMENT ON TABLE" in dry["preview"].upper()
    shown = docgen("sync", "--dry-run").stdout
    assert "Another text." in shown
    assert "printed on the invoice" in shown
    docgen("sync")
    again = json.loads(docgen("sync", "--dry-run", "--json").stdout)
    assert "stg_orders" not in {one["place"].split(".", 2)[2] for one in again["differences"]}
    docgen("sync", "--overwrite")
    last = json.loads(docgen("sync", "--dry-run", "--json").stdout)
    assert {one["action"] for one in last["differences"]} == {"extra"}

    before = YML.read_text(encoding="utf-8")
    docgen("sync", "--truth", "database", "--dry-run")
    assert YML.read_text(encoding="utf-8") == before
    docgen("sync", "--truth", "database")
    after = YML.read_text(encoding="utf-8")
    assert "Address that the invoice goes to." in after
    assert "# the one staging model that somebody found time for" in after
    end = json.loads(docgen("sync", "--dry-run", "--json").stdout)
    assert end["differences"] == []
    assert end["same"] == 5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sync"], "name the warehouse with --database"),
        (["sync", "--database", "duckdb:///w.db"], "say whose texts hold"),
        (["sync", "--database", "nonsense://x", "--truth", "yaml"], "nonsense://x"),
        (["sync", "--database", ".", "--truth", "yaml"], "SOURCE is a dbt project's folder"),
    ],
)
def test_bad_input_is_one_clear_line(project, words, message):
    run = docgen(*words, code=1)
    assert message in run.stderr.splitlines()[-1]


def test_a_bad_setting_is_named(project):
    (project / "docgen.toml").write_text('truth = "both"\n', encoding="utf-8")
    assert "wants yaml or database" in docgen("sync", code=1).stderr
