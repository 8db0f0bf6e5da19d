"""Texts as a properties file of their own: what the real dbt makes of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from docgen_plugin import descriptions_file
from docgen_plugin.errors import WriteError
from docgen_plugin.model import Catalog, Column, ColumnRef, Suggestion, Table

PROFILES = "shop: {target: dev, outputs: {dev: {type: duckdb, path: shop.duckdb}}}\n"
DBT = "import sys; from dbt.cli.main import dbtRunner as d; sys.exit(not d().invoke(sys.argv[1:]).success)"
VERSIONS = [
    Table(f"model.shop.orders.v{number}", f"orders_v{number}", "model", columns=(Column("id"), Column("x")))
    for number in (1, 2)
]
# a model whose name only looks like a version's
PLAIN = Table("model.shop.lines_v2", "lines_v2", "model", columns=(Column("id"),))
SEED = Table("seed.shop.codes", "codes", "seed", columns=(Column("code"), Column("c{{ 7*6 }}")))
TABLES = (
    Table("main.tills", "tills", schema="main", columns=(Column("id"),)),
    Table("odd.tills", "tills", schema="odd {{ 1 }}", columns=(Column("id"),)),
    Table("main.t{% 1 %}", "t{% 1 %}", schema="main", columns=(Column("id"),)),
)
CATALOG = Catalog("dbt:shop", "dbt", (*VERSIONS, PLAIN, SEED, *TABLES))
TEXTS = ["One row an order.", "uses {{ x }} and {# y #}", "it's: a\r\ntext", "a }} b", "{% endraw %}\n"]
BAD_NAMES = {
    ColumnRef("seed.shop.codes", "c{{ 7*6 }}"): "c{{ 7*6 }}",
    ColumnRef("odd.tills"): "odd {{ 1 }}",
    ColumnRef("odd.tills", "id"): "odd {{ 1 }}",
    ColumnRef("main.t{% 1 %}"): "t{% 1 %}",
    ColumnRef("main.t{% 1 %}", "id"): "t{% 1 %}",
}


def suggestions() -> list[Suggestion]:
    refs = [ref for table in CATALOG.tables for ref in table.refs()]
    return [Suggestion(ref, TEXTS[number % len(TEXTS)]) for number, ref in enumerate(refs)]


@pytest.mark.slow
def test_dbt_reads_the_texts_and_runs_no_name(tmp_path: Path):
    (tmp_path / "dbt_project.yml").write_text("name: shop\nprofile: shop\n")
    (tmp_path / "profiles.yml").write_text(PROFILES)
    for folder in ("models", "seeds"):
        (tmp_path / folder).mkdir()
    for name in ("orders_v1", "orders_v2", "lines_v2"):
        (tmp_path / "models" / f"{name}.sql").write_text("select 1 as id, 2 as x")
    (tmp_path / "seeds" / "codes.csv").write_text("code,c{{ 7*6 }}\n1,2\n")
    wanted = suggestions()
    path = tmp_path / "models" / "docs.yml"
    report = descriptions_file.write(str(path), CATALOG, wanted, dry_run=False, force=False)
    assert path.read_bytes().decode() == report.preview
    assert report.skipped == tuple(
        (ref, f"the name {name} looks like Jinja, which dbt would run") for ref, name in BAD_NAMES.items()
    )
    done = subprocess.run(
        [sys.executable, "-c", DBT, "parse", "--project-dir", tmp_path, "--profiles-dir", tmp_path],
        cwd=tmp_path, capture_output=True, text=True, env=dict(os.environ, PYTHONWARNINGS="ignore"), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())
    found = {}
    for key, node in {**manifest["nodes"], **manifest["sources"]}.items():
        shown = key.replace("source.shop.main.", "main.")
        found[ColumnRef(shown)] = node["description"]
        found |= {ColumnRef(shown, name): item["description"] for name, item in node["columns"].items()}
    assert found == {item.ref: item.text for item in wanted if item.ref in report.written}


def test_jinja_in_a_versions_own_text_is_left_out(tmp_path: Path):
    ref = ColumnRef("model.shop.orders.v2")
    texts = [Suggestion(ref, "uses {{ x }}")]
    report = descriptions_file.write(str(tmp_path / "a.yml"), CATALOG, texts, dry_run=False, force=False)
    reason = "the text looks like Jinja, which dbt runs twice in a version's description"
    assert (report.written, report.skipped) == ((), ((ref, reason),))
    assert os.listdir(tmp_path) == []


def test_versions_stand_under_their_model():
    texts = [Suggestion(ColumnRef(table.key), "Text.") for table in (*VERSIONS, PLAIN)]
    assert yaml.safe_load(descriptions_file.render(CATALOG, texts))["models"] == [
        {"name": "orders", "versions": [{"v": number, "description": "Text."} for number in (1, 2)]},
        {"name": "lines_v2", "description": "Text."},
    ]


def test_file_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "docs.yml"
    path.write_text("old: 1\n")
    path.chmod(0o640)

    def full(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    texts = [Suggestion(ColumnRef(PLAIN.key), "Text.")]
    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(WriteError, match=r"docs\.yml: cannot be written: .*No space left"):
            descriptions_file.write(str(path), CATALOG, texts, dry_run=False, force=True)
    assert (path.read_text(), os.listdir(tmp_path)) == ("old: 1\n", ["docs.yml"])
    link = tmp_path / "link.yml"
    link.symlink_to(path)
    descriptions_file.write(str(link), CATALOG, texts, dry_run=False, force=True)
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert "lines_v2" in path.read_text()
