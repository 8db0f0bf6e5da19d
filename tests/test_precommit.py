"""`docgen check` and the hooks, in real git repositories and under the real pre-commit."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from docgen_dbt.artifacts import catalog_of, read_project
from docgen_dbt.files_manifest import manifest_of
from docgen_dbt.git import Repository
from docgen_dbt.staged import read_staged

from docgen_plugin.cli import cli
from docgen_plugin.config import Config
from docgen_plugin.store import Ledger
from tests.benchmarks import check as check_benchmark
from tests.fakes import FakeModel, registered
from tests.registries import candidate

ROOT = Path(__file__).resolve().parents[1]
ORDERS = """\
with source as (
    select id, amount as total from {{ ref('raw') }}
),

final as (select * from source)

select * from final
"""
SCHEMA = """\
models:
  - name: orders
    description: One row per order that a customer placed.
    columns:
      - name: id
        description: Number that the web shop gave the order.
      - name: total
        description: What the customer paid, in euros.
  - name: raw
    description: Orders as the web shop sends them.
    columns:
      - name: id
        description: Number that the web shop gave the order.
      - name: amount
        description: What the customer paid, in euros.
"""


class Repo:
    """A git repository, and docgen called inside it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root, self._monkeypatch = root, monkeypatch
        root.mkdir(exist_ok=True)
        self.git("init", "-q", "-b", "main", ".")
        for name, value in {
            "user.email": "a@example.org",
            "user.name": "A",
            "commit.gpgsign": "false",
        }.items():
            self.git("config", name, value)
        monkeypatch.chdir(root)

    def git(self, *words: str, fails: bool = False) -> str:
        done = subprocess.run(["git", *words], cwd=self.root, capture_output=True, text=True, check=False)
        assert bool(done.returncode) == fails, done.stdout + done.stderr
        return done.stdout

    def write(self, path: str, text: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text.encode() if isinstance(text, str) else text)

    def stage(self, path: str, text: str | bytes) -> None:
        self.write(path, text)
        self.git("add", "--", path)

    def commit(self) -> None:
        self.git("commit", "-qm", "x", "--no-verify", "--allow-empty")

    def check(self, *words: str) -> tuple[int, list[str], str]:
        """Return the exit code, the findings, and what was said beside."""
        result = CliRunner().invoke(cli, ["check", *words])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout.splitlines(), result.stderr


@pytest.fixture
def repo(tmp_path, monkeypatch):
    return Repo(tmp_path / "repo", monkeypatch)


@pytest.fixture
def shop(repo):
    """A project in which everything is described, committed."""
    repo.stage("dbt_project.yml", "name: shop\n")
    repo.stage("models/orders.sql", ORDERS)
    repo.stage("models/raw.sql", "select 1 as id, 2 as amount\n")
    repo.stage("models/schema.yml", SCHEMA)
    repo.commit()
    return repo


def test_first_commit_names_every_place_that_is_not_described(repo):
    repo.stage("dbt_project.yml", "name: shop\n")
    repo.stage("models/raw.sql", "select\n    1 as id,\n    2 as amount\n")
    assert repo.check() == (
        1,
        [
            "models/raw.sql:1:1: model raw has no description",
            "models/raw.sql:2:10: column raw.id has no description",
            "models/raw.sql:3:10: column raw.amount has no description",
        ],
        "docgen: 3 findings; fix: docgen suggest-staged, then look at the texts and git add them\n",
    )


def test_described_project_passes_and_says_nothing(shop):
    assert shop.check() == (0, [], "")
    assert shop.check("--scope", "all") == (0, [], "")


def test_new_column_is_found_in_the_index_not_on_disk(shop):
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total, now() as seen_at"))
    shop.write("models/orders.sql", ORDERS)
    code, found, _ = shop.check()
    assert (code, found) == (
        1,
        ["models/orders.sql:2:42: column orders.seen_at is new and has no description"],
    )


