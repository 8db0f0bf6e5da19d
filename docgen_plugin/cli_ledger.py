"""The verbs that decide on suggestions: review, accept; and status."""

from __future__ import annotations

import getpass
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.cli_options import Session, as_json, selecting, source_options
from docgen_plugin.console import count, emit, show, table_lines, visible

if TYPE_CHECKING:
    from docgen_plugin.model import Catalog
    from docgen_plugin.store import Ledger

__all__ = ["COMMANDS", "reviewer"]

_SHOWN = 15
_REVIEWABLE = ("suggested", "accepted", "edited", "rejected")


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
@click.option(
    "--state",
    "chosen",
    default="suggested",
    callback=lambda context, option, value: _reviewable(value),
    metavar="STATES",
    help="Go through those that are suggested (the default), accepted, edited or rejected; commas between.",
)
def review(session: Session, select: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    """Go through the suggestions one by one: accept, reject, edit or skip.

    Every decision is kept at once; q or the end of the input stops, and the rest waits. A decision can be
    changed until it is applied: --state accepted,rejected shows those again.
    """
    from docgen_plugin import targets
    from docgen_plugin.review import terminal

    catalog = session.catalog(select)
    with session.ledger(needed=True) as ledger:
        targets.refresh(catalog, ledger)
        rows = targets.ordered(catalog, ledger, session.config, chosen, select)
        if not rows:
            what = "open" if chosen == ("suggested",) else " or ".join(chosen)
            show(f"nothing to review: no suggestion is {what}")
            return
        tally = terminal.review(catalog, ledger, rows, reviewer(session))
    show(", ".join(f"{number:,} {state}" for state, number in tally.items() if number) or "nothing decided")


def _reviewable(value: str) -> tuple[str, ...]:
    states = tuple(part.strip() for part in value.split(","))
    for state in states:
        if state not in _REVIEWABLE:
            raise click.BadParameter(f"{visible(state)!r} is none of {', '.join(_REVIEWABLE)}")
    return states


@click.command()
@source_options
@selecting
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
    min_confidence: float | None,
    include_unclear: bool,
    machine: bool,
) -> None:
    """Accept all open suggestions, or those selected.

    What is 'unclear from the schema' is left for a review, unless you ask for it.
    """
    from docgen_plugin import targets
    from docgen_plugin.store import Decision

    catalog = session.catalog(select)
    with session.ledger(needed=True) as ledger:
        targets.refresh(catalog, ledger)
        rows = targets.ordered(catalog, ledger, session.config, ("suggested",), select)
        clear = [row for row in rows if include_unclear or row.suggestion.origin != "unclear"]
        sure = [row for row in clear if row.suggestion.confidence >= (min_confidence or 0.0)]
        who = reviewer(session)
        done = ledger.decide(catalog.source, (Decision(row, "accepted", who) for row in sure))
    left = {
        "unclear": len(rows) - len(clear),
        "below": len(clear) - len(sure),
        "changed": len(sure) - len(done),
    }
    if machine:
        emit({"source": catalog.source, "accepted": len(done), "left": left, "reviewer": who})
        return
    _tell_accepted(len(done), left)


def _tell_accepted(done: int, left: dict[str, int]) -> None:
    show(f"accepted {count(done, 'suggestion')}")
    if left["unclear"]:
        show(f"left {left['unclear']:,} unclear: docgen review to write a text for them")
    if left["below"]:
        show(f"left {left['below']:,} below the confidence asked for")
    if left["changed"]:
        show(f"left {left['changed']:,} that someone else decided meanwhile")
    if done:
        show("next: docgen apply --dry-run to see the change, docgen apply to write it")


@click.command()
@source_options
@as_json
def status(session: Session, machine: bool) -> None:
    """Show what waits: undocumented, suggested, accepted, applied, stale; and what to do next."""
    catalog = session.catalog()
    with session.ledger() as ledger:
        found = _counted(session, catalog, ledger)
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


def _counted(session: Session, catalog: Catalog, ledger: Ledger) -> dict[str, Any]:
    """Return the numbers as they are after looking at the source; the ledger is left as it is."""
    from docgen_plugin import targets
    from docgen_plugin.selection import chosen_tables

    keys = {table.key for table in chosen_tables(catalog.tables, session.config)}
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
    for target in targets.find(catalog, ledger, session.config):
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


COMMANDS: tuple[click.Command, ...] = (review, accept, status)
