"""A GGUF of ours read back to go on training from: shape, weights and vocabulary as they were exported."""

import json
import os
import random
import string

import numpy as np
import pytest
from click.testing import CliRunner
from docgen_training.cli import cli
from docgen_training.converter import find_converter
from docgen_training.encode import Recipe, encode_records
from docgen_training.export import Order, export
from docgen_training.mixture import Batch
from docgen_training.network import batch_loss, build_model
from docgen_training.plan import Plan, Share
from docgen_training.pretrain import pretrain
from docgen_training.synthesize import synthesize
from docgen_training.vocabulary import Vocabulary, train_vocabulary
from docgen_training.warm_start import Shape, WarmStart

from docgen_plugin.errors import ModelError
from docgen_plugin.prompt import GRAMMAR
from tests.tiny_models import write_gguf

PLAN = Plan(hidden=64, layers=2, heads=2, inner=96, steps=25, rows=4, threads=1)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A model trained for a few steps, beside the rows and the vocabulary that it was made from."""
    folder = tmp_path_factory.mktemp("warm")
    records = list(synthesize(60, seed=4))
    train_vocabulary(records, 900, folder / "tokenizer.model", seed=1)
    vocabulary = Vocabulary(folder / "tokenizer.model")
    rows = encode_records(records, vocabulary, Recipe(), 384, seed=1)
    np.savez(folder / "rows.npz", **rows.arrays())  # type: ignore[arg-type]
    share = Share(folder / "rows.npz", 1.0, 1.0)
    return pretrain(PLAN, [share], vocabulary.size, folder / "out", folder / "tokenizer.model")


@pytest.fixture(scope="module")
def exported(checkpoint):
    """The same model as an F16 GGUF, by llama.cpp's own converter."""
    try:
        find_converter()
    except ModelError as err:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"no package index to take llama.cpp's converter from: {err}")
    path = checkpoint.parent / "tiny.gguf"
    export(checkpoint, path, Order("tiny", "F16"))
    return path


def texts():
    """Return 200 texts that a tokenizer may meet: sentences, names, odd signs, marks of the prompt."""
    draw = random.Random(1)
    odd = [
        "",
        " ",
        "  two  spaces ",
        "<desc>",
        "<s></s>",
        "▁",
        "a▁b",
        "日本語 ½ ß 😀",
        "\t\n",
        "2024-01-31",
        "\x00",
    ]
    signs = string.printable + "äöüßéñ€¥日本😀\u2028\u00a0▁"
    found: list[str] = []
    for record in synthesize(40, seed=8):
        found += [record.table.name, record.table.description]
        found += [column.description for column in record.table.columns[:2]]
    found += odd + ["".join(draw.choices(signs, k=draw.randint(1, 40))) for _ in range(80)]
    return list(dict.fromkeys(found))[-200:]


def same_cuts(made, wanted):
    """Assert that two vocabularies cut 200 texts the same."""
    assert len(texts()) == 200
    for text in texts():
        assert made.encode(text) == wanted.encode(text), text


@pytest.mark.slow
def test_shape(exported):
    assert WarmStart(exported).shape == Shape(hidden=64, layers=2, heads=2, inner=96, vocabulary=900)


@pytest.mark.slow
def test_weights(exported, checkpoint):
    import torch
    from transformers import LlamaForCausalLM

    wanted = LlamaForCausalLM.from_pretrained(checkpoint).state_dict()
    found = WarmStart(exported).weights()
    assert set(found) == set(wanted)
    for name, values in found.items():
        assert values.dtype == torch.float32
        assert torch.allclose(values, wanted[name], rtol=1e-3, atol=1e-6), name


@pytest.mark.slow
def test_the_model_says_what_it_said(exported, checkpoint):
    import torch
    from transformers import LlamaForCausalLM

    rows = np.load(checkpoint.parent / "rows.npz")
    names = ("tokens", "positions", "tree", "targets")
    batch = Batch(**{name: torch.from_numpy(rows[name][:4]).long() for name in names})
    model = build_model(PLAN, 900)
    with torch.inference_mode():
        fresh = batch_loss(model, batch)
        model.load_state_dict(WarmStart(exported).weights())
        warm = batch_loss(model, batch)
        before = batch_loss(LlamaForCausalLM.from_pretrained(checkpoint), batch)
    assert abs(warm - before) < 0.01 < fresh - warm


@pytest.mark.slow
def test_the_vocabulary_cuts_texts_the_same(exported, checkpoint, tmp_path):
    path = WarmStart(exported).write_tokenizer(tmp_path / "new" / "tokenizer.model")
    made, wanted = Vocabulary(path), Vocabulary(checkpoint / "tokenizer.model")
    assert (made.size, made.end, made.marks) == (wanted.size, wanted.end, wanted.marks)
    same_cuts(made, wanted)