def test_column_behind_a_star_of_another_model_counts(shop):
    shop.stage("models/raw.sql", "select 1 as id, 2 as amount, 3 as tax\n")
    shop.stage("models/wide.sql", "select * from {{ ref('raw') }}\n")
    shop.stage("models/wide.yml", "models: [{name: wide, description: All that the web shop sends.}]\n")
    code, found, _ = shop.check()
    assert code == 1
    assert "models/wide.sql:1:8: column wide.tax is new and has no description" in found


def test_column_that_stars_pass_on_to_models_of_other_files_is_told(shop):
    shop.stage("models/wide.sql", "with a as (select * from {{ ref('raw') }})\nselect *, 1 as one from a\n")
    shop.stage("models/wider.sql", "select w.*\nfrom {{ ref('shop', 'wide') }} as w\n")
    shop.stage("models/bare.sql", "select * from {{ ref('raw') }}\n")  # nobody describes its columns: no news
    shop.stage("models/other.sql", "select id from {{ ref('raw') }}\n")
    described = "description: What the web shop sends."
    listed = ", ".join(f"{{name: {name}, {described}}}" for name in ("id", "amount", "one"))
    models = "".join(
        f"  - {{name: {name}, {described}, columns: [{listed}]}}\n" for name in ("wide", "wider")
    )
    models += f"  - {{name: bare, {described}}}\n  - {{name: other, {described}, columns: [{{name: id, {described}}}]}}\n"
    shop.stage("models/wide.yml", f"models:\n{models}")
    shop.commit()
    schema = SCHEMA.replace("models:", f"models:\n  - {{name: spare, {described}}}", 1)
    shop.stage("models/raw.sql", "select 1 as id, 2 as amount, 3 as tax\n")
    shop.stage("models/schema.yml", schema)
    code, found, said = shop.check()
    assert code == 1
    brought = "is new here, `select *` brings it from"
    assert [line for line in found if brought in line] == [
        f"models/wide.sql:2:8: note: column wide.tax {brought} raw, and has no description",
        f"models/wider.sql:1:10: note: column wider.tax {brought} wide, and has no description",
    ]
    assert "1 finding" in said
    strict = shop.check("--strict")
    assert (strict[0], "3 findings" in strict[2]) == (1, True)
    # described in the same commit: nothing left to say
    shop.stage(
        "models/wide.yml", f"models:\n{models}".replace(listed, f"{listed}, {{name: tax, {described}}}")
    )
    assert not [line for line in shop.check()[1] if brought in line]


def test_star_of_an_unknown_table_is_no_failure(shop):
    shop.stage("models/wide.sql", "select * from {{ source('a', 'b') }}\n")
    shop.stage("models/wide.yml", "models: [{name: wide, description: All that the web shop sends.}]\n")
    assert shop.check()[:2] == (0, [])


def test_renamed_column(shop):
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total_paid"))
    code, found, _ = shop.check()
    assert code == 1
    assert found == [
        "models/schema.yml:7:15: column orders.total is described but models/orders.sql has no such column, "
        "likely renamed to total_paid: rename its entry",
    ]
    shop.stage("models/schema.yml", SCHEMA.replace("name: total", "name: total_paid"))
    assert shop.check()[:2] == (0, [])


def test_dropped_column(shop):
    shop.stage("models/orders.sql", ORDERS.replace(", amount as total", ""))
    code, found, said = shop.check()
    assert code == 1
    assert found[0].endswith("has no such column: take its entry out")
    assert "edit models/schema.yml" in said


def test_renamed_model_file(shop):
    shop.git("mv", "models/raw.sql", "models/raw_orders.sql")
    shop.stage("models/orders.sql", ORDERS.replace("ref('raw')", "ref('raw_orders')"))
    code, found, _ = shop.check()
    assert code == 1
    assert found == [
        "models/schema.yml:9:11: model raw is described but has no file, likely renamed to raw_orders: rename its entry"
    ]
    shop.stage("models/schema.yml", SCHEMA.replace("name: raw", "name: raw_orders"))
    assert shop.check()[:2] == (0, [])


