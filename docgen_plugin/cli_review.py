"""The verb that goes through suggestions one by one: review, in the terminal or in the browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from docgen_plugin.cli_ledger import reviewer
from docgen_plugin.cli_options import Session, filtering, selecting, source_options
from docgen_plugin.console import show, visible

if TYPE_CHECKING:
    from docgen_plugin.generate import Generator
    from docgen_plugin.store import Filter

__all__ = ["COMMANDS"]

_F = TypeVar("_F", bound=Callable[..., Any])

_REVIEWABLE = ("suggested", "accepted", "edited", "rejected")

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
        _loader(session),
        address,
        reviewer(session),
        reviewers,
        offer,
        server.has_desktop() and not auth if opens is None else opens,
        owner,
    )


def _loader(session: Session) -> Callable[[str], Generator]:
    """Return what loads a model by its reference, the project's own for ""."""

    def load(model: str) -> Generator:
        from docgen_plugin import canary

        return canary.load(session.folder, replace(session.config, model=model or session.config.model))

    return load


def _review_terminal(session: Session, select: tuple[str, ...], wanted: Filter) -> None:
    from contextlib import closing

    from docgen_plugin import canary
    from docgen_plugin.review import terminal
    from docgen_plugin.review.desk import Desk
    from docgen_plugin.review.ledgers import Ledgers
    from docgen_plugin.review.models import Models

    choice = session.read(select)
    session.ledger(needed=True).close()
    owner = canary.owner(session.folder, session.config)
    with (
        closing(Ledgers(session.ledger)) as ledgers,
        closing(Models(_loader(session), choice.config, owner=owner)) as models,
    ):
        desk = Desk(session.source, choice.config, choice.catalog, ledgers, models)
        tally = terminal.review(desk, wanted, choice.select, reviewer(session))
    if tally is None:
        show(f"nothing to review: no suggestion is {_said(wanted)}")
        return
    show(", ".join(f"{number:,} {state}" for state, number in tally.items() if number) or "nothing decided")


def _said(wanted: Filter) -> str:
    """Return in words what no suggestion is."""
    from docgen_plugin.review.filters import spoken

    if wanted != replace(wanted.__class__(), states=wanted.states):
        return f"meant by {visible(spoken(wanted))}"
    return "open" if wanted.states == ("suggested",) else " or ".join(wanted.states)


@click.command()
@source_options
@selecting
@filtering
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
    session: Session,
    select: tuple[str, ...],
    filtered: str,
    chosen: tuple[str, ...],
    web: bool,
    **served: Any,
) -> None:
    """Go through the suggestions one by one: accept, reject, edit, skip, take back; ? shows all keys.

    Every decision is kept at once; q or the end of the input stops, and the rest waits. A decision can be
    changed until it is applied: --state accepted,rejected shows those again. Answers can come through a pipe,
    a line each. With --web the same in the browser, with the preview of what is written; only this machine
    can reach it.
    """
    context = click.get_current_context()
    if web:
        names = ("select", "filtered", "chosen")
        _need_plain(context, names, "belongs to the review in the terminal: the page has filters")
        _review_web(session, **served)
        return
    _need_plain(context, tuple(served), "goes with --web")
    from docgen_plugin.review.filters import parse

    wanted = parse(filtered)
    if wanted.states:
        _need_plain(context, ("chosen",), "and state: in --filter say the same: leave one out")
    _review_terminal(session, select, replace(wanted, states=wanted.states or chosen))


def _reviewable(value: str) -> tuple[str, ...]:
    states = tuple(part.strip() for part in value.split(","))
    for state in states:
        if state not in _REVIEWABLE:
            raise click.BadParameter(f"{visible(state)!r} is none of {', '.join(_REVIEWABLE)}")
    return states


COMMANDS: tuple[click.Command, ...] = (review,)
