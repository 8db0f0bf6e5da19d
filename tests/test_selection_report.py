"""Candidates laid beside each other: real models measured in their own processes, the page, and mistakes."""

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest
from docgen_training.candidate import training_of
from docgen_training.evaluate import column_requests, sample_tables
from docgen_training.prompt_tokens import count_candidate, count_vocabulary
from docgen_training.records import read_records, write_records
from docgen_training.selection import front, interval, quantisations
from docgen_training.selection_report import write_selection
from docgen_training.selection_table import ROWS

from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.llama import default_model
from docgen_plugin.llama_native import NativeModel

ROOT = Path(__file__).parents[1]
HELDOUT = ROOT / "training" / "teacher" / "heldout.jsonl.xz"
TRAIN = Path(sys.executable).with_name("docgen-train")
PRICE = 1.10


def _select(*arguments):
    command = [str(TRAIN), "select", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "few.jsonl"
    write_records(path, islice(read_records(HELDOUT), 4))
    return path


@pytest.fixture(scope="module")
def selection(tmp_path_factory, few, tiny_bespoke_gguf, tiny_instruct_gguf):
    """The selection of real models and broken ones, as the command writes it, with what it said."""
    folder = tmp_path_factory.mktemp("selection")
    (folder / "broken.gguf").write_bytes(default_model().read_bytes()[:5000])
    (folder / "text.gguf").write_text("not a model")
    named = [
        "embedded",
        tiny_instruct_gguf,
        folder / "broken.gguf",
        folder / "text.gguf",
        folder / "gone.gguf",
    ]
    options = [part for one in named for part in ("--candidate", one)]
    options += ["--quantise", "Q8_0", "--f16", tiny_bespoke_gguf, "--vocabulary", tiny_instruct_gguf]
    ran = _select("--data", few, *options, "--rounds", 1, "--threads", 1, "--price-per-hour", PRICE,
                  "--out", folder / "out")  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return folder / "out", json.loads((folder / "out" / "selection.json").read_text()), ran.stdout


@pytest.mark.slow
def test_every_candidate_that_works_is_measured(selection):
    _, found, said = selection
    labels = [one["label"] for one in found["candidates"]]
    assert labels == ["embedded", "tiny-instruct", "tiny-bespoke Q8_0"]
    embedded, instruct, bespoke = found["candidates"]
    for one in found["candidates"]:
        assert one["served"]["columns"] == one["alone"]["columns"] == found["columns"]
        assert one["columns_per_second"] > 0
        assert one["columns_per_core_second"] > 0
        assert 0 < one["before_mb"] < one["peak_mb"]
        assert one["device"] == "CPU, 1 thread"
        assert f"{one['label']}: back-identification" in said
    assert embedded["license"] == "apache-2.0"
    assert embedded["quantisation"] == bespoke["quantisation"] == "Q8_0"
    assert embedded["served"]["back_identification"] > 0.3
    assert embedded["bytes"] == default_model().stat().st_size
    assert instruct["license"] == ""
    assert not instruct["bespoke"]


@pytest.mark.slow
def test_a_candidate_that_does_not_work_is_listed_with_its_reason(selection):
    folder, found, said = selection
    reasons = {one["label"]: one["reason"] for one in found["failed"]}
    assert "truncated or damaged" in reasons["broken"]
    assert "not a GGUF file" in reasons["text"]
    assert "no such model file" in reasons["gone"]
    page = (folder / "selection.html").read_text()
    for label in reasons:
        assert f"{label}: failed: " in said
        assert f"<li>{label}: " in page


@pytest.mark.slow
def test_costs_follow_their_stated_formula(selection):
    _, found, _ = selection
    for one in found["candidates"]:
        expected = 1e6 / one["columns_per_second"] / 3600 * PRICE
        assert one["cost"]["million_columns"] == pytest.approx(expected, rel=1e-3)
    embedded = found["candidates"][0]
    assert embedded["cost"]["training"] == pytest.approx(
        embedded["training"]["seconds"] / 3600 * PRICE, rel=1e-3
    )
    assert found["candidates"][1]["cost"]["training"] is None


@pytest.mark.slow
def test_the_page_stands_alone_and_states_every_formula(selection):
    folder, found, _ = selection
    page = (folder / "selection.html").read_text()
    assert "data:image/png;base64," in page
    assert "http" not in page
    assert page.count('<li id="note-') == len(ROWS)
    markdown = (folder / "selection.md").read_text()
    for number, row in enumerate(ROWS, 1):
        assert f'href="#note-{number}"' in page
        assert f"\n{number}. {row.title}: {row.note}." in markdown
    assert "| | embedded | tiny-instruct | tiny-bespoke Q8_0 |" in markdown
    assert "| training cost [25] |" in markdown
    assert (folder / "selection.png").read_bytes().startswith(b"\x89PNG")
    assert found["vocabularies"][0]["name"] == "tiny-instruct"
    assert "| tiny-instruct | 640 |" in markdown


@pytest.mark.slow
def test_the_bespoke_prompt_is_counted_against_the_instruction(selection):
    _, found, _ = selection
    embedded, instruct, _ = found["candidates"]
    own, instruction = embedded["prompt"]["own"], embedded["prompt"]["instruction"]
    assert own["columns"] == found["columns"]
    assert own["shared"] < own["alone"]
    assert own["shared"] < 0.5 * instruction["shared"]
    assert own["alone"] < 0.5 * instruction["alone"]
    assert instruct["prompt"]["own"] == instruct["prompt"]["instruction"]


def test_tokens_are_those_that_the_engine_is_given(few, tiny_bespoke_gguf):
    from docgen_plugin.bespoke import Bespoke

    tables = sample_tables(read_records(few), 2, 1)
    model = NativeModel(tiny_bespoke_gguf, 0)
    units = [unit for request in column_requests(tables, True) for unit in Bespoke(model).units(request)]
    columns = sum(len(unit.questions) for unit in units)
    tokens = sum(len(unit.prefix) + sum(len(one.ids) for one in unit.questions) for unit in units)
    model.close()
    counted = count_candidate(tiny_bespoke_gguf, tables)["own"]
    assert counted["columns"] == columns
    assert counted["shared"] == round(tokens / columns, 1)
    assert (
        count_vocabulary(tiny_bespoke_gguf, tables)["instruction"]
        == count_candidate(tiny_bespoke_gguf, tables)["instruction"]
    )


def test_the_front_leaves_out_what_another_candidate_beats():
    def candidate(quality, rate, memory):
        return {"served": {"back_identification": quality}, "columns_per_second": rate, "peak_mb": memory}

    assert front([candidate(0.5, 100, 200), candidate(0.5, 90, 200), candidate(0.6, 10, 900)]) == [
        True,
        False,
        True,
    ]
    assert front([candidate(0.5, 100, 200), candidate(0.5, 100, 200)]) == [True, True]


def test_the_interval_is_that_of_tables():
    low, high = interval([(0, 10), (10, 10)] * 10, 1)
    assert low < 0.35
    assert high > 0.65
    assert interval([(0, 10), (10, 10)] * 10, 1) == (low, high)


TOLD = {
    "a run in the file": ({"docgen.run": '{"seconds": 90}', "docgen.plan": '{"minutes": 3}'}, "", 90.0),
    "run.json beside it": ({"docgen.plan": '{"minutes": 3}'}, '{"seconds": 120}', 120.0),
    "the plan's budget": ({"docgen.plan": '{"minutes": 3}'}, "", 180.0),
    "nothing": ({}, "", None),
    "no JSON": ({"docgen.run": "{", "docgen.plan": "[1]"}, "[]", None),
    "a number that is none": ({"docgen.run": '{"seconds": "long"}'}, '{"seconds": -1}', None),
}


@pytest.mark.parametrize(("metadata", "beside", "seconds"), TOLD.values(), ids=TOLD)
def test_training_time_is_what_the_files_tell(tmp_path, metadata, beside, seconds):
    if beside:
        (tmp_path / "run.json").write_text(beside)
    assert training_of(tmp_path / "model.gguf", metadata, {}).seconds == seconds


def test_labels_with_a_bar_or_a_tag_do_not_break_the_page(tmp_path):
    scores = {
        "columns": 1, "chrf": 1.0, "back_identification": 0.5, "name_echo": 0.0, "claims_per_100": 0.0,
        "unclear": 0.0, "valid": 1.0, "words": 1.0, "columns_per_second": 1.0, "interval": [0.4, 0.6],
    }  # fmt: skip
    one = {
        "label": "a|<b>", "uri": "x", "name": "x", "device": "CPU", "load_s": 0.1, "columns_per_second": 1.0,
        "columns_per_core_second": 1.0, "peak_mb": 10.0, "served": scores, "alone": scores, "bytes": None, "license": "", "data_license": "",
        "quantisation": "", "training": None, "prompt": None, "front": True,
        "cost": {"training": None, "million_columns": 1.0},
    }  # fmt: skip
    found = {
        "data": "d",
        "tables": 1,
        "columns": 1,
        "seed": 1,
        "price_per_hour": 1.0,
        "candidates": [one],
        "failed": [],
    }
    write_selection(found, tmp_path)
    assert '<th scope="col">a|&lt;b&gt;</th>' in (tmp_path / "selection.html").read_text()
    markdown = (tmp_path / "selection.md").read_text()
    assert "| | a/<b> |" in markdown
    assert "| file, MB [4] | not known |" in markdown


def test_quantised_weights_are_not_quantised_again(tmp_path, tiny_bespoke_gguf):
    (candidate,) = quantisations(tiny_bespoke_gguf, ["F16"], tmp_path)
    assert candidate.uri == str(tiny_bespoke_gguf)
    with pytest.raises(DocgenError, match="its weights are quantised already: name an F16 file"):
        list(quantisations(default_model(), ["Q4_0"], tmp_path))
    (tmp_path / "text.gguf").write_text("no model at all")
    with pytest.raises(ModelError, match="its metadata cannot be read"):
        list(quantisations(tmp_path / "text.gguf", ["Q4_0"], tmp_path))


def _nothing(folder):
    path = folder / "empty.jsonl"
    path.write_text(
        '{"source": "s", "license": "MIT", "table": "t", "columns": [{"name": "a", "description": "b"}]}\n'
    )
    return path


MISTAKES = {
    "no documented tables": (lambda data, folder: ["--data", _nothing(folder), "--price-per-hour", 1], 1,
                             "no documented tables: one with at least four described columns"),
    "no such data": (lambda data, folder: ["--data", folder / "gone", "--price-per-hour", 1], 2, "does not exist"),
    "no price": (lambda data, folder: ["--data", data], 2, "Missing option '--price-per-hour'"),
    "a price below nothing": (lambda data, folder: ["--data", data, "--price-per-hour", -1], 2, "-1.0 is no price"),
    "a price that is no number": (lambda data, folder: ["--data", data, "--price-per-hour", "nan"], 2, "nan is no price"),
    "kinds of nothing": (lambda data, folder: ["--data", data, "--price-per-hour", 1, "--quantise", "Q8_0"], 1,
                         "--quantise and --f16 go together"),
    "none that works": (lambda data, folder: ["--data", data, "--price-per-hour", 1, "--candidate", folder / "a.gguf"], 1,
                        "none of the candidates works (1)"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("arguments", "code", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_a_line(few, tmp_path, arguments, code, message):
    ran = _select(*arguments(few, tmp_path), "--out", tmp_path / "out")
    assert ran.returncode == code
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.slow
def test_an_unknown_quantisation_is_a_candidate_that_failed(few, tmp_path, tiny_bespoke_gguf):
    ran = _select("--data", few, "--f16", tiny_bespoke_gguf, "--quantise", "Q3_9,F16", "--rounds", 1,
                  "--price-per-hour", 1, "--out", tmp_path)  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert "tiny-bespoke Q3_9: failed: unknown quantisation 'Q3_9'" in ran.stdout
    assert "tiny-bespoke F16: back-identification" in ran.stdout
