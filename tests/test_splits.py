"""How a tokenizer splits, by its definition: each name is proved by llama.cpp's token ids on ten thousand texts."""

import json

import pytest
from docgen_training.checkpoint import Checkpoint
from docgen_training.parity import check_tokens, make_strings
from docgen_training.splits import known_split
from docgen_training.synthesize import synthesize

from tests.tiny_splits import SPLITS, UNKNOWN, split_tokenizer, vocabulary_gguf


@pytest.fixture(scope="module")
def strings():
    return make_strings(synthesize(200, seed=11), 10_000)


def test_strings_are_made_of_records_and_of_hostile_texts(strings):
    assert len(strings) == 10_000
    assert strings == make_strings(synthesize(200, seed=11), 10_000)
    assert sum("\x00" in text for text in strings) > 20
    assert sum("🚀" in text for text in strings) > 20
    assert max(map(len, strings)) > 250
    assert any(text.startswith("Table ") for text in strings)


@pytest.mark.slow
@pytest.mark.parametrize("name", SPLITS)
def test_a_known_split_gives_the_token_ids_of_its_definition(name, strings, tmp_path):
    split_tokenizer(tmp_path, *SPLITS[name])
    assert known_split((tmp_path / "tokenizer.json").read_text("utf-8")) == name
    gguf = vocabulary_gguf(tmp_path / "v.gguf", tmp_path, name)
    found = check_tokens(Checkpoint(tmp_path, tmp_path, "LlamaForCausalLM", {}, {}), gguf, strings)
    assert (found.same, found.first) == (10_000, None)


@pytest.mark.slow
def test_another_name_gives_other_token_ids(strings, tmp_path):
    split_tokenizer(tmp_path, *SPLITS["llama-bpe"])
    gguf = vocabulary_gguf(tmp_path / "v.gguf", tmp_path, "qwen2")
    found = check_tokens(Checkpoint(tmp_path, tmp_path, "LlamaForCausalLM", {}, {}), gguf, strings[-1000:])
    assert found.first is not None
    assert found.differing == 1000 - found.same > 5


def changed(path, change):
    held = json.loads(path.read_text("utf-8"))
    change(held)
    path.write_text(json.dumps(held), "utf-8")


STRANGE = {
    "bytes of a fallback": lambda held: held["model"].update(byte_fallback=True),
    "unigrams": lambda held: held["model"].update(type="Unigram"),
    "a space before": lambda held: held["pre_tokenizer"]["pretokenizers"][-1].update(add_prefix_space=True),
    "merged with what is before": lambda held: held["pre_tokenizer"]["pretokenizers"][0].update(
        behavior="MergedWithPrevious"
    ),
    "whitespace": lambda held: held["pre_tokenizer"]["pretokenizers"].insert(0, {"type": "Whitespace"}),
    "nothing": lambda held: held.update(pre_tokenizer=None),
}


@pytest.mark.parametrize("kind", STRANGE)
def test_what_splits_otherwise_has_no_name(kind, tmp_path):
    split_tokenizer(tmp_path, *SPLITS["qwen2"], size=300)
    changed(tmp_path / "tokenizer.json", STRANGE[kind])
    assert known_split((tmp_path / "tokenizer.json").read_text("utf-8")) == ""


def test_an_expression_of_ones_own_has_no_name(tmp_path):
    split_tokenizer(tmp_path, *UNKNOWN, size=300)
    assert known_split((tmp_path / "tokenizer.json").read_text("utf-8")) == ""
    assert known_split("{") == known_split("[]") == known_split("{}") == ""