def test_moved_model_file_is_the_same_model(shop):
    (shop.root / "models/staging").mkdir()
    shop.git("mv", "models/raw.sql", "models/staging/raw.sql")
    assert shop.check()[:2] == (0, [])


def test_deleted_model_leaves_its_entry(shop):
    shop.git("rm", "-q", "models/orders.sql")
    code, found, _ = shop.check()
    assert code == 1
    assert "model orders is described but has no file: take its entry out" in found[0]


def test_placeholder_and_lost_text(shop):
    text = SCHEMA.replace("One row per order that a customer placed.", "TBD")
    shop.stage("models/schema.yml", text.replace("What the customer paid, in euros.", "''", 1))
    code, found, _ = shop.check()
    assert code == 1
    assert found == [
        "models/orders.sql:2:26: column orders.total lost its text: it has no description",
        "models/schema.yml:3:18: model orders: its description 'TBD' stands in for a description",
    ]


def test_echo_is_told_and_fails_only_when_strict(shop):
    shop.stage("models/schema.yml", SCHEMA.replace("What the customer paid, in euros.", "The total.", 1))
    code, found, _ = shop.check()
    assert (code, found) == (0, []) or (code == 0 and "note: column orders.total" in found[0])
    assert shop.check("--strict")[0] == 1


def test_type_that_belies_the_text(shop):
    shop.stage("models/raw.sql", "select 1 as id, cast(2 as int) as amount\n")
    shop.commit()
    shop.stage("models/raw.sql", "select 1 as id, cast(2 as timestamp) as amount\n")
    code, found, _ = shop.check()
    assert code == 0
    assert "its type changed from INT to TIMESTAMP" in found[0]
    shop.stage(
        "models/schema.yml",
        SCHEMA.replace("What the customer paid, in euros.", "Integer of euro cents paid."),
    )
    code, found, _ = shop.check()
    assert code == 1
    assert any("says a number, the type is a timestamp" in line for line in found)


def test_all_files_looks_at_what_was_committed_before(shop):
    shop.stage("models/bare.sql", "select 1 as bare_id\n")
    shop.commit()
    assert shop.check() == (0, [], "")
    code, found, said = shop.check("models/bare.sql", "models/orders.sql")
    assert code == 1
    assert found == [
        "models/bare.sql:1:1: model bare has no description",
        "models/bare.sql:1:13: column bare.bare_id has no description",
    ]
    assert "docgen suggest . --select bare --select bare.bare_id" in said


def test_files_that_are_not_named_are_left_alone(shop):
    shop.stage("models/one.sql", "select 1 as a\n")
    shop.stage("models/two.sql", "select 1 as b\n")
    _, found, _ = shop.check("models/two.sql")
    assert {line.split(":")[0] for line in found} == {"models/two.sql"}


def test_merge_takes_both_sides_as_known(shop):
    shop.git("checkout", "-qb", "side")
    shop.stage("models/bare.sql", "select 1 as bare_id\n")
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total, 1 as side"))
    shop.commit()
    shop.git("checkout", "-q", "main")
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total, 1 as trunk"))
    shop.commit()
    shop.git("merge", "-q", "side", fails=True)
    code, _, said = shop.check()
    assert (code, said) == (
        1,
        "docgen: models/orders.sql: has merge conflicts; resolve them and `git add` it\n",
    )
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total, 1 as side, 1 as trunk"))
    assert shop.check()[:2] == (0, [])
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total, 1 as side, 1 as trunk, 1 as more"))
    _, found, _ = shop.check()
    assert [line.split(": ")[1] for line in found] == ["column orders.more is new and has no description"]


def test_compares_with_a_revision(shop):
    shop.git("checkout", "-qb", "side")
    shop.stage("models/bare.sql", "select 1 as bare_id\n")
    shop.commit()
    assert len(shop.check("--from-ref", "main")[1]) == 2
    code, _, said = shop.check("--from-ref", "nope")
    assert (code, "git knows no revision 'nope'" in said) == (1, True)


