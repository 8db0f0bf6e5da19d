"""`docgen model` as people and machines call it, and what `docgen suggest` then writes with."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest
from click.testing import CliRunner

from docgen_plugin import model_choice, model_record
from docgen_plugin.cli import cli
from docgen_plugin.errors import ModelError
from docgen_plugin.files import replace_file
from docgen_plugin.llama import default_model
from docgen_plugin.model import Column, Table
from docgen_plugin.store import Ledger
from tests.fakes import Shop, registered
from tests.hub_server import TOKEN
from tests.journeys import clean_environment, command
from tests.registries import hub_files, put

TABLE = Table(
    "s.orders", "orders", schema="s", columns=(Column("wobble_grade", "int"), Column("total", "numeric"))
)


@pytest.fixture
def project(model_settings, monkeypatch):
    """Return the settings; the working folder is a project with the source `shop`, general names are left to the model."""
    monkeypatch.setenv("DOCGEN_DICTIONARY", "hint")
    monkeypatch.setenv("DOCGEN_THREADS", "1")
    monkeypatch.setenv("DOCGEN_REVIEWER", "Ann")
    with registered(Shop(TABLE)):
        yield model_settings


@pytest.fixture
def packed(tiny_instruct_gguf):
    """Return the bytes of our model and of a general one, whose texts stand whatever they say."""
    return default_model().read_bytes(), tiny_instruct_gguf.read_bytes()


def docgen(*arguments, code=0):
    result = CliRunner().invoke(cli, [*arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def as_json(*arguments, code=0):
    return json.loads(docgen(*arguments, "--json", code=code).stdout)


def error(*arguments):
    """Return the one line of a failing call."""
    done = docgen(*arguments, code=1)
    lines = [
        line for line in done.stderr.splitlines() if not line.startswith(("note: ", "model: ", "left out: "))
    ]
    assert len(lines) == 1, done.stderr
    return lines[0]


def models_of(tmp_path):
    with Ledger(tmp_path / ".docgen" / "ledger.db") as ledger:
        return {row.suggestion.model for row in ledger.rows("shop")}


def name_of(content, general):
    return f"{general}@{hashlib.sha256(content).hexdigest()[:12]}"


@pytest.mark.slow
def test_a_model_is_used_and_rolled_back_and_every_row_names_its_version(project, packed, tmp_path):
    ours, tiny = packed
    root = tmp_path / "registry"
    put(root, ours, "shop", "1", grammar="docgen-1")
    put(root, tiny, "shop", "2")
    assert as_json("model", "use", "shop@1") == {
        "reference": "shop@1",
        "sha256": hashlib.sha256(ours).hexdigest(),
        "asked": "shop@1",
        "before": None,
    }
    assert as_json("suggest", "shop")["model"] == name_of(ours, "docgen-base")
    done = docgen("model", "use", "shop")
    assert "shop@2 (sha256 " in done.stdout
    assert "before: shop@1" in done.stdout
    shutil.rmtree(root)  # what is pulled needs the registry no more
    root.mkdir()
    second = as_json("model", "info")["model"]
    assert second == name_of(tiny, second.rpartition("@")[0])
    (tmp_path / ".docgen" / "ledger.db").unlink()
    assert as_json("suggest", "shop")["model"] == second
    assert second in models_of(tmp_path)
    assert "used already" in docgen("model", "use", "shop@2").stdout
    assert docgen("model", "rollback").stdout.startswith("shop@1 (sha256 ")
    assert as_json("model", "info")["model"] == name_of(ours, "docgen-base")
    assert docgen("model", "rollback").stdout == "the model in the package is used again; left: shop@1\n"
    assert as_json("model", "info")["uri"] == "the default"
    assert "nothing to go back from: the project uses the model in the package" in error("model", "rollback")
    state = json.loads((tmp_path / ".docgen" / "model.json").read_text())
    assert [(one["reference"], one["by"], one["rolled_back_by"]) for one in state["choices"]] == [
        ("shop@1", "Ann", "Ann"),
        ("shop@2", "Ann", "Ann"),
    ]


def test_what_is_listed(project, tmp_path):
    put(tmp_path / "registry", b"one", license="mit", scores={"systems": {"docgen suggest": {"chrf": 31.5}}})
    put(tmp_path / "registry", b"two", version="2")
    docgen("model", "pull", "shop@1")
    listed = {one["reference"]: one for one in as_json("model", "list")["models"]}
    assert {name: (one["places"], one["in_use"]) for name, one in listed.items()} == {
        "docgen-base@1": (["package"], True),
        "shop@1": (["cache", "registry"], False),
        "shop@2": (["registry"], False),
    }
    assert listed["shop@1"]["manifest"]["license"] == "mit"
    docgen("model", "use", "shop@1")
    lines = docgen("model", "list").stdout.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("*")] == [["*", "shop@1"]]
    assert "chrF 31.5" in next(line for line in lines if "shop@1" in line)
    assert lines[-1] == "in use: shop@1"


def test_a_setting_wins_over_the_choice_and_says_so(project, tmp_path, monkeypatch):
    put(tmp_path / "registry", b"one")
    monkeypatch.setenv("DOCGEN_MODEL", str(default_model()))
    done = docgen("model", "use", "shop")
    assert f"note: the setting `model` ({default_model()}) wins over this choice" in done.stderr
    assert as_json("model", "info")["model"].startswith("docgen-base@")
    assert "wins over this choice" in docgen("model", "rollback").stderr


def test_a_file_of_the_project_is_chosen_relative_to_it(project, tmp_path, monkeypatch):
    own = tmp_path / "models" / "own.gguf"
    own.parent.mkdir()
    own.write_bytes(default_model().read_bytes())
    assert as_json("model", "use", "models/own.gguf")["reference"] == "./models/own.gguf"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "own.gguf" in as_json("model", "info", "--source", "..")["uri"]
    assert "ok" in docgen("model", "verify", "--source", "..").stdout
    own.write_bytes(b"something else")
    line = error("model", "info", "--source", "..")
    assert "own.gguf: refused: its sha256 is" in line
    assert "docgen model rollback" in line
    results = {one["model"]: one["ok"] for one in as_json("model", "verify", "--source", "..", code=1)}
    assert results == {"docgen-base@1 (package)": True, "./models/own.gguf (in use)": False}


def test_a_chosen_model_that_is_gone(project, tmp_path, monkeypatch):
    put(tmp_path / "registry", b"one")
    docgen("model", "use", "shop")
    shutil.rmtree(tmp_path / "cache")
    shutil.rmtree(tmp_path / "registry" / "shop")
    line = error("suggest", "shop")
    assert "shop@1: chosen for this project, but neither the registry nor the cache has it" in line
    put(tmp_path / "registry", b"other")
    assert "refused: its sha256 is" in error("suggest", "shop")


def test_what_is_verified(project, tmp_path):
    one = put(tmp_path / "registry", b"one")
    docgen("model", "pull", "shop")
    assert docgen("model", "verify", "shop@1").stdout == "ok     shop@1 (cache)\nok     shop@1 (registry)\n"
    one.path.write_bytes(b"0ne")
    done = docgen("model", "verify", code=1)
    assert "wrong  shop@1 (registry): " in done.stdout
    assert done.stderr.endswith("docgen: 1 model of 3 not as stated\n")
    assert docgen("model", "verify", str(default_model())).stdout.startswith("ok")
    assert "no such model" in error("model", "verify", "till")


def test_info_of_a_model_elsewhere_does_not_pull_it(project, tmp_path):
    put(tmp_path / "registry", b"one", license="mit", code_commit="c0ffee")
    done = docgen("model", "info", "shop").stdout
    assert "not on this machine: docgen model pull shop" in done
    assert "c0ffee" in done
    assert not (tmp_path / "cache").exists()
    found = as_json("model", "info", "docgen-base")
    assert found["device"].startswith("CPU")
    assert found["manifest"]["data"][0]["sha256"]


BROKEN = {
    "no JSON": ("{", "model.json: cannot be read"),
    "a list": ("[]", "is no list of choices: remove it"),
    "a choice without a hash": (
        '{"format": 1, "choices": [{"reference": "shop@1"}]}',
        "is no list of choices",
    ),
    "newer": ('{"format": 2, "choices": []}', "written by a newer docgen (format 2): upgrade"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_state_file_that_is_none(project, tmp_path, name):
    content, message = BROKEN[name]
    path = tmp_path / ".docgen" / "model.json"
    path.parent.mkdir()
    path.write_text(content)
    for arguments in (
        ("suggest", "shop"),
        ("model", "use", "docgen-base"),
        ("model", "rollback"),
        ("model", "list"),
    ):
        assert message in error(*arguments)
    assert path.read_text() == content
    docgen("status", "shop")  # what needs no model goes on


def test_keys_of_a_later_docgen_stay_in_the_state_file(project, tmp_path):
    path = tmp_path / ".docgen" / "model.json"
    path.parent.mkdir()
    sha256 = hashlib.sha256(default_model().read_bytes()).hexdigest()
    choice = {"reference": "docgen-base@1", "sha256": sha256, "canary": 0.1}
    path.write_text(json.dumps({"format": 1, "choices": [choice], "note": "ours"}))
    put(tmp_path / "registry", b"one")
    docgen("model", "use", "shop")
    docgen("model", "rollback")
    state = json.loads(path.read_text())
    assert (state["note"], state["choices"][0]) == ("ours", choice)


def test_two_who_choose_at_once_do_not_lose_a_choice(project, tmp_path, monkeypatch):
    put(tmp_path / "registry", b"one")
    docgen("model", "use", "docgen-base")

    def between(path, content, check=None):
        monkeypatch.setattr(model_record, "replace_file", replace_file)
        docgen("model", "rollback")
        replace_file(path, content, check)

    monkeypatch.setattr(model_record, "replace_file", between)
    assert "was changed by somebody else just now: try again" in error("model", "use", "shop")
    assert model_choice.current(tmp_path) is None


MISTAKES = {
    "unknown name": (["use", "till"], "till: no such model in the package, the cache, the registry"),
    "unknown version": (["use", "docgen-base@7"], "docgen-base: has no version 7; there are 1"),
    "no such file": (["pull", "gone.gguf"], "gone.gguf: no such model file"),
    "another grammar": (
        ["use", "old"],
        "old@1: made for the grammar docgen-0, this version of docgen speaks",
    ),
    "no reference of a hub": (["use", "hf://shop"], "hf://shop: wants hf://owner/name"),
    "nothing": (["use", ""], "no model is named"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_change_nothing(project, tmp_path, name):
    put(tmp_path / "registry", b"old", "old", grammar="docgen-0")
    arguments, message = MISTAKES[name]
    assert message in error("model", *arguments)
    assert not (tmp_path / ".docgen").exists()


def test_a_fine_tuned_general_model_may_be_used(project, tmp_path):
    put(tmp_path / "registry", b"one", grammar="docgen-compact-1")
    assert "is used from now on" in docgen("model", "use", "shop").stdout


def test_suggest_with_an_unknown_model_names_the_one_that_is_like_it(project, tmp_path):
    put(tmp_path / "registry", b"one")
    assert error("suggest", "shop", "--model", "shpo").endswith("did you mean shop?")


def test_a_state_file_that_cannot_be_written(project, tmp_path):
    (tmp_path / ".docgen").write_text("in the way")
    assert "cannot be " in error("model", "use", "docgen-base")
    with pytest.raises(ModelError):
        model_choice.current(tmp_path)


@pytest.mark.slow
def test_the_installed_command_against_a_mirror_and_without_one(hub, project, tmp_path):
    """In a process of its own, where only the environment says which hub it is."""
    content = default_model().read_bytes()
    commit = hub.repository("acme/shop").commit(hub_files(content, grammar="docgen-1", license="apache-2.0"))
    environment = {
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": TOKEN,
        "DOCGEN_CACHE": str(tmp_path / "cache"),
    }
    pinned = f"hf://acme/shop@{commit}"
    done = command(tmp_path, "model", "use", "hf://acme/shop", "--json", environment=environment)
    assert done.json()["reference"] == pinned
    assert "127.0.0.1" not in done.stderr
    del hub.repositories["acme/shop"]
    offline = {**environment, "HF_HUB_OFFLINE": "1"}
    told = command(tmp_path, "model", "info", "--json", environment=offline).json()
    assert (told["model"], told["uri"]) == (name_of(content, "docgen-base"), pinned)
    assert told["manifest"]["name"] == "shop"
    listed = command(tmp_path, "model", "list", environment=offline).stdout
    assert f"* {pinned}" in listed
    done = command(tmp_path, "model", "pull", "hf://acme/shop", code=1, environment=environment)
    assert done.stderr == f"docgen: hf://acme/shop: {hub.url} has no such repository or file (404)\n"
    assert "HF_ENDPOINT" not in clean_environment()
