"""Runs `dbt parse` for a project whose manifest is missing or old."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from docgen_dbt.project import Project
from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError

__all__ = ["dbt_command", "gone_entries", "newer_files", "run_parse"]

# dbtRunner changes the working folder, the loggers and the warning filters of its process: it gets its own
_RUNNER = (
    "import sys; from dbt.cli.main import dbtRunner; sys.exit(not dbtRunner().invoke(sys.argv[1:]).success)"
)
_LIMIT_S = 1800
_NOISE = re.compile(
    r"^(\d\d:\d\d:\d\d\s+)?(Running with dbt|Registered adapter|Unable to do partial|Found \d)"
)


def dbt_command() -> list[str] | None:
    """Return the start of a dbt command line, or None when dbt is neither installed here nor on the PATH."""
    if _installed_here():
        return [sys.executable, "-c", _RUNNER]
    found = shutil.which("dbt")
    return [found] if found else None


def run_parse(project: Project, config: Config, partial: bool = True) -> None:
    """Run `dbt parse`, which writes target/manifest.json; not `partial`, all files are read anew.

    Raises:
        SourceError: when dbt is not installed, or the project does not parse.
    """
    command = dbt_command()
    if command is None:
        raise SourceError(
            f"{project.show(project.manifest_path)} is missing in {project.root} and dbt is not installed: "
            "run `dbt parse` there, or install docgen-plugin[dbt] and the project's adapter"
        )
    flags = ["--no-use-colors", "--no-send-anonymous-usage-stats"]
    flags += ["parse"] if partial else ["--no-partial-parse", "parse"]
    flags += ["--project-dir", str(project.root), "--target-path", str(project.target)]
    profiles = _profiles_dir(project, config)
    if profiles:
        flags += ["--profiles-dir", profiles]
    environment = dict(os.environ, PYTHONWARNINGS="ignore", PYTHONIOENCODING="utf-8")
    try:
        done = subprocess.run(
            [*command, *flags],
            cwd=project.root,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as err:
        raise SourceError(f"{project.root}: `dbt parse` could not be run: {err}") from err
    if done.returncode or not project.manifest_path.is_file():
        output = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
        raise SourceError(f"{project.root}: `dbt parse` failed: {_reason(output)}")


def newer_files(project: Project) -> list[Path]:
    """Return the project's files that changed after the manifest was written, the newest first."""
    written_ns = project.manifest_path.stat().st_mtime_ns
    found: list[tuple[int, Path]] = []
    for path in project.files():
        try:
            changed_ns = path.stat().st_mtime_ns
        except OSError:
            continue  # a broken link: dbt will say so better than we can
        if changed_ns > written_ns:
            found.append((-changed_ns, path))
    return [path for _, path in sorted(found)]


def gone_entries(project: Project, nodes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the ids of nodes that the manifest describes from a file which does not name them any more.

    dbt's partial parse can keep the texts of an entry that was taken out of its file (seen in dbt-core 1.11).
    """
    texts: dict[str, str] = {}
    found = []
    for key, node in nodes.items():
        path = str(node.get("patch_path") or "").partition("://")[2]
        if path and path not in texts:
            file = project.root / path
            # a file that is gone altogether is no trace; one that is elsewhere is not ours to judge
            texts[path] = file.read_text("utf-8", "replace") if file.is_file() else ""
        if path and texts[path] and str(node["name"]) not in texts[path]:
            found.append(key)
    return found


def _installed_here() -> bool:
    try:
        return importlib.util.find_spec("dbt.cli") is not None
    except (ImportError, ValueError):
        return False


def _profiles_dir(project: Project, config: Config) -> str:
    """Return the folder to name, "" to let dbt search: it looks in its working folder, which is the project."""
    if config.profiles_dir:
        return str(Path(config.profiles_dir).expanduser().resolve())
    if "DBT_PROFILES_DIR" not in os.environ and (project.root / "profiles.yml").is_file():
        return str(project.root)
    return ""


def _reason(output: str) -> str:
    """Return what dbt said went wrong as one line, its greeting and time stamps left out."""
    lines = [re.sub(r"^\d\d:\d\d:\d\d\s+", "", line).strip() for line in output.splitlines()]
    lines = [line for line in lines if line and not _NOISE.match(line)]
    start = next((i for i, line in enumerate(lines) if "rror" in line), 0)
    text = " ".join(lines[start : start + 6])
    return (text[:400] + "...") if len(text) > 400 else text or "it wrote no message; run it by hand"
