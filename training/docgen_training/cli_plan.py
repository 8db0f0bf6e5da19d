"""The command that computes what a fine-tuning takes before anything is fetched or run: plan."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import click

from docgen_training.cli_options import FILE

__all__ = ["COMMANDS"]

_UNITS = {"": 1, "B": 1, "MB": 10**6, "GB": 10**9, "MIB": 2**20, "GIB": 2**30}
_AMOUNT = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")


class Amount(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """An amount of memory such as 24GiB or 16GB; the value is in bytes."""

    name = "MEMORY"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the bytes."""
        if isinstance(value, int):
            return value
        found = _AMOUNT.fullmatch(value.strip())
        if found is None or found[2].upper() not in _UNITS:
            self.fail(f"{value!r} is no amount of memory: write 24GiB or 16GB", param, ctx)
        return int(float(found[1]) * _UNITS[found[2].upper()])


def _positive(_ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
    if value is not None and (not math.isfinite(value) or value < 0):
        raise click.BadParameter(f"{value} is not a number from 0 on")
    return value


@click.command()
@click.option(
    "--base",
    required=True,
    help="A folder with config.json, such a file, a name on the hub, or a known shape such as Llama-2-7B.",
)
@click.option("--data", type=FILE, help="Documented tables: the tokens of a run are counted in them.")
@click.option("--tokens", type=click.IntRange(min=1), help="Tokens of an epoch instead of --data.")
@click.option("--epochs", default=2.0, show_default=True, type=click.FloatRange(0, min_open=True))
@click.option("--method", type=click.Choice(("lora", "full")), default="lora", show_default=True)
@click.option("--rank", default=16, show_default=True, type=click.IntRange(min=1))
@click.option("--dropout", default=0.05, show_default=True, type=click.FloatRange(0, 0.9))
@click.option("--targets", default="", help="Modules that get LoRA, by comma; empty is every linear layer.")
@click.option("--rows", default=4, show_default=True, type=click.IntRange(min=1), help="Rows at once.")
@click.option("--width", default=1024, show_default=True, type=click.IntRange(min=64), help="Tokens a row.")
@click.option("--precision", type=click.Choice(("bf16", "f32")), default="bf16", show_default=True)
@click.option(
    "--target-share",
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the tokens that are answers; with --data it is counted, else 0.5.",
)
@click.option("--card", default="A10", show_default=True, help="Whose matrix rate is taken.")
@click.option("--memory", "room", type=Amount(), default="24GiB", show_default=True, help="Of the card.")
@click.option(
    "--reserve",
    type=Amount(),
    default="1.5GiB",
    show_default=True,
    help="Of it for the driver, CUDA's context and what the allocator cannot use: an assumption.",
)
@click.option(
    "--use",
    default=0.35,
    show_default=True,
    type=click.FloatRange(0, 1, min_open=True),
    help="Share of the card's rate that a run sustains: an assumption.",
)
@click.option(
    "--rate-per-hour", "price", type=float, callback=_positive, help="Price of an hour of the card."
)
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def plan(base: str, data: Path | None, targets: str, as_json: bool, **settings: Any) -> None:
    """Compute memory, time and cost of fine-tuning a base from its shape; nothing is fetched but its config, nothing run."""
    from docgen_training.base_plan import make_plan, plan_lines

    named = tuple(part.strip() for part in targets.split(",") if part.strip())
    found = make_plan(base, data, named, **settings)
    click.echo(json.dumps(found) if as_json else "\n".join(plan_lines(found)))


COMMANDS = (plan,)
