"""The rows that a fine-tuning would make of a file of documented tables, counted before there is a base.

The rows are those of `docgen-train finetune`, laid out by the same code; only where the base's tokenizer is not at hand
its tokens are estimated by characters.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from docgen_plugin.compact import Compact
from docgen_plugin.errors import DocgenError
from docgen_plugin.grounding import UNCLEAR
from docgen_training.base_tokens import BaseTokens
from docgen_training.bases import Base
from docgen_training.completions import Asking, completions, documented
from docgen_training.finetune_options import FinetuneOptions
from docgen_training.packing import fitting, lay_out

__all__ = ["DataTokens", "count_data"]

# of compact prompts and texts: 3.2 in the vocabulary of Llama 2, 3.5 in MPT's, 4.0 in those of Llama 3 and Qwen 2 (LOG.md)
_CHARS_PER_TOKEN = 3.5
_TOKENIZERS = ("tokenizer.json", "tokenizer.model")


@dataclass(frozen=True, slots=True)
class DataTokens:
    """The rows of an epoch."""

    texts: int
    rows: int
    positions: int  # rows x width: what is computed, padding included
    tokens: int
    targets: int  # tokens of answers, their end marks included
    layout: str  # packing.LAYOUTS
    counted: str  # how, for the reader


class _Estimated:
    """Stands in for a tokenizer: every few characters are a token."""

    def __init__(self, path: Path) -> None:
        self.path, self.trained_context = path, 0

    def tokenize(self, text: str, _specials: bool = False) -> tuple[int, ...]:
        return (3,) * math.ceil(len(text) / _CHARS_PER_TOKEN)

    def template(self) -> str:
        return ""

    def opening(self) -> int:
        return 1

    def wants_opening(self) -> bool:
        return True

    def ending(self) -> int:
        return 2

    def piece(self, _token: int, _specials: bool = False) -> bytes:
        return b""

    def text(self, _ids: Sequence[int]) -> str:
        return ""


def count_data(data: Path, base: str, width: int, shared: bool) -> DataTokens:
    """Return the rows of `width` tokens; without `shared` a base cannot answer side by side behind one prefix.

    Raises:
        DocgenError: when the file cannot be read, documents nothing, or nothing of it fits a row.
        ModelError: when the base's tokenizer is there and cannot be used.
    """
    records = documented([data])
    folder = Path(base).expanduser()
    if any((folder / name).is_file() for name in _TOKENIZERS):
        tokens = BaseTokens(Base(folder.name, "", folder, "", 0), 0)
        counted = "counted with the base's own tokenizer"
    else:
        tokens = cast(BaseTokens, _Estimated(folder))
        counted = f"estimated at {_CHARS_PER_TOKEN:g} characters a token: the base's tokenizer is not here"
    asking = Asking(Compact(tokens), tokens, tokens.ending(), UNCLEAR)
    usual = FinetuneOptions()
    kept, _ = fitting(completions(records, asking, usual.hints, usual.seed), width)
    if not kept:
        raise DocgenError(f"--width {width}: no table with a question and its answer fits: give a higher one")
    layout = "tree" if shared else "blocks"
    rows = lay_out(kept, width, layout)
    return DataTokens(
        texts=sum(len(pairs) for _, pairs in kept),
        rows=len(rows["tokens"]),
        positions=rows["tokens"].size,
        tokens=int((rows["tree"] >= 0).sum()),
        targets=int((rows["targets"] >= 0).sum()),
        layout=layout,
        counted=counted,
    )
