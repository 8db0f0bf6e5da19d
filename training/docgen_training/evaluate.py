"""A model on documented tables it has not seen, beside baselines that need no model: scores, and a page that shows them.

    docgen-train evaluate docgen_plugin/models/docgen-base.gguf --data valid.jsonl.xz --known warehouse.jsonl.xz \\
        --out training/runs/evaluation
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from docgen_plugin.concepts import lexicon
from docgen_plugin.config import Config
from docgen_plugin.generate import Generator, TableRequest, load
from docgen_plugin.grounding import UNCLEAR
from docgen_plugin.model import Column, Table
from docgen_plugin.words import entity_words
from docgen_training.judge import claim, expansion_rate, expansion_tables, is_echo, is_valid, plant
from docgen_training.neighbours import Neighbours
from docgen_training.records import Record
from docgen_training.systems import Texts, bare, described, dictionary_text, served_texts, template_text

__all__ = [
    "Scores",
    "column_requests",
    "evaluate",
    "generate_texts",
    "is_scored",
    "sample_tables",
    "score",
]

_PLANTED_EACH = 2  # opaque columns planted in every table
_OUTPUTS = 40
_LEAST_DESCRIBED = 4  # columns of a table that is scored: its texts are told apart among each other
_MOST_COLUMNS = 80
_SERVED = "docgen suggest"


@dataclass(frozen=True, slots=True)
class Scores:
    """One system on one set of tables."""

    columns: int
    chrf: float  # chrF of all texts against the human ones, 0 to 100, higher is better (sacrebleu, corpus level)
    back_identification: (
        float  # share of texts closest (chrF) to their own column's human text among its siblings', 0 to 1
    )
    name_echo: float  # share of texts that say nothing beyond the name, 0 to 1, lower is better
    claims_per_100: float  # texts with a claim that the schema does not give, per 100, lower is better
    unclear: float  # share of columns answered with "unclear", 0 to 1
    valid: float  # share of texts in the form of a description, 0 to 1, higher is better
    words: float  # mean words a text
    columns_per_second: float = 0.0  # of generating alone; 0 for the baselines


def is_scored(table: Table) -> bool:
    """Return whether a table has what it takes to score a model on it: four described columns, no more than 80 in all."""
    described_columns = sum(1 for column in table.columns if column.description)
    return described_columns >= _LEAST_DESCRIBED and len(table.columns) <= _MOST_COLUMNS


def sample_tables(records: Iterable[Record], tables: int, seed: int) -> list[Table]:
    """Return up to `tables` tables with at least four described columns, drawn evenly over the sources."""
    by_source: dict[str, list[Table]] = {}
    for record in records:
        if is_scored(record.table):
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


def score(tables: Sequence[Table], texts: Texts, columns_per_second: float = 0.0) -> Scores:
    """Return the scores of one system's texts for every described column of the tables."""
    from sacrebleu.metrics.chrf import CHRF

    metric = CHRF()
    pairs = [(table, column, texts.get((table.key, column.name), "")) for table, column in described(tables)]
    entities = _entities(tables)
    hits = claims = 0
    for table, column, text in pairs:
        siblings = [other for other in table.columns if other.description]
        best = max(siblings, key=lambda other: metric.sentence_score(text, [other.description]).score)
        hits += best.description == column.description
        claims += bool(claim(text, table, column, entities[table.key]))
    total = max(len(pairs), 1)
    said = [text for _, _, text in pairs]
    return Scores(
        columns=len(pairs),
        chrf=round(metric.corpus_score(said, [[c.description for _, c, _ in pairs]]).score, 2),
        back_identification=round(hits / total, 4),
        name_echo=round(sum(is_echo(text, column.name) for _, column, text in pairs) / total, 4),
        claims_per_100=round(100 * claims / total, 2),
        unclear=round(sum(text == UNCLEAR for text in said) / total, 4),
        valid=round(sum(map(is_valid, said)) / total, 4),
        words=round(sum(len(text.split()) for text in said) / total, 2),
        columns_per_second=round(columns_per_second, 1),
    )


