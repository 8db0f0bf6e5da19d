"""Time of column lineage over generated dbt models: how it grows, and its share of reading their SQL.

Each model imports one or two others through CTEs, renames, computes, joins and unions, 12 columns wide. Seconds
are of the processor. A slope is the growth exponent between two sizes: 1 is linear. The last line sets one walk a
model against `sqlglot.lineage.lineage` for every column, on a part of the same models.

    python -m tests.benchmarks.lineage [--sizes 500,2000] [--compared 40]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from docgen_dbt import columns as reader
from docgen_dbt.columns import SqlReader

from tests.benchmarks.scaling import slope

__all__ = ["Measured", "main", "make_manifest", "measure"]

_SOURCE = tuple(f"c{number}" for number in range(10))
_SHAPES = (
    "with source as (select * from {a}), renamed as (select {columns}, c0 + 1 as n{n} from source) select * from renamed",
    "select a.*, b.c1 as b{n}, sum(b.c2) over (partition by b.c1) as s{n} from {a} a left join {b} b on a.c0 = b.c0",
    "select {columns}, null as x{n} from {a} union all select {columns}, c1 from {b}",
    "with t as (select {columns}, row_number() over (partition by c0 order by c1) as rn from {a}) select * from t where rn = 1",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: processor seconds of reading all models, and of lineage as a part of that."""

    models: int
    columns: int
    read_s: float
    lineage_s: float


def make_manifest(models: int) -> dict[str, Any]:
    """Return a manifest with so many models on one source for every twenty of them."""
    nodes: dict[str, Any] = {}
    sources: dict[str, Any] = {}
    keys: list[str] = []
    for number in range(models):
        if number % 20 == 0:
            keys = [f"source.big.raw.t{number}"]
            sources[keys[0]] = _node(keys[0], f"t{number}", "source", "", [])
            sources[keys[0]]["columns"] = {name: {"name": name} for name in _SOURCE}
        key = f"model.big.m{number}"
        parents = list(dict.fromkeys((keys[-1], keys[len(keys) // 2])))
        names = [f'"db"."main"."{one.rpartition(".")[2]}"' for one in parents]
        sql = _SHAPES[number % len(_SHAPES)].format(
            a=names[0], b=names[-1], n=number, columns=", ".join(_SOURCE)
        )
        nodes[key] = _node(key, f"m{number}", "model", sql, parents)
        keys.append(key)
    metadata = {"adapter_type": "duckdb", "project_name": "big"}
    return {"metadata": metadata, "nodes": nodes, "sources": sources, "macros": {}}


def _node(key: str, name: str, kind: str, sql: str, parents: list[str]) -> dict[str, Any]:
    return {
        "unique_id": key, "name": name, "resource_type": kind, "package_name": "big", "source_name": "raw",
        "database": "db", "schema": "main", "original_file_path": f"models/{name}.sql", "config": {},
        "relation_name": f'"db"."main"."{name}"', "compiled_code": sql, "raw_code": sql,
        "depends_on": {"nodes": parents}, "columns": {},
    }  # fmt: skip


@contextmanager
def _timed(spent: list[float], queries: list[tuple[Any, list[str]]]) -> Iterator[None]:
    from docgen_plugin.lineage import trace as real

    def trace(query: Any, *args: Any) -> Any:
        began = time.process_time()
        found = real(query, *args)
        spent.append(time.process_time() - began)
        queries.append((query, list(found)))
        return found

    with mock.patch.object(reader, "trace", trace):
        yield


def measure(models: int, queries: list[tuple[Any, list[str]]] | None = None) -> Measured:
    """Read a manifest of so many models and return what it took; `queries` gets what was traced."""
    manifest = make_manifest(models)
    known = {key: tuple((name, "") for name in _SOURCE) for key in manifest["sources"]}
    spent: list[float] = []
    traced: list[tuple[Any, list[str]]] = [] if queries is None else queries
    began = time.process_time()
    with _timed(spent, traced):
        found = SqlReader(Path(), manifest, known, {}, {}).read_all()
    read_s = time.process_time() - began
    return Measured(models, sum(len(one.lineage) for one in found.values()), read_s, sum(spent))


def _column_by_column(queries: Sequence[tuple[Any, list[str]]]) -> float:
    """Return the processor seconds that sqlglot's own lineage takes for every column of these queries."""
    from sqlglot.lineage import lineage

    began = time.process_time()
    for query, names in queries:
        for name in names:
            lineage(name, query.copy(), schema={}, dialect="duckdb")
    return time.process_time() - began


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print a table; return 1 when the growth is clearly more than linear."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="500,2000", help="models")
    parser.add_argument("--compared", type=int, default=40, help="models for the comparison; 0 is none")
    chosen = parser.parse_args(arguments)
    measure(20)  # sqlglot's own start
    print(f"{'models':>7}{'columns':>9}{'read s':>8}{'lineage s':>11}{'share':>7}{'slope':>7}")
    before: Measured | None = None
    worst = 0.0
    queries: list[tuple[Any, list[str]]] = []
    for size in (int(one) for one in chosen.sizes.split(",")):
        queries = []
        run = measure(size, queries)
        grown = slope((before.models, before.lineage_s), (size, run.lineage_s)) if before else float("nan")
        worst = max(worst, grown if before else 0.0)
        share = run.lineage_s / run.read_s
        print(
            f"{run.models:7,}{run.columns:9,}{run.read_s:8.2f}{run.lineage_s:11.2f}{share:7.0%}{grown:7.2f}"
        )
        before = run
    if chosen.compared and before:
        part = queries[: chosen.compared]
        ours = before.lineage_s * len(part) / len(queries)
        print(f"column by column with sqlglot.lineage: {_column_by_column(part) / ours:.0f} times as long")
    return int(worst > 1.5)


if __name__ == "__main__":
    sys.exit(main())
