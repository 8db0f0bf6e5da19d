"""The run's order: what is skipped, what is done again and why, what is refused before the start."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from docgen_training import run as run_module
from docgen_training import run_checks
from docgen_training.cli_run import COMMANDS
from docgen_training.records import read_records, write_records
from docgen_training.run import Choice, plan_run, run
from docgen_training.run_config import load_run_config
from docgen_training.run_stages import STAGES
from docgen_training.synthesize import synthesize
from filelock import FileLock

from docgen_plugin.errors import ConfigError, DocgenError

DATA = STAGES[:3]  # without the training, which test_run_loop.py does


@pytest.fixture(scope="module")
def records():
    return list(synthesize(34, 5, ()))


@pytest.fixture
def team(tmp_path, records):
    write_records(tmp_path / "own.jsonl", records)
    (tmp_path / "team.toml").write_text('[harvest]\nsources = ["own.jsonl"]\n')
    return tmp_path / "team.toml"


@pytest.fixture
def data_stages(monkeypatch):
    monkeypatch.setattr(run_module, "STAGES", DATA)


def states(outcomes):
    return [one.state for one in outcomes]


def whys(outcomes):
    return [one.why for one in outcomes]


def content(folder):
    """Return what the stages left, without what a stage that did not end has begun."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in Path(folder).glob("[a-z]*/*.xz")}


@pytest.mark.usefixtures("data_stages")
def test_what_is_done_is_skipped(team):
    config = load_run_config(team)
    assert states(run(config)) == ["done", "done", "done"]
    first = content(config.folder)
    assert states(run(config)) == ["skipped", "skipped", "skipped"]
    assert content(config.folder) == first
    assert len(first) == 5


def changed_source(config, records):
    write_records(Path(config.harvest.sources[0]), records[:28])
    return config


def changed_source_alone(config, records):
    """Change a source and nothing that is made of it: a table without a text more."""
    source = Path(config.harvest.sources[0])
    row = {"source": "a", "license": "MIT", "table": "bare", "columns": [{"name": "a"}]}
    source.write_text(source.read_text() + json.dumps(row) + "\n")
    return config


def lost(name):
    def lose(config, records):
        Path(config.folder, name).unlink()
        return config

    return lose


def edited(config, records):
    Path(config.folder, "clean", "records.jsonl.xz").write_bytes(b"")
    return config


# what is changed -> what each stage does then, and the first reason
DEPENDS = [
    (lambda config, records: config, ["skipped"] * 3, ""),
    (changed_source, ["done"] * 3, "own.jsonl changed"),
    (changed_source_alone, ["done", "skipped", "skipped"], "own.jsonl changed"),
    (lambda config, records: replace(config, seed=2), ["skipped", "skipped", "done"], "seed is 2, was 1"),
    (
        lambda config, records: replace(config, clean=replace(config.clean, most_repeats=1)),
        ["skipped", "done", "skipped"],  # these texts do not repeat: the same is left
        "most_repeats is 1, was 3",
    ),
    (
        lost("harvest/records.jsonl.xz"),
        ["done", "skipped", "skipped"],
        "harvest/records.jsonl.xz is not what",
    ),
    (
        lost("split/valid.jsonl.xz"),
        ["skipped", "skipped", "done"],
        "split/valid.jsonl.xz is not what the stage left",
    ),
    (edited, ["skipped", "done", "skipped"], "clean/records.jsonl.xz is not what the stage left"),
    (lost("state.json"), ["done"] * 3, "not done yet"),
]


@pytest.mark.usefixtures("data_stages")
@pytest.mark.parametrize(("change", "wanted", "why"), DEPENDS)
def test_a_change_does_again_what_depends_on_it_and_nothing_else(team, records, change, wanted, why):
    config = load_run_config(team)
    run(config)
    config = change(config, records)
    before = content(config.folder)
    plan = plan_run(config)
    assert content(config.folder) == before
    outcomes = run(config)
    assert states(outcomes) == wanted
    assert why in next((one.why for one in outcomes if one.state == "done"), "")
    planned = [one.state == "to do" for one in plan]
    assert all(ahead for ahead, state in zip(planned, wanted, strict=True) if state == "done")
    assert states(run(config)) == ["skipped"] * 3


@pytest.mark.usefixtures("data_stages")
def test_a_plan_writes_nothing(team):
    config = load_run_config(team)
    assert states(plan_run(config)) == ["to do"] * 3
    assert not Path(config.folder).exists()


@pytest.mark.usefixtures("data_stages")
def test_a_plan_tells_what_may_follow(team):
    config = load_run_config(team)
    run(config)
    config = replace(config, clean=replace(config.clean, voice="house"))
    assert whys(plan_run(config)) == [
        "unchanged",
        'voice is "house", was "own"',
        "if clean gives something else",
    ]


# what is asked for -> what each stage does after a whole run
CHOICES = [
    (Choice(), ["skipped", "skipped", "skipped"]),
    (Choice(only="clean"), ["left alone", "done", "left alone"]),
    (Choice(start="clean"), ["left alone", "done", "skipped"]),
    (Choice(start="clean", force=True), ["left alone", "done", "done"]),
    (Choice(force=True), ["done", "done", "done"]),
    (Choice(only="split", force=True), ["left alone", "left alone", "done"]),
]


@pytest.mark.usefixtures("data_stages")
@pytest.mark.parametrize(("choice", "wanted"), CHOICES)
def test_a_part_of_the_run(team, choice, wanted):
    config = load_run_config(team)
    run(config)
    before = content(config.folder)
    assert states(run(config, choice)) == wanted
    assert content(config.folder) == before


@pytest.mark.usefixtures("data_stages")
def test_a_stage_alone_wants_what_it_reads(team):
    outcomes = run(load_run_config(team), Choice(only="split"))
    assert states(outcomes) == ["left alone", "left alone", "failed"]
    assert outcomes[-1].why.startswith(
        "clean/records.jsonl.xz is not there: run without --only and --from, or with --from clean"
    )


@pytest.mark.usefixtures("data_stages")
def test_what_failed_goes_on_when_it_is_mended(team, records):
    config = load_run_config(team)
    write_records(Path(config.harvest.sources[0]), records[:12])
    outcomes = run(config)
    assert states(outcomes) == ["done", "done", "failed"]
    assert "documented tables are left after cleaning" in outcomes[-1].why
    report = Path(config.folder, "report.md").read_text()
    assert "**Failed in split:** " in report
    config = replace(config, split=replace(config.split, least_tables=8))
    assert states(run(config)) == ["skipped", "skipped", "done"]


@pytest.mark.usefixtures("data_stages")
def test_a_full_disk_loses_nothing(team, monkeypatch):
    config = load_run_config(team)
    run(config)
    before = content(config.folder)

    def full(config, out):
        (out / "records.jsonl.xz").write_bytes(b"half")
        raise OSError(28, "No space left on device", str(out / "records.jsonl.xz"))

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "STAGES", (DATA[0], replace(DATA[1], make=full), DATA[2]))
        outcomes = run(config, Choice(start="clean"))
    assert states(outcomes) == ["left alone", "failed", "not reached"]
    assert outcomes[1].why.endswith("records.jsonl.xz: No space left on device")
    assert content(config.folder) == before
    assert states(run(config)) == ["skipped"] * 3


@pytest.mark.usefixtures("data_stages")
def test_two_runs_in_one_folder(team):
    config = load_run_config(team)
    Path(config.folder).mkdir()
    with (
        FileLock(Path(config.folder, ".lock")),
        pytest.raises(DocgenError, match="another docgen-train run works in this folder"),
    ):
        run(config)


@pytest.mark.usefixtures("data_stages")
def test_a_database_is_read_each_time(team, tmp_path):
    import duckdb

    with duckdb.connect(tmp_path / "shop.duckdb") as database:
        for number in range(30):
            columns = [f"{word}_{number}" for word in ("mast", "sail", "keel", "rope")]
            database.execute(f"create table ships_{number} ({', '.join(f'{one} date' for one in columns)})")
            for one in columns:
                database.execute(
                    f"comment on column ships_{number}.{one} is 'Day on which the carpenter replaced it.'"
                )
    team.write_text(
        '[harvest]\nsources = ["duckdb:///shop.duckdb"]\nlicense = "own"\nallow_licenses = ["own"]\n'
    )
    config = load_run_config(team)
    assert states(run(config)) == ["done"] * 3
    outcomes = run(config)
    assert states(outcomes) == ["done", "skipped", "skipped"]
    assert (
        outcomes[0].why == f"duckdb:///{tmp_path}/shop.duckdb tells only when it is read whether it changed"
    )
    with duckdb.connect(tmp_path / "shop.duckdb") as database:
        database.execute("comment on column ships_3.keel_3 is 'Day on which the keel was laid in the yard.'")
    assert states(run(config)) == ["done"] * 3


@pytest.mark.usefixtures("data_stages")
def test_a_password_is_kept_nowhere(team):
    team.write_text('[harvest]\nsources = ["own.jsonl", "postgresql://me:geheim@127.0.0.1:1/shop"]\n')
    config = load_run_config(team)
    outcomes = run(config)
    assert states(outcomes)[0] == "failed"
    assert "geheim" not in "".join(
        path.read_text() for path in Path(config.folder).rglob("*.*") if path.is_file()
    )
    assert "geheim" not in str([*whys(outcomes), *whys(plan_run(config))])


def test_nothing_is_learnt_from_the_tables_that_judge(team):
    config = load_run_config(team)
    for stage in DATA:
        folder = Path(config.folder, stage.name)
        folder.mkdir(parents=True)
        stage.make(config, folder)
    parts = {
        name: {record.table.key for record in read_records(Path(config.folder, "split", f"{name}.jsonl.xz"))}
        for name in ("train", "valid", "held_out")
    }
    assert not parts["train"] & parts["held_out"]
    assert not parts["train"] & parts["valid"]
    assert not parts["valid"] & parts["held_out"]


Usage = namedtuple("Usage", "total used free")

# what stands in the file -> what is told before anything is done
REFUSED = [
    ('[harvest]\nsources = ["gone"]', r"\[harvest\] sources: .*/gone: there is no such folder or file; put it back, or"),
    ('[harvest]\nsources = ["empty"]', r"/empty: is a folder without dbt_project.yml"),
    ('[harvest]\nsources = ["notes.txt"]', r"/notes.txt: is no \.json, \.yaml, \.jsonl or \.jsonl\.xz file"),
    ('folder = "notes.txt"', "team.toml: folder: .*/notes.txt: is a file, a folder is wanted"),
    ('folder = "/proc/run"', "team.toml: folder: /proc: cannot be written: "),
    ('[publish]\nregistry = "/proc/models"', r"\[publish\] registry: /proc: cannot be written: "),
    ('[publish]\nregistry = "notes.txt"', r"\[publish\] registry: .*/notes.txt: is a file, a folder is wanted"),
    ('[evaluate]\nbefore = "old.gguf"', r"\[evaluate\] before: .*/old.gguf: there is no such file"),
    ('base = "empty"', "base: .*/empty: holds no config.json: name the folder of a Hugging Face model"),
    ('base = "./none"', 'base: .*/none: is no folder, no name on the hub .owner/name. and not "embedded"'),
    ('base = "llama"', 'base: llama: is no folder, no name on the hub .owner/name. and not "embedded"'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), REFUSED)
