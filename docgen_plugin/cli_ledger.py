"""The verbs that decide on many suggestions: accept, undo; and status, ledger."""

from __future__ import annotations

import getpass
import uuid
from collections import Counter
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.cli_options import Session, as_json, filtering, selecting, source_options
from docgen_plugin.console import count, emit, say, show, table_lines, visible

if TYPE_CHECKING:
    from docgen_plugin.config import Config
    from docgen_plugin.model import Catalog
    from docgen_plugin.store import Ledger

__all__ = ["COMMANDS", "counted", "reviewer"]

_SHOWN = 15
_BATCH_SHOWN = 8  # digits that tell one bulk action of a project from the next
_DECIDED = ("accepted", "edited", "rejected")


def reviewer(session: Session) -> str:
    """Return the name to record with a decision: the configured one, else the system's user."""
    if session.config.reviewer:
        return session.config.reviewer
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"  # a container's user without a name


@click.command()
@source_options
@selecting
@filtering
@click.option(
    "--min-confidence",
    type=click.FloatRange(0, 1),
    metavar="X",
    help="Only suggestions of at least this confidence.",
)
@click.option("--include-unclear", is_flag=True, help="Accept 'unclear from the schema' as a text, too.")
@as_json
def accept(
    session: Session,
    select: tuple[str, ...],
    filtered: str,
    min_confidence: float | None,
    include_unclear: bool,
    machine: bool,
) -> None:
    """Accept all open suggestions, or those selected.

    What is 'unclear from the schema' is left for a review, unless you ask for it.
    """
    from docgen_plugin.review.filters import parse
    from docgen_plugin.review.walk import Scope
    from docgen_plugin.store import Decision

    wanted = parse(filtered)
    if wanted.states not in ((), ("suggested",)):
        raise click.UsageError("accept takes what is open: leave state: out of --filter")
    choice = session.read(select)
    catalog = choice.catalog
    scope = Scope(catalog, choice.config, choice.select)
    with session.ledger(needed=True) as ledger:
        rows = list(scope.every(ledger, replace(wanted, states=("suggested",))))
        clear = [row for row in rows if include_unclear or row.suggestion.origin != "unclear"]
        sure = [row for row in clear if row.suggestion.confidence >= (min_confidence or 0.0)]
        who, batch = reviewer(session), uuid.uuid4().hex
        done = ledger.decide(catalog.source, (Decision(row, "accepted", who) for row in sure), batch)
    left = {
        "unclear": len(rows) - len(clear),
        "below": len(clear) - len(sure),
        "changed": len(sure) - len(done),
    }
    if machine:
        emit({"source": catalog.source, "accepted": len(done), "left": left, "reviewer": who, "batch": batch})
        return
    _tell_accepted(len(done), left, batch)


def _tell_accepted(done: int, left: dict[str, int], batch: str) -> None:
    show(f"accepted {count(done, 'suggestion')}")
    if left["unclear"]:
        show(f"left {left['unclear']:,} unclear: docgen review to write a text for them")
    if left["below"]:
        show(f"left {left['below']:,} below the confidence asked for")
    if left["changed"]:
        show(f"left {left['changed']:,} that someone else decided meanwhile")
    if done:
        show("next: docgen apply --dry-run to see the change, docgen apply to write it")
        show(f"to take it back: docgen undo --batch {batch[:_BATCH_SHOWN]}")


