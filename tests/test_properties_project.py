"""Writing into whole projects: which file, what is refused, and what the real dbt reads afterwards."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml
from docgen_dbt import files
from docgen_dbt.plugin import read_catalog, write_descriptions

from docgen_plugin.config import Config
from docgen_plugin.model import Catalog, Change, ColumnRef, WriteReport

SHOP = Path(__file__).parent / "data" / "dbt_shop"
ORDERS = "models/staging/_staging__models.yml"
SOURCES = "models/staging/_sources.yml"
# Texts that YAML or Jinja would take for something else; dbt itself must show them as they are.
TEXTS = [
    "yes", "null", "1.5", "2024-01-01", "a: b", "# x", "- x", " both ends ", "it's \"quoted\"", "back\\slash",
    "\U0001f600 caf\u00e9", "line\u2028sep", "tab\there", "two\nlines", "two\n\nparagraphs\n", "many words " * 20 + "end",
    "{{ var('x') }}", "{{ doc('customer_id') }}", "{% if %}", "{% endraw %}", "{# note #}", "{{{ x }}}", "a }} b %} c #}",
    "{{ 'x' }}\n", "{{ '{{' }}", "{{ x }} " * 20 + "end", "two\n{{ lines }}\n", "{%- docs x -%}", "$1,000 & 5%",
]  # fmt: skip


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("properties") / "shop"
    shutil.copytree(SHOP, root)
    read_catalog(str(root), Config())
    return root


@pytest.fixture
def project(parsed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(parsed, tmp_path / "shop"))


def change(table: str, column: str, after: str, before: str = "") -> Change:
    return Change(ColumnRef(table, column), before, after)


def write(root: Path, *changes: Change, dry_run: bool = False, config: Config | None = None) -> WriteReport:
    report = write_descriptions(str(root), changes, dry_run, config or Config())
    assert report is not None
    assert report.error == ""
    return report


def everything(catalog: Catalog) -> list[Change]:
    """Return a text for every place without one, the nasty texts in turn."""
    places = [ref for table in catalog.tables for ref in table.refs() if not catalog.description(ref)]
    return [Change(ref, "", TEXTS[number % len(TEXTS)]) for number, ref in enumerate(places)]


def snapshot(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for folder in ("models", "seeds", "snapshots", "macros")
        for path in (root / folder).rglob("*")
        if path.is_file()
    }


def dbt_descriptions(root: Path) -> dict[ColumnRef, str]:
    """Return what dbt's own manifest says, exactly."""
    manifest = json.loads((root / "target" / "manifest.json").read_text())
    found = {}
    for key, node in {**manifest["nodes"], **manifest["sources"]}.items():
        found[ColumnRef(key)] = node["description"]
        found.update({ColumnRef(key, name): item["description"] for name, item in node["columns"].items()})
    return found


@pytest.mark.slow
def test_dbt_reads_what_was_written(project: Path):
    catalog = read_catalog(str(project), Config())
    assert catalog is not None
    changes = everything(catalog)
    assert len(changes) > 90
    report = write(project, *changes)
    shared = ColumnRef("model.shop.dim_customers.v2", "customer_id")
    assert report.skipped == (
        (shared, "models/marts/schema.yml: another version of the model shares this place"),
    )
    assert set(report.written) == {item.ref for item in changes} - {shared}
    again = read_catalog(str(project), Config())
    assert again is not None
    assert "ran `dbt parse`" in again.notes[0]
    shown = dbt_descriptions(project)
    for item in changes:
        if item.ref != shared:
            assert shown[item.ref] == item.after, item.ref
    assert [ref for table in again.tables for ref in table.refs() if not again.description(ref)] == []
    before = snapshot(project)
    assert set(write(project, *changes).written) == {item.ref for item in changes} - {shared}
    assert snapshot(project) == before


@pytest.mark.slow
def test_replaced_texts_in_dbt(project: Path):
    """A person edits what was written: the second text replaces the first, exactly."""
    ref = "model.shop.stg_orders"
    names = ["order_id", "customer_id", "order_status"]
    first = [
        change(ref, name, text)
        for name, text in zip(names, ["{{ a }}", "x\n\ny", "long " * 40 + "end"], strict=True)
    ]
    write(project, *first)
    second = [
        change(ref, item.ref.column, TEXTS[number - 5], item.after) for number, item in enumerate(first)
    ]
    assert len(write(project, *second).written) == 3
    read_catalog(str(project), Config())
    shown = dbt_descriptions(project)
    assert [shown[item.ref] for item in second] == [item.after for item in second]


