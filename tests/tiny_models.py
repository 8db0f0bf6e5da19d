"""Tiny GGUF files with seeded random weights: real llama.cpp runs in milliseconds, the answers are garbage.

`tiny_bespoke_gguf` speaks the bespoke grammar, `tiny_instruct_gguf` has a ChatML template. One coordinate of
the residual stream is the same for every token, so the end mark has a constant pull: answers end by
themselves after some tokens, some run into the limit.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from docgen_training.records import Record
from docgen_training.vocabulary import train_vocabulary

from docgen_plugin.generate import TableRequest
from docgen_plugin.model import Column, ForeignKey, Table
from docgen_plugin.prompt import GRAMMAR

__all__ = [
    "CHATML",
    "Shape",
    "bespoke_gguf",
    "instruct_gguf",
    "quantised",
    "synthetic_request",
    "synthetic_tables",
    "tiny_bespoke_gguf",
    "tiny_instruct_gguf",
    "write_gguf",
    "write_network",
]

_NOUNS = [
    "customer",
    "order",
    "invoice",
    "product",
    "shipment",
    "warehouse",
    "payment",
    "account",
    "region",
    "patient",
    "ticket",
    "film",
]
_PARTS = [
    "id",
    "name",
    "status",
    "amount",
    "date",
    "code",
    "type",
    "number",
    "email",
    "address",
    "total",
    "quantity",
    "created",
    "updated",
]
_TYPES = ("integer", "varchar(40)", "numeric(12,2)", "timestamp", "boolean", "date", "")
_SAYINGS = (
    "Identifier of the {noun} that the {part} belongs to",
    "Date when the {noun} {part} was recorded, in UTC",
    "Total {part} of the {noun}, in the currency of the account",
    "Whether the {noun} has a {part}; empty where it does not apply",
)

_SHARP = 3.0
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)

# token types of the GGUF format: ggml-org/llama.cpp, include/llama.h, enum llama_token_type
_NORMAL, _UNKNOWN, _CONTROL, _BYTE = 1, 2, 3, 6


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a Llama network."""

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    inner: int = 128
    context: int = 1024
    vocabulary: int = 0  # pieces, made up with pieces that no text has; 0 for as many as were learnt
    end_pull: float = 1.8  # constant added to the end mark's logit, in deviations of the others


def synthetic_tables(count: int, columns: int, seed: int = 0) -> Iterator[Table]:
    """Yield made-up tables with the given number of columns each, the same ones for the same seed."""
    draw = random.Random(seed)
    for number in range(count):
        names = [f"{draw.choice(_NOUNS)}_{draw.choice(_PARTS)}_{index}" for index in range(columns)]
        yield Table(
            key=f"shop.{draw.choice(_NOUNS)}_{number}",
            name=f"{draw.choice(_NOUNS)}_{draw.choice(_NOUNS)}s",
            columns=tuple(_column(draw, name) for name in names),
        )


def _column(draw: random.Random, name: str) -> Column:
    noun = draw.choice(_NOUNS)
    return Column(
        name,
        draw.choice(_TYPES),
        primary_key=draw.random() < 0.1,
        not_null=draw.random() < 0.3,
        foreign_key=ForeignKey(f"{noun}s", "id") if draw.random() < 0.1 else None,
        values=("open", "closed", "on hold") if draw.random() < 0.1 else (),
    )


def synthetic_request(table: Table) -> TableRequest:
    """Return the request for everything a table can be asked, with a hint for every third column."""
    names = tuple(column.name for column in table.columns)
    hints = {name: (f"Text of {name}",) for name in names[::3]}
    return TableRequest(table, names, with_table=True, hints=hints)


def _lines(draw: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        yield draw.choice(_SAYINGS).format(noun=draw.choice(_NOUNS), part=draw.choice(_PARTS))


def _records(count: int) -> Iterator[Record]:
    draw = random.Random(1)
    for table in synthetic_tables(count, 8, seed=1):
        texts = _lines(draw, len(table.columns))
        columns = (Column(one.name, description=text) for one, text in zip(table.columns, texts, strict=True))
        yield Record(Table(table.key, table.name, columns=tuple(columns)), "synthetic", "CC0-1.0")


def _chat_vocabulary(path: Path, size: int) -> None:
    import sentencepiece

    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=_lines(random.Random(2), 4000),
        model_prefix=str(path.with_suffix("")),
        vocab_size=size,
        model_type="bpe",
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        byte_fallback=True,
        control_symbols="<|im_start|>,<|im_end|>",
        num_threads=1,
        minloglevel=2,
    )


