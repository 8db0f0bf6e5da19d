"""The verbs that read or write the source: suggest, apply, coverage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.cli_options import Choice, Session, as_json, selecting, source_options
from docgen_plugin.console import (
    columns_progress,
    count,
    emit,
    say,
    show,
    visible,
    visible_lines,
    working,
)
from docgen_plugin.interrupts import came

if TYPE_CHECKING:
    from docgen_plugin.generate import Generator
    from docgen_plugin.model import ColumnRef
    from docgen_plugin.pipeline import ApplyReport, SuggestReport

__all__ = ["COMMANDS", "loaded", "told_answered"]

_SHOWN = 10  # tables or places listed for people; --json has all of them
_INTERRUPTED = 130

_model_option = click.option(
    "--model",
    metavar="REF",
    help="A model to use this once: a GGUF, hf://owner/name@revision, or name@version.",
)


@click.command()
@source_options
@selecting
@_model_option
@click.option("--again", is_flag=True, help="Replace open suggestions of another model or an older glossary.")
@as_json
def suggest(session: Session, select: tuple[str, ...], again: bool, machine: bool) -> None:
    """Suggest a description for every undocumented table and column.

    Nothing is written to the source: the suggestions wait in the ledger for `review` or `accept`. Running
    it again suggests nothing twice; Ctrl-C keeps what is done.
    """
    from docgen_plugin import canary, model_choice, pipeline

    choice = session.read(select)
    catalog, select = choice.catalog, choice.select
    candidate = canary.candidate(session.folder, session.config, lambda told: say(visible(told)))
    with session.ledger(create=True) as ledger, columns_progress("suggesting") as progress:
        report = pipeline.suggest(
            session.source,
            choice.config,
            ledger,
            lambda: loaded(session),
            select,
            progress,
            catalog,
            again,
            model_choice.is_chosen(session.folder, choice.config),
            candidate,
        )
    report = replace(report, notes=(*report.notes, *_unlisted(choice)))
    if machine:
        emit(_suggest_json(report))
    for note in report.notes:
        say(f"note: {visible(note)}")
    _tell_suggested(report, say if machine else show)
    if report.interrupted:
        say(f"docgen: interrupted; {count(report.suggested, 'suggestion')} kept, run it again to go on")
        click.get_current_context().exit(_INTERRUPTED)


def _unlisted(choice: Choice) -> Iterator[str]:
    """Yield a note on the tables that were meant and whose columns are not all known."""
    from docgen_plugin.selection import chosen_tables, is_selected

    keys = set(choice.catalog.unlisted)
    chosen = chosen_tables((one for one in choice.catalog.tables if one.key in keys), choice.config)
    names = [one.name for one in chosen if is_selected(one, "", choice.select)]
    if names:
        more = f" and {len(names) - _SHOWN:,} more" if len(names) > _SHOWN else ""
        yield (
            f"not all columns of {count(len(names), 'table')} are known: {', '.join(names[:_SHOWN])}{more}: "
            f"{choice.catalog.unlisted_help}"
        )


def loaded(session: Session) -> Generator:
    """Return the model that the settings name, and tell the person which that is."""
    from docgen_plugin import model_choice

    with working("loading the model"):
        generator = model_choice.load(session.folder, session.config)
    say(f"model: {visible(generator.name)} on {visible(generator.device)}")
    return generator


def _suggest_json(report: SuggestReport) -> dict[str, Any]:
    return {
        "source": report.source,
        "targets": report.targets,
        "suggested": report.suggested,
        "by_origin": dict(report.by_origin),
        "turned": report.turned,
        "seconds": round(report.seconds, 3),
        "model": report.model,
        "device": report.device,
        "interrupted": report.interrupted,
        "notes": list(report.notes),
        "answered": dict(report.answered),
        "evidence": [
            {"place": str(ref), "origin": origin, "evidence": text} for ref, origin, text in report.evidence
        ],
    }


def _tell_suggested(report: SuggestReport, tell: Any) -> None:
    from docgen_plugin.inherit import DISAGREE

    if report.turned:
        tell(
            f"{count(report.turned, 'earlier suggestion')} changed state because the source or model changed"
        )
    if not report.targets:
        tell("nothing to do: every table and column has a description or a suggestion")
        return
    origins = ", ".join(f"{number:,} {origin}" for origin, number in report.by_origin.items())
    speed = f" in {report.seconds:.1f} s" if report.seconds >= 0.1 else ""
    tell(f"{count(report.suggested, 'suggestion')} of {report.targets:,}{speed} ({origins or 'none'})")
    disagreeing = sum(DISAGREE in text for _, _, text in report.evidence)
    if disagreeing:
        tell(f"{count(disagreeing, 'place')} whose parents say different things: docgen review shows them")
    if report.suggested:
        tell("next: docgen review, or docgen accept to take them all")
    if report.answered:
        tell(told_answered(report))


def told_answered(report: SuggestReport) -> str:
    """Return how many tables each model answered, in words; the candidate's last."""
    parts = [f"{visible(name)} {count(number, 'table')}" for name, number in report.answered]
    return f"answered: {', '.join(parts)} (the candidate)"


