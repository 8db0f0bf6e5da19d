"""What a team accepted or worded in its ledger, as training records: the texts that a reviewer stands for.

With the source itself at hand a table keeps its types, keys and every column; without it, names and texts alone.

docgen-train harvest --ledger .docgen/ledger.db --catalog my_project --out training/runs/own.jsonl.xz
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from docgen_plugin.config import load_config
from docgen_plugin.console import count
from docgen_plugin.errors import DocgenError, LedgerError
from docgen_plugin.model import Catalog, Column, Suggestion, Table
from docgen_plugin.pipeline import read_catalog
from docgen_plugin.store import Ledger
from docgen_training.harvest import Harvest, described, plain
from docgen_training.licenses import Terms
from docgen_training.records import Record

__all__ = ["harvest_ledger"]

_STANDS = ("accepted", "edited", "applied")


def harvest_ledger(
    location: str, terms: Terms, sources: Iterable[str] = (), catalogs: Iterable[str] = (), least: int = 1
) -> list[Harvest]:
    """Return the tables with accepted, edited or applied texts, one harvest for each source of the ledger.

    Args:
        location: the ledger's file or SQLAlchemy URL.
        terms: what the user says about licences; "internal" when nothing.
        sources: the catalogs meant, as the ledger names them; empty means all.
        catalogs: where they can be read, as `docgen` takes a SOURCE; others give names only.
        least: how many texts a table needs.

    Raises:
        DocgenError: when the ledger or a catalog cannot be read, or has nothing of the other.
    """
    terms = terms if terms.given.strip() else Terms("internal", (*terms.allowed, "internal"))
    terms.check()
    read = {}
    for source in catalogs:
        path = Path(source)
        config = load_config(path if "://" not in source and path.is_dir() else Path.cwd())
        catalog = read_catalog(source, config)
        read[catalog.source] = catalog
    with Ledger(location, create=False) as ledger:
        if ledger.missing:
            raise LedgerError(f"no ledger at {ledger.name}: docgen suggest makes one in the project's folder")
        present = ledger.sources()
        for name in (*sources, *read):
            if name not in present:
                known = ", ".join(present) or "none"
                raise DocgenError(f"{name}: the ledger {ledger.name} has nothing of it; it has: {known}")
        return [
            _harvest(ledger, source, terms, read.get(source), least) for source in tuple(sources) or present
        ]


def _harvest(ledger: Ledger, source: str, terms: Terms, catalog: Catalog | None, least: int) -> Harvest:
    by_table: dict[str, list[Suggestion]] = {}
    for row in ledger.rows(source, states=_STANDS):
        if row.suggestion.origin != "unclear" or "edited" in (row.suggestion.state, row.previous):
            by_table.setdefault(row.suggestion.ref.table, []).append(row.suggestion)
    license_ = terms.settle(source, "", None)
    gone = 0
    records = []
    for key in sorted(by_table):
        table = catalog.table(key) if catalog is not None else _by_name(key, by_table[key])
        if table is None:
            gone += 1
            continue
        made = plain(_with_texts(table, by_table[key]), source)
        if described(made) >= least:
            records.append(Record(made, source, license_))
    told = f"{count(gone, 'table')} of the ledger {'is' if gone == 1 else 'are'} no longer in {source}"
    return Harvest(source, license_, tuple(records), (told,) if gone else ())


def _by_name(key: str, found: Iterable[Suggestion]) -> Table:
    """Return a table of which only the names are known, its columns in the order they were suggested for."""
    columns = sorted((one.position, one.ref.column) for one in found if one.ref.column)
    return Table(key, key.rpartition(".")[2], columns=tuple(Column(name) for _, name in columns))


def _with_texts(table: Table, found: Iterable[Suggestion]) -> Table:
    """Return a table with the reviewers' texts; what else stands in the source stays out: nobody here looked at it."""
    texts = {one.ref.column: one.text for one in found}
    columns = tuple(replace(column, description=texts.get(column.name, "")) for column in table.columns)
    return replace(table, description=texts.get("", ""), columns=columns)
