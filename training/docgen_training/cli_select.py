"""The command that lays candidates beside each other: select."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from docgen_plugin.errors import DocgenError
from docgen_training.cli_options import FILE, FOLDER

__all__ = ["COMMANDS"]


def _price(_ctx: click.Context, _param: click.Parameter, value: float) -> float:
    if not math.isfinite(value) or value < 0:
        raise click.BadParameter(
            f"{value} is no price: give what an hour of the machine costs, for instance 1.10"
        )
    return value


def _kinds(_ctx: click.Context, _param: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in value.split(",") if part.strip())


@click.command()
@click.option("--data", type=FILE, required=True, help="Documented records that no candidate was trained on.")
@click.option(
    "--candidate",
    "named",
    multiple=True,
    metavar="MODEL",
    help="`embedded`, a GGUF, a registry's name@version, hf://...; once for each. Without any: embedded.",
)
@click.option(
    "--quantise",
    "kinds",
    default="",
    callback=_kinds,
    metavar="KINDS",
    help="Quantisations to make of --f16 as candidates, such as F16,Q8_0,Q4_0,Q4_K_M.",
)
@click.option("--f16", type=FILE, help="The GGUF with F16 weights that --quantise begins with.")
@click.option(
    "--vocabulary",
    "vocabularies",
    multiple=True,
    type=FILE,
    help="A GGUF, its vocabulary is enough: count the prompts' tokens in it as well.",
)
@click.option("--tables", default=40, show_default=True, type=click.IntRange(min=1))
@click.option(
    "--rounds",
    default=3,
    show_default=True,
    type=click.IntRange(min=1),
    help="Runs for the speed; the best counts.",
)
@click.option("--seed", default=1, show_default=True)
@click.option("--threads", default=0, show_default=True, type=click.IntRange(min=0))
@click.option(
    "--price-per-hour",
    "price",
    type=float,
    required=True,
    callback=_price,
    help="Of the machine that this runs on.",
)
@click.option("--out", type=FOLDER, required=True, help="Folder for selection.json, .md, .html and .png.")
def select(
    data: Path,
    named: tuple[str, ...],
    kinds: tuple[str, ...],
    f16: Path | None,
    vocabularies: tuple[Path, ...],
    out: Path,
    **how: Any,
) -> None:
    """Lay candidates beside each other: licence, scores, speed, prompt, memory, cost; a table and a plot."""
    from docgen_training.candidate import EMBEDDED
    from docgen_training.selection import count_vocabularies, label_all, measure_all, quantisations
    from docgen_training.selection_report import summary, write_selection

    if bool(kinds) != bool(f16):
        raise DocgenError("--quantise and --f16 go together: --quantise Q8_0,Q4_0 --f16 FILE.gguf")
    candidates = label_all(named or (() if kinds else (EMBEDDED,)))
    if f16:
        candidates += quantisations(f16, kinds, out)
    counted = count_vocabularies(vocabularies, data, how["tables"], how["seed"])
    paths: list[Path] = []
    found: dict[str, Any] = {}
    for found, last in measure_all(candidates, data, **how):
        paths = write_selection({**found, "vocabularies": counted}, out)
        click.echo(summary(last))
    if not found["candidates"]:
        raise DocgenError(f"none of the candidates works ({len(found['failed'])}): {paths[1]} says why")
    for path in paths:
        click.echo(str(path))


COMMANDS = (select,)
