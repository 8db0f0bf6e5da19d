"""Whole journeys on dbt projects, with the embedded model, the real dbt and real databases."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from docgen_dbt.plugin import read_catalog

from docgen_plugin.config import Config
from docgen_plugin.coverage import percent
from docgen_plugin.model import Catalog, ColumnRef
from tests.dbt_projects import dbt, dbt_descriptions, generate, property_files, source_tables
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
from tests.test_journey_databases import DUCKDB_COMMENTS, POSTGRES_COMMENTS

SOURCE = "dbt:trade"
LEDGER = Path(".docgen") / "ledger.db"
EMPTY = re.compile(r"""^\s*(- )?(description:\s*(""|''|null|~)?|columns:\s*(\[\])?)\s*(#.*)?$""")
BY_A_PERSON = "A person's own words: 100% theirs."


def read(root: Path) -> Catalog:
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    return catalog


def is_within(old: str, new: str) -> bool:
    """Tell whether a text is another one with something put in between."""
    rest = iter(new)
    return all(character in rest for character in old)


def check_lines(name: str, old: str, new: str) -> None:
    """Every line that was there is there still, but for descriptions that were empty."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    for kind, start, end, first, last in difflib.SequenceMatcher(None, before, after, False).get_opcodes():
        if kind in ("equal", "insert"):
            continue
        for line in before[start:end]:
            grown = any(is_within(line, other) for other in after[first:last])
            assert EMPTY.match(line) or grown, f"{name}: {line!r} became {after[first:last]!r}"
    if "\r\n" in old:
        assert new.count("\n") == new.count("\r\n"), f"{name}: line ends are mixed"


def check_data(where: str, old: Any, new: Any) -> None:
    """What YAML says is the same, but for new descriptions, and new entries that hold nothing else."""
    if isinstance(old, dict):
        assert isinstance(new, dict), where
        assert list(old) == [key for key in new if key in old], f"{where}: keys were lost or moved"
        for key, value in old.items():
            if key not in ("description", "columns") or value:
                check_data(f"{where}.{key}", value, new[key])
        added = set(new) - set(old)
        assert added <= {"description", "columns"}, f"{where}: {added} came"
    elif isinstance(old, list) and all(isinstance(item, dict) and "name" in item for item in old):
        by_name = {item["name"]: item for item in new}
        for item in old:
            check_data(f"{where}.{item['name']}", item, by_name[item["name"]])
        for item in new[len(old) :]:
            assert set(item) <= {"name", "description", "columns"}, f"{where}: {item} came"
    else:
        assert new == old, where


def check_files(before: dict[str, str], after: dict[str, str]) -> None:
    for name, text in after.items():
        if name in before:
            check_lines(name, before[name], text)
            check_data(name, yaml.safe_load(before[name]), yaml.safe_load(text))
        else:
            fresh = yaml.safe_load(text)
            assert list(fresh) in (["version", "models"], ["version", "seeds"]), name
    assert set(before) <= set(after)


def walk(journey: Journey, environment: dict[str, str]) -> None:
    """Make the whole journey on a built project and look at each of its ends."""
    root = journey.folder
    catalog = read(root)
    wanted = undocumented(catalog)
    before = property_files(root)
    described = dbt_descriptions(root)
    suggested = journey.json("suggest")
    rows = ledger_rows(root / LEDGER, SOURCE)
    assert set(rows) == wanted
    assert (suggested["suggested"], suggested["by_origin"]) == (len(wanted), by_origin(rows.values()))
    unclear = {ref for ref, row in rows.items() if row.origin == "unclear"}
    clear = wanted - unclear
    assert ColumnRef("model.trade.stg_customer", "attr_7") in unclear
    accepted = journey.json("accept")
    assert (accepted["accepted"], accepted["left"]["unclear"]) == (len(clear), len(unclear))

    preview = journey("apply", "--dry-run").stdout
    assert property_files(root) == before
    applied = journey.json("apply")
    assert (applied["error"], applied["skipped"], applied["stale"]) == ("", [], [])
    assert sorted(applied["written"]) == sorted(map(str, clear))
    after = property_files(root)
    check_files(before, after)
    # the preview names every file that changed, and no other
    assert set(re.findall(r"^\+\+\+ b/(.+?)\t?$", preview, re.M)) == {
        name for name, text in after.items() if before.get(name) != text
    }

    dbt(root, "--warn-error", "parse", "--no-partial-parse", environment=environment)
    assert dbt_descriptions(root) == described | {ref: rows[ref].text for ref in clear}
    assert "nothing to do" in journey("suggest").stdout
    assert "nothing to write" in journey("apply").stdout
    assert property_files(root) == after
    found = journey.json("coverage")
    number = len(places(catalog))
    assert (found["missing"], found["percent"]) == (len(unclear), percent(number - len(unclear), number))
    assert suggested_twice(str(root / LEDGER), SOURCE) == []


def check_comments(root: Path, url: str, sql: str, schema: str) -> None:
    """The comments in the database are the descriptions of the models and seeds, no more and no less."""
    manifest = json.loads((root / "target" / "manifest.json").read_text(encoding="utf-8"))
    keys = {node["name"]: key for key, node in manifest["nodes"].items() if key.split(".")[0] != "test"}
    found = {
        ColumnRef(keys[table], column): text
        for where, table, column, text in query(url, sql)
        if where == schema
    }
    assert found == {
        ref: text
        for ref, text in dbt_descriptions(root).items()
        if not ref.table.startswith(("source.", "test.")) and ref.column != "unknown_to_us"
    }


def editable(root: Path, rows: dict[ColumnRef, Any], apart: str) -> tuple[ColumnRef, str, str]:
    """Return a model's place of our own making whose text stands on one line, once in the project, and not in `apart`."""
    files = {name: text for name, text in property_files(root).items() if not name.endswith(apart)}
    lines = Counter(line.strip() for text in files.values() for line in text.splitlines())
    for ref, row in sorted(rows.items()):
        line = f"description: {row.text}"
        texts = [one for one in rows.values() if one.text == row.text]
        if row.state == "applied" and ref.table.startswith("model.") and lines[line] == len(texts) == 1:
            return ref, line, next(name for name, text in files.items() if line in text)
    raise AssertionError("no text stands alone")


@pytest.mark.slow
def test_forty_models_on_duckdb(tmp_path):
    root = tmp_path / "trade"
    assert generate(root) >= 30
    url = f"duckdb:///{root / 'trade.duckdb'}"
    execute(url, *source_tables())
    dbt(root, "build")
    journey = Journey(root, ".", run=command)
    walk(journey, {})
    dbt(root, "build")
    check_comments(root, url, DUCKDB_COMMENTS, "main")
    check_that_a_persons_words_stay(journey)


def check_that_a_persons_words_stay(journey: Journey) -> None:
    """Edit what was applied, and write where a suggestion was accepted meanwhile: both stay as they are."""
    root = journey.folder
    rows = ledger_rows(root / LEDGER, SOURCE)
    ref, line, name = editable(root, rows, "_marts__models.yml")
    file = root / name
    text = file.read_bytes().decode()
    edited = re.sub(rf"{re.escape(line)}(?=\r?\n)", f'description: "{BY_A_PERSON}"', text)
    file.write_bytes(edited.encode())
    # a new model, so that there is something to suggest, accept and apply beside
    (root / "models" / "marts" / "big_order.sql").write_text(
        "select order_id, total_amount, 1 as box_cnt from {{ ref('fct_order_header') }}\n", encoding="utf-8"
    )
    suggested = journey.json("suggest")
    assert suggested["turned"] == 1
    fresh = ledger_rows(root / LEDGER, SOURCE)
    assert set(fresh) - set(rows) == {
        ColumnRef("model.trade.big_order", column) for column in ("", "order_id", "total_amount", "box_cnt")
    }
    assert fresh[ref].state == "stale"
    journey("accept", "--include-unclear", "--select", "big_order*")
    meanwhile = root / "models" / "marts" / "_marts__models.yml"
    entry = f'  - name: big_order\r\n    columns:\r\n      - name: box_cnt\r\n        description: "{BY_A_PERSON}"\r\n'
    meanwhile.write_bytes(meanwhile.read_bytes().rstrip() + b"\r\n" + entry.encode())
    before = property_files(root)
    applied = journey.json("apply")
    assert [one["place"] for one in applied["stale"]] == ["model.trade.big_order.box_cnt"]
    assert set(applied["written"]) == {
        "model.trade.big_order", "model.trade.big_order.order_id", "model.trade.big_order.total_amount",
    }  # fmt: skip
    check_files(before, property_files(root))
    journey("suggest")
    journey("accept", "--include-unclear")
    journey("apply")
    dbt(root, "--warn-error", "parse")
    shown = dbt_descriptions(root)
    assert shown[ref] == shown[ColumnRef("model.trade.big_order", "box_cnt")] == BY_A_PERSON
    assert undocumented(read(root)) == set()
    assert file.read_text(encoding="utf-8").count(BY_A_PERSON) == 1


@pytest.mark.slow
def test_postgres_project(postgres_server, postgres_url, tmp_path, monkeypatch):
    root = tmp_path / "trade"
    generate(root, 3)
    execute(postgres_url, *source_tables(3))
    environment = {
        "TRADE_PORT": str(postgres_server.port),
        "TRADE_PASSWORD": PASSWORD,
        "TRADE_DATABASE": postgres_url.rpartition("/")[2],
        "DBT_TARGET": "postgres",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    dbt(root, "build")
    monkeypatch.chdir(root)
    walk(Journey(root, ".", run=in_process), environment)
    dbt(root, "build")
    check_comments(root, postgres_url, POSTGRES_COMMENTS, "shop")