@pytest.mark.slow
def test_names_that_dbt_would_run_are_never_written(project: Path):
    """A seed's header names columns that nobody checked: `c{{ 7*6 }}` in a file would be a column c42."""
    seed = project / "seeds" / "category_taxes.csv"
    header, _, rest = seed.read_text().partition("\n")
    seed.write_text(f"{header},c{{{{ 7*6 }}}}\n" + rest.replace("\n", ",1\n"))
    catalog = read_catalog(str(project), Config())
    assert catalog is not None
    key = "seed.shop.category_taxes"
    assert catalog.description(ColumnRef(key, "c{{ 7*6 }}")) == ""
    report = write(project, change(key, "c{{ 7*6 }}", "Seven times six"), change(key, "category", "Category"))
    assert report.written == (ColumnRef(key, "category"),)
    assert report.skipped == (
        (
            ColumnRef(key, "c{{ 7*6 }}"),
            "seeds/_seeds.yml: the name c{{ 7*6 }} looks like Jinja, which dbt would run",
        ),
    )
    assert "7*6" not in report.preview
    read_catalog(str(project), Config())
    assert dbt_descriptions(project)[ColumnRef(key, "category")] == "Category"
    assert ColumnRef(key, "c42") not in dbt_descriptions(project)


@pytest.mark.slow
def test_jinja_in_a_versions_own_text(project: Path):
    """dbt runs it twice there, so that no escape would stand; other texts are written."""
    path = project / "models/marts/schema.yml"
    path.write_text(path.read_text().replace("-   v: 2\n", '-   v: 2\n                description: ""\n'))
    ref = "model.shop.dim_customers.v2"
    before = "One row per customer, with what they ordered."
    assert write(project, change(ref, "", "{{ x }}")).skipped[0][1] == (
        "models/marts/schema.yml: the text looks like Jinja, which dbt runs twice in a version's description"
    )
    assert write(project, change(ref, "", "{ x }")).skipped == ()
    read_catalog(str(project), Config())
    assert dbt_descriptions(project)[ColumnRef(ref)] == "{ x }"
    assert dbt_descriptions(project)[ColumnRef("model.shop.dim_customers.v1")].strip() == before


@pytest.mark.slow
def test_dry_run_writes_nothing_and_git_applies_it(project: Path):
    catalog = read_catalog(str(project), Config())
    assert catalog is not None
    (project / "models" / "odd name").mkdir()
    before = snapshot(project)
    changes = everything(catalog)
    report = write(project, *changes, dry_run=True)
    assert snapshot(project) == before
    git = ["git", "-C", str(project), "-c", "core.autocrlf=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "apply", "-"], input=report.preview.encode(), check=True)
    applied = snapshot(project)
    assert applied != before
    for name, content in before.items():
        (project / name).write_bytes(content)
    for name in set(applied) - set(before):
        (project / name).unlink()
    real = write(project, *changes)
    assert real.preview == report.preview
    assert real.written == report.written
    assert snapshot(project) == applied


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", [b"models:\r\n- name: stg_orders", b"\xef\xbb\xbfmodels: [{name: stg_orders}]"]
)
def test_git_applies_odd_files(project: Path, content: bytes):
    path = project / ORDERS
    path.write_bytes(content)
    changes = [change("model.shop.stg_orders", name, "Text") for name in ("", "order_id")]
    report = write(project, *changes, dry_run=True)
    assert path.read_bytes() == content
    git = ["git", "-C", str(project), "-c", "core.autocrlf=false"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "apply", "-"], input=report.preview.encode(), check=True)
    applied = path.read_bytes()
    path.write_bytes(content)
    write(project, *changes)
    assert path.read_bytes() == applied
    assert applied != content


NEW_ENTRIES = [
    # existing files, the model, where its entry goes
    ([], "model.shop.all_events", "models/marts/schema.yml"),
    (["models/marts/_marts__models.yml"], "model.shop.all_events", "models/marts/_marts__models.yml"),
    (["models/marts/_x_models.yml"], "model.shop.all_events", "models/marts/_x_models.yml"),
    ([], "seed.shop.category_taxes", "seeds/_seeds.yml"),
    ([], "snapshot.shop.store_history", "snapshots/_snapshots__snapshots.yml"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("there", "key", "goes_to"), NEW_ENTRIES)
def test_file_of_a_new_entry(project: Path, there: list[str], key: str, goes_to: str):
    for name in there:
        (project / name).write_text("version: 2\n")
    assert write(project, change(key, "", "New text")).skipped == ()
    data = yaml.safe_load((project / goes_to).read_bytes())
    section = {"model": "models", "seed": "seeds", "snapshot": "snapshots"}[key.split(".")[0]]
    assert data[section][-1] == {"name": key.split(".")[-1], "description": "New text"}


@pytest.mark.slow
def test_named_properties_file(project: Path):
    (project / "models/marts/schema.yml").unlink()
    config = Config(properties_file="{dir}.yml")
    write(project, change("model.shop.all_events", "order_id", "Key"), config=config)
    assert (project / "models/marts/marts.yml").read_text() == (
        "version: 2\n\nmodels:\n  - name: all_events\n    columns:\n      - name: order_id\n        description: Key\n"
    )
    again = write(project, change("model.shop.all_events", "", "Events"))  # found there, whatever its name
    assert again.skipped == ()
    assert "    description: Events\n" in (project / "models/marts/marts.yml").read_text()
    bad = write(
        project, change("model.shop.dim_products", "", "x"), config=Config(properties_file="../{dir}.yml")
    )
    assert bad.skipped[0][1] == "properties_file '../{dir}.yml' is not a file name ending in .yml"


def _read_only(path: Path) -> None:
    path.chmod(0o444)


def _tabs(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"    columns:", b"\tcolumns:", 1))


