"""Prompts and answers -> batches, packed as far as the base computes a packed row as it would each sequence alone.

What is served is a table's prefix read once, each question forked from it. Three ways to lay that out:

    tree     the prefix once, all its answers behind it, each seeing the prefix and itself, positions restarting
    blocks   prefix, question and answer of every place, one after another, each seeing only itself
    padded   one sequence a row, padded to the longest of its batch, rows of a like length together

The tree computes a prefix once instead of once an answer, but wants position ids: models that count tokens themselves
(MPT's ALiBi) see answers too far from the prefix. Blocks want a mask of four dimensions alone, for ALiBi looks only at
distances. What a base can do is not declared anywhere, so `choose_packing` measures it on the data's shortest tables.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from docgen_training.encode import Prompted, pack_rows
from docgen_training.mixture import Batch
from docgen_training.network import tree_mask

if TYPE_CHECKING:
    import torch

    from docgen_training.encode import Ints

__all__ = ["LAYOUTS", "Feed", "answer_losses", "choose_packing", "fitting", "lay_out"]

LAYOUTS = ("tree", "blocks", "padded")
_PROBED = 2  # tables
_PROBED_ANSWERS = 3  # of each
# mean difference of a target's loss, nats; tiny random models (LOG.md): rounding of F32 is below 1e-6, of BF16 0.002,
# a wrong distance 0.13, a mask that is ignored 0.06 to 0.23
_TOLERANCE_F32, _TOLERANCE_BF16 = 1e-3, 0.02
_POOL = 32  # batches whose rows are sorted by length together, where rows are padded


def fitting(tables: Iterable[Prompted], width: int) -> tuple[list[Prompted], int]:
    """Return the tables with the answers that fit a row of `width` tokens, and how many did not."""
    kept: list[Prompted] = []
    dropped = 0
    for shared, pairs in tables:
        room = width - len(shared)
        fit = [pair for pair in pairs if len(pair[0]) + len(pair[1]) <= room]
        dropped += len(pairs) - len(fit)
        if fit:
            kept.append((shared, fit))
    return kept, dropped


def lay_out(tables: Iterable[Prompted], width: int, layout: str) -> dict[str, Ints]:
    """Return rows in a layout, four (N, width) int32 arrays as in `encode.Rows`."""
    if layout == "tree":
        return pack_rows(tables, width).arrays()
    alone = ((shared, [pair]) for shared, pairs in tables for pair in pairs)
    if layout == "blocks":
        return pack_rows(alone, width).arrays()
    rows = [pack_rows([one], width).arrays() for one in alone]
    return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}


class Feed:
    """Hands out batches of rows, every epoch in an order of its own that depends on seed and epoch alone."""

    def __init__(self, rows: dict[str, Ints], layout: str, size: int, seed: int) -> None:
        self.rows, self.layout, self._size, self._seed = rows, layout, size, seed
        self.lengths = (rows["tree"] >= 0).sum(axis=1)  # (N,)
        self.batches = -(-len(self.lengths) // size)  # an epoch
        self._epoch, self._order = -1, list[Any]()

    def batch(self, number: int, device: str) -> Batch:
        """Return the batch of this number, counted over all epochs, cut to its longest row."""
        epoch, place = divmod(number, self.batches)
        if epoch != self._epoch:
            self._epoch, self._order = epoch, self._ordered(epoch)
        return self._take(self._order[place], device)

    def in_order(self, device: str) -> Iterator[Batch]:
        """Yield all rows once, as they lie."""
        for start in range(0, len(self.lengths), self._size):
            yield self._take(np.arange(start, min(start + self._size, len(self.lengths))), device)

    def _ordered(self, epoch: int) -> list[Any]:
        draw = np.random.default_rng([self._seed, epoch])
        order = draw.permutation(len(self.lengths))
        if self.layout == "padded":
            pool = self._size * _POOL
            pools = [order[start : start + pool] for start in range(0, len(order), pool)]
            order = np.concatenate([one[np.argsort(self.lengths[one], kind="stable")] for one in pools])
        cut = [order[start : start + self._size] for start in range(0, len(order), self._size)]
        return [cut[index] for index in draw.permutation(len(cut))] if self.layout == "padded" else cut

    def _take(self, picks: Any, device: str) -> Batch:
        import torch

        longest = int(self.lengths[picks].max())
        parts = {
            name: torch.from_numpy(values[picks, :longest]).long().to(device, non_blocking=True)
            for name, values in self.rows.items()
        }
        return Batch(**parts)


def answer_losses(model: Any, batch: Batch, layout: str) -> torch.Tensor:
    """Return the cross-entropy of every target in nats, (targets,) float32, row by row."""
    import torch

    known = inspect.signature(_plain(model).forward).parameters
    wanted = batch.targets >= 0  # (B, T)
    inputs: dict[str, Any] = {"input_ids": batch.tokens, "use_cache": False}
    if layout == "padded":
        inputs["attention_mask"] = (batch.tree >= 0).long()
    else:
        kind = torch.get_autocast_dtype(batch.tokens.device.type)
        autocast = torch.is_autocast_enabled(batch.tokens.device.type)
        inputs["attention_mask"] = tree_mask(batch.tree, kind if autocast else _plain(model).dtype)
        if "position_ids" in known:
            inputs["position_ids"] = batch.positions
    targets = batch.targets
    if "logits_to_keep" in known:  # a large vocabulary's logits are the most of the memory
        inputs["logits_to_keep"] = wanted.any(dim=0).nonzero()[:, 0]
        targets, wanted = targets[:, inputs["logits_to_keep"]], wanted[:, inputs["logits_to_keep"]]
    logits = model(**inputs).logits[wanted]
    return torch.nn.functional.cross_entropy(logits.float(), targets[wanted], reduction="none")


def _plain(model: Any) -> Any:
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def choose_packing(model: Any, tables: Sequence[Prompted], device: str) -> str:
    """Return the first of LAYOUTS in which a model gives the targets the losses that it gives them alone."""
    import torch

    # the shortest that have two answers at least, in one row: what fills a row alone would show nothing
    short = sorted(tables, key=lambda table: (len(table[1]) < 2, len(table[0])))
    sample = [(shared, pairs[:_PROBED_ANSWERS]) for shared, pairs in short[:_PROBED]]
    width = sum(len(shared) + sum(map(len, pair)) for shared, pairs in sample for pair in pairs)
    tolerance = _TOLERANCE_F32 if _plain(model).dtype == torch.float32 else _TOLERANCE_BF16
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            alone = _probe(model, sample, width, "padded", 1, device)
            for layout in LAYOUTS[:-1]:
                try:
                    found = _probe(model, sample, width, layout, 2, device)
                except (RuntimeError, ValueError, TypeError, IndexError):  # it takes no such mask
                    continue
                if float((found - alone).abs().mean()) < tolerance:
                    return layout
    finally:
        model.train(was_training)
    return LAYOUTS[-1]


def _probe(
    model: Any, sample: Sequence[Prompted], width: int, layout: str, size: int, device: str
) -> torch.Tensor:
    """Return the targets' losses; every layout keeps them in the order of the tables."""
    import torch

    feed = Feed(lay_out(sample, width, layout), layout, size, 0)
    return torch.cat([answer_losses(model, batch, layout) for batch in feed.in_order(device)])
