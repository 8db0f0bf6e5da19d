"""Columns that a query gives, read without working types out."""

from __future__ import annotations

import pytest
from docgen_dbt.cte_text import split_ctes
from docgen_dbt.select_list import Item, Output, parse_query, read_output, read_text

UPSTREAM = Output((Item("id"), Item("Name")), complete=True)

# query, names, whether these are all
QUERIES = [
    ("select a, b as c, x.d, cast(e as int) e from t", "a c d e", True),
    ("with a as (select id, k as q from docgen_n1), b as (select * from a) select * from b", "id q", True),
    ("select n.*, f.b as c from docgen_n1 n join f on true", "id Name c", True),
    ("select * from docgen_n1 n join f on true", "id Name", False),
    ("select * from (select 1 as one, docgen_n1.* from docgen_n1) x", "one id Name", True),
    ("select * from (values (1, 2)) as v (a, b)", "a b", True),
    ("select * exclude (id) from docgen_n1", "Name", True),
    ("select * rename (id as key) from docgen_n1", "key Name", True),
    ("select a from t union all select b from u", "a", True),
    ("select id, count(*) from docgen_n1 group by 1", "id", True),
    ("select id, jinja_value_() from docgen_n1", "id", False),
    ("select * from unknown", "", False),
    ("select * from docgen_n1, lateral flatten(x) f", "id Name", False),
    (
        "with a as (select ')' as x, id from docgen_n1 /* ( */), b as (select a.x -- )\n from a) select * from b",
        "x",
        True,
    ),
    (
        "with a as (select k, k + 1 as l from t), b as (select *, 1 as m from a) (select * from b)",
        "k l m",
        True,
    ),
    ("with a (p, q) as (select 1, 2) select * from a", "p q", True),
    ("with recursive r as (select 1 as n union all select n + 1 from r) select * from r", "n", True),
]


@pytest.mark.parametrize(("sql", "names", "complete"), QUERIES)
def test_columns_of_a_query(sql, names, complete):
    parsed = parse_query(sql, "snowflake" if "rename" in sql or "exclude" in sql else "")
    assert parsed is not None
    output = read_output(parsed[0], lambda name: UPSTREAM if name == "docgen_n1" else None)
    assert " ".join(item.name for item in output.items) == names
    assert output.complete is complete
    assert read_text(sql, parsed[1], lambda name: UPSTREAM if name == "docgen_n1" else None) == output


def test_place_and_type_of_a_column():
    sql = "with a as (select cast(k as date) as day from t) select *, 1 as one from a"
    parsed = parse_query(sql, "")
    assert parsed is not None
    for output in (read_output(parsed[0], lambda name: None), read_text(sql, "", lambda name: None)):
        assert output is not None
        day, one = output.items
        assert (day.type, sql[day.start :][:3], sql[one.start :][:3]) == ("DATE", "day", "one")


# texts that are not cut, for dialects read the marks in them in different ways
UNSURE = [
    "select 1",
    "with a as (select 'it\\'s )' as x) select * from a",
    "with a as (select 1 as x # )\n) select * from a",
    "with a as (select $$ ) $$ as x) select * from a",
    "with a as (select 1 as x) insert into b select * from a",
    "with a as (select 1 as x select * from a",
    "with a as (select 1 as x); select 2",
]


@pytest.mark.parametrize("sql", UNSURE)
def test_what_is_not_cut(sql):
    assert split_ctes(sql) == []


def test_parts_are_where_they_stand():
    sql = "-- one\nwith a as (select 1 as x), /* two */ B as (\n select 2)\nselect * from a"
    parts = split_ctes(sql)
    assert [part.name for part in parts] == ["a", "b", ""]
    assert all(sql[part.start :].startswith(part.text) for part in parts)


def test_no_dialect_reads_it():
    assert read_text("with a as (select from from) select * from a", "", lambda name: None) is None
