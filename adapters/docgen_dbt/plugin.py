"""The dbt side of the hooks: reads a project's artifacts, writes its property files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from docgen_plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    import click

    from docgen_plugin.config import Config
    from docgen_plugin.model import Catalog, Change, WriteReport

__all__ = [
    "find_project",
    "read_catalog",
    "read_catalog_at",
    "register_commands",
    "select_tables",
    "write_descriptions",
]


@hookimpl
def read_catalog(source: str, config: Config) -> Catalog | None:
    """Return the catalog of a dbt project, or None when `source` is not one."""
    root = find_project(source)
    if root is None:
        return None
    from docgen_dbt.artifacts import read_project

    return read_project(root, config)


@hookimpl
def read_catalog_at(source: str, revision: str, catalog: Catalog, config: Config) -> Catalog | None:
    """Return the project's catalog as its files stood at a git revision, or None when `source` is no project."""
    root = find_project(source)
    if root is None:
        return None
    from docgen_dbt.at_revision import catalog_at

    return catalog_at(root, revision, catalog)


@hookimpl
def write_descriptions(
    source: str, changes: Sequence[Change], dry_run: bool, config: Config
) -> WriteReport | None:
    """Write descriptions into a dbt project's property files, or return None when `source` is not one."""
    root = find_project(source)
    if root is None:
        return None
    from docgen_dbt.properties import write_project

    return write_project(root, changes, dry_run, config)


@hookimpl
def select_tables(source: str, criterion: str, config: Config) -> Set[str] | None:
    """Return the keys that a criterion of dbt's node selection means, or None for a plain name or glob."""
    root = find_project(source)
    if root is None:
        return None
    from docgen_dbt.selectors import is_criterion

    if not is_criterion(criterion):
        return None
    from docgen_dbt.artifacts import read_manifest
    from docgen_dbt.project import load_project
    from docgen_dbt.selectors import select_nodes

    return select_nodes(read_manifest(load_project(root)), [criterion])


@hookimpl
def register_commands(cli: click.Group) -> None:
    """Add `docgen init`, `docgen provenance` and the verbs for git hooks."""
    from docgen_dbt.cli_check import COMMANDS
    from docgen_dbt.provenance import provenance
    from docgen_dbt.starter import init

    for command in (init, provenance, *COMMANDS):
        cli.add_command(command)


def find_project(source: str) -> Path | None:
    """Return the folder of the dbt project that `source` names, or None when it names none."""
    if "://" in source or "\0" in source:
        return None
    path = Path(source).expanduser()
    if path.name in ("dbt_project.yml", "dbt_project.yaml") and path.is_file():
        return path.resolve().parent
    if (path / "dbt_project.yml").is_file():
        return path.resolve()
    return None
