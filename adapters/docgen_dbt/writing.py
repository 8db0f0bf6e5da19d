"""Accepted texts on their way out of an operation: into the property files, into the warehouse's comments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from docgen_dbt.arguments import Arguments
from docgen_dbt.chosen import Chosen
from docgen_dbt.comments import Comment, CommentReport, unpersisted, write_comments
from docgen_dbt.inside import Inside
from docgen_dbt.properties import write_changes
from docgen_dbt.told import Log, tell_left
from docgen_plugin import pipeline, targets
from docgen_plugin.console import count
from docgen_plugin.errors import WriteError
from docgen_plugin.model import Catalog, Change, ColumnRef, Table, WriteReport
from docgen_plugin.pipeline import ApplyReport
from docgen_plugin.store import Ledger, Row

__all__ = ["Outcome", "tell_written", "with_texts", "write"]

_NAMES = 5


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was written, or in a dry run would be; None where it was not asked for."""

    yaml: ApplyReport | None
    comments: CommentReport | None
    texts: dict[ColumnRef, str]  # of the rows at hand
    vanishing: tuple[str, ...] = ()  # nodes whose comments the next dbt run takes away


def write(
    inside: Inside, chosen: Chosen, ledger: Ledger, arguments: Arguments, extra: Sequence[Row]
) -> Outcome:
    """Write what people approved of the chosen tables, and in a dry run `extra`, where `to` says.

    Raises:
        DocgenError: when the ledger fails, or nothing could be written.
    """
    dry_run = arguments.dry_run
    targets.refresh(chosen.catalog, ledger, dry_run)
    waiting = [*targets.approved(chosen.catalog, ledger, chosen.config), *extra]
    rows = [*waiting, *targets.ordered(chosen.catalog, ledger, chosen.config, ("applied",))]
    texts = {row.suggestion.ref: row.suggestion.text for row in rows}
    yaml: ApplyReport | None = None
    done: CommentReport | None = None
    vanishing: list[str] = []
    if arguments.to in ("yaml", "both"):
        yaml = _write_yaml(inside, chosen, ledger, dry_run, waiting if extra else ())
    if arguments.to in ("database", "both"):
        comments = [
            Comment(row.suggestion.ref, row.suggestion.text, (row.suggestion.before,)) for row in rows
        ]
        done = write_comments(inside, chosen.own, comments, dry_run)
        kept = {*done.report.written, *done.present}
        vanishing = unpersisted(chosen.own, [comment for comment in comments if comment.ref in kept])
    return Outcome(yaml, done, texts, tuple(vanishing))


def _write_yaml(
    inside: Inside, chosen: Chosen, ledger: Ledger, dry_run: bool, shown: Sequence[Row]
) -> ApplyReport:
    """Write the approved rows, or show what writing these would do: `apply` takes none that are not accepted."""

    def into_files(changes: Sequence[Change], only_shown: bool) -> WriteReport:
        return write_changes(inside.project, chosen.manifest, changes, only_shown, chosen.config)

    if shown:
        report = into_files([_change(chosen.catalog, row) for row in shown], True)
        return ApplyReport(chosen.catalog.source, report.written, report.skipped, preview=report.preview)
    return pipeline.apply(
        str(inside.project.root), chosen.config, ledger, (), dry_run, chosen.catalog, writer=into_files
    )


def _change(catalog: Catalog, row: Row) -> Change:
    ref = row.suggestion.ref
    return Change(ref, catalog.description(ref) or "", row.suggestion.text)


def with_texts(chosen: Chosen, outcome: Outcome) -> Chosen:
    """Return the project with the descriptions that its property files have now."""
    written = set(outcome.yaml.written) if outcome.yaml is not None else set()
    tables = tuple(_with(table, written, outcome.texts) for table in chosen.catalog.tables)
    return replace(chosen, catalog=Catalog(chosen.catalog.source, chosen.catalog.kind, tables))


def _with(table: Table, written: set[ColumnRef], texts: dict[ColumnRef, str]) -> Table:
    def text(column: str, standing: str) -> str:
        ref = ColumnRef(table.key, column)
        return texts[ref] if ref in written else standing

    columns = tuple(replace(one, description=text(one.name, one.description)) for one in table.columns)
    return replace(table, description=text("", table.description), columns=columns)


def tell_written(log: Log, outcome: Outcome, dry_run: bool) -> None:
    """Log what was written where; a dry run shows the diff and the statements.

    Raises:
        WriteError: when there was something to write, and none of it could be.
    """
    verb = "would write" if dry_run else "wrote"
    left: list[tuple[ColumnRef, str]] = []
    done = 0
    if outcome.yaml is not None:
        one = outcome.yaml
        _tell_preview(log, one.preview if dry_run else "")
        tell_left(log, one.stale, "stale")
        tell_left(log, one.skipped, "skipped")
        log(f"{verb} {count(len(one.written), 'description')} to the property files")
        left += one.skipped
        done += len(one.written) + len(one.present)
    if outcome.comments is not None:
        report, present = outcome.comments.report, outcome.comments.present
        _tell_preview(log, report.preview if dry_run else "")
        tell_left(log, report.skipped, "skipped in the database")
        stood = f"; {len(present):,} stood there already" if present else ""
        log(f"{verb} {count(len(report.written), 'comment')} to the database{stood}")
        left += report.skipped
        done += len(report.written) + len(present)
    if outcome.vanishing:
        names = ", ".join(outcome.vanishing[:_NAMES]) + (", ..." if len(outcome.vanishing) > _NAMES else "")
        log(
            f"note: persist_docs is off for {names}: the next dbt run takes the comments away; "
            "+persist_docs: {relation: true, columns: true} in dbt_project.yml has dbt write them from the YAML"
        )
    if left and not done and not dry_run:
        raise WriteError(f"nothing was written: {count(len(left), 'place')} skipped")


def _tell_preview(log: Log, preview: str) -> None:
    for line in preview.splitlines():
        if line.strip():
            log(line)
