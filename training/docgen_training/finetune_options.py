"""What a fine-tuning run is told: the method, the prompt, the budget, the rates, the shape of its batches."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["METHODS", "PRECISIONS", "PROMPTS", "FinetuneOptions"]

METHODS = ("lora", "full")
PROMPTS = ("compact", "instruct")  # of a Hugging Face base; the embedded model speaks its own grammar
PRECISIONS = ("bf16", "f32")


@dataclass(frozen=True, slots=True)
class FinetuneOptions:
    """One flat set of settings; kept in the run's `run.json` and compared when a run goes on."""

    method: str = "lora"  # one of METHODS
    prompt: str = "compact"  # one of PROMPTS
    rank: int = 16  # of LoRA's two matrices
    alpha: float = 32.0  # LoRA's weight is alpha / rank
    dropout: float = 0.05  # of what goes into LoRA, while training
    targets: tuple[str, ...] = ()  # ends of the names of the modules that get LoRA; empty: every linear layer
    epochs: float = 2.0  # passes over the data
    minutes: float = 0.0  # ends after this time instead, if that is sooner; 0: no limit
    rate: float = 0.0  # highest learning rate; 0: the method's own
    rows: int = 4  # rows computed at once
    width: int = 1024  # most tokens a row
    accumulate: int = 2  # batches of `rows` a step
    hints: float = 0.5  # share of places that see what the dictionary knows of them
    seed: int = 1
    precision: str = "bf16"  # one of PRECISIONS; of the computation, LoRA's own weights are kept in f32
    checkpointing: bool = False  # compute activations twice, keep few: less memory, about a third slower
    threads: int = 2
    device: str = ""  # "cpu", "cuda" or empty: CUDA where there is a card
    save_minutes: float = 5.0  # time between two checkpoints
