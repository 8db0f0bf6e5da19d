"""The training stages on a tiny scale, for real: records to rows to a model to GGUF to text."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from docgen_training.corpus import clean_text
from docgen_training.encode import Recipe, encode_records
from docgen_training.mixture import Batch
from docgen_training.network import batch_loss, build_model, tree_mask
from docgen_training.plan import Plan, Share
from docgen_training.pretrain import pretrain
from docgen_training.records import read_records, write_records
from docgen_training.synthesize import UNCLEAR, synthesize
from docgen_training.vocabulary import Vocabulary, train_vocabulary

from docgen_plugin.errors import DocgenError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with records, a vocabulary and encoded rows."""
    folder = tmp_path_factory.mktemp("runs")
    write_records(folder / "records.jsonl.xz", synthesize(150, seed=3))
    train_vocabulary(read_records(folder / "records.jsonl.xz"), 1200, folder / "tokenizer.model", seed=1)
    rows = encode_records(
        read_records(folder / "records.jsonl.xz"),
        Vocabulary(folder / "tokenizer.model"),
        Recipe(),
        384,
        seed=1,
    )
    np.savez(folder / "rows.npz", **rows.arrays())  # type: ignore[arg-type]
    return folder


def test_synthesize_is_the_same_for_the_same_seed():
    assert list(synthesize(20, seed=5)) == list(synthesize(20, seed=5))
    assert list(synthesize(20, seed=5)) != list(synthesize(20, seed=6))


def test_fillers_stand_in_the_slots():
    fillers = [("quux", "gadget"), ("zorp",)]
    tables = [record.table for record in synthesize(20, seed=5, fillers=fillers)]
    assert all("quux gadget" in table.description or "zorp" in table.description for table in tables)
    texts = [column.description for table in tables for column in table.columns]
    assert sum("zorp" in text or "gadget" in text for text in texts) > len(texts) / 2


def test_synthesize_writes_finished_texts():
    unclear = total = 0
    for record in synthesize(300, seed=11):
        names = [column.name for column in record.table.columns]
        assert len(set(names)) == len(names)
        assert record.table.description.startswith("One row per ")
        for column in record.table.columns:
            assert "{" not in column.description + column.name
            assert column.description.endswith(".")
            unclear += column.description == UNCLEAR
            total += 1
    assert 0.02 < unclear / total < 0.1


def test_records_survive_a_round_trip(tmp_path):
    records = [
        replace(record, table=replace(record.table, key=f"{record.source}/{record.table.name}"))
        for record in synthesize(30, 1)
    ]
    write_records(tmp_path / "a.jsonl.xz", records)
    assert list(read_records(tmp_path / "a.jsonl.xz")) == records


BAD_RECORDS = [
    ('{"table": "x"', "1"),
    ('{"source": "s", "table": "t"}', "1"),
    ('{"source": "s", "table": "t", "columns": [1]}', "1"),
]


@pytest.mark.parametrize(("line", "number"), BAD_RECORDS)
def test_a_bad_record_is_named_by_line(tmp_path, line, number):
    path = tmp_path / "bad.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DocgenError, match=f"bad.jsonl:{number}"):
        list(read_records(path))


TEXTS = [
    ("This column contains the date when the vessel left", "left_on", "The date when the vessel left."),
    ("Vessel name", "vessel_name", ""),
    ("See https://example.com/x for the whole list", "x", ""),
    ("Date the loan closed. It may be null for open loans.", "closed", "Date the loan closed."),
]


@pytest.mark.parametrize(("text", "name", "cleaned"), TEXTS)
def test_clean_text(text, name, cleaned):
    assert clean_text(text, name) == cleaned


def test_rows_hold_what_the_engine_serves(runs):
    rows = np.load(runs / "rows.npz")
    vocabulary = Vocabulary(runs / "tokenizer.model")
    tokens, positions, tree, targets = (rows[name] for name in ("tokens", "positions", "tree", "targets"))
    used = tree[0] >= 0
    starts = np.flatnonzero(tokens[0] == vocabulary.marks["<s>"])
    assert (tree[0][starts] % 1000 == 0).all()
    assert (positions[0][starts] == 0).all()
    first = tree[0] == tree[0][starts[0]] + 1  # the first answer of the first table
    length = int((tree[0] == tree[0][starts[0]]).sum())
    assert positions[0][first][0] == length
    # only answers are targets, and each ends with </s>
    assert (targets[0][(tree[0] % 1000 == 0) & used] == -1).all()
    assert targets[0][first][targets[0][first] >= 0][-1] == vocabulary.end
    answer = vocabulary.decode(
        [int(token) for token in targets[0][first] if token >= 0 and token != vocabulary.end]
    )
    assert answer.endswith(".")


