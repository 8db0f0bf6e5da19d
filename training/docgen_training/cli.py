"""`docgen-train`: one command per stage; `training/run.sh` runs them in order."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path

import click

from docgen_plugin.errors import DocgenError

__all__ = ["cli", "main"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUT = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group()
def cli() -> None:
    """Make the model: synthesize, clean, vocabulary, encode, pretrain, export, evaluate."""


@cli.command()
@click.option("--tables", default=60_000, show_default=True, help="How many tables to compose.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=_OUT, required=True)
def synthesize(tables: int, seed: int, out: Path) -> None:
    """Compose documented tables from the lexicon."""
    from docgen_training.records import write_records
    from docgen_training.synthesize import synthesize as compose

    click.echo(f"{out}: {write_records(out, compose(tables, seed))} tables")


@cli.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--out", type=_OUT, required=True)
def clean(files: tuple[Path, ...], out: Path) -> None:
    """Keep the human descriptions that are worth learning from."""
    from docgen_training.corpus import clean_records
    from docgen_training.records import read_records, write_records

    count = write_records(out, clean_records(chain.from_iterable(read_records(path) for path in files)))
    click.echo(f"{out}: {count} tables")


@cli.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--size", default=8192, show_default=True, help="Pieces, marks included.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=_OUT, required=True, help="Path of the .model file.")
def vocabulary(files: tuple[Path, ...], size: int, seed: int, out: Path) -> None:
    """Learn the bespoke vocabulary."""
    from docgen_training.records import read_records
    from docgen_training.vocabulary import train_vocabulary

    train_vocabulary(chain.from_iterable(read_records(path) for path in files), size, out, seed)
    click.echo(f"{out}: {size} pieces")


@cli.command()
@click.argument("files", nargs=-1, required=True, type=_FILE)
@click.option("--tokenizer", type=_FILE, required=True)
@click.option("--width", default=512, show_default=True, help="Tokens a row.")
@click.option("--raw", is_flag=True, help="Human text in its own voice: answered behind <raw>.")
@click.option("--names/--no-names", default=False, help="Names of the prefix are targets too.")
@click.option("--hints", default=0.5, show_default=True, help="Share of columns that see their hint.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=_OUT, required=True)
def encode(
    files: tuple[Path, ...], tokenizer: Path, width: int, raw: bool, names: bool, hints: float, seed: int, out: Path
) -> None:
    """Turn records into packed rows of token ids."""
    import numpy as np

    from docgen_training.encode import Recipe, encode_records
    from docgen_training.records import read_records
    from docgen_training.vocabulary import Vocabulary

    rows = encode_records(
        chain.from_iterable(read_records(path) for path in files),
        Vocabulary(tokenizer),
        Recipe(raw=raw, hint_chance=0.0 if raw else hints),
        width,
        seed,
        names,
    ).arrays()
    out.parent.mkdir(parents=True, exist_ok=True)
    np.savez(out, **rows)
    tokens, targets = int((rows["tree"] >= 0).sum()), int((rows["targets"] >= 0).sum())
    click.echo(f"{out}: {len(rows['tokens'])} rows, {tokens / 1e6:.2f}M tokens, {targets / 1e6:.2f}M targets")


@cli.command()
@click.option("--data", "shares", multiple=True, required=True, help="FILE=START:END, shares of the batches.")
@click.option("--tokenizer", type=_FILE, required=True)
@click.option("--out", type=_FOLDER, required=True)
@click.option("--minutes", default=90.0, show_default=True, help="Budget of training time.")
@click.option("--hidden", default=256, show_default=True)
@click.option("--layers", default=6, show_default=True)
@click.option("--heads", default=4, show_default=True)
@click.option("--inner", default=768, show_default=True)
@click.option("--rows", default=16, show_default=True, help="Rows a step.")
@click.option("--rate", default=0.02, show_default=True, help="Learning rate of the matrices (Muon).")
@click.option("--seed", default=1, show_default=True)
@click.option("--threads", default=2, show_default=True)
def pretrain(
    shares: tuple[str, ...],
    tokenizer: Path,
    out: Path,
    minutes: float,
    hidden: int,
    layers: int,
    heads: int,
    inner: int,
    rows: int,
    rate: float,
    seed: int,
    threads: int,
) -> None:
    """Train a small Llama from scratch; goes on from a checkpoint in --out."""
    from docgen_training.pretrain import Plan
    from docgen_training.pretrain import pretrain as train
    from docgen_training.vocabulary import Vocabulary

    plan = Plan(
        hidden=hidden,
        layers=layers,
        heads=heads,
        inner=inner,
        minutes=minutes,
        rows=rows,
        learning_rate=rate,
        seed=seed,
        threads=threads,
    )
    train(plan, [_share(text) for text in shares], Vocabulary(tokenizer).size, out, tokenizer)
    click.echo(str(out))


def _share(text: str):  # type: ignore[no-untyped-def]
    from docgen_training.pretrain import Share

    path, _, shares = text.rpartition("=")
    try:
        start, end = (float(part) for part in shares.split(":"))
    except ValueError as err:
        raise DocgenError(f"--data {text}: wants FILE=START:END, for instance rows.npz=0.7:0.9") from err
    return Share(Path(path), start, end)


def main() -> None:
    """Run the command line; one line and exit code 1 for a user's mistake."""
    try:
        cli()
    except DocgenError as err:
        print(f"docgen-train: {err}", file=sys.stderr)
        sys.exit(1)
