"""docgen inside dbt: its operations run by the real dbt, on DuckDB and PostgreSQL."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from docgen_dbt.arguments import read_arguments
from docgen_dbt.artifacts import read_project
from docgen_dbt.project import load_project
from docgen_dbt.seen import columns_path, read_columns, write_columns

import docgen_plugin
from docgen_plugin.cli import cli
from docgen_plugin.config import Config, load_config
from docgen_plugin.errors import ConfigError
from docgen_plugin.model import ColumnRef
from docgen_plugin.store import Decision, Ledger
from tests.dbt_projects import dbt, dbt_descriptions, generate, property_files, source_tables
from tests.journeys import clean_environment, command, ledger_rows, query, suggested_twice
from tests.registries import candidate
from tests.servers import PASSWORD, execute
from tests.test_journey_databases import DUCKDB_COMMENTS, POSTGRES_COMMENTS
from tests.test_journey_dbt import check_files

ROOT = Path(docgen_plugin.__file__).parents[1]
SHOP = ROOT / "docgen_plugin" / "demo_shop"
LEDGER = Path(".docgen") / "ledger.db"
SOURCE = "dbt:demo_shop"
DBT = str(Path(sys.executable).with_name("dbt"))
_LIMIT_S = 300


@dataclass(frozen=True, slots=True)
class Said:
    """What dbt said in one call, in its JSON log: every line of standard output must be one event."""

    success: bool
    lines: list[str]

    @property
    def docgen(self) -> list[str]:
        """Return what docgen said."""
        return [line.removeprefix("docgen: ") for line in self.lines if line.startswith("docgen: ")]

    @property
    def text(self) -> str:
        """Return everything."""
        return "\n".join(self.lines)


# several commands in one process: what we wrap is wrapped once, and dbt is imported once
_RUNS = """
import json, sys
from dbt.cli.main import dbtRunner
for words in json.loads(sys.argv[1]):
    done = dbtRunner().invoke(["--log-format", "json", *words, "--profiles-dir", "."])
    print(json.dumps({"success": done.success, "exception": str(done.exception)}), flush=True)
"""


def environment_with(more: Mapping[str, str] | None = None) -> dict[str, str]:
    quiet = {"DBT_SEND_ANONYMOUS_USAGE_STATS": "0", "PYTHONWARNINGS": "ignore"}
    return clean_environment({**quiet, **(more or {})})


def runs(root: Path, *calls: tuple[str, ...], environment: Mapping[str, str] | None = None) -> list[Said]:
    """Call dbt several times in one process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", _RUNS, json.dumps(calls)],
        cwd=root,
        env=environment_with(environment),
        capture_output=True,
        text=True,
        timeout=_LIMIT_S,
        check=False,
    )
    said: list[Said] = []
    lines: list[str] = []
    for line in done.stdout.splitlines():
        event = json.loads(line)
        if "success" in event:
            said.append(Said(event["success"], lines))
            lines = []
        else:
            lines.append(event["info"]["msg"])
    assert len(said) == len(calls), f"{done.stdout}\n{done.stderr}"
    return said


def run(root: Path, *words: str, environment: Mapping[str, str] | None = None) -> Said:
    """Call dbt once; it succeeds."""
    (said,) = runs(root, words, environment=environment)
    assert said.success, said.text
    return said


def call(name: str, **given: Any) -> tuple[str, ...]:
    return ("run-operation", name, "--args", json.dumps(given))


@dataclass(frozen=True, slots=True)
class Built:
    root: Path
    said: Said


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The demo's shop as dbt built it, with our hook at its end."""
    root = tmp_path_factory.mktemp("operation") / "shop"
    shutil.copytree(SHOP, root, ignore=shutil.ignore_patterns("target", "logs", "*.duckdb"))
    with (root / "dbt_project.yml").open("a", encoding="utf-8") as file:
        file.write('\non-run-end: "{{ docgen_report() }}"\n')
    return Built(root, run(root, "build"))


@pytest.fixture
def shop(built, tmp_path):
    """A copy of the built shop."""
    return Path(shutil.copytree(built.root, tmp_path / "shop"))


def comments(root: Path) -> dict[tuple[str, str], str]:
    rows = query(f"duckdb:///{root / 'shop.duckdb'}", DUCKDB_COMMENTS)
    return {(table, column): text for _, table, column, text in rows}


