"""What a training run is told: the shape of the model, the budget, the rates, the shares of its data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Plan", "Share"]


@dataclass(frozen=True, slots=True)
class Share:
    """One file of rows with its share of the batches: at the start, at the end of the first phase, in the style phase."""

    path: Path
    start: float
    end: float
    style: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The shape of the model and of the run; kept beside the checkpoint."""

    hidden: int = 256
    layers: int = 6
    heads: int = 4
    inner: int = 768
    minutes: float = 90.0
    steps: int = 0  # end after this many steps instead, the same on any machine; 0 is by minutes
    rows: int = 16  # rows a step
    learning_rate: float = 0.02  # of Muon, for the matrices
    embedding_rate: float = 0.003  # of AdamW, for the embedding and the norms
    decay_from: float = 0.5  # share of the budget after which the rates fall linearly to zero
    style_from: float = 0.75  # share of the budget after which the style shares alone are drawn from
    seed: int = 1
    threads: int = 2
    start: str = ""  # the GGUF that the weights began as; empty is from scratch
