"""`docgen-train publish`: into a folder and to a hub, what the manifest then says, and that docgen can use it."""

from __future__ import annotations

import hashlib
import json
import time

import pytest
import yaml
from click.testing import CliRunner
from docgen_training.cli import cli
from docgen_training.records import Record, write_records

from docgen_plugin import manifest
from docgen_plugin.errors import DocgenError
from docgen_plugin.llama import default_model
from docgen_plugin.model import Column, Table
from docgen_plugin.prompt import GRAMMAR
from tests.registries import located
from tests.tiny_models import write_gguf

# the client hands a file to its HTTP library in a way that this one no longer likes
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
DATA = b'{"table": 1}\n'
RUN = {
    "base": {"name": "acme/small-llama", "revision": "a" * 40, "sha256": "b" * 64},
    "method": "lora",
    "rank": 8,
    "data": [
        {
            "path": "/data/team/ours.jsonl",
            "sha256": hashlib.sha256(DATA).hexdigest(),
            "records": 120,
            "columns": 900,
            "licenses": ["MIT", "CC0-1.0"],
        }
    ],
    "code_commit": "c" * 40,
}
SCORE = {
    "columns": 9, "chrf": 41.5, "back_identification": 0.5, "name_echo": 0.01, "claims_per_100": 0.25, "unclear": 0.0,
    "valid": 1.0, "words": 9.0, "columns_per_second": 150.0,
}  # fmt: skip
SCORES = {
    "model": "x",
    "tables": 12,
    "systems": {"template": SCORE, "docgen suggest": SCORE},
    "outputs": [{"table": "t"}],
}


@pytest.fixture
def run(model_settings, tmp_path):
    """Return the options that name a run's files."""
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    (tmp_path / "scores.json").write_text(json.dumps(SCORES))
    return ["--run", str(tmp_path / "run.json"), "--scores", str(tmp_path / "scores.json")]


@pytest.fixture
def team(tiny_bespoke_gguf, tmp_path):
    """Return a real GGUF that says of itself what an export writes."""
    path = tmp_path / "team.gguf"
    metadata = {
        "docgen.grammar": GRAMMAR,
        "general.license": "mit",
        "docgen.code_commit": "d" * 40,
        "docgen.base": "acme/small-llama",
        "docgen.base_revision": "e" * 40,
        "docgen.data_sha256": f"{'1' * 64}, {'2' * 64}",
        "docgen.run": json.dumps({"method": "full"}),
    }
    write_gguf(path, tiny_bespoke_gguf.with_suffix(".model"), metadata=metadata.items())
    return path


def publish(*arguments, fails=False):
    result = CliRunner().invoke(cli, ["publish", *map(str, arguments)])
    if fails:
        assert isinstance(result.exception, DocgenError), result.output
        assert "\n" not in str(result.exception)
        return str(result.exception)
    assert result.exit_code == 0, result.exception or result.output
    return result.stdout


def test_into_a_folder_and_out_again(model_settings, run, team):
    assert (
        publish(team, "--to", model_settings.registry, *run)
        == "published; to use it: docgen model use team@1\n"
    )
    assert publish(team, "--to", model_settings.registry, "--version", "2.0").endswith("team@2.0\n")
    assert publish(team, "--to", model_settings.registry).endswith("team@3\n")
    found = located("team@1", model_settings)
    assert found.path.read_bytes() == team.read_bytes()
    stated = found.manifest
    assert (stated.grammar, stated.license, stated.kind) == ("docgen-1", "mit", "model")
    assert stated.base == manifest.Base("acme/small-llama", "a" * 40, "b" * 64)
    assert stated.data == (
        manifest.DataSet("ours.jsonl", hashlib.sha256(DATA).hexdigest(), ("MIT", "CC0-1.0"), 120),
    )
    assert (stated.code_commit, stated.configuration) == ("c" * 40, {"method": "lora", "rank": 8})
    assert manifest.headline(stated) == "chrF 41.5, back-id 0.5, claims/100 0.25"
    assert "outputs" not in stated.scores
    # without the run's files, what the export wrote into the GGUF
    bare = located("team@3", model_settings).manifest
    assert (bare.code_commit, bare.configuration) == ("d" * 40, {"method": "full"})
    assert bare.base == manifest.Base("acme/small-llama", "e" * 40, "")
    assert [one.sha256 for one in bare.data] == ["1" * 64, "2" * 64]
    card = (found.path.parent / "card.md").read_text()
    front = yaml.safe_load(card.split("---")[1])
    assert front == {
        "license": "mit", "base_model": "acme/small-llama", "base_model_relation": "finetune", "tags": ["docgen", "gguf"],
    }  # fmt: skip
    for said in (found.sha256, "| ours.jsonl | 120 | MIT, CC0-1.0 |", "chrF 41.5", '"rank": 8', "c" * 40):
        assert said in card


