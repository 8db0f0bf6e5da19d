"""A team's LoRA adapter beside its base on real llama.cpp: parity, who serves whom, what is refused; the training that makes it."""

from __future__ import annotations

import hashlib
import json
import os
import signal
from collections.abc import Iterator
from dataclasses import asdict, replace
from functools import cache
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from docgen_training import finetune_loop
from docgen_training.cli import cli
from docgen_training.finetune_embedded import EMBEDDED, finetune_embedded
from docgen_training.lora import Lora, write_adapter
from docgen_training.network import build_model
from docgen_training.plan import Plan
from docgen_training.records import read_records, write_records
from docgen_training.synthesize import synthesize
from docgen_training.voice import voice_words
from docgen_training.warm_start import WarmStart

from docgen_plugin import llama_native, pipeline
from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.files import digest
from docgen_plugin.generate import Generator, TableRequest, load
from docgen_plugin.llama_native import NativeModel
from docgen_plugin.model import Column, Table
from docgen_plugin.model_files import default_model, find_base, model_files
from docgen_plugin.prompt import GRAMMAR
from docgen_plugin.store import Ledger
from docgen_plugin.writers import Candidate
from tests.fakes import Shop, registered
from tests.tiny_models import bespoke_gguf, synthetic_request, synthetic_tables

ONE_THREAD = Config(threads=1)
TABLE = Table(
    "shop.orders",
    "orders",
    columns=(
        Column("id", "int", primary_key=True),
        Column("wobble_grade", "numeric"),
        Column("kiln_note", "text"),
    ),
)
REQUEST = TableRequest(TABLE, tuple(column.name for column in TABLE.columns))


def said(generator: Generator) -> dict[str, str]:
    return {answer.ref.column: answer.text for answer in generator.describe([REQUEST])}


@cache
def weights() -> dict[str, Any]:
    return WarmStart(default_model()).weights()


def embedded_network() -> Any:
    shape = WarmStart(default_model()).shape
    plan = Plan(hidden=shape.hidden, layers=shape.layers, heads=shape.heads, inner=shape.inner)
    model = build_model(plan, shape.vocabulary)
    model.load_state_dict(weights())
    return model


def shaken(model: Any, seed: int, rank: int = 4) -> Lora:
    """Return additions that change what the model says."""
    lora = Lora(model, rank, 2.0 * rank, seed)
    draw = torch.Generator().manual_seed(seed)
    for _, up in lora.pairs.values():
        up.data = torch.randn(up.shape, generator=draw) * 0.08
    return lora


def told(base: Path, **more: str) -> dict[str, str]:
    return {
        "docgen.grammar": GRAMMAR,
        "docgen.base_name": "docgen-base",
        "docgen.base_sha256": digest(base),
        **more,
    }


@pytest.fixture(scope="module")
def teams(tmp_path_factory) -> list[Path]:
    """Adapters of two teams for the embedded model."""
    folder = tmp_path_factory.mktemp("teams")
    metadata = told(default_model(), **{"docgen.words": "glaze firing kg"})
    return [
        write_adapter(shaken(embedded_network(), seed), folder / f"team{seed}.gguf", f"team{seed}", metadata)
        for seed in (1, 2)
    ]


def float_copy(source: Path, out: Path) -> Path:
    """Write a GGUF with all its weights in float32, so that nothing is rounded where answers are compared."""
    reader = gguf.GGUFReader(source)
    writer = gguf.GGUFWriter(out, "llama")
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name in ("general.architecture", "general.file_type"):
            continue
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), field.types[0], sub_type=inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return out