def test_detached_head_and_a_second_worktree(shop, monkeypatch):
    shop.git("worktree", "add", "-q", "--detach", "../second")
    monkeypatch.chdir(shop.root.parent / "second")
    assert shop.check() == (0, [], "")
    (shop.root.parent / "second/models/bare.sql").write_text("select 1 as bare_id\n")
    subprocess.run(["git", "add", "-A"], cwd=shop.root.parent / "second", check=True)
    assert len(shop.check()[1]) == 2


def test_paths_with_spaces_and_other_letters_crlf_and_byte_order_mark(repo):
    repo.stage("mein läden/dbt_project.yml", b"\xef\xbb\xbfname: shop\r\n")
    repo.stage("mein läden/models/größe.sql", b"\xef\xbb\xbfselect\r\n    1 as id\r\n")
    yml = "models:\r\n  - name: größe\r\n    description: TODO\r\n    columns:\r\n      - name: id\r\n        description: Number of the size.\r\n"
    repo.stage("mein läden/models/s.yml", b"\xef\xbb\xbf" + yml.encode())
    _, found, _ = repo.check()
    assert found == [
        "mein läden/models/s.yml:3:18: model größe: its description 'TODO' stands in for a description"
    ]


def test_nested_project_and_submodule_are_apart(shop, tmp_path, monkeypatch):
    shop.stage("models/inner/dbt_project.yml", "name: inner\n")
    shop.stage("models/inner/models/bare.sql", "select 1 as bare_id\n")
    Repo(tmp_path / "other", monkeypatch).commit()
    monkeypatch.chdir(shop.root)
    shop.git(
        "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(tmp_path / "other"), "models/sub"
    )
    _, found, _ = shop.check()
    assert {line.split(":")[0] for line in found} == {"models/inner/models/bare.sql"}


def test_source_seed_and_snapshot(shop):
    sources = "sources:\n  - name: web\n    tables:\n      - name: visits\n        columns:\n          - name: url\n"
    shop.stage("models/sources.yml", sources)
    shop.stage("seeds/countries.csv", "code,label\nDE,Germany\n")
    shop.stage(
        "snapshots/past.sql", "{% snapshot past %}\nselect id from {{ ref('orders') }}\n{% endsnapshot %}\n"
    )
    _, found, _ = shop.check()
    assert found == [
        "models/sources.yml:4:15: source visits is new and has no description",
        "models/sources.yml:6:19: column visits.url is new and has no description",
        "seeds/countries.csv:1:1: column countries.code is new and has no description",
        "seeds/countries.csv:1:1: seed countries is new and has no description",
        "seeds/countries.csv:1:6: column countries.label is new and has no description",
        "snapshots/past.sql:1:1: snapshot past is new and has no description",
        "snapshots/past.sql:2:8: column past.id is new and has no description",
    ]


def test_versions_take_the_text_of_their_model(repo):
    repo.stage("dbt_project.yml", "name: shop\n")
    repo.stage("models/dim_v2.sql", "select 1 as id, 2 as extra\n")
    repo.stage(
        "models/s.yml",
        "models:\n  - name: dim\n    description: One row per thing sold.\n    columns:\n      - name: id\n"
        "        description: Number of the thing.\n    versions:\n      - v: 2\n",
    )
    _, found, _ = repo.check()
    assert found == ["models/dim_v2.sql:1:22: column dim_v2.extra has no description"]


def test_macros_of_the_project_are_run(shop):
    shop.stage(
        "macros/cents.sql", "{% macro cents(name) %}{{ name }} / 100 as {{ name }}_eur{% endmacro %}\n"
    )
    shop.stage(
        "models/paid.sql",
        "select {{ cents('amount') }}{% if true %}, 1 as one{% endif %} from {{ ref('raw') }}\n",
    )
    _, found, _ = shop.check()
    assert {line.split(": ")[1] for line in found} == {
        "model paid is new and has no description",
        "column paid.amount_eur is new and has no description",
        "column paid.one is new and has no description",
    }