def _latin(path: Path) -> None:
    path.write_bytes(b"# caf\xe9\n" + path.read_bytes())


def _anchors(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b"  - name: stg_orders", b"  - &orders\n    name: stg_orders"))


def _twice(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"  - name: stg_orders\n")


def _gone(path: Path) -> None:
    path.unlink()
    path.mkdir()


BAD_FILES = [
    (_read_only, "the file is read-only"),
    (
        _tabs,
        "the file is not YAML that dbt reads: found a tab character that violates indentation (line 6, column 1)",
    ),
    (_latin, "the file is not UTF-8 (byte 5)"),
    (_anchors, "the entry uses a YAML anchor, alias or tag"),
    (_twice, "stg_orders has 2 entries in this file"),
    (_gone, "the file cannot be read: Is a directory"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("spoil", "reason"), BAD_FILES, ids=[row[1] for row in BAD_FILES])
@pytest.mark.parametrize("dry_run", [True, False])
def test_one_bad_file_does_not_stop_the_others(project: Path, spoil, reason: str, dry_run: bool):
    path = project / ORDERS
    spoil(path)
    before = path.read_bytes() if path.is_file() else b""
    bad = [change("model.shop.stg_orders", "order_id", "Key"), change("model.shop.stg_orders", "", "Orders")]
    good = change("source.shop.raw.stores", "", "Stores")
    report = write(project, *bad, good, dry_run=dry_run)
    assert report.written == (good.ref,)
    assert [ref for ref, _ in report.skipped] == [item.ref for item in bad]
    for _, why in report.skipped:
        assert reason in why
        assert "\n" not in why
        assert why.startswith(f"{ORDERS}: ")
    assert (path.read_bytes() if path.is_file() else b"") == before
    assert not list(path.parent.glob(".*"))


@pytest.mark.slow
def test_file_that_changed_since_it_was_read(project: Path, monkeypatch: pytest.MonkeyPatch):
    path = project / ORDERS
    read = files.read_file

    def read_then_edit(wanted: Path) -> files.FileText:
        result = read(wanted)
        if wanted == path:
            path.write_bytes(path.read_bytes() + b"# somebody types\n")
        return result

    monkeypatch.setattr(files, "read_file", read_then_edit)
    report = write(project, change("model.shop.stg_orders", "order_id", "Key"))
    assert report.written == ()
    assert report.skipped[0][1] == f"{ORDERS}: the file changed since it was read"
    assert path.read_bytes().endswith(b"# somebody types\n")
    assert b"Key" not in path.read_bytes()


@pytest.mark.slow
def test_link_and_mode_stay(project: Path):
    path = project / ORDERS
    real = project.parent / "shared.yml"
    shutil.move(path, real)
    real.chmod(0o640)
    path.symlink_to(real)
    assert write(project, change("model.shop.stg_orders", "order_id", "Key")).skipped == ()
    assert path.is_symlink()
    assert "        description: Key\n" in real.read_text()
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


@pytest.mark.slow
def test_refusals_name_the_place(project: Path):
    report = write(
        project,
        change("model.shop.gone", "", "x"),
        change("model.shop.stg_customers", "customer_id", "x", "Number that the shop gave the customer."),
        change("model.shop.stg_customers", "", "x", "Another text"),
        change("model.shop.stg_customers", "", "x"),
        change("model.shop.stg_payments", "payment_method", "  ", "How the customer paid."),
    )
    assert report.written == ()
    assert [why for _, why in report.skipped] == [
        "no longer in the project's manifest",
        f"{ORDERS}: the description is a doc() reference",
        f"{ORDERS}: text changed meanwhile",
        f"{ORDERS}: text changed meanwhile",
        f"{ORDERS}: an empty text is never written",
    ]
    assert report.preview == ""


@pytest.mark.slow
def test_manifest_that_points_outside(project: Path):
    path = project / "target" / "manifest.json"
    text = path.read_text().replace(f"shop://{ORDERS}", "shop://../../outside.yml")
    path.write_text(text)
    report = write(project, change("model.shop.stg_orders", "", "x"))
    assert report.skipped[0][1] == "../../outside.yml lies outside the project"


@pytest.mark.slow
def test_disk_that_refuses(project: Path, monkeypatch: pytest.MonkeyPatch):
    path = project / ORDERS
    before = path.read_bytes()
    real = os.replace

    def full(source: str, target: Path) -> None:
        if Path(target).name == path.name:
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    report = write(
        project, change("model.shop.stg_orders", "", "x"), change("source.shop.raw.stores", "", "y")
    )
    assert report.skipped[0][1] == f"{ORDERS}: the file cannot be written: No space left on device"
    assert report.written == (ColumnRef("source.shop.raw.stores"),)
    assert path.read_bytes() == before
    assert sorted(os.listdir(path.parent)) == sorted(os.listdir(SHOP / "models" / "staging"))
