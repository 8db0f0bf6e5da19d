"""The systems that are compared: baselines that need no model, a model as `docgen suggest` serves it, texts from a file.

A system is named `template`, `dictionary`, `neighbour=RECORDS`, `human`, `NAME=FILE.gguf` or `NAME=TEXTS.jsonl`.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from docgen_plugin.concepts import lexicon, printed
from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError
from docgen_plugin.generate import Answer, Generator, TableRequest, load
from docgen_plugin.model import Catalog, Column, Suggestion, Table
from docgen_plugin.pipeline import suggest
from docgen_plugin.store import Ledger
from docgen_plugin.words import entity_words, name_words
from docgen_training.neighbours import Neighbours
from docgen_training.records import Record

__all__ = [
    "Texts",
    "bare",
    "described",
    "dictionary_text",
    "read_texts",
    "served",
    "served_texts",
    "system_texts",
    "template_text",
    "write_texts",
]

Texts = Mapping[tuple[str, str], str]  # (table key, column name) -> text


def described(tables: Iterable[Table]) -> Iterator[tuple[Table, Column]]:
    """Yield every column of the tables that has a human description."""
    for table in tables:
        for column in table.columns:
            if column.description:
                yield table, column


def bare(table: Table) -> Table:
    """Return a table without any description: what a system may see of it."""
    columns = tuple(replace(column, description="") for column in table.columns)
    return replace(table, description="", columns=columns)


def template_text(table: Table, column: Column) -> str:
    """Return the name-echo baseline: the name's words and the table's entity."""
    return f"The {printed(name_words(column.name))} of the {printed(entity_words(table.name))}."


def dictionary_text(table: Table, column: Column) -> str:
    """Return the second baseline: what the concept dictionary composes, else the template."""
    hints = lexicon().hints(table, column)
    return hints[0] if hints else template_text(table, column)


class _Kept:
    """A generator that outlives the run that uses it: `suggest` closes what it loaded."""

    def __init__(self, generator: Generator) -> None:
        self._generator = generator
        self.name, self.device = generator.name, generator.device
        self.bespoke = getattr(generator, "bespoke", False)
        self.weighs = getattr(generator, "weighs", False)
        self.tuned = getattr(generator, "tuned", False)
        self.words: frozenset[str] = getattr(generator, "words", frozenset())

    def describe(self, requests: Iterable[TableRequest]) -> Iterator[Answer]:
        return self._generator.describe(requests)

    def close(self) -> None:
        """Leave it open."""


def served(generator: Generator, tables: Sequence[Table], config: Config) -> list[Suggestion]:
    """Return what a user of `docgen suggest` gets for tables that nobody described: one suggestion for every place.

    The whole pipeline runs: dictionary, hints, the model, grounding; with a ledger that is thrown away.
    """
    with tempfile.TemporaryDirectory() as scratch, Ledger(Path(scratch) / "ledger.db") as ledger:
        catalog = Catalog("evaluation", "records", tuple(map(bare, tables)))
        suggest("evaluation", config, ledger, lambda: _Kept(generator), catalog=catalog, chosen=True)
        return [row.suggestion for row in ledger.rows("evaluation")]


def served_texts(
    generator: Generator, tables: Sequence[Table], config: Config
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], str]]:
    """Return what a user of `docgen suggest` gets for every described column: texts and their origins."""
    wanted = {(table.key, column.name) for table, column in described(tables)}
    kept = [one for one in served(generator, tables, config) if (one.ref.table, one.ref.column) in wanted]
    return (
        {(one.ref.table, one.ref.column): one.text for one in kept},
        {(one.ref.table, one.ref.column): one.origin for one in kept},
    )


def system_texts(name: str, tables: Sequence[Table], records: Sequence[Record], config: Config) -> Texts:
    """Return the texts of a system, by its name on the command line, for every described column of the tables.

    Raises:
        DocgenError: when the name means no system, or its file lacks a column.
    """
    places = list(described(tables))
    if name == "human":
        return {(table.key, column.name): column.description for table, column in places}
    if name == "template":
        return {(table.key, column.name): template_text(table, column) for table, column in places}
    if name == "dictionary":
        return {(table.key, column.name): dictionary_text(table, column) for table, column in places}
    if name == "neighbour":
        known = Neighbours(records)
        return {(table.key, column.name): known.text(table, column) for table, column in places}
    path = Path(name)
    if path.suffix == ".jsonl":
        return read_texts(path, tables)
    if path.suffix == ".gguf" or not name:
        generator = load(name, config)
        try:
            return served_texts(generator, tables, config)[0]
        finally:
            generator.close()
    raise DocgenError(
        f"--system {name}: is none of template, dictionary, neighbour, human, FILE.gguf and FILE.jsonl"
    )


def write_texts(path: Path, texts: Texts) -> int:
    """Write texts as JSON lines {"table", "column", "text"}; return how many."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [
        json.dumps({"table": table, "column": column, "text": text}, ensure_ascii=False) + "\n"
        for (table, column), text in texts.items()
    ]
    path.write_text("".join(lines), encoding="utf-8")
    return len(lines)


def read_texts(path: Path, tables: Sequence[Table]) -> Texts:
    """Return the texts of a file for the described columns of the tables.

    Raises:
        DocgenError: naming the file, when it cannot be read or lacks a column.
    """
    try:
        rows = [json.loads(line) for line in path.read_text("utf-8").split("\n") if line.strip()]
        found = {(row["table"], row["column"]): str(row["text"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as err:
        raise DocgenError(f'{path}: wants lines {{"table", "column", "text"}}: {err!r}') from err
    wanted = [(table.key, column.name) for table, column in described(tables)]
    lacking = [place for place in wanted if place not in found]
    if lacking:
        raise DocgenError(f"{path}: has no text for {'.'.join(lacking[0])} and {len(lacking) - 1} more")
    return {place: found[place] for place in wanted}
