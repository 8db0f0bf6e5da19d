"""The loop of a fine-tuning: steps over packed batches, the loss on what is not learnt, a checkpoint now and then."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_training.finetune_options import FinetuneOptions
from docgen_training.finetune_state import State
from docgen_training.packing import Feed, answer_losses
from docgen_training.pretrain import rate_factor
from docgen_training.progress import Reporter, stoppable

__all__ = ["Training", "train"]

_DECAY_FROM = 0.1  # of the budget; then linear to zero
_SMOOTHING = 0.95


@dataclass(slots=True)
class Training:
    """What the loop works with."""

    model: Any
    weights: list[Any]  # those that are trained
    optimizer: Any
    feed: Feed
    valid: Feed | None
    state: State
    options: FinetuneOptions
    device: str

    @property
    def steps(self) -> int:
        """Steps of the whole run, where no time budget ends it."""
        return max(1, math.ceil(self.batches / self.options.accumulate))

    @property
    def batches(self) -> int:
        """Batches of the whole run."""
        return max(1, round(self.feed.batches * self.options.epochs))

    def save(self) -> None:
        """Write the checkpoint."""
        self.state.save(self.weights, self.optimizer, self.device)


def _computing(device: str, precision: str) -> AbstractContextManager[Any]:
    import torch

    return torch.autocast(device, dtype=torch.bfloat16) if precision == "bf16" else nullcontext()


def train(run: Training) -> bool:
    """Train to the end of the budget; return whether a signal ended it early.

    Raises:
        DocgenError: when memory runs out or the loss is no number; the last checkpoint stands.
    """
    import torch

    state, options = run.state, run.options
    budget_s = options.minutes * 60 or math.inf
    saved = time.monotonic()
    if not state.step:
        _validate(run)
    with stoppable() as caught, Reporter() as reporter:
        while (progress := max(state.step / run.steps, state.spent_s / budget_s)) < 1.0:
            began = time.monotonic()
            for group in run.optimizer.param_groups:
                group["lr"] = group["initial_lr"] * rate_factor(progress, _DECAY_FROM)
            try:
                loss = _step(run)
            except torch.OutOfMemoryError as err:
                raise DocgenError(
                    "not enough memory for a batch: lower --rows or --width, or give --checkpointing; the same command "
                    "goes on from the last checkpoint"
                ) from err
            if not math.isfinite(loss):
                raise DocgenError(
                    f"step {state.step + 1}: the loss is {loss}: start anew with a lower --rate"
                )
            state.mean = _SMOOTHING * state.mean + (1 - _SMOOTHING) * loss if state.step else loss
            state.step += 1
            state.losses.append((state.tokens, loss))
            state.spent_s += time.monotonic() - began
            progress = max(state.step / run.steps, state.spent_s / budget_s)
            left_s = state.spent_s * (1 - progress) / progress
            reporter.show(state.step, state.tokens, state.mean, state.spent_s, left_s, progress)
            if progress >= 1.0:
                _validate(run)
            if caught:
                return progress < 1.0
            if time.monotonic() - saved > options.save_minutes * 60:
                _validate(run)
                run.save()
                saved = time.monotonic()
    return False


def _step(run: Training) -> float:
    """Move the weights by the batches of one step; return the mean loss of their targets, nats."""
    import torch

    first = run.state.step * run.options.accumulate
    numbers = range(first, min(first + run.options.accumulate, run.batches))
    batches = [run.feed.batch(number, run.device) for number in numbers]
    # one mean over all targets of the step: a mean of the batches' means would weigh short answers more
    targets = sum(int((batch.targets >= 0).sum()) for batch in batches)
    total = 0.0
    for batch in batches:
        with _computing(run.device, run.options.precision):
            loss = answer_losses(run.model, batch, run.feed.layout).sum() / targets
        loss.backward()  # type: ignore[no-untyped-call]
        total += float(loss.detach())
        run.state.tokens += int((batch.tree >= 0).sum())
    torch.nn.utils.clip_grad_norm_(run.weights, 1.0)
    run.optimizer.step()
    run.optimizer.zero_grad(set_to_none=True)
    return total


def _validate(run: Training) -> None:
    """Note the mean loss of the targets that are not learnt, nats; nothing without such data."""
    import torch

    if run.valid is None or (run.state.valid and run.state.valid[-1][0] == run.state.tokens):
        return
    run.model.eval()
    total, count = 0.0, 0
    with torch.inference_mode(), _computing(run.device, run.options.precision):
        for batch in run.valid.in_order(run.device):
            losses = answer_losses(run.model, batch, run.valid.layout)
            total += float(losses.sum())
            count += len(losses)
    run.model.train()
    run.state.valid.append((run.state.tokens, total / max(count, 1)))
