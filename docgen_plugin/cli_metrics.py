"""The verb that measures: what people made of the suggestions, and whether that got worse."""

from __future__ import annotations

import gc
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docgen_plugin.cli_options import Session, as_json, source_options
from docgen_plugin.console import count, emit, say, show, table_lines, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docgen_plugin.measures import Group, Measures, Trial
    from docgen_plugin.proportions import Share

__all__ = ["COMMANDS", "show_trial", "trial_pair"]

_SHOWN = 15
_BY = ("model", "origin", "confidence", "folder")
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


@click.command()
@source_options
@click.option(
    "--since",
    metavar="WHEN",
    callback=lambda context, option, value: _moment(value),
    help="Only what was decided since: 30d, 12w, 6m, 1y ago, or a date, 2026-01-31.",
)
@click.option(
    "--by",
    "chosen",
    multiple=True,
    type=click.Choice(_BY),
    help="Only this table beside the total; may be given again.",
)
@as_json
@click.option("--openmetrics", is_flag=True, help="Print gauges for Prometheus.")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a page with plots to this file.",
)
def metrics(
    session: Session,
    since: datetime | None,
    chosen: tuple[str, ...],
    machine: bool,
    openmetrics: bool,
    page: Path | None,
) -> None:
    """Show what people made of the suggestions: accepted, edited, rejected, taken back.

    Decisions one by one and in bulk are told apart; every share has its count and its 95 % interval. While a candidate
    answers a share of the tables (docgen model use --canary), it is shown beside the standing model.
    """
    from docgen_plugin.measures_report import as_json as plain
    from docgen_plugin.measures_report import as_openmetrics

    if machine and openmetrics:
        raise click.UsageError("--json and --openmetrics both want standard output: give one")
    source, found = _measured(session, since)
    if page is not None:
        _write_page(page, source, found, since)
    if machine:
        emit(plain(source, found))
    elif openmetrics:
        click.echo(as_openmetrics(source, found), nl=False)
    elif page is None:
        _show_measures(found, chosen or _BY)


def _moment(value: str | None) -> datetime | None:
    """Return the time that --since means."""
    if value is None:
        return None
    ago = re.fullmatch(r"(\d{1,4})([dwmy])", value.strip())
    try:
        if ago is not None:
            return datetime.now(UTC) - timedelta(days=int(ago[1]) * _DAYS[ago[2]])
        found = datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError) as err:
        raise click.BadParameter(f"{visible(value)!r} is neither 30d, 12w, 6m, 1y nor 2026-01-31") from err
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _measured(session: Session, since: datetime | None) -> tuple[str, Measures]:
    from docgen_plugin.measures import fates, measure
    from docgen_plugin.selection import chosen_tables

    choice = session.read()
    source = choice.catalog.source
    keys = None
    if choice.config.include or choice.config.exclude:
        keys = {table.key for table in chosen_tables(choice.catalog.tables, choice.config)}
    # hundreds of thousands of small objects, none in a cycle: the collector would walk them again and again
    gc.disable()
    try:
        with session.ledger() as ledger:
            listed = [
                fate
                for place, events in ledger.histories(source)
                if keys is None or place.ref.table in keys
                for fate in fates(place, events)
            ]
        return source, measure(listed, datetime.now(UTC), since, trial_pair(session))
    finally:
        gc.enable()


def trial_pair(session: Session) -> tuple[tuple[str, str], datetime] | None:
    """Return the names of candidate and standing model and since when they are compared, None without a candidate."""
    from docgen_plugin import canary
    from docgen_plugin.errors import ModelError

    one = canary.running(session.folder)
    if one is None:
        return None
    try:
        names = (one.model, canary.standing_name(session.folder, session.config))
    except ModelError as err:
        say(f"note: the candidate is not compared: {visible(str(err))}")
        return None
    return names, one.began


