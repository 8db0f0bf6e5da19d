"""The way back: accepted texts into the source, each only where nothing else stands since it was suggested."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass

from docgen_plugin import targets
from docgen_plugin.config import Config
from docgen_plugin.inherit import reference_of
from docgen_plugin.model import Catalog, Change, ColumnRef, Provenance, Suggestion, WriteReport
from docgen_plugin.sources import read_catalog, write
from docgen_plugin.store import Decision, Ledger, Row

__all__ = ["ApplyReport", "apply"]

Writer = Callable[[Sequence[Change], bool], WriteReport]  # as the hook write_descriptions: changes, dry run

_STANDS = ("accepted", "edited", "applied")


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What one run of apply wrote, or in a dry run would write."""

    source: str
    written: tuple[ColumnRef, ...] = ()
    skipped: tuple[tuple[ColumnRef, str], ...] = ()
    altered: tuple[tuple[ColumnRef, str], ...] = ()  # of `written`: the text that stands there instead
    stale: tuple[tuple[ColumnRef, str], ...] = ()  # no longer to be written, and why
    present: tuple[ColumnRef, ...] = ()  # stood there already
    preview: str = ""
    error: str = ""
    notes: tuple[str, ...] = ()


def apply(
    source: str,
    config: Config,
    ledger: Ledger,
    select: Sequence[str] = (),
    dry_run: bool = False,
    catalog: Catalog | None = None,
    writer: Writer | None = None,
) -> ApplyReport:
    """Write the accepted and edited texts to the source and return what was done.

    Each is written only where the text that stood there when it was suggested stands there still. A dry
    run changes neither the source nor the ledger. With `writer` that writes, instead of the plugin that knows the source.

    Raises:
        DocgenError: when the source or the ledger fails; nothing was written then.
    """
    catalog = read_catalog(source, config) if catalog is None else catalog
    turned = targets.refresh(catalog, ledger, dry_run)
    changed = {row.suggestion.ref: turn for row, turn in turned if row.suggestion.state in _STANDS}
    rows = [
        row for row in targets.approved(catalog, ledger, config, select) if row.suggestion.ref not in changed
    ]
    stale = tuple((ref, turn.why) for ref, turn in sorted(changed.items()) if turn.state == "stale")
    present = tuple(ref for ref, turn in sorted(changed.items()) if turn.state == "applied")
    report = WriteReport()
    in_files = any(table.path for table in catalog.tables)
    if rows or (config.provenance and in_files):  # the adapter looks after what it said earlier, too
        machine_made = targets.machine_made(catalog, ledger)
        changes = [_change(catalog, row, machine_made) for row in rows]
        report = writer(changes, dry_run) if writer else write(source, config, changes, dry_run)
    if not dry_run:
        _record_written(catalog, ledger, rows, report)
    return ApplyReport(
        source=catalog.source,
        written=report.written,
        skipped=report.skipped,
        altered=report.altered,
        stale=stale,
        present=present,
        preview=report.preview,
        error=report.error,
        notes=report.notes,
    )


def _record_written(catalog: Catalog, ledger: Ledger, rows: Sequence[Row], report: WriteReport) -> None:
    written = set(report.written)
    stands = dict(report.altered)  # cut to the database's limit: the ledger knows what really stands there
    ledger.decide(
        catalog.source,
        (
            Decision(row, "applied", text=stands.get(row.suggestion.ref))
            for row in rows
            if row.suggestion.ref in written
        ),
    )


def _change(catalog: Catalog, row: Row, machine_made: Container[ColumnRef]) -> Change:
    suggestion = row.suggestion
    ref = suggestion.ref
    standing = catalog.description(ref)
    # `refresh` found it the same but for white space: the adapter compares letter by letter
    before = suggestion.before if standing is None else standing
    reference = reference_of(catalog, suggestion, machine_made)
    return Change(ref, before, suggestion.text, reference, _provenance(suggestion))


def _provenance(suggestion: Suggestion) -> Provenance | None:
    """Return where a text comes from, None for a person's own words."""
    if suggestion.state == "edited":
        return None
    return Provenance(suggestion.origin, suggestion.model, suggestion.confidence)
