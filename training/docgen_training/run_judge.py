"""The new model beside the one it has to stand against: scores on the held-out tables, the sheet for people, the gate."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docgen_plugin.config import Config
from docgen_training.records import read_records

__all__ = ["SERVED", "Measure", "MEASURES", "compare", "compare_blind", "shortfalls"]

SERVED = "docgen suggest"  # the system whose scores count: what a user gets
_NEW, _BASE = "after", "before"


@dataclass(frozen=True, slots=True)
class Measure:
    """One score that decides, with how far it may fall: less than that is the draw of the tables."""

    key: str  # of evaluate.Scores
    name: str
    better: int  # 1: higher is better, -1: lower is
    slack: float


MEASURES = (
    Measure("chrf", "chrF", 1, 0.5),
    Measure("back_identification", "back-identification", 1, 0.02),
    Measure("claims_per_100", "claims per 100", -1, 0.5),
    Measure("valid", "valid", 1, 0.01),
    Measure("name_echo", "name echo", -1, 0.02),
)


def compare(
    models: Mapping[str, str],
    held_out: Path,
    train: Path,
    tables: int,
    seed: int,
    config: Config,
    out: Path,
) -> dict[str, Any]:
    """Score the models on the same tables; a page for each in `out`, and scores.json with all of them side by side.

    Args:
        models: what a model is called in the scores -> its GGUF, "" for the embedded one.
        held_out: records that were not trained on.
        train: records that the nearest-neighbour baseline looks in.
        tables: how many to score at most.
        seed: draws them.
        config: threads and the like.
        out: the folder.

    Raises:
        DocgenError: when a model cannot be loaded.
    """
    from docgen_training.evaluate import evaluate
    from docgen_training.judge import opaque_names
    from docgen_training.report import write_report

    records = list(read_records(held_out))
    found = {}
    for name, model in models.items():
        scores = evaluate(model, records, read_records(train), tables, seed, config, opaque_names())
        write_report(scores, out / name)
        found[name] = scores
    (out / "scores.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return {
        "tables": found[_NEW]["tables"],
        "columns": found[_NEW]["systems"][SERVED]["columns"],
        **{name: scores["systems"][SERVED] for name, scores in found.items()},
    }


def compare_blind(
    models: Mapping[str, str],
    held_out: Path,
    tables: int,
    per_table: int,
    seed: int,
    config: Config,
    out: Path,
) -> dict[str, Any]:
    """Write the raters' sheet into `out`/sheet and its key beside it; the first model meets each other one.

    Raises:
        DocgenError: when a model cannot be loaded.
    """
    from docgen_training.evaluate import sample_tables
    from docgen_training.study import make_study, write_study
    from docgen_training.systems import system_texts

    chosen = sample_tables(read_records(held_out), tables, seed)
    texts = {name: system_texts(model, chosen, (), config) for name, model in models.items()}
    drawn = make_study(chosen, texts, per_table, seed)
    shown = write_study(out / "sheet", out / "key.json", chosen, drawn)
    return {"tables": len(chosen), "rows": shown, "same": len(drawn.pairs) - shown}


def shortfalls(before: Mapping[str, float], after: Mapping[str, float], require: str) -> list[str]:
    """Return why scores do not meet what is required, nothing when they do.

    "not worse" lets no measure fall by more than its slack; "better" wants chrF to rise by more than its slack besides.

    >>> old = {"chrf": 30.0, "back_identification": 0.5, "claims_per_100": 1.0, "valid": 1.0, "name_echo": 0.1}
    >>> shortfalls(old, {**old, "chrf": 29.0, "claims_per_100": 1.2}, "not worse")
    ['chrF 29, was 30']
    >>> shortfalls(old, {**old, "chrf": 30.1}, "better")
    ['chrF 30.1, was 30: not better']
    """
    if require == "nothing":
        return []
    found = []
    for one in MEASURES:
        gain = one.better * (after[one.key] - before[one.key])
        if gain < -one.slack:
            found.append(f"{one.name} {after[one.key]:g}, was {before[one.key]:g}")
    first = MEASURES[0]
    if require == "better" and not found and after[first.key] - before[first.key] <= first.slack:
        found.append(f"{first.name} {after[first.key]:g}, was {before[first.key]:g}: not better")
    return found