@pytest.mark.slow
def test_the_hook_reports_what_was_built(built):
    assert "102 descriptions missing in 13 of 13 tables" in built.said.docgen
    lines = [line.split() for line in built.said.docgen]
    assert ["model.demo_shop.stg_orders", "yes", "5", "of", "6"] in lines
    assert ["seed.demo_shop.raw_orders", "no", "6", "of", "6"] in lines


@pytest.mark.slow
def test_chosen_models_are_documented_and_written(shop):
    before = property_files(shop)
    (shop / "docgen.toml").write_text('exclude = ["path:seeds", "stg_payments"]\n', encoding="utf-8")
    choice: dict[str, Any] = {
        "select": "stg_orders+ raw_orders tag:none",
        "exclude": "fct_orders",
        "min_confidence": 0.5,
    }
    documented = call("document_models", write=True, to="both", **choice)
    said = run(shop, *documented)
    rows = ledger_rows(shop / LEDGER, SOURCE)
    assert {ref.table.rpartition(".")[2] for ref in rows} == {
        "stg_orders",
        "dim_customers",
        "product_sales_daily",
    }
    applied = {ref: row for ref, row in rows.items() if row.state == "applied"}
    open_ones = {ref for ref, row in rows.items() if row.confidence < 0.5 or row.origin == "unclear"}
    assert applied
    assert set(applied) == set(rows) - open_ones
    with Ledger(shop / LEDGER) as ledger:
        ref = ColumnRef("model.demo_shop.stg_orders", "status")
        accepted = [event for event in ledger.history(SOURCE, ref) if event.new_state == "accepted"]
    assert [event.why for event in accepted] == ["dbt run-operation"]
    assert accepted[0].who
    assert f"wrote {len(applied)} descriptions to the property files" in said.docgen
    assert f"wrote {len(applied)} comments to the database" in said.docgen
    assert any(line.startswith("note: persist_docs is off for dim_customers") for line in said.docgen)

    check_files(before, property_files(shop))
    dbt(shop, "--warn-error", "parse")
    described = dbt_descriptions(shop)
    assert {ref: described[ref] for ref in applied} == {ref: row.text for ref, row in applied.items()}
    names = {(ref.table.rpartition(".")[2], ref.column): row.text for ref, row in applied.items()}
    assert comments(shop) == names

    # the same again, and from outside: one ledger, one view of the project
    after = property_files(shop)
    again = run(shop, *documented)
    assert "nothing to suggest: every table and column has a description or a suggestion" in again.docgen
    assert "wrote 0 descriptions to the property files" in again.docgen
    assert f"wrote 0 comments to the database; {len(applied)} stood there already" in again.docgen
    assert property_files(shop) == after
    states = command(shop, "status", ".", "--json").json()["states"]
    assert (states["applied"], states["suggested"], states["stale"]) == (len(applied), len(open_ones), 0)
    assert suggested_twice(str(shop / LEDGER), SOURCE) == []


@pytest.mark.slow
def test_a_candidate_answers_its_tables_inside_dbt_too(shop, tiny_bespoke_gguf):
    one = None
    # drawn by chance: until each of two tables that a model is asked about has another one
    while one is None or one.draws("model.demo_shop.fct_orders") == one.draws(
        "model.demo_shop.dim_customers"
    ):
        if one is not None:
            command(shop, "model", "drop")
        command(shop, "model", "use", str(tiny_bespoke_gguf), "--canary", "50%")
        one = candidate(shop)
    said, by_hand = runs(shop, call("document_models"), call("document_models", model=str(tiny_bespoke_gguf)))
    asked = {(ref.table, row.asked) for ref, row in ledger_rows(shop / LEDGER, SOURCE).items() if row.asked}
    assert len(asked) == len({table for table, _ in asked})
    theirs = {table for table, model in asked if model == one.model}
    assert theirs == {table for table, _ in asked if one.draws(table)}
    assert any(line.startswith(f"candidate: {one.model} on CPU") for line in said.docgen)
    (last,) = (line for line in said.docgen if line.startswith("answered: "))
    assert last.endswith(f"{one.model} {len(theirs)} table{'s' if len(theirs) != 1 else ''} (the candidate)")
    assert any("answers no table in this run" in line for line in by_hand.docgen)


