"""What a column's prompt costs in tokens: a prompt that a model was trained on against an instruction, the table shared or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docgen_plugin.compact import Compact
from docgen_plugin.dialect import Dialect
from docgen_plugin.generate import TableRequest
from docgen_plugin.instruct import Instruct
from docgen_plugin.llama import dialect_of
from docgen_plugin.llama_batch import Unit
from docgen_plugin.llama_native import NativeModel
from docgen_plugin.model import Table
from docgen_training.evaluate import column_requests

__all__ = ["PromptTokens", "count_candidate", "count_units", "count_vocabulary"]


@dataclass(frozen=True, slots=True)
class PromptTokens:
    """Mean prompt tokens a column over some tables, the answer left out."""

    columns: int
    shared: float  # a table's prefix once for all columns of a window, and each column's question
    alone: float  # the prefix anew for every column: one call a column


def count_units(units: Iterable[Unit]) -> PromptTokens:
    """Return the mean prompt tokens a column of what is asked.

    >>> from docgen_plugin.llama_batch import Question
    >>> from docgen_plugin.model import ColumnRef
    >>> asked = tuple(Question(ColumnRef("orders", name), (7, 8)) for name in ("id", "total"))
    >>> count_units([Unit((1, 2, 3, 4), asked)])
    PromptTokens(columns=2, shared=4.0, alone=6.0)
    """
    columns = shared = alone = 0
    for unit in units:
        questions = sum(len(question.ids) for question in unit.questions)
        columns += len(unit.questions)
        shared += len(unit.prefix) + questions
        alone += len(unit.prefix) * len(unit.questions) + questions
    count = max(columns, 1)
    return PromptTokens(columns, round(shared / count, 1), round(alone / count, 1))


def count_candidate(path: Path, tables: Sequence[Table]) -> dict[str, Any]:
    """Return what the tables cost with a model's own prompt and with the instruction, both in its vocabulary.

    Raises:
        ModelError: when the file cannot be loaded.
    """
    requests = column_requests(tables, hinted=True)
    model = NativeModel(path, 0)
    try:
        instruction = _counted(Instruct(model), requests)
        own = _counted(dialect_of(model), requests)
    finally:
        model.close()
    return {
        "vocabulary": model.vocabulary_size,
        "own": asdict(own),
        "instruction": asdict(instruction),
    }


def count_vocabulary(path: Path, tables: Sequence[Table]) -> dict[str, Any]:
    """Return what the tables cost in another model's vocabulary, of which no weights are needed.

    "own" is there the compact prompt, in which fine-tuning teaches a base to be asked.

    Raises:
        ModelError: when the file cannot be loaded.
    """
    requests = column_requests(tables, hinted=True)
    model = NativeModel(path, 0, vocabulary_only=True)
    try:
        instruction = _counted(Instruct(model), requests)
        own = _counted(Compact(model), requests)
    finally:
        model.close()
    return {
        "name": path.stem,
        "vocabulary": model.vocabulary_size,
        "own": asdict(own),
        "instruction": asdict(instruction),
    }


def _counted(dialect: Dialect, requests: Sequence[TableRequest]) -> PromptTokens:
    return count_units(unit for request in requests for unit in dialect.units(request))
