"""The commands around a rating sheet: rate make, rate count."""

from __future__ import annotations

import json
from pathlib import Path

import click

from docgen_training.cli_options import FILE, FOLDER, OUT

__all__ = ["COMMANDS"]


@click.group()
def rate() -> None:
    """What served texts are worth: make the raters' sheet, count what they say."""


@rate.command()
@click.option("--data", type=FILE, required=True, help="Documented records that were not trained on.")
@click.option("--model", default="", help="A GGUF; empty is the embedded model.")
@click.option("--tables", default=400, show_default=True, help="Tables to serve and to draw from.")
@click.option("--rows", default=480, show_default=True)
@click.option("--without", multiple=True, type=FILE, help="A key: none of its tables are drawn again.")
@click.option("--seed", default=1, show_default=True)
@click.option("--key", type=OUT, required=True, help="Where the key goes: out of the raters' sight.")
@click.option("--out", type=FOLDER, required=True, help="The raters' folder: ratings.csv, tables.md.")
def make(
    data: Path,
    model: str,
    tables: int,
    rows: int,
    without: tuple[Path, ...],
    seed: int,
    key: Path,
    out: Path,
) -> None:
    """Serve texts for documented tables and draw rows of every origin and confidence for the raters."""
    from docgen_plugin.config import Config
    from docgen_plugin.generate import load
    from docgen_training.evaluate import sample_tables
    from docgen_training.ratings import draw_rows, read_rows, write_sheet
    from docgen_training.records import read_records
    from docgen_training.systems import served

    seen = {row.table.rpartition("#")[0] for path in without for row in read_rows(path)}
    fresh = (record for record in read_records(data) if record.table.key not in seen)
    chosen = sample_tables(fresh, tables, seed)
    generator = load(model, Config())
    try:
        drawn = draw_rows(chosen, served(generator, chosen, Config()), rows, seed)
    finally:
        generator.close()
    write_sheet(out, key, chosen, drawn)
    click.echo(f"{out}: {len(drawn)} rows to rate; key: {key}")


@rate.command()
@click.argument("key", type=FILE)
@click.argument("sheets", nargs=-1, required=True, type=FILE)
@click.option("--method", type=click.Choice(("platt", "isotonic")), default="platt", show_default=True)
@click.option("--curves", type=OUT, help="Write what a confidence is worth, as the package ships it.")
@click.option("--out", type=FOLDER, required=True, help="Folder for ratings.json and reliability.png.")
def count(key: Path, sheets: tuple[Path, ...], method: str, curves: Path | None, out: Path) -> None:
    """Count the verdicts of filled sheets, a rater is a file, and fit the confidences to them."""
    from docgen_plugin.calibration import write_curves
    from docgen_training.calibrate import fit_all, plot
    from docgen_training.cli_calibrate import tell
    from docgen_training.ratings import judged_rows, rating_report, read_ratings, read_rows

    rows = read_rows(key)
    ratings = [one for path in sheets for one in read_ratings(path, rows)]
    report = rating_report(rows, ratings)
    fitted, few = fit_all([one for _, one in judged_rows(rows, ratings)], method)
    out.mkdir(parents=True, exist_ok=True)
    (out / "ratings.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, group in report["groups"].items():
        low, high = group["interval"]
        click.echo(
            f"{name}: {group['accepted']:.0%} of {group['rows']:,} accepted ({low:.0%} to {high:.0%}), "
            f"as served {group['as_served']:.0%}"
        )
    tell(fitted, few)
    if fitted:
        plot(out / "reliability.png", fitted)
    if curves is not None:
        write_curves(curves, [one.curve for one in fitted])


COMMANDS = (rate,)