@pytest.mark.slow
def test_suggest_then_decide_then_apply(shop):
    files = property_files(shop)
    execute(
        f"duckdb:///{shop / 'shop.duckdb'}",
        "COMMENT ON COLUMN fct_orders.order_dt IS 'A person''s own words.'",
    )
    (shop / "macros").mkdir()
    (shop / "macros" / "own.sql").write_text(
        "{% macro docgen_status() %}{% do log('the project has its own', true) %}{% endmacro %}\n",
        encoding="utf-8",
    )
    said = run(shop, *call("document_models", select=["path:models/marts", "+config.materialized:view"]))
    rows = ledger_rows(shop / LEDGER, SOURCE)
    assert {row.state for row in rows.values()} == {"suggested"}
    assert {ref.table.partition(".")[0] for ref in rows} == {"model", "seed"}
    assert any(
        re.fullmatch(r"next: docgen review \(\d+ open suggestions\), or .*", line) for line in said.docgen
    )
    assert property_files(shop) == files

    wanted = {
        ColumnRef("model.demo_shop.fct_orders", column): text
        for column, text in (("", ""), ("order_id", 'It\'s 100% "ours"; {{ no }} Jinja.'), ("order_dt", ""))
    }
    with Ledger(shop / LEDGER) as ledger:
        held = {row.suggestion.ref: row for row in ledger.rows(SOURCE)}
        decisions = [
            Decision(held[ref], "edited" if text else "accepted", "ann", text or None)
            for ref, text in wanted.items()
        ]
        assert ledger.decide(SOURCE, decisions) == set(wanted)
    (shown,) = runs(shop, call("docgen_apply", to="both", dry_run=True, select="fct_orders"))
    assert "would write 3 descriptions to the property files" in shown.docgen
    assert any("comment on column" in line for line in shown.docgen)
    assert (property_files(shop), comments(shop)) == (
        files,
        {("fct_orders", "order_dt"): "A person's own words."},
    )

    done, own, mine = runs(
        shop,
        call("docgen_apply", to="database"),
        ("run-operation", "docgen_status"),
        call("dbt_docgen.docgen_status", select="fct_orders"),
    )
    rows = ledger_rows(shop / LEDGER, SOURCE)
    assert comments(shop) == {
        ("fct_orders", ""): rows[ColumnRef("model.demo_shop.fct_orders")].text,
        ("fct_orders", "order_id"): 'It\'s 100% "ours"; {{ no }} Jinja.',
        ("fct_orders", "order_dt"): "A person's own words.",
    }
    assert (
        "skipped in the database: model.demo_shop.fct_orders.order_dt: a comment that docgen did not write stands there"
    ) in done.docgen
    # the YAML is what counts: until it has them, the texts are not applied
    assert {rows[ref].state for ref in wanted} == {"accepted", "edited"}
    assert "next: dbt run-operation docgen_apply (3 accepted texts not in the YAML yet)" in done.docgen
    assert property_files(shop) == files
    assert "the project has its own" in own.lines
    assert ["accepted", "2"] in [line.split() for line in mine.docgen]


@pytest.mark.slow
def test_mistakes_are_one_line_and_a_hook_never_fails_the_run(shop):
    wanted = {
        "no_such_model": "'no_such_model' selects none of the 13 models, sources, seeds and snapshots",
        "no_method:x": "no_method",
    }
    calls = [call("document_models", select=select) for select in wanted]
    calls.append(call("document_models", model="missing.gguf"))
    for said, words in zip(runs(shop, *calls), [*wanted.values(), "missing.gguf"], strict=True):
        assert not said.success
        assert words in said.text
        assert "Traceback" not in said.text
    (shop / "docgen.toml").write_text("nonsense = 1\n", encoding="utf-8")
    said = run(shop, "run", "--select", "stg_orders")
    assert [line for line in said.docgen if line.startswith("no report: ") and "nonsense" in line]


