"""`docgen model promote` and `drop`, and what `docgen model` says of a candidate that answers a share of the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.cli_ledger import reviewer
from docgen_plugin.cli_metrics import show_trial, trial_pair
from docgen_plugin.cli_options import Session, as_json, for_source, settings
from docgen_plugin.console import emit, say, show, visible

if TYPE_CHECKING:
    from docgen_plugin.canary import Canary
    from docgen_plugin.measures import Trial
    from docgen_plugin.model_choice import Choice
    from docgen_plugin.registry import Located

__all__ = [
    "COMMANDS",
    "PACKAGED",
    "begin",
    "canary_json",
    "choice_json",
    "end",
    "tell_shadowed",
    "told",
]

PACKAGED = "the model in the package"


def told(one: Canary) -> str:
    """Return a candidate in words."""
    from docgen_plugin.canary import told_share

    return f"{visible(one.reference)}, for {told_share(one.share)} of the tables (by {visible(one.by)}, {visible(one.at)})"


def canary_json(one: Canary | None) -> dict[str, Any] | None:
    """Return a candidate as plain values, None where there is none."""
    if one is None:
        return None
    return {
        "reference": one.reference,
        "sha256": one.sha256,
        "model": one.model,
        "share": one.share,
        "by": one.by,
        "at": one.at,
        "began_at": one.began.isoformat(),
    }


def choice_json(chosen: Choice | None) -> dict[str, Any]:
    """Return a choice as plain values; that of the model in the package has none."""
    return {
        "reference": chosen.reference if chosen else None,
        "sha256": chosen.sha256 if chosen else None,
        "asked": chosen.asked if chosen else None,
    }


def tell_shadowed(session: Session) -> None:
    """Say where the setting `model` keeps a choice from counting."""
    if session.config.model:
        say(
            f"note: the setting `model` ({visible(session.config.model)}) wins over this choice: take it out of "
            "docgen.toml, pyproject.toml or DOCGEN_MODEL"
        )


def begin(session: Session, asked: str, found: Located, share: float, machine: bool) -> None:
    """Record a candidate and say so, and which one it replaces."""
    from docgen_plugin import canary, model_choice

    before = canary.running(session.folder)
    made = canary.begin(session.folder, session.config, asked, found, share, reviewer(session))
    standing = _named(model_choice.current(session.folder))
    if machine:
        emit({"candidate": canary_json(made), "replaced": canary_json(before if before != made else None)})
    elif made == before:
        show(f"{visible(made.reference)} answers {canary.told_share(share)} of the tables already")
    else:
        if before is not None:
            show(f"the candidate until now ends: {told(before)}")
        show(
            f"{visible(made.reference)} (sha256 {made.sha256[:12]}) answers {canary.told_share(share)} of the tables "
            f"from now on; {standing} the others"
        )
        show(
            "next: docgen suggest, with --again for suggestions that are still open; docgen metrics compares"
        )
    tell_shadowed(session)


def end(session: Session, machine: bool) -> None:
    """End the candidate and say so."""
    from docgen_plugin import canary, model_choice

    left = canary.drop(session.folder, reviewer(session))
    chosen = model_choice.current(session.folder)
    if machine:
        emit({**choice_json(chosen), "left": left.reference})
    else:
        show(f"the candidate {visible(left.reference)} is dropped; {_named(chosen)} answers all tables again")
        show("next: docgen suggest --again, where suggestions of the candidate are still open")
    tell_shadowed(session)


@click.command()
@for_source
@as_json
def promote(source: str, machine: bool) -> None:
    """Make the candidate the model that the project uses, and show how both did; see `use --canary`."""
    from docgen_plugin import canary, model_choice
    from docgen_plugin.measures_report import trial_json

    session = settings(source)
    compared = _compared(session)
    before = model_choice.current(session.folder)
    chosen = canary.promote(session.folder, session.config, reviewer(session))
    if machine:
        trial = trial_json(compared) if compared else None
        emit({**choice_json(chosen), "before": before.reference if before else None, "trial": trial})
    else:
        if compared is not None:
            show_trial(compared)
        name = f"{visible(chosen.reference)} (sha256 {chosen.sha256[:12]})"
        show(f"{name} is used from now on; before: {_named(before)}")
        show("next: docgen suggest --again, for open suggestions of the model before")
    if compared is None or compared.verdict != "better":
        say("note: that it is better is not shown; docgen model rollback goes back")
    tell_shadowed(session)


@click.command()
@for_source
@as_json
def drop(source: str, machine: bool) -> None:
    """End the candidate: the model that the project uses answers all tables again."""
    end(settings(source), machine)


def _compared(session: Session) -> Trial | None:
    """Return how the candidate did in all catalogs of the ledger that it wrote for, None where there is no candidate."""
    from docgen_plugin.measures import fates, trial

    pair = trial_pair(session)
    if pair is None:
        return None
    found = []
    with session.ledger() as ledger:
        for source in ledger.sources():
            listed = [fate for row, events in ledger.histories(source) for fate in fates(row, events)]
            if any(one.model == pair[0][0] for one in listed):
                found += listed
    return trial(found, *pair)


def _named(chosen: Choice | None) -> str:
    return visible(chosen.reference) if chosen else PACKAGED


COMMANDS: tuple[click.Command, ...] = (promote, drop)