def _entities(tables: Sequence[Table]) -> dict[str, frozenset[tuple[str, ...]]]:
    """Return table key -> the things that the tables of its source are about: the only ones a text could confuse."""
    by_source: dict[str, set[tuple[str, ...]]] = {}
    for table in tables:
        words = entity_words(table.name)
        if all(word.isalpha() for word in words):
            by_source.setdefault(table.key.rpartition("/")[0], set()).add(words)
    return {table.key: frozenset(by_source.get(table.key.rpartition("/")[0], ())) for table in tables}


def column_requests(tables: Sequence[Table], hinted: bool) -> list[TableRequest]:
    """Return the requests for every described column of the tables, with the dictionary's hints if `hinted`."""
    known = lexicon()
    return [
        TableRequest(
            bare(table),
            tuple(column.name for column in table.columns if column.description),
            hints={c.name: known.hints(table, c) for c in table.columns} if hinted else {},
        )
        for table in tables
    ]


def generate_texts(
    generator: Generator, tables: Sequence[Table], hinted: bool
) -> tuple[dict[tuple[str, str], str], float]:
    """Return the model's texts for every described column and the columns answered a second."""
    requests = column_requests(tables, hinted)
    began = time.perf_counter()
    texts = {(answer.ref.table, answer.ref.column): answer.text for answer in generator.describe(requests)}
    return texts, len(texts) / (time.perf_counter() - began)


def abstention(
    generator: Generator, tables: Sequence[Table], names: Sequence[str], config: Config, seed: int
) -> dict[str, float]:
    """Return how well 'unclear' finds planted opaque columns, as `docgen suggest` serves it.

    Precision is the planted share of all answers 'unclear', recall the share of planted columns so answered. A column
    that a person could describe counts as wrongly unclear, although some of those names tell nothing either.
    """
    hidden = plant(tables, names, _PLANTED_EACH, seed)
    texts, _ = served_texts(generator, hidden.tables, config)
    unclear = {place for place, text in texts.items() if text == UNCLEAR}
    hits = len(unclear & hidden.places)
    return {
        "planted": len(hidden.places),
        "columns": len(texts),
        "precision": round(hits / max(len(unclear), 1), 4),
        "recall": round(hits / max(len(hidden.places), 1), 4),
    }


def evaluate(
    model: str,
    records: Iterable[Record],
    known: Iterable[Record],
    tables: int,
    seed: int,
    config: Config,
    names: Sequence[str],
) -> dict[str, Any]:
    """Return scores by system, the tests of abstention and expansion, the loss, and 40 random outputs.

    Args:
        model: a GGUF, "" for the embedded one.
        records: documented tables that were not trained on.
        known: documentation that the nearest-neighbour baseline looks in.
        tables: how many to judge.
        seed: draws the tables, the planted columns and the outputs shown.
        config: threads and the like.
        names: opaque names to plant.

    Raises:
        ModelError: when the model cannot be loaded.
    """
    chosen = sample_tables(records, tables, seed)
    places = list(described(chosen))
    systems = {
        "template": score(chosen, {(t.key, c.name): template_text(t, c) for t, c in places}),
        "dictionary": score(chosen, {(t.key, c.name): dictionary_text(t, c) for t, c in places}),
    }
    nearest = Neighbours(known)
    systems["nearest neighbour"] = score(chosen, {(t.key, c.name): nearest.text(t, c) for t, c in places})
    began = time.perf_counter()
    generator = load(model, config)
    load_s = time.perf_counter() - began
    try:
        plain, rate = generate_texts(generator, chosen, hinted=False)
        systems["model without hints"] = score(chosen, plain, rate)
        texts, rate = generate_texts(generator, chosen, hinted=True)
        systems["model with hints"] = score(chosen, texts, rate)
        served, origins = served_texts(generator, chosen, config)
        systems[_SERVED] = score(chosen, served)
        systems["human"] = score(chosen, {(t.key, c.name): c.description for t, c in places})
        short = expansion_tables()
        found: dict[str, Any] = {
            "model": generator.name,
            "load_s": round(load_s, 3),
            "abstention": abstention(generator, chosen, names, config, seed),
            "expansion": {
                "model without hints": round(expansion_rate(generate_texts(generator, short, False)[0]), 4),
                _SERVED: round(expansion_rate(served_texts(generator, short, config)[0]), 4),
            },
        }
    finally:
        generator.close()
    shown = random.Random(seed).sample(places, min(_OUTPUTS, len(places)))
    return {
        **found,
        "tables": len(chosen),
        "seed": seed,
        "systems": {name: asdict(scores) for name, scores in systems.items()},
        "origins": dict(Counter(origins.values())),
        "by_origin": _by_origin(chosen, served, origins),
        "outputs": [_output(table, column, served, origins, plain) for table, column in shown],
    }


