"""Reading a dbt project, manifest to ledger, beside `dbt parse` of the same project; and how both grow.

The projects are made for it: staging models that rename and cast a source's columns, intermediate models that join
two of them and compute, marts with `select *` through CTEs and a count; keys with dbt's usual two tests, property
files a folder and every second model half described. Ours is `docgen suggest` from the start of the process to its end,
with a stand-in that answers at once in the model's place: reading, lineage, inheritance, the dictionary, checks, the
ledger's rows. dbt's is the real one, without what it keeps between runs (`cold`), and with `--no-partial-parse`. Each
of our runs has dbt's seconds of the same size beside it. Seconds are of the processor with all children, so that a busy
machine does not bend them; the clock's are beside them. A slope is the growth exponent between two sizes, what a start
costs included: 1 is linear, 2 is quadratic.

    python -m tests.benchmarks.dbt_scale [--sizes 250,1000,2000] [--without-tests] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.benchmarks.scaling import COLUMNS, slope

__all__ = ["Measured", "Spent", "main", "measure", "write_project"]

ROOT = Path(__file__).resolve().parent.parent.parent
_NOUNS = "order customer invoice shipment product payment store supplier contract employee".split()
_RAW = [part.format(noun="thing", other="owner", number="7").split()[0] for part in COLUMNS.split(", ")]
_KINDS = ("integer", "integer", "varchar", "timestamp", "numeric(12, 2)", "varchar", "boolean", "varchar")
_GIVEN = (
    "{noun}_id",
    "owner_id",
    "{noun}_name",
    "created_at",
    "total_amount",
    "status_code",
    "is_active",
    "x7",
)
_PER_FOLDER = 20  # models in a folder, and in its property file
_LAYERS = (5, 3, 2)  # of ten models: staging, intermediate, marts
_DBT = (
    "import sys; from dbt.cli.main import dbtRunner; sys.exit(not dbtRunner().invoke(sys.argv[1:]).success)"
)
# the real command, its stand-in for a model registered as any plugin is
_SUGGEST = (
    "import sys; from docgen_plugin.plugins import manager; from tests.fakes import FakeModel;"
    " manager().register(FakeModel()); from docgen_plugin.cli import main; sys.argv[1:] = ['suggest', '.']; main()"
)
_PROFILE = "big:\n  target: dev\n  outputs:\n    dev: {type: duckdb, path: big.duckdb}\n"
_TESTED = "        data_tests: [unique, not_null]\n"


@dataclass(frozen=True, slots=True)
class Spent:
    """What one process took, its children included."""

    work_s: float  # of the processor
    clock_s: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One size: ours, and dbt's two."""

    models: int
    suggestions: int
    ours: Spent
    cold: Spent  # dbt parse, nothing kept from an earlier run
    whole: Spent  # dbt parse --no-partial-parse, beside what the earlier run kept

    @property
    def ratio(self) -> float:
        """Ours as a multiple of dbt's quicker run, in processor seconds; at most 1 is what is asked for."""
        return self.ours.work_s / min(self.cold.work_s, self.whole.work_s)


