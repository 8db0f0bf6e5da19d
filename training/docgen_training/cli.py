"""`docgen-train`: one command per stage; `training/run.sh` runs them in order."""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docgen_plugin.errors import DocgenError

if TYPE_CHECKING:
    from docgen_training.pretrain import Share

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
@click.option(
    "--fillers", type=_FILE, help="Records whose identifiers fill the slots: tables that teach to copy."
)
@click.option("--out", type=_OUT, required=True)
def synthesize(tables: int, seed: int, fillers: Path | None, out: Path) -> None:
    """Compose documented tables from the lexicon."""
    from docgen_training.records import read_records, write_records
    from docgen_training.synthesize import identifier_fillers
    from docgen_training.synthesize import synthesize as compose

    words = identifier_fillers(read_records(fillers)) if fillers else []
    click.echo(f"{out}: {write_records(out, compose(tables, seed, words))} tables")


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
    files: tuple[Path, ...],
    tokenizer: Path,
    width: int,
    raw: bool,
    names: bool,
    hints: float,
    seed: int,
    out: Path,
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
    np.savez(out, **rows)  # type: ignore[arg-type]
    tokens, targets = int((rows["tree"] >= 0).sum()), int((rows["targets"] >= 0).sum())
    click.echo(f"{out}: {len(rows['tokens'])} rows, {tokens / 1e6:.2f}M tokens, {targets / 1e6:.2f}M targets")


@cli.command()
@click.option("--data", "shares", multiple=True, required=True, help="FILE=START:END, shares of the batches.")
@click.option("--tokenizer", type=_FILE, required=True)
@click.option("--out", type=_FOLDER, required=True)
@click.option("--minutes", default=90.0, show_default=True, help="Budget of training time.")
@click.option("--steps", default=0, help="End after this many steps instead.")
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
    steps: int,
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
        steps=steps,
        rows=rows,
        learning_rate=rate,
        seed=seed,
        threads=threads,
    )
    train(plan, [_share(text) for text in shares], Vocabulary(tokenizer).size, out, tokenizer)
    click.echo(str(out))


def _share(text: str) -> Share:
    from docgen_training.pretrain import Share

    path, _, shares = text.rpartition("=")
    try:
        start, end = (float(part) for part in shares.split(":"))
    except ValueError as err:
        raise DocgenError(f"--data {text}: wants FILE=START:END, for instance rows.npz=0.7:0.9") from err
    return Share(Path(path), start, end)


@cli.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--name", default="docgen-base", show_default=True)
@click.option("--quantise", default="Q8_0", show_default=True, help="F16, Q8_0, Q4_0 or Q4_K_M.")
@click.option("--data-license", default="", help="Licences of the training data, for the metadata.")
@click.option("--out", type=_OUT, required=True)
def export(checkpoint: Path, name: str, quantise: str, data_license: str, out: Path) -> None:
    """Write a checkpoint as GGUF, through llama.cpp's converter."""
    import json

    from docgen_plugin.prompt import GRAMMAR
    from docgen_training.export import checkpoint_metadata
    from docgen_training.export import export as write

    metadata = {"docgen.grammar": GRAMMAR, "general.license": "apache-2.0", **checkpoint_metadata(checkpoint)}
    if data_license:
        metadata["docgen.data_license"] = data_license
    click.echo(json.dumps(write(checkpoint, out, name, quantise, metadata)))


@cli.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("gguf", type=_FILE)
@click.option("--data", type=_FILE, required=True, help="Records to take the prompts from.")
@click.option("--prompts", default=200, show_default=True)
@click.option("--tie", default=0.1, show_default=True, help="Nats between two tokens that rounding may swap.")
def parity(checkpoint: Path, gguf: Path, data: Path, prompts: int, tie: float) -> None:
    """Compare greedy text between transformers and llama.cpp; give the F16 file."""
    from docgen_training.export import check_parity
    from docgen_training.records import read_records
    from docgen_training.vocabulary import Vocabulary, column_prompts

    asked = column_prompts(read_records(data), Vocabulary(checkpoint / "tokenizer.model"), prompts)
    found = check_parity(checkpoint, gguf, asked)
    gaps = ", ".join(f"{gap:.4f}" for gap in found.gaps)
    click.echo(
        f"{found.same} of {found.prompts} prompts gave the same greedy tokens"
        + (f"; the others part where two tokens are {gaps} nats apart" if gaps else "")
    )
    if any(gap > tie for gap in found.gaps):
        raise DocgenError(f"{gguf}: differs from {checkpoint}, first at {found.differing[0]!r}")


@cli.command()
@click.argument("model")
@click.option("--data", type=_FILE, required=True, help="Documented records that were not trained on.")
@click.option("--tables", default=150, show_default=True)
@click.option("--seed", default=1, show_default=True)
@click.option("--threads", default=0, show_default=True)
@click.option("--out", type=_OUT, required=True)
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


@cli.command()
@click.argument("checkpoint", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("model", type=_FILE)
@click.option("--scores", type=_FILE, required=True)
@click.option("--note", default="", help="What the run's files do not tell.")
@click.option("--out", type=_OUT, required=True)
def card(checkpoint: Path, model: Path, scores: Path, note: str, out: Path) -> None:
    """Write the model's card from the files of its run."""
    from docgen_training.card import write_card

    write_card(checkpoint, model, scores, out, note)
    click.echo(str(out))


def main() -> None:
    """Run the command line; one line and exit code 1 for a user's mistake."""
    try:
        cli()
    except DocgenError as err:
        print(f"docgen-train: {err}", file=sys.stderr)
        sys.exit(1)