def test_what_cannot_be_read_is_noted_and_stops_nobody(shop):
    shop.stage("models/broken.sql", "select from where\n")
    shop.stage("models/broken.yml", "models: [{name: broken, description: Sums of the day.}]\n")
    code, found, _ = shop.check()
    assert code == 0
    assert found == [
        "models/broken.sql:1:1: note: its SQL cannot be read without dbt, its columns were not looked at"
    ]
    shop.stage("models/broken.yml", "models: [\n")
    code, found, _ = shop.check()
    assert any(line.startswith("models/broken.yml:2:1: note: is not YAML") for line in found)


def test_migrations(repo):
    repo.stage("sql/001.sql", "create table shop.orders (id int not null, paid numeric(10, 2));\n")
    repo.stage(
        "sql/002.sql",
        "comment on table shop.orders is 'One row per order.';\ncomment on column shop.orders.id is 'TODO';\n",
    )
    code, found, said = repo.check()
    assert code == 1
    assert found == [
        "sql/001.sql:1:44: column shop.orders.paid is new and has no description",
        "sql/002.sql:2:1: column shop.orders.id: its description 'TODO' stands in for a description",
    ]
    assert "COMMENT ON COLUMN shop.orders.paid IS '...'" in said
    repo.commit()
    repo.stage("sql/003.sql", "alter table shop.orders add column seen_at timestamp, drop column paid;\n")
    assert repo.check()[1] == ["sql/003.sql:1:36: column shop.orders.seen_at is new and has no description"]
    repo.stage("sql/001.sql", "create table shop.orders (id bigint not null, paid numeric(10, 2));\n")
    assert "sql/001.sql:1:27: column shop.orders.id changed and has no description" in repo.check()[1]


def test_migrations_of_mysql_and_what_is_no_table(repo):
    repo.stage(
        "a.sql",
        "CREATE TABLE `o` (`id` int COMMENT 'Number of the order.', `x` int) ENGINE=InnoDB COMMENT='One row per order.';\n",
    )
    repo.stage(
        "b.sql",
        "create function f() returns int as $$ begin return 1; end $$ language plpgsql;\nselect 1;\ncreate index i on o (id);\n",
    )
    assert repo.check()[1] == ["a.sql:1:60: column o.x is new and has no description"]
    assert repo.check("--dialect", "mysql")[1] == ["a.sql:1:60: column o.x is new and has no description"]
    code, _, said = repo.check("--dialect", "klingon")
    assert (code, said.count("\n"), "klingon" in said) == (1, 1, True)


def test_outside_of_git_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    result = CliRunner().invoke(cli, ["check"])
    assert result.exit_code == 1
    assert "not a git repository" in result.stderr
    assert result.stderr.count("\n") == 1


def test_file_of_another_place_and_bad_project_are_told(shop, tmp_path):
    (tmp_path / "x.sql").write_text("select 1")
    code, _, said = shop.check("models/orders.sql", str(tmp_path / "x.sql"))
    assert (code, "lies outside the repository" in said) == (1, True)
    shop.stage("dbt_project.yml", "version: 2\n")
    code, _, said = shop.check()
    assert (code, "dbt_project.yml: has no 'name:'" in said) == (1, True)


def test_file_that_git_does_not_know_is_told_and_a_folder_means_its_files(shop):
    shop.write("models/bare.sql", "select 1 as bare_id\n")
    code, _, said = shop.check("models/bare.sql")
    assert (code, said) == (
        1,
        "docgen: models/bare.sql: is not staged; git add it, or name a file that git knows\n",
    )
    shop.git("add", "-A")
    assert len(shop.check("models/bare.sql")[1]) == 2
    assert len(shop.check("models")[1]) == len(shop.check(".")[1]) == 2
    shop.stage("README.md", "text\n")
    assert shop.check("README.md") == (0, [], "")


