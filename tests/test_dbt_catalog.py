"""Reading dbt projects: real artifacts, made by the real dbt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from docgen_dbt import parse
from docgen_dbt.artifacts import MANIFEST_VERSIONS
from docgen_dbt.plugin import find_project, read_catalog

from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError
from docgen_plugin.model import Catalog, Column, ForeignKey

SHOP = Path(__file__).parent / "data" / "dbt_shop"
DBT = [
    sys.executable,
    "-c",
    "import sys; from dbt.cli.main import dbtRunner as d; sys.exit(not d().invoke(sys.argv[1:]).success)",
]

# What the SQL alone tells: tables with all their columns in order.
SHOP_COLUMNS = {
    "source.shop.raw.customers": "id first_name last_name email country_code created_at",
    "source.shop.raw.orders": "id customer_id store_id status ordered_at",
    "source.shop.raw.stores": "",
    "seed.shop.country_codes": "country_code country_name region",
    "seed.shop.category_taxes": "category tax_rate_pct valid_from",
    "model.shop.all_events": "order_id happened_at event_type",
    "model.shop.dim_customers.v1": "customer_id first_name last_name",
    "model.shop.dim_customers.v2": "customer_id full_name email country_name region first_ordered_at order_count",
    "model.shop.dim_products": "sku product_name category list_price is_active",
    "model.shop.fct_order_items": "order_item_id order_id sku product_name category qty unit_price line_amount",
    "model.shop.fct_orders": "order_id customer_id store_id order_status ordered_at item_count gross_amount"
    " paid_amount open_amount last_paid_at",
    "model.shop.stg_customers": "customer_id first_name last_name email country_code created_at",
    "model.shop.stg_payments": "payment_id order_id payment_method amount paid_at",
    "snapshot.shop.store_history": "dbt_scd_id dbt_updated_at dbt_valid_from dbt_valid_to",
}  # fmt: skip
V12 = '{"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v12.json"}'
NAMES = '"resource_type": "model", "name": "x", "package_name": "shop", "original_file_path": "x.sql"'
BROKEN_MANIFESTS = {
    "{": "is not JSON",
    "[]": "is not a dbt manifest; run `dbt parse` to write it again",
    '{"metadata": {"dbt_schema_version": "https://schemas.getdbt.com/dbt/manifest/v99.json"}, "nodes": {}}':
        "manifest version https://schemas.getdbt.com/dbt/manifest/v99.json is none of those that this docgen"
        " reads: v11 (dbt-core 1.7) and v12 (dbt-core 1.8 to 1.12); run `dbt parse` with one of these",
    '{"metadata": {}, "nodes": {}}': "manifest version unknown is none of",
    f'{{"metadata": {V12}}}': "is not a dbt manifest: the file has no 'nodes'; run `dbt parse` to write it again",
    f'{{"metadata": {V12}, "nodes": {{"x": 1}}}}': "is not a dbt manifest: nodes / x is not a mapping; run `dbt parse`",
    f'{{"metadata": {V12}, "nodes": {{"x": {{"resource_type": "model"}}}}}}': "nodes / x has no 'name'",
    f'{{"metadata": {V12}, "nodes": {{}}, "sources": []}}': "sources is not a mapping",
    f'{{"metadata": {V12}, "nodes": {{"x": {{{NAMES}, "depends_on": {{"nodes": [[]]}}}}}}}}':
        "nodes / x / depends_on / nodes / 0 is not a text",
    f'{{"metadata": {V12}, "nodes": {{"x": {{{NAMES}, "columns": {{"a": {{"x": 1}}}}}}}}}}':
        "nodes / x / columns / a has no 'name'",
}  # fmt: skip
BROKEN_PROJECTS = {
    "name: [": "is not YAML: did not find expected node content (line 2, column 1)",
    "a: 1": "has no 'name:'; is it a dbt project?",
    "": "has no 'name:'; is it a dbt project?",
}


def run_dbt(root: Path, *words: str) -> None:
    done = subprocess.run(
        [*DBT, *words, "--project-dir", str(root), "--profiles-dir", str(root)],
        cwd=root, capture_output=True, text=True, env=dict(os.environ, PYTHONWARNINGS="ignore"), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-2000:]


def columns_of(catalog: Catalog, key: str) -> list[str]:
    table = catalog.table(key)
    assert table is not None, key
    return [column.name for column in table.columns]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalog]:
    root = tmp_path_factory.mktemp("parsed") / "shop"
    shutil.copytree(SHOP, root)
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    return root, catalog


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalog]:
    root = tmp_path_factory.mktemp("built") / "shop"
    shutil.copytree(SHOP, root)
    run_dbt(root, "build")
    run_dbt(root, "docs", "generate")
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    return root, catalog


def column(catalog: Catalog, key: str, name: str) -> Column:
    table = catalog.table(key)
    assert table is not None
    found = table.column(name)
    assert found is not None
    return found


def test_project_is_found_by_folder_and_file(tmp_path: Path):
    assert find_project(str(SHOP)) == SHOP.resolve()
    assert find_project(str(SHOP / "dbt_project.yml")) == SHOP.resolve()
    assert find_project(str(tmp_path)) is None
    assert find_project("postgresql://localhost/shop") is None
    assert read_catalog(str(tmp_path / "nothing"), Config()) is None


@pytest.mark.slow
def test_missing_manifest_is_parsed(shop: tuple[Path, Catalog]):
    _, catalog = shop
    assert catalog.source == "dbt:shop"
    assert catalog.kind == "dbt"
    assert catalog.notes == ("target/manifest.json was missing: ran `dbt parse`",)


@pytest.mark.slow
def test_own_tables_only_disabled_left_out(shop: tuple[Path, Catalog]):
    _, catalog = shop
    kinds = [table.kind for table in catalog.tables]
    assert {kind: kinds.count(kind) for kind in kinds} == {"source": 6, "seed": 2, "model": 13, "snapshot": 1}
    assert catalog.table("model.shop.old_report") is None
    assert catalog.table("model.shop.stg_products") is not None  # ephemeral counts


@pytest.mark.slow
@pytest.mark.parametrize("key", SHOP_COLUMNS)
def test_columns_without_a_database(shop: tuple[Path, Catalog], key: str):
    assert columns_of(shop[1], key) == SHOP_COLUMNS[key].split()


@pytest.mark.slow
def test_types_from_sql(shop: tuple[Path, Catalog]):
    catalog = shop[1]
    assert column(catalog, "model.shop.fct_orders", "last_paid_at").type == "TIMESTAMP"
    assert column(catalog, "model.shop.order_totals", "item_count").type == "BIGINT"
    assert column(catalog, "model.shop.stg_orders", "order_status").type == ""  # nobody says


@pytest.mark.slow
def test_tests_become_facts(shop: tuple[Path, Catalog]):
    catalog = shop[1]
    key = column(catalog, "model.shop.stg_customers", "customer_id")
    assert (key.primary_key, key.not_null, key.unique) == (True, True, True)
    assert key.description == "Number that the shop gave the customer."  # through doc()
    foreign = column(catalog, "model.shop.stg_orders", "customer_id")
    assert foreign.foreign_key == ForeignKey("stg_customers", "customer_id")
    assert not foreign.primary_key
    versioned = column(catalog, "model.shop.fct_orders", "customer_id")
    assert versioned.foreign_key == ForeignKey("dim_customers_v2", "customer_id")
    status = column(catalog, "model.shop.stg_orders", "order_status")
    assert status.values == ("placed", "shipped", "completed", "returned")
    assert column(catalog, "model.shop.fct_orders", "order_id").primary_key  # by constraint
    assert column(catalog, "source.shop.raw.customers", "id").primary_key


@pytest.mark.slow
def test_tables_carry_context(shop: tuple[Path, Catalog]):
    catalog = shop[1]
    items = catalog.table("model.shop.fct_order_items")
    assert items is not None
    assert items.upstream == ("model.shop.stg_order_items", "model.shop.stg_products")
    assert items.path == "models/marts/fct_order_items.sql"
    assert "FROM stg_order_items AS items" in items.sql
    assert "JOIN stg_products AS products" in items.sql
    staged = catalog.table("model.shop.stg_customers")
    assert staged is not None
    assert staged.path == "models/staging/_staging__models.yml"
    assert staged.schema == "main"
    assert "FROM customers" in staged.sql  # a source by its name, not its identifier
    assert {table.name for table in catalog.tables} >= {"dim_customers_v1", "dim_customers_v2"}


@pytest.mark.slow
def test_catalog_file_gives_types_and_stars(built: tuple[Path, Catalog]):
    catalog = built[1]
    assert catalog.notes == ()
    assert columns_of(catalog, "source.shop.raw.stores") == ["store_id", "store_name", "city", "opened_on"]
    assert columns_of(catalog, "model.shop.stg_stores") == ["store_id", "store_name", "city", "opened_on"]
    assert columns_of(catalog, "snapshot.shop.store_history")[:5] == [
        "store_id", "store_name", "city", "opened_on", "dbt_scd_id",
    ]  # fmt: skip
    assert column(catalog, "model.shop.stg_stores", "opened_on").type == "DATE"
    for table in catalog.tables:
        assert all(item.type for item in table.columns), table.key


@pytest.mark.slow
def test_stale_catalog_file(built: tuple[Path, Catalog], tmp_path: Path):
    root = tmp_path / "shop"
    shutil.copytree(built[0], root)
    model = root / "models" / "marts" / "order_totals.sql"
    model.write_text(
        model.read_text().replace("count(*) as item_count,", "count(*) as item_count, max(qty) as top,")
    )
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    assert catalog.notes == (
        "target/manifest.json is older than models/marts/order_totals.sql: ran `dbt parse`",
    )
    assert columns_of(catalog, "model.shop.order_totals") == [
        "order_id",
        "item_count",
        "top",
        "units",
        "gross_amount",
    ]
    assert column(catalog, "model.shop.order_totals", "gross_amount").type == "DOUBLE"


@pytest.mark.slow
def test_old_manifest_without_dbt(
    shop: tuple[Path, Catalog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "shop"
    shutil.copytree(shop[0], root)
    sources = root / "models" / "staging" / "_sources.yml"
    sources.write_text(
        sources.read_text().replace('description: "" # to', "description: Where to write # to")
    )
    monkeypatch.setattr(parse, "dbt_command", lambda: None)
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    assert catalog.notes == (
        "target/manifest.json is older than models/staging/_sources.yml: run `dbt parse`",
    )
    assert column(catalog, "source.shop.raw.customers", "email").description == "Where to write"
    assert column(catalog, "model.shop.stg_customers", "customer_id").description.startswith("Number that")


@pytest.mark.slow
def test_texts_of_entries_that_are_gone(
    shop: tuple[Path, Catalog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """dbt's partial parse can keep them; nobody would be asked to describe these places then."""
    root = tmp_path / "shop"
    shutil.copytree(shop[0], root)
    path = root / "target" / "manifest.json"
    manifest = json.loads(path.read_text())
    node = manifest["nodes"]["model.shop.order_totals"]
    node["patch_path"] = "shop://models/staging/_sources.yml"
    node["description"] = "A ghost."
    path.write_text(json.dumps(manifest))
    kept = "target/manifest.json has texts of entries that are gone from their files (1, such as model.shop.order_totals)"
    with monkeypatch.context() as patch:
        patch.setattr(parse, "dbt_command", lambda: None)
        catalog = read_catalog(str(root), Config())
        assert catalog is not None
        assert f"{kept}: run `dbt --no-partial-parse parse`" in catalog.notes
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    assert f"{kept}: ran `dbt --no-partial-parse parse`" in catalog.notes
    table = catalog.table("model.shop.order_totals")
    assert table is not None
    assert table.description != "A ghost."
    again = read_catalog(str(root), Config())
    assert again is not None
    assert not [note for note in again.notes if "gone" in note]