@pytest.mark.slow
def test_quantised_weights_are_read_as_they_are_rounded(exported, checkpoint):
    from transformers import LlamaForCausalLM

    path = checkpoint.parent / "q8.gguf"
    export(checkpoint, path, Order("tiny", "Q8_0"))
    wanted = LlamaForCausalLM.from_pretrained(checkpoint).state_dict()
    for name, values in WarmStart(path).weights().items():
        assert (values - wanted[name]).abs().max() <= 0.01 * wanted[name].abs().max(), name


@pytest.mark.slow
def test_the_command_goes_on_from_a_model(exported, checkpoint, tmp_path):
    out = tmp_path / "out"
    line = ["pretrain", "--init", str(exported), "--data", f"{checkpoint.parent / 'rows.npz'}=1"]
    line += [
        "--out",
        str(out),
        "--steps",
        "1",
        "--rows",
        "2",
        "--threads",
        "1",
        "--device",
        "cpu",
        "--rate",
        "0",
    ]
    run = CliRunner().invoke(cli, [*line, "--embedding-rate", "0"], catch_exceptions=False)
    assert run.exit_code == 0
    plan = json.loads((out / "plan.json").read_text())
    assert (plan["start"], plan["hidden"], plan["layers"], plan["heads"], plan["inner"]) == (
        str(exported),
        *(64, 2, 2, 96),
    )
    same_cuts(Vocabulary(out / "tokenizer.model"), Vocabulary(checkpoint / "tokenizer.model"))

    import torch
    from transformers import LlamaForCausalLM

    start, end = WarmStart(exported).weights(), LlamaForCausalLM.from_pretrained(out).state_dict()
    for name, values in end.items():
        assert torch.equal(values, start[name]), name  # at a rate of nothing it stays where it began


def test_a_model_that_was_never_converted_is_read_too(tiny_bespoke_gguf, tmp_path):
    start = WarmStart(tiny_bespoke_gguf)
    assert start.shape == Shape(hidden=64, layers=2, heads=4, inner=128, vocabulary=640)
    same_cuts(
        Vocabulary(start.write_tokenizer(tmp_path / "tokenizer.model")),
        Vocabulary(tiny_bespoke_gguf.with_suffix(".model")),
    )


NO_GGUF = [
    b"",
    b"no model at all",
    b"GGUF",
    b"GGUF\x03\x00\x00\x00" + b"\xff" * 64,
    b"GGUF\x63\x00\x00\x00" * 9,
]


@pytest.mark.parametrize("data", NO_GGUF)
def test_a_file_that_is_no_gguf(tmp_path, data):
    (tmp_path / "bad.gguf").write_bytes(data)
    with pytest.raises(ModelError, match=r"bad\.gguf: not a GGUF file: ") as caught:
        WarmStart(tmp_path / "bad.gguf")
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"none\.gguf: not a GGUF file: .*No such file"):
        WarmStart(tmp_path / "none.gguf")


@pytest.mark.parametrize("part", [0.001, 0.01, 0.05, 0.5, 0.999])
def test_a_cut_off_file(tiny_bespoke_gguf, tmp_path, part):
    data = tiny_bespoke_gguf.read_bytes()
    (tmp_path / "cut.gguf").write_bytes(data[: int(len(data) * part)])
    with pytest.raises(ModelError, match=r"cut\.gguf: not a GGUF file: ") as caught:
        WarmStart(tmp_path / "cut.gguf")
    assert "\n" not in str(caught.value)


# architecture, metadata, what is said
OTHERS = [
    ("llama", [], f"does not speak {GRAMMAR}"),
    ("llama", [("docgen.grammar", "docgen-0")], f"does not speak {GRAMMAR}"),
    ("gpt2", [("docgen.grammar", GRAMMAR)], "is no Llama"),
]


@pytest.mark.parametrize(("architecture", "metadata", "said"), OTHERS)
def test_a_model_of_another_kind_is_refused(tiny_bespoke_gguf, tmp_path, architecture, metadata, said):
    path = write_gguf(
        tmp_path / "other.gguf",
        tiny_bespoke_gguf.with_suffix(".model"),
        metadata=metadata,
        architecture=architecture,
    )
    with pytest.raises(ModelError, match=rf"other\.gguf: {said}: pretraining goes on from a model") as caught:
        WarmStart(path)
    assert "\n" not in str(caught.value)


def test_the_command_refuses_a_model_of_another_kind(tiny_instruct_gguf, tmp_path):
    line = [
        "pretrain",
        "--init",
        str(tiny_instruct_gguf),
        "--data",
        "none.npz=1",
        "--out",
        str(tmp_path / "out"),
    ]
    with pytest.raises(ModelError, match="does not speak"):
        CliRunner().invoke(cli, line, catch_exceptions=False)
    assert not (tmp_path / "out").exists()
