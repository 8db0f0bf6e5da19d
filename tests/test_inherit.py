"""Inheriting texts: only where the table's own SQL shows that the column is the parent's."""

from __future__ import annotations

import time

import pytest

from docgen_plugin.inherit import inherited
from docgen_plugin.model import Catalog, Column, Table

ORDERS = Table("model.shop.orders", "orders", columns=(Column("total", "int", "Sum."), Column("id")))
LINES = Table("model.shop.lines", "lines", columns=(Column("id"),))
PACKAGE = "model.other.rates"  # a package's model: upstream, but not in the catalog
NO_COLUMNS = Table("source.shop.raw.rates", "rates")

# the table's query, what it reads beside orders, the text for its column `total`
CASES = {
    "read alone": ("select total from orders", (), "Sum."),
    "no query": ("", (), None),
    "a query of blanks": (" \n", (), None),
    "package, no qualifier": ("select total from orders join rates on true", (PACKAGE,), None),
    "package, its own": ("select r.total from orders o join rates as r on true", (PACKAGE,), None),
    "package, ours by alias": ("select o.total from orders as o join rates r on true", (PACKAGE,), "Sum."),
    "package, ours by name": ('select "orders"."total" from main.orders join rates using (id)', (PACKAGE,), "Sum."),
    "package, ours and theirs": ("select o.total from orders o join rates r on r.total = o.total", (PACKAGE,), None),
    "package, star": ("select o.*, r.* from orders o join rates r on true", (PACKAGE,), None),
    "package behind our name": ("with orders as (select * from rates) select orders.total from orders", (PACKAGE,), None),
    "package behind our alias": ("with o as (select * from rates) select o.total from o", (PACKAGE,), None),
    "package in a subquery": (
        "select o.total from (select r.* from rates r join orders o on true) as o", (PACKAGE,), None,
    ),
    "package of our name": ("select o.total from pkg.orders o join main.orders on true", ("model.other.orders",), None),
    "columns unknown": ("select total from orders join rates on true", (NO_COLUMNS.key,), None),
    "columns known": ("select total from orders join lines on true", (LINES.key,), "Sum."),
    "computed": ("select total / 100 as total from orders", (), None),
    "computed in brackets": ("select (total) as total from orders", (), None),
    "under its name again": ("select distinct id as id, o.total as total from orders as o", (), "Sum."),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_inheriting_through_the_query(case: str):
    sql, others, wanted = CASES[case]
    column = Column("total", "int")
    child = Table("model.shop.child", "child", columns=(column,), sql=sql, upstream=(ORDERS.key, *others))
    found = inherited(Catalog("dbt:shop", "dbt", (ORDERS, LINES, NO_COLUMNS, child)), child, column)
    assert (found.text if found else None) == wanted


LONG = {
    "no white space": "x" * 60_000,
    "white space": "x" + " " * 60_000 + "y",
    "many names": "id as id, " * 6_000,
    "many texts": "'as total', o.total, " * 3_000,
    "open brackets": "total(" * 10_000,
}


@pytest.mark.parametrize("case", LONG)
def test_long_queries_take_no_time(case: str):
    column = Column("total", "int")
    sql = f"select {LONG[case]}, o.total as total from orders as o join rates on true"
    child = Table("c", "child", columns=(column,), sql=sql, upstream=(ORDERS.key, PACKAGE))
    started = time.process_time()
    inherited(Catalog("dbt:shop", "dbt", (ORDERS, child)), child, column)
    assert time.process_time() - started < 0.5  # 20,000 characters took 2 s
