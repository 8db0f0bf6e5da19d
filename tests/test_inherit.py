"""Inheriting texts: only where the table's own SQL shows that the column is the parent's."""

from __future__ import annotations

import time

import pytest

from docgen_plugin.inherit import DISAGREE, evidence, inherited
from docgen_plugin.model import Catalog, Column, ColumnRef, ForeignKey, Lineage, Table

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


def made_of(name: str, kind: str, *inputs: str, text: str = "", expression: str = "", **more) -> Column:
    """Return a column whose inputs are given as table.column."""
    refs = tuple(ColumnRef(*one.split(".")) for one in inputs)
    return Column(name, description=text, lineage=Lineage(kind, refs, expression), **more)


A = Table(
    "a", "a", columns=(Column("x", description="The x."), Column("y"), Column("z", description="A's z."))
)
B = Table(
    "b",
    "b",
    columns=(
        Column("x", description="The  x."),
        Column("z", description="B's z."),
        Column("todo", description="TODO"),
    ),
)

# the column, its text and where that is from, what the reviewer is told where there is none
LINEAGE = {
    "passed on": (made_of("x", "pass-through", "a.x"), "The x.", "a.x"),
    "in another case": (made_of("X", "pass-through", "a.X"), "The x.", "a.x"),
    "renamed": (made_of("order_x", "rename", "a.x"), "The x.", "a.x"),
    "agreeing": (made_of("x", "union", "a.x", "b.x"), "The x.", "a.x, b.x"),
    "disagreeing": (made_of("z", "union", "a.z", "b.z"), None, f"{DISAGREE}: a.z: 'A's z.' / b.z: 'B's z.'"),
    "one is silent": (made_of("x", "union", "a.x", "a.y"), None, "not taken over, a.y has no text: a.x: 'The x.'"),
    "silent": (made_of("y", "pass-through", "a.y"), None, ""),
    "a placeholder": (made_of("todo", "pass-through", "b.todo"), None, ""),
    "computed": (made_of("n", "derived", "a.x", "b.z", expression="x + z"), None, "computed from a.x, b.z: x + z"),
    "computed of its own name": (made_of("x", "derived", "a.x", expression="x + 1"), None, "computed from a.x: x + 1"),
    "a constant": (made_of("x", "constant", expression="1"), None, ""),
    "not read": (made_of("x", "unknown"), None, ""),
    "its parent is gone": (made_of("x", "pass-through", "gone.x"), None, ""),
    "its column is gone": (made_of("q", "pass-through", "a.q"), None, ""),
    "a key": (made_of("x", "derived", "a.x", foreign_key=ForeignKey("b", "x")), "The  x.", "b.x"),
    "a key, but passed on": (made_of("z", "pass-through", "a.z", foreign_key=ForeignKey("b", "z")), "A's z.", "a.z"),
}  # fmt: skip


@pytest.mark.parametrize("case", LINEAGE)
def test_inheriting_by_lineage(case: str):
    column, text, told = LINEAGE[case]
    child = Table("child", "child", columns=(column,), upstream=("a", "b"))
    catalog = Catalog("shop", "fake", (A, B, child))
    found = inherited(catalog, child, column)
    assert (found.text if found else None) == text
    assert (found.source if found else evidence(catalog, child, column)) == told


# old name, its text, new name: whether the text can stand there
RENAMES = {
    "a plain name": ("status", "Status of the order.", "order_status", True),
    "a shortening": ("cust_nm", "Name of the customer.", "customer_name", True),
    "spelled out": ("cust_nm", "The cust_nm as the ERP has it.", "customer_name", False),
    "in quotes": ("nm", "What `nm` is.", "name", False),
    "another thing": ("user_id", "Number of the user.", "server_id", False),
    "of several": ("user_id", "One of the users.", "server_id", False),
    "another thing, not spoken of": ("field_7", "Colour of the paint.", "paint_colour", True),
    "less is said": ("trial_end_at", "When the trial ends.", "end_at", True),
}


