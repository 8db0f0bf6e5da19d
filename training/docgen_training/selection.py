"""Candidates beside each other: each measured in a process of its own, quantisations made on the way, costs added.

    docgen-train select --data heldout.jsonl --candidate embedded --candidate other.gguf --price-per-hour 1.10 \\
        --out training/runs/selection
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Table
from docgen_training.candidate import Request, read_metadata
from docgen_training.evaluate import sample_tables
from docgen_training.records import read_records

__all__ = [
    "Candidate",
    "costs",
    "count_vocabularies",
    "front",
    "interval",
    "label_all",
    "measure_all",
    "quantisations",
]

_DRAWS = 1000  # resamplings of the interval
_FLOATS = {"0", "1", "32"}  # general.file_type F32, F16, BF16: llama.h, enum llama_ftype
# what is compared when one candidate is said to be no better than another: higher is better, lower with -1
_GOALS = (("served.back_identification", 1), ("columns_per_second", 1), ("peak_mb", -1))


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model to measure: what the page calls it and how it is named; or why there is none."""

    label: str
    uri: str  # "embedded", a GGUF's path, or what a plugin loads
    problem: str = ""


def label_all(uris: Sequence[str]) -> list[Candidate]:
    """Return a candidate for every name, once each, called by its file's stem where that tells it from the others.

    >>> [one.label for one in label_all(["embedded", "a/base.gguf", "b/base.gguf", "c/other.gguf", "embedded"])]
    ['embedded', 'a/base.gguf', 'b/base.gguf', 'other']
    """
    named = list(dict.fromkeys(uris))
    stems = [Path(uri).stem if uri.endswith(".gguf") else uri for uri in named]
    return [
        Candidate(stem if stems.count(stem) == 1 else uri, uri)
        for uri, stem in zip(named, stems, strict=True)
    ]


def quantisations(source: Path, kinds: Sequence[str], folder: Path) -> Iterator[Candidate]:
    """Yield a candidate for every kind, made of a GGUF with float weights; F16 is the file itself.

    Raises:
        DocgenError: when the file holds quantised weights, which would be rounded twice.
        ModelError: when it is no GGUF.
    """
    from docgen_training.quantise import quantise

    if read_metadata(source).get("general.file_type", "1") not in _FLOATS:
        raise DocgenError(
            f"{source}: its weights are quantised already: name an F16 file (export --quantise F16)"
        )
    stem = source.stem.removesuffix("-f16").removesuffix("-F16")
    folder.mkdir(parents=True, exist_ok=True)
    for kind in dict.fromkeys(kinds):
        if kind == "F16":
            yield Candidate(f"{stem} F16", str(source))
            continue
        out = folder / f"{stem}-{kind}.gguf"
        try:
            quantise(source, out, kind)
        except DocgenError as err:
            yield Candidate(f"{stem} {kind}", str(out), str(err))
        else:
            yield Candidate(f"{stem} {kind}", str(out))


def measure_all(
    candidates: Sequence[Candidate],
    data: Path,
    tables: int,
    seed: int,
    threads: int,
    rounds: int,
    price: float,
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield the selection after every candidate, and that candidate: an interrupted run has those before.

    Raises:
        DocgenError: when there are no documented tables to measure on.
    """
    chosen = _tables(data, tables, seed)
    found: dict[str, Any] = {
        "data": data.name,
        "tables": len(chosen),
        "columns": sum(bool(column.description) for table in chosen for column in table.columns),
        "seed": seed,
        "rounds": rounds,
        "price_per_hour": price,
        "candidates": [],
        "failed": [],
    }
    for one in candidates:
        request = Request(one.uri, str(data), tables, seed, threads, rounds)
        result: dict[str, Any] = {"error": one.problem} if one.problem else _run(request)
        last: dict[str, Any] = {"label": one.label, "uri": one.uri}
        if "error" in result:
            last["reason"] = result["error"]
            found["failed"].append(last)
        else:
            result["served"]["interval"] = interval(result["served"].pop("hits"), seed)
            last |= {**result, "cost": costs(result, price)}
            found["candidates"].append(last)
            for kept, best in zip(found["candidates"], front(found["candidates"]), strict=True):
                kept["front"] = best
        yield found, last


def _tables(data: Path, tables: int, seed: int) -> list[Table]:
    chosen = sample_tables(read_records(data), tables, seed)
    if not chosen:
        raise DocgenError(
            f"{data}: no documented tables: one with at least four described columns, and at most 80 in all, is needed"
        )
    return chosen


def count_vocabularies(paths: Sequence[Path], data: Path, tables: int, seed: int) -> list[dict[str, Any]]:
    """Return the prompt tokens of the same tables in other models' vocabularies.

    Raises:
        DocgenError: when there are no documented tables.
        ModelError: when a file cannot be loaded.
    """
    from docgen_training.prompt_tokens import count_vocabulary

    chosen = _tables(data, tables, seed)
    return [count_vocabulary(path, chosen) for path in paths]


def _run(request: Request) -> dict[str, Any]:
    """Return what the child process of a candidate found, or {"error": why there is nothing}."""
    child = subprocess.run(
        [sys.executable, "-m", "docgen_training.candidate"],
        input=json.dumps(asdict(request)),
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    lines = child.stdout.strip().splitlines()
    if child.returncode == 0 and lines:
        found: dict[str, Any] = json.loads(lines[-1])
        return found
    if child.returncode < 0:
        return {
            "error": f"its process was ended by signal {-child.returncode}: is there memory enough for it?"
        }
    last = (child.stderr.strip().splitlines() or ["it said nothing"])[-1]
    return {"error": f"its process ended with code {child.returncode}: {last}"}


def costs(measured: Mapping[str, Any], price: float) -> dict[str, float | None]:
    """Return what training and a million columns cost at a price per hour, in the price's currency.

    >>> costs({"columns_per_second": 100.0, "training": {"seconds": 1800.0}}, 1.10)
    {'training': 0.55, 'million_columns': 3.0556}
    """
    seconds = (measured.get("training") or {}).get("seconds")
    rate = measured["columns_per_second"]
    return {
        "training": None if seconds is None else round(price * seconds / 3600, 4),
        "million_columns": round(price * 1e6 / rate / 3600, 4) if rate else None,
    }


def interval(hits: Sequence[tuple[int, int]], seed: int) -> tuple[float, float]:
    """Return the 95 % interval of a share, by bootstrap over tables: columns of one table are alike.

    Each pair is (hits, columns) of a table.

    >>> interval([(5, 10)] * 8, 1)
    (0.5, 0.5)
    """
    draw = random.Random(seed)
    shares = []
    for _ in range(_DRAWS):
        drawn = draw.choices(hits, k=len(hits))
        shares.append(sum(hit for hit, _ in drawn) / max(sum(count for _, count in drawn), 1))
    shares.sort()
    return round(shares[int(0.025 * _DRAWS)], 4), round(shares[int(0.975 * _DRAWS) - 1], 4)


def front(measured: Sequence[Mapping[str, Any]]) -> list[bool]:
    """Return for each candidate whether no other is at least as good in quality, speed and memory and better in one."""
    points = [tuple(sign * _at(one, path) for path, sign in _GOALS) for one in measured]
    return [
        not any(other != point and all(a >= b for a, b in zip(other, point, strict=True)) for other in points)
        for point in points
    ]


def _at(measured: Mapping[str, Any], path: str) -> float:
    value: Any = measured
    for part in path.split("."):
        value = value[part]
    return float(value)
