"""What the database answered when docgen ran inside dbt, kept so that `docgen` outside of it sees the same columns.

`.docgen/columns.json` of the project: {"nodes": {unique id: {"seen_ns": ..., "columns": [[name, type], ...]}}}. Without
it a column that only the database knows would be there inside dbt and gone outside, and its suggestion stale.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from docgen_dbt.project import Project
from docgen_plugin.errors import SourceError
from docgen_plugin.files import replace_file

__all__ = ["columns_path", "read_columns", "write_columns"]

Columns = tuple[tuple[str, str], ...]  # name, type


def columns_path(project: Project) -> Path:
    """Return where a project's answers are kept."""
    return project.root / ".docgen" / "columns.json"


def read_columns(project: Project) -> tuple[dict[str, tuple[Columns, int]], str]:
    """Return (columns, nanoseconds since 1970) by unique id, and a note when the file is unreadable."""
    path = columns_path(project)
    if not path.is_file():
        return {}, ""
    try:
        nodes = json.loads(path.read_bytes())["nodes"]
        return {
            str(key): (tuple((str(name), str(kind)) for name, kind in one["columns"]), int(one["seen_ns"]))
            for key, one in nodes.items()
        }, ""
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as err:
        return {}, f"{project.show(path)} cannot be read and was left out ({type(err).__name__}: {err})"


def write_columns(project: Project, asked: Mapping[str, tuple[Columns, int]], kept: set[str]) -> None:
    """Keep new answers beside the earlier ones; those of ids that are not in `kept` are dropped.

    Raises:
        SourceError: when the file cannot be written.
    """
    earlier, _ = read_columns(project)
    nodes = {
        key: {"seen_ns": seen_ns, "columns": [list(column) for column in columns]}
        for key, (columns, seen_ns) in sorted({**earlier, **asked}.items())
        if key in kept
    }
    path = columns_path(project)
    try:
        if not path.parent.is_dir():
            path.parent.mkdir(parents=True)
            (path.parent / ".gitignore").write_text("*\n", encoding="utf-8")
        replace_file(path, json.dumps({"nodes": nodes}, indent=1).encode())
    except OSError as err:
        raise SourceError(f"{project.show(path)}: cannot be written: {err.strerror}") from err