@click.command()
@source_options
@selecting
@click.option("--batch", metavar="ID", help="Only what one bulk accept did: the id that it printed.")
@as_json
def undo(session: Session, select: tuple[str, ...], batch: str | None, machine: bool) -> None:
    """Take back the latest decision on every place meant, until it is applied.

    Give --select or --batch: without either nothing is meant.
    """
    from docgen_plugin import targets

    if not (select or batch):
        raise click.UsageError("say what to take back: --batch ID of a bulk accept, or --select GLOB")
    choice = session.read(select)
    catalog, select = choice.catalog, choice.select
    with session.ledger(needed=True) as ledger:
        targets.refresh(catalog, ledger)
        rows = targets.ordered(catalog, ledger, choice.config, _DECIDED, select)
        if batch:
            meant = {row.suggestion.ref for row in ledger.batch(catalog.source, batch)}
            rows = [row for row in rows if row.suggestion.ref in meant]
        done = ledger.undo(catalog.source, rows, reviewer(session))
    if machine:
        emit({"source": catalog.source, "undone": len(done), "reviewer": reviewer(session)})
        return
    show(f"took back {count(len(done), 'decision')}" if done else "nothing to take back")


@click.group()
def ledger() -> None:
    """Keep or move the record of suggestions and decisions."""


_LEDGER = click.option("--ledger", "location", metavar="URL", help="Which: a file or a SQLAlchemy URL.")


def _opened(location: str | None, create: bool) -> Ledger:
    from pathlib import Path

    from docgen_plugin.config import load_config
    from docgen_plugin.errors import LedgerError
    from docgen_plugin.store import Ledger

    place = location or load_config(Path.cwd()).ledger or Path.cwd() / ".docgen" / "ledger.db"
    found = Ledger(place, create)
    if found.missing:
        raise LedgerError(
            f"no ledger at {found.name}: run this in the project's folder, or name it with --ledger"
        )
    return found


@ledger.command("export")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True), default="-")
@_LEDGER
@click.option(
    "--source", "sources", multiple=True, help="Only this catalog, as docgen status --json names it."
)
def export_ledger(file: str, location: str | None, sources: tuple[str, ...]) -> None:
    """Write every suggestion with its history, and the calibration, as JSON lines to FILE or standard output."""
    from docgen_plugin.errors import LedgerError
    from docgen_plugin.ledger_transfer import curve_lines, export_lines

    number = curves = 0
    try:
        with (
            _opened(location, False) as found,
            click.open_file(file, "w", "utf-8", atomic=file != "-") as out,
        ):
            for line in export_lines(found, sources):
                out.write(f"{line}\n")
                number += 1
            for line in curve_lines(found, sources):
                out.write(f"{line}\n")
                curves += 1
    except OSError as err:
        raise LedgerError(f"{file}: cannot be written ({err.strerror})") from err
    say(f"wrote {count(number, 'suggestion')}" + (f" and {count(curves, 'curve')}" if curves else ""))


@ledger.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True))
@_LEDGER
@as_json
def import_ledger(file: str, location: str | None, machine: bool) -> None:
    """Read what `docgen ledger export` wrote.

    A place that has a suggestion here keeps it, and a model that is calibrated here its calibration.
    """
    from docgen_plugin.errors import LedgerError
    from docgen_plugin.ledger_transfer import import_lines

    try:
        with click.open_file(file, encoding="utf-8") as lines, _opened(location, True) as found:
            came = import_lines(found, lines, visible(file))
    except (OSError, UnicodeDecodeError) as err:
        raise LedgerError(f"{file}: cannot be read ({getattr(err, 'strerror', None) or 'no UTF-8'})") from err
    if machine:
        emit(asdict(came))
        return
    show(f"took {count(came.taken, 'suggestion')}" + _standing(came.kept))
    if came.curves_taken or came.curves_kept:
        show(f"took {count(came.curves_taken, 'curve')}" + _standing(came.curves_kept))


def _standing(kept: int) -> str:
    return f", kept {kept:,} that stood here already" if kept else ""


