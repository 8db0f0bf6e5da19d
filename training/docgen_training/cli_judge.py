"""Commands that judge a model: evaluate, texts, study, card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docgen_training.cli_options import FILE, FOLDER, OLD_FOLDER, OUT

if TYPE_CHECKING:
    from docgen_plugin.model import Table
    from docgen_training.systems import Texts

__all__ = ["COMMANDS"]

_KNOWN = click.option(
    "--known", multiple=True, type=FILE, help="Documentation that the nearest-neighbour baseline looks in."
)


@click.command()
@click.argument("model")
@click.option("--data", type=FILE, required=True, help="Documented records that were not trained on.")
@_KNOWN
@click.option("--tables", default=150, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--threads", default=0, show_default=True)
@click.option("--out", type=FOLDER, required=True, help="Folder for scores.json, report.html and report.png.")
def evaluate(
    model: str, data: Path, known: tuple[Path, ...], tables: int, seed: int, threads: int, out: Path
) -> None:
    """Score a GGUF on documented tables, beside baselines that need no model."""
    from docgen_plugin.config import Config
    from docgen_plugin.model_files import model_files
    from docgen_training.evaluate import evaluate as run
    from docgen_training.evaluate import heldout_loss
    from docgen_training.judge import opaque_names
    from docgen_training.records import read_records
    from docgen_training.report import write_report

    records = list(read_records(data))
    looked_in = (record for path in known for record in read_records(path))
    scores = run(model, records, looked_in, tables, seed, Config(threads=threads), opaque_names())
    # an adapter's own loss stands in the run.json of its training
    if Path(model).is_file() and model_files(Path(model)).adapter is None:
        scores["loss"] = {
            "human texts behind <raw>": round(heldout_loss(Path(model), records, raw=True), 4),
            "human texts behind <desc>": round(heldout_loss(Path(model), records, raw=False), 4),
        }
    for path in write_report(scores, out):
        click.echo(str(path))
    for name, system in scores["systems"].items():
        click.echo(f"{name:22}" + "  ".join(f"{key} {value}" for key, value in system.items()))
    click.echo(json.dumps({key: scores[key] for key in ("abstention", "expansion", "load_s")}))


@click.group()
def study() -> None:
    """The double-blind study: make the sheet, count the votes."""


def _texts(systems: tuple[str, ...], tables: list[Table], known: tuple[Path, ...]) -> dict[str, Texts]:
    from docgen_plugin.config import Config
    from docgen_training.records import read_records
    from docgen_training.systems import system_texts

    looked_in = [record for path in known for record in read_records(path)] if known else []
    found = {}
    for system in systems:
        name, _, where = system.partition("=")
        found[name] = system_texts(where or name, tables, looked_in, Config())
    return found


@study.command()
@click.option("--data", type=FILE, required=True, help="Documented records that were not trained on.")
@click.option("--tables", default=62, show_default=True)
@click.option("--per-table", default=6, show_default=True, help="Columns of a table at most.")
@click.option(
    "--system",
    "systems",
    multiple=True,
    required=True,
    help="template, dictionary, neighbour, human, NAME=FILE.gguf or NAME=FILE.jsonl; the first meets each other one.",
)
@_KNOWN
@click.option("--seed", default=62, show_default=True)
@click.option("--key", type=OUT, required=True, help="Where the key goes: out of the raters' sight.")
@click.option(
    "--out", type=FOLDER, required=True, help="The raters' folder: sheet.html, sheet.csv, tables.md."
)
def make(
    data: Path,
    tables: int,
    per_table: int,
    systems: tuple[str, ...],
    known: tuple[Path, ...],
    seed: int,
    key: Path,
    out: Path,
) -> None:
    """Draw tables and columns and write the raters' sheet, and the key apart."""
    from docgen_training.evaluate import sample_tables
    from docgen_training.records import read_records
    from docgen_training.study import make_study, write_study

    chosen = sample_tables(read_records(data), tables, seed)
    drawn = make_study(chosen, _texts(systems, chosen, known), per_table, seed)
    shown = write_study(out, key, chosen, drawn)
    click.echo(f"{out}: {shown} rows to judge of {len(drawn.pairs)}; the others say the same; key: {key}")


@study.command()
@click.argument("key", type=FILE)
@click.argument("votes", nargs=-1, required=True, type=FILE)
@click.option("--out", type=FOLDER, required=True, help="Folder for study.json and study.md.")
def count(key: Path, votes: tuple[Path, ...], out: Path) -> None:
    """Count the votes of filled sheets; a rater is a file."""
    from docgen_training.study import read_key
    from docgen_training.votes import count_votes, read_votes, report_lines

    known = read_key(key)
    report = count_votes(known, [vote for path in votes for vote in read_votes(path, known)])
    out.mkdir(parents=True, exist_ok=True)
    lines = report_lines(report)
    (out / "study.json").write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (out / "study.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    click.echo("\n".join(lines))


@click.command()
@click.argument("checkpoint", type=OLD_FOLDER)
@click.argument("model", type=FILE)
@click.option("--scores", type=FILE, required=True)
@click.option("--study", "votes", type=FILE, help="study.json of `docgen-train study count`.")
@click.option("--note", default="", help="What the run's files do not tell.")
@click.option("--out", type=OUT, required=True)
def card(checkpoint: Path, model: Path, scores: Path, votes: Path | None, note: str, out: Path) -> None:
    """Write the model's card from the files of its run."""
    from docgen_training.card import write_card

    write_card(checkpoint, model, scores, out, note, votes)
    click.echo(str(out))


COMMANDS = (evaluate, study, card)
