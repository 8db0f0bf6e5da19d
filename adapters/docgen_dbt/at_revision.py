"""The catalog as it stood at a git revision: which tables there were, and what their property files said then."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from docgen_dbt.artifacts import read_manifest
from docgen_dbt.overlay import describe_entries
from docgen_dbt.project import Project, load_project
from docgen_plugin.errors import SourceError
from docgen_plugin.model import Catalog, Table

__all__ = ["catalog_at"]

_PROPERTIES = (".yml", ".yaml")


def catalog_at(root: Path, revision: str, catalog: Catalog) -> Catalog:
    """Return today's catalog with the descriptions that stood at a revision, without the tables that were not there.

    Columns are today's: what a query gave at another time is not worked out. A text that dbt would render (`{{ doc() }}`)
    stands as it is written.

    Raises:
        SourceError: when the project is in no git repository, or git does not know the revision.
    """
    project = load_project(root)
    commit = _git(
        root, "rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}", why=f"no revision {revision!r}"
    )
    files = set(_git(root, "ls-tree", "-r", "-z", "--name-only", commit.strip(), "--", ".").split("\0"))
    manifest = read_manifest(project)
    nodes: Mapping[str, dict[str, Any]] = {**manifest.get("nodes", {}), **manifest.get("sources", {})}
    texts = {}
    for entry in _entries(root, commit.strip(), project, files):
        texts.update(entry)
    tables = tuple(
        _table(table, texts.get(_name(nodes[table.key]), ("", {})))
        for table in catalog.tables
        if table.key in nodes and _was_there(nodes[table.key], files, texts)
    )
    return replace(catalog, tables=tables, notes=())


def _entries(
    root: Path, commit: str, project: Project, files: set[str]
) -> Iterator[dict[tuple[str, str, str], tuple[str, dict[str, str]]]]:
    folders = tuple(f"{folder.rstrip('/')}/" for folder in project.folders)
    for file in sorted(files):
        if file.endswith(_PROPERTIES) and file.startswith(folders):
            text = _git(root, "show", f"{commit}:./{file}", why=f"{file} cannot be read")
            try:
                data = yaml.load(text, yaml.CSafeLoader)
            except (ValueError, yaml.YAMLError, RecursionError):
                continue  # dbt could not have read it either
            if isinstance(data, dict):
                yield describe_entries(data)


def _was_there(
    node: Mapping[str, Any], files: set[str], texts: Mapping[tuple[str, str, str], tuple[str, dict[str, str]]]
) -> bool:
    if node["resource_type"] == "source":
        return _name(node) in texts
    return str(node.get("original_file_path") or "").replace("\\", "/") in files


def _name(node: Mapping[str, Any]) -> tuple[str, str, str]:
    return (str(node["resource_type"]), str(node.get("source_name") or ""), str(node["name"]))


def _table(table: Table, told: tuple[str, dict[str, str]]) -> Table:
    text, columns = told
    then = tuple(
        replace(column, description=columns.get(column.name.lower(), "")) for column in table.columns
    )
    return replace(table, description=text, columns=then)


def _git(root: Path, *words: str, why: str = "") -> str:
    """Return what git says in the project's folder.

    Raises:
        SourceError: when git is not there, or says no.
    """
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *words], capture_output=True, check=False, stdin=subprocess.DEVNULL
        )
    except OSError as err:
        raise SourceError(
            f"{root}: git cannot be run ({err.strerror}): it is needed for --diff-from"
        ) from err
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise SourceError(f"{root}: {why or 'git failed'}: {said[0] if said else 'git does not know it'}")
    return done.stdout.decode("utf-8", "replace")
