"""Lay the plan of a fine-tuning beside real LoRA steps of models with random weights.

    python -m tests.benchmarks.finetune_memory [--sizes 25M 110M 350M 1100M] [--rows N] [--width N] [--checkpointing]

Each model takes its steps in fresh processes. Measured memory is the peak of resident memory during the steps beyond
what the process held before the model was built: once with an allocator that gives freed blocks back at once (glibc
told so), which is what the steps hold, and once as glibc is, which keeps many of them. Times are the processor time of
the latter's best step after the first. The rate of the machine is not known beforehand: computed operations over
measured seconds should give every model about the same.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_training.base_shape import BaseShape
from docgen_training.memory_plan import Run, lora_weights, memory, operations_per_token
from docgen_training.peak_memory import peak_mb

_WARM_UP = (
    "1M"  # takes a step before anything is measured: libraries, kernels and their buffers are there then
)
if TYPE_CHECKING:
    from docgen_training.mixture import Batch

# mallopt(3): blocks from this size on are mapped alone, and so go back to the system when they are freed
GIVING_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}
# hidden, layers, heads, key and value heads, inner, vocabulary: Llamas in the proportions of their elders
SIZES = {
    _WARM_UP: (128, 2, 4, 2, 344, 1000),
    "25M": (384, 8, 6, 6, 1024, 16000),
    "110M": (768, 12, 12, 12, 2048, 32000),
    "350M": (1024, 24, 16, 16, 2816, 32000),
    "1100M": (2048, 22, 32, 4, 5632, 32000),
}


@dataclass(frozen=True, slots=True)
class Measured:
    """One model: computed and measured, and what the one is of the other."""

    size: str
    parameters: int
    lora: int
    weights_mb: float  # computed
    computed_mb: float
    measured_mb: float
    ratio: float  # computed / measured
    kept_mb: float  # measured, with the blocks that glibc keeps
    tokens_per_second: float  # of processor time, as is the next
    gigaflops: float  # computed operations / measured seconds, 10**9


def shape_of(size: str) -> BaseShape:
    """Return the shape of a size's name."""
    hidden, layers, heads, narrow, inner, vocabulary = SIZES[size]
    return BaseShape(size, "llama", vocabulary, hidden, layers, heads, narrow, hidden // heads, inner, False)


def measure(size: str, run: Run, steps: int, threads: int) -> Measured:
    """Return the figures of one model from real steps in this process."""
    import torch

    torch.set_num_threads(threads)
    _steps(shape_of(_WARM_UP), run, 1)
    shape = shape_of(size)
    before = _now_mb()
    seconds = _steps(shape, run, steps)
    held = peak_mb() - before
    computed = memory(shape, run)
    step_s = min(seconds[1:] or seconds)
    return Measured(
        size,
        shape.parameters(),
        lora_weights(shape, run),
        round(computed.weights / 1e6, 1),
        round(computed.total / 1e6, 1),
        round(held, 1),
        round(computed.total / 1e6 / held, 3),
        round(held, 1),
        round(run.tokens / step_s, 1),
        round(operations_per_token(shape, run) * run.tokens / step_s / 1e9, 1),
    )


def _steps(shape: BaseShape, run: Run, steps: int) -> list[float]:
    """Take training steps of a new model; return the seconds of each."""
    batch = make_batch(shape, run)
    model, optimizer = build(shape, run)
    _reset_peak()
    seconds = []
    for _ in range(steps):
        began = time.process_time()
        loss_of(model, batch, run).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        seconds.append(time.process_time() - began)
    return seconds


def loss_of(model: Any, batch: Batch, run: Run) -> Any:
    """Return the loss of a batch as `docgen-train finetune` computes it."""
    import torch
    from docgen_training.packing import answer_losses

    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=run.precision == "bf16"):
        return answer_losses(model, batch, "tree").mean()


def _dtype(run: Run) -> Any:
    import torch

    return torch.bfloat16 if run.precision == "bf16" else torch.float32


