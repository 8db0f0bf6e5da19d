"""Train a small Llama from scratch on encoded rows, within a budget of time or steps, resumable.

    docgen-train pretrain --tokenizer training/runs/tokenizer.model --out training/runs/base --minutes 90 \\
        --data training/runs/synthetic.npz=0.7:0.95 --data training/runs/raw.npz=0.3:0.05
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from docgen_plugin.errors import DocgenError

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Plan", "Share", "batch_loss", "build_model", "pretrain", "tree_mask"]


@dataclass(frozen=True, slots=True)
class Share:
    """One file of rows with its share of the batches at the start and at the end of the run."""

    path: Path
    start: float
    end: float


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
    seed: int = 1
    threads: int = 2


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors, all (B, T) int64."""

    tokens: torch.Tensor
    positions: torch.Tensor
    tree: torch.Tensor
    targets: torch.Tensor


def build_model(plan: Plan, vocabulary: int) -> Any:
    """Return a fresh transformers LlamaForCausalLM of the plan's shape, embeddings tied, float32."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(plan.seed)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=plan.hidden,
        num_hidden_layers=plan.layers,
        num_attention_heads=plan.heads,
        num_key_value_heads=plan.heads,
        intermediate_size=plan.inner,
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
        bos_token_id=1,
        eos_token_id=2,
    )
    return LlamaForCausalLM(config)


def tree_mask(tree: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Return the additive attention mask (B, 1, T, T) of rows: a token sees its table's prefix and its own answer.

    NOTE: additive, so that sdpa and eager attention agree; eager would add a boolean one as 0 and 1 and leak answers.
    """
    import torch

    table, answer = tree // 1000, tree % 1000  # (B, T) int64
    same = table[:, :, None] == table[:, None, :]
    seen = (answer[:, None, :] == 0) | (answer[:, :, None] == answer[:, None, :])
    length = tree.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=tree.device).tril()
    allowed = same & seen & causal
    return torch.zeros(allowed.shape, dtype=dtype, device=tree.device).masked_fill(~allowed, -1e9)[:, None]


def batch_loss(model: Any, batch: Batch) -> torch.Tensor:
    """Return the mean cross-entropy, nats a target token, of a batch; positions without a target are left out."""
    import torch

    with torch.autocast(batch.tokens.device.type, dtype=torch.bfloat16):
        hidden = model.model(
            input_ids=batch.tokens,
            position_ids=batch.positions,
            attention_mask=tree_mask(batch.tree, torch.bfloat16),
            use_cache=False,
        ).last_hidden_state
        wanted = batch.targets >= 0
        logits = model.lm_head(hidden[wanted])
    return torch.nn.functional.cross_entropy(logits.float(), batch.targets[wanted])


class _Mixture:
    """Draws batches from several row files by shares that move with the run's progress."""

    def __init__(self, shares: Sequence[Share], seed: int) -> None:
        self.shares = shares
        self.draw = np.random.default_rng(seed)
        self.rows = [_load_rows(share.path) for share in shares]
        self.orders: list[Iterator[int]] = [self._order(index) for index in range(len(shares))]

    def _order(self, index: int) -> Iterator[int]:
        while True:
            yield from self.draw.permutation(len(self.rows[index]["tokens"]))

    def batch(self, size: int, progress: float, device: str) -> Batch:
        import torch

        weights = np.array([share.start + (share.end - share.start) * progress for share in self.shares])
        picks = self.draw.choice(len(self.shares), size=size, p=weights / weights.sum())
        chosen = [(index, next(self.orders[index])) for index in picks]
        parts = {
            name: torch.from_numpy(np.stack([self.rows[index][name][row] for index, row in chosen]))
            .long()
            .to(device)
            for name in ("tokens", "positions", "tree", "targets")
        }
        return Batch(**parts)


def _load_rows(path: Path) -> dict[str, Any]:
    try:
        with np.load(path) as stored:
            return {name: stored[name] for name in ("tokens", "positions", "tree", "targets")}
    except (OSError, ValueError, KeyError) as err:
        raise DocgenError(
            f"{path}: not a file of encoded rows: {err}; make it with `docgen-train encode`"
        ) from err


