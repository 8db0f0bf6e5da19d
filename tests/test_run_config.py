"""A team's file: the example beside its dataclass, paths, and one clear line for every mistake."""

from __future__ import annotations

import re
import tomllib
from dataclasses import asdict, replace
from itertools import pairwise
from pathlib import Path

import pytest
from docgen_training.run_config import load_run_config

from docgen_plugin.errors import ConfigError

EXAMPLE = Path(__file__).parent.parent / "training" / "team.example.toml"
LEAST = '[harvest]\nsources = ["api.json"]\n'


@pytest.fixture
def write(tmp_path):
    def written(text):
        (tmp_path / "team.toml").write_text(text)
        return tmp_path / "team.toml"

    return written


def defaults(config):
    """Return a config as the file writes it, without what it has of its own place."""
    found = asdict(config)
    del found["path"], found["finetune"]["seed"]
    found["harvest"]["allow_licenses"], found["finetune"]["targets"] = [], []
    return {**found, "name": "", "folder": "", "harvest": {**found["harvest"], "sources": []}}


def test_the_example_shows_every_key_with_its_default(write):
    shown = tomllib.loads(EXAMPLE.read_text())
    wanted = defaults(load_run_config(write(LEAST)))
    assert {**shown, "harvest": {**shown["harvest"], "sources": []}} == wanted
    assert [(key, list(value) if isinstance(value, dict) else []) for key, value in shown.items()] == [
        (key, list(value) if isinstance(value, dict) else []) for key, value in wanted.items()
    ]


def test_the_example_tells_the_other_defaults_of_another_base(write):
    own = defaults(load_run_config(write(LEAST)))["finetune"]
    other = defaults(load_run_config(write(f"base = 'owner/name'\n{LEAST}")))["finetune"]
    told = re.findall(r"a Hugging Face base: ([\d.]+)\n(\w+) = ", EXAMPLE.read_text())
    assert {key: float(value) for value, key in told} == {
        key: value for key, value in other.items() if own[key] != value
    }


def test_the_example_comments_every_key():
    lines = EXAMPLE.read_text().splitlines()
    for before, line in pairwise(lines):
        if " = " in line and not line.startswith("#"):
            assert before.startswith("# "), line


def test_the_example_is_read(tmp_path):
    config = load_run_config(EXAMPLE)
    assert config.name == "team.example"
    assert config.folder == str(EXAMPLE.with_suffix(""))
    assert config.harvest.sources == (str(EXAMPLE.parent / "../warehouse"),)