def write_project(root: Path, models: int, tests: bool = True) -> None:
    """Write a project of so many models in three layers, a source table for each staging model."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "dbt_project.yml").write_text("name: big\nprofile: big\nmodel-paths: [models]\n")
    (root / "profiles.yml").write_text(_PROFILE)
    staging, between = (models * share // sum(_LAYERS) for share in _LAYERS[:2])
    made = [("staging", f"stg_{_noun(at)}_{at}", _staging(at)) for at in range(staging)]
    made += [("intermediate", f"int_{_noun(at)}_{at}", _between(at, staging)) for at in range(between)]
    made += [("marts", f"fct_{_noun(at)}_{at}", _mart(at, between)) for at in range(models - len(made))]
    entries: dict[Path, list[str]] = {}
    for at, (layer, name, sql) in enumerate(made):
        folder = root / "models" / layer / f"part_{at // _PER_FOLDER}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.sql").write_text(sql)
        noun = name.split("_")[1]
        entries.setdefault(folder / "_models.yml", []).append(_entry(name, noun, at % 2 == 0, tests))
    for path, listed in entries.items():
        path.write_text("models:\n" + "".join(listed))
    tables = "".join(_source_table(at) for at in range(staging))
    (root / "models" / "staging" / "_sources.yml").write_text(
        f"sources:\n  - name: raw\n    description: Landed every night.\n    tables:\n{tables}"
    )


def _noun(at: int) -> str:
    return _NOUNS[at % len(_NOUNS)]


def _names(at: int) -> list[str]:
    return [name.format(noun=_noun(at)) for name in _GIVEN]


def _staging(at: int) -> str:
    pairs = zip(_RAW, _KINDS, _names(at), strict=True)
    items = ",\n".join(f"        cast({raw} as {kind}) as {name}" for raw, kind, name in pairs)
    return (
        "{{ config(materialized='view') }}\n\nwith source as (\n"
        f"    select * from {{{{ source('raw', 't{at}') }}}}\n),\n\nrenamed as (\n    select\n{items}\n    from source\n)\n\n"
        "select * from renamed\n"
    )


def _between(at: int, staging: int) -> str:
    other = (at * 7 + 1) % staging
    noun = _noun(at)
    columns = ",\n".join(f"    a.{name}" for name in _names(at))
    return (
        f"with a as (\n    select * from {{{{ ref('stg_{noun}_{at}') }}}}\n),\n\n"
        f"b as (\n    select * from {{{{ ref('stg_{_noun(other)}_{other}') }}}}\n)\n\nselect\n{columns},\n"
        "    b.status_code as owner_status_code,\n    b.created_at as owner_created_at,\n"
        "    a.total_amount - coalesce(b.total_amount, 0) as open_amount,\n"
        "    case when b.is_active then 'active' else 'closed' end as owner_state\n"
        f"from a\nleft join b on a.owner_id = b.{_noun(other)}_id\n"
    )


def _mart(at: int, between: int) -> str:
    at %= between
    return (
        "{{ config(materialized='table') }}\n\n"
        f"with final as (\n    select * from {{{{ ref('int_{_noun(at)}_{at}') }}}}\n)\n\n"
        "select\n    *,\n    date_trunc('month', created_at) as created_month,\n"
        "    sum(total_amount) over (partition by owner_id order by created_at) as running_amount\n"
        "from final\nwhere is_active\n"
    )


def _entry(name: str, noun: str, described: bool, tests: bool) -> str:
    text = "    description: One row per thing that the web shop sent.\n" if described else ""
    key = f"      - name: {noun}_id\n{_TESTED if tests else ''}"
    about = "        description: Number that the shop gives.\n" if described else ""
    more = (
        "      - name: total_amount\n        description: What is to be paid, in euros, tax included.\n"
        "      - name: status_code\n        description: Where the thing stands in the shop's process.\n"
    )
    return f"  - name: {name}\n{text}    columns:\n{key}{about}{more if described else ''}"


def _source_table(at: int) -> str:
    told = "            description: Number of the owner in the CRM.\n" if at % 3 == 0 else ""
    columns = "".join(
        f"          - name: {name}\n{told if name == 'owner_id' else ''}"
        for name in (_RAW if at % 2 else _RAW[:2])
    )
    return f"      - name: t{at}\n        columns:\n{columns}"


def measure(models: int, tests: bool = True) -> Measured:
    """Make a project of so many models, let dbt parse it twice, then run ours on what it wrote."""
    with tempfile.TemporaryDirectory(prefix="docgen-dbt-scale-") as name:
        root = Path(name)
        write_project(root, models, tests)
        cold = _spent(root, _DBT, "parse", "--quiet", "--profiles-dir", ".")[0]
        whole = _spent(root, _DBT, "parse", "--quiet", "--no-partial-parse", "--profiles-dir", ".")[0]
        ours, shown = _spent(root, _SUGGEST)
        shutil.rmtree(root / "target")
    found = next((line for line in shown.splitlines() if " suggestions of " in line), "")
    if not found:
        raise SystemExit(f"{models} models: nothing was suggested\n{shown}")
    return Measured(models, int(found.split()[0].replace(",", "")), ours, cold, whole)


def _spent(root: Path, program: str, *words: str) -> tuple[Spent, str]:
    """Run a program in a process of its own and return what it took, and what it printed."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("DOCGEN_", "DBT_"))}
    environment["PYTHONPATH"] = os.pathsep.join((str(ROOT), *sys.path))
    environment["DBT_SEND_ANONYMOUS_USAGE_STATS"] = "false"
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, *words],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    clock_s = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"exit {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    work_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(work_s, clock_s), done.stdout


def _lines(runs: Sequence[Measured]) -> Iterator[str]:
    yield (
        f"{'models':>7}{'places':>8}{'docgen s':>10}{'clock':>7}{'slope':>7}{'dbt cold s':>12}{'clock':>7}{'slope':>7}"
        f"{'dbt whole s':>13}{'clock':>7}{'ratio':>7}"
    )
    before: Measured | None = None
    for run in runs:
        slopes = ["", ""]
        if before is not None:
            pairs = ((before.ours, run.ours), (before.cold, run.cold))
            slopes = [f"{slope((before.models, a.work_s), (run.models, b.work_s)):.2f}" for a, b in pairs]
        yield (
            f"{run.models:7,}{run.suggestions:8,}{run.ours.work_s:10.2f}{run.ours.clock_s:7.2f}{slopes[0]:>7}"
            f"{run.cold.work_s:12.2f}{run.cold.clock_s:7.2f}{slopes[1]:>7}"
            f"{run.whole.work_s:13.2f}{run.whole.clock_s:7.2f}{run.ratio:7.2f}"
        )
        before = run


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and return 1 when ours took longer than dbt's on the largest."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", default="250,1000,2000", help="models")
    parser.add_argument("--without-tests", action="store_true", help="no data tests: less for dbt to do")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    runs = [measure(int(size), not chosen.without_tests) for size in chosen.sizes.split(",")]
    print(json.dumps([asdict(run) for run in runs]) if chosen.json else "\n".join(_lines(runs)))
    return int(runs[-1].ratio > 1)


if __name__ == "__main__":
    sys.exit(main())
