"""The plan of a fine-tuning as `docgen-train plan` shows it: does it fit, how long does it take, what does it cost.

    docgen-train plan --base Llama-2-7B --data team.jsonl --memory 24GiB --rate-per-hour 1.10

Everything in it is computed (`memory_plan.py`), nothing is run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ConfigError
from docgen_training.base_shape import BaseShape, read_shape
from docgen_training.memory_plan import Run, adapted, largest_rows, lora_weights, memory, operations_per_token
from docgen_training.network import CARDS
from docgen_training.plan_tokens import count_data
from docgen_training.progress import span

__all__ = ["make_plan", "plan_lines"]

_GIB = 2**30
_TARGET_SHARE = 0.5  # of a row: more than answers have beside their prefixes and questions
_PARTS = {
    "weights": "weights of the base",
    "trained": "what is trained, with gradients and AdamW",
    "activations": "activations kept for the backward",
    "logits": "logits and their gradients, at the loss",
    "workspace": "one block's own, at its backward",
}


def make_plan(
    base: str,
    data: Path | None,
    targets: tuple[str, ...],
    *,
    tokens: int | None,
    epochs: float,
    method: str,
    rank: int,
    dropout: float,
    rows: int,
    width: int,
    precision: str,
    target_share: float | None,
    card: str,
    room: int,
    reserve: int,
    use: float,
    price: float | None,
) -> dict[str, Any]:
    """Return memory by part with and without checkpointing, and time and cost where the tokens are known.

    Raises:
        ConfigError: when the base's shape cannot be read, or a setting does not fit it.
        DocgenError: when the data cannot be read.
    """
    shape = read_shape(base)
    # MPT's ALiBi counts distances itself, so that its answers cannot stand behind one prefix: packing.py
    counted = count_data(data, base, width, shared=shape.gated) if data else None
    if target_share is None:
        target_share = counted.targets / counted.positions if counted else _TARGET_SHARE
    run = Run(method, rank, targets, dropout, rows, width, precision, False, target_share)
    if method == "lora" and not adapted(shape, run):
        known = ", ".join(one.name for one in shape.matrices())
        raise ConfigError(
            f"--targets {','.join(targets)}: names no linear layer of {shape.name}; it has {known}"
        )
    rate = use * _card_rate(card)
    epoch = counted.positions if counted else tokens
    ways = {
        name: _way(
            shape, replace(run, checkpointing=checkpointing), room - reserve, rate, epoch, epochs, price
        )
        for name, checkpointing in (("plain", False), ("checkpointing", True))
    }
    return {
        "base": asdict(shape),
        "parameters": shape.parameters(),
        "lora_weights": lora_weights(shape, run),
        "run": asdict(run),
        "room": room,
        "reserve": reserve,
        "card": card,
        "sustained_flops": rate,
        "use": use,
        "data": asdict(counted) if counted else None,
        "tokens": epoch,
        "epochs": epochs,
        "price_per_hour": price,
        "ways": ways,
    }


def _card_rate(card: str) -> float:
    rates = dict(CARDS)
    if card not in rates:
        raise ConfigError(f"--card {card}: is not known; known: {', '.join(rates)}")
    return rates[card] * 1e12


def _way(
    shape: BaseShape, run: Run, room: int, rate: float, epoch: int | None, epochs: float, price: float | None
) -> dict[str, Any]:
    held = memory(shape, run)
    operations = operations_per_token(shape, run)
    seconds = epoch * epochs * operations / rate if epoch else None
    return {
        **asdict(held),
        "total": held.total,
        "fits": held.total <= room,
        "largest_rows": largest_rows(shape, run, room),
        "operations_per_token": operations,
        "tokens_per_second": rate / operations,
        "seconds": seconds,
        "cost": None if seconds is None or price is None else price * seconds / 3600,
    }


def plan_lines(found: Mapping[str, Any]) -> list[str]:
    """Return a plan as text."""
    run, ways = found["run"], found["ways"]
    plain, checked = ways["plain"], ways["checkpointing"]
    trained = (
        f"LoRA of rank {run['rank']} on {', '.join(run['targets']) or 'every linear layer'}: "
        f"{found['lora_weights']:,} weights"
        if run["method"] == "lora"
        else "every weight"
    )
    lines = [
        f"{found['base']['name']}: {found['parameters']:,} weights in {run['precision']}; trained: {trained}",
        f"{run['rows']} rows of {run['width']} tokens at once, {run['target_share']:.0%} of them answers; all computed, "
        "nothing run",
        "",
        f"{'memory, GiB':44}{'as it is':>14}{'checkpointing':>16}",
    ]
    for key, title in _PARTS.items():
        lines.append(f"{title:44}{plain[key] / _GIB:14.2f}{checked[key] / _GIB:16.2f}")
    room = found["room"] - found["reserve"]
    lines += [
        f"{'peak (logits or block, whichever is more)':44}{plain['total'] / _GIB:14.2f}{checked['total'] / _GIB:16.2f}",
        f"{_room_title(found):44}{_verdict(plain, room):>14}{_verdict(checked, room):>16}",
        f"{'most rows that fit':44}{plain['largest_rows']:14}{checked['largest_rows']:16}",
        "",
        f"{'tokens a second, computed':44}{plain['tokens_per_second']:14,.0f}{checked['tokens_per_second']:16,.0f}",
    ]
    if plain["seconds"] is not None:
        lines.append(f"{'time of the run':44}{span(plain['seconds']):>14}{span(checked['seconds']):>16}")
    if plain["cost"] is not None:
        lines.append(f"{'cost of the run':44}{plain['cost']:14.2f}{checked['cost']:16.2f}")
    lines += [
        "",
        f"Rate: {found['use']:.0%} of the {found['card']}'s, {found['sustained_flops'] / 1e12:.0f} TFLOP/s.",
    ]
    if found["data"]:
        data = found["data"]
        lines.append(
            f"Data: {data['texts']:,} texts in {data['rows']:,} rows ({data['layout']}), {data['tokens']:,} tokens, "
            f"{data['counted']}; {found['epochs']:g} epochs."
        )
    elif found["tokens"]:
        lines.append(f"{found['tokens']:,} tokens an epoch, {found['epochs']:g} epochs.")
    else:
        lines.append("For time and cost give --data FILE, or --tokens N.")
    return lines


def _room_title(found: Mapping[str, Any]) -> str:
    return f"of {found['room'] / _GIB:.1f} less {found['reserve'] / _GIB:.1f} reserved"


def _verdict(way: Mapping[str, Any], room: int) -> str:
    left = (room - way["total"]) / _GIB
    return f"{left:.1f} left" if way["fits"] else f"lacks {-left:.1f}"
