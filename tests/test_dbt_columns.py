"""Columns read from SQL, held against what a real database has after a real `dbt build`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docgen_dbt.columns import dialect_of, seed_columns
from docgen_dbt.plugin import read_catalog
from docgen_dbt.render import UNKNOWN, Renderer

from docgen_plugin.config import Config
from docgen_plugin.model import Catalog

PROFILES = Path(__file__).parent / "data" / "dbt_shop" / "profiles.yml"
DBT = "import sys; from dbt.cli.main import dbtRunner as d; sys.exit(not d().invoke(sys.argv[1:]).success)"
PROJECT = """
name: many
profile: shop
vars:
  methods: [card, voucher]
models:
  many:
    +materialized: view
"""
SEED = "id,Customer Id,amount,paid_on,is_new\n1,7,2.50,2024-01-01,true\n2,8,3.00,2024-01-02,false\n"
MACROS = """
{% macro money(column, places=2) %}round({{ column }} * 1.0, {{ places }}){% endmacro %}
{% macro flags(names) %}{% for name in names %}is_new as flag_{{ name }}{% if not loop.last %}, {% endif %}{% endfor %}{% endmacro %}
{% macro pick() %}{{ return(adapter.dispatch('pick', 'many')()) }}{% endmacro %}
{% macro default__pick() %}id as picked_default{% endmacro %}
{% macro duckdb__pick() %}id as picked_duckdb{% endmacro %}
"""
MODELS = {
    "base": 'select id, "Customer Id" as customer_id, amount, paid_on, is_new from {{ ref("payments_seed") }}',
    "star": "select * from {{ ref('base') }}",
    "star_star": "select * from (select * from {{ ref('star') }}) as s",
    "star_except": "select * exclude (paid_on) from {{ ref('star') }}",
    "star_rename": "select * replace (amount + 1 as amount), id + 1 as next_id from {{ ref('star') }}",
    "alias_star": "select b.*, s.amount as other_amount from {{ ref('base') }} b join {{ ref('star') }} s on s.id = b.id",
    "using_star": "select * from {{ ref('base') }} join (select id, max(amount) as top from {{ ref('star') }} group by 1) t using (id)",
    "cte": "with a as (select * from {{ ref('base') }}), b as (select id, sum(amount) total from a group by id) select * from b",
    "cte_import": "with source as (select * from {{ ref('cte') }}), final as (select *, total * 2 as twice from source) select * from final",
    "cte_shadow": "with base as (select 1 as x, 2 as y) select * from base -- {{ ref('base') }}",
    "cte_nested": "with a as (with b as (select id from {{ ref('base') }}) select id as inner_id from b) select * from a",
    "union_all": "select id, amount from {{ ref('base') }} union all select id, total from {{ ref('cte') }}",
    "union_star": "select * from {{ ref('base') }} union select * from {{ ref('star') }}",
    "union_three": "(select id as a from {{ ref('base') }}) union all (select id from {{ ref('cte') }}) union all select 1",
    "except_set": "select id from {{ ref('base') }} except select id from {{ ref('cte') }}",
    "join_left": "select a.id, a.customer_id, c.total from {{ ref('base') }} as a left join {{ ref('cte') }} as c on a.id = c.id",
    "join_cross": "select a.id as left_id, b.id as right_id from {{ ref('base') }} a cross join {{ ref('base') }} b",
    "window_fn": "select id, row_number() over (partition by customer_id order by paid_on) as rn from {{ ref('base') }}",
    "window_qualify": "select *, rank() over (order by amount) as place from {{ ref('base') }} qualify place = 1",
    "case_when": "select case when is_new then 'new' else 'old' end as age, count(*) as n from {{ ref('base') }} group by 1",
    "casts": "select cast(id as varchar) as id_text, paid_on::timestamp as paid_at, amount::decimal(10, 2) as money from {{ ref('base') }}",
    "quoted": 'select id as "Order Id", amount as "Amount" from {{ ref("base") }}',
    "quoted_star": "select * from {{ ref('quoted') }}",
    "mixed_case": "select Id as OrderId, AMOUNT from {{ ref('base') }}",
    "subquery": "select id, (select max(amount) from {{ ref('base') }}) as top from {{ ref('base') }}",
    "exists_in": "select * from {{ ref('base') }} b where exists (select 1 from {{ ref('cte') }} c where c.id = b.id)",
    "lateral": "select b.id, l.doubled from {{ ref('base') }} b, lateral (select b.amount * 2 as doubled) l",
    "values_list": "select * from (values (1, 'a'), (2, 'b')) as t(code, label)",
    "unnested": "select id, unnest([1, 2]) as part from {{ ref('base') }}",
    "jinja_loop": "select id{% for m in var('methods') %}, sum(amount) as {{ m }}_amount{% endfor %} from {{ ref('base') }} group by id",
    "jinja_set": "{% set names = ['a', 'b'] %}select id, {{ flags(names) }} from {{ ref('base') }}",
    "jinja_macro": "select id, {{ money('amount') }} as money, {{ pick() }} from {{ ref('base') }}",
    "jinja_if": "select id {% if target.type == 'duckdb' %}, 1 as duck {% else %}, 2 as goose {% endif %} from {{ ref('base') }}",
    "jinja_comment": "{# select 1 as wrong #} select id from {{ ref('base') }} {#- {{ ref('nowhere') }} -#}",
    "incremental": "{{ config(materialized='incremental') }} select id, amount from {{ ref('base') }}"
    " {% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}",
    "ephemeral": "{{ config(materialized='ephemeral') }} select id as eph_id, amount from {{ ref('base') }}",
    "on_ephemeral": "select *, eph_id + 1 as more from {{ ref('ephemeral') }}",
    "chain_1": "select *, 1 as c1 from {{ ref('on_ephemeral') }}",
    "chain_2": "select *, c1 + 1 as c2 from {{ ref('chain_1') }}",
    "chain_3": "with x as (select * from {{ ref('chain_2') }}) select x.*, y.total from x left join {{ ref('cte') }} y on y.id = x.eph_id",
    "aggregate": "select customer_id, min(paid_on) first_on, count(distinct id) n, avg(amount) mean from {{ ref('base') }} group by all",
    "struct_field": "select id, {'a': amount}.a as inner_a from {{ ref('base') }}",
    "versioned_reader": "select * from {{ ref('wide', v=1) }}",
    "latest_reader": "select * from {{ ref('wide') }}",
    "wide_v1": "select id from {{ ref('base') }}",
    "wide_v2": "select id, amount from {{ ref('base') }}",
}  # fmt: skip
PROPERTIES = """
models:
  - name: wide
    latest_version: 2
    versions: [{v: 1}, {v: 2}]
