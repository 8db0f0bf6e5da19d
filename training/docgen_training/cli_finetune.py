"""The command that fine-tunes: the embedded model, or any causal model of Hugging Face."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from docgen_training.cli_options import FILE, FOLDER, Span
from docgen_training.finetune_options import METHODS, PRECISIONS, PROMPTS, FinetuneOptions

__all__ = ["COMMANDS"]

_DEFAULT = FinetuneOptions()


@click.command()
@click.option(
    "--base",
    default="embedded",
    show_default=True,
    help="A model's folder, its name on the Hugging Face hub (owner/name, with @revision if need be), or the "
    "word embedded.",
)
@click.option("--data", multiple=True, required=True, type=FILE, help="Documented tables as JSON lines.")
@click.option("--valid", type=FILE, help="Tables that are not learnt from; their loss is shown.")
@click.option(
    "--out",
    type=FOLDER,
    required=True,
    help="A run that was stopped here is gone on with by the same command.",
)
@click.option("--method", type=click.Choice(METHODS), default=_DEFAULT.method, show_default=True)
@click.option("--prompt", type=click.Choice(PROMPTS), default=_DEFAULT.prompt, show_default=True)
@click.option("--rank", default=_DEFAULT.rank, show_default=True, type=click.IntRange(1))
@click.option("--alpha", default=_DEFAULT.alpha, show_default=True)
@click.option("--dropout", default=_DEFAULT.dropout, show_default=True, type=click.FloatRange(0, 0.9))
@click.option("--targets", default="", help="Modules that get LoRA, by comma; empty is every linear layer.")
@click.option(
    "--epochs",
    default=_DEFAULT.epochs,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Passes over the data.",
)
@click.option(
    "--time-budget", "minutes", type=Span(), default=0.0, help="End after this time if it is sooner."
)
@click.option("--rate", default=0.0, help="Highest learning rate; left out, the method's own.")
@click.option(
    "--rows", default=_DEFAULT.rows, show_default=True, type=click.IntRange(1), help="Rows at once."
)
@click.option(
    "--width",
    default=_DEFAULT.width,
    show_default=True,
    type=click.IntRange(64),
    help="Most tokens a row.",
)
@click.option(
    "--accumulate",
    default=_DEFAULT.accumulate,
    show_default=True,
    type=click.IntRange(1),
    help="Batches a step.",
)
@click.option(
    "--hints",
    default=_DEFAULT.hints,
    show_default=True,
    type=click.FloatRange(0, 1),
    help="Share of places that see their hint.",
)
@click.option("--precision", type=click.Choice(PRECISIONS), default=_DEFAULT.precision, show_default=True)
@click.option("--checkpointing", is_flag=True, help="Less memory, about a third slower.")
@click.option("--seed", default=_DEFAULT.seed, show_default=True)
@click.option("--threads", default=_DEFAULT.threads, show_default=True, type=click.IntRange(1))
@click.option(
    "--device", type=click.Choice(["", "cpu", "cuda"]), default="", help="Empty is CUDA where there is one."
)
@click.option("--save-every", "save_minutes", type=Span(), default=_DEFAULT.save_minutes, help="Default 5m.")
def finetune(
    base: str, data: tuple[Path, ...], valid: Path | None, out: Path, targets: str, **settings: Any
) -> None:
    """Teach a model your own way of describing: LoRA or full, merged at the end.

    The embedded model has other defaults than those shown: 8 passes of 4 rows, LoRA of rank and alpha 64.
    """
    named = tuple(part.strip() for part in targets.split(",") if part.strip())
    options = FinetuneOptions(targets=named, **settings)
    if base == "embedded":
        from docgen_training.finetune_embedded import EMBEDDED, finetune_embedded

        # what was left out: a small model of ours wants other values than a large one
        source = click.get_current_context().get_parameter_source
        left_out = [name for name in settings if source(name) is ParameterSource.DEFAULT]
        options = replace(options, **{name: getattr(EMBEDDED, name) for name in left_out})
        click.echo(str(finetune_embedded(data, valid, out, options)))
    else:
        from docgen_training.finetune import finetune as train

        click.echo(str(train(base, data, valid, out, options)))


COMMANDS = (finetune,)
