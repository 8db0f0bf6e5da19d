"""Models are read without their import CTEs as they are with them, in every dialect's way of writing names."""

from __future__ import annotations

from pathlib import Path

import pytest
from docgen_dbt import columns
from docgen_dbt.columns import Inferred, SqlReader

ORDERS = (("id", "int"), ("Total", "numeric"), ("note", ""))
# in {a} the columns are known, in {b} nobody lists them
QUERIES = [
    "with source as (select * from {a}), renamed as (select id as order_id, total * 2 as t from source) select * from renamed",
    "with a as (select * from {a}), b as (select * from {a}) select a.id, b.note from a join b on a.id = b.id",
    "with a as (select * from {a}), b as (select * from {a}) select * from a join b using (id)",
    "with a as (select * from {a}), a2 as (select a.*, 1 as one from a as x join a on true) select * from a2",
    "with a as (select * from {a}), b as (with a as (select 1 as id) select id from a) select * from b",
    "with a as (select * from {a} where id > 1) select * from a",
    "with a as (select * from {b}), c as (select x, y + 1 as z from a) select * from c",
    "with a as (select * from {b}), b as (select id, note from {a}) select a.*, b.note from a left join b using (id)",
    "with a as (select * from {a}), b as (select * from {b}) select id, colour from a join b on true",
    "with a as (select * from {a}) select (select max(total) from a) as most, exists (select 1 from a) as any_row",
    "with a as (select * from {a}) select id from a union all select total from a",
    "with a as (select * from {a}), b as (select id from a union all select 1) select * from b",
    "with a(k, v, n) as (select * from {a}) select k from a",
    "with a as (select distinct * from {a}), b as (select * from a order by id limit 3) select * from b",
    "with a as (select count(*) from {a}) select * from a",
    "with a as (select null as x, id from {a}) select * from a",
    "with recursive a as (select * from {a}), r as (select 1 as n union all select n + 1 from r) select * from r",
    "with unused as (select * from {a}), b as (select id from {a}) select b.id as key from b",
]


def read(sql: str, adapter: str) -> dict[str, Inferred]:
    """Return what is read of a model on two tables."""
    nodes = {key: node(key, "model") for key in ("model.shop.made",)}
    sources = {key: node(key, "source") for key in ("source.shop.orders", "source.shop.things")}
    text = sql.format(a="db.main.orders", b="db.main.things")
    nodes["model.shop.made"] |= {"compiled_code": text, "depends_on": {"nodes": list(sources)}}
    manifest = {"metadata": {"adapter_type": adapter}, "nodes": nodes, "sources": sources, "macros": {}}
    return SqlReader(Path(), manifest, {"source.shop.orders": ORDERS}, {}, {}).read_all()


def node(key: str, kind: str) -> dict[str, object]:
    name = key.rpartition(".")[2]
    return {
        "unique_id": key, "name": name, "resource_type": kind, "package_name": "shop", "source_name": "s", "columns": {},
        "database": "db", "schema": "main", "relation_name": f"db.main.{name}", "original_file_path": f"{name}.sql",
    }  # fmt: skip


@pytest.mark.parametrize("adapter", ["duckdb", "snowflake", "bigquery", "postgres"])
@pytest.mark.parametrize("sql", QUERIES)
def test_the_same_is_read(sql, adapter, monkeypatch):
    merged = read(sql, adapter)
    assert "model.shop.made" in merged
    monkeypatch.setattr(columns, "merge_passing", lambda query, listed: query)
    assert read(sql, adapter) == merged


@pytest.mark.parametrize("adapter", ["duckdb", "snowflake", "oracle", "bigquery"])
def test_a_star_is_followed_whatever_the_dialect_makes_of_names(adapter):
    made = read("select * from {a}", adapter)["model.shop.made"]
    assert [name for name, _ in made.columns] == ["id", "Total", "note"]
    assert made.complete
    assert {one.kind for one in made.lineage.values()} == {"pass-through"}


def test_names_beside_an_unknown_star_are_read_through_the_last_cte():
    made = read("with a as (select b.*, b.x + 1 as y from {b} as b) select * from a", "duckdb")[
        "model.shop.made"
    ]
    assert ([name for name, _ in made.columns], made.complete) == (["y"], False)
