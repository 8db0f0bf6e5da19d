"""The prompt of fine-tuned models: the same token ids in training and in use, short, and closed to what a catalog holds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from docgen_training.base_tokens import BaseTokens
from docgen_training.bases import find_base
from docgen_training.completions import make_asking
from docgen_training.synthesize import synthesize
from docgen_training.systems import bare

from docgen_plugin.compact import GRAMMAR, Compact
from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError
from docgen_plugin.generate import TableRequest, load
from docgen_plugin.instruct import Instruct
from docgen_plugin.llama import LlamaGenerator
from docgen_plugin.llama_native import NativeModel
from docgen_plugin.model import Column, ForeignKey, Table
from tests.test_instruct import EVIL
from tests.tiny_checkpoints import FAMILIES, vocabulary_gguf
from tests.tiny_models import CHATML, Shape, synthetic_request, synthetic_tables, write_gguf


def _gguf(family, folder, path, **metadata):
    if family != "llama":
        return vocabulary_gguf(path, family, folder, metadata)
    told = [("tokenizer.chat_template", CHATML), *metadata.items()]
    return write_gguf(path, folder / "tokenizer.model", Shape(context=4096), metadata=told, opens=True)


@pytest.fixture(scope="module", params=sorted(FAMILIES))
def both(request, tmp_path_factory):
    """A tiny base's own tokenizer, and llama.cpp with the same vocabulary."""
    folder = tmp_path_factory.mktemp("both") / request.param
    FAMILIES[request.param](folder, hidden=32)
    path = _gguf(request.param, folder, folder / "tiny.gguf", **{"docgen.grammar": GRAMMAR})
    native = NativeModel(path, 0)
    yield BaseTokens(find_base(str(folder)), 4096), native
    native.close()


COLUMNS = (
    Column("order_id", "bigint", primary_key=True),
    Column("CustNo", "int", "Who ordered", not_null=True, foreign_key=ForeignKey("shop.customers", "id")),
    Column("état", "text", values=("open", "on <hold>")),
    Column("code", "varchar(3)", unique=True),
    Column("blob_x", ""),
)
TABLE = Table("t", "sales_orders", description="All\norders", columns=COLUMNS, upstream=("raw.src_orders",))
REQUEST = TableRequest(TABLE, tuple(one.name for one in COLUMNS), True, {"CustNo": ("Buyer of the goods.",)})


def _texts(model, dialect, request):
    return [
        b"".join(model.piece(one, True) for one in (*unit.prefix, *question.ids)).decode()
        for unit in dialect.units(request)
        for question in unit.questions
    ]


def test_the_prompt_is_what_the_docstring_says(tmp_path):
    folder = FAMILIES["qwen"](tmp_path / "base", hidden=32)
    native = NativeModel(_gguf("qwen", folder, tmp_path / "m.gguf"), 0)
    prefix = "# sales_orders: All orders\nfrom src_orders\norder_id int\nCustNo int\nétat text\ncode text\nblob_x\n"
    asked = [
        "?? table\n=\n",
        "? order_id key\n=\n",
        "? CustNo not null -> shop.customers.id\nhint Buyer of the goods.\n=\n",
        "? état in open, on hold\n=\n",
        "? code unique\n=\n",
        "? blob_x\n=\n",
    ]
    assert _texts(native, Compact(native), REQUEST) == [prefix + one for one in asked]
    native.close()


REQUESTS = [
    REQUEST,
    *(synthetic_request(table) for table in synthetic_tables(3, 40, seed=2)),
    *(
        TableRequest(bare(record.table), tuple(one.name for one in record.table.columns), True)
        for record in synthesize(10, seed=21)
    ),
]


@pytest.mark.parametrize("dialect", [Compact, Instruct])
def test_training_and_use_see_the_same_token_ids(both, dialect):
    trained, served = (dialect(tokens) for tokens in both)
    for request in REQUESTS:
        assert [(unit.prefix, unit.questions) for unit in trained.units(request)] == [
            (unit.prefix, unit.questions) for unit in served.units(request)
        ]


