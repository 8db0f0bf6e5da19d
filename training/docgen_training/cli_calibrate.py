"""The command that fits confidences to people's decisions: calibrate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from docgen_training.calibrate import Fitted

__all__ = ["COMMANDS", "tell"]


@click.command()
@click.option("--ledger", "location", metavar="URL", required=True, help="A file or a SQLAlchemy URL.")
@click.option(
    "--source",
    "sources",
    multiple=True,
    help="Only decisions on this catalog, as docgen status --json names it.",
)
@click.option(
    "--method",
    type=click.Choice(("platt", "isotonic")),
    default="platt",
    show_default=True,
    help="A sigmoid, or steps: those from about a thousand decisions on.",
)
@click.option("--dry-run", is_flag=True, help="Fit and tell, but keep nothing.")
@click.option(
    "--plot",
    "picture",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Draw the reliability as a PNG.",
)
def calibrate(
    location: str, sources: tuple[str, ...], method: str, dry_run: bool, picture: Path | None
) -> None:
    """Fit what a log-probability is worth to a ledger's decisions, and keep it there for new suggestions.

    A confidence of 0.9 then means: nine in ten of these were accepted as they were. Rows that stand keep theirs.
    """
    from docgen_plugin.errors import DocgenError, LedgerError
    from docgen_plugin.store import Ledger
    from docgen_training.calibrate import fit_all, judged, plot

    with Ledger(location, create=False) as ledger:
        if ledger.missing:
            raise LedgerError(f"no ledger at {ledger.name}: docgen suggest makes one in the project's folder")
        present = ledger.sources()
        for name in sources:
            if name not in present:
                raise DocgenError(
                    f"{name}: the ledger has nothing of it; it has: {', '.join(present) or 'none'}"
                )
        fitted, few = fit_all(judged(ledger, sources or present), method)
        tell(fitted, few)
        if picture is not None and fitted:
            plot(picture, fitted)
        if not dry_run:
            ledger.keep_curves(one.curve for one in fitted)


def tell(fitted: Sequence[Fitted], few: Sequence[tuple[str, str, int]]) -> None:
    """Print what curves are worth, and which groups have too few decisions for one."""
    from docgen_plugin.console import visible

    for one in fitted:
        curve = one.curve
        click.echo(
            f"{visible(curve.model) or '(no model)'}, {curve.origin}: {curve.decisions:,} decisions; on the held-out half "
            f"squared error {one.brier_before:.3f} -> {one.brier_after:.3f}"
        )
        for mean, share in one.bands:
            low, high = share.interval
            click.echo(
                f"  confidence {mean:.2f}: {share.value or 0.0:.0%} of {share.of:,} accepted unchanged ({low:.0%} to {high:.0%})"
            )
    for model, origin, number in few:
        click.echo(
            f"{visible(model) or '(no model)'}, {origin}: {number:,} decisions one by one are too few",
            err=True,
        )
    if not fitted:
        click.echo("no curve: 30 decisions one by one on texts of one model and origin are needed", err=True)


COMMANDS = (calibrate,)