@pytest.mark.slow
def test_llama_cpp_computes_what_torch_computes(tmp_path):
    lora = shaken(embedded_network(), 3)
    base = float_copy(default_model(), tmp_path / "base.gguf")
    path = write_adapter(lora, tmp_path / "team.gguf", "team", told(base))
    merged = embedded_network()
    merged.load_state_dict(lora.merged())
    native = NativeModel(base, 0)
    contexts = [native.open(256, 1, 1, False, one) for one in (native.adapter(path), None)]
    ids = native.tokenize("customer order with its date and the amount that was paid")
    tokens = [(one, at, 0, at == len(ids) - 1) for at, one in enumerate(ids)]
    logits, bare = (context.decode(tokens)[0].copy() for context in contexts)
    with torch.inference_mode():
        hooked, whole = (one(torch.tensor([ids])).logits[0, -1].numpy() for one in (lora.model, merged))
    native.close()
    assert np.abs(hooked - whole).max() < 1e-3
    assert np.abs(logits - whole).max() < 0.05  # the cache is F16
    assert np.abs(logits - bare).max() > 0.5


def test_an_adapter_serves_beside_its_base(teams):
    base = load("", ONE_THREAD)
    before = said(base)
    team = load(str(teams[0]), ONE_THREAD)
    changed = said(team)
    assert team.name.startswith("docgen-base+team1@")
    assert team.bespoke  # type: ignore[attr-defined]
    assert (team.tuned, base.tuned) == (True, False)  # type: ignore[attr-defined]
    assert changed != before
    assert said(base) == before, "the base's own contexts must not see the adapter"
    team.close()
    base.close()


@pytest.mark.slow
def test_answers_do_not_depend_on_company(teams):
    requests = [synthetic_request(table) for table in synthetic_tables(3, 20, seed=5)]
    team = load(str(teams[0]), ONE_THREAD)
    together = {answer.ref: answer.text for answer in team.describe(requests)}
    some = [TableRequest(one.table, one.columns[2:15:3], hints=one.hints) for one in reversed(requests)]
    for request in some:
        for answer in team.describe([request]):
            assert answer.text == together[answer.ref]
    team.close()


def test_one_base_in_memory_serves_many_teams(teams):
    one, other = (load(str(path), ONE_THREAD) for path in teams)
    assert len(llama_native._shared) == 1
    assert one.name != other.name
    first = said(one)
    assert first != said(other)
    other.close()
    other.close()
    assert said(one) == first
    one.close()
    assert not llama_native._shared


def test_a_candidate_shares_its_base_with_the_standing_model(teams, tmp_path):
    tables = [replace(TABLE, key=f"shop.t{number}", name=f"t{number}") for number in range(6)]
    most: list[int] = []

    def loaded(uri: str) -> Generator:
        generator = load(uri, ONE_THREAD)
        most.append(len(llama_native._shared))
        return generator

    theirs = {"shop.t1", "shop.t4"}
    with registered(Shop(*tables)), Ledger(tmp_path / "ledger.db") as ledger:
        report = pipeline.suggest(
            "shop",
            Config(threads=1, dictionary="hint"),
            ledger,
            lambda: loaded(""),
            candidate=Candidate(lambda: loaded(str(teams[0])), theirs.__contains__),
        )
        asked = {
            row.suggestion.ref.table: row.suggestion.asked
            for row in ledger.rows("shop")
            if row.suggestion.asked
        }
    assert most == [1, 1]
    assert not llama_native._shared
    (base, base_tables), (team, team_tables) = report.answered
    assert (base.partition("@")[0], team.partition("@")[0]) == ("docgen-base", "docgen-base+team1")
    assert (base_tables, team_tables) == (4, 2)
    assert {table for table, model in asked.items() if model == team} == theirs


def test_an_adapters_name_tells_both_files(teams, tmp_path):
    copy = tmp_path / "other-name.gguf"
    copy.write_bytes(teams[0].read_bytes())
    versions = {model_files(path).version for path in (*teams, copy, default_model())}
    assert len(versions) == 3
    assert model_files(copy).version == model_files(teams[0]).version


def test_a_base_is_found_beside_the_adapter(tmp_path):
    base = bespoke_gguf(tmp_path / "their-base.gguf")
    (tmp_path / "broken.gguf").write_bytes(b"GGUF")
    adapter = write_adapter(shaken(embedded_network(), 1), tmp_path / "a.gguf", "a", told(base))
    assert find_base(adapter) == base