@pytest.mark.parametrize("case", RENAMES)
def test_a_renamed_column_takes_a_text_that_is_right_under_its_name(case: str):
    old, text, new, wanted = RENAMES[case]
    parent = Table("p", "p", columns=(Column(old, description=text),))
    column = made_of(new, "rename", f"p.{old}")
    child = Table("child", "child", columns=(column,))
    catalog = Catalog("shop", "fake", (parent, child))
    assert (inherited(catalog, child, column) is not None) == wanted
    assert evidence(catalog, child, column).startswith("not taken over, the name") or wanted


def test_a_date_is_no_timestamp_and_a_joined_key_no_primary_key():
    parent = Table(
        "p", "p",
        columns=(Column("at", "timestamp", "Timestamp of the click."), Column("id", description="Primary key of p.")),
    )  # fmt: skip
    day = made_of("at_date", "rename", "p.at", type="date")
    key, own = made_of("p_id", "rename", "p.id"), made_of("id", "pass-through", "a.x")
    alone = Table("alone", "alone", columns=(day, key))
    joined = Table("joined", "joined", columns=(key, own))
    catalog = Catalog("shop", "fake", (A, parent, alone, joined))
    assert inherited(catalog, alone, day) is None
    assert inherited(catalog, joined, key) is None
    found = inherited(catalog, alone, key)
    assert found is not None
    assert found.text == "Primary key of p."


def chain(length: int, *texts: tuple[int, str]) -> Catalog:
    """Return tables that pass one column on, each from the one before; texts stand where they are given."""
    said = dict(texts)
    return Catalog("shop", "fake", tuple(
        Table(f"t{n}", f"t{n}", columns=(
            made_of("x", "pass-through", f"t{n - 1}.x", text=said.get(n, "")) if n else Column("x", description=said.get(0, "")),
        ))
        for n in range(length)
    ))  # fmt: skip


def test_the_nearest_ancestor_with_a_text_is_asked():
    catalog = chain(3_000, (0, "From afar."), (10, "Nearer."))
    for at, text, source in ((5, "From afar.", "t0.x"), (2_999, "Nearer.", "t10.x")):
        table = catalog.tables[at]
        found = inherited(catalog, table, table.columns[0])
        assert found is not None
        assert (found.text, found.source) == (text, source)


def test_what_we_passed_on_ourselves_is_no_authority():
    catalog = chain(3, (0, "New."), (1, "Old."))
    table = catalog.tables[2]
    for passed_on, text in (((), "Old."), ({ColumnRef("t1", "x")}, "New.")):
        found = inherited(catalog, table, table.columns[0], passed_on)
        assert found is not None
        assert found.text == text
    silent = chain(3, (1, "Old."))
    found = inherited(silent, silent.tables[2], silent.tables[2].columns[0], {ColumnRef("t1", "x")})
    assert found is not None
    assert found.text == "Old."


def test_a_ring_of_parents_ends():
    tables = tuple(
        Table(key, key, columns=(made_of("x", "pass-through", f"{other}.x"),))
        for key, other in (("a", "b"), ("b", "c"), ("c", "a"))
    )
    catalog = Catalog("shop", "fake", tables)
    assert inherited(catalog, tables[0], tables[0].columns[0]) is None
    assert evidence(catalog, tables[0], tables[0].columns[0]) == ""


def test_many_ways_to_one_ancestor_take_no_time():
    layers = [
        Table("l0", "l0", columns=(Column("x", description="The x."), Column("y", description="The x.")))
    ]
    for n in range(1, 60):
        both = (f"l{n - 1}.x", f"l{n - 1}.y")
        layers.append(
            Table(f"l{n}", f"l{n}", columns=(made_of("x", "union", *both), made_of("y", "union", *both)))
        )
    found = inherited(Catalog("shop", "fake", tuple(layers)), layers[-1], layers[-1].columns[0])
    assert found is not None
    assert found.source == "l0.x, l0.y"


def test_a_reference_goes_along_where_all_parents_have_the_same():
    for reference, wanted in (("{{ doc('x') }}", "{{ doc('x') }}"), ("", "")):
        tables = tuple(
            Table(key, key, columns=(Column("x", description="The x.", reference=one),))
            for key, one in (("a", "{{ doc('x') }}"), ("b", reference))
        )
        column = made_of("x", "union", "a.x", "b.x")
        child = Table("child", "child", columns=(column,))
        found = inherited(Catalog("shop", "fake", (*tables, child)), child, column)
        assert found is not None
        assert found.reference == wanted
