"""Columns that a query gives, read without working types out."""

from __future__ import annotations

import pytest
from docgen_dbt.select_list import Item, Output, parse_query, read_output

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
    ("with recursive r as (select 1 as n union all select n + 1 from r) select * from r", "n", True),
]


@pytest.mark.parametrize(("sql", "names", "complete"), QUERIES)
def test_columns_of_a_query(sql, names, complete):
    parsed = parse_query(sql, "snowflake" if "rename" in sql or "exclude" in sql else "")
    assert parsed is not None
    output = read_output(parsed[0], lambda name: UPSTREAM if name == "docgen_n1" else None)
    assert " ".join(item.name for item in output.items) == names
    assert output.complete is complete


def test_place_and_type_of_a_column():
    sql = "with a as (select cast(k as date) as day from t) select *, 1 as one from a"
    parsed = parse_query(sql, "")
    assert parsed is not None
    day, one = read_output(parsed[0], lambda name: None).items
    assert (day.type, sql[day.start :][:3], sql[one.start :][:3]) == ("DATE", "day", "one")
