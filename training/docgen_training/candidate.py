"""One candidate model measured on documented tables, in a process of its own so that its peak of memory is its own.

    python -m docgen_training.candidate < request.json

reads a request and writes the result as one line of JSON, {"error": ...} where the candidate does not work. It is run by
`docgen-train select`, see `selection.py`.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.generate import Generator, load
from docgen_plugin.model import Table
from docgen_plugin.registry import Located, locate
from docgen_training.evaluate import generate_texts, sample_tables, score
from docgen_training.peak_memory import peak_mb
from docgen_training.prompt_tokens import count_candidate
from docgen_training.records import read_records
from docgen_training.systems import Texts, served_texts

__all__ = ["EMBEDDED", "Request", "Training", "measure", "training_of"]

EMBEDDED = "embedded"
# general.file_type: ggml-org/llama.cpp, include/llama.h, enum llama_ftype
_FILE_TYPES = {"0": "F32", "1": "F16", "2": "Q4_0", "7": "Q8_0", "15": "Q4_K_M", "17": "Q5_K_M", "32": "BF16"}


@dataclass(frozen=True, slots=True)
class Request:
    """What to measure: the candidate as it is named, and the tables as `sample_tables` draws them."""

    candidate: str
    data: str  # path of the records
    tables: int
    seed: int
    threads: int  # 0 is the setting's default
    rounds: int = 1  # runs for the speed


@dataclass(frozen=True, slots=True)
class Training:
    """What the training took, as far as the file tells."""

    seconds: float | None
    told_by: str  # where it stands, or why it is not known


def measure(request: Request) -> dict[str, Any]:
    """Return the figures of a candidate; `selection_report.py` states the formula of each.

    Raises:
        DocgenError: when there are no documented tables.
        ModelError: when the candidate cannot be loaded or run.
    """
    tables = sample_tables(read_records(Path(request.data)), request.tables, request.seed)
    config = Config(threads=request.threads)
    uri = "" if request.candidate == EMBEDDED else request.candidate
    # a registry's model is brought here before its memory is watched
    found = locate(uri, config)
    before_mb = peak_mb()
    began = time.perf_counter()
    generator = load(uri, config)
    try:
        load_s = time.perf_counter() - began
        generate_texts(generator, tables[:1], hinted=True)  # warm-up: pages of the file, the word trees
        alone, rate, core_rate = _speed(generator, tables, request.rounds)
        most_mb = peak_mb()
        served, _ = served_texts(generator, tables, config)
    finally:
        generator.close()
    return {
        "name": generator.name,
        "device": generator.device,
        "bespoke": bool(getattr(generator, "bespoke", False)),
        "load_s": round(load_s, 3),
        "columns_per_second": round(rate, 1),
        "columns_per_core_second": round(core_rate, 1),
        "peak_mb": round(most_mb, 1),
        "before_mb": round(before_mb, 1),
        "served": {**asdict(score(tables, served)), "hits": _hits(tables, served)},
        "alone": asdict(score(tables, alone, rate)),
        **_file_facts(found),
        "prompt": count_candidate(found.path, tables) if found and found.path else None,
    }


def _speed(generator: Generator, tables: Sequence[Table], rounds: int) -> tuple[Texts, float, float]:
    """Return the model's texts, and the most columns a second and a second of processor time of some runs."""
    texts: Texts = {}
    rate = core_rate = 0.0
    for _ in range(rounds):
        began_s = time.process_time()
        texts, reached = generate_texts(generator, tables, hinted=True)
        spent_s = time.process_time() - began_s
        rate = max(rate, reached)
        core_rate = max(core_rate, len(texts) / max(spent_s, 1e-9))
    return texts, rate, core_rate


def _hits(tables: Sequence[Table], texts: Texts) -> list[tuple[int, int]]:
    """Return for each table how many texts were closest to their own column's human text, of how many."""
    found = []
    for table in tables:
        scores = score([table], texts)
        found.append((round(scores.back_identification * scores.columns), scores.columns))
    return found


def _file_facts(found: Located | None) -> dict[str, Any]:
    """Return what the file and the manifest beside it tell: size, licences, quantisation, training."""
    if found is None or found.path is None:
        return {"bytes": None, "license": "", "data_license": "", "quantisation": "", "training": None}
    metadata, stated = read_metadata(found.path), found.manifest
    kind = metadata.get("general.file_type", "")
    of_data = {one: None for data in (stated.data if stated else ()) for one in data.licenses}
    return {
        "bytes": found.path.stat().st_size,
        "license": metadata.get("general.license", "") or (stated.license if stated else ""),
        "data_license": metadata.get("docgen.data_license", "") or ", ".join(of_data),
        "quantisation": _FILE_TYPES.get(kind, f"file type {kind}" if kind else ""),
        "training": asdict(training_of(found.path, metadata, stated.configuration if stated else {})),
    }


def read_metadata(path: Path) -> dict[str, str]:
    """Return the texts and numbers of a GGUF's metadata, lists left out.

    Raises:
        ModelError: when it is no GGUF.
    """
    import gguf

    try:
        fields = gguf.GGUFReader(path).fields.values()
        return {
            field.name: str(field.contents())
            for field in fields
            if field.types and field.types[0] != gguf.GGUFValueType.ARRAY
        }
    except (OSError, ValueError, IndexError) as err:
        raise ModelError(f"{path}: its metadata cannot be read: {err}") from err


def training_of(path: Path, metadata: Mapping[str, str], stated: Mapping[str, Any]) -> Training:
    """Return the seconds of training: of the run that the file, run.json beside it or the manifest tells, or its budget."""
    beside = path.parent / "run.json"
    sources = (
        (metadata.get("docgen.run", ""), "docgen.run in the file"),
        (beside.read_text("utf-8") if beside.is_file() else "", "run.json beside the file"),
        (json.dumps(dict(stated)), "the model's manifest"),
    )
    for text, told_by in sources:
        seconds = _seconds(text)
        if seconds is not None:
            return Training(seconds, told_by)
    minutes = _number(_parsed(metadata.get("docgen.plan", "")).get("minutes"))
    if minutes is not None:
        return Training(60 * minutes, "time budget of the last run, docgen.plan in the file")
    return Training(None, "the file does not tell")


def _seconds(text: str) -> float | None:
    return _number(_parsed(text).get("seconds"))


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and value >= 0 else None


def main() -> None:
    """Measure the candidate that standard input asks for; one line of JSON on standard output."""
    request = Request(**json.load(sys.stdin))
    try:
        found = measure(request)
    except DocgenError as err:
        found = {"error": str(err)}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