@click.command()
@source_options
@selecting
@click.option("--dry-run", is_flag=True, help="Print exactly what would be written and change nothing.")
@click.option("--to", metavar="FILE.yml", help="Write a dbt properties file instead of the source.")
@click.option("--force", is_flag=True, help="With --to: overwrite a file that is there.")
@as_json
def apply(
    session: Session, select: tuple[str, ...], dry_run: bool, to: str | None, force: bool, machine: bool
) -> None:
    """Write the accepted and edited texts to the source.

    A text that someone wrote there meanwhile is never overwritten. With --to the texts go into a new dbt
    properties file, for sources that cannot hold comments; the ledger then keeps them as accepted.
    """
    if force and not to:
        raise click.UsageError("--force goes with --to")
    from docgen_plugin import pipeline

    choice = session.read(select)
    catalog, select = choice.catalog, choice.select
    if to:
        from docgen_plugin import descriptions_file

        descriptions_file.write(to, catalog, (), dry_run=True, force=force)  # a bad name is told first
    with session.ledger(needed=True) as ledger:
        if to:
            from docgen_plugin import targets

            rows = targets.approved(catalog, ledger, choice.config, select)
            report = descriptions_file.write(to, catalog, [row.suggestion for row in rows], dry_run, force)
            if not dry_run:
                written = set(report.written)
                ledger.file(catalog.source, (row for row in rows if row.suggestion.ref in written), to)
        else:
            try:
                with working("writing"):
                    report = pipeline.apply(session.source, choice.config, ledger, select, dry_run, catalog)
            except KeyboardInterrupt:
                say("docgen: interrupted; run docgen apply again: it sees what is written and goes on")
                click.get_current_context().exit(_INTERRUPTED)
    if machine:
        emit(_apply_json(report, dry_run))
    elif dry_run and report.preview:
        show(visible_lines(report.preview.rstrip("\n")))
    _tell_applied(report, dry_run, to, say if machine or dry_run else show)
    if report.error:
        say(f"docgen: stopped early: {visible(report.error)}")
        click.get_current_context().exit(_INTERRUPTED if came() else 1)
    if _all_skipped(report, dry_run):
        say(f"docgen: nothing was written: {count(len(report.skipped), 'place')} skipped")
        click.get_current_context().exit(1)


def _apply_json(report: ApplyReport, dry_run: bool) -> dict[str, Any]:
    def reasons(pairs: tuple[tuple[ColumnRef, str], ...]) -> list[dict[str, str]]:
        return [{"place": str(ref), "reason": reason} for ref, reason in pairs]

    return {
        "source": report.source,
        "dry_run": dry_run,
        "written": [str(ref) for ref in report.written],
        "skipped": reasons(report.skipped),
        "altered": [{"place": str(ref), "text": text} for ref, text in report.altered],
        "stale": reasons(report.stale),
        "already_there": [str(ref) for ref in report.present],
        "preview": report.preview,
        "error": report.error,
        "notes": list(report.notes),
    }


def _all_skipped(report: ApplyReport, dry_run: bool) -> bool:
    return bool(report.skipped) and not (dry_run or report.written or report.present)


def _tell_left(pairs: tuple[tuple[ColumnRef, str], ...], word: str) -> None:
    """Say why places were left alone, a line a reason: a file that cannot be written has many places."""
    places: dict[str, list[ColumnRef]] = {}
    for ref, reason in pairs:
        places.setdefault(reason, []).append(ref)
    for reason, refs in list(places.items())[:_SHOWN]:
        more = f" and {count(len(refs) - 1, 'more place')}" if len(refs) > 1 else ""
        say(f"{word}: {visible(str(refs[0]))}{more}: {visible(reason)}")
    rest = sum(len(refs) for refs in list(places.values())[_SHOWN:])
    if rest:
        say(f"{word}: {rest:,} more, see --json")


def _tell_applied(report: ApplyReport, dry_run: bool, to: str | None, tell: Any) -> None:
    for note in report.notes:
        say(f"note: {visible(note)}")
    for pairs, word in ((report.stale, "stale"), (report.skipped, "skipped")):
        _tell_left(pairs, word)
    for ref, text in report.altered[:_SHOWN]:
        say(f"altered: {visible(str(ref))}: {'would read' if dry_run else 'reads'} {visible(text)}")
    if report.present:
        tell(f"{count(len(report.present), 'description')} stood there already")
    if report.written:
        verb = "would write" if dry_run else "wrote"
        tell(f"{verb} {count(len(report.written), 'description')}" + (f" to {visible(to)}" if to else ""))
    elif dry_run and report.preview:
        tell("nothing was changed")  # not every adapter lists the places in a dry run
    elif not report.error and not _all_skipped(report, dry_run):
        waits = "" if report.present or report.skipped else ": accept suggestions first"
        tell(f"nothing to write{waits}")


COMMANDS: tuple[click.Command, ...] = (suggest, apply)
