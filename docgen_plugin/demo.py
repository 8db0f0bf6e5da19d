"""`docgen demo`: the whole journey on a copy of a small dbt + DuckDB shop, in a temporary folder."""

from __future__ import annotations

import difflib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import as_file, files
from importlib.util import find_spec
from pathlib import Path

import click

from docgen_plugin.console import show, visible, working
from docgen_plugin.errors import SourceError

__all__ = ["COMMANDS", "copy_shop", "yaml_diff"]

# settings of the machine; those of the user's own project (ledger, include, ...) are not the demo's
_KEPT = ("DOCGEN_MODEL", "DOCGEN_N_GPU_LAYERS", "DOCGEN_THREADS")


@click.command()
@click.option("--model", metavar="PATH", help="A GGUF file to use instead of the default model.")
def demo(model: str | None) -> None:
    """Try everything on a copy of a small shop: a dbt project on DuckDB, in a temporary folder.

    Runs the same verbs that you would type, says which, and ends by printing the diff.
    """
    missing = [name for name in ("dbt", "dbt.adapters.duckdb") if not _installed(name)]
    if missing:
        raise SourceError("docgen demo needs dbt with DuckDB: pip install 'docgen-plugin[demo]'")
    with as_file(files("docgen_plugin").joinpath("demo_shop")) as shop:
        folder = copy_shop(shop)
        show(f"the shop: {visible(str(folder))}")
        _build(folder)
        chosen = ["--model", model] if model else []
        with _own_settings():
            for verb in ("coverage", "suggest", "status", "accept", "apply", "suggest", "coverage"):
                _run(folder, verb, *(chosen if verb == "suggest" else ()))
        show()
        show(yaml_diff(shop, folder).rstrip("\n"))
    show()
    show(f"the project with its new descriptions is in {visible(str(folder))}")


def _installed(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@contextmanager
def _own_settings() -> Iterator[None]:
    """Take the DOCGEN_* variables that are not the demo's out of the environment for a while."""
    names = [name for name in os.environ if name.startswith("DOCGEN_") and name not in _KEPT]
    taken = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(taken)


def copy_shop(shop: Path) -> Path:
    """Return a fresh copy of the shop in a temporary folder."""
    folder = Path(tempfile.mkdtemp(prefix="docgen-demo-")) / "demo_shop"
    shutil.copytree(shop, folder, ignore=shutil.ignore_patterns("__pycache__", "target", "logs", "*.duckdb"))
    return folder


def _build(folder: Path) -> None:
    """Let dbt load the shop's data and build its tables.

    Raises:
        SourceError: with dbt's last line, when that fails.
    """
    show("\n$ dbt build")
    with working("dbt build"):
        run = subprocess.run(
            [sys.executable, "-m", "dbt.cli.main", "build", "--quiet", "--profiles-dir", "."],
            cwd=folder,
            capture_output=True,
            text=True,
        )
    if run.returncode:
        last = (run.stdout + run.stderr).strip().splitlines()[-1:]
        raise SourceError(f"{folder}: dbt build failed: {' '.join(last)}")


def _run(folder: Path, verb: str, *options: str) -> None:
    """Show one of our own commands as a person would type it, and run it in this process."""
    from docgen_plugin.cli import cli

    show(f"\n$ docgen {' '.join(map(visible, (verb, folder.name, *options)))}")
    with click.Context(cli, info_name="docgen") as context:
        command = cli.get_command(context, verb)
        assert command is not None
        command.main([str(folder), *options], prog_name=f"docgen {verb}", standalone_mode=False)


def yaml_diff(before: Path, after: Path) -> str:
    """Return one unified diff of all property files of two copies of a project, new files included."""
    names = {path.relative_to(root) for root in (before, after) for path in (root / "models").rglob("*.yml")}
    names |= {path.relative_to(after) for path in (after / "seeds").rglob("*.yml")}
    lines: list[str] = []
    for name in sorted(names):
        old, new = (
            (root / name).read_text("utf-8").splitlines(True) if (root / name).exists() else []
            for root in (before, after)
        )
        lines += difflib.unified_diff(old, new, f"a/{name}" if old else "/dev/null", f"b/{name}")
    return "".join(lines)


COMMANDS: tuple[click.Command, ...] = (demo,)
