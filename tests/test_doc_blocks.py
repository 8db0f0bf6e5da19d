"""Docs blocks for texts that many columns share, and marks, through whole projects and the real dbt."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from docgen_dbt.doc_blocks import DocBlocks, block_texts
from docgen_dbt.places import Place, Text
from docgen_dbt.plugin import read_catalog, write_descriptions
from docgen_dbt.project import Project

from docgen_plugin.config import Config
from docgen_plugin.errors import WriteError
from docgen_plugin.model import Change, ColumnRef, Provenance, WriteReport
from tests.journeys import in_process

NASTY = "Uses {{ var('x') }}, {% enddocs %} and {# note #} at 5 % }}"
BLOCKS = {
    "{% docs a %}\nKey\n{% enddocs %}\n": {"a": "Key"},
    "{%- docs a -%}Key{%- enddocs -%}{% docs b %}x{% enddocs %}": {"a": "Key", "b": "x"},
    "{# {% docs a %}Key{% enddocs %} #}": {},
    "{% docs a %}{{ var('x') }}{% enddocs %}": {"a": None},
    "{% docs a %}a {{ '{' }}{ b{% enddocs %}": {"a": "a {{ b"},
    "no block": {},
}
FILES = {
    "": "{% docs id %}\nKey\n{% enddocs %}\n",
    "# Docs\n": "# Docs\n\n{% docs id %}\nKey\n{% enddocs %}\n",
    "# Docs": "# Docs\n\n{% docs id %}\nKey\n{% enddocs %}\n",
    "a\r\n": "a\r\n\r\n{% docs id %}\r\nKey\r\n{% enddocs %}\r\n",
    "{% docs id %}Other{% enddocs %}\n": "{% docs id %}Other{% enddocs %}\n\n{% docs id_2 %}\nKey\n{% enddocs %}\n",
    "{# {% docs id %}Key{% enddocs %} #}\n": "{# {% docs id %}Key{% enddocs %} #}\n\n{% docs id_2 %}\nKey\n{% enddocs %}\n",
}


@pytest.mark.parametrize("markdown", BLOCKS)
def test_what_a_file_says(markdown):
    assert block_texts(markdown) == BLOCKS[markdown]


def project(folder: Path, markdown: str) -> Project:
    (folder / "models").mkdir()
    (folder / "models" / "docs.md").write_bytes(markdown.encode())
    return Project(folder, "shop", folder / "target", ("models",), {})


def texts(count: int, after: str = "Key", column: str = "id") -> list[Text]:
    return [Text(Place("models", f"m{number}"), column, "", after) for number in range(count)]


@pytest.mark.parametrize("markdown", FILES)
def test_a_new_block_changes_nothing_else(tmp_path, markdown):
    blocks = DocBlocks(project(tmp_path, markdown), {}, "models/docs.md")
    shared = blocks.share(texts(3))
    calls = {text.reference for text in shared}
    assert len(calls) == 1
    change = blocks.finish(calls)
    assert change is not None
    shown, file, content = change
    assert (shown, file.content) == ("models/docs.md", markdown.encode())
    assert content.decode() == FILES[markdown]
    again = DocBlocks(Project(tmp_path, "shop", tmp_path, ("models",), {}), {}, "models/docs.md")
    (tmp_path / "models" / "docs.md").write_bytes(content)
    fresh = DocBlocks(Project(tmp_path, "shop", tmp_path, ("models",), {}), {}, "models/docs.md")
    assert fresh.says(calls.pop()) == "Key"
    assert again.finish(set()) is None


def test_two_columns_share_nothing_unless_a_block_is_there(tmp_path):
    blocks = DocBlocks(project(tmp_path, "{% docs id %}Key{% enddocs %}"), {}, "models/docs.md")
    assert [text.reference for text in blocks.share(texts(1))] == ["{{ doc('id') }}"]
    assert [text.reference for text in blocks.share(texts(2, column="key"))] == ["", ""]
    assert {text.reference for text in blocks.share(texts(3, column="key"))} == {"{{ doc('id') }}"}
    assert {text.reference for text in blocks.share(texts(5, "two\n"))} == {""}  # dbt would strip it
    assert blocks.finish({"{{ doc('id') }}"}) is None


def test_names_that_other_packages_and_files_have(tmp_path):
    taken = {"docs": {"doc.other.id": {"name": "id", "package_name": "other", "block_contents": "x"}}}
    blocks = DocBlocks(project(tmp_path, ""), taken, "models/docs.md")
    assert blocks.share(texts(3))[0].reference == "{{ doc('id_2') }}"
    assert blocks.share(texts(3, column="1 a"))[0].reference == "{{ doc('id_2') }}"
    assert blocks.share(texts(3, "One", "1 a"))[0].reference == "{{ doc('column_1_a') }}"


@pytest.mark.parametrize("setting", ["docs.md", "models/docs.txt", "../models/docs.md", "/models/docs.md"])
def test_a_file_that_dbt_does_not_read(tmp_path, setting):
    with pytest.raises(WriteError, match=r"name one such as models/docs\.md"):
        DocBlocks(project(tmp_path, ""), {}, setting)


@pytest.fixture(scope="module")
def parsed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("blocks") / "shop"
    shutil.copytree(Path(__file__).parent / "data" / "dbt_shop", root)
    read_catalog(str(root), Config())
    return root


@pytest.fixture
def shop(parsed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(parsed, tmp_path / "shop"))


MADE = Provenance("generated", "base@1", 0.5)
PLACES = [
    ColumnRef("source.shop.raw.order_items", "sku"),
    ColumnRef("model.shop.stg_products", "sku"),
    ColumnRef("model.shop.dim_products", "sku"),
    ColumnRef("model.shop.fct_order_items", "sku"),
]
CONFIG = Config(doc_blocks="models/docs.md", provenance=True)


def write(root: Path, text: str, dry_run: bool = False) -> WriteReport:
    changes = [Change(ref, "", text, "", MADE) for ref in PLACES]
    changes.append(Change(ColumnRef("seed.shop.category_taxes"), "", "By a person"))
    report = write_descriptions(str(root), changes, dry_run, CONFIG)
    assert report is not None
    return report


@pytest.mark.slow
def test_dbt_shows_what_blocks_and_marks_say(shop: Path):
    preview = write(shop, NASTY, dry_run=True).preview
    assert not (shop / "models" / "docs.md").exists()
    report = write(shop, NASTY)
    assert report.skipped == ()
    assert report.preview == preview
    assert preview.count("\n+{% docs sku %}") == 1
    assert preview.count("\"{{ doc('sku') }}\"") == 4
    read_catalog(str(shop), Config())
    manifest = json.loads((shop / "target" / "manifest.json").read_text())
    nodes = {**manifest["nodes"], **manifest["sources"]}
    for ref in PLACES:
        column = nodes[ref.table]["columns"]["sku"]
        assert column["description"] == NASTY, ref
        assert column["doc_blocks"] == ["doc.shop.sku"]
        mark = column["config"]["meta"]["docgen"]
        assert (mark["origin"], mark["model"], mark["confidence"]) == ("generated", "base@1", 0.5)
    seed = nodes["seed.shop.category_taxes"]
    assert (seed["description"], seed["config"]["meta"]) == ("By a person", {})
    assert write(shop, NASTY).preview == ""
    # a person rewords the block: the marks of its columns go, the rest stays
    docs = shop / "models" / "docs.md"
    docs.write_text(docs.read_text().replace("at 5 %", "at 6 %"))
    cleaned = write_descriptions(str(shop), (), False, CONFIG)
    assert cleaned is not None
    assert len(cleaned.notes) == 4
    assert "docgen" not in "".join(path.read_text() for path in (shop / "models").rglob("*.yml"))
    assert all(not line.startswith("+ ") for line in cleaned.preview.splitlines())


@pytest.mark.slow
def test_a_block_file_that_may_not_be_changed(shop: Path):
    docs = shop / "models" / "docs.md"
    docs.write_text("# Docs\n")
    docs.chmod(0o444)
    before = {path: path.read_bytes() for path in (shop / "models").rglob("*.yml")}
    with pytest.raises(WriteError, match=r"models/docs\.md: the file is read-only .*nothing was written"):
        write(shop, "Stock keeping unit")
    assert {path: path.read_bytes() for path in (shop / "models").rglob("*.yml")} == before


@pytest.mark.slow
def test_provenance_as_a_user_types_it(shop: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(shop)
    (shop / "docgen.toml").write_text("provenance = true\n")
    write(shop, "Stock keeping unit")
    read_catalog(str(shop), Config())
    done = in_process(shop, "provenance", ".")
    assert done.stdout == "4 texts with a mark (4 generated)\n"
    docs = shop / "models" / "docs.md"
    docs.write_text(docs.read_text().replace("Stock", "My stock"))
    done = in_process(shop, "provenance", ".")
    assert "edited since: models/marts/schema.yml: fct_order_items.sku" in done.stdout
    files = {path: path.read_bytes() for path in (shop / "models").rglob("*.yml")}
    done = in_process(shop, "provenance", ".", "--clean", "--dry-run")
    assert "would drop 4 marks" in done.stdout
    assert {path: path.read_bytes() for path in (shop / "models").rglob("*.yml")} == files
    assert json.loads(in_process(shop, "provenance", ".", "--clean", "--json").stdout)["dropped"] == 4
    assert in_process(shop, "provenance", ".").stdout == "0 texts with a mark\n"
    assert "goes with --clean" in in_process(shop, "provenance", ".", "--dry-run", code=2).stderr
    os.mkdir("empty")
    assert "is no dbt project's folder" in in_process(shop, "provenance", "empty", code=1).stderr
