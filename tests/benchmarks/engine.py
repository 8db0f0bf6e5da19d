"""Measure the engine against one `Llama.create_completion` call per column, and its memory over many tables.

    python -m tests.benchmarks.engine [--model FILE.gguf] [--threads N] [--rounds N] [--json]

Both sides use the same model, prompts, token limit and threads, turn by turn in one run; the calls profit from
llama-cpp-python's own reuse of a common prefix. Without --model the packaged model is measured, or an untrained
one of the same shape. Memory is the peak of a fresh process beyond what the model file itself takes.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError
from docgen_plugin.generate import TableRequest
from docgen_plugin.llama import LlamaGenerator, default_model
from docgen_plugin.model import Table
from tests.benchmarks.memory import peak_mb
from tests.tiny_models import Shape, bespoke_gguf, quantised, synthetic_request, synthetic_tables

WIDTHS = (4, 16, 64)
COUNTS = (10, 100, 1_000)
BASE = Shape(hidden=256, layers=6, heads=4, inner=704, vocabulary=8192, end_pull=2.6)


@dataclass(frozen=True, slots=True)
class Speed:
    """One width of table: columns a second, and the share of answers that are the same on both sides."""

    columns: int  # a table
    asked: int  # columns asked in one round
    engine: float  # columns/s, the best round
    calls: float  # columns/s, the best round
    ratio: float  # median of the rounds
    same: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class Memory:
    """One run over a number of tables of 8 columns in a process of its own."""

    tables: int
    seconds: float
    peak_mb: float  # beyond the model file
    growth_mb: float  # since the first answer


def measure_speed(path: Path, threads: int, rounds: int, tables_of: dict[int, int]) -> Iterator[Speed]:
    """Yield the speeds for each width; `tables_of` maps columns a table to the number of tables."""
    from llama_cpp import Llama

    generator = LlamaGenerator(path, Config(threads=threads))
    calls = Llama(str(path), n_ctx=1024, n_threads=threads, n_threads_batch=threads, verbose=False)
    for columns, count in tables_of.items():
        requests = [_columns_only(table) for table in synthetic_tables(count, columns, seed=columns)]
        asked = sum(len(request.columns) for request in requests)
        seconds: list[tuple[float, float]] = []
        for _ in range(rounds):
            start = time.perf_counter()
            ours = {answer.ref: answer for answer in generator.describe(requests)}
            middle = time.perf_counter()
            theirs = _one_call_per_column(calls, generator, requests)
            seconds.append((middle - start, time.perf_counter() - middle))
        ratios = sorted(slow / fast for fast, slow in seconds)
        yield Speed(
            columns,
            asked,
            engine=asked / min(fast for fast, _ in seconds),
            calls=asked / min(slow for _, slow in seconds),
            ratio=ratios[len(ratios) // 2],
            same=sum(theirs[ref] == ours[ref].tokens for ref in ours) / asked,
        )
    generator.close()
    calls.close()


@dataclass(frozen=True, slots=True)
class Company:
    """How many answers change when each column is asked alone instead of with all others."""

    asked: int
    changed: int
    changed_without_margin: int  # were close calls not decided alone


def measure_company(path: Path, threads: int, tables: int) -> Company:
    """Return what becomes of the answers for some tables of 16 columns in other company."""
    generator = LlamaGenerator(path, Config(threads=threads))
    requests = [_columns_only(table) for table in synthetic_tables(tables, 16, seed=1)]
    alone = [TableRequest(one.table, (name,), hints=one.hints) for one in requests for name in one.columns]
    expected = {one.ref: one.text for request in alone for one in generator.describe([request])}
    changed = []
    rules = generator._rules
    for margin in (rules.margin, 0.0):
        generator._rules = replace(rules, margin=margin)
        changed.append(sum(one.text != expected[one.ref] for one in generator.describe(requests)))
    generator.close()
    return Company(len(expected), *changed)


def _columns_only(table: Table) -> TableRequest:
    request = synthetic_request(table)
    return TableRequest(table, request.columns, hints=request.hints)


def _one_call_per_column(
    calls: Any, generator: LlamaGenerator, requests: Sequence[TableRequest]
) -> dict[Any, int]:
    """Return how many tokens each column's answer took, the end mark included."""
    most = generator._dialect.answer_tokens
    took = {}
    for request in requests:
        for unit in generator._dialect.units(request):
            for question in unit.questions:
                ids = [*unit.prefix, *question.ids]
                reply = calls.create_completion(ids, max_tokens=most, temperature=0.0)
                usage = reply["usage"]["completion_tokens"]
                took[question.ref] = usage + (reply["choices"][0]["finish_reason"] == "stop")
    return took


def measure_memory(path: Path, threads: int, counts: Sequence[int]) -> Iterator[Memory]:
    """Yield time and peak memory for each number of tables, each in a process of its own."""
    for count in counts:
        command = [sys.executable, "-m", "tests.benchmarks.engine", "--child", str(count)]
        command += ["--model", str(path), "--threads", str(threads)]
        root = Path(__file__).parents[2]
        done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=root)
        yield Memory(**json.loads(done.stdout))


def _child(path: Path, threads: int, count: int) -> Memory:
    generator = LlamaGenerator(path, Config(threads=threads))
    start = time.perf_counter()
    answers = generator.describe(map(synthetic_request, synthetic_tables(count, 8)))
    next(answers)
    first = peak_mb()
    assert sum(1 for _ in answers) == count * 9 - 1
    seconds = time.perf_counter() - start
    model_mb = path.stat().st_size / 1e6
    return Memory(count, round(seconds, 2), round(peak_mb() - model_mb, 1), round(peak_mb() - first, 1))


def _model(named: str, folder: Path) -> Path:
    if named:
        return Path(named)
    try:
        return default_model()
    except ModelError:
        return quantised(folder / "untrained.gguf", bespoke_gguf(folder / "float.gguf", shape=BASE))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables, or with --json one line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="", help="GGUF of the bespoke grammar")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--columns", type=int, default=128, help="columns asked a round")
    parser.add_argument("--tables", type=int, nargs="*", default=COUNTS, help="numbers of tables for memory")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        path = _model(options.model, Path(folder))
        if options.child:
            print(json.dumps(asdict(_child(path, options.threads, options.child))))
            return
        tables_of = {width: max(1, options.columns // width) for width in WIDTHS}
        speeds = list(measure_speed(path, options.threads, options.rounds, tables_of))
        memories = list(measure_memory(path, options.threads, options.tables))
        company = measure_company(path, options.threads, max(1, options.columns // 16))
        if options.json:
            print(json.dumps(_plain(speeds, memories, company)))
            return
        print(f"{path.name}, {options.threads} thread(s), {options.rounds} rounds")
        print("columns a table   engine col/s   calls col/s   ratio   same length")
        for one in speeds:
            print(f"{one.columns:15} {one.engine:14.1f} {one.calls:13.1f} {one.ratio:7.2f} {one.same:13.2f}")
        print(" tables   seconds   peak MB beyond the model   grown since the first answer")
        for run in memories:
            print(f"{run.tables:7} {run.seconds:9.2f} {run.peak_mb:26.1f} {run.growth_mb:30.1f}")
        print(
            f"of {company.asked} answers {company.changed} change when asked alone, "
            f"{company.changed_without_margin} without the margin"
        )


def _plain(speeds: list[Speed], memories: list[Memory], company: Company) -> dict[str, Any]:
    return {
        "speed": [asdict(one) for one in speeds],
        "memory": [asdict(one) for one in memories],
        "company": asdict(company),
    }


if __name__ == "__main__":
    main()