def test_what_is_refused_before_the_start(team, tmp_path, text, wanted):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    team.write_text(text if "harvest" in text else f'{text}\n[harvest]\nsources = ["own.jsonl"]\n')
    config = load_run_config(team)
    for do in (plan_run, run):
        with pytest.raises(ConfigError, match=wanted) as caught:
            do(config)
        assert "\n" not in str(caught.value)
    assert not (tmp_path / "team").exists()


@pytest.mark.parametrize("named", ["folder", "registry"])
def test_too_little_space_is_told_before_the_start(team, tmp_path, monkeypatch, named):
    team.write_text('[harvest]\nsources = ["own.jsonl"]\n[publish]\nregistry = "models"\n')
    (tmp_path / "models").mkdir()
    real = shutil.disk_usage

    def nearly_full(path):
        full = (Path(path).name == "models") == (named == "registry")
        return Usage(10**12, 10**12, 50_000_000) if full else real(path)

    monkeypatch.setattr(shutil, "disk_usage", nearly_full)
    with pytest.raises(
        DocgenError, match=f"{named}: .*: 50 MB are free on that disk, the run needs up to .* MB"
    ):
        run(load_run_config(team))


def test_a_base_counts_as_what_it_weighs(team, tmp_path):
    (tmp_path / "llama").mkdir()
    (tmp_path / "llama" / "model.safetensors").write_bytes(b"0" * 1000)
    assert run_checks.space_needed(replace(load_run_config(team), base=str(tmp_path / "llama"))) == 4000