VERSIONS = """models:
  - name: dim_customers
    description: The model's own text.
    latest_version: 2
    columns:
      - name: customer_id
        description: The model's customer.
      - name: full_name
        description: The model's full name.
      - name: region
        description: The model's region.
    versions:
      - v: 1
        description: The first version's text.
        columns:
          - include: all
            exclude: [full_name, region]
          - name: first_name
            description: The first version's name.
          - name: last_name
      - v: 2
        columns:
          - include: [customer_id, full_name]
          - name: region
            description: The second version's region.
"""


@pytest.mark.slow
def test_versions_without_dbt_read_as_dbt_reads_them(
    shop: tuple[Path, Catalog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    root = tmp_path / "shop"
    shutil.copytree(shop[0], root)
    (root / "models" / "marts" / "schema.yml").write_text(VERSIONS)
    with monkeypatch.context() as patched:
        patched.setattr(parse, "dbt_command", lambda: None)
        without = read_catalog(str(root), Config())
    with_dbt = read_catalog(str(root), Config())
    assert without is not None
    assert with_dbt is not None
    for version, texts in (
        (1, ["The first version's text.", "The model's customer.", "The first version's name.", ""]),
        (2, ["The model's own text.", "The model's customer.", "The model's full name."]),
    ):
        key = f"model.shop.dim_customers.v{version}"
        found = [
            [catalog.description(ref) for table in catalog.tables if table.key == key for ref in table.refs()]
            for catalog in (without, with_dbt)
        ]
        assert found[0] == found[1]
        assert found[0][: len(texts)] == texts
    region = column(without, "model.shop.dim_customers.v2", "region")
    assert region.description == "The second version's region."


def test_no_manifest_and_no_dbt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    shutil.copytree(SHOP, tmp_path / "shop")
    monkeypatch.setattr(parse, "dbt_command", lambda: None)
    with pytest.raises(
        SourceError, match=r"target/manifest.json is missing in .* and dbt is not installed: run"
    ):
        read_catalog(str(tmp_path / "shop"), Config())


@pytest.mark.slow
def test_project_that_does_not_parse(tmp_path: Path):
    shutil.copytree(SHOP, tmp_path / "shop")
    (tmp_path / "shop" / "models" / "staging" / "_sources.yml").write_text("sources:\n\t- name: raw\n")
    with pytest.raises(SourceError, match=r"`dbt parse` failed: .*_sources.yml") as caught:
        read_catalog(str(tmp_path / "shop"), Config())
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "shop" / "target" / "manifest.json").exists()


@pytest.mark.parametrize("content", BROKEN_MANIFESTS)
def test_broken_manifest(tmp_path: Path, content: str):
    root = tmp_path / "shop"
    shutil.copytree(SHOP, root)
    (root / "target").mkdir()
    (root / "target" / "manifest.json").write_text(content)
    with pytest.raises(SourceError) as caught:
        read_catalog(str(root), Config())
    assert BROKEN_MANIFESTS[content] in str(caught.value)
    assert str(root / "target" / "manifest.json") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", BROKEN_PROJECTS)
def test_broken_project_file(tmp_path: Path, content: str):
    (tmp_path / "dbt_project.yml").write_text(content)
    with pytest.raises(SourceError) as caught:
        read_catalog(str(tmp_path), Config())
    assert str(caught.value).startswith(f"{tmp_path / 'dbt_project.yml'}: ")
    assert BROKEN_PROJECTS[content] in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize("version", MANIFEST_VERSIONS)
def test_target_path_and_versions(
    shop: tuple[Path, Catalog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: int
):
    root = tmp_path / "shop"
    shutil.copytree(shop[0], root, ignore=shutil.ignore_patterns("target"))
    out = tmp_path / "elsewhere"
    out.mkdir()
    text = (
        (shop[0] / "target" / "manifest.json")
        .read_text()
        .replace("manifest/v12.json", f"manifest/v{version}.json")
    )
    (out / "manifest.json").write_text(text)
    monkeypatch.setenv("DBT_TARGET_PATH", str(out))
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    assert catalog.tables == shop[1].tables


@pytest.mark.slow
def test_broken_catalog_file_is_left_out(shop: tuple[Path, Catalog], tmp_path: Path):
    root = tmp_path / "shop"
    shutil.copytree(shop[0], root)
    (root / "target" / "catalog.json").write_text('{"nodes": {"model.shop.x": 3}}')
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    assert catalog.tables == shop[1].tables
    assert catalog.notes[0].startswith("target/catalog.json cannot be read and was left out")


@pytest.mark.slow
def test_empty_project(tmp_path: Path):
    shutil.copy(SHOP / "profiles.yml", tmp_path)
    (tmp_path / "dbt_project.yml").write_text("name: empty\nprofile: shop\n")
    catalog = read_catalog(str(tmp_path), Config())
    assert catalog is not None
    assert catalog.tables == ()
    assert catalog.notes[-1] == "empty has no models, sources, seeds or snapshots"
