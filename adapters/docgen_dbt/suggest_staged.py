"""Writes suggestions for what a commit leaves undescribed into the property files, for a person to look at and stage."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from docgen_dbt.artifacts import catalog_of
from docgen_dbt.files_manifest import manifest_of
from docgen_dbt.findings import Finding
from docgen_dbt.git import Repository
from docgen_dbt.properties import write_changes
from docgen_dbt.staged import StagedProject
from docgen_plugin import pipeline
from docgen_plugin.errors import WriteError
from docgen_plugin.model import Change, ColumnRef
from docgen_plugin.selection import chosen_tables
from docgen_plugin.store import Decision

if TYPE_CHECKING:
    from docgen_plugin.config import Config
    from docgen_plugin.generate import Generator
    from docgen_plugin.model import Catalog
    from docgen_plugin.store import Ledger, Row
    from docgen_plugin.writers import Candidate

__all__ = ["Written", "lacking", "suggest_project"]

_WHY = "written by the commit hook, to be looked at before git add"
_OPEN = ("suggested", "accepted", "edited")


@dataclass(frozen=True, slots=True)
class Written:
    """What was written into one project, and what was not."""

    written: tuple[ColumnRef, ...] = ()
    without: tuple[ColumnRef, ...] = ()  # the model had nothing to say of them
    skipped: tuple[tuple[ColumnRef, str], ...] = ()
    preview: str = ""


def lacking(project: StagedProject, repository: Repository) -> list[Finding]:
    """Return the new and changed places without a text, once it is sure that nobody's edits are in the way.

    Raises:
        WriteError: when a file that is staged, or that may be written to, has edits that are not staged.
    """
    found = [one for one in project.check() if one.fails and one.kind == "missing"]
    if not found:
        return []
    tables = {one.table for one in found}
    homes = {PurePosixPath(node.path).parent for node in project.now.nodes.values() if node.name in tables}
    entries = {entry.path for entry in project.now.described(tables).values() if entry.own.name in tables}
    beside = {path for path in project.now.property_files() if PurePosixPath(path).parent in homes}
    edited = repository.unstaged({*(one.path for one in found), *entries, *beside})
    if edited:
        more = f" and {len(edited) - 1:,} more" if len(edited) > 1 else ""
        raise WriteError(
            f"{edited[0]}{more}: has edits that are not staged; git add or git stash them, then run again"
        )
    return found


def suggest_project(
    project: StagedProject,
    found: Iterable[Finding],
    config: Config,
    ledger: Ledger,
    load: Callable[[], Generator],
    who: str,
    candidate: Candidate | None = None,
) -> Written:
    """Suggest texts for these places, write them and record that in the ledger.

    Raises:
        DocgenError: when the model, the ledger or the project fails; what the ledger has is kept.
    """
    manifest = manifest_of(project.now)
    catalog = catalog_of(project.now.project, manifest, {})
    refs = _refs(catalog, config, found)
    if not refs:
        return Written()
    select = [escape(str(ref)) for ref in refs]
    root = str(project.now.project.root)
    pipeline.suggest(root, config, ledger, load, select, catalog=catalog, candidate=candidate)
    rows = _rows(catalog, ledger, refs)
    texts = {ref: row for ref, row in rows.items() if row.suggestion.origin != "unclear"}
    changes = [Change(ref, catalog.description(ref) or "", row.suggestion.text) for ref, row in texts.items()]
    report = write_changes(project.now.project, manifest, changes, False, config)
    written = [ref for ref in report.written if ref in texts]
    fresh = [texts[ref] for ref in written if texts[ref].suggestion.state == "suggested"]
    ledger.decide(catalog.source, (Decision(row, "accepted", who=who, why=_WHY) for row in fresh))
    rows = _rows(catalog, ledger, written)
    ledger.decide(catalog.source, (Decision(row, "applied", why=_WHY) for row in rows.values()))
    without = tuple(ref for ref in refs if ref not in texts)
    return Written(tuple(written), without, report.skipped, report.preview)


def _refs(catalog: Catalog, config: Config, found: Iterable[Finding]) -> list[ColumnRef]:
    """Return the places of the findings in the catalog, those left out that the settings exclude."""
    wanted: dict[str, set[str]] = {}
    for one in found:
        wanted.setdefault(one.table, set()).add(one.name.lower())
    return [
        ref
        for table in chosen_tables(catalog.tables, config)
        for ref in table.refs()
        if ref.column.lower() in wanted.get(table.name, ()) and not catalog.description(ref)
    ]


def _rows(catalog: Catalog, ledger: Ledger, refs: Iterable[ColumnRef]) -> Mapping[ColumnRef, Row]:
    wanted = set(refs)
    keys: list[Any] = sorted({ref.table for ref in wanted})
    rows = ledger.rows(catalog.source, keys, _OPEN) if keys else ()
    return {row.suggestion.ref: row for row in rows if row.suggestion.ref in wanted}