def write_gguf(
    path: Path,
    vocabulary: Path,
    shape: Shape = Shape(),
    end: str = "</s>",
    metadata: Iterable[tuple[str, str]] = (),
    architecture: str = "llama",
    seed: int = 0,
    opens: bool = False,
) -> Path:
    """Write a Llama of random weights with a sentencepiece vocabulary as a GGUF file and return its path.

    With `opens`, <s> stands before every text.
    """
    import gguf
    import sentencepiece

    pieces: Any = sentencepiece.SentencePieceProcessor(model_file=str(vocabulary))
    writer = gguf.GGUFWriter(str(path), architecture)
    writer.add_name(path.stem)
    writer.add_tokenizer_model("llama")
    learnt = pieces.get_piece_size()
    size = max(learnt, shape.vocabulary)
    made_up = range(learnt, size)
    writer.add_token_list(
        [pieces.id_to_piece(one) for one in range(learnt)] + [f"\u2581~{one}~" for one in made_up]
    )
    writer.add_token_scores(
        [pieces.get_score(one) for one in range(learnt)] + [-1e6 - one for one in made_up]
    )
    writer.add_token_types([_token_type(pieces, one) for one in range(learnt)] + [_NORMAL for _ in made_up])
    writer.add_bos_token_id(pieces.bos_id())
    writer.add_eos_token_id(pieces.piece_to_id(end))
    writer.add_unk_token_id(pieces.unk_id())
    writer.add_add_bos_token(opens)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(True)
    for key, value in metadata:
        writer.add_string(key, value)
    write_network(writer, shape, size, pieces.piece_to_id(end), seed)
    return path


def write_network(writer: Any, shape: Shape, size: int, end: int, seed: int = 0) -> None:
    """Add the shape and random weights to a GGUF whose vocabulary of `size` pieces is told; write and close it."""
    import gguf

    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_context_length(shape.context)
    writer.add_embedding_length(shape.hidden)
    writer.add_block_count(shape.layers)
    writer.add_feed_forward_length(shape.inner)
    writer.add_head_count(shape.heads)
    writer.add_head_count_kv(shape.heads)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(shape.hidden // shape.heads)
    for name, values in _weights(shape, size, end, seed):
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _token_type(pieces: Any, number: int) -> int:
    if pieces.is_unknown(number):
        return _UNKNOWN
    if pieces.is_control(number):
        return _CONTROL
    return _BYTE if pieces.is_byte(number) else _NORMAL


def _weights(shape: Shape, size: int, end: int, seed: int) -> Iterator[tuple[str, Any]]:
    draw = np.random.default_rng(seed)
    hidden, inner = shape.hidden, shape.inner

    def matrix(rows: int, columns: int, scale: float = 1.0) -> Any:
        return (draw.standard_normal((rows, columns)) * scale / columns**0.5).astype(np.float32)

    def norm() -> Any:
        return np.ones(hidden, np.float32)

    embedding = draw.standard_normal((size, hidden)).astype(np.float32)
    embedding[:, 0] = 4.0  # the same for every token
    output = matrix(size, hidden)
    output[:, 0] = 0.0
    output[end, :] *= 0.3
    output[end, 0] = shape.end_pull / 3.0
    yield "token_embd.weight", embedding.astype(np.float16)
    yield "output_norm.weight", norm()
    yield "output.weight", output.astype(np.float16)
    for layer in range(shape.layers):
        for name, rows, columns in _block(hidden, inner):
            # sharp attention, so that an answer depends on single tokens of the prompt
            values = matrix(rows, columns, _SHARP if name in ("attn_q", "attn_k") else 0.7)
            if rows == hidden and name in ("attn_output", "ffn_down"):
                values[0, :] = 0.0
            yield f"blk.{layer}.{name}.weight", values.astype(np.float16)
        yield f"blk.{layer}.attn_norm.weight", norm()
        yield f"blk.{layer}.ffn_norm.weight", norm()


def _block(hidden: int, inner: int) -> Sequence[tuple[str, int, int]]:
    return (
        ("attn_q", hidden, hidden),
        ("attn_k", hidden, hidden),
        ("attn_v", hidden, hidden),
        ("attn_output", hidden, hidden),
        ("ffn_gate", inner, hidden),
        ("ffn_up", inner, hidden),
        ("ffn_down", hidden, inner),
    )


def bespoke_gguf(path: Path, size: int = 640, shape: Shape = Shape(), seed: int = 0) -> Path:
    """Write an untrained model of the bespoke grammar; its vocabulary stays beside it as `.model`."""
    vocabulary = path.with_suffix(".model")
    train_vocabulary(_records(600), size, vocabulary, seed=1)
    return write_gguf(path, vocabulary, shape, metadata=[("docgen.grammar", GRAMMAR)], seed=seed)


def instruct_gguf(path: Path, template: str = CHATML) -> Path:
    """Write an untrained model with a chat template ("" for none); its vocabulary stays beside it."""
    vocabulary = path.with_suffix(".model")
    _chat_vocabulary(vocabulary, 640)
    chat = [("tokenizer.chat_template", template)] if template else []
    return write_gguf(path, vocabulary, Shape(context=4096, end_pull=1.9), end="<|im_end|>", metadata=chat)


def quantised(path: Path, source: Path) -> Path:
    """Write a model with Q8_0 weights and return its path."""
    from llama_cpp import llama_cpp

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = llama_cpp.LLAMA_FTYPE_MOSTLY_Q8_0
    params.nthread = 1
    assert llama_cpp.llama_model_quantize(bytes(source), bytes(path), params) == 0
    return path


@pytest.fixture(scope="session")
def tiny_bespoke_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of an untrained model of the bespoke grammar."""
    return bespoke_gguf(tmp_path_factory.mktemp("tiny") / "tiny-bespoke.gguf")


@pytest.fixture(scope="session")
def tiny_instruct_gguf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the path of an untrained general model with a ChatML template."""
    return instruct_gguf(tmp_path_factory.mktemp("tiny") / "tiny-instruct.gguf")