@pytest.mark.slow
def test_postgres(postgres_server, postgres_url, tmp_path):
    root = tmp_path / "trade"
    generate(root, 2)
    execute(postgres_url, *source_tables(2))
    environment = {
        "TRADE_PORT": str(postgres_server.port),
        "TRADE_PASSWORD": PASSWORD,
        "TRADE_DATABASE": postgres_url.rpartition("/")[2],
        "DBT_TARGET": "postgres",
    }
    before = property_files(root)
    choice = "tag:daily+1 source:erp.customer+2,path:models"
    _, said = runs(
        root,
        # the manifest has more sources than the database has tables
        ("build", "--select", "source:erp.customer+", "source:erp.order_header+"),
        call("document_models", select=choice, write=True, to="both"),
        environment=environment,
    )
    assert said.success, said.text
    rows = ledger_rows(root / LEDGER, "dbt:trade")
    tables = {ref.table.partition(".")[2].partition(".")[2] for ref in rows}
    assert tables == {
        "erp.customer",
        "stg_customer",
        "int_customer_checked",
        "dim_customer",
        "rpt_customer_count",
    }
    assert ColumnRef("source.trade.erp.customer", "attr_7") in rows  # only the database knows that column
    applied = {ref: row.text for ref, row in rows.items() if row.state == "applied"}
    assert {row.origin for ref, row in rows.items() if ref not in applied} == {"unclear"}
    assert any(
        line.startswith("wrote ") and line.endswith("comments to the database") for line in said.docgen
    )
    check_files(before, property_files(root))
    found = {
        (schema, table, column): text
        for schema, table, column, text in query(postgres_url, POSTGRES_COMMENTS)
    }
    for ref, text in applied.items():
        schema, name = ("raw" if ref.table.startswith("source.") else "shop"), ref.table.rpartition(".")[2]
        assert found[schema, name, ref.column] == text
    assert not any(line.startswith("note: persist_docs is off") for line in said.docgen)

    # nothing is held while texts are made: read, close, generate, open, write
    log = (root / "logs" / "dbt.log").read_text(encoding="utf-8")
    last = log[log.rindex("docgen_read") :]
    read, wrote = log.index("On docgen_read: Close"), log.index("docgen_write")
    assert read < log.index("suggestions of") < wrote
    assert "docgen_write" in last

    states = command(root, "status", ".", "--json", environment=environment).json()["states"]
    assert (states["applied"], states["stale"]) == (len(applied), 0)