def make_batch(shape: BaseShape, run: Run) -> Batch:
    """Return random rows of which a share of the positions has targets."""
    import torch
    from docgen_training.mixture import Batch

    draw = torch.Generator().manual_seed(1)
    tokens = torch.randint(3, shape.vocabulary, (run.rows, run.width), generator=draw)
    wanted = torch.rand(tokens.shape, generator=draw) < run.target_share
    # 16 answers of one table a row
    tree = (torch.arange(run.width) * 17 // run.width).expand(run.rows, -1)
    return Batch(
        tokens=tokens,
        positions=torch.arange(run.width).expand(run.rows, -1),
        tree=tree,
        targets=torch.where(wanted, tokens.roll(-1, 1), -1),
    )


def build(shape: BaseShape, run: Run, attention: str = "sdpa") -> tuple[Any, Any]:
    """Return a Llama of random weights with LoRA, and its optimiser."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.kv_heads,
        intermediate_size=shape.inner,
        tie_word_embeddings=shape.tied,
    )
    config._attn_implementation = attention
    torch.set_default_dtype(_dtype(run))
    base = LlamaForCausalLM(config)
    torch.set_default_dtype(torch.float32)
    if run.checkpointing:
        base.gradient_checkpointing_enable({"use_reentrant": False})
        base.enable_input_require_grads()
    model = get_peft_model(
        base,
        LoraConfig(r=run.rank, lora_dropout=run.dropout, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    model.train()
    assert sum(one.numel() for one in base.parameters() if not one.requires_grad) == shape.parameters()
    trained = [one for one in model.parameters() if one.requires_grad]
    assert sum(one.numel() for one in trained) == lora_weights(shape, run)
    return model, torch.optim.AdamW(trained, lr=1e-4)


def _now_mb() -> float:
    import psutil

    return float(psutil.Process().memory_info().rss) / 1e6


def _reset_peak() -> None:
    """Let the peak begin anew where the system can: proc(5), /proc/pid/clear_refs."""
    path = Path("/proc/self/clear_refs")
    if path.exists():
        path.write_text("5")


def measure_all(sizes: Sequence[str], run: Run, steps: int, threads: int) -> Iterator[Measured]:
    """Yield the figures of each size, each from two processes of its own."""
    for size in sizes:
        held = measure_apart(size, run, steps, threads, GIVING_BACK)
        kept = measure_apart(size, run, steps, threads, {})
        yield replace(kept, measured_mb=held.measured_mb, ratio=held.ratio)


def measure_apart(size: str, run: Run, steps: int, threads: int, environment: dict[str, str]) -> Measured:
    """Return the figures of one model from a process of its own, with some variables in its environment."""
    request = json.dumps({"size": size, "run": asdict(run), "steps": steps, "threads": threads})
    command = [sys.executable, "-m", "tests.benchmarks.finetune_memory", "--child", request]
    root = Path(__file__).parents[2]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, cwd=root, env={**os.environ, **environment}
    )
    return Measured(**json.loads(done.stdout.strip().splitlines()[-1]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Print a line for every size."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--sizes", nargs="*", default=list(SIZES)[:3], choices=list(SIZES))
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--dropout", type=float, default=0.05)
    parser.add_argument("--precision", choices=("bf16", "f32"), default="bf16")
    parser.add_argument("--checkpointing", action="store_true")
    parser.add_argument("--steps", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        request = json.loads(options.child)
        run = Run(**{**request["run"], "targets": tuple(request["run"]["targets"])})
        print(json.dumps(asdict(measure(request["size"], run, request["steps"], request["threads"]))))
        return
    run = Run(
        rank=options.rank,
        dropout=options.dropout,
        rows=options.rows,
        width=options.width,
        precision=options.precision,
        checkpointing=options.checkpointing,
        target_share=0.5,
        cuda=False,
    )
    print(
        "model    parameters        LoRA   weights MB  computed MB  measured MB  ratio  glibc MB  tokens/s  GFLOP/s"
    )
    for one in measure_all(options.sizes, run, options.steps, options.threads):
        print(
            f"{one.size:6} {one.parameters:12,} {one.lora:11,} {one.weights_mb:12.1f} {one.computed_mb:12.1f} "
            f"{one.measured_mb:12.1f} {one.ratio:6.2f} {one.kept_mb:9.1f} {one.tokens_per_second:9.1f} {one.gigaflops:8.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