def test_the_data_may_be_named_with_its_licences(model_settings, team, tmp_path):
    records = tmp_path / "ours.jsonl"
    write_records(
        records, [Record(Table("t", "t", columns=(Column("a", description="An a."),)), "ours", "MIT")]
    )
    publish(team, "--to", model_settings.registry, "--data", f"{records}=MIT,CC0-1.0")
    stated = located("team", model_settings).manifest
    sha256 = hashlib.sha256(records.read_bytes()).hexdigest()
    assert stated.data == (manifest.DataSet("ours.jsonl", sha256, ("MIT", "CC0-1.0"), 1),)
    for wrong in (str(records), f"{records}=", "gone.jsonl=MIT", "=MIT"):
        message = publish(team, "--to", model_settings.registry, "--data", wrong, fails=True)
        assert message == f"--data {wrong}: wants FILE=LICENCES, for instance ours.jsonl.xz=MIT,CC0-1.0"


def test_to_a_hub_as_one_commit_and_down_again(hub, model_settings, run, team):
    told = publish(team, "--to", "hf://acme/team", "--private", *run)
    repository = hub.repositories["acme/team"]
    commit = repository.refs["main"]
    assert told == f"published; to use it: docgen model use hf://acme/team@{commit}\n"
    assert (repository.private, repository.messages) == (True, ["team 1"])
    assert sorted(repository.commits[commit]) == ["README.md", "docgen-model.json", "team.gguf"]
    assert any(one.startswith("PUT /storage/") for one in hub.asked)
    found = located(f"hf://acme/team@{commit}", model_settings)
    assert found.path.read_bytes() == team.read_bytes()
    assert found.manifest.base.name == "acme/small-llama"
    publish(team, "--to", "hf://acme/team", *run)
    assert repository.messages == ["team 1", "team 2"]
    assert located("hf://acme/team", model_settings).manifest.version == "2"
    assert located(f"hf://acme/team@{commit}", model_settings).manifest.version == "1"


@pytest.mark.parametrize(
    ("path", "status", "message"),
    [
        (
            "/api/repos",
            401,
            "answers 401: no such repository, or it is not open to you: set HF_TOKEN with the right",
        ),
        ("/api/repos", 403, "answers 403"),
        ("/api/models/acme/team/preupload", 429, "too many requests (429): try again in 7 s"),
        ("/storage", 503, "answers 503: try again later"),
        ("/api/models/acme/team/commit", 500, "answers 500: try again later"),
    ],
)
def test_what_a_hub_refuses_is_no_commit(hub, model_settings, team, monkeypatch, path, status, message):
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    hub.refuse[path] = status
    assert message in publish(team, "--to", "hf://acme/team", fails=True)
    assert not any(one.commits for one in hub.repositories.values())


def test_a_stranger_cannot_publish(hub, model_settings, team, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert "set HF_TOKEN with the right to write there" in publish(team, "--to", "hf://acme/team", fails=True)
    assert hub.repositories == {}


def test_mistakes(model_settings, run, team, tmp_path):
    publish(team, "--to", model_settings.registry)
    (tmp_path / "text.gguf").write_text("model weights, honestly\n" * 9)
    (tmp_path / "list.json").write_text("[]")
    (tmp_path / "half.json").write_text("{")
    (tmp_path / "odd.json").write_text('{"data": [{"sha256": "x"}]}')
    (tmp_path / "hash.json").write_text('{"data": [{"path": "x", "sha256": "x"}]}')
    to = ["--to", model_settings.registry]
    mistakes = {
        "is there already: a version is never replaced": [team, *to, "--version", "1"],
        "text.gguf: cannot be read as GGUF": [tmp_path / "text.gguf", *to],
        "name 'a b' wants letters": [team, *to, "--name", "a b"],
        "version '../2' wants letters": [team, *to, "--version", "../2"],
        "list.json: wants a JSON object": [team, *to, "--run", tmp_path / "list.json"],
        "half.json: cannot be read as JSON": [team, *to, "--scores", tmp_path / "half.json"],
        "the run's `data` wants a list of objects": [team, *to, "--run", tmp_path / "odd.json"],
        "data.sha256 wants 64 hexadecimal digits": [team, *to, "--run", tmp_path / "hash.json"],
        "s3://bucket/models: wants a folder or hf://owner/name": [team, "--to", "s3://bucket/models"],
        "team.gguf: wants a folder": [team, "--to", team],
        "hf://acme: wants hf://owner/name": [team, "--to", "hf://acme"],
        "a revision or a file is not published to": [team, "--to", "hf://acme/team@main"],
        "--private goes with hf://": [team, *to, "--private"],
    }
    for message, arguments in mistakes.items():
        assert message in publish(*arguments, fails=True)
    assert [path.name for path in (tmp_path / "registry").rglob("*") if path.is_dir()] == ["team", "1"]


def test_the_packages_manifest_is_written_beside_its_model(model_settings, run, tmp_path):
    model = tmp_path / "docgen-base.gguf"
    model.write_bytes(default_model().read_bytes())
    result = CliRunner().invoke(cli, ["manifest", str(model), *run])
    assert result.output.strip() == str(tmp_path / manifest.FILE)
    assert located(str(model), model_settings).manifest.code_commit == "c" * 40