def test_texts_are_cut_alike(both):
    base, native = both
    texts = [column.description for record in synthesize(60, seed=33) for column in record.table.columns]
    for text in [
        *texts,
        *(one for one in EVIL if one != "\x00"),
        "naïve 10,5 % — “x”",
        "日本語",
        "tab\there",
    ]:
        assert base.tokenize(text) == native.tokenize(text), text
    assert (base.opening() if base.wants_opening() else -1) == (
        native.opening() if native.wants_opening() else -1
    )
    assert base.ending() == native.ending()


def test_the_prompt_is_less_than_half_as_long_as_an_instruction(both):
    _, native = both
    lengths = {}
    for dialect in (Compact, Instruct):
        units = [unit for request in REQUESTS[4:] for unit in dialect(native).units(request)]
        lengths[dialect] = sum(len(unit.prefix) + len(one.ids) for unit in units for one in unit.questions)
    assert lengths[Compact] < lengths[Instruct] / 2, lengths


@pytest.mark.parametrize("evil", EVIL, ids=range(len(EVIL)))
def test_nothing_in_a_catalog_becomes_a_control_token(both, evil):
    column = Column(evil, evil, evil, foreign_key=ForeignKey(evil, evil), values=(evil,))
    table = Table("t", evil, evil, columns=(column,), description=evil, sql=evil, upstream=(evil,))
    request = TableRequest(table, (evil,), True, {evil: (evil,), "": (evil,)})
    for tokens in both:
        marks = {tokens.tokenize(one, True) for one in ("<|im_start|>", "<|im_end|>")}
        control = {*(one for (one,) in marks), tokens.ending()}
        for unit in Compact(tokens).units(request):
            opened = unit.prefix[int(tokens.wants_opening()) :]
            for question in unit.questions:
                assert control.isdisjoint((*opened, *question.ids))
                assert question.ids[-2:] == tokens.tokenize("=\n")[-2:]
                assert len(unit.prefix) + len(question.ids) + Compact.answer_tokens <= 4096


def test_a_compact_model_is_served_by_what_its_file_says(both):
    _, native = both
    generator = load(str(native.path), Config(threads=1))
    assert isinstance(generator, LlamaGenerator)
    assert not generator.bespoke
    requests = [synthetic_request(table) for table in synthetic_tables(2, 40, seed=4)]
    together = {one.ref: one.text for one in generator.describe(requests)}
    apart = {one.ref: one.text for request in reversed(requests) for one in generator.describe([request])}
    generator.close()
    assert set(together) == {ref for request in requests for ref in request.table.refs()}
    assert apart == together


def test_another_version_of_the_grammar_is_told(tmp_path):
    folder = FAMILIES["qwen"](tmp_path / "base", hidden=32)
    path = _gguf("qwen", folder, tmp_path / "m.gguf", **{"docgen.grammar": "docgen-compact-9"})
    with pytest.raises(ModelError, match="made for the grammar docgen-compact-9"):
        load(str(path), Config(threads=1))


def test_long_names_halve_the_window(both):
    _, native = both
    columns = tuple(Column(f"{'quite_' * 60}long_{number}") for number in range(32))
    table = Table("t", "wide", columns=columns)
    units = list(Compact(native).units(TableRequest(table, tuple(one.name for one in columns))))
    assert sum(len(unit.questions) for unit in units) == 32
    assert len(units) > 1


def test_instruct_ends_as_the_template_does(both):
    base, _ = both
    asking = make_asking("instruct", base)
    assert (asking.end,) == base.tokenize("<|im_end|>", True)
    assert make_asking("compact", base).end == base.ending()


def test_a_base_without_a_template_is_told_only_for_instruct(tmp_path):
    folder = FAMILIES["qwen"](tmp_path / "base", template="", hidden=32)
    tokens = BaseTokens(find_base(str(folder)), 4096)
    assert make_asking("compact", tokens).end == tokens.ending()
    with pytest.raises(ModelError, match="has no chat template, which --prompt instruct speaks through"):
        make_asking("instruct", tokens)


def test_a_short_context_is_told(both):
    base, _ = both
    with pytest.raises(ModelError, match="a context of 128 tokens is too short"):
        Compact(BaseTokens(replace(find_base(str(base.path))), 128))