@pytest.mark.slow
def test_ctrl_c_keeps_what_was_answered(tmp_path):
    root = tmp_path / "trade"
    generate(root)
    (root / "docgen.toml").write_text('dictionary = "hint"\n', encoding="utf-8")  # the model answers all
    process = subprocess.Popen(
        [DBT, "--log-format", "json", "run-operation", "document_models", "--profiles-dir", "."],
        cwd=root,
        env=environment_with(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    try:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:  # no table is built: columns come from the SQL
            lines.append(json.loads(line)["info"]["msg"])
            if lines[-1].startswith("docgen: model: "):
                os.kill(process.pid, signal.SIGINT)
                break
        rest, errors = process.communicate(timeout=_LIMIT_S)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    lines += [json.loads(line)["info"]["msg"] for line in rest.splitlines()]
    assert process.returncode == 1, f"{lines}\n{errors}"
    assert "interrupted; what was suggested is kept: run it again to go on" in "\n".join(lines)
    assert "Traceback" not in "\n".join(lines) + errors
    rows = ledger_rows(root / LEDGER, "dbt:trade")
    assert {row.state for row in rows.values()} <= {"suggested"}


def broken(folder: Path, package: str) -> dict[str, str]:
    """Return an environment in which importing a package of ours raises."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text(
        "raise RuntimeError('half\\ninstalled')\n", encoding="utf-8"
    )
    kept = os.environ.get("PYTHONPATH", "")
    return {"PYTHONPATH": os.pathsep.join(part for part in (str(folder), kept) if part)}


@pytest.mark.slow
@pytest.mark.parametrize("package", ["docgen_plugin", "docgen_dbt"])
def test_a_broken_docgen_breaks_no_other_command(shop, tmp_path, package):
    parsed, said, hooked = runs(
        shop,
        ("parse", "--no-partial-parse"),
        call("document_models"),
        ("run", "--select", "stg_orders"),
        environment=broken(tmp_path / "path", package),
    )
    assert (parsed.success, said.success, hooked.success) == (True, False, True)
    problem = "cannot be imported: RuntimeError: half installed; repair it with"
    assert f"docgen: {problem}" in " ".join(said.text.split())
    assert "Traceback" not in said.text
    assert any(line.startswith(problem) for line in hooked.docgen)


@pytest.mark.slow
def test_a_broken_shim_breaks_no_other_command_and_copied_macros_say_so(shop, tmp_path):
    folder = tmp_path / "path"
    shutil.copytree(ROOT / "adapters" / "dbt_docgen", folder / "dbt_docgen")
    (folder / "dbt_docgen" / "shim.py").write_text("raise SystemError('of another dbt')\n", encoding="utf-8")
    kept = os.environ.get("PYTHONPATH", "")
    environment = {"PYTHONPATH": os.pathsep.join(part for part in (str(folder), kept) if part)}
    project = shop / "dbt_project.yml"
    plain = project.read_text(encoding="utf-8")
    guarded = plain.replace("docgen_report()", "docgen_report() if docgen_report is defined")
    project.write_text(guarded, encoding="utf-8")
    parsed, ran = runs(shop, ("parse",), ("run", "--select", "stg_orders"), environment=environment)
    assert (parsed.success, ran.success, ran.docgen) == (True, True, [])
    project.write_text(plain, encoding="utf-8")
    copied = CliRunner().invoke(cli, ["init", str(shop)])
    assert copied.exit_code == 0, copied.output
    said, ran = runs(
        shop, call("document_models"), ("run", "--select", "stg_orders"), environment=environment
    )
    assert (said.success, ran.success) == (False, True)
    problem = "the Python package is not in dbt's environment"
    assert problem in said.text
    assert any(problem in line for line in ran.docgen)


def test_init_leaves_what_is_there(tmp_path, monkeypatch):
    (tmp_path / "dbt_project.yml").write_text("name: shop\nmacro-paths: [jinja, more]\n", encoding="utf-8")

    def init(*options, code=0):
        done = CliRunner().invoke(cli, ["init", str(tmp_path), *options])
        assert done.exit_code == code, done.output
        return done.output

    assert "wrote jinja/docgen.sql" in init()
    macros, settings = tmp_path / "jinja" / "docgen.sql", tmp_path / "docgen.toml"
    content = macros.read_bytes()
    assert b"macro document_models()" in content
    monkeypatch.delenv("DOCGEN_THREADS", raising=False)
    assert load_config(tmp_path) == Config()
    assert "is there already" in init()
    macros.write_text("{# mine #}", encoding="utf-8")
    settings.write_text('reviewer = "ann"\n', encoding="utf-8")
    assert "--force overwrites it" in init(code=1)
    assert macros.read_text(encoding="utf-8") == "{# mine #}"
    init("--force")
    assert macros.read_bytes() == content
    assert settings.read_text(encoding="utf-8") == 'reviewer = "ann"\n'


@pytest.mark.parametrize("text", ["[tool.docgen]\n", "not toml"])
def test_init_puts_no_settings_beside_those_in_pyproject(tmp_path, text):
    (tmp_path / "dbt_project.yml").write_text("name: shop\n", encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert CliRunner().invoke(cli, ["init", str(tmp_path)]).exit_code == 0
    assert not (tmp_path / "docgen.toml").exists()


def test_init_wants_a_project(tmp_path):
    done = CliRunner().invoke(cli, ["init", str(tmp_path)])
    assert done.exit_code == 1
    assert "is not a dbt project" in done.output


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"selct": "x"}, "unknown argument 'selct' (did you mean select?)"),
        ({"select": {"a": 1}}, "select wants a text or a list of texts"),
        ({"select": ["a", 1]}, "select wants a text or a list of texts"),
        ({"write": "yes"}, "write wants true or false, found 'yes'"),
        ({"min_confidence": 2}, "min_confidence wants a number from 0 to 1"),
        ({"min_confidence": True}, "min_confidence wants a number from 0 to 1"),
        ({"to": "csv"}, "to wants yaml, database or both"),
        ({"model": 7}, "model wants a text"),
    ],
)
def test_arguments_are_checked(given, wanted):
    known = ["select", "write", "min_confidence", "to", "model"]
    with pytest.raises(ConfigError, match=re.escape(wanted)):
        read_arguments("document_models", known, given)


def test_null_arguments_are_left_out():
    assert read_arguments("x", ["select", "write"], {"select": None, "write": None}).select == ()


def test_columns_of_the_warehouse_are_seen_from_outside(built, tmp_path):
    root = Path(shutil.copytree(built.root, tmp_path / "shop"))
    project = load_project(root)
    key = "model.demo_shop.stg_orders"
    columns = (("order_id", "INTEGER"), ("only_there", "VARCHAR"))
    now = (root / "models" / "staging" / "stg_orders.sql").stat().st_mtime_ns + 1
    write_columns(project, {key: (columns, now), "model.demo_shop.gone": (columns, now)}, {key})
    assert read_columns(project) == ({key: (columns, now)}, "")
    assert (root / ".docgen" / ".gitignore").read_text(encoding="utf-8") == "*\n"
    table = read_project(root, Config()).table(key)
    assert table is not None
    assert table.column("only_there") is not None
    # SQL that is newer than the answer says more
    write_columns(project, {key: (columns, 1)}, {key})
    table = read_project(root, Config()).table(key)
    assert table is not None
    assert table.column("only_there") is None
    columns_path(project).write_text("{}", encoding="utf-8")
    catalog = read_project(root, Config())
    assert [note for note in catalog.notes if note.startswith(".docgen/columns.json cannot be read")]
