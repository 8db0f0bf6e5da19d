"""Train a small Llama on encoded rows within a budget of time or steps: resumable, from scratch or from a GGUF of ours.

    docgen-train pretrain --tokenizer training/runs/tokenizer.model --out training/runs/base --time-budget 90m \\
        --data training/runs/synthetic.npz=0.6:0.4 --data training/runs/raw.npz=0.2:0.1 \\
        --style training/runs/teacher.npz=0.8 --style training/runs/synthetic.npz=0.2
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_plugin.errors import DocgenError
from docgen_plugin.files import digest
from docgen_training.mixture import Mixture
from docgen_training.network import batch_loss, build_model, card_rate, flops_per_token, make_optimizers
from docgen_training.plan import Plan, Share
from docgen_training.progress import Reporter, plot_losses, stoppable
from docgen_training.provenance import code_commit

if TYPE_CHECKING:
    from docgen_training.warm_start import WarmStart

__all__ = ["pretrain", "rate_factor"]

_SAVE_EVERY_S = 300.0
_SMOOTHING = 0.98
_NOTED_EVERY = 20  # steps between two points of the loss curve


def rate_factor(progress: float, decay_from: float) -> float:
    """Return the factor on the learning rates, 0 to 1: a short warm-up, level, then linear to zero.

    >>> rate_factor(0.01, 0.5), rate_factor(0.4, 0.5), rate_factor(0.75, 0.5), rate_factor(1.0, 0.5)
    (0.5, 1.0, 0.5, 0.0)
    """
    if progress < 0.02:
        return max(progress / 0.02, 0.02)
    if progress < decay_from:
        return 1.0
    return max(1.0 - (progress - decay_from) / (1.0 - decay_from), 0.0)


class _Run:
    """A run's state on disk: weights, optimisers, seconds spent, the log of losses."""

    def __init__(self, folder: Path, model: Any, optimizers: list[Any]) -> None:
        self.path = folder / "checkpoint.pt"
        self.model, self.optimizers = model, optimizers
        self.spent_s, self.step, self.tokens, self.mean = 0.0, 0, 0, 0.0
        self.losses: list[tuple[int, float]] = []

    def load(self, device: str) -> None:
        """Go on from the checkpoint, if there is one.

        Raises:
            DocgenError: when it was made by a plan of another shape, or cannot be read.
        """
        import torch

        if not self.path.exists():
            return
        try:
            state = torch.load(self.path, weights_only=True, map_location=device)
            self.model.load_state_dict(state["model"])
            for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
        except (RuntimeError, KeyError, ValueError, EOFError, OSError) as err:
            raise DocgenError(
                f"{self.path}: cannot go on from it: {str(err).splitlines()[0][:120]}; name another --out, or the "
                "shape it was begun with"
            ) from err
        self.spent_s, self.step, self.tokens = state["spent_s"], state["step"], state["tokens"]
        self.losses = [tuple(pair) for pair in state["losses"]]
        self.mean = self.losses[-1][1] if self.losses else 0.0

    def save(self) -> None:
        """Write the checkpoint; the one before it stands until this one is whole."""
        import torch

        part = self.path.with_suffix(".part")
        torch.save(
            {
                "model": self.model.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
                "spent_s": self.spent_s,
                "step": self.step,
                "tokens": self.tokens,
                "losses": self.losses,
            },
            part,
        )
        part.replace(self.path)


