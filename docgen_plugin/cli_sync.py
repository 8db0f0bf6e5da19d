"""The verb that brings a dbt project and its warehouse in line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.cli_options import Session, as_json, source_options
from docgen_plugin.console import count, emit, say, show, visible, visible_lines

if TYPE_CHECKING:
    from docgen_plugin.cli_options import Choice
    from docgen_plugin.model import Catalog, WriteReport
    from docgen_plugin.sync import Plan

__all__ = ["COMMANDS"]

_SHOWN = 20
_TOLD = {
    "fill": "empty there",
    "overwrite": "written over",
    "conflict": "left: both have a text, --overwrite lets the truth win",
    "extra": "left: only the other side has a text",
}


@click.command()
@source_options
@click.option("--database", metavar="URL", help="The warehouse; the setting `database` otherwise.")
@click.option(
    "--truth",
    type=click.Choice(["yaml", "database"]),
    help="Whose texts hold; the setting `truth` otherwise.",
)
@click.option("--overwrite", is_flag=True, help="Where both have a text, the truth's replaces the other.")
@click.option(
    "--dry-run", is_flag=True, help="Show both sides and what would be written, and change nothing."
)
@as_json
def sync(
    session: Session, database: str | None, truth: str | None, overwrite: bool, dry_run: bool, machine: bool
) -> None:
    """Bring the texts of a dbt project (SOURCE) and of its warehouse in line.

    Texts go from the truth to the other side, where that is empty; nothing is ever blanked.
    """
    from docgen_plugin import pipeline
    from docgen_plugin.errors import ConfigError
    from docgen_plugin.sync import changes, plan

    url, direction = database or session.config.database, truth or session.config.truth
    if not url:
        raise ConfigError("docgen sync: name the warehouse with --database URL, or in the setting database")
    if not direction:
        raise ConfigError(
            "docgen sync: say whose texts hold with --truth yaml or database, or in the setting truth"
        )
    choice = session.read()
    project = _chosen(choice)
    warehouse = Session(url, session.config, session.folder).read().catalog
    if project.kind != "dbt" or warehouse.kind == "dbt":
        raise ConfigError(
            "docgen sync: SOURCE is a dbt project's folder, --database the URL of its warehouse"
        )
    from_yaml = direction == "yaml"
    sides = (project, warehouse) if from_yaml else (warehouse, project)
    found = plan(*sides, overwrite)
    todo = changes(found.differences)
    target = url if from_yaml else session.source
    report = pipeline.write(target, choice.config, todo, dry_run) if todo else None
    if machine:
        emit(_as_json(found, report, direction, dry_run))
    else:
        _show(found, report, from_yaml, dry_run)
    if report is not None and report.error:
        say(f"docgen: stopped early: {visible(report.error)}")
        click.get_current_context().exit(1)


def _chosen(choice: Choice) -> Catalog:
    from dataclasses import replace

    from docgen_plugin.selection import chosen_tables

    return replace(choice.catalog, tables=tuple(chosen_tables(choice.catalog.tables, choice.config)))


def _as_json(found: Plan, report: WriteReport | None, truth: str, dry_run: bool) -> dict[str, Any]:
    return {
        "truth": truth,
        "dry_run": dry_run,
        "tables": found.matched,
        "same": found.same,
        "not_there": list(found.alone),
        "differences": [
            {
                "place": str(one.ref),
                "other": str(one.other),
                "truth": one.text,
                "standing": one.standing,
                "action": one.action,
            }
            for one in found.differences
        ],
        "written": [str(ref) for ref in report.written] if report else [],
        "skipped": [{"place": str(ref), "reason": why} for ref, why in report.skipped] if report else [],
        "preview": report.preview if report else "",
        "error": report.error if report else "",
    }


def _show(found: Plan, report: WriteReport | None, from_yaml: bool, dry_run: bool) -> None:
    names = ("yaml", "database") if from_yaml else ("database", "yaml")
    width = max(map(len, names))
    for one in found.differences[:_SHOWN]:
        show(f"{visible(str(one.ref))}: {_TOLD[one.action]}")
        for name, text in zip(names, (one.text, one.standing), strict=True):
            show(f"  {name:{width}}  {visible(text) or '(none)'}")
    if len(found.differences) > _SHOWN:
        show(f"... and {count(len(found.differences) - _SHOWN, 'more place')}, see --json")
    numbers = Counter(one.action for one in found.differences)
    told = ", ".join(f"{numbers[name]:,} {name}" for name in _TOLD if numbers[name])
    show(
        f"{count(found.matched, 'table')} on both sides, {count(found.same, 'text')} the same"
        + (f"; {told}" if told else "")
    )
    if found.alone:
        names_shown = ", ".join(map(visible, found.alone[:3]))
        show(
            f"not on the other side: {count(len(found.alone), 'table')} ({names_shown}{', ...' if len(found.alone) > 3 else ''})"
        )
    if report is None:
        show("nothing to write")
        return
    if dry_run and report.preview:
        show()
        show(visible_lines(report.preview.rstrip("\n")))
    for ref, why in report.skipped[:_SHOWN]:
        say(f"skipped: {visible(str(ref))}: {visible(why)}")
    number = len(report.written)
    show(
        f"{'would write' if dry_run else 'wrote'} {count(number, 'description')}"
        if number or not dry_run
        else "nothing was changed"
    )


COMMANDS: tuple[click.Command, ...] = (sync,)
