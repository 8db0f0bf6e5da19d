"""The verbs that decide on suggestions: review, accept; and status."""

from __future__ import annotations

import getpass
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from docgen_plugin.cli_options import Session, as_json, selecting, source_options
from docgen_plugin.console import count, emit, say, show, table_lines, visible

if TYPE_CHECKING:
    from docgen_plugin.config import Config
    from docgen_plugin.model import Catalog
    from docgen_plugin.store import Ledger

__all__ = ["COMMANDS", "counted", "reviewer"]

_F = TypeVar("_F", bound=Callable[..., Any])

_SHOWN = 15
_BATCH_SHOWN = 8  # digits that tell one bulk action of a project from the next
_DECIDED = ("accepted", "edited", "rejected")
_REVIEWABLE = ("suggested", *_DECIDED)


def reviewer(session: Session) -> str:
    """Return the name to record with a decision: the configured one, else the system's user."""
    if session.config.reviewer:
        return session.config.reviewer
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return "unknown"  # a container's user without a name


_WEB_OPTIONS = (
    click.option(
        "--host", default="127.0.0.1", help="With --web: the address to serve; others' needs --auth."
    ),
    click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=0,
        help="With --web: the port; any free one if left out.",
    ),
    click.option(
        "--auth",
        metavar="FILE",
        help="With --web: who may review, name:token a line; the names go to the ledger.",
    ),
    click.option(
        "--allowed-host",
        multiple=True,
        metavar="NAME",
        help="With --web: a name that reviewers type for --host.",
    ),
    click.option(
        "--offer",
        multiple=True,
        metavar="REF",
        help="With --web: a model that reviewers may ask for another text.",
    ),
    click.option("--open/--no-open", "opens", default=None, help="With --web: open the browser, or do not."),
)


def _web_options(command: _F) -> _F:
    """Return a command with the options of the page."""
    for decorate in reversed(_WEB_OPTIONS):
        command = decorate(command)
    return command


def _need_plain(context: click.Context, names: tuple[str, ...], why: str) -> None:
    """Return nothing when none of these options was given.

    Raises:
        UsageError: for the first that was.
    """
    given = {ParameterSource.COMMANDLINE, ParameterSource.ENVIRONMENT}
    for parameter in context.command.params:
        if parameter.name in names and context.get_parameter_source(parameter.name) in given:
            raise click.UsageError(f"{parameter.opts[0]} {why}")


def _review_web(
    session: Session,
    host: str,
    port: int,
    auth: str | None,
    allowed_host: tuple[str, ...],
    offer: tuple[str, ...],
    opens: bool | None,
) -> None:
    from dataclasses import replace
    from pathlib import Path

    from docgen_plugin import canary, targets
    from docgen_plugin.review import server

    server.require_web()
    address = server.Address(host, port, allowed_host)
    reviewers = Path(auth).expanduser() if auth else None
    server.check(address, reviewers)
    choice = session.read()
    with session.ledger(needed=True) as ledger:
        targets.refresh(choice.catalog, ledger)
    owner = canary.owner(session.folder, session.config)
    server.serve(
        session.source,
        choice.config,
        choice.catalog,
        session.ledger,
        lambda model: canary.load(
            session.folder, replace(session.config, model=model or session.config.model)
        ),
        address,
        reviewer(session),
        reviewers,
        offer,
        server.has_desktop() and not auth if opens is None else opens,
        owner,
    )


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
@click.option(
    "--web", is_flag=True, help="Review in the browser instead, on a page that this machine serves."
)
@_web_options
def review(
    session: Session, select: tuple[str, ...], chosen: tuple[str, ...], web: bool, **served: Any
) -> None:
    """Go through the suggestions one by one: accept, reject, edit or skip.

    Every decision is kept at once; q or the end of the input stops, and the rest waits. A decision can be
    changed until it is applied: --state accepted,rejected shows those again. With --web the same in the
    browser, with filters, bulk actions and the preview of what is written; only this machine can reach it.
    """
    context = click.get_current_context()
    if web:
        _need_plain(
            context, ("select", "chosen"), "belongs to the review in the terminal: the page has filters"
        )
        _review_web(session, **served)
        return
    _need_plain(context, tuple(served), "goes with --web")
    from docgen_plugin import targets
    from docgen_plugin.review import terminal

    choice = session.read(select)
    catalog, select = choice.catalog, choice.select
    with session.ledger(needed=True) as ledger:
        targets.refresh(catalog, ledger)
        rows = targets.ordered(catalog, ledger, choice.config, chosen, select)
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

    choice = session.read(select)
    catalog, select = choice.catalog, choice.select
    with session.ledger(needed=True) as ledger:
        targets.refresh(catalog, ledger)
        rows = targets.ordered(catalog, ledger, choice.config, ("suggested",), select)
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


COMMANDS: tuple[click.Command, ...] = (review, accept, undo, status, ledger)
