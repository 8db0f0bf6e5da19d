"""The commands as people and machines call them: output, exit codes, bad input, Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
import sqlalchemy
import yaml
from click.testing import CliRunner

from docgen_plugin.cli import cli
from docgen_plugin.config import load_config
from docgen_plugin.errors import SourceError
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model import Catalog, Column, ColumnRef, Table
from docgen_plugin.store import Ledger
from tests.fakes import FakeGenerator, FakeModel, Shop, registered

ROOT = Path(__file__).parent.parent
ORDERS = Table(
    "s.orders",
    "orders",
    schema="s",
    columns=(
        Column("order_ref", "int"),
        Column("total", "numeric"),
        Column("x7", "text"),
        Column("note", "text", "Words."),
    ),
)
LINES = Table(
    "s.lines", "lines", schema="s", description="One row per line.", columns=(Column("qty", "int"),)
)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("DOCGEN_")]:
        monkeypatch.delenv(name)
    # these names are in the dictionary: here the fake model is to write
    monkeypatch.setenv("DOCGEN_DICTIONARY", "hint")
    with registered(Shop(ORDERS, LINES)) as plugin, registered(FakeModel()):
        yield plugin


def docgen(*arguments, code=0, **more):
    result = CliRunner().invoke(cli, [*arguments], **more)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def as_json(*arguments, code=0):
    result = docgen(*arguments, "--json", code=code)
    return json.loads(result.stdout)


def test_the_journey_for_machines(shop):
    before = as_json("status", "shop")
    assert before["states"]["undocumented"] == 5
    assert before["next"].startswith("docgen suggest")
    suggested = as_json("suggest", "shop")
    assert {name: suggested[name] for name in ("source", "targets", "suggested", "model", "interrupted")} == {
        "source": "shop",
        "targets": 5,
        "suggested": 5,
        "model": "fake@1",
        "interrupted": False,
    }
    assert suggested["by_origin"] == {"generated": 4, "unclear": 1}
    accepted = as_json("accept", "shop")
    assert (accepted["accepted"], accepted["left"]) == (4, {"unclear": 1, "below": 0, "changed": 0})
    dry = as_json("apply", "shop", "--dry-run")
    assert (dry["dry_run"], len(dry["written"]), dry["preview"]) == (True, 4, "4 texts")
    assert as_json("status", "shop")["states"]["accepted"] == 4
    written = as_json("apply", "shop")
    assert sorted(written["written"]) == ["s.lines.qty", "s.orders", "s.orders.order_ref", "s.orders.total"]
    after = as_json("status", "shop")
    assert (after["states"]["applied"], after["states"]["suggested"]) == (4, 1)
    coverage = as_json("coverage", "shop")
    assert (coverage["places"], coverage["missing"], coverage["percent"]) == (7, 1, 85.7)
    assert as_json("suggest", "shop")["targets"] == 0


def test_json_keeps_everything_human_off_standard_output(shop):
    assert "model: fake@1" in docgen("suggest", "shop", "--ledger", "other.db", "--json").stderr
    for verb in ("suggest", "accept", "status", "apply", "coverage"):
        json.loads(docgen(verb, "shop", "--json").stdout)


def test_the_ledger_is_beside_the_project_or_where_it_is_told(shop, tmp_path):
    docgen("status", "shop")
    docgen("coverage", "shop")
    assert list(tmp_path.iterdir()) == []  # only suggest makes a ledger
    docgen("suggest", "shop", "--ledger", f"sqlite:///{tmp_path}/named.db")
    assert {path.name.split("-")[0] for path in tmp_path.iterdir()} == {"named.db"}
    docgen("suggest", "shop")
    assert (tmp_path / ".docgen" / "ledger.db").is_file()


@pytest.mark.parametrize("verb", ["accept", "review", "apply"])
def test_a_ledger_that_is_not_there_is_no_empty_one(shop, tmp_path, verb):
    for options, path in (([], tmp_path / ".docgen" / "ledger.db"), (["--ledger", "nosuch.db"], "nosuch.db")):
        result = docgen(verb, "shop", *options, code=1)
        assert result.stderr == (
            f"docgen: no ledger at {path}: run docgen suggest first, or name it with --ledger\n"
        )
        assert result.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_a_projects_ledger_is_in_its_folder(shop, tmp_path, monkeypatch):
    class Folder:
        @hookimpl(tryfirst=True)
        def read_catalog(self, source, config):
            return Catalog("folder", "x", (ORDERS,)) if source.endswith("project") else None

    (tmp_path / "project").mkdir()
    with registered(Folder()):
        docgen("suggest", "project")
    assert (tmp_path / "project" / ".docgen" / "ledger.db").is_file()


def test_accept_narrowed(shop):
    docgen("suggest", "shop")
    assert "accepted 1 suggestion" in docgen("accept", "shop", "--select", "*.qty").stdout
    found = docgen("accept", "shop", "--min-confidence", "0.85").stdout
    assert "left 1 unclear" in found
    assert "below the confidence" in found
    docgen("accept", "shop", "--min-confidence", "1.5", code=2)
    docgen("accept", "shop")
    assert "accepted 1 suggestion" in docgen("accept", "shop", "--include-unclear").stdout
    assert "s.orders.x7" in as_json("apply", "shop")["written"]


def test_the_reviewer_is_recorded(shop, tmp_path):
    docgen("suggest", "shop")
    (tmp_path / "docgen.toml").write_text('reviewer = "Ann Example"\n', encoding="utf-8")
    assert as_json("accept", "shop")["reviewer"] == "Ann Example"
    with Ledger(tmp_path / ".docgen" / "ledger.db") as ledger:
        assert {row.suggestion.reviewer for row in ledger.rows("shop", states=("accepted",))} == {
            "Ann Example"
        }


def test_coverage_fails_under_a_share(shop):
    docgen("coverage", "shop", "--fail-under", "28.5")  # 2 of 7
    failed = docgen("coverage", "shop", "--fail-under", "28.6", code=1)
    assert failed.stderr == "docgen: 28.5% documented, --fail-under wants 28.6%\n"
    assert as_json("coverage", "shop", "--fail-under", "99", code=1)["passed"] is False


CHOICES = {
    "include": (
        ["--include", "nosuch"],
        "no table matches 'nosuch'; there are 2 tables, for instance orders, ",
    ),
    "nearly": (
        ["--include", "s.order"],
        "no table matches 's.order'; there are 2 tables, for instance s.orders",
    ),
    "exclude": (["--exclude", "*"], "exclude leaves out every table; there are 2"),
}
SELECTS = {
    "select": (["--select", "*.emial"], "no table or column matches '*.emial'; there are 2 tables, for inst"),
    "left out": (
        ["--exclude", "orders", "--select", "orders.total"],
        "no table or column matches 'orders.total'; there is 1 table, for instance lines, s.lines",
    ),
}


@pytest.mark.parametrize("verb", ["suggest", "review", "accept", "apply", "status", "coverage"])
def test_a_choice_of_nothing_is_an_error_not_a_pass(shop, verb):
    selects = {} if verb in ("status", "coverage") else SELECTS
    for options, message in (CHOICES | selects).values():
        result = docgen(verb, "shop", *options, code=1)
        assert result.stderr.startswith(f"docgen: {message}")
        assert (len(result.stderr.splitlines()), result.stdout) == (1, "")


def test_a_source_without_tables_is_no_wrong_choice(shop):
    shop.tables = {}
    assert "100.0%" in docgen("coverage", "shop", "--include", "orders").stdout


def test_apply_says_why_something_was_left(shop):
    docgen("suggest", "shop")
    docgen("accept", "shop")
    shop.refuse = {ColumnRef("s.lines", "qty"): "no right to comment"}
    shop.set(ColumnRef("s.orders", "total"), "A person's words.")
    result = docgen("apply", "shop")
    assert "skipped: s.lines.qty: no right to comment" in result.stderr
    assert "stale: s.orders.total: someone wrote a text there meanwhile" in result.stderr
    assert "wrote 2 descriptions" in result.stdout
    shop.refuse, shop.stop_after, shop.error = {}, 0, "connection\x1b[2J lost"
    stopped = docgen("apply", "shop", code=1)
    assert "docgen: stopped early: connection\\x1b[2J lost" in stopped.stderr


def test_apply_to_a_file(shop, tmp_path):
    docgen("suggest", "shop")
    docgen("accept", "shop")
    text = "Takes {{ braces }}, {% blocks %} and: 'quotes' # as they are 🙂"
    with Ledger(tmp_path / ".docgen" / "ledger.db") as ledger:
        from docgen_plugin.store import Decision

        row = ledger.row("shop", ColumnRef("s.orders", "total"))
        assert row is not None
        ledger.decide("shop", [Decision(row, "edited", "ann", text)])
    dry = docgen("apply", "shop", "--to", "texts.yml", "--dry-run")
    assert as_json("status", "shop")["next"] == "docgen apply (4 accepted texts to write)"
    assert not Path("texts.yml").exists()
    assert "would write 4 descriptions to texts.yml" in dry.stderr
    assert "wrote 4 descriptions to texts.yml" in docgen("apply", "shop", "--to", "texts.yml").stdout
    assert dry.stdout == Path("texts.yml").read_text(encoding="utf-8")
    found = yaml.safe_load(Path("texts.yml").read_text(encoding="utf-8"))
    lines, orders = sorted(found["sources"][0]["tables"], key=lambda table: table["name"])
    assert (found["version"], found["sources"][0]["name"]) == (2, "s")
    assert lines == {
        "name": "lines",
        "columns": [{"name": "qty", "description": "The quantity as recorded for the line."}],
    }
    assert orders["description"] == "One row per order that was recorded."
    import jinja2

    assert jinja2.Template(orders["columns"][1]["description"]).render() == text
    status = as_json("status", "shop")
    assert (status["states"]["accepted"], status["in_file"]) == (3, 4)  # a file is not the source
    assert status["next"].startswith("docgen review")
    assert "in a file: 4 accepted texts (apply --to)" in docgen("status", "shop").stdout
    shop.set(ColumnRef("s.orders", "total"), text)  # taken over by hand
    docgen("accept", "shop", "--include-unclear")
    status = as_json("status", "shop")
    assert (status["in_file"], status["next"]) == (3, "docgen apply (1 accepted text to write)")
    refused = docgen("apply", "shop", "--to", "texts.yml", code=1)
    assert refused.stderr.startswith("docgen: texts.yml: is there already")
    docgen("apply", "shop", "--to", "texts.yml", "--force")
    docgen("apply", "shop", "--to", "texts.txt", code=1)
    docgen("apply", "shop", "--force", code=2)


def test_models_seeds_and_sources_have_their_own_sections(shop):
    from docgen_plugin.descriptions_file import render
    from docgen_plugin.model import Suggestion

    tables = tuple(
        Table(key, key.rsplit(".", 1)[-1], kind=key.split(".")[0])
        for key in ("model.p.a", "seed.p.b", "snapshot.p.c", "source.p.raw.d", "source.p.crm.e")
    )
    texts = [Suggestion(ColumnRef(table.key), "Text.") for table in tables]
    found = yaml.safe_load(render(Catalog("dbt:p", "dbt", tables), texts))
    assert list(found) == ["version", "models", "seeds", "snapshots", "sources"]
    assert [source["name"] for source in found["sources"]] == ["raw", "crm"]


USAGE = [["nosuchverb"], ["suggest", "--nosuch"], ["coverage", "--fail-under", "x"], ["accept", "a", "b"]]


@pytest.mark.parametrize("arguments", USAGE, ids=str)
def test_wrong_use_is_exit_code_2(arguments):
    docgen(*arguments, code=2)


def test_a_source_that_is_nothing_is_one_line(shop):
    for verb in ("suggest", "review", "accept", "apply", "status", "coverage"):
        result = docgen(verb, "nowhere", code=1)
        assert result.stderr.startswith("docgen: nowhere: is neither")
        assert (len(result.stderr.splitlines()), result.stdout) == (1, "")


SECRETS = [
    "Nosuchdb://me:s3cret@h/db",
    " nosuchdb://me:s3c/s3cret@h/db",
    "nosuchdb:/me:s3cret@h/db",
    "nosuchdb:me:s3cret@h",
    "nosuchdb+x://h/db?password=s3cret",
]


@pytest.mark.parametrize("source", SECRETS)
def test_a_password_is_never_shown(shop, source):
    class Readable:
        @hookimpl(tryfirst=True)
        def read_catalog(self, source, config):
            return Catalog("shop", "fake", (LINES,))

        @hookimpl(tryfirst=True)
        def write_descriptions(self, source, changes, dry_run, config):
            return None

    outputs = []
    if "://" not in source:  # the others are an adapter's to refuse
        outputs.append(docgen("status", source, code=1).output)
    with registered(Readable()):
        docgen("suggest", source)
        docgen("accept", source)
        outputs.append(docgen("apply", source, code=1).output)
    for output in outputs:
        assert "s3c" not in output
        assert "osuchdb" in output


SETTINGS = {
    'model = "own/x.gguf"': ("model", "{}/own/x.gguf"),
    'model = "near.bin"': ("model", "{}/near.bin"),
    'model = "remote:x"': ("model", "remote:x"),
    'model = "house-model"': ("model", "house-model"),
    'model = "~/x.gguf"': ("model", "~/x.gguf"),
    'profiles_dir = "."': ("profiles_dir", "{}"),
    'ledger = "team.db"': ("ledger", "{}/team.db"),
    'ledger = "/team.db"': ("ledger", "/team.db"),
    'ledger = "sqlite:///team.db"': ("ledger", "{}/team.db"),
    'ledger = "sqlite:///team.db?timeout=1"': ("ledger", "sqlite:///{}/team.db?timeout=1"),
    'ledger = "sqlite:////team.db"': ("ledger", "sqlite:////team.db"),
    'ledger = "postgresql://h/x"': ("ledger", "postgresql://h/x"),
    'ledger = ""': ("ledger", ""),
}


@pytest.mark.parametrize("line", SETTINGS)
def test_paths_in_a_file_are_relative_to_the_file(shop, tmp_path, line):
    key, wanted = SETTINGS[line]
    (tmp_path / "docgen.toml").write_text(line, encoding="utf-8")
    (tmp_path / "near.bin").touch()
    folder = tmp_path / "models" / "deep"
    folder.mkdir(parents=True)
    assert getattr(load_config(folder), key) == wanted.format(tmp_path)


def test_paths_on_the_command_line_and_in_the_environment_are_as_typed(shop, tmp_path, monkeypatch):
    (tmp_path / "docgen.toml").write_text('ledger = "team.db"', encoding="utf-8")
    monkeypatch.setenv("DOCGEN_LEDGER", "mine.db")
    assert load_config(tmp_path).ledger == "mine.db"
    assert load_config(tmp_path, {"ledger": "typed.db"}).ledger == "typed.db"


def test_the_demo_leaves_the_users_own_settings_aside(shop, monkeypatch):
    from docgen_plugin import demo

    for name, value in {"LEDGER": "team.db", "INCLUDE": "fct_*", "THREADS": "1"}.items():
        monkeypatch.setenv(f"DOCGEN_{name}", value)
    seen = []
    monkeypatch.setattr(demo, "_installed", lambda name: True)
    monkeypatch.setattr(demo, "_build", lambda folder: None)
    monkeypatch.setattr(demo, "_run", lambda folder, verb, *options: seen.append(load_config(folder)))
    docgen("demo")
    assert {(one.ledger, one.include, one.threads) for one in seen} == {("", (), 1)}
    assert os.environ["DOCGEN_LEDGER"] == "team.db"


BAD_FILES = {
    "tool = 1": "pyproject.toml: tool wants a table of settings, found 1",
    '[tool]\ndocgen = "x"': "pyproject.toml: tool.docgen wants a table of settings, found 'x'",
}


@pytest.mark.parametrize("text", BAD_FILES)
def test_settings_of_the_wrong_shape_are_one_line(shop, tmp_path, text):
    (tmp_path / "pyproject.toml").write_text(text, encoding="utf-8")
    assert docgen("status", "shop", code=1).stderr.rstrip().endswith(BAD_FILES[text])


@pytest.mark.parametrize("value", ["--5", "²", "-", "", "1.5", "9" * 5000])
def test_what_is_no_whole_number_is_one_line(shop, monkeypatch, value):
    monkeypatch.setenv("DOCGEN_THREADS", value)
    assert "threads wants a whole number" in docgen("status", "shop", code=1).stderr


def test_bad_settings_are_one_line(shop, tmp_path, monkeypatch):
    (tmp_path / "docgen.toml").write_text("colour = 1\n", encoding="utf-8")
    assert "unknown setting 'colour'" in docgen("status", "shop", code=1).stderr
    (tmp_path / "docgen.toml").unlink()
    monkeypatch.setenv("DOCGEN_LEDGER", "postgresql+psycopg://u:hunter2@127.0.0.1:1/x")
    result = docgen("status", "shop", code=1)
    assert len(result.stderr.splitlines()) == 1
    assert "hunter2" not in result.output


EVIL = "a\x1b[31m[bold]b\n\u202e'%s'"


def test_names_cannot_speak_to_the_terminal(shop):
    table = Table(
        EVIL,
        EVIL,
        schema=EVIL,
        path=EVIL,
        columns=(Column(EVIL, EVIL, values=(EVIL, "b")), Column("total", "int")),
    )
    shop.tables = {EVIL: table}
    outputs = [docgen(verb, "shop").output for verb in ("status", "coverage", "suggest", "status")]
    outputs.append(docgen("review", "shop", input="y\n" * 3).output)
    shop.says = EVIL
    outputs.append(docgen("apply", "shop", "--dry-run").output)
    shop.refuse = {ColumnRef(EVIL, "total"): EVIL}
    outputs.append(docgen("apply", "shop").output)
    for output in outputs:
        assert "\x1b" not in output
        assert "\u202e" not in output
    assert "\\x1b[31m[bold]b\\n\\u202e" in outputs[0]


def test_an_error_of_an_adapter_cannot_either(shop):
    class Broken:
        @hookimpl(tryfirst=True)
        def read_catalog(self, source, config):
            raise SourceError(f"bad {EVIL}")

    with registered(Broken()):
        result = docgen("suggest", "shop", code=1)
    assert result.stderr == "docgen: bad a\\x1b[31m[bold]b\\n\\u202e'%s'\n"


class Other(FakeGenerator):
    name = "fake@2"


def test_suggest_again_replaces_what_another_model_left_open(shop, tmp_path):
    docgen("suggest", "shop")
    docgen("accept", "shop", "--select", "*.total")
    assert as_json("suggest", "shop", "--again")["targets"] == 0  # the same model
    other = Other(lambda request, column: ("What the other model says of it", -0.3))
    with registered(FakeModel(other)):
        assert as_json("suggest", "shop")["targets"] == 0
        again = as_json("suggest", "shop", "--again", "--select", "orders")
        assert (again["targets"], again["turned"], again["model"]) == (2, 2, "fake@2")
        assert as_json("suggest", "shop", "--again", "--select", "orders")["targets"] == 0
    assert other.closed == 3 - 1  # loaded only to compare, or to answer
    with Ledger(tmp_path / ".docgen" / "ledger.db") as ledger:
        made = {str(row.suggestion.ref): row.suggestion for row in ledger.rows("shop")}
    assert {place: one.model for place, one in made.items()} == {
        "s.orders": "fake@2",
        "s.orders.order_ref": "fake@2",
        "s.orders.total": "fake@1",
        "s.orders.x7": "",
        "s.lines.qty": "fake@1",
    }
    assert (made["s.orders.total"].state, made["s.orders"].state) == ("accepted", "suggested")


def test_model_info(shop):
    assert "fake@1" in docgen("model", "info").stdout
    assert as_json("model", "info") == {
        "model": "fake@1",
        "device": "no device",
        "uri": "the default",
        "candidate": None,
        "manifest": None,  # the package's model is not the one that is used
    }


def test_ctrl_c_in_suggest_is_130_and_says_what_was_kept(shop):
    def answer(request, column):
        if column == "total":
            raise KeyboardInterrupt
        return "The thing that was asked for.", -0.2

    with registered(FakeModel(FakeGenerator(answer))):
        result = docgen("suggest", "shop", code=130)
    assert "docgen: interrupted; 3 suggestions kept, run it again to go on" in result.stderr
    assert as_json("suggest", "shop")["suggested"] == 2


def test_ctrl_c_in_apply_is_130_and_a_rerun_goes_on(shop):
    docgen("suggest", "shop")
    docgen("accept", "shop")
    shop.stop_after = 1
    result = docgen("apply", "shop", code=130)
    assert result.stderr.startswith("docgen: interrupted; run docgen apply again")
    shop.stop_after = None
    assert as_json("status", "shop")["states"]["applied"] == 1  # seen before it is recorded
    rest = as_json("apply", "shop")
    assert (len(rest["already_there"]), len(rest["written"])) == (1, 3)


PROGRAM = """
import sys, time
sys.path.insert(0, {root!r})
from docgen_plugin.cli import main
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model import Catalog, Column, Table
from docgen_plugin.plugins import manager
from tests.fakes import FakeGenerator, FakeModel