def test_tree_mask_keeps_answers_apart(runs):
    """A token's output depends on its table's prefix and its own answer alone: change another answer, nothing moves."""
    import torch

    rows = np.load(runs / "rows.npz")
    vocabulary = Vocabulary(runs / "tokenizer.model")
    model = build_model(Plan(hidden=64, layers=2, heads=2, inner=96), vocabulary.size).eval()
    parts = {
        name: torch.from_numpy(rows[name][:1]).long() for name in ("tokens", "positions", "tree", "targets")
    }

    def states(tokens):
        mask = tree_mask(parts["tree"], torch.float32)
        with torch.inference_mode():
            return model.model(
                input_ids=tokens, position_ids=parts["positions"], attention_mask=mask
            ).last_hidden_state[0]

    changed = parts["tokens"].clone()
    other = parts["tree"][0] == 1
    changed[0, other] = 5
    before, after = states(parts["tokens"]), states(changed)
    apart = (parts["tree"][0] != 1) & (parts["tree"][0] >= 0)
    assert torch.allclose(before[apart], after[apart], atol=1e-5)
    assert not torch.allclose(before[other], after[other], atol=1e-3)


@pytest.mark.slow
def test_a_step_lowers_the_loss_and_a_run_resumes(runs, tmp_path):
    import torch

    vocabulary = Vocabulary(runs / "tokenizer.model")
    plan = Plan(hidden=64, layers=2, heads=2, inner=96, steps=12, rows=4, seed=1, threads=1)
    share = Share(runs / "rows.npz", 1.0, 1.0)
    pretrain(plan, [share], vocabulary.size, tmp_path / "out", runs / "tokenizer.model")
    first = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    pretrain(replace(plan, steps=20), [share], vocabulary.size, tmp_path / "out", runs / "tokenizer.model")
    second = torch.load(tmp_path / "out" / "checkpoint.pt", weights_only=True)
    assert (first["step"], second["step"]) == (12, 20)
    assert second["tokens"] > first["tokens"] > 0

    from transformers import LlamaForCausalLM

    rows = np.load(runs / "rows.npz")
    batch = Batch(
        **{
            name: torch.from_numpy(rows[name][:4]).long()
            for name in ("tokens", "positions", "tree", "targets")
        }
    )
    with torch.inference_mode():
        fresh = batch_loss(build_model(plan, vocabulary.size), batch)
        trained = batch_loss(LlamaForCausalLM.from_pretrained(tmp_path / "out"), batch)
    assert trained < fresh - 0.5


def test_commands_name_what_is_wrong(tmp_path):
    bad = tmp_path / "rows.npz"
    bad.write_bytes(b"not rows")
    (tmp_path / "t.model").write_bytes(b"not a model")
    run = subprocess.run(
        [
            Path(sys.executable).with_name("docgen-train"),
            "pretrain",
            "--data",
            f"{bad}=1",
            "--tokenizer",
            tmp_path / "t.model",
            "--out",
            tmp_path / "o",
        ],
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1
    assert run.stderr.count("\n") == 1
    assert "wants FILE=START:END" in run.stderr or "not a sentencepiece model" in run.stderr


def test_plan_is_kept_beside_the_checkpoint(runs, tmp_path):
    plan = Plan(hidden=32, layers=1, heads=1, inner=32, minutes=0.0)
    pretrain(plan, [Share(runs / "rows.npz", 1.0, 0.5)], 1200, tmp_path / "out", runs / "tokenizer.model")
    kept = json.loads((tmp_path / "out" / "plan.json").read_text())
    assert kept["hidden"] == 32
    assert kept["data"][0][1:] == [1.0, 0.5, 0.0]
