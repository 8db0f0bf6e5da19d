"""dbt's selection grammar: the same nodes as `dbt ls` gives, from the manifest alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from click.testing import CliRunner
from docgen_dbt.selectors import is_criterion, select_nodes

from docgen_plugin.cli import cli
from docgen_plugin.errors import ConfigError

SELECTED = [
    "stg_orders", "stg_*", "*orders*", "shop", "shop.staging", "staging.stg_orders", "staging.*", "shop.marts.core",
    "marts.core.fct_orders", "+fct_orders", "stg_orders+", "1+fct_orders", "2+fct_orders", "stg_orders+1", "+stg_orders+", "@stg_orders",
    "@stg_customers", "path:models/staging", "models/staging", "models/marts/core/fct_orders.sql", "models/**",
    "models/staging/*", "./models/staging", "file:stg_orders.sql", "stg_orders.sql", "tag:nightly", "tag:n*", "+tag:nightly",
    "tag:nightly,tag:core", "stg_orders fct_orders", "models/marts,tag:nightly+", "source:raw", "source:raw.orders",
    "source:shop.raw.orders", "source:raw.*", "source:raw.orders+", "resource_type:seed", "resource_type:source",
    "resource_type:snapshot", "package:shop", "package:this", "config.materialized:view", "config.materialized:t*",
    "config.meta.owner:finance", "config.tags:core", "config.enabled:true", "group:money", "access:public", "dim_customers.v1", "dim_customers_v2",
    "dim_customers", "dim_customers+", "nothing_like_it", "country_codes+", "customers_snapshot", "tag:nightly country_codes,resource_type:seed",
    "fqn:stg_orders", "fqn:shop.marts.*", "orders", "raw.orders",
]  # fmt: skip
EXCLUDED = [
    ("shop", "stg_*"),
    ("+fct_orders", "source:raw"),
    ("tag:nightly", "tag:core"),
    ("shop", "models/marts +stg_orders"),
]

FILES = {
    "dbt_project.yml": """
name: shop
version: "1.0"
profile: shop
model-paths: [models]
models:
  shop:
    staging: {+tags: [nightly]}
    marts: {+materialized: table}
