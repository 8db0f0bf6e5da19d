"""The plan of a fine-tuning: its counts against transformers, peft and torch's own, and the command as a user meets it."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from docgen_training.base_shape import KNOWN, shape_of
from docgen_training.memory_plan import Run, largest_rows, lora_weights, memory, operations_per_token

from tests.benchmarks import finetune_memory as benchmark

# peft asks transformers for a name that it gives up in version 6
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
ROOT = Path(__file__).parents[1]
TRAIN = Path(sys.executable).with_name("docgen-train")
GIB = 2**30
CONFIGS = {
    "llama": {"hidden_size": 64, "intermediate_size": 160, "num_attention_heads": 4, "num_key_value_heads": 2},
    "mistral": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 4},
    "qwen2": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2},
    "qwen3": {"hidden_size": 64, "intermediate_size": 96, "num_attention_heads": 4, "num_key_value_heads": 2,
              "head_dim": 32, "tie_word_embeddings": True},
    "mpt": {"d_model": 64, "n_heads": 4, "n_layers": 2, "vocab_size": 320},
}  # fmt: skip
SMALL = Run(rows=2, width=64, cuda=False, target_share=0.5)


def _config(family):
    sizes = {} if family == "mpt" else {"vocab_size": 320, "num_hidden_layers": 2}
    return {"model_type": family, **sizes, **CONFIGS[family]}


def _model(family):
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    with torch.device("meta"):
        return AutoModelForCausalLM.from_config(AutoConfig.for_model(**_config(family)))


def _plan(*arguments, **environment):
    command = [str(TRAIN), "plan", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment or None)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Llama-2-7B", 6_738_415_616),
        ("Llama-3.1-8B", 8_030_261_248),
        ("Llama-3.2-1B", 1_235_814_400),
        ("MPT-7B", 6_649_286_656),
        ("Qwen2.5-0.5B", 494_032_768),
        ("Qwen2.5-7B", 7_615_616_512),
    ],
)
def test_known_shapes_have_the_published_number_of_weights(name, parameters):
    assert KNOWN[name].parameters() == parameters


@pytest.mark.slow
@pytest.mark.parametrize("family", CONFIGS)
def test_weights_are_counted_as_transformers_and_peft_count_them(family):
    from peft import LoraConfig, get_peft_model

    shape = shape_of(_config(family), "tiny", "config.json")
    model = _model(family)
    assert shape.parameters() == model.num_parameters()
    adapted = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM"))
    trained = sum(one.numel() for one in adapted.parameters() if one.requires_grad)
    assert lora_weights(shape, Run(rank=8)) == trained


def _tiny_llama():
    return replace(benchmark.shape_of("1M"), layers=4, vocabulary=600, name="tiny")


def _saved(run):
    """Return the bytes that torch keeps for the backward of the decoder, each storage once."""
    import torch
    from docgen_training.network import tree_mask

    shape = _tiny_llama()
    model, _ = benchmark.build(shape, run)
    batch = benchmark.make_batch(shape, run)
    own = {one.untyped_storage().data_ptr() for one in (*model.parameters(), *model.buffers())}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = tensor
        return tensor

    kind = torch.bfloat16 if run.precision == "bf16" else torch.float32
    with (
        torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor),
        torch.autocast("cpu", dtype=kind, enabled=run.precision == "bf16"),
    ):
        found = model.get_base_model().model(
            input_ids=batch.tokens, attention_mask=tree_mask(batch.tree, kind), use_cache=False
        )
    del found
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@pytest.mark.slow
@pytest.mark.parametrize(
    "change", [{}, {"dropout": 0.0}, {"precision": "f32"}, {"rank": 64}, {"width": 128}], ids=str
)
def test_activations_are_those_that_torch_keeps(change):
    run = replace(SMALL, **change)
    copies = (
        lora_weights(_tiny_llama(), run) * 2 if run.precision == "bf16" else 0
    )  # counted with what is trained
    # of the first block less is kept than counted: its input wants no gradient
    assert 1.0 <= (memory(_tiny_llama(), run).activations + copies) / _saved(run) <= 1.06


@pytest.mark.slow
def test_checkpointing_keeps_little_more_than_the_inputs_of_the_blocks():
    run = replace(SMALL, checkpointing=True)
    kept = memory(_tiny_llama(), run).activations
    # the mask and the hidden states for the output layer are counted as well; of a large model they are little
    assert 1.0 <= kept / _saved(run) <= 1.5
    assert kept < memory(_tiny_llama(), SMALL).activations / 5


@pytest.mark.slow
def test_operations_are_those_that_torch_counts():
    from torch.utils.flop_counter import FlopCounterMode

    shape, run = _tiny_llama(), replace(SMALL, dropout=0.0)
    model, _ = benchmark.build(shape, run, attention="eager")
    batch = benchmark.make_batch(shape, run)
    with FlopCounterMode(display=False) as counter:
        benchmark.loss_of(model, batch, run).backward()
    computed = operations_per_token(shape, run) * run.tokens
    # unfused attention computes no score twice, and the first block's input wants no gradient
    assert 1.0 <= computed / counter.get_total_flops() <= 1.12


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the peak and the allocator are Linux's")
def test_computed_memory_is_what_real_steps_hold():
    run = replace(SMALL, rows=2, width=256)
    found = benchmark.measure_apart("25M", run, 1, 1, benchmark.GIVING_BACK)
    assert found.parameters == benchmark.shape_of("25M").parameters()
    assert 0.8 <= found.ratio <= 1.2
    assert found.tokens_per_second > 0


def test_a_7b_base_fits_a_24_gb_card_with_checkpointing_alone():
    room = 24 * GIB - 3 * GIB // 2
    for name in ("Llama-2-7B", "MPT-7B", "Qwen2.5-7B"):
        run = Run(target_share=0.5)
        assert memory(KNOWN[name], run).total > room
        assert memory(KNOWN[name], replace(run, checkpointing=True)).total < room
        assert memory(KNOWN[name], replace(run, method="full", checkpointing=True)).total > room


def test_the_most_rows_fit_and_one_more_does_not():
    run, shape = Run(checkpointing=True), KNOWN["Llama-2-7B"]
    room = 22 * GIB
    most = largest_rows(shape, run, room)
    assert memory(shape, replace(run, rows=most)).total <= room
    assert memory(shape, replace(run, rows=most + 1)).total > room
    assert largest_rows(shape, run, 2 * GIB) == 0


def test_the_plan_of_a_data_file(tmp_path):
    data = ROOT / "training" / "teacher" / "heldout.jsonl.xz"
    ran = _plan("--base", "Llama-2-7B", "--data", data, "--rate-per-hour", "1.10", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["data"]["counted"].startswith("estimated at")
    way = found["ways"]["checkpointing"]
    assert way["fits"]
    assert not found["ways"]["plain"]["fits"]
    operations = way["operations_per_token"] * found["data"]["positions"] * found["epochs"]
    assert way["seconds"] == pytest.approx(operations / found["sustained_flops"])
    assert way["cost"] == pytest.approx(1.10 * way["seconds"] / 3600)
    shown = _plan("--base", "llama-2-7b", "--data", data, "--rate-per-hour", "1.10").stdout
    assert "all computed, nothing run" in shown
    left = (found["room"] - found["reserve"] - way["total"]) / GIB
    assert f"{left:.1f} left" in shown
    assert "lacks " in shown


@pytest.mark.slow
def test_tokens_are_counted_with_the_base_s_own_tokenizer_where_it_is(tmp_path):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"?": 0, "</s>": 1}, unk_token="?"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?", eos_token="</s>").save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps(_config("llama")))
    columns = [{"name": "order_id", "description": "Identifier of the order."}, {"name": "x"}]
    row = {"source": "s", "license": "MIT", "table": "orders", "columns": columns}
    (tmp_path / "data.jsonl").write_text(json.dumps(row))
    ran = _plan("--base", tmp_path, "--data", tmp_path / "data.jsonl", "--json")
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    assert found["data"]["counted"] == "counted with the base's own tokenizer"
    # "Identifier of the order ." and the end
    assert found["data"]["targets"] == 6
    assert found["data"]["texts"] == 1
    assert found["base"]["name"] == tmp_path.name


BROKEN = {
    "not json": ("{", "not a model's config.json"),
    "a list": ("[]", "wants an object"),
    "another family": ('{"model_type": "bert"}', "model_type 'bert' cannot be planned; known: llama"),
    "no sizes": ('{"model_type": "llama"}', "lacks hidden_size"),
    "a size that is none": (
        json.dumps({**_config("llama"), "num_hidden_layers": "two"}),
        "has a size that is none: 'two'",
    ),
}


@pytest.mark.parametrize(("text", "message"), BROKEN.values(), ids=BROKEN)
def test_a_config_that_cannot_be_used_is_named(tmp_path, text, message):
    (tmp_path / "config.json").write_text(text)
    ran = _plan("--base", tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert message in ran.stderr
    assert str(tmp_path) in ran.stderr


def _empty(folder):
    path = folder / "empty.jsonl"
    path.write_text('{"source": "s", "license": "MIT", "table": "t", "columns": [{"name": "a"}]}\n')
    return path


MISTAKES = {
    "no such base": (lambda _: ["--base", "nothere"], 1, "--base nothere: is neither a folder"),
    "no such file": (lambda _: ["--base", "./a/config.json"], 1, "is neither a folder with config.json"),
    "no such card": (lambda _: ["--base", "MPT-7B", "--card", "A11"], 1, "--card A11: is not known; known: H200"),
    "no such module": (lambda _: ["--base", "MPT-7B", "--targets", "q_proj"], 1, "it has Wqkv, out_proj"),
    "nothing documented": (lambda folder: ["--base", "MPT-7B", "--data", _empty(folder)], 1, "none has a description to learn from"),
    "no amount": (lambda _: ["--base", "MPT-7B", "--memory", "much"], 2, "'much' is no amount of memory: write 24GiB"),
    "no price": (lambda _: ["--base", "MPT-7B", "--rate-per-hour", "nan"], 2, "nan is not a number from 0 on"),
}  # fmt: skip


@pytest.mark.parametrize(("arguments", "code", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_a_line(tmp_path, arguments, code, message):
    ran = _plan(*arguments(tmp_path))
    assert ran.returncode == code
    assert message in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not ran.stdout


@pytest.mark.slow
def test_a_model_that_the_hub_does_not_give_is_told(tmp_path):
    import os

    ran = _plan("--base", "nobody/nothing", **{**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)})
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert "--base nobody/nothing: the hub does not give its config.json" in ran.stderr
