"""`docgen demo` as a new user meets it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.journeys import PROGRAM, clean_environment

PACKAGE = Path(__file__).parent.parent / "docgen_plugin" / "demo_shop"
VERBS = ["coverage", "suggest", "status", "accept", "apply", "suggest", "coverage"]


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    return {
        path.relative_to(root).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


@pytest.mark.slow
def test_demo_ends_with_a_diff_and_writes_to_its_own_folder_only(tmp_path):
    pytest.importorskip("dbt.adapters.duckdb")
    home, work, temporary = (tmp_path / name for name in ("home", "work", "temporary"))
    for folder in (home, work, temporary):
        folder.mkdir()
    shipped = snapshot(PACKAGE)
    done = subprocess.run(
        [PROGRAM, "demo"],
        cwd=work,
        env=clean_environment({"HOME": str(home), "TMPDIR": str(temporary), "XDG_CACHE_HOME": str(home)}),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.findall(r"^\$ docgen (\w+)", done.stdout, re.M) == VERBS
    assert snapshot(PACKAGE) == shipped
    assert list(work.iterdir()) == []
    # dbt makes a file with its user's id unless the project says no; ours does
    assert [path for path in home.rglob("*") if path.is_file()] == []
    (folder,) = temporary.glob("docgen-demo-*")
    assert [path for path in temporary.iterdir() if path != folder] == []
    check_diff(done.stdout, folder / "demo_shop")
    assert done.stdout.rstrip().endswith(str(folder / "demo_shop"))


def check_diff(shown: str, shop: Path) -> None:
    """The diff that was shown makes the shop that stands there now from the one that we ship."""
    start = shown.index("--- ")
    diff = shown[start : shown.index("\nthe project with its new descriptions")]
    added = [line[1:] for line in diff.splitlines() if line.startswith("+") and not line.startswith("+++")]
    removed = [line for line in diff.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert all("description" in line for line in removed)
    texts = [line for line in added if "description:" in line]
    assert len(texts) > 70
    before = {path.relative_to(PACKAGE): path for path in PACKAGE.rglob("*.yml")}
    new_lines: list[str] = []
    for path in sorted(shop.glob("models/**/*.yml")) + sorted(shop.glob("seeds/**/*.yml")):
        yaml.safe_load(path.read_text(encoding="utf-8"))
        old = before.get(path.relative_to(shop))
        known = old.read_text(encoding="utf-8").splitlines() if old else []
        for line in path.read_text(encoding="utf-8").splitlines():
            if line in known:
                known.remove(line)
            else:
                new_lines.append(line)
        assert all("description" in line for line in known), f"{path}: lost {known}"
    missing = set(filter(str.strip, new_lines)) - set(added)
    assert not missing, missing


def test_the_shop_is_shipped_without_what_dbt_makes():
    names = {path.name for path in PACKAGE.rglob("*")}
    assert not names & {"target", "logs", "dbt_packages", ".user.yml"}
    assert not [name for name in names if name.endswith((".duckdb", ".db"))]
    assert os.access(PACKAGE / "dbt_project.yml", os.R_OK)