def test_paths_are_relative_to_the_file(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", "/home/somebody")
    config = load_run_config(
        write(
            'base = "./llama"\nseed = 7\n[harvest]\n'
            'sources = ["shop", "~/api.json", "sqlite:///a.db", "duckdb:////b.db", "sqlite://", "postgresql://h/a"]\n'
            '[publish]\nregistry = "models"\n[evaluate]\nbefore = "/old.gguf"\n'
        )
    )
    assert config.harvest.sources == (
        str(tmp_path / "shop"),
        "/home/somebody/api.json",
        f"sqlite:///{tmp_path}/a.db",
        "duckdb:////b.db",
        "sqlite://",
        "postgresql://h/a",
    )
    assert (config.base, config.publish.registry) == (str(tmp_path / "llama"), str(tmp_path / "models"))
    assert (config.evaluate.before, config.folder, config.name) == (
        "/old.gguf",
        str(tmp_path / "team"),
        "team",
    )
    assert config.finetune.seed == 7


BASES = [("embedded", "embedded"), ("Qwen/Qwen2-0.5B", "Qwen/Qwen2-0.5B"), ("local/model", "{}/local/model")]


@pytest.mark.parametrize(("base", "wanted"), BASES)
def test_a_base_is_a_folder_where_there_is_one(write, tmp_path, base, wanted):
    (tmp_path / "local" / "model").mkdir(parents=True)
    assert load_run_config(write(f'base = "{base}"\n{LEAST}')).base == wanted.format(tmp_path)


def test_every_value_arrives(write):
    text = (
        EXAMPLE.read_text()
        .replace("seed = 1", "seed = 2")
        .replace("= 0.2", "= 0.3")
        .replace("rank = 64", "rank = 8")
    )
    config = load_run_config(write(text))
    assert (config.seed, config.split.held_out, config.finetune.rank) == (2, 0.3, 8)
    plain = load_run_config(write(EXAMPLE.read_text()))
    assert replace(config, seed=1, split=plain.split, finetune=plain.finetune) == plain


# what stands in the file -> what the one line says
MISTAKES = [
    ("", r"\[harvest\] sources names nothing to learn from"),
    ("[harvest]\nsources = []", r"\[harvest\] sources names nothing to learn from"),
    ("name = ", "cannot be read as TOML"),
    ("naem = 'x'", r"unknown key 'naem'; did you mean 'name'\?"),
    ("zzz = 1", "unknown key 'zzz'; known here: name, folder, base, seed, harvest"),
    ("path = 'x'", "unknown key 'path'"),
    ("[harvest]\nsource = ['a']", r"\[harvest\] unknown key 'source'; did you mean 'sources'\?"),
    ("[finetune]\nseed = 3", r"\[finetune\] unknown key 'seed'"),
    ("[harvset]\nsources = ['a']", "unknown key 'harvset'; did you mean 'harvest'"),
    ("harvest = 'a'", r"harvest is a table, written \[harvest\], found 'a'"),
    ("[harvest]\nsources = 'a'", r'\[harvest\] sources wants a list of texts, \["..."\], found \'a\''),
    ("[harvest]\nsources = ['a', 1]", r"\[harvest\] sources wants a list of texts"),
    ("[harvest]\nsources = ['a', ' ']", r"\[harvest\] sources wants a list of texts"),
    ("[harvest]\nsources = ['a', 'a']", r"\[harvest\] sources names .*/a twice; leave one out"),
    ("seed = '1'", "seed wants a whole number, found '1'"),
    ("seed = true", "seed wants a whole number, found True"),
    ("seed = 1.5", "seed wants a whole number, found 1.5"),
    ("seed = -1", "seed wants a whole number from 0 to 1000000, found -1"),
    ("name = 3", "name wants a text, found 3"),
    ("name = 'a/b'", "name wants letters, digits, '.', '_' and '-' of ASCII, at most 64, found 'a/b'"),
    ("name = '..'", "name wants letters"),
    ("[split]\nheld_out = 0.9", r"\[split\] held_out wants a number from 0.05 to 0.5, found 0.9"),
    ("[split]\nheld_out = nan", r"\[split\] held_out wants a number from 0.05 to 0.5, found nan"),
    ("[split]\nheld_out = '20%'", r"\[split\] held_out wants a number, found '20%'"),
    ("[finetune]\nmethod = 'qlora'", r"\[finetune\] method wants one of 'lora', 'full', found 'qlora'"),
    ("[finetune]\nrank = 0", r"\[finetune\] rank wants a whole number from 1 to 1024, found 0"),
    ("[finetune]\ncheckpointing = 1", r"\[finetune\] checkpointing wants true or false, found 1"),
    ("[export]\nquantise = 'Q2'", r"\[export\] quantise wants one of 'Q8_0', .* found 'Q2'"),
    ("[publish]\nrequire = 'best'", r"\[publish\] require wants one of 'not worse', 'better', 'nothing', found 'best'"),
    ("[publish]\nversion = '1/2'", r"\[publish\] version wants letters"),
    ("[publish]\nregistry = 's3://b/m'", r"\[publish\] registry wants a folder or hf://owner/name, found 's3://b/m'"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "wanted"), MISTAKES)
def test_a_mistake_is_told_in_one_line(write, tmp_path, text, wanted):
    path = write(text if "harvest" in text or not text else f"{text}\n{LEAST}")
    with pytest.raises(ConfigError, match=wanted) as caught:
        load_run_config(path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(
        ConfigError, match=r"none\.toml: there is no such file; training/team\.example\.toml is one"
    ):
        load_run_config(tmp_path / "none.toml")


NO_FILES = [b"\xff\xfe", "folder"]


@pytest.mark.parametrize("content", NO_FILES)
def test_what_is_no_text(tmp_path, content):
    path = tmp_path / "team.toml"
    path.mkdir() if content == "folder" else path.write_bytes(content)
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        load_run_config(path)
