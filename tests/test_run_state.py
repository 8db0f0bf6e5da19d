"""What a run remembers: hashes of files and folders, and its file."""

from __future__ import annotations

import os

import pytest
from docgen_training.run_state import Hashes, Kept, State

from docgen_plugin.errors import DocgenError

LONG_AGO_NS = 10**18


def put(path, text):
    """Write a file that has not been touched for long: its time can be trusted."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(LONG_AGO_NS, LONG_AGO_NS))
    return path


def test_a_hash_is_the_contents(tmp_path):
    one, other = put(tmp_path / "one", "text"), put(tmp_path / "other", "text")
    assert Hashes().of(one) == Hashes().of(other) != Hashes().of(put(tmp_path / "third", "texts"))
    assert Hashes().of(tmp_path / "none") == ""


def test_size_and_time_save_the_reading(tmp_path):
    path = put(tmp_path / "a", "text")
    hashes = Hashes()
    found = hashes.of(path)
    put(path, "TEXT")  # as long, and of the same time: what nobody but a test does
    assert Hashes(hashes.kept).of(path) == found
    put(path, "longer")
    assert Hashes(hashes.kept).of(path) not in ("", found)


def test_a_file_changed_just_now_is_read_again(tmp_path):
    path = tmp_path / "a"
    path.write_text("text")
    status = path.stat()
    hashes = Hashes()
    found = hashes.of(path)
    assert hashes.kept == {}
    path.write_text("TEXT")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert hashes.of(path) != found


def test_files_that_are_gone_are_forgotten(tmp_path):
    path = put(tmp_path / "a", "text")
    hashes = Hashes()
    hashes.of(path)
    assert list(hashes.kept) == [str(path)]
    path.unlink()
    assert hashes.kept == {}


# what is done to a folder -> whether it is another one then
CHANGES = [
    (lambda folder: put(folder / "models" / "a.sql", "select 22"), True),
    (lambda folder: put(folder / "new.yml", ""), True),
    (lambda folder: (folder / "models" / "a.sql").rename(folder / "models" / "b.sql"), True),
    (lambda folder: (folder / "models" / "a.sql").unlink(), True),
    (lambda folder: put(folder / "models" / "a.sql", "select 1"), False),
    (lambda folder: (folder / "models" / "a.sql").touch(), False),
    (lambda folder: put(folder / "target" / "run_results.json", "{}"), False),
    (lambda folder: put(folder / "logs" / "dbt.log", "..."), False),
    (lambda folder: put(folder / ".git" / "HEAD", "main"), False),
    (lambda folder: put(folder / "dev.duckdb", "rows"), False),
    (lambda folder: (folder / "empty").mkdir(), False),
]


@pytest.mark.parametrize(("change", "other"), CHANGES)
def test_when_a_folder_is_another_one(tmp_path, change, other):
    put(tmp_path / "models" / "a.sql", "select 1")
    hashes = Hashes()
    before = hashes.of(tmp_path)
    change(tmp_path)
    assert (Hashes(hashes.kept).of(tmp_path) != before) is other


def test_the_state_is_read_as_it_was_kept(tmp_path):
    state = State(tmp_path)
    kept = Kept(1, {"seed": 1}, {"a": "12"}, {"b": "34"}, {"tables": 3}, 1.5, "2026-01-01T00:00:00+00:00")
    state.hashes.of(put(tmp_path / "a", "text"))
    state.keep("clean", kept)
    again = State.read(tmp_path)
    assert again.stages == {"clean": kept}
    assert again.hashes.kept == state.hashes.kept != {}


def test_without_a_file_nothing_is_done(tmp_path):
    assert State.read(tmp_path / "none").stages == {}


NO_STATES = [
    "",
    "[]",
    "{}",
    '{"form": 2}',
    '{"form": 1, "stages": {"clean": {}}, "files": {}}',
    '{"form": 1, "stages": []}',
]


@pytest.mark.parametrize("text", NO_STATES)
def test_what_is_no_state(tmp_path, text):
    (tmp_path / "state.json").write_text(text)
    with pytest.raises(
        DocgenError, match=r"state\.json: is not the state of a run: .*; delete it, and all stages run again"
    ):
        State.read(tmp_path)
