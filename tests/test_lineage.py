"""What the columns of a query are made of, for every way that people write one."""

from __future__ import annotations

import pytest

from docgen_plugin.lineage import read_lineage, with_lineage
from docgen_plugin.model import Column, ColumnRef, Lineage, Table


def table(key: str, *columns: str, sql: str = "", schema: str = "") -> Table:
    name = key.rpartition(".")[2]
    return Table(key, name, schema=schema, columns=tuple(Column(one) for one in columns), sql=sql)


TABLES = {
    "orders": table("orders", "id", "total", "customer_id", "placed_at"),
    "shop.orders": table("orders", "id", "total", "customer_id", "placed_at"),
    "customers": table("customers", "customer_id", "name", "total"),
    "refunds": table("refunds", "id", "total"),
    "raw": table("raw"),  # nobody lists its columns
    "mixed": table("mixed", "Id", "Full Name"),
}

# query, its columns as "name kind inputs"; dialect where it is not sqlglot's own
CASES = {
    "bare": ("select id, total from orders", "id pass-through orders.id; total pass-through orders.total"),
    "qualified": ("select o.id, o.total from orders as o", "id pass-through orders.id; total pass-through orders.total"),
    "with a schema": ("select o.id from shop.orders o", "id pass-through orders.id"),
    "renamed": ("select total as amount from orders", "amount rename orders.total"),
    "renamed to its own name": ("select total as total from orders", "total pass-through orders.total"),
    "other case": ("SELECT Id, TOTAL AS Amount FROM Orders", "id pass-through orders.id; amount rename orders.total"),
    "quoted": ('select "Full Name" as full_name, "Id" from mixed', "full_name rename mixed.full name; id pass-through mixed.id"),
    "in brackets": ("select (total) as total from orders", "total pass-through orders.total"),
    "cast": ("select cast(id as text) as id, total::numeric as t from orders", "id pass-through orders.id; t rename orders.total"),
    "try_cast": ("select try_cast(total as int) as total from orders", "total pass-through orders.total", "duckdb"),
    "safe_cast": ("select safe_cast(total as int64) as total from orders", "total pass-through orders.total", "bigquery"),
    "star": ("select * from refunds", "id pass-through refunds.id; total pass-through refunds.total"),
    "star of one": (
        "select r.*, c.name from refunds r join customers c on true",
        "id pass-through refunds.id; total pass-through refunds.total; name pass-through customers.name",
    ),
    "star, one left out": ("select * exclude (total) from refunds", "id pass-through refunds.id", "duckdb"),
    "star, one replaced": (
        "select * replace (total + 1 as total) from refunds",
        "id pass-through refunds.id; total derived refunds.total", "duckdb",
    ),
    "star in a subquery": ("select id from (select * from (select * from refunds) a) b", "id pass-through refunds.id"),
    "unlisted, star through CTEs": (
        "with source as (select * from raw), renamed as (select id as raw_id, upper(x) as x, y from source) select * from renamed",
        "raw_id rename raw.id; x derived raw.x; y pass-through raw.y",
    ),
    "unlisted, joined to listed": (
        "select name, colour from customers join raw on true", "name pass-through customers.name; colour unknown",
    ),
    "two unlisted": ("select colour from raw a join raw b on true", "colour unknown"),
    "CTEs": (
        "with a as (select * from orders), b as (select id as order_id, total from a) select order_id, total as amount from b",
        "order_id rename orders.id; amount rename orders.total",
    ),
    "renamed there and back": ("with a as (select total as x from orders) select x as total from a", "total pass-through orders.total"),
    "CTE behind a table's name": ("with customers as (select * from refunds) select total from customers", "total pass-through refunds.total"),
    "CTE in a CTE": ("with a as (with b as (select id from orders) select id as x from b) select x from a", "x rename orders.id"),
    "CTE with column names": ("with a(x, y) as (select id, total from orders) select y from a", "y rename orders.total"),
    "subquery": ("select s.id from (select id from orders) as s", "id pass-through orders.id"),
    "subquery with column names": ("select s.x from (select id from orders) as s(x)", "x rename orders.id"),
    "join, no qualifier": ("select name, placed_at from orders join customers on true", "name pass-through customers.name; placed_at pass-through orders.placed_at"),
    "join using": ("select customer_id, name from orders join customers using (customer_id)", "customer_id pass-through orders.customer_id; name pass-through customers.name"),
    "left join using": ("select customer_id from orders left join customers using (customer_id)", "customer_id pass-through orders.customer_id"),
    "right join using": ("select customer_id from orders right join customers using (customer_id)", "customer_id pass-through customers.customer_id"),
    "full join using": ("select customer_id from orders full join customers using (customer_id)", "customer_id union orders.customer_id, customers.customer_id"),
    "one's own coalesce": ("select coalesce(o.total, c.total) as total from orders o join customers c on true", "total derived orders.total, customers.total"),
    "self join": ("select a.id, b.id as other_id from orders a join orders b on true", "id pass-through orders.id; other_id rename orders.id"),
    "union": ("select id, total from orders union all select id, total from refunds", "id union orders.id, refunds.id; total union orders.total, refunds.total"),
    "union by position": ("select id from orders union select customer_id from customers", "id union orders.id, customers.customer_id"),
    "union of three": (
        "select id from orders union all select id from refunds union all select customer_id from customers",
        "id union orders.id, refunds.id, customers.customer_id",
    ),
    "union in a CTE": (
        "with u as (select id as x from orders union all select id from refunds) select x from u", "x union orders.id, refunds.id",
    ),
    "union, one side nothing": ("select id, null as n from orders union all select customer_id, name from customers", "id union orders.id, customers.customer_id; n rename customers.name"),
    "union, one side a number": ("select total from orders union all select 0", "total derived orders.total"),
    "union, one side computed": ("select total from orders union all select -total from refunds", "total derived orders.total, refunds.total"),
    "union of constants": ("select 'web' as channel from orders union all select 'shop' from refunds", "channel constant"),
    "except": ("select id from orders except select id from refunds", "id pass-through orders.id"),
    "intersect": ("select id from orders intersect select id from refunds", "id pass-through orders.id"),
    "arithmetic": ("select total * 1.2 as gross from orders", "gross derived orders.total"),
    "two inputs": ("select o.total - r.total as net from orders o join refunds r on true", "net derived orders.total, refunds.total"),
    "trim, lower": ("select trim(name) as name, lower(name) as low from customers", "name derived customers.name; low derived customers.name"),
    "coalesce": ("select coalesce(total, 0) as total from orders", "total derived orders.total"),
    "case": ("select case when total > 9 then 'big' else 'small' end as size from orders", "size derived orders.total"),
    "aggregates": (
        "select customer_id, count(*) as n, max(total) as most from orders group by customer_id",
        "customer_id pass-through orders.customer_id; n derived; most derived orders.total",
    ),
    "window": ("select row_number() over (partition by customer_id order by placed_at) as rn from orders", "rn derived orders.customer_id, orders.placed_at"),
    "computed on the way": ("with a as (select total + 1 as t from orders) select t as total from a", "total derived orders.total"),
    "an alias used again": ("select total as t, t + 1 as more from orders", "t rename orders.total; more derived orders.total"),
    "constants": ("select 1 as one, 'x' as kind, null as nothing, cast(null as int) as none from orders", "one constant; kind constant; nothing constant; none constant"),
    "the time": ("select current_timestamp as loaded_at from orders", "loaded_at derived"),
    "scalar subquery": (
        "select (select max(c.total) from customers c where c.customer_id = o.customer_id) as most from orders o",
        "most derived customers.total",
    ),
    "correlated": ("select (select o.total + c.total from customers c) as both from orders o", "both derived orders.total, customers.total"),
    "recursive": (
        "with recursive t as (select id, total from orders union all select id, total + 1 from t) select id, total from t",
        "id pass-through orders.id; total derived orders.total",
    ),
    "recursive, passed on": (
        "with recursive t as (select id from orders union all select t.id from t) select * from t", "id pass-through orders.id",
    ),
    "values": ("select * from (values (1, 'a')) as t(code, label)", "code unknown; label unknown"),
    "nobody's table": ("select x from elsewhere", "x unknown"),
    "json path": ("select total:a.b::int as x from orders", "x derived orders.total", "snowflake"),
    "backticks": ("select `Id`, total as `Amount` from `orders`", "id pass-through orders.id; amount rename orders.total", "bigquery"),
    "square brackets": ("select [id] as [Order Id] from orders", "order id rename orders.id", "tsql"),
    "top": ("select top 3 total from orders", "total pass-through orders.total", "tsql"),
    "qualify": ("select id, total from orders qualify row_number() over (order by id) = 1", "id pass-through orders.id; total pass-through orders.total", "snowflake"),
    "distinct on": ("select distinct on (customer_id) customer_id, id from orders", "customer_id pass-through orders.customer_id; id pass-through orders.id", "postgres"),
    "CREATE VIEW": ("create view v as select total as t from orders", "t rename orders.total"),
}  # fmt: skip


