"""Commands that judge a model: evaluate, card."""

from __future__ import annotations

from pathlib import Path

import click

from docgen_training.cli_options import FILE, OLD_FOLDER, OUT

__all__ = ["COMMANDS"]


@click.command()
@click.argument("model")
@click.option("--data", type=FILE, required=True, help="Documented records that were not trained on.")
@click.option("--tables", default=150, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--threads", default=0, show_default=True)
@click.option("--out", type=OUT, required=True)
def evaluate(model: str, data: Path, tables: int, seed: int, threads: int, out: Path) -> None:
    """Score a GGUF on documented tables, beside two baselines."""
    import json

    from docgen_plugin.config import Config
    from docgen_training.evaluate import evaluate as run
    from docgen_training.records import read_records

    scores = run(model, read_records(data), tables, seed, Config(threads=threads))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    for name, system in scores["systems"].items():
        click.echo(f"{name:22}" + "  ".join(f"{key} {value}" for key, value in system.items()))


@click.command()
@click.argument("checkpoint", type=OLD_FOLDER)
@click.argument("model", type=FILE)
@click.option("--scores", type=FILE, required=True)
@click.option("--note", default="", help="What the run's files do not tell.")
@click.option("--out", type=OUT, required=True)
def card(checkpoint: Path, model: Path, scores: Path, note: str, out: Path) -> None:
    """Write the model's card from the files of its run."""
    from docgen_training.card import write_card

    write_card(checkpoint, model, scores, out, note)
    click.echo(str(out))


COMMANDS = (evaluate, card)
