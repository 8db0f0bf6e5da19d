"""The table of a selection: every figure with the formula that it comes from, and its cells as they are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from docgen_training.progress import span

__all__ = [
    "ABOUT_VOCABULARIES",
    "ROWS",
    "VOCABULARY_TITLES",
    "Cell",
    "Line",
    "Row",
    "table_lines",
    "vocabulary_cells",
]

Measured = Mapping[str, Any]  # one candidate of selection.json
Value = str | float | None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: a figure of every candidate, and the formula that it comes from."""

    group: str
    title: str
    value: Callable[[Measured], Value]
    shape: str  # how a number is printed
    note: str
    better: int = 0  # 1: higher is better, -1: lower is, 0: neither


def _quality(where: str, key: str) -> Callable[[Measured], Value]:
    return lambda one: one[where][key]


def _tokens(prompt: str, key: str) -> Callable[[Measured], Value]:
    return lambda one: one["prompt"][prompt][key] if one["prompt"] else None


def _megabytes(one: Measured) -> Value:
    return None if one["bytes"] is None else one["bytes"] / 1e6


def _ratio(one: Measured) -> Value:
    return one["prompt"]["own"]["shared"] / one["prompt"]["instruction"]["shared"] if one["prompt"] else None


def _training(one: Measured) -> Value:
    seconds = (one["training"] or {}).get("seconds")
    return None if seconds is None else span(seconds)


def _range(one: Measured) -> Value:
    low, high = one["served"]["interval"]
    return f"{low:.3f} to {high:.3f}"