def cut(path: Path, out: Path, length: int) -> Path:
    out.write_bytes(path.read_bytes()[:length])
    return out


def refused(tmp_path: Path, teams: list[Path]) -> Iterator[tuple[str, Path, str]]:
    """Yield adapters that cannot be used, and what is said of them."""
    network = embedded_network()
    lora = shaken(network, 1)
    wrong = told(default_model()) | {"docgen.base_sha256": "0" * 64}
    (tmp_path / "other").mkdir()
    other = bespoke_gguf(tmp_path / "other" / "tiny.gguf")
    yield (
        "no base",
        write_adapter(lora, tmp_path / "a.gguf", "a", wrong),
        r"SHA-256 000000000000\.\.\..*put that file",
    )
    yield "none named", write_adapter(lora, tmp_path / "b.gguf", "b", {}), "names no base"
    yield "shapes", write_adapter(lora, other.parent / "c.gguf", "c", told(other)), "another shape"
    size = teams[0].stat().st_size
    yield "cut", cut(teams[0], tmp_path / "d.gguf", size // 2), "truncated or damaged"
    yield "cut in its header", cut(teams[0], tmp_path / "e.gguf", 100), "truncated or damaged"


def test_an_adapter_that_cannot_be_used_is_refused_in_one_line(tmp_path, teams):
    for what, path, told_so in refused(tmp_path, teams):
        with pytest.raises(ModelError, match=told_so) as caught:
            load(str(path), ONE_THREAD)
        assert "\n" not in str(caught.value), what
        assert str(path) in str(caught.value), what
        assert not llama_native._shared, what


def test_a_teams_words_are_sayable_units_are_not(teams):
    generator = load(str(teams[0]), ONE_THREAD)
    trees = [
        wording.trees
        for unit in generator._dialect.units(REQUEST)  # type: ignore[attr-defined]
        for wording in (question.wording for question in unit.questions)
    ]
    tokenize = generator._dialect._word  # type: ignore[attr-defined]

    def sayable(word: str) -> bool:
        def reached(tree: Any) -> bool:
            node = tree.root
            for one in tokenize(word):
                node = node.children.get(one)
                if node is None:
                    return False
            return bool(node.ends)

        return any(reached(tree) for tree in trees[0])

    assert sayable("glaze")
    assert not sayable("kg")
    assert not sayable("tonne")
    generator.close()


# --- the training


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "ours.jsonl"
    records = [
        replace(
            record,
            source="acme",
            license="MIT",
            table=replace(record.table, columns=record.table.columns[:6]),
        )
        for record in synthesize(6, seed=8)
    ]
    write_records(path, records)
    return path


OPTIONS = replace(EMBEDDED, rank=4, alpha=4.0, rows=1, epochs=1, width=512, threads=1)


@pytest.fixture(scope="module")
def tuned(texts, tmp_path_factory):
    return finetune_embedded([texts], texts, tmp_path_factory.mktemp("runs") / "acme", OPTIONS)


@pytest.mark.slow
def test_a_run_leaves_an_adapter_and_says_where_it_came_from(tuned, texts):
    run = json.loads((tuned / "run.json").read_text())
    assert run["base"] == {"name": "docgen-base", "sha256": digest(default_model())}
    assert run["method"] == "lora"
    assert run["data"][0]["licenses"] == ["MIT"]
    assert run["data"][0]["sha256"] == hashlib.sha256(texts.read_bytes()).hexdigest()
    assert run["steps"] > 1
    assert run["losses"]["valid"] < run["losses"]["valid_before"]
    assert (tuned / "losses.png").stat().st_size > 1000
    header = gguf.GGUFReader(tuned / "adapter.gguf").fields
    assert header["docgen.data_license"].contents() == "MIT"
    assert header["docgen.base_sha256"].contents() == run["base"]["sha256"]
    generator = load(str(tuned / "adapter.gguf"), ONE_THREAD)
    assert generator.name.startswith("docgen-base+acme@")
    assert set(said(generator)) == set(REQUEST.columns)
    generator.close()


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_ends_as_one_that_was_not(tuned, texts, tmp_path, monkeypatch):
    out = tmp_path / "acme"
    step = finetune_loop._step

    def stopped(run):
        os.kill(os.getpid(), signal.SIGTERM)
        return step(run)

    monkeypatch.setattr(finetune_loop, "_step", stopped)
    with pytest.raises(KeyboardInterrupt):
        finetune_embedded([texts], texts, out, OPTIONS)
    assert not (out / "adapter.gguf").exists()
    monkeypatch.setattr(finetune_loop, "_step", step)
    finetune_embedded([texts], texts, out, OPTIONS)
    whole = {one.name: one.data for one in gguf.GGUFReader(tuned / "adapter.gguf").tensors}
    for tensor in gguf.GGUFReader(out / "adapter.gguf").tensors:
        assert np.allclose(tensor.data, whole[tensor.name], atol=1e-3), tensor.name


def test_a_run_of_other_settings_is_not_gone_on_with(tuned, texts):
    with pytest.raises(DocgenError, match="--rank 4, now 8: name another --out"):
        finetune_embedded([texts], texts, tuned, replace(OPTIONS, rank=8))
    assert finetune_embedded([texts], texts, tuned, replace(OPTIONS, threads=2)) == tuned


def test_a_model_that_nothing_is_told_of_is_not_written_over(texts, tmp_path):
    """Whose model lies there is known by run.json alone; without it hours of training would end in a refused rename."""
    (tmp_path / "merged").mkdir()
    with pytest.raises(DocgenError, match=r"holds a merged model of another run: name another --out"):
        finetune_embedded([texts], texts, tmp_path, OPTIONS)


def train(*arguments: object) -> Any:
    return CliRunner().invoke(
        cli, ["finetune", "--base", "embedded", *map(str, arguments)], catch_exceptions=True
    )


def test_what_the_command_refuses(texts, tmp_path):
    bare = tmp_path / "bare.jsonl"
    bare.write_text('{"source": "s", "table": "t", "columns": [{"name": "a"}]}\n')
    wrong = [
        (["--data", bare, "--out", tmp_path / "a"], "nothing to learn from"),
        (["--data", texts, "--out", tmp_path / "b", "--targets", "nose"], "--targets nose"),
        (["--data", texts, "--out", tmp_path / "c", "--checkpointing"], "too small to need it"),
    ]
    for arguments, line in wrong:
        ran = train(*arguments)
        assert isinstance(ran.exception, DocgenError), ran.output
        assert line in str(ran.exception)
        assert not (arguments[3] / "adapter.gguf").exists()


def test_voice_words_leave_the_schema_and_units_out():
    table = Table(
        "t",
        "kilns",
        columns=tuple(
            Column(name, description=f"The {name} of the Acme glaze in kg, kiln {name}.") for name in "abc"
        ),
    )
    from docgen_training.records import Record

    assert voice_words([Record(table, "s", "MIT")]) == ["Acme", "glaze", "in", "of", "the"]


@pytest.mark.slow
def test_split_then_finetune_then_suggest(tmp_path):
    write_records(tmp_path / "all.jsonl", (replace(one, source="acme") for one in synthesize(12, seed=3)))
    ran = CliRunner().invoke(
        cli,
        ["split", str(tmp_path / "all.jsonl"), "--train", str(tmp_path / "l.jsonl"), "--held", str(tmp_path / "h.jsonl"), "--source", "acme"],
    )  # fmt: skip
    assert ran.exit_code == 0, ran.output
    learnt, held = (list(read_records(tmp_path / name)) for name in ("l.jsonl", "h.jsonl"))
    assert len(learnt) + len(held) == 12
    assert not {one.table.name for one in learnt} & {one.table.name for one in held}
    assert asdict(EMBEDDED)["rank"] > 0
