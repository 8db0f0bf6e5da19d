"""Coverage as people and CI call it: quality, folders, a pull request's difference, badge and markdown."""

from __future__ import annotations

import json
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from click.testing import CliRunner

import docgen_plugin
from docgen_plugin.cli import cli
from docgen_plugin.coverage import compare, measure
from docgen_plugin.coverage_report import as_badge, as_markdown
from docgen_plugin.model import Column, ColumnRef, Table

SHOP = Path(docgen_plugin.__file__).parent / "demo_shop"
GOOD = Table("a", "orders", description="One row per order.", path="models/x/a.yml", owner="ann",
             columns=(Column("total", "numeric", "Sum of the lines."), Column("x", "int", "TODO")))  # fmt: skip
BAD = Table("b", "lines", path="models/y/b.yml", columns=(Column("id", "int", "Id"), Column("n", "int")))


def test_counts_by_folder_owner_and_fault():
    found = measure([GOOD, BAD])
    assert (found.places, found.missing, found.good) == (6, 2, 2)
    assert (found.percent, found.good_percent) == (66.6, 33.3)
    assert dict(found.faults) == {"placeholder": 1, "missing": 2, "echo": 1}
    folders = [
        (one.name, one.places, one.documented, one.good) for one in found.groups(lambda table: table.folder)
    ]
    assert folders == [("models/x", 3, 3, 2), ("models/y", 3, 1, 0)]
    assert [one.name for one in found.groups(lambda table: table.owner)] == ["", "ann"]


def test_compare_tells_new_faults_and_mended_ones():
    mended = Table(
        "a",
        "orders",
        description="",
        columns=(Column("total", "numeric", "Sum."), Column("x", "int", "Rest to pay.")),
    )
    worse, better = compare(measure([GOOD]), measure([mended, BAD]))
    assert [str(ref) for ref, _ in worse] == ["a", "a.total", "b", "b.id", "b.n"]
    assert better == [ColumnRef("a", "x")]


def test_markdown_shows_hostile_names_as_text():
    hostile = Table(
        "t`|<script>", "t", path="x|<b>/m.yml", owner="*o*", columns=(Column("<img src=x>", "int"),)
    )
    text = as_markdown(measure([hostile, GOOD]), measure([]), compare(measure([]), measure([hostile]))[0])
    assert "<script>" not in text.replace("`t'|<script>`", "").replace("`t'|<script>.<img src=x>`", "")
    assert "x\\|&lt;b&gt;" in text
    rows = [line for line in text.splitlines() if line.startswith("| models/x")]
    assert len(rows) == 1


@pytest.mark.parametrize(("share", "shown"), [(0.0, "0%"), (99.99, "99.9%"), (100.0, "100%"), (7.25, "7.2%")])
def test_the_badge_is_svg_with_a_title(share, shown):
    badge = ElementTree.fromstring(as_badge(share, "a<b & c"))
    assert badge.get("aria-label") == f"a<b & c: {shown}"
    assert [text.text for text in badge.iter("{http://www.w3.org/2000/svg}text")] == ["a<b & c", shown]


def git(root, *words):
    subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *words],
        cwd=root,
        check=True,
        capture_output=True,
    )


def docgen(*words, code=0):
    run = CliRunner().invoke(cli, list(words))
    assert run.exit_code == code, run.output
    return run


@pytest.mark.slow
def test_a_pull_request_is_compared_with_its_base(tmp_path, monkeypatch):
    root = tmp_path / "re po" / "shop"
    shutil.copytree(SHOP, root)
    monkeypatch.chdir(root)
    git(root.parent, "init", "-q")
    git(root.parent, "add", "-A")
    git(root.parent, "commit", "-qm", "first")
    docgen("coverage", ".")
    same = json.loads(docgen("coverage", ".", "--diff-from", "HEAD", "--fail-on-worse", "--json").stdout)
    assert (same["worse"], same["better"], same["before"]["percent"]) == ([], [], same["percent"])

    yml = Path("models/staging/_staging__models.yml")
    text = yml.read_text(encoding="utf-8")
    text = text.replace("Number of the order, printed on the invoice.", "tbd")
    yml.write_text(
        text.replace("email, description: ''", "email, description: Where mail reaches them."),
        encoding="utf-8",
    )
    Path("models/staging/stg_new.sql").write_text("select 1 as answer", encoding="utf-8")
    run = docgen("coverage", ".", "--diff-from", "HEAD", "--fail-on-worse", "--json", code=1)
    found = json.loads(run.stdout)
    assert {(one["table"].rpartition(".")[2], one["column"], one["kind"]) for one in found["worse"]} == {
        ("stg_orders", "order_id", "placeholder"), ("stg_new", "", "missing"), ("stg_new", "answer", "missing")
    }  # fmt: skip
    assert [one["column"] for one in found["better"]] == ["email"]
    assert "3 places got worse since HEAD" in run.stderr

    docgen("coverage", ".", "--badge", "doc.svg", "--good")
    assert f"documented: {found['good_percent']:.1f}%" in Path("doc.svg").read_text(encoding="utf-8")
    assert "| before |" in docgen("coverage", ".", "--diff-from", "HEAD", "--markdown").stdout
    for words, message in (
        (["--diff-from", "nonsense"], "no revision 'nonsense'"),
        (["--badge", "no/where.svg"], "the badge cannot be written"),
    ):
        run = docgen("coverage", ".", *words, code=1)
        assert message in run.stderr.splitlines()[-1]
    docgen("coverage", ".", "--fail-on-worse", code=2)


@pytest.mark.slow
def test_a_folder_without_git_says_so(tmp_path, monkeypatch):
    root = tmp_path / "shop"
    shutil.copytree(SHOP, root)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    run = docgen("coverage", str(root), "--diff-from", "main", code=1)
    assert "no revision 'main'" in run.stderr
