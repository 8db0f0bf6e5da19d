"""A model on documented tables it has not seen, beside two baselines that need no model.

docgen-train evaluate docgen_plugin/models/docgen-base.gguf --data valid.jsonl.xz --out scores.json
"""

from __future__ import annotations

import random
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from docgen_plugin.concepts import lexicon, printed
from docgen_plugin.config import Config
from docgen_plugin.generate import Generator, TableRequest, load
from docgen_plugin.model import Catalog, Column, Table
from docgen_plugin.pipeline import suggest
from docgen_plugin.store import Ledger
from docgen_plugin.words import entity_words, name_words
from docgen_training.records import Record
from docgen_training.synthesize import UNCLEAR

__all__ = ["Scores", "Texts", "evaluate", "is_echo", "sample_tables", "score"]

Texts = Mapping[tuple[str, str], str]  # (table key, column name) -> text

_STOP = frozenset("the a an of for in to this is and column field value name record".split())


@dataclass(frozen=True, slots=True)
class Scores:
    """One system on one set of tables."""

    columns: int
    chrf: float  # chrF of all texts against the human ones, 0 to 100, higher is better (sacrebleu, corpus level)
    back_identification: (
        float  # share of texts closest (chrF) to their own column's human text among its siblings' 0 to 1
    )
    name_echo: float  # share of texts that say nothing beyond the name, 0 to 1, lower is better
    unclear: float  # share of columns answered with "unclear", 0 to 1
    words: float  # mean words a text
    columns_per_second: float = 0.0  # of generating alone; 0 for the baselines


def sample_tables(records: Iterable[Record], tables: int, seed: int) -> list[Table]:
    """Return up to `tables` tables with at least four described columns, drawn evenly over the sources."""
    by_source: dict[str, list[Table]] = {}
    for record in records:
        described = sum(1 for column in record.table.columns if column.description)
        if described >= 4 and len(record.table.columns) <= 80:
            by_source.setdefault(record.source, []).append(record.table)
    draw = random.Random(seed)
    for group in by_source.values():
        draw.shuffle(group)
    picked: list[Table] = []
    while len(picked) < tables and any(by_source.values()):
        for source in sorted(by_source):
            if by_source[source] and len(picked) < tables:
                picked.append(by_source[source].pop())
    return [replace(table, key=f"{table.key}#{number}") for number, table in enumerate(picked)]


def is_echo(text: str, name: str) -> bool:
    """Return whether a text says nothing that the name does not.

    >>> is_echo("The customer name.", "cust_nm"), is_echo("Name of the buyer.", "cust_nm")
    (True, False)
    """
    words = {word.strip(".,:;()").lower() for word in text.split()}
    return words <= {*name_words(name), *_STOP}


def template_text(table: Table, column: Column) -> str:
    """Return the name-echo baseline: the name's words and the table's entity."""
    return f"The {printed(name_words(column.name))} of the {printed(entity_words(table.name))}."


def dictionary_text(table: Table, column: Column) -> str:
    """Return the second baseline: what the concept dictionary composes, else the template."""
    hints = lexicon().hints(table, column)
    return hints[0] if hints else template_text(table, column)


def _described(tables: Sequence[Table]) -> Iterator[tuple[Table, Column]]:
    for table in tables:
        for column in table.columns:
            if column.description:
                yield table, column