@click.command()
@source_options
@as_json
def status(session: Session, machine: bool) -> None:
    """Show what waits: undocumented, suggested, accepted, applied, stale; and what to do next."""
    choice = session.read()
    catalog = choice.catalog
    with session.ledger() as ledger:
        found = counted(choice.config, catalog, ledger)
        where = ledger.name
    if machine:
        emit({"source": catalog.source, "ledger": where, **found})
        return
    for line in table_lines(("state", "places"), [(name, f"{n:,}") for name, n in found["states"].items()]):
        show(line)
    show()
    _show_tables(found["tables"])
    if found["origins"]:
        show("origins: " + ", ".join(f"{n:,} {name}" for name, n in found["origins"].items()))
    if found["in_file"]:
        show(f"in a file: {count(found['in_file'], 'accepted text')} (apply --to)")
    show(f"ledger: {visible(where)}")
    show(f"next: {found['next']}")


def counted(config: Config, catalog: Catalog, ledger: Ledger) -> dict[str, Any]:
    """Return what `docgen status --json` prints, as it is after looking at the source; the ledger stays as it is."""
    from docgen_plugin import targets
    from docgen_plugin.selection import chosen_tables

    keys = {table.key for table in chosen_tables(catalog.tables, config)}
    states: Counter[tuple[str, str]] = Counter()
    origins: Counter[str] = Counter()
    for key, state, origin, number in ledger.counts(catalog.source):
        if key in keys:
            states[key, state] += number
            origins[origin] += number
    filed = {ref for ref in ledger.filed(catalog.source) if ref.table in keys}
    for row, turn in targets.refresh(catalog, ledger, dry_run=True):
        filed.discard(row.suggestion.ref)
        if row.suggestion.ref.table in keys:
            states[row.suggestion.ref.table, row.suggestion.state] -= 1
            states[row.suggestion.ref.table, turn.state] += 1
    for target in targets.find(catalog, ledger, config):
        states[target.table.key, "undocumented"] = target.size
    return {
        "states": _totals(states),
        "in_file": len(filed),
        "origins": dict(sorted(origins.items())),
        "tables": _by_table(catalog, states),
        "next": _next_step(_totals(states), len(filed)),
    }


def _totals(states: Counter[tuple[str, str]]) -> dict[str, int]:
    from docgen_plugin.model import STATES

    totals: Counter[str] = Counter()
    for (_, state), number in states.items():
        totals[state] += number
    return {state: totals[state] for state in ("undocumented", *STATES)}


def _by_table(catalog: Catalog, states: Counter[tuple[str, str]]) -> list[dict[str, Any]]:
    grouped: dict[str, dict[str, int]] = {}
    for (key, state), number in states.items():
        if number > 0:
            grouped.setdefault(key, {})[state] = number
    order = {table.key: index for index, table in enumerate(catalog.tables)}
    return [{"table": key, **grouped[key]} for key in sorted(grouped, key=lambda key: order.get(key, 0))]


def _show_tables(tables: list[dict[str, Any]]) -> None:
    """Print the tables with the most still to do."""
    names = ("undocumented", "suggested", "accepted", "edited", "stale")
    sized = [(one, sum(one.get(name, 0) for name in names)) for one in tables]
    busy = sorted((pair for pair in sized if pair[1]), key=lambda pair: (-pair[1], pair[0]["table"]))
    if not busy:
        return
    rows = [(str(one["table"]), *(f"{one.get(name, 0):,}" for name in names)) for one, _ in busy[:_SHOWN]]
    for line in table_lines(("table", *names), rows):
        show(line)
    if len(busy) > _SHOWN:
        show(f"... and {count(len(busy) - _SHOWN, 'more table', 'more tables')}")
    show()


def _next_step(totals: dict[str, int], filed: int) -> str:
    unwritten = totals["accepted"] + totals["edited"] - filed
    if unwritten > 0:
        return f"docgen apply ({count(unwritten, 'accepted text')} to write)"
    if totals["suggested"]:
        return f"docgen review, or docgen accept ({count(totals['suggested'], 'open suggestion')})"
    if totals["undocumented"]:
        return (
            f"docgen suggest ({count(totals['undocumented'], 'place')} without a description or suggestion)"
        )
    return "nothing to do"


COMMANDS: tuple[click.Command, ...] = (accept, undo, status, ledger)
