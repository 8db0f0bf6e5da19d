"""How long `docgen check` takes on many staged models: processor seconds, and as a multiple of an empty `docgen --version`.

    python tests/benchmarks/check.py --models 500

Two cases: the first commit of them all, and a commit that changes every one of them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

__all__ = ["main"]

_COLUMNS = 12
_MAIN = "from docgen_plugin.cli import main; main()"


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=500)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_project(root, options.models)
        _git(root, "init", "-q", ".")
        _git(root, "add", "-A")
        start = _cpu_s(root, "--version")
        first = _cpu_s(root, "check")
        _git(root, "-c", "user.email=a@example.org", "-c", "user.name=A", "commit", "-qm", "all")
        for path in root.glob("models/*.sql"):
            path.write_text(path.read_text().replace("as kind", "as kind, 1 as more"))
        _git(root, "add", "-A")
        changed = _cpu_s(root, "check")
    found = {"models": options.models, "start_s": start, "first_s": first, "changed_s": changed}
    if options.json:
        print(json.dumps(found))
        return
    print(f"docgen --version       {start:6.2f} s of the processor")
    print(f"first commit of {options.models:<5}  {first:6.2f} s, {first / start:.1f} times")
    print(f"every one changed      {changed:6.2f} s, {changed / start:.1f} times")


def write_project(root: Path, models: int) -> None:
    """Write a dbt project of described models, each with a star through two CTEs, every tenth one a source's."""
    (root / "models").mkdir()
    (root / "dbt_project.yml").write_text("name: big\n")
    for number in range(models):
        names = [f"c{number}_{column}" for column in range(_COLUMNS)]
        upstream = f"ref('m{number - 1}')" if number % 10 else "source('raw', 't')"
        items = ",\n".join(f"        cast(src_{at} as varchar) as {name}" for at, name in enumerate(names))
        (root / f"models/m{number}.sql").write_text(
            "{{ config(materialized='table') }}\n\n"
            f"with source as (\n    select * from {{{{ {upstream} }}}}\n),\n"
            f"renamed as (\n    select\n{items}\n    from source where x > 1\n),\n"
            "final as (select renamed.*, case when a = 1 then 'x' else 'y' end as kind from renamed)\n"
            "select * from final\n"
        )
        described = "".join(
            f"      - name: {name}\n        description: What the web shop sends about thing {name}.\n"
            for name in (*names, "kind")
        )
        (root / f"models/m{number}.yml").write_text(
            f"models:\n  - name: m{number}\n    description: One row per thing that was seen.\n    columns:\n{described}"
        )


def _git(root: Path, *words: str) -> None:
    subprocess.run(["git", *words], cwd=root, check=True)


def _cpu_s(root: Path, *words: str) -> float:
    """Return the processor time that docgen and its children took, which other work on the machine does not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path))
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, *words], cwd=root, env=environment, capture_output=True, check=False
    )
    assert done.returncode in (0, 1), done.stderr
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