class Slow(FakeGenerator):
    def describe(self, requests):
        for answer in super().describe(requests):
            time.sleep({pause})
            yield answer

class Source:
    @hookimpl(tryfirst=True)
    def read_catalog(self, source, config):
        names = [f"thing_{{letter}}" for letter in "abcdefghij"]
        return Catalog("s", "x", tuple(Table(n, n, columns=tuple(map(Column, names))) for n in names))

manager().register(Source())
manager().register(FakeModel(Slow()))
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_real_interrupt_keeps_what_is_done(tmp_path):
    program = [sys.executable, "-c", PROGRAM.format(root=str(ROOT), pause=0.02), "suggest"]
    process = subprocess.Popen(
        program, cwd=tmp_path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    assert process.stderr.readline().startswith("model: fake@1")
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert told.startswith("docgen: interrupted; ")
    assert len(told.splitlines()) == 1
    with Ledger(tmp_path / ".docgen" / "ledger.db") as ledger:
        kept = len(list(ledger.rows("s")))
    assert f"; {kept} suggestion" in told
    assert 0 < kept < 110


@pytest.mark.slow
def test_a_bar_on_a_terminal_after_two_seconds_and_none_in_a_pipe(tmp_path):
    program = PROGRAM.format(root=str(ROOT), pause=0.025)
    child = pexpect.spawn(
        sys.executable, ["-c", program, "suggest"], cwd=str(tmp_path), encoding="utf-8", timeout=60
    )
    child.expect("columns/s")
    child.expect("110 suggestions of 110")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    piped = subprocess.run(
        [sys.executable, "-c", program, "suggest", "--ledger", "second.db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "columns/s" not in piped.stdout + piped.stderr


def load_postgres(url, name):
    engine = sqlalchemy.create_engine(url)
    script = (ROOT / "tests" / "data" / f"sql_{name}.sql").read_text(encoding="utf-8")
    with engine.begin() as connection:
        # the driver's own cursor: it leaves percent signs alone
        connection.connection.cursor().execute(script)
    engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rental", "hospital", "tickets"])
def test_the_journey_on_postgresql(postgres_url, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    load_postgres(postgres_url, name)
    with registered(FakeModel()):
        before = as_json("coverage", postgres_url)
        suggested = as_json("suggest", postgres_url)
        assert suggested["suggested"] == suggested["targets"] == before["missing"] > 80
        assert as_json("accept", postgres_url, "--include-unclear")["accepted"] == before["missing"]
        preview = as_json("apply", postgres_url, "--dry-run")["preview"]
        assert preview.count("COMMENT ON") == before["missing"]
        assert as_json("coverage", postgres_url)["missing"] == before["missing"]
        assert len(as_json("apply", postgres_url)["written"]) == before["missing"]
        assert as_json("suggest", postgres_url)["targets"] == 0
        assert as_json("coverage", postgres_url)["percent"] == 100
        states = as_json("status", postgres_url)["states"]
        assert states == dict.fromkeys(states, 0) | {"applied": before["missing"]}  # read back equal


@pytest.mark.slow
def test_a_team_keeps_its_ledger_in_postgresql(postgres_url, shop, tmp_path):
    for _ in range(2):
        docgen("suggest", "shop", "--ledger", postgres_url)
    assert as_json("accept", "shop", "--ledger", postgres_url)["accepted"] == 4
    assert len(as_json("apply", "shop", "--ledger", postgres_url)["written"]) == 4
    status = as_json("status", "shop", "--ledger", postgres_url)
    assert (status["states"]["applied"], list(tmp_path.iterdir())) == (4, [])
    assert "s3cret" not in status["ledger"]


def test_sqlite_has_no_comments_but_a_file_can_be_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    connection = sqlite3.connect("shop.sqlite")
    connection.execute("create table orders (id integer primary key, total numeric)")
    connection.close()
    url = "sqlite:///shop.sqlite"
    with registered(FakeModel()):
        docgen("suggest", url)
    docgen("accept", url)
    refused = docgen("apply", url, code=1)
    assert "--to" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    assert as_json("status", url)["states"]["accepted"] == 3
    docgen("apply", url, "--to", "models/sources.yml")
    found = yaml.safe_load(Path("models/sources.yml").read_text(encoding="utf-8"))
    assert [table["name"] for table in found["sources"][0]["tables"]] == ["orders"]


@pytest.mark.slow
def test_the_journey_on_a_dbt_project(tmp_path):
    project = tmp_path / "shop"
    shutil.copytree(
        ROOT / "tests" / "data" / "dbt_shop", project, ignore=shutil.ignore_patterns("target", "logs")
    )
    source = str(project)
    with registered(FakeModel()):
        missing = as_json("coverage", source)["missing"]
        suggested = as_json("suggest", source)
        assert suggested["suggested"] == suggested["targets"] == missing > 80
        assert suggested["by_origin"]["inherited"] > 0
        as_json("accept", source, "--include-unclear")
        before = {path: path.read_bytes() for path in project.rglob("*.yml")}
        assert "+++ b/models/" in as_json("apply", source, "--dry-run")["preview"]
        assert {path: path.read_bytes() for path in project.rglob("*.yml")} == before
        report = as_json("apply", source)
        assert len(report["written"]) + len(report["skipped"]) == missing
        assert as_json("suggest", source)["targets"] == 0
        assert as_json("coverage", source)["percent"] == 100
    assert (project / ".docgen" / "ledger.db").is_file()