def _optimizers(model: Any, plan: Plan) -> list[Any]:
    import torch

    matrices = [
        weight for name, weight in model.named_parameters() if weight.ndim == 2 and "embed" not in name
    ]
    held = {id(weight) for weight in matrices}
    others = [weight for weight in model.parameters() if id(weight) not in held]
    return [
        torch.optim.Muon(matrices, lr=plan.learning_rate, momentum=0.95, weight_decay=0.01),
        torch.optim.AdamW(others, lr=plan.embedding_rate, betas=(0.9, 0.95), weight_decay=0.0),
    ]


def _rate(progress: float, decay_from: float) -> float:
    """Return the factor on the learning rates, 0 to 1: a short warm-up, level, then linear to zero."""
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
        self.spent_s, self.step, self.tokens = 0.0, 0, 0
        self.losses: list[tuple[int, float]] = []

    def load(self) -> None:
        import torch

        if self.path.exists():
            state = torch.load(self.path, weights_only=True)
            self.model.load_state_dict(state["model"])
            for optimizer, kept in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(kept)
            self.spent_s, self.step, self.tokens = state["spent_s"], state["step"], state["tokens"]
            self.losses = [tuple(pair) for pair in state["losses"]]

    def save(self) -> None:
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


def pretrain(plan: Plan, shares: Sequence[Share], vocabulary: int, out: Path, tokenizer: Path) -> Path:
    """Train until the budget of minutes or steps is spent, going on from a checkpoint in `out`; return the model's folder.

    The folder holds a transformers checkpoint with the tokenizer, ready for `docgen-train export`.

    Raises:
        DocgenError: when a file of rows cannot be read.
    """
    import torch

    torch.set_num_threads(plan.threads)
    out.mkdir(parents=True, exist_ok=True)
    (out / "plan.json").write_text(
        json.dumps({**asdict(plan), "data": [[str(s.path), s.start, s.end] for s in shares]}, indent=1)
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = build_model(plan, vocabulary).to(device)
    optimizers = _optimizers(model, plan)
    run = _Run(out, model, optimizers)
    run.load()
    mixture = _Mixture(shares, plan.seed + run.step)
    _loop(plan, run, mixture, device)
    run.save()
    model.save_pretrained(out)
    (out / "tokenizer.model").write_bytes(tokenizer.read_bytes())
    (out / "losses.json").write_text(json.dumps({"tokens": run.tokens, "losses": run.losses}))
    return out


def _loop(plan: Plan, run: _Run, mixture: _Mixture, device: str) -> None:
    import torch

    budget_s = plan.minutes * 60
    base = [[group["lr"] for group in optimizer.param_groups] for optimizer in run.optimizers]
    if run.step:  # a checkpoint holds the rates of its last step
        base = [[plan.learning_rate], [plan.embedding_rate]]
    model, mean, saved = run.model, math.nan, time.monotonic()
    while (progress := run.step / plan.steps if plan.steps else run.spent_s / max(budget_s, 1e-9)) < 1.0:
        began = time.monotonic()
        factor = _rate(progress, plan.decay_from)
        for optimizer, rates in zip(run.optimizers, base, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        batch = mixture.batch(plan.rows, progress, device)
        loss = batch_loss(model, batch)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for optimizer in run.optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        value = float(loss.detach())
        mean = value if math.isnan(mean) else 0.98 * mean + 0.02 * value
        run.step += 1
        run.tokens += int((batch.tree >= 0).sum())
        run.spent_s += time.monotonic() - began
        if run.step % 20 == 0:
            run.losses.append((run.tokens, mean))
            left = run.spent_s / 60 * (1 - progress) / max(progress, 1e-9)
            rate_s = run.tokens / run.spent_s
            print(
                f"step {run.step}  {run.tokens / 1e6:.2f}M tokens  loss {mean:.3f}  {rate_s:.0f} tok/s  "
                f"{left:.0f} min left",
                flush=True,
            )
        if time.monotonic() - saved > 300:
            run.save()
            saved = time.monotonic()
