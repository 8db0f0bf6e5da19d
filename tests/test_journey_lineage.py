"""Texts that are inherited in a real dbt project: through renames, as references, pinned, and after a change."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from docgen_dbt.plugin import read_catalog

from docgen_plugin.config import Config
from docgen_plugin.model import Catalog, ColumnRef
from tests.dbt_projects import dbt_descriptions
from tests.fakes import FakeModel, registered
from tests.journeys import Journey, in_process, ledger_rows

SOURCES = """version: 2
sources:
  - name: raw
    schema: raw
    tables:
      - name: orders
        description: Orders as they come in.
        columns:
          - name: ord_id
            description: Number of the order.
          - name: amt
            description: "{{ doc('amount') }}"
          - name: sts
            description: How far the order is.
          - name: note
            description: "{{ doc('amount') }} And more."
      - name: returns
        description: What comes back.
        columns:
          - name: ord_id
            description: Number of the order that comes back.
"""
MODELS = """version: 2
models:
  - name: stg_orders
    description: Orders, renamed.
    columns:
      - name: status
      - name: secret
        config:
          meta: {docgen: {pin: true}}
  - name: pinned
    config:
      meta: {docgen: {pin: true}}
    columns:
      - name: order_id
        config:
          meta: {docgen: {pin: false}}
      - name: odd
        config:
          meta: {docgen: {pin: perhaps}}
  - name: broken
    columns: [{name: amount}]
"""
FILES = {
    "dbt_project.yml": "name: lined\nprofile: lined\n",
    "profiles.yml": "lined: {target: d, outputs: {d: {type: duckdb, path: lined.duckdb}}}\n",
    "models/docs.md": "{% docs amount %}What the order costs in euros.{% enddocs %}\n",
    "models/_sources.yml": SOURCES,
    "models/_models.yml": MODELS,
    "models/stg_orders.sql": "with source as (select * from {{ source('raw', 'orders') }}) select ord_id as order_id,"
    " cast(amt as numeric) as amount, sts as status, note, sts as secret from source",
    "models/fct_orders.sql": "select order_id, amount, amount * 2 as twice, status, note from {{ ref('stg_orders') }}",
    "models/all_ids.sql": "select order_id from {{ ref('stg_orders') }} union all"
    " select ord_id from {{ source('raw', 'returns') }}",
    "models/broken.sql": "select amount frm {{ ref('stg_orders') }} where (",
    "models/pinned.sql": "select order_id, amount, status as odd from {{ ref('stg_orders') }}",
}  # fmt: skip
STG, FCT, IDS, PINNED = (f"model.lined.{name}" for name in ("stg_orders", "fct_orders", "all_ids", "pinned"))
SOURCE = "dbt:lined"


def read(root: Path) -> Catalog:
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    return catalog


def columns(path: Path, model: str) -> dict[str, str]:
    """Return a model's column descriptions as they stand in a file."""
    data = yaml.safe_load(path.read_text(encoding="utf-8"))
    entry = next(one for one in data["models"] if one["name"] == model)
    return {column["name"]: column.get("description", "") for column in entry["columns"]}


def replaced(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


@pytest.mark.slow
def test_inheriting_in_a_dbt_project(tmp_path, monkeypatch):
    root = tmp_path / "lined"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(root)
    journey = Journey(root, ".", run=in_process)
    models = root / "models" / "_models.yml"
    with registered(FakeModel()):
        first(journey)
        assert "nothing to do" in journey("suggest").stdout  # it runs dbt parse, for the files are newer
        shown = dbt_descriptions(root)
        assert (
            shown[ColumnRef(STG, "amount")]
            == shown[ColumnRef(FCT, "amount")]
            == "What the order costs in euros."
        )
        after_a_change(journey, models)


def first(journey: Journey) -> None:
    """Suggest, accept and apply for the first time."""
    root = journey.folder
    models = root / "models" / "_models.yml"
    notes = read(root).notes
    assert any("pinned.odd: meta docgen pin wants true or false, found 'perhaps'" in note for note in notes)
    assert "no lineage for broken: their SQL cannot be read, no text is inherited through it" in notes
    suggested = journey.json("suggest")
    assert [note for note in suggested["notes"] if "not all columns" in note] == [
        "not all columns of 1 table are known: broken: a `select *` over a table that nobody lists, or SQL that cannot be "
        "read; run `dbt docs generate`, or describe their columns in YAML"
    ]
    told = {one["place"]: one["evidence"] for one in suggested["evidence"]}
    assert told[f"{FCT}.amount"] == told[f"{STG}.amount"] == "from source.lined.raw.orders.amt"
    assert told[f"{FCT}.twice"] == f"computed from {STG}.amount: amount * 2"
    assert told[f"{IDS}.order_id"].startswith(
        "parents disagree: source.lined.raw.orders.ord_id: 'Number of the order.' / "
    )
    rows = ledger_rows(root / ".docgen" / "ledger.db", SOURCE)
    assert {ref.column for ref in rows if ref.table == PINNED} == {"order_id"}
    assert ColumnRef(STG, "secret") not in rows
    assert rows[ColumnRef(FCT, "order_id")].text == "Number of the order."
    journey("accept", "--include-unclear")
    journey("apply")
    assert columns(models, "stg_orders") == {
        "status": "How far the order is.",
        "secret": "",
        "order_id": "Number of the order.",
        "amount": "{{ doc('amount') }}",
        "note": "What the order costs in euros. And more.",  # no reference alone: the text
    }
    assert columns(models, "fct_orders")["amount"] == "{{ doc('amount') }}"


def after_a_change(journey: Journey, models: Path) -> None:
    """Change texts above: what we wrote follows, what a person wrote stays."""
    root = journey.folder
    replaced(root / "models" / "_sources.yml", "How far the order is.", "Open, paid or sent.")
    replaced(root / "models" / "docs.md", "in euros", "in cents")
    replaced(
        models, "description: What the order costs in euros. And more.", "description: A person's words."
    )
    before = columns(models, "fct_orders")
    journey("suggest")
    rows = ledger_rows(root / ".docgen" / "ledger.db", SOURCE)
    for key in (STG, FCT):
        assert (rows[ColumnRef(key, "status")].state, rows[ColumnRef(key, "status")].text) == (
            "suggested", "Open, paid or sent.",
        )  # fmt: skip
        assert rows[ColumnRef(key, "amount")].state == "applied"  # the reference says the new text by itself
    assert rows[ColumnRef(STG, "note")].state == "stale"
    assert rows[ColumnRef(FCT, "note")].text == "A person's words."
    journey("accept")
    journey("apply")
    assert columns(models, "stg_orders")["note"] == "A person's words."
    assert columns(models, "fct_orders") == before | {
        "status": "Open, paid or sent.",
        "note": "A person's words.",
    }
    assert "nothing to do" in journey("suggest").stdout
