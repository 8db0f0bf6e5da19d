"""Whole journeys on databases, with the embedded model: what is suggested, accepted, written and read back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from docgen_sqlalchemy.connect import database
from docgen_sqlalchemy.plugin import read_catalog

from docgen_plugin.config import Config
from docgen_plugin.coverage import percent
from docgen_plugin.model import Catalog, ColumnRef
from tests.journeys import (
    Journey,
    by_origin,
    command,
    in_process,
    ledger_rows,
    places,
    query,
    suggested_twice,
    undocumented,
)
from tests.servers import PASSWORD, execute

DATA = Path(__file__).parent / "data"
ORIGINS = {"generated", "composed", "inherited", "reused", "unclear"}

# places that carry a comment, read past docgen: schema, table, column or "", text
POSTGRES_COMMENTS = """
SELECT n.nspname, c.relname, coalesce(a.attname, ''), d.description
FROM pg_description d JOIN pg_class c ON d.classoid = 'pg_class'::regclass AND c.oid = d.objoid
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON d.objsubid > 0 AND a.attrelid = c.oid AND a.attnum = d.objsubid
WHERE n.nspname NOT IN ('pg_catalog', 'information_schema')
"""
DUCKDB_COMMENTS = """
SELECT schema_name, table_name, '', comment FROM duckdb_tables() WHERE comment IS NOT NULL
UNION ALL SELECT schema_name, view_name, '', comment FROM duckdb_views() WHERE NOT internal AND comment IS NOT NULL
UNION ALL SELECT schema_name, table_name, column_name, comment FROM duckdb_columns()
WHERE NOT internal AND comment IS NOT NULL
"""
MARIADB_COMMENTS = """
SELECT TABLE_SCHEMA, TABLE_NAME, '', TABLE_COMMENT FROM information_schema.TABLES
WHERE TABLE_SCHEMA = DATABASE() AND TABLE_COMMENT <> '' AND TABLE_TYPE = 'BASE TABLE'
UNION ALL SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_COMMENT FROM information_schema.COLUMNS
WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_COMMENT <> ''
"""


def load(url: str, file: str) -> None:
    text = (DATA / file).read_text(encoding="utf-8")
    statements = (
        [text] if url.startswith("postgresql") else [part for part in text.split(";\n") if part.strip()]
    )
    execute(url, *statements)


def read(url: str) -> Catalog:
    catalog = read_catalog(url, Config())
    assert catalog is not None
    return catalog


def comments(catalog: Catalog, url: str, sql: str) -> dict[ColumnRef, str]:
    keys = {(table.schema, table.name): table.key for table in catalog.tables}
    return {
        ColumnRef(keys[schema, table], column): text
        for schema, table, column, text in query(url, sql)
        if (schema, table) in keys
    }


def walk(journey: Journey, url: str, sql: str, ledger: str, opaque: set[str]) -> None:
    """Make the whole journey on a database that can hold comments, and look at each of its ends."""
    catalog = read(url)
    before = comments(catalog, url, sql)
    wanted = undocumented(catalog)
    everywhere = places(catalog)
    assert set(before) == set(everywhere) - wanted
    found = journey.json("coverage")
    assert (found["places"], found["missing"]) == (len(everywhere), len(wanted))
    assert found["percent"] == percent(len(before), len(everywhere))

    suggested = journey.json("suggest")
    rows = ledger_rows(ledger, catalog.source)
    assert set(rows) == wanted
    assert (suggested["targets"], suggested["suggested"]) == (len(wanted), len(wanted))
    assert suggested["by_origin"] == by_origin(rows.values())
    assert set(suggested["by_origin"]) <= ORIGINS
    assert suggested["model"].startswith("docgen-base@")
    assert all(row.text.strip() and row.state == "suggested" for row in rows.values())
    assert "nothing to do" in journey("suggest").stdout

    unclear = {ref for ref, row in rows.items() if row.origin == "unclear"}
    assert opaque <= {ref.column for ref in unclear}
    clear = wanted - unclear
    accepted = journey("accept").stdout
    assert f"accepted {len(clear)} suggestion" in accepted
    assert (f"left {len(unclear)} unclear: docgen review" in accepted) == bool(unclear)
    rows = ledger_rows(ledger, catalog.source)
    assert {ref for ref, row in rows.items() if row.state == "accepted"} == clear
    assert {ref for ref, row in rows.items() if row.state == "suggested"} == unclear

    preview = journey("apply", "--dry-run").stdout
    assert preview.count("COMMENT") >= len({ref.table for ref in clear})
    assert comments(catalog, url, sql) == before
    assert ledger_rows(ledger, catalog.source) == rows

    applied = journey.json("apply")
    assert (applied["error"], applied["skipped"], applied["stale"]) == ("", [], [])
    assert sorted(applied["written"]) == sorted(map(str, clear))
    assert applied["preview"].strip() in preview
    now = comments(catalog, url, sql)
    assert now == before | {ref: rows[ref].text for ref in clear}
    assert {
        ref for ref, row in ledger_rows(ledger, catalog.source).items() if row.state == "applied"
    } == clear

    assert "nothing to do" in journey("suggest").stdout
    assert "nothing to write" in journey("apply").stdout
    assert "accepted 0 suggestions" in journey("accept").stdout
    assert comments(catalog, url, sql) == now
    found = journey.json("coverage")
    assert (found["missing"], found["percent"]) == (len(unclear), percent(len(now), len(everywhere)))
    states = journey.json("status")["states"]
    assert (states["applied"], states["suggested"], states["undocumented"]) == (len(clear), len(unclear), 0)
    assert suggested_twice(ledger, catalog.source) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schema", "opaque"), [("rental", set()), ("hospital", {"ATTR_1", "ATTR_2"}), ("tickets", set())]
)
def test_postgres(postgres_url, tmp_path, monkeypatch, schema, opaque):
    monkeypatch.chdir(tmp_path)
    load(postgres_url, f"sql_{schema}.sql")
    # one of them in processes of their own, as people run it
    journey = Journey(tmp_path, postgres_url, run=command if schema == "tickets" else in_process)
    walk(journey, postgres_url, POSTGRES_COMMENTS, str(tmp_path / ".docgen" / "ledger.db"), opaque)
    for file in (tmp_path / ".docgen").iterdir():
        assert PASSWORD.encode() not in file.read_bytes(), file.name


@pytest.mark.slow
def test_mariadb(mariadb_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load(mariadb_url, "journey_mariadb.sql")
    tables = [name for (name,) in query(mariadb_url, "SHOW TABLES")]
    data = {name: query(mariadb_url, f"SELECT * FROM `{name}`") for name in tables}
    walk(
        Journey(tmp_path, mariadb_url, run=in_process),
        mariadb_url,
        MARIADB_COMMENTS,
        ".docgen/ledger.db",
        {"x1"},
    )
    assert {name: query(mariadb_url, f"SELECT * FROM `{name}`") for name in tables} == data


@pytest.mark.slow
def test_duckdb_with_the_ledger_in_postgres(postgres_url, tmp_path, monkeypatch):
    """The team's shared ledger: everything else is as with a ledger of one's own."""
    monkeypatch.chdir(tmp_path)
    url = f"duckdb:///{tmp_path / 'shop.duckdb'}"
    load(url, "journey_duckdb.sql")
    journey = Journey(tmp_path, url, ("--ledger", postgres_url), run=in_process)
    walk(journey, url, DUCKDB_COMMENTS, postgres_url, {"q9"})
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shop.duckdb"]


@pytest.mark.slow
def test_sqlite_has_no_comments_but_a_file_for_dbt(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "till.db"
    url = f"sqlite:///{file}"
    load(url, "journey_sqlite.sql")
    journey = Journey(tmp_path, url, run=in_process)
    journey("suggest")
    journey("accept", "--include-unclear")
    content = file.read_bytes()
    for options in ((), ("--dry-run",)):
        refused = journey("apply", *options, code=1)
        assert refused.stdout == ""
        assert refused.stderr.startswith(
            "docgen: sqlite has no comments: use `docgen apply ... --to FILE.yml`"
        )
        assert len(refused.stderr.splitlines()) == 1
    assert "wrote" in journey("apply", "--to", "project/models/till.yml").stdout
    assert file.read_bytes() == content
    rows = ledger_rows(tmp_path / ".docgen" / "ledger.db", database(url).name)
    assert set(rows) == undocumented(read(url))
    assert {row.state for row in rows.values()} == {"accepted"}
    assert "nothing to do" in journey("suggest").stdout
    assert dbt_sources(tmp_path / "project") == {str(ref): row.text for ref, row in rows.items()}


def dbt_sources(project: Path) -> dict[str, str]:
    """Return the descriptions of a project's sources as dbt itself reads them."""
    (project / "dbt_project.yml").write_text("name: till\nprofile: till\n", encoding="utf-8")
    profile = {"till": {"target": "d", "outputs": {"d": {"type": "duckdb", "path": "till.duckdb"}}}}
    (project / "profiles.yml").write_text(yaml.safe_dump(profile), encoding="utf-8")
    program = (
        "import json, sys\n"
        "from dbt.cli.main import dbtRunner\n"
        "found = dbtRunner().invoke(['--quiet', 'parse', '--profiles-dir', '.']).result\n"
        "print(json.dumps([[s.source_name, s.name, '', s.description] for s in found.sources.values()] +\n"
        "  [[s.source_name, s.name, c.name, c.description] for s in found.sources.values()"
        " for c in s.columns.values()]))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    listed = yaml.safe_load(done.stdout.splitlines()[-1])
    return {str(ColumnRef(f"{schema}.{table}", column)): text for schema, table, column, text in listed}
