"""Facts that tests of a manifest state: only what holds for every row, and quickly."""

from __future__ import annotations

import time
from typing import Any

import pytest
from docgen_dbt.facts import read_facts

from docgen_plugin.model import ForeignKey

PAID = {"name": "accepted_values", "kwargs": {"values": ["open", "paid"]}}
SHIPPED = {"name": "accepted_values", "kwargs": {"values": ["paid", "shipped"]}}
CUSTOMERS = {"name": "relationships", "kwargs": {"to": "ref('customers')", "field": "id"}}
STORES = {"name": "relationships", "kwargs": {"to": "ref('stores')", "field": "store_id"}}
POINTS = ForeignKey("customers", "id")

# tests of one column with their configuration, then the values and the foreign key that are facts
CASES: dict[str, tuple[list[tuple[dict[str, Any], dict[str, Any]]], tuple[str, ...], ForeignKey | None]] = {
    "always": ([(PAID, {}), (CUSTOMERS, {})], ("open", "paid"), POINTS),
    "as dbt writes it": (
        [(PAID, {"where": None, "severity": "ERROR", "error_if": "!= 0"})], ("open", "paid"), None,
    ),
    "some rows": ([(PAID, {"where": "id > 9"}), (CUSTOMERS, {"where": "id > 9"})], (), None),
    "a warning": ([(PAID, {"severity": "warn"}), (CUSTOMERS, {"severity": "WARN"})], (), None),
    "some may fail": ([(PAID, {"error_if": ">10"}), (CUSTOMERS, {"error_if": "> 10"})], (), None),
    "the rule before the warning": (
        [(PAID, {}), (SHIPPED, {"severity": "warn"}), (CUSTOMERS, {}), (STORES, {"where": "x"})],
        ("open", "paid"), POINTS,
    ),
    "two rules": ([(PAID, {}), (SHIPPED, {}), (CUSTOMERS, {}), (STORES, {})], ("paid",), POINTS),
}  # fmt: skip


def model(name: str) -> dict[str, Any]:
    return {"resource_type": "model", "name": name, "package_name": "shop", "columns": {}}


def manifest(tests: list[tuple[dict[str, Any], dict[str, Any]]], models: int = 0) -> dict[str, Any]:
    nodes = {f"model.shop.{name}": model(name) for name in ("orders", "customers", "stores")}
    nodes |= {f"model.shop.m{number}": model(f"m{number}") for number in range(models)}
    for number, (metadata, config) in enumerate(tests):
        nodes[f"test.shop.{number}"] = {
            "resource_type": "test", "name": str(number), "package_name": "shop", "column_name": "status",
            "attached_node": "model.shop.orders", "test_metadata": metadata, "config": config,
        }  # fmt: skip
    return {"nodes": nodes, "sources": {}}


@pytest.mark.parametrize("case", CASES)
def test_only_what_always_holds_is_a_fact(case: str):
    tests, values, foreign_key = CASES[case]
    made = manifest(tests)
    names = {key: node["name"] for key, node in made["nodes"].items()}
    fact = read_facts(made, names)["model.shop.orders"].column("status")
    assert (fact.values, fact.foreign_key) == (values, foreign_key)


def test_many_foreign_keys_take_no_time():
    to_last = {"name": "relationships", "kwargs": {"to": "ref('m11999')", "field": "id"}}
    made = manifest([(to_last, {})] * 4_000, models=12_000)
    names = {key: node["name"] for key, node in made["nodes"].items()}
    for key, node in made["nodes"].items():
        if key.startswith("test."):
            node["column_name"] = f"c{node['name']}"
    started = time.process_time()
    facts = read_facts(made, names)["model.shop.orders"]
    assert time.process_time() - started < 0.5  # going through all nodes for each took 1.5 s
    assert facts.column("c3999").foreign_key == ForeignKey("m11999", "id")
