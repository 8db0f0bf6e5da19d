"""The bespoke vocabulary: sentencepiece BPE with one control token per mark of the prompt.

docgen-train vocabulary --size 8192 --out training/runs/tokenizer.model FILE...
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_plugin.prompt import CONTEXT_COLUMNS, MARKS, Mark, Segment, encode, prefix, question
from docgen_plugin.words import name_words
from docgen_training.records import Record

__all__ = ["RAW", "Vocabulary", "column_prompts", "mend_sentencepiece", "train_vocabulary"]

RAW = "<raw>"  # in place of <desc> before human text of any voice; never asked for in use
_CONTROL = (*MARKS, RAW)


class Vocabulary:
    """A trained sentencepiece model, with the ids of the marks."""

    def __init__(self, path: Path) -> None:
        """Load it.

        Raises:
            DocgenError: when the file is no sentencepiece model or lacks a mark.
        """
        import sentencepiece

        try:
            self.pieces: Any = sentencepiece.SentencePieceProcessor(model_file=str(path))
        except (OSError, RuntimeError) as err:
            raise DocgenError(f"{path}: not a sentencepiece model: {err}") from err
        self.size: int = self.pieces.get_piece_size()
        self.end: int = self.pieces.eos_id()
        self.marks = {piece: int(self.pieces.piece_to_id(piece)) for piece in _CONTROL}
        self.marks["<s>"] = self.pieces.bos_id()
        self.opening = Mark("<s>")
        missing = [piece for piece, number in self.marks.items() if number == self.pieces.unk_id()]
        if missing:
            raise DocgenError(
                f"{path}: lacks the marks {', '.join(missing)}: train it with `docgen-train vocabulary`"
            )
        self.encode = lru_cache(maxsize=200_000)(self._encode)

    def _encode(self, text: str) -> list[int]:
        ids: list[int] = self.pieces.encode(text)
        return ids

    def prompt(self, segments: Sequence[Segment]) -> list[int]:
        """Return the token ids of prompt segments."""
        return encode(segments, self.marks, self.encode)

    def decode(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, marks left out."""
        text: str = self.pieces.decode(list(ids))
        return text


def column_prompts(records: Iterable[Record], vocabulary: Vocabulary, most: int) -> list[list[int]]:
    """Return whole prompts as token ids, prefix and question, of up to `most` columns, three a table at most."""
    prompts: list[list[int]] = []
    for record in records:
        shown = [column.name for column in record.table.columns[:CONTEXT_COLUMNS]]
        shared = vocabulary.prompt(
            (vocabulary.opening, *prefix(replace(record.table, description=""), shown))
        )
        for column in record.table.columns[:3]:
            prompts.append(shared + vocabulary.prompt(question(column, (), record.table)))
            if len(prompts) == most:
                return prompts
    return prompts


def _lines(records: Iterable[Record]) -> Iterator[str]:
    for record in records:
        yield " ".join(name_words(record.table.name))
        if record.table.description:
            yield record.table.description
        for column in record.table.columns:
            yield " ".join(name_words(column.name))
            if column.description:
                yield column.description


def train_vocabulary(
    records: Iterable[Record], size: int, out: Path, seed: int, most_lines: int = 600_000
) -> None:
    """Write a sentencepiece BPE model of `size` pieces, the marks included, learnt from the records."""
    import sentencepiece

    lines = list(_lines(records))
    random.Random(seed).shuffle(lines)
    out.parent.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines[:most_lines]),
        model_prefix=str(out.with_suffix("")),
        vocab_size=size,
        model_type="bpe",
        # llama.cpp's tokenizer normalises nothing: neither must we
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        byte_fallback=True,
        split_digits=True,
        character_coverage=0.9995,
        control_symbols=",".join(_CONTROL),
        num_threads=2,
        minloglevel=2,
    )


def mend_sentencepiece() -> None:
    """Let transformers read sentencepiece files beside dbt: call it before a tokenizer is loaded.

    NOTE: sentencepiece's own description of its files refuses the protobuf that dbt pins, transformers then takes
    the file for another kind and fails; transformers brings a description that every protobuf reads.
    """
    from google.protobuf.runtime_version import VersionError  # type: ignore[import-untyped]

    try:
        import sentencepiece.sentencepiece_model_pb2  # noqa: F401
    except (VersionError, ImportError):
        from transformers.utils import sentencepiece_model_pb2_new

        sys.modules["sentencepiece.sentencepiece_model_pb2"] = sentencepiece_model_pb2_new