def pretrain(
    plan: Plan,
    shares: Sequence[Share],
    vocabulary: int,
    out: Path,
    tokenizer: Path,
    start: WarmStart | None = None,
    device: str = "",
) -> Path:
    """Train until the budget is spent, going on from a checkpoint in `out`; return the model's folder.

    The folder holds a transformers checkpoint with the tokenizer, ready for `docgen-train export`, the plan, what it
    was made from (`run.json`), the losses and their curve as a picture. Ctrl-C and SIGTERM save what was reached; the same call
    goes on from there.

    Raises:
        DocgenError: when a file of rows or the checkpoint cannot be read, or the device is not there.
        KeyboardInterrupt: after saving, when it was stopped.
    """
    import torch

    torch.set_num_threads(plan.threads)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise DocgenError(
            "--device cuda: this torch sees no CUDA card; leave --device out to train on the CPU"
        )
    Mixture(shares, plan.style_from, plan.seed)  # a file that cannot be read is told before anything is built
    out.mkdir(parents=True, exist_ok=True)
    data = [[str(share.path), share.start, share.end, share.style] for share in shares]
    (out / "plan.json").write_text(json.dumps({**asdict(plan), "data": data}, indent=1))
    model = build_model(plan, vocabulary, "flex_attention" if device == "cuda" else "sdpa")
    if start is not None:
        model.load_state_dict(start.weights())
    model.to(device)
    run = _Run(out, model, make_optimizers(model, plan))
    run.load(device)
    # a run that goes on draws other rows than it began with
    mixture = Mixture(shares, plan.style_from, plan.seed + run.step)
    stopped = _loop(plan, run, mixture, device, _rate_unit(plan, vocabulary, device))
    run.save()
    if stopped:
        raise KeyboardInterrupt
    model.save_pretrained(out)
    (out / "tokenizer.model").write_bytes(tokenizer.read_bytes())
    (out / "losses.json").write_text(json.dumps({"tokens": run.tokens, "losses": run.losses}))
    told = [{"path": str(share.path), "sha256": digest(share.path)} for share in shares]
    lineage = {"method": "pretrain", "data": told, "code_commit": code_commit()}
    (out / "run.json").write_text(json.dumps(lineage, indent=1))
    plot_losses(run.losses, out / "losses.png")
    return out


def _rate_unit(plan: Plan, vocabulary: int, device: str) -> float:
    """Return the share of the card's matrix rate that one token a second is, 0 on the CPU."""
    if device != "cuda":
        return 0.0
    _, rate = card_rate()
    return flops_per_token(plan, vocabulary, 512) / rate if rate else 0.0


def _loop(plan: Plan, run: _Run, mixture: Mixture, device: str, rate_unit: float) -> bool:
    """Train to the end of the budget; return whether a signal ended it early."""
    import torch

    # compiled for CUDA alone: on the CPU compiling made it slower (LOG.md)
    loss_of = torch.compile(batch_loss, dynamic=False) if device == "cuda" else batch_loss
    rates = (plan.learning_rate, plan.embedding_rate)
    budget_s, saved = max(plan.minutes * 60, 1e-9), time.monotonic()
    with stoppable() as caught, Reporter(rate_unit) as reporter:
        while (progress := run.step / plan.steps if plan.steps else run.spent_s / budget_s) < 1.0:
            began = time.monotonic()
            factor = rate_factor(progress, plan.decay_from)
            for optimizer, rate in zip(run.optimizers, rates, strict=True):
                for group in optimizer.param_groups:
                    group["lr"] = rate * factor
            batch = mixture.batch(plan.rows, progress, device)
            loss = loss_of(run.model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(run.model.parameters(), 1.0)
            for optimizer in run.optimizers:
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
            value = float(loss.detach())
            run.mean = _SMOOTHING * run.mean + (1 - _SMOOTHING) * value if run.step else value
            run.step += 1
            run.tokens += int((batch.tree >= 0).sum())
            run.spent_s += time.monotonic() - began
            left_s = run.spent_s * (1 - progress) / max(progress, 1e-9)
            if run.step % _NOTED_EVERY == 0:
                run.losses.append((run.tokens, run.mean))
            reporter.show(run.step, run.tokens, run.mean, run.spent_s, left_s, progress)
            if caught:
                return True
            if time.monotonic() - saved > _SAVE_EVERY_S:
                run.save()
                saved = time.monotonic()
    return False