def shown(found: dict[str, Lineage] | None) -> str:
    assert found is not None
    parts = [f"{name} {one.kind} {', '.join(map(str, one.inputs))}".strip() for name, one in found.items()]
    return "; ".join(parts)


@pytest.mark.parametrize("case", CASES)
def test_what_columns_are_made_of(case):
    sql, wanted, *dialect = CASES[case]
    assert shown(read_lineage(sql, dialect[0] if dialect else "", TABLES.get)) == wanted


@pytest.mark.parametrize(
    "sql",
    [
        "",
        "selec id from",
        "select id from orders where (",
        "drop table orders",
        "select a.id from orders a join refunds a on true",  # one alias twice
        "with a as (select * from b), b as (select * from a) select * from a",
        "select " + "(" * 3_000 + "id" + ")" * 3_000 + " from orders",
    ],
)
def test_what_is_no_query_says_nothing_and_breaks_nothing(sql):
    found = read_lineage(sql, "", TABLES.get)
    assert found is None or all(not one.inputs for one in found.values())


def test_expressions_are_for_people():
    found = read_lineage('select "O"."total" * (1 - 0.5) as half from orders as "O"', "", TABLES.get)
    assert found == {"half": Lineage("derived", (ColumnRef("orders", "total"),), "total * (1 - 0.5)")}
    long = read_lineage(f"select total + {' + '.join(['1'] * 300)} as t from orders", "", TABLES.get)
    assert long is not None
    assert len(long["t"].expression) <= 200
    assert long["t"].expression.endswith("...")