def score(tables: Sequence[Table], texts: Texts, columns_per_second: float = 0.0) -> Scores:
    """Return the scores of one system's texts for every described column of the tables."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    pairs = [(table, column, texts.get((table.key, column.name), "")) for table, column in _described(tables)]
    hits = 0
    for table, column, text in pairs:
        siblings = [other for other in table.columns if other.description]
        best = max(siblings, key=lambda other: metric.sentence_score(text, [other.description]).score)
        hits += best.description == column.description
    total = max(len(pairs), 1)
    return Scores(
        columns=len(pairs),
        chrf=round(
            metric.corpus_score([text for _, _, text in pairs], [[c.description for _, c, _ in pairs]]).score,
            2,
        ),
        back_identification=round(hits / total, 4),
        name_echo=round(sum(is_echo(text, column.name) for _, column, text in pairs) / total, 4),
        unclear=round(sum(text == UNCLEAR for _, _, text in pairs) / total, 4),
        words=round(sum(len(text.split()) for _, _, text in pairs) / total, 2),
        columns_per_second=round(columns_per_second, 1),
    )


def generate_texts(
    generator: Generator, tables: Sequence[Table], hinted: bool
) -> tuple[dict[tuple[str, str], str], float]:
    """Return the model's texts for every described column and the columns answered a second."""
    known = lexicon()

    def requests() -> Iterator[TableRequest]:
        for table in tables:
            bare = replace(
                table, description="", columns=tuple(replace(c, description="") for c in table.columns)
            )
            asked = tuple(column.name for column in table.columns if column.description)
            hints = {c.name: known.hints(table, c) for c in table.columns} if hinted else {}
            yield TableRequest(bare, asked, hints=hints)

    began = time.perf_counter()
    texts = {(answer.ref.table, answer.ref.column): answer.text for answer in generator.describe(requests())}
    return texts, len(texts) / (time.perf_counter() - began)


def served_texts(
    generator: Generator, tables: Sequence[Table], config: Config
) -> tuple[dict[tuple[str, str], str], dict[tuple[str, str], str]]:
    """Return what a user of `docgen suggest` gets for every described column: texts and their origins.

    The whole pipeline runs: dictionary, hints, the model, grounding; with a ledger that is thrown away.
    """
    described = {(table.key, column.name) for table, column in _described(tables)}
    bare = tuple(
        replace(table, description="", columns=tuple(replace(c, description="") for c in table.columns))
        for table in tables
    )
    with tempfile.TemporaryDirectory() as scratch, Ledger(Path(scratch) / "ledger.db") as ledger:
        catalog = Catalog("evaluation", "records", bare)
        suggest("evaluation", config, ledger, lambda: generator, catalog=catalog)
        found = [row.suggestion for row in ledger.rows("evaluation")]
    kept = [one for one in found if (one.ref.table, one.ref.column) in described]
    return (
        {(one.ref.table, one.ref.column): one.text for one in kept},
        {(one.ref.table, one.ref.column): one.origin for one in kept},
    )


def evaluate(model: str, records: Iterable[Record], tables: int, seed: int, config: Config) -> dict[str, Any]:
    """Return scores by system, and 40 random outputs with what stood in the source.

    Raises:
        ModelError: when the model cannot be loaded.
    """
    chosen = sample_tables(records, tables, seed)
    systems: dict[str, Scores] = {}
    baselines: dict[str, Callable[[Table, Column], str]] = {
        "template": template_text,
        "dictionary": dictionary_text,
    }
    for name, text_of in baselines.items():
        systems[name] = score(chosen, {(t.key, c.name): text_of(t, c) for t, c in _described(chosen)})
    generator = load(model, config)
    try:
        plain, rate = generate_texts(generator, chosen, hinted=False)
        systems["model without hints"] = score(chosen, plain, rate)
        texts, rate = generate_texts(generator, chosen, hinted=True)
        systems["model with hints"] = score(chosen, texts, rate)
        version = generator.name
        served, origins = served_texts(generator, chosen, config)
        systems["docgen suggest"] = score(chosen, served)
    finally:
        generator.close()
    places = [(table, column) for table, column in _described(chosen)]
    shown = random.Random(seed).sample(places, min(40, len(places)))
    return {
        "model": version,
        "tables": len(chosen),
        "systems": {name: asdict(scores) for name, scores in systems.items()},
        "origins": dict(Counter(origins.values())),
        "outputs": [
            {
                "table": table.name,
                "column": column.name,
                "type": column.type,
                "suggested": served.get((table.key, column.name), ""),
                "origin": origins.get((table.key, column.name), ""),
                "model": texts.get((table.key, column.name), ""),
                "without_hint": plain.get((table.key, column.name), ""),
                "human": column.description,
            }
            for table, column in shown
        ],
    }