def test_forms_for_machines(shop):
    shop.stage("models/bare.sql", "select 1 as bare_id\n")
    result = json.loads("\n".join(shop.check("--json")[1]))
    assert result["passed"] is False
    assert result["findings"][0] == {
        "path": "models/bare.sql", "line": 1, "column": 1, "message": "model bare is new and has no description",
        "kind": "missing", "table": "bare", "name": "", "fails": True,
    }  # fmt: skip
    assert shop.check("--format", "github")[1][0] == (
        "::error file=models/bare.sql,line=1,col=1::model bare is new and has no description"
    )


def suggest(*words):
    result = CliRunner().invoke(cli, ["suggest-staged", *words])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_suggests_for_what_is_new_and_leaves_the_rest(shop):
    shop.stage("models/bare.sql", "select 1 as bare_id\n")
    shop.commit()
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total, now() as seen_at"))
    with registered(FakeModel()):
        code, out, said = suggest()
        assert (code, "wrote 1 suggestion; look at git diff" in said) == (1, True)
        assert "+      - name: seen_at\n+        description: The seen at as recorded for the order" in out
        assert shop.git("diff", "--name-only") == "models/schema.yml\n"
        assert shop.check()[0] == 1  # it is not staged yet
        code, _, said = suggest()
        assert (code, said) == (
            1,
            "docgen: models/schema.yml: has edits that are not staged; git add or git stash them, then run again\n",
        )
        shop.git("add", "-A")
        assert shop.check()[:2] == (0, [])
        assert suggest() == (0, "", "")
    with Ledger(shop.root / ".docgen/ledger.db") as ledger:
        [row] = ledger.rows("dbt:shop")
        states = [event.new_state for event in ledger.history("dbt:shop", row.suggestion.ref)]
    assert (str(row.suggestion.ref), states) == (
        "model.shop.orders.seen_at",
        ["suggested", "accepted", "applied"],
    )
    assert row.suggestion.reviewer


def test_a_candidate_answers_its_tables_in_the_hook_too(shop, tiny_bespoke_gguf):
    main = CliRunner().invoke(cli, ["model", "use", str(tiny_bespoke_gguf), "--canary", "50%"])
    assert main.exit_code == 0, main.output
    one = candidate(shop.root)
    for number in range(8):
        shop.stage(f"models/m{number}.sql", "select 1 as wobble_grade\n")
    code, _, said = suggest()
    assert code == 1, said
    with Ledger(shop.root / ".docgen/ledger.db") as ledger:
        asked = {
            (row.suggestion.ref.table, row.suggestion.asked)
            for row in ledger.rows("dbt:shop")
            if row.suggestion.asked
        }
    assert {table for table, model in asked if model == one.model} == {
        table for table, _ in asked if one.draws(table)
    }
    assert len(asked) == 8


def test_refuses_a_staged_file_with_edits_and_writes_nothing(shop):
    changed = ORDERS.replace("as total", "as total, now() as seen_at")
    shop.stage("models/orders.sql", changed)
    shop.write("models/orders.sql", changed + "-- more\n")
    with registered(FakeModel()) as model:
        code, _, said = suggest()
    assert (code, said.count("\n"), "models/orders.sql: has edits" in said) == (1, 1, True)
    assert model.generator.requests == []
    assert shop.git("diff", "--name-only") == "models/orders.sql\n"


def test_makes_a_property_file_where_there_is_none(repo):
    repo.stage("läden/dbt_project.yml", "name: shop\n")
    repo.stage("läden/models/core/orders.sql", "select 1 as paid_amount\n")
    with registered(FakeModel()):
        assert suggest()[0] == 1
    repo.git("add", "-A")
    assert repo.check()[:2] == (0, [])
    assert (repo.root / "läden/models/core/_core__models.yml").is_file()


