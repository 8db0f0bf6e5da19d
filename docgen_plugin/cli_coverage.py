"""The verb that counts: how much is documented, how well, and what a change did to it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.cli_options import Session, as_json, source_options
from docgen_plugin.console import count, emit, say, show, table_lines, visible

if TYPE_CHECKING:
    from docgen_plugin.cli_options import Choice
    from docgen_plugin.coverage import Coverage
    from docgen_plugin.model import ColumnRef
    from docgen_plugin.text_quality import Fault

__all__ = ["COMMANDS"]

_SHOWN = 15


@click.command()
@source_options
@click.option(
    "--fail-under",
    type=click.FloatRange(0, 100),
    metavar="N",
    help="Exit with 1 when under N percent is documented.",
)
@click.option(
    "--good", is_flag=True, help="Count only texts with nothing wrong, for --fail-under and --badge."
)
@click.option(
    "--diff-from",
    "revision",
    metavar="REF",
    help="Compare with a git revision: what got worse, what got better.",
)
@click.option("--fail-on-worse", is_flag=True, help="With --diff-from: exit with 1 when a place got worse.")
@click.option("--markdown", is_flag=True, help="Print a table for a pull request's comment.")
@click.option(
    "--badge", type=click.Path(dir_okay=False, path_type=Path), help="Write a badge to this SVG file."
)
@as_json
def coverage(
    session: Session,
    fail_under: float | None,
    good: bool,
    revision: str | None,
    fail_on_worse: bool,
    markdown: bool,
    badge: Path | None,
    machine: bool,
) -> None:
    """Show how much of the source has descriptions now, and how good they are.

    A place counts as well documented when its text is no placeholder, says more than its name, has more than one word,
    and is not belied by the schema.
    """
    from docgen_plugin.coverage import compare
    from docgen_plugin.coverage_report import as_markdown

    if fail_on_worse and not revision:
        raise click.UsageError("--fail-on-worse needs --diff-from REF")
    choice = session.read()
    found = _measured(choice, choice.catalog.tables)
    before = None if revision is None else _before(session, choice, revision)
    worse, better = ([], []) if before is None else compare(before, found)
    share = found.good_percent if good else found.percent
    failed = (fail_under is not None and share < fail_under) or (fail_on_worse and bool(worse))
    if badge is not None:
        _write_badge(badge, share)
    if machine:
        emit(
            _as_json(choice, found, before, worse, better) | {"fail_under": fail_under, "passed": not failed}
        )
    elif markdown:
        show(as_markdown(found, before, worse).rstrip())
    else:
        _show_coverage(found)
        if before is not None:
            _show_difference(before, found, worse, better)
    if fail_under is not None and share < fail_under:
        say(f"docgen: {share:.1f}% {'well ' if good else ''}documented, --fail-under wants {fail_under:g}%")
    if fail_on_worse and worse:
        say(f"docgen: {count(len(worse), 'place')} got worse since {visible(str(revision))}")
    if failed:
        click.get_current_context().exit(1)


def _measured(choice: Choice, tables: Any) -> Coverage:
    from docgen_plugin.coverage import measure
    from docgen_plugin.selection import chosen_tables

    return measure(chosen_tables(tables, choice.config))


def _before(session: Session, choice: Choice, revision: str) -> Coverage:
    from docgen_plugin.errors import SourceError
    from docgen_plugin.plugins import manager

    then = manager().hook.read_catalog_at(
        source=session.source, revision=revision, catalog=choice.catalog, config=choice.config
    )
    if then is None:
        raise SourceError(
            f"--diff-from {revision}: only a source that is kept in git, a dbt project, has revisions"
        )
    return _measured(choice, then.tables)


def _write_badge(path: Path, share: float) -> None:
    from docgen_plugin.coverage_report import as_badge
    from docgen_plugin.errors import WriteError
    from docgen_plugin.files import replace_file

    try:
        replace_file(path, as_badge(share).encode("utf-8"))
    except OSError as err:
        raise WriteError(f"{path}: the badge cannot be written ({err.strerror})") from err


def _as_json(
    choice: Choice,
    found: Coverage,
    before: Coverage | None,
    worse: list[tuple[ColumnRef, Fault]],
    better: list[ColumnRef],
) -> dict[str, Any]:
    from docgen_plugin.coverage_report import as_json as plain
    from docgen_plugin.coverage_report import fault_json

    values = plain(choice.catalog.source, found)
    if before is not None:
        values["before"] = {
            "percent": before.percent,
            "good_percent": before.good_percent,
            "places": before.places,
        }
        values["worse"] = [fault_json(ref, fault) for ref, fault in worse]
        values["better"] = [{"table": ref.table, "column": ref.column} for ref in sorted(better)]
    return values


def _show_coverage(found: Coverage) -> None:
    from docgen_plugin.coverage import percent
    from docgen_plugin.text_quality import FAULTS

    tables = sum(table.documented for table in found.tables)
    columns = sum(table.documented_columns for table in found.tables)
    number = sum(table.columns for table in found.tables)
    rows = [
        ("tables", f"{tables:,}", f"{len(found.tables):,}", f"{percent(tables, len(found.tables)):.1f}%"),
        ("columns", f"{columns:,}", f"{number:,}", f"{percent(columns, number):.1f}%"),
        ("together", f"{tables + columns:,}", f"{found.places:,}", f"{found.percent:.1f}%"),
        ("nothing wrong", f"{found.good:,}", f"{found.places:,}", f"{found.good_percent:.1f}%"),
    ]
    for line in table_lines(("", "documented", "of", "percent"), rows):
        show(line)
    faults = [f"{found.faults[kind]:,} {kind}" for kind in FAULTS if found.faults[kind]]
    if faults:
        show("faults: " + ", ".join(faults))
    _show_groups(found)
    _show_worst(found)
    _show_wrong(found)


def _show_groups(found: Coverage) -> None:
    from docgen_plugin.coverage import percent

    for title, groups in (
        ("folder", found.groups(lambda table: table.folder)),
        ("owner", found.groups(lambda table: table.owner)),
    ):
        if len(groups) < 2:
            continue
        show()
        rows = [
            (
                one.name or "(none)",
                f"{percent(one.documented, one.places):.1f}%",
                f"{percent(one.good, one.places):.1f}%",
                f"{one.places:,}",
            )
            for one in sorted(groups, key=lambda one: (one.good / one.places, one.name))[:_SHOWN]
        ]
        for line in table_lines((title, "documented", "nothing wrong", "places"), rows):
            show(line)


def _show_worst(found: Coverage) -> None:
    worst = found.worst(_SHOWN)
    if not worst:
        return
    show()
    rows = [
        (
            table.key,
            "yes" if table.documented else "no",
            f"{table.documented_columns:,} of {table.columns:,}",
        )
        for table in worst
    ]
    for line in table_lines(("most missing", "table", "columns"), rows):
        show(line)


def _show_wrong(found: Coverage) -> None:
    wrong = [pair for table in found.tables for pair in table.faults if pair[1].kind != "missing"]
    if not wrong:
        return
    show()
    order = ("contradiction", "placeholder", "echo", "short")
    wrong.sort(key=lambda pair: order.index(pair[1].kind))
    for ref, fault in wrong[:_SHOWN]:
        show(f"{visible(str(ref))}: {fault.kind}: {visible(fault.reason)}")
    if len(wrong) > _SHOWN:
        show(f"... and {len(wrong) - _SHOWN:,} more, see --json")


def _show_difference(
    before: Coverage, found: Coverage, worse: list[tuple[ColumnRef, Fault]], better: list[ColumnRef]
) -> None:
    show()
    show(
        f"documented {before.percent:.1f}% -> {found.percent:.1f}%, nothing wrong {before.good_percent:.1f}% -> "
        f"{found.good_percent:.1f}%; {count(len(better), 'place')} got better, {len(worse):,} worse or new without a good text"
    )
    for ref, fault in worse[:_SHOWN]:
        show(f"{visible(str(ref))}: {fault.kind}: {visible(fault.reason)}")
    if len(worse) > _SHOWN:
        show(f"... and {len(worse) - _SHOWN:,} more, see --json")


COMMANDS: tuple[click.Command, ...] = (coverage,)