""",
    "profiles.yml": "shop: {target: dev, outputs: {dev: {type: duckdb, path: ':memory:'}}}\n",
    "seeds/country_codes.csv": "code,name\nDE,Germany\n",
    "models/_groups.yml": "groups: [{name: money, owner: {name: Ann, email: ann@example.com}}]\n",
    "models/_sources.yml": "sources: [{name: raw, tables: [{name: orders}, {name: customers, tags: [nightly]}]}]\n",
    "models/staging/stg_orders.sql": "select * from {{ source('raw', 'orders') }}",
    "models/staging/stg_customers.sql": "select * from {{ source('raw', 'customers') }}",
    "models/staging/stg_countries.sql": "{{ config(tags=['core']) }} select * from {{ ref('country_codes') }}",
    "models/marts/core/fct_orders.sql": "{{ config(tags=['nightly', 'core'], meta={'owner': 'finance'}, group='money') }}"
    " select * from {{ ref('stg_orders') }} join {{ ref('orders_enriched') }} using (id)",
    "models/marts/core/_core.yml": "models: [{name: dim_customers, access: public, latest_version: 2,"
    " versions: [{v: 1}, {v: 2}]}]\n",
    "models/marts/core/dim_customers_v1.sql": "select * from {{ ref('stg_customers') }}",
    "models/marts/core/dim_customers_v2.sql": "select * from {{ ref('stg_customers') }} cross join {{ ref('stg_countries') }}",
    "models/marts/orders_enriched.sql": "{{ config(materialized='view') }} select * from {{ ref('stg_orders') }}",
    "models/marts/report.sql": "select * from {{ ref('fct_orders') }} join {{ ref('dim_customers') }} using (id)",
    "snapshots/customers_snapshot.sql": "{% snapshot customers_snapshot %}{{ config(unique_key='id', strategy='check',"
    " check_cols='all', target_schema='s') }} select * from {{ ref('stg_customers') }}{% endsnapshot %}",
}  # fmt: skip

_LIST = """
import contextlib, io, json, sys
from dbt.cli.main import dbtRunner
runner, found = dbtRunner(), []
for select, exclude in json.load(sys.stdin):
    words = ["--quiet", "ls", "--profiles-dir", ".", "--output", "json", "--output-keys", "unique_id", "--select", select]
    words += ["--exclude", exclude] if exclude else []
    with contextlib.redirect_stdout(io.StringIO()):
        result = runner.invoke(words)
    if not result.success:
        raise SystemExit(f"{select}: {result.exception}")
    found.append([json.loads(line)["unique_id"] for line in result.result or ()])
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def listed(tmp_path_factory):
    """Return the manifest, and the ids that dbt lists for every selection."""
    root = tmp_path_factory.mktemp("shop")
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    asked = [(one, "") for one in SELECTED] + EXCLUDED
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _LIST],
        cwd=root,
        input=json.dumps(asked),
        env={**os.environ, "DBT_SEND_ANONYMOUS_USAGE_STATS": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    ids = json.loads(done.stdout.splitlines()[-1])
    manifest = json.loads((root / "target" / "manifest.json").read_text(encoding="utf-8"))
    return manifest, dict(zip(asked, ids, strict=True))


def tables(ids):
    return sorted(one for one in ids if one.split(".")[0] in ("model", "source", "seed", "snapshot"))


@pytest.mark.slow
@pytest.mark.parametrize("select", SELECTED)
def test_selects_what_dbt_selects(listed, select):
    manifest, by_dbt = listed
    assert sorted(select_nodes(manifest, [select])) == tables(by_dbt[select, ""])


@pytest.mark.slow
@pytest.mark.parametrize(("select", "exclude"), EXCLUDED)
def test_excludes_what_dbt_excludes(listed, select, exclude):
    manifest, by_dbt = listed
    assert sorted(select_nodes(manifest, [select], [exclude])) == tables(by_dbt[select, exclude])


@pytest.mark.slow
def test_no_criteria_mean_all_and_the_comparison_saw_enough(listed):
    manifest, by_dbt = listed
    assert len(select_nodes(manifest, [])) == 12
    assert sum(bool(tables(ids)) for ids in by_dbt.values()) > 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("state:modified", "compares with another run's manifest"),
        ("state:modified+", "compares with another run's manifest"),
        ("result:error", "needs the results of a run"),
        ("selector:nightly", "selectors.yml"),
        ("flavour:sweet", "unknown method 'flavour'"),
        ("+", "names nothing"),
        ("a,,b", "names nothing"),
        ("@a+", "leave \\+ out"),
        ("config:table", "unknown method 'config'"),
    ],
)
def test_what_is_no_criterion_is_one_clear_line(text, message):
    with pytest.raises(ConfigError, match=message) as caught:
        select_nodes({}, [text])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["orders", "stg_*", "orders.*_id", "model.shop.orders"])
def test_names_and_globs_are_no_criteria(text):
    assert not is_criterion(text)


@pytest.mark.slow
def test_the_commands_take_the_grammar_and_globs_alike(listed, tmp_path, monkeypatch):
    manifest, _ = listed
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    (tmp_path / "target").mkdir()
    (tmp_path / "target" / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    def chosen(*words):
        run = CliRunner().invoke(cli, ["status", ".", "--json", *words])
        assert run.exit_code == 0, run.output
        return [table["table"].split(".", 2)[2] for table in json.loads(run.stdout)["tables"]]

    assert chosen("--include", "tag:core") == ["fct_orders", "stg_countries"]
    assert "stg_orders" not in chosen("--exclude", "+fct_orders stg_customers")
    for words, message in (
        (["--include", "tag:nothing"], "no table matches 'tag:nothing'"),
        (["--exclude", "state:modified"], "compares with another run's manifest"),
    ):
        run = CliRunner().invoke(cli, ["status", ".", *words])
        assert run.exit_code == 1
        assert message in run.stderr
        assert run.stderr.count("\n") == 1