def _write_page(path: Path, source: str, found: Measures, since: datetime | None) -> None:
    from docgen_plugin.errors import WriteError
    from docgen_plugin.files import replace_file
    from docgen_plugin.measures_page import as_page

    period = f", decisions since {since:%Y-%m-%d}" if since else ""
    made = f"Made {datetime.now(UTC):%Y-%m-%d %H:%M} UTC{period}."
    try:
        replace_file(path, as_page(source, found, made).encode("utf-8", "replace"))
    except OSError as err:
        raise WriteError(f"{visible(str(path))}: the page cannot be written ({err.strerror})") from err
    say(f"wrote {visible(str(path))}")


def _show_measures(found: Measures, chosen: Sequence[str]) -> None:
    total = found.total
    if not total.suggested:
        show("no suggestion yet: docgen suggest makes them")
        return
    told = f"{count(total.suggested, 'suggestion')}: {total.open:,} open, {total.unclear:,} unclear"
    if total.individual.of + total.bulk.of == 0:
        show(f"{told}; no decision yet: docgen review, or docgen accept")
        return
    show(told)
    for name, share in (
        ("accepted, one by one", total.individual),
        ("  unchanged", total.unchanged),
        ("accepted, in bulk", total.bulk),
        ("taken back in 30 days", total.reversals),
    ):
        show(f"{name + ':':<24}{_interval(share)}")
    _show_rest(total)
    if found.trial is not None:
        show_trial(found.trial)
    for one in found.versions:
        show(f"{visible(one.name)} against {visible(one.before_name)}: {one.verdict}")
        show(f"{'':4}{_interval(one.now)} against {_interval(one.before)}")
    for drop in found.drops:
        show(f"acceptance fell: {visible(drop.name)} {_interval(drop.now)}")
        show(f"{'':17}{visible(drop.before_name)} {_interval(drop.before)}")
    for name in chosen:
        show()
        _show_groups(name, found.groups[name])


def show_trial(one: Trial) -> None:
    """Print a candidate beside the standing model, their difference, and what that says."""
    sides = ((one.name, "candidate", one.candidate), (one.standing_name, "standing", one.standing))
    for number, (name, role, share) in enumerate(sides):
        more = f"{count(one.tables[number], 'table')}, {one.own[number]:,} its own text"
        show(f"{role + ':':<12}{visible(name)}: {_interval(share)}; {more}")
    if one.difference is not None:
        low, high = (100 * bound for bound in one.interval)
        show(f"{'difference:':<12}{100 * one.difference:+.1f} points ({low:+.1f} to {high:+.1f})")
    show(f"{'':12}{one.told}")


def _show_rest(total: Group) -> None:
    if total.edit_distance is not None:
        show(f"{'edits:':<24}{total.edits:,}, median edit distance {total.edit_distance:.2f}")
    if total.seconds is not None:
        median, late = (str(timedelta(seconds=round(value))) for value in total.seconds)
        show(f"{'time to decision:':<24}median {median}, nine in ten within {late}")
    if total.rejections:
        reasons = ", ".join(f"{number:,} {visible(why)}" for why, number in total.rejections[:_SHOWN])
        show(f"{'rejected because:':<24}{reasons}")


def _show_groups(name: str, groups: Sequence[Group]) -> None:
    head = (name, "suggested", "open", "one by one", "unchanged", "in bulk", "taken back")
    ordered = sorted(groups, key=lambda one: -one.suggested) if name == "folder" else groups
    rows = [
        (
            one.name,
            f"{one.suggested:,}",
            f"{one.open:,}",
            *(_brief(share) for share in (one.individual, one.unchanged, one.bulk, one.reversals)),
        )
        for one in ordered[:_SHOWN]
    ]
    for line in table_lines(head, rows):
        show(line)
    if len(groups) > _SHOWN:
        show(f"... and {len(groups) - _SHOWN:,} more, see --json")


def _interval(share: Share) -> str:
    if share.value is None:
        return "none yet"
    low, high = share.interval
    return f"{share.value:.1%} of {share.of:,} ({low:.1%} to {high:.1%})"


def _brief(share: Share) -> str:
    return "-" if share.value is None else f"{share.value:.0%} of {share.of:,}"


COMMANDS: tuple[click.Command, ...] = (metrics,)