"""
# Types where DuckDB and sqlglot use two words for one thing, or sqlglot does not say.
SAME_TYPE = {"TEXT": "VARCHAR", "INT": "INTEGER"}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> tuple[Catalog, dict[str, list[tuple[str, str]]]]:
    """Return the catalog read after a mere parse, and DuckDB's own columns by unique id."""
    root = tmp_path_factory.mktemp("many")
    shutil.copy(PROFILES, root)
    (root / "dbt_project.yml").write_text(PROJECT)
    for folder, name, content in [
        ("seeds", "payments_seed.csv", SEED),
        ("macros", "macros.sql", MACROS),
        ("models", "wide.yml", PROPERTIES),
        *(("models", f"{name}.sql", sql) for name, sql in MODELS.items()),
    ]:
        (root / folder).mkdir(exist_ok=True)
        (root / folder / name).write_text(content)
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    environment = dict(os.environ, PYTHONWARNINGS="ignore")
    for words in (["build"], ["docs", "generate"]):
        done = subprocess.run(
            [sys.executable, "-c", DBT, *words, "--profiles-dir", str(root)],
            cwd=root, capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
    nodes = json.loads((root / "target" / "catalog.json").read_text())["nodes"]
    real = {
        key: [
            (item["name"], item["type"])
            for item in sorted(node["columns"].values(), key=lambda c: c["index"])
        ]
        for key, node in nodes.items()
    }
    return catalog, real


@pytest.mark.slow
def test_columns_are_those_of_the_database(many: tuple[Catalog, dict[str, list[tuple[str, str]]]]):
    catalog, real = many
    assert len(real) >= 45
    wrong = {}
    for key, columns in real.items():
        table = catalog.table(key)
        assert table is not None
        if [item.name for item in table.columns] != [name for name, _ in columns]:
            wrong[key] = [item.name for item in table.columns], [name for name, _ in columns]
    assert wrong == {}


@pytest.mark.slow
def test_types_are_right_where_said(many: tuple[Catalog, dict[str, list[tuple[str, str]]]]):
    """A seed has no types before it is loaded, so what follows from them stays unsaid, never guessed."""
    catalog, real = many
    said, wrong = 0, {}
    for key, columns in real.items():
        table = catalog.table(key)
        assert table is not None
        for item, (name, kind) in zip(table.columns, columns, strict=True):
            said += bool(item.type)
            if item.type and SAME_TYPE.get(item.type, item.type).replace(" ", "") != kind:
                wrong[key, name] = item.type, kind
    assert said >= 20
    assert wrong == {}


@pytest.mark.slow
def test_lineage_sql_names_tables_as_readers_do(many: tuple[Catalog, dict[str, list[tuple[str, str]]]]):
    catalog, _ = many
    table = catalog.table("model.many.chain_3")
    assert table is not None
    assert "FROM chain_2" in table.sql
    assert "LEFT JOIN cte AS y" in table.sql
    reader = catalog.table("model.many.versioned_reader")
    assert reader is not None
    assert "FROM wide_v1" in reader.sql
    ephemeral = catalog.table("model.many.on_ephemeral")
    assert ephemeral is not None
    assert "FROM ephemeral" in ephemeral.sql
    assert "__dbt__cte__" not in ephemeral.sql


DIALECTS = [
    ("duckdb", "duckdb"),
    ("sqlserver", "tsql"),
    ("snowflake", "snowflake"),
    ("made_up", ""),
    ("", ""),
]


@pytest.mark.parametrize(("adapter", "dialect"), DIALECTS)
def test_dialect_of(adapter: str, dialect: str):
    assert dialect_of(adapter) == dialect


SEEDS = [
    (b"a,b\n1,2\n", {}, (("a", ""), ("b", ""))),
    (b"\xef\xbb\xbfId, Full Name \r\n1,2\r\n", {"column_types": {"id": "bigint"}}, (("Id", "bigint"), ("Full Name", ""))),
    (b"a;b\n", {"delimiter": ";"}, (("a", ""), ("b", ""))),
    (b'"a, b",c\n', {}, (("a, b", ""), ("c", ""))),
    (b"", {}, ()),
    (b"caf\xe9\n", {}, ()),
]  # fmt: skip


@pytest.mark.parametrize(("content", "config", "columns"), SEEDS)
def test_seed_columns(
    tmp_path: Path, content: bytes, config: dict[str, object], columns: tuple[tuple[str, str], ...]
):
    (tmp_path / "seed.csv").write_bytes(content)
    assert seed_columns(tmp_path, {"original_file_path": "seed.csv", "config": config}) == columns


def test_missing_seed_has_no_columns(tmp_path: Path):
    assert seed_columns(tmp_path, {"original_file_path": "seed.csv"}) == ()


RENDERED = [
    ("select {{ var('x', 3) }}", "select 3"),
    ("select {{ unknown_macro('a').b[3] }} as x", f"select {UNKNOWN}() as x"),
    ("{{ config(a=1) }}{% do log('x') %}select 1", "select 1"),
    ("{% snapshot s %}select 1{% endsnapshot %}", "select 1"),
    ("{% set rows = run_query('select 1') %}{% for r in rows %}x{% endfor %}select 1", "select 1"),
    ("select '{{ modules.datetime.date.today() }}'", f"select '{UNKNOWN}()'"),
    ("{% raw %}{{ x }}{% endraw %}", "{{ x }}"),
    ("{% if %}", None),
    ("{{ ''.__class__.__mro__ }}", f"{UNKNOWN}()"),
    ("{% for a in range(10 ** 9) %}{% endfor %}", None),
]


@pytest.mark.parametrize(("raw", "sql"), RENDERED)
def test_render(raw: str, sql: str | None):
    manifest = {"metadata": {"project_name": "p", "adapter_type": "duckdb"}, "nodes": {}, "macros": {}}
    node = {"raw_code": raw, "package_name": "p", "unique_id": "model.p.x"}
    assert Renderer(manifest, lambda key: key, {}).render(node) == sql