@pytest.mark.slow
def test_catalog_from_files_is_that_of_dbt(tmp_path, monkeypatch):
    pytest.importorskip("dbt.cli")
    repo = Repo(tmp_path / "repo", monkeypatch)
    shutil.copytree(ROOT / "docgen_plugin/demo_shop", repo.root, dirs_exist_ok=True)
    repo.git("add", "-A")
    staged = read_staged(Repository(repo.root), scope="all")
    files = staged.projects[0].now
    ours = catalog_of(files.project, manifest_of(files), {})
    theirs = read_project(repo.root, Config())
    assert len(ours.tables) > 3
    assert ours.source == theirs.source
    for one, other in zip(ours.tables, theirs.tables, strict=True):
        assert one.columns == other.columns
        assert (one.key, one.name, one.description, one.upstream, one.path) == (
            other.key, other.name, other.description, other.upstream, other.path,
        )  # fmt: skip


@pytest.mark.slow
def test_check_loads_neither_dbt_nor_a_model(shop):
    shop.stage("models/bare.sql", "select 1 as bare_id\n")
    script = (
        "import sys\nfrom docgen_plugin.cli import main\ntry:\n    main(['check'])\nexcept SystemExit as end:\n"
        "    print(end.code, [name for name in ('dbt', 'llama_cpp', 'torch', 'sqlalchemy', 'numpy') if name in sys.modules])"
    )
    environment = dict(os.environ, PYTHONPATH=f"{ROOT}:{ROOT / 'adapters'}")
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=shop.root,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "1 []"


def _pre_commit(repo: Repo, *words: str, hooks: str) -> tuple[int, str]:
    config = f"repos:\n  - repo: local\n    hooks:\n{hooks}"
    repo.stage(".pre-commit-config.yaml", config)
    environment = dict(
        os.environ,
        PRE_COMMIT_HOME=str(repo.root.parent / "cache"),
        PYTHONPATH=os.pathsep.join(str(ROOT / part) for part in ("", "adapters")),
    )
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", *words],
        cwd=repo.root, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def _hook(verb: str) -> str:
    command = f'{sys.executable} -c "from docgen_plugin.cli import main; main()" {verb}'
    return (
        f"      - id: docgen\n        name: docgen\n        language: system\n        entry: {command}\n"
        "        types_or: [sql, yaml, csv]\n        require_serial: true\n"
    )


@pytest.mark.slow
def test_real_pre_commit_stops_a_real_commit(shop):
    hooks = _hook("check") + "        always_run: true\n"
    assert _pre_commit(shop, "install", hooks=hooks)[0] == 0
    shop.git("commit", "-qm", "config", "--no-verify")
    shop.stage("models/bare.sql", "select 1 as bare_id\n")
    done = subprocess.run(
        ["git", "commit", "-qm", "bare"], cwd=shop.root, capture_output=True, text=True, check=False,
        env=dict(os.environ, PRE_COMMIT_HOME=str(shop.root.parent / "cache"), PYTHONPATH=f"{ROOT}:{ROOT / 'adapters'}"),
    )  # fmt: skip
    assert done.returncode == 1
    assert (
        "models/bare.sql:1:13: column bare.bare_id is new and has no description" in done.stdout + done.stderr
    )
    shop.commit()
    code, said = _pre_commit(shop, "run", "--all-files", hooks=hooks)
    assert code == 1
    assert "models/bare.sql:1:13: column bare.bare_id has no description" in said


@pytest.mark.slow
def test_real_pre_commit_writes_suggestions_with_the_real_model(shop):
    pytest.importorskip("llama_cpp")
    shop.stage("models/orders.sql", ORDERS.replace("as total", "as total, now() as created_at"))
    code, said = _pre_commit(shop, "run", hooks=_hook("suggest-staged"))
    assert code == 1
    assert "wrote 1 suggestion; look at git diff" in said
    assert "- name: created_at" in (shop.root / "models/schema.yml").read_text()
    shop.git("add", "-A")
    assert _pre_commit(shop, "run", hooks=_hook("check"))[0] == 0


@pytest.mark.slow
def test_hooks_file_is_what_pre_commit_reads():
    done = subprocess.run(
        [sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_benchmark_of_the_check(capsys):
    check_benchmark.main(["--models", "30", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert found["models"] == 30
    assert 0 < found["start_s"] < found["first_s"]