ROWS = (
    Row("The file", "licence", lambda one: one["license"] or "not stated", "",
        "general.license of the GGUF's metadata, else of the manifest beside it"),
    Row("The file", "data licence", lambda one: one["data_license"] or "not stated", "",
        "docgen.data_license of the GGUF's metadata, else of the manifest's data"),
    Row("The file", "quantisation", lambda one: one["quantisation"] or "not stated", "",
        "general.file_type of the GGUF's metadata"),
    Row("The file", "file, MB", _megabytes, ".1f", "bytes of the file / 1,000,000", -1),
    Row("As docgen suggest serves it", "chrF", _quality("served", "chrf"), ".1f",
        "character n-gram F-score of all texts against the human ones, corpus level (sacrebleu), 0 to 100; "
        "rewards repeating the name", 1),
    Row("As docgen suggest serves it", "back-identification", _quality("served", "back_identification"), ".3f",
        "texts whose chrF is highest with their own column's human text among its siblings' / columns", 1),
    Row("As docgen suggest serves it", "its 95 % interval", _range, "",
        "2.5th and 97.5th percentile of 1,000 resamplings of the tables: candidates whose intervals overlap are not "
        "told apart by these tables"),
    Row("As docgen suggest serves it", "claims per 100", _quality("served", "claims_per_100"), ".2f",
        "100 × texts with a unit, number, table, uniqueness or kind of content that the schema does not give / columns",
        -1),
    Row("As docgen suggest serves it", "name echo", _quality("served", "name_echo"), ".3f",
        "texts without a word beyond those of the name / columns", -1),
    Row("As docgen suggest serves it", "valid", _quality("served", "valid"), ".3f",
        "texts in the form of a description (a capital, a full stop, at most 25 words, nothing twice) / columns", 1),
    Row("As docgen suggest serves it", "unclear", _quality("served", "unclear"), ".3f",
        "columns answered 'Unclear from the schema.' / columns"),
    Row("The model alone, with hints", "chrF", _quality("alone", "chrf"), ".1f",
        "as above, of what the model itself writes for every column before any check, the dictionary's hints given", 1),
    Row("The model alone, with hints", "back-identification", _quality("alone", "back_identification"), ".3f",
        "as above, of the same texts", 1),
    Row("The model alone, with hints", "claims per 100", _quality("alone", "claims_per_100"), ".2f",
        "as above, of the same texts", -1),
    Row("Speed and memory", "columns/s", lambda one: one["columns_per_second"], ".0f",
        "columns / seconds of answering them all, the model alone, after one table as a warm-up; the best of the runs", 1),
    Row("Speed and memory", "columns a second of one core", lambda one: one["columns_per_core_second"], ".0f",
        "columns / seconds of processor time, all threads together; says more where the machine has other work", 1),
    Row("Speed and memory", "loads in, s", lambda one: one["load_s"], ".2f", "seconds until the model can answer", -1),
    Row("Speed and memory", "peak memory, MB", lambda one: one["peak_mb"], ".0f",
        "most resident memory of the candidate's own process until all columns are answered / 1,000,000; Python and "
        "the dictionary are in it", -1),
    Row("Prompt tokens a column", "its own prompt", _tokens("own", "shared"), ".1f",
        "(tokens of the tables' prefixes, each once a window of 32 columns, + tokens of the questions) / columns; the "
        "answer is left out", -1),
    Row("Prompt tokens a column", "the same, a call a column", _tokens("own", "alone"), ".1f",
        "(tokens of the prefix × its columns + tokens of the questions) / columns: nothing is shared", -1),
    Row("Prompt tokens a column", "an instruction", _tokens("instruction", "shared"), ".1f",
        "the same tables asked by the instruction that a general model gets (its chat template where it has one), in "
        "this candidate's vocabulary, prefix shared"),
    Row("Prompt tokens a column", "an instruction, a call a column", _tokens("instruction", "alone"), ".1f",
        "the same, nothing shared"),
    Row("Prompt tokens a column", "own / instruction", _ratio, ".2f",
        "tokens of its own prompt / tokens of the instruction, both shared", -1),
    Row("Cost", "training time", _training, "",
        "seconds of docgen.run in the file, else of run.json beside it or of its manifest, else the time budget of the last run in "
        "docgen.plan (runs before that are not in it)"),
    Row("Cost", "training cost", lambda one: one["cost"]["training"], ".2f",
        "training seconds / 3,600 × price per hour", -1),
    Row("Cost", "a million columns", lambda one: one["cost"]["million_columns"], ".2f",
        "1,000,000 / (columns/s) / 3,600 × price per hour", -1),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one candidate as it is printed."""

    text: str
    best: bool  # of several candidates that differ


@dataclass(frozen=True, slots=True)
class Line:
    """One row as it is printed; `note` is the number of its footnote."""

    title: str
    note: int
    cells: tuple[Cell, ...]


def table_lines(candidates: Sequence[Measured]) -> dict[str, list[Line]]:
    """Return the lines of the table by group, the best of several candidates marked."""
    groups: dict[str, list[Line]] = {}
    for number, row in enumerate(ROWS, 1):
        values = [row.value(one) for one in candidates]
        shown = [_shown(value, row.shape) for value in values]
        numbers = [value for value in values if isinstance(value, int | float)]
        best = _shown(max(numbers, key=lambda value: row.better * value), row.shape) if numbers else ""
        told_apart = row.better != 0 and len(set(shown)) > 1
        cells = tuple(Cell(text, told_apart and text == best) for text in shown)
        groups.setdefault(row.group, []).append(Line(row.title, number, cells))
    return groups


def _shown(value: Value, shape: str) -> str:
    if value is None:
        return "not known"
    return value if isinstance(value, str) else format(value, f",{shape}")


ABOUT_VOCABULARIES = (
    "The same tables, in the vocabularies of other models: tokens a column, the prefix shared unless said otherwise. Compact "
    "is the prompt in which fine-tuning teaches a base to be asked. A vocabulary without a chat template gets the instruction "
    "in plain labels."
)
VOCABULARY_TITLES = (
    "vocabulary",
    "pieces",
    "compact",
    "instruction",
    "compact / instruction",
    "compact, a call a column",
    "instruction, a call a column",
)


def vocabulary_cells(vocabularies: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Return the cells of the table of vocabularies."""
    return [
        [
            one["name"],
            f"{one['vocabulary']:,}",
            f"{one['own']['shared']:.1f}",
            f"{one['instruction']['shared']:.1f}",
            f"{one['own']['shared'] / one['instruction']['shared']:.2f}",
            f"{one['own']['alone']:.1f}",
            f"{one['instruction']['alone']:.1f}",
        ]
        for one in vocabularies
    ]
