"""Batches drawn from several files of rows, by shares that move with the run's progress and change in its last phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from docgen_plugin.errors import DocgenError
from docgen_training.plan import Share

if TYPE_CHECKING:
    import torch

__all__ = ["Batch", "Mixture"]

_ARRAYS = ("tokens", "positions", "tree", "targets")


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows as tensors, all (B, T) int64."""

    tokens: torch.Tensor
    positions: torch.Tensor
    tree: torch.Tensor
    targets: torch.Tensor


class Mixture:
    """Draws batches; every file is gone through in a new order before a row of it comes again."""

    def __init__(self, shares: Sequence[Share], style_from: float, seed: int) -> None:
        """Read the rows; from the progress `style_from` on, the style shares are drawn from alone.

        Raises:
            DocgenError: when a file cannot be read, the files' rows differ in width, or no file has a share at the start.
        """
        self._shares = shares
        self._style_from = style_from if any(share.style for share in shares) else 1.0
        if self._style_from > 0 and not any(share.start for share in shares):
            raise DocgenError("--data: no file has a share of the first batches; give one a share above 0")
        self._draw = np.random.default_rng(seed)
        self._rows = [_load_rows(share.path) for share in shares]
        widths = {rows["tokens"].shape[1] for rows in self._rows}
        if len(widths) > 1:
            raise DocgenError(
                f"--data: rows of {sorted(widths)} tokens cannot be mixed; encode them with one --width"
            )
        self._orders: list[Iterator[int]] = [self._order(index) for index in range(len(shares))]

    def _order(self, index: int) -> Iterator[int]:
        while True:
            yield from self._draw.permutation(len(self._rows[index]["tokens"]))

    def weights(self, progress: float) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Return each file's share of a batch at a progress from 0 to 1; they add up to 1."""
        if progress >= self._style_from:
            found = np.array([share.style for share in self._shares])
        else:
            part = progress / self._style_from
            found = np.array([share.start + (share.end - share.start) * part for share in self._shares])
        shares: np.ndarray[Any, np.dtype[np.float64]] = found / found.sum()
        return shares

    def batch(self, size: int, progress: float, device: str) -> Batch:
        """Return `size` rows on a device."""
        import torch

        picks = self._draw.choice(len(self._shares), size=size, p=self.weights(progress))
        chosen = [(index, next(self._orders[index])) for index in picks]
        parts = {
            name: torch.from_numpy(np.stack([self._rows[index][name][row] for index, row in chosen]))
            .long()
            .to(device, non_blocking=True)
            for name in _ARRAYS
        }
        return Batch(**parts)


def _load_rows(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file) as stored:
            return {name: stored[name] for name in _ARRAYS}
    except (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile) as err:
        raise DocgenError(
            f"{path}: not a file of encoded rows: {err}; make it with `docgen-train encode`"
        ) from err
