"""Commands that make the model: vocabulary, encode, pretrain, export, parity."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.errors import DocgenError
from docgen_training.cli_options import FILE, FOLDER, OLD_FOLDER, OUT, Span

if TYPE_CHECKING:
    from docgen_training.plan import Share

__all__ = ["COMMANDS"]


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--size", default=8192, show_default=True, help="Pieces, marks included.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=OUT, required=True, help="Path of the .model file.")
def vocabulary(files: tuple[Path, ...], size: int, seed: int, out: Path) -> None:
    """Learn the bespoke vocabulary."""
    from docgen_training.records import read_records
    from docgen_training.vocabulary import train_vocabulary

    train_vocabulary(chain.from_iterable(read_records(path) for path in files), size, out, seed)
    click.echo(f"{out}: {size} pieces")


@click.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--tokenizer", type=FILE, required=True)
@click.option("--width", default=512, show_default=True, help="Tokens a row.")
@click.option("--raw", is_flag=True, help="Human text in its own voice: answered behind <raw>.")
@click.option("--names/--no-names", default=False, help="Names of the prefix are targets too.")
@click.option("--hints", default=0.5, show_default=True, help="Share of columns that see their hint.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=OUT, required=True)
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


@click.command()
@click.option(
    "--data",
    "shares",
    multiple=True,
    required=True,
    help="FILE=SHARE or FILE=START:END, shares of the batches.",
)
@click.option(
    "--style", "styles", multiple=True, help="FILE=SHARE, the data of the last phase: it sets the voice."
)
@click.option(
    "--style-from", default=0.75, show_default=True, help="Part of the budget after which --style begins."
)
@click.option("--tokenizer", type=FILE, help="The vocabulary; with --init it comes with the model.")
@click.option("--init", type=FILE, help="A GGUF of ours to go on from, instead of from scratch.")
@click.option("--out", type=FOLDER, required=True, help="A checkpoint that lies here is gone on from.")
@click.option("--time-budget", "minutes", type=Span(), default="90m", show_default=True)
@click.option("--steps", default=0, help="End after this many steps instead.")
@click.option("--hidden", default=256, show_default=True)
@click.option("--layers", default=6, show_default=True)
@click.option("--heads", default=4, show_default=True)
@click.option("--inner", default=768, show_default=True)
@click.option("--rows", default=16, show_default=True, help="Rows a step.")
@click.option("--rate", default=0.02, show_default=True, help="Learning rate of the matrices (Muon).")
@click.option(
    "--embedding-rate", default=0.003, show_default=True, help="Of the embedding and the norms (AdamW)."
)
@click.option(
    "--decay-from", default=0.5, show_default=True, help="Part of the budget after which the rates fall."
)
@click.option("--seed", default=1, show_default=True)
@click.option("--threads", default=2, show_default=True)
@click.option(
    "--device", type=click.Choice(["", "cpu", "cuda"]), default="", help="Empty is CUDA where there is one."
)
def pretrain(
    shares: tuple[str, ...],
    styles: tuple[str, ...],
    tokenizer: Path | None,
    init: Path | None,
    out: Path,
    device: str,
    rate: float,
    **plan: Any,
) -> None:
    """Train a small Llama; goes on from a checkpoint in --out."""
    from docgen_training.plan import Plan
    from docgen_training.pretrain import pretrain as train
    from docgen_training.vocabulary import Vocabulary
    from docgen_training.warm_start import WarmStart

    start = WarmStart(init) if init else None
    if start:
        shape = start.shape
        plan |= {"hidden": shape.hidden, "layers": shape.layers, "heads": shape.heads, "inner": shape.inner}
        plan["start"] = str(init)
        tokenizer = tokenizer or start.write_tokenizer(out / "tokenizer.model")
    if tokenizer is None:
        raise DocgenError(
            "--tokenizer: is needed to train from scratch; make one with `docgen-train vocabulary`"
        )
    data = _shares(shares, styles)
    size = Vocabulary(tokenizer).size
    if start and size != start.shape.vocabulary:
        raise DocgenError(
            f"{tokenizer}: has {size} pieces, {init} has {start.shape.vocabulary}: leave --tokenizer out"
        )
    train(Plan(learning_rate=rate, **plan), data, size, out, tokenizer, start, device)
    click.echo(str(out))


def _shares(shares: tuple[str, ...], styles: tuple[str, ...]) -> list[Share]:
    from docgen_training.plan import Share

    found: dict[Path, Share] = {}
    for text in shares:
        path, numbers = _numbers("--data", text, 2)
        found[path] = Share(path, numbers[0], numbers[-1])
    for text in styles:
        path, numbers = _numbers("--style", text, 1)
        found[path] = replace(found.get(path, Share(path, 0.0, 0.0)), style=numbers[0])
    return list(found.values())


def _numbers(option: str, text: str, most: int) -> tuple[Path, list[float]]:
    path, _, given = text.rpartition("=")
    try:
        numbers = [float(part) for part in given.split(":")]
    except ValueError:
        numbers = []
    if not path or not 1 <= len(numbers) <= most or min(numbers) < 0:
        wanted = "FILE=SHARE or FILE=START:END, for instance rows.npz=0.7:0.9" if most == 2 else "FILE=SHARE"
        raise DocgenError(f"{option} {text}: wants {wanted}")
    return Path(path), numbers


@click.command()
@click.argument("checkpoint", type=OLD_FOLDER)
@click.option("--name", default="", help="Empty is docgen-base for our own, else the folder's.")
@click.option(
    "--quantise", "quantisation", default="Q8_0", show_default=True, help="F16, Q8_0, Q4_0 or Q4_K_M."
)
@click.option("--version", default="", help="For the metadata; empty is the run's, else this package's.")
@click.option(
    "--license", default="", help="Of the weights; empty is Apache-2.0 for our own, else the base's."
)
@click.option(
    "--data-license", default="", help="Licences of the training data; empty is what the run tells."
)
@click.option(
    "--base", type=OLD_FOLDER, help="The base of an adapter, where its run names none that is here."
)
@click.option("--split", default="", help="llama.cpp's name of how the tokenizer splits; empty is found out.")
@click.option("--out", type=OUT, required=True)
def export(checkpoint: Path, out: Path, **order: Any) -> None:
    """Write a checkpoint as GGUF, through llama.cpp's converter: ours, or any base's, or a fine-tuning run's."""
    import json

    from docgen_training.export import Order
    from docgen_training.export import export as write

    told = write(checkpoint, out, Order(**order))
    if fallen := told.pop("fallbacks"):
        first = fallen[0]
        click.echo(
            f"{out}: {len(fallen)} of {sum(told['types'].values())} tensors have rows that do not divide into blocks of "
            f"{told['quantisation']}: llama.cpp gave them a larger type, first {first['tensor']} (rows of "
            f"{first['row']}, {first['type']})",
            err=True,
        )
    click.echo(json.dumps(told))


