"""Time and memory of `docgen suggest` from 10 to 10,000 tables: is the growth linear, is there room for all?

Each size runs in a process of its own on a database made for it, with a stand-in that answers at once for the
big ones (what is measured is then all but the model) and the embedded model for the small ones. Seconds are of
the processor, all threads together, so that a busy machine does not bend them; the clock's are beside them. A
slope is the growth exponent between two sizes, log against log: 1 is linear, 2 is quadratic. What a start costs
whatever the size, measured on one table, is left out of it.

    python tests/benchmarks/scaling.py [--sizes 10,100,1000,10000] [--model-sizes 10,100] [--database sqlite]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy

__all__ = ["Measured", "main", "make_database", "measure", "slope"]

ROOT = Path(__file__).resolve().parent.parent.parent
MOST_MB = 500.0  # beyond the model
_NOISE_S = 0.1
NOUNS = "order customer invoice shipment product payment store supplier contract employee".split()
COLUMNS = (
    "{noun}_id integer primary key, {other}_id integer, {noun}_nm varchar(80), crt_ts timestamp,"
    " tot_amt numeric(12,2), sts_cd varchar(4), is_actv boolean, x{number} varchar(9)"
)
# what each process runs: the real command, its stand-in for a model registered as any plugin is
PROGRAM = """
import json, sys, time
sys.path.insert(0, {root!r})
from docgen_plugin.cli import cli
from docgen_plugin.plugins import manager
from tests.benchmarks.memory import peak_mb
if {fake!r}:
    from tests.fakes import FakeModel
    manager().register(FakeModel())
found = {{}}
for verb in ("suggest", "accept", "suggest"):
    began, worked = time.perf_counter(), time.process_time()
    try:
        cli.main([verb, sys.argv[1]], standalone_mode=False)
    except SystemExit as err:
        sys.exit(err.code)
    again = "again" if verb in found else verb
    found[again] = time.process_time() - worked
    found[again + "_clock"] = time.perf_counter() - began
    found[again + "_mb"] = peak_mb()
print(json.dumps(found), file=sys.stderr)
"""


@dataclass(frozen=True, slots=True)
class Measured:
    """One run: processor seconds of each verb, and the largest resident memory when `suggest` ended."""

    model: str
    tables: int
    places: int
    clock_s: float  # of suggest
    suggest_s: float
    accept_s: float
    again_s: float
    peak_mb: float


def make_database(dialect: str, folder: Path, tables: int) -> str:
    """Return the URL of a new database with so many tables of eight columns."""
    url = f"{dialect}:///{folder / f'tables_{tables}.db'}"
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
    with engine.begin() as connection:
        for number in range(tables):
            noun, other = NOUNS[number % len(NOUNS)], NOUNS[number // len(NOUNS) % len(NOUNS)]
            if other == noun:
                other = "parent"
            columns = COLUMNS.format(noun=noun, other=other, number=number)
            connection.exec_driver_sql(f"CREATE TABLE {noun}_{number} ({columns})")
    engine.dispose()
    return url


def measure(dialect: str, tables: int, fake: bool) -> Measured:
    """Run the journey on a new database and return what it took."""
    with tempfile.TemporaryDirectory(prefix="docgen-scaling-") as name:
        url = make_database(dialect, Path(name), tables)
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DOCGEN_")}
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM.format(root=str(ROOT), fake=fake), url],
            cwd=name,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{tables} tables: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    found = json.loads(done.stderr.splitlines()[-1])
    places = tables * (1 + len(COLUMNS.split(", ")))
    if f"{places:,} suggestions of {places:,}" not in done.stdout or "nothing to do" not in done.stdout:
        raise SystemExit(f"{tables} tables: not every place was suggested once\n{done.stdout}")
    return Measured(
        "stand-in" if fake else "embedded",
        tables,
        places,
        found["suggest_clock"],
        found["suggest"],
        found["accept"],
        found["again"],
        found["suggest_mb"],
    )


def slope(first: tuple[float, float], second: tuple[float, float]) -> float:
    """Return the growth exponent between two points (size, quantity); not a number where nothing can be said.

    >>> slope((10, 5.0), (100, 50.0)), slope((10, 5.0), (100, 500.0))
    (1.0, 2.0)
    """
    (size, quantity), (larger, more) = first, second
    if min(size, quantity, more) <= 0 or larger <= size:
        return math.nan
    return round(math.log(more / quantity) / math.log(larger / size), 2)


def _lines(runs: Sequence[Measured], start: Measured) -> Iterator[str]:
    yield (
        f"{'model':10}{'tables':>8}{'places':>9}{'clock s':>9}{'suggest s':>11}{'slope':>7}"
        f"{'accept s':>10}{'again s':>9}{'slope':>7}{'peak MB':>9}"
    )
    before: Measured | None = None
    for run in runs:
        grown, again = "", ""
        if before is not None:
            sizes = (before.tables, run.tables)
            grown = _shown(sizes, (before.suggest_s - start.suggest_s, run.suggest_s - start.suggest_s))
            again = _shown(sizes, (before.again_s - start.again_s, run.again_s - start.again_s))
        yield (
            f"{run.model:10}{run.tables:8,}{run.places:9,}{run.clock_s:9.2f}{run.suggest_s:11.2f}{grown:>7}"
            f"{run.accept_s:10.2f}{run.again_s:9.2f}{again:>7}{run.peak_mb:9.0f}"
        )
        before = run


def _shown(sizes: tuple[float, float], seconds: tuple[float, float]) -> str:
    # a tenth of a second is noise: no slope from it
    if seconds[0] < _NOISE_S:
        return ""
    return f"{slope((sizes[0], seconds[0]), (sizes[1], seconds[1])):.2f}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table for each model, and return 1 when the memory is over the limit."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="10,100,1000,10000", help="tables, with the stand-in")
    parser.add_argument("--model-sizes", default="10,100", help="tables, with the embedded model")
    parser.add_argument("--database", choices=("sqlite", "duckdb"), default="duckdb")
    chosen = parser.parse_args(arguments)
    peak = 0.0
    for fake, listed in ((True, chosen.sizes), (False, chosen.model_sizes)):
        sizes = [int(size) for size in listed.split(",") if size]
        if not sizes:
            continue
        # the quicker of two: the first one finds nothing in the system's cache
        start = min((measure(chosen.database, 1, fake) for _ in range(2)), key=lambda run: run.suggest_s)
        runs = [measure(chosen.database, size, fake) for size in sizes]
        print("\n".join(_lines(runs, start)))
        print(f"a start costs {start.suggest_s:.2f} s and {start.peak_mb:.0f} MB whatever the size\n")
        # a start with the model is what the model costs: its weights and its working memory
        peak = max(peak, *(run.peak_mb - (0 if fake else start.peak_mb) for run in runs))
    print(f"most memory beyond the model: {peak:.0f} MB, the limit is {MOST_MB:.0f} MB")
    return int(peak > MOST_MB)


if __name__ == "__main__":
    sys.exit(main())