def _by_origin(
    tables: Sequence[Table], served: Texts, origins: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """Return the scores of what `docgen suggest` serves, for each origin apart."""
    found = {}
    for origin in sorted(set(origins.values())):
        kept = [
            replace(
                table,
                columns=tuple(
                    column
                    if origins.get((table.key, column.name)) == origin
                    else replace(column, description="")
                    for column in table.columns
                ),
            )
            for table in tables
        ]
        whole = {table.key: table for table in tables}
        places = [(whole[table.key], column) for table, column in described(kept)]
        entities = _entities(tables)
        claims = sum(bool(claim(served[t.key, c.name], t, c, entities[t.key])) for t, c in places)
        found[origin] = {
            "columns": len(places),
            "claims_per_100": round(100 * claims / max(len(places), 1), 2),
        }
    return found


def _output(
    table: Table, column: Column, served: Texts, origins: Mapping[tuple[str, str], str], plain: Texts
) -> dict[str, str]:
    place = (table.key, column.name)
    return {
        "table": table.name,
        "column": column.name,
        "type": column.type,
        "suggested": served.get(place, ""),
        "origin": origins.get(place, ""),
        "without_hint": plain.get(place, ""),
        "human": column.description,
    }


def heldout_loss(model: Path, records: Iterable[Record], raw: bool, width: int = 512, seed: int = 1) -> float:
    """Return the mean cross-entropy, nats a token of the texts, that a GGUF of ours has on records; lower is better.

    With `raw` the texts are answered behind the mark of human texts, else behind that of the house's voice.
    """
    import numpy as np
    import torch

    from docgen_training.encode import Recipe, encode_records
    from docgen_training.mixture import Batch
    from docgen_training.network import batch_loss, build_model
    from docgen_training.plan import Plan
    from docgen_training.vocabulary import Vocabulary
    from docgen_training.warm_start import WarmStart

    start = WarmStart(model)
    shape = start.shape
    plan = Plan(hidden=shape.hidden, layers=shape.layers, heads=shape.heads, inner=shape.inner)
    network = build_model(plan, shape.vocabulary)
    network.load_state_dict(start.weights())
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        vocabulary = Vocabulary(start.write_tokenizer(Path(scratch) / "tokenizer.model"))
    rows = encode_records(
        records, vocabulary, Recipe(raw=raw, hint_chance=0.0, description_chance=0.0), width, seed
    )
    arrays = rows.arrays()
    total = count = 0.0
    with torch.inference_mode():
        for at in range(0, len(arrays["tokens"]), 16):
            batch = Batch(
                **{
                    name: torch.from_numpy(np.ascontiguousarray(part[at : at + 16])).long()
                    for name, part in arrays.items()
                }
            )
            wanted = int((batch.targets >= 0).sum())
            total += float(batch_loss(network, batch)) * wanted
            count += wanted
    return total / max(count, 1.0)
