"""Projects that dbt parses but that hold something wrong: each is read, and only the right file is written."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml
from docgen_dbt.plugin import read_catalog, write_descriptions

from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError
from docgen_plugin.model import Catalog, Change, ColumnRef

FILES = {
    "dbt_project.yml": "name: small\nprofile: small\n",
    "profiles.yml": "small: {target: d, outputs: {d: {type: duckdb, path: s.duckdb}}}\n",
    "packages.yml": "packages:\n  - local: dbt_packages/other\n",
    "dbt_packages/other/dbt_project.yml": "name: other\nprofile: small\nmodels: {other: {+schema: far}}\n",
    "dbt_packages/other/models/orders.sql": "select 1 as other_id\n",
    "dbt_packages/other/models/schema.yml": "models:\n  - name: orders\n    columns:\n      - name: other_id\n  - name: far\n",
    "models/orders.sql": "select 1 as cust_id, 2 as total\n",
    "models/schema.yml": "\ufeffmodels:\r\n  - name: orders\r\n",
    "models/sources.yml": "sources:\n  - name: raw\n    tables:\n      - name: things\n",
    "models/star.sql": "select * from {{ source('raw', 'things') }}\n",
    "models/far.sql": "select * from nowhere.at_all\n",
    "models/syntax.sql": "selec oops frm (\n",
    "models/a.sql": "select a_id from {{ ref('b') }}\n",
    "models/b.sql": "select a_id from {{ ref('a') }}\n",
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Catalog]:
    root = tmp_path_factory.mktemp("odd") / "small"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    catalog = read_catalog(str(root), Config())
    assert catalog is not None
    return root, catalog


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("star", []),  # over a source that no one lists
        ("far", []),
        ("syntax", []),
        ("a", ["a_id"]),  # of a circle: dbt finds it only when it runs
        ("b", ["a_id"]),
        ("orders", ["cust_id", "total"]),  # another package has a model of that name
    ],
)
def test_what_is_known_of_a_model(odd: tuple[Path, Catalog], name: str, columns: list[str]):
    table = odd[1].table(f"model.small.{name}")
    assert table is not None
    assert [column.name for column in table.columns] == columns


@pytest.mark.slow
def test_two_packages_with_one_model_name(odd: tuple[Path, Catalog]):
    root, catalog = odd
    assert catalog.table("model.other.orders") is None
    changes = [Change(ColumnRef("model.small.orders", column), "", "New text") for column in ("", "total")]
    changes.append(Change(ColumnRef("model.other.orders"), "", "Not ours"))
    report = write_descriptions(str(root), changes, False, Config(provenance=True))
    assert report is not None
    assert report.written == (changes[0].ref, changes[1].ref)
    assert report.skipped == ((changes[2].ref, "belongs to the package other, not to this project"),)
    for name, text in FILES.items():
        if name != "models/schema.yml":
            assert (root / name).read_bytes() == text.encode(), name
    assert (root / "models" / "schema.yml").read_bytes() == (
        b"\xef\xbb\xbfmodels:\r\n  - name: orders\r\n    description: New text\r\n"
        b"    columns:\r\n      - name: total\r\n        description: New text\r\n"
    )
    again = read_catalog(str(root), Config())  # dbt reads it: byte order mark, carriage returns and all
    assert again is not None
    assert again.description(changes[1].ref) == "New text"
    assert yaml.safe_load((root / "models" / "schema.yml").read_bytes())["models"][0]["name"] == "orders"


@pytest.mark.slow
def test_a_model_that_does_not_compile(odd: tuple[Path, Catalog]):
    root, _ = odd
    broken = root / "models" / "broken.sql"
    broken.write_text("select {{ ref('gone') }\n")
    manifest = root / "target" / "manifest.json"
    os.utime(manifest, (0, 0))
    older = read_catalog(str(root), Config())  # an old manifest is better than none
    assert older is not None
    assert "could not be renewed" in older.notes[0]
    assert "models/broken.sql" in older.notes[0]
    manifest.unlink()
    with pytest.raises(SourceError, match=r"`dbt parse` failed: .*models/broken\.sql"):
        read_catalog(str(root), Config())
    broken.unlink()


@pytest.mark.slow
def test_a_package_describes_a_model_of_ours(odd: tuple[Path, Catalog]):
    """dbt gives our model the package's entry when that has none of the name, and refuses a second one."""
    far = Change(ColumnRef("model.small.far"), "", "New text")
    report = write_descriptions(str(odd[0]), [far], False, Config())
    assert report is not None
    assert report.written == ()
    assert report.skipped == ((far.ref, "its entry stands in the package other: models/schema.yml"),)
    assert "far" not in (odd[0] / "models" / "schema.yml").read_text("utf-8")
