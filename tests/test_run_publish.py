"""The gate and the registry at the end of a run."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from docgen_training.run_config import PublishOptions, RunConfig
from docgen_training.run_judge import MEASURES, SERVED, shortfalls
from docgen_training.run_publish import publish_model, read_publication
from docgen_training.run_stages import STAGES

from docgen_plugin.errors import DocgenError, ModelError

SCORES = {"chrf": 40.0, "back_identification": 0.5, "claims_per_100": 1.0, "valid": 1.0, "name_echo": 0.1}
UNJUDGED = {"columns": 148, "unclear": 0.0, "words": 8.0, "columns_per_second": 0.0}

# what the training changed -> what falls short of "not worse", and of "better"
GATES = [
    ({}, [], ["chrF 40, was 40: not better"]),
    ({"chrf": 41.0}, [], []),
    ({"chrf": 40.4}, [], ["chrF 40.4, was 40: not better"]),
    ({"chrf": 39.6}, [], ["chrF 39.6, was 40: not better"]),
    ({"chrf": 39.0}, ["chrF 39, was 40"], ["chrF 39, was 40"]),
    ({"chrf": 45.0, "claims_per_100": 2.0}, ["claims per 100 2, was 1"], ["claims per 100 2, was 1"]),
    ({"chrf": 45.0, "valid": 0.9}, ["valid 0.9, was 1"], ["valid 0.9, was 1"]),
    ({"chrf": 45.0, "name_echo": 0.2}, ["name echo 0.2, was 0.1"], ["name echo 0.2, was 0.1"]),
    ({"chrf": 45.0, "name_echo": 0.0, "claims_per_100": 0.0}, [], []),
    (
        {"chrf": 30.0, "back_identification": 0.1},
        ["chrF 30, was 40", "back-identification 0.1, was 0.5"],
        ["chrF 30, was 40", "back-identification 0.1, was 0.5"],
    ),
]


@pytest.mark.parametrize(("changed", "not_worse", "better"), GATES)
def test_what_falls_short(changed, not_worse, better):
    after = {**SCORES, **changed}
    assert shortfalls(SCORES, after, "not worse") == not_worse
    assert shortfalls(SCORES, after, "better") == better
    assert shortfalls(SCORES, after, "nothing") == []
    assert set(SCORES) == {one.key for one in MEASURES}


@pytest.fixture
def finished(tmp_path, tiny_bespoke_gguf):
    """Return a function that publishes a finished run, with what its options and its scores change."""
    shutil.copy(tiny_bespoke_gguf, tmp_path / "model.gguf")
    (tmp_path / "run.json").write_text('{"base": {"name": "docgen-base"}, "steps": 3}')
    config = RunConfig(tmp_path / "team.toml", name="shop", folder=str(tmp_path / "team"))

    def publish(scores=SCORES, **options):
        systems = {
            name: {"systems": {SERVED: {**UNJUDGED, **one}}}
            for name, one in (("before", SCORES), ("after", scores))
        }
        (tmp_path / "scores.json").write_text(json.dumps(systems))
        wanted = replace(config, publish=PublishOptions(**{"registry": str(tmp_path / "models"), **options}))
        files = (tmp_path / name for name in ("model.gguf", "run.json", "scores.json", "published.json"))
        return publish_model(wanted, *files)

    return publish


def registered(tmp_path):
    return sorted(one.name for one in (tmp_path / "models" / "shop").iterdir())


def test_a_model_that_is_good_enough_is_registered(finished, tmp_path):
    told = finished()
    assert told["reference"] == "shop@1"
    assert told["use"] == f"DOCGEN_REGISTRY={tmp_path}/models docgen model use shop@1"
    assert read_publication(tmp_path / "published.json") == told
    manifest = json.loads((tmp_path / "models" / "shop" / "1" / "docgen-model.json").read_text())
    assert manifest["scores"]["systems"][SERVED] == {**UNJUDGED, **SCORES}
    assert (manifest["base"]["name"], manifest["configuration"]) == ("docgen-base", {"steps": 3})


def test_one_that_is_not_is_left_out(finished, tmp_path):
    with pytest.raises(
        DocgenError, match=r"not registered: .* 'not worse', and after the training chrF 9, was 40: "
    ):
        finished({**SCORES, "chrf": 9.0})
    assert not (tmp_path / "models").exists()
    assert read_publication(tmp_path / "published.json") == {}
    assert finished({**SCORES, "chrf": 9.0}, require="nothing")["reference"] == "shop@1"


def test_the_same_model_is_registered_once(finished, tmp_path):
    first = finished()
    assert finished() == first
    assert registered(tmp_path) == ["1"]


def test_another_model_is_the_next_version(finished, tmp_path):
    finished()
    with (tmp_path / "model.gguf").open("ab") as file:
        file.write(b"\0")
    assert finished()["reference"] == "shop@2"
    assert registered(tmp_path) == ["1", "2"]


def test_a_version_of_ones_own_is_never_replaced(finished, tmp_path):
    assert finished(version="2026.1")["reference"] == "shop@2026.1"
    assert finished(version="2026.1")["reference"] == "shop@2026.1"
    with (tmp_path / "model.gguf").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(ModelError, match=r"shop/2026\.1: is there already: a version is never replaced"):
        finished(version="2026.1")


def test_without_a_registry_nothing_is_registered(finished, tmp_path):
    assert finished(registry="") == {}
    assert not (tmp_path / "models").exists()


def test_a_model_taken_out_of_the_registry_is_registered_again(finished, tmp_path):
    publish = STAGES[-1]
    config = RunConfig(tmp_path / "team.toml", folder=str(tmp_path))
    (tmp_path / "publish").mkdir()
    assert publish.anew(config) == ""
    finished()
    (tmp_path / "published.json").rename(tmp_path / "publish" / "published.json")
    assert publish.anew(config) == ""
    shutil.rmtree(tmp_path / "models" / "shop" / "1")
    assert publish.anew(config) == f"{tmp_path}/models/shop/1 is no longer there"