@click.command()
@click.argument("checkpoint", type=OLD_FOLDER)
@click.argument("gguf", type=FILE)
@click.option("--data", type=FILE, help="Records to take texts and prompts from; empty composes tables.")
@click.option("--strings", default=10_000, show_default=True, help="Texts whose token ids are compared.")
@click.option("--prompts", default=200, show_default=True, help="Prompts whose greedy text is compared.")
@click.option("--tie", default=0.1, show_default=True, help="Nats between two tokens that rounding may swap.")
@click.option("--threads", default=0, help="0 is the cores that this process may use.")
def parity(
    checkpoint: Path, gguf: Path, data: Path | None, strings: int, prompts: int, tie: float, threads: int
) -> None:
    """Compare token ids and greedy text between transformers and llama.cpp; give the F16 file."""
    from docgen_training.checkpoint import open_checkpoint
    from docgen_training.parity import check_parity, check_tokens, make_prompts, make_strings
    from docgen_training.records import read_records
    from docgen_training.synthesize import synthesize

    opened = open_checkpoint(checkpoint)
    records = list(read_records(data) if data else synthesize(400, seed=11))
    tokens = check_tokens(opened, gguf, make_strings(records, strings))
    click.echo(
        f"{tokens.same} of {tokens.strings} texts gave the same token ids"
        + (
            f"; {tokens.normalised} more once the tokenizer's normaliser was applied"
            * bool(tokens.normalised)
        )
        + (f"; {tokens.by_pieces} more as sentencepiece reads tokenizer.model" * bool(tokens.by_pieces))
    )
    if tokens.first is not None:
        raise DocgenError(
            f"{gguf}: splits {tokens.differing} texts otherwise than {checkpoint}, first {tokens.first.text[:80]!r}: "
            f"{list(tokens.first.found[:12])} instead of {list(tokens.first.wanted[:12])}"
        )
    found = check_parity(opened.model, gguf, make_prompts(opened, records, prompts), threads=threads)
    gaps = ", ".join(f"{gap:.4f}" for gap in found.gaps)
    click.echo(
        f"{found.same} of {found.prompts} prompts gave the same greedy tokens"
        + (f"; the others part where two tokens are {gaps} nats apart" if gaps else "")
    )
    if any(gap > tie for gap in found.gaps):
        worst = found.differing[max(range(len(found.gaps)), key=found.gaps.__getitem__)]
        raise DocgenError(f"{gguf}: differs from {checkpoint}, most at {worst!r}")


COMMANDS = (vocabulary, encode, pretrain, export, parity)