# what is typed -> its exit code and what is said
TYPED = [
    (
        ["--only", "evalute"],
        2,
        "'evalute' is no stage; they are harvest, clean, split, finetune, export, evaluate",
    ),
    (["--from", "clean", "--only", "split"], 2, "--from and --only exclude each other"),
    (["--dry-run"], 0, "harvest   to do: not done yet"),
    (["--dry-run", "--only", "clean"], 0, "clean     to do: not done yet"),
]


@pytest.mark.parametrize(("arguments", "code", "wanted"), TYPED)
def test_the_command_line(team, arguments, code, wanted):
    found = CliRunner().invoke(COMMANDS[0], ["--config", str(team), *arguments])
    assert found.exit_code == code, found.output
    assert wanted in found.output


@pytest.mark.usefixtures("data_stages")
def test_the_table_of_stages(team):
    found = CliRunner().invoke(COMMANDS[0], ["--config", str(team)])
    assert found.exit_code == 0, found.output
    assert [line.split()[:2] for line in found.stdout.splitlines()[:3]] == [
        [one.name, "done"] for one in DATA
    ]
    found = CliRunner().invoke(COMMANDS[0], ["--config", str(team)])
    assert found.stdout.splitlines()[:3] == [f"{one.name:10}skipped: unchanged" for one in DATA]
    assert found.stdout.splitlines()[3] == f"report: {team.parent}/team/report.md"