def test_views_of_a_database():
    base = table("a.orders", "id", "Total", schema="a")
    other = table("b.orders", "id", "Total", schema="b")
    views = [
        table("a.v", "id", "amount", schema="a", sql='CREATE VIEW v(id, amount) AS SELECT id, "Total" FROM orders'),
        table("b.v", "id", schema="b", sql="select id from orders"),
        table("c.v", "id", schema="c", sql="select id from orders"),
        table("c.w", "id", "y", schema="c", sql="select o.*, 1 as y from b.orders o"),
        table("c.x", "id", schema="c", sql="this is no query"),
    ]  # fmt: skip
    found, unread = with_lineage([base, other, *views], "no such dialect")
    kinds = {
        one.key: [(column.lineage.kind, *map(str, column.lineage.inputs)) for column in one.columns if column.lineage]
        for one in found
    }  # fmt: skip
    assert kinds == {
        "a.orders": [],
        "b.orders": [],
        "a.v": [("pass-through", "a.orders.id"), ("rename", "a.orders.total")],
        "b.v": [("pass-through", "b.orders.id")],
        "c.v": [("unknown",)],  # which of the two is not said
        "c.w": [("pass-through", "b.orders.id"), ("constant",)],
        "c.x": [],
    }
    assert unread == ("c.x",)


def test_what_reads_itself_adds_nothing():
    own = table("orders", "id", "total")
    query = "select id, total from refunds union all select id, total from orders"
    assert shown(read_lineage(query, "", TABLES.get, own)) == (
        "id pass-through refunds.id; total pass-through refunds.total"
    )
