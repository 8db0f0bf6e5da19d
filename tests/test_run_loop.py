"""The whole run with the real training, killed in every stage: it goes on, and ends as one that was never disturbed."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys

import pytest
from docgen_training.records import write_records
from docgen_training.run_stages import STAGES
from docgen_training.synthesize import synthesize

from docgen_plugin.config import Config
from docgen_plugin.generate import load

pytestmark = pytest.mark.slow

TEAM = """
[harvest]
sources = ["own.jsonl"]

[finetune]
epochs = 1.0
rank = 4
threads = 1
save_minutes = 0.0

[evaluate]
tables = 2
threads = 1

[study]
tables = 2

[publish]
registry = "models"
require = "nothing"
"""
# stage -> when it is killed: with its work half done, with all of it done, when that is in place and not yet remembered
MOMENTS = {
    "harvest": "before",
    "clean": "after",
    "split": "in place",
    "finetune": "midway",
    "export": "before",
    "evaluate": "before",
    "study": "after",
    "publish": "in place",
}
# what a run leaves that tells how long it took, or a running mean that a checkpoint keeps rounded
TIMED = ("losses.json", "scores.json", "report.html", "report.png", "losses.png", "run.json", "checkpoint.pt")

# a run in a process of its own; with a stage and a moment it kills itself there. Fewer abbreviations are tested than are listed.
DRIVER = """
import os, signal, sys
from dataclasses import replace
from docgen_training import judge, run, run_stages
from docgen_training.cli import main

first = judge.expansions()[:6]
judge.expansions = lambda: first
name, when = sys.argv.pop(), sys.argv.pop()

def die():
    os.kill(os.getpid(), signal.SIGKILL)

def killed(stage):
    def make(config, out):
        if when == "midway":
            from docgen_training import finetune_loop

            step = finetune_loop._step
            finetune_loop._step = lambda run: die() if run.state.step == 3 else step(run)
        if when == "before":
            (out / "half").write_text("half")
            die()
        facts = stage.make(config, out)
        die()
        return facts
    return replace(stage, make=make)

wanted = name if when != "in place" else ""
run.STAGES = tuple(killed(one) if one.name == wanted else one for one in run_stages.STAGES)
if name and when == "in place":
    keep = run.State.keep
    def not_kept(state, stage, kept):
        if stage == name:
            die()
        keep(state, stage, kept)
    run.State.keep = not_kept
main()
"""


@pytest.fixture(scope="module")
def records():
    return list(synthesize(24, 5, ()))


def team(folder, records):
    folder.mkdir()
    write_records(folder / "own.jsonl", records)
    (folder / "team.toml").write_text(TEAM)
    return folder / "team.toml"


def go(path, when="", stage=""):
    command = [sys.executable, "-c", DRIVER, "run", "--config", str(path), when, stage]
    return subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=path.parent)


def states(done):
    assert done.returncode == 0, done.stderr
    return [line.split()[1] for line in done.stdout.splitlines()[: len(STAGES)]]


def left(path):
    """Return what a run left, by content, without what tells how long it took."""
    folder = path.with_suffix("")
    return {
        str(one.relative_to(folder)): hashlib.sha256(one.read_bytes()).hexdigest()
        for stage in STAGES
        for one in (folder / stage.name).rglob("*")
        if one.is_file() and one.name not in (*TIMED, "stage.json", "published.json")
    }


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, records):
    path = team(tmp_path_factory.mktemp("undisturbed") / "shop", records)
    assert states(go(path)) == ["done"] * len(STAGES)
    return path


def test_every_stage_is_killed_once():
    assert list(MOMENTS) == [stage.name for stage in STAGES]


def test_killed_in_every_stage_it_ends_as_undisturbed(undisturbed, tmp_path, records):
    path = team(tmp_path / "shop", records)
    for stage, when in MOMENTS.items():
        dead = go(path, when, stage)
        assert dead.returncode == -signal.SIGKILL, dead.stderr
        if when == "midway":
            assert list((path.with_suffix("") / f".part-{stage}").glob("checkpoint/*"))
    assert states(go(path))[-1] == "done"
    assert left(path) == left(undisturbed)
    assert [one.name for one in (path.parent / "models" / "team").iterdir()] == ["1"]
    # nothing half-made is left, and nothing is to do
    assert not [one.name for one in path.with_suffix("").iterdir() if one.name.startswith((".part", ".old"))]
    assert set(states(go(path))) == {"skipped:"}


def test_what_is_registered_is_asked_as_a_teams_own_model(undisturbed):
    generator = load(str(undisturbed.parent / "models" / "team" / "1" / "model.gguf"), Config(threads=1))
    try:
        assert generator.name.startswith("team@")
        assert [name for name in ("bespoke", "tuned", "words") if not getattr(generator, name)] == []
    finally:
        generator.close()
