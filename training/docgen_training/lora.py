"""Low-rank additions to a Llama's matrices: trained while the base stands still, merged into it, or kept apart as GGUF.

An addition is B A x * alpha / rank beside W x (Hu et al. 2021, LoRA, section 4.1), on the seven matrices of every layer.
llama.cpp adds the same beside its own W: a file of A and B serves one team, the base in memory serves all of them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_plugin.errors import DocgenError
from docgen_training.warm_start import BLOCK

if TYPE_CHECKING:
    import torch

__all__ = ["Lora", "write_adapter"]

_NAMES = {theirs: ours for ours, theirs in BLOCK.items() if not ours.endswith("norm")}


class Lora:
    """The additions of one model, put into it as forward hooks so that its own weights keep their names."""

    def __init__(
        self,
        model: Any,
        rank: int,
        alpha: float,
        seed: int,
        dropout: float = 0.0,
        targets: Sequence[str] = (),
    ) -> None:
        """Freeze the model and put an addition beside each matrix; B begins as zero, so nothing changes at first.

        `dropout` is the share of x that A does not see while training; `targets` are ends of the names of the matrices
        that get an addition, none for all.

        Raises:
            DocgenError: when no matrix is named so.
        """
        import torch

        ends = tuple(targets)
        unknown = [end for end in ends if not any(name.endswith(end) for name in _NAMES)]
        if unknown:
            raise DocgenError(f"--targets {unknown[0]}: the embedded model has {', '.join(_NAMES)}")
        self._targets, self._dropout = ends or tuple(_NAMES), dropout
        self.rank, self.alpha = rank, alpha
        self.model = model
        self._heads: int = model.config.num_attention_heads
        self.pairs: dict[str, tuple[torch.nn.Parameter, torch.nn.Parameter]] = {}
        draw = torch.Generator().manual_seed(seed)
        model.requires_grad_(False)
        for name, linear in self._matrices():
            down = torch.empty(rank, linear.in_features).uniform_(-1, 1, generator=draw)
            down *= math.sqrt(3 / linear.in_features)  # unit variance of A x
            up = torch.zeros(linear.out_features, rank)
            device = linear.weight.device
            pair = torch.nn.Parameter(down.to(device)), torch.nn.Parameter(up.to(device))
            self.pairs[name] = pair
            linear.register_forward_hook(self._hook(*pair))

    def _matrices(self) -> Iterator[tuple[str, Any]]:
        """Yield llama.cpp's name and the module of every matrix of the layers."""
        for number, layer in enumerate(self.model.model.layers):
            for theirs, ours in _NAMES.items():
                if not theirs.endswith(self._targets):
                    continue
                yield f"blk.{number}.{ours}", layer.get_submodule(theirs)

    def _hook(self, down: torch.Tensor, up: torch.Tensor) -> Any:
        import torch

        scale, share = self.alpha / self.rank, self._dropout

        def add(module: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> torch.Tensor:
            linear, dropout = torch.nn.functional.linear, torch.nn.functional.dropout
            seen = dropout(inputs[0], share, module.training)
            return output + scale * linear(linear(seen, down), up)

        return add

    def parameters(self) -> list[torch.nn.Parameter]:
        """Return all A and B."""
        return [one for pair in self.pairs.values() for one in pair]

    def state(self) -> dict[str, torch.Tensor]:
        """Return all A, (rank, in), and B, (out, rank), float32 under llama.cpp's names, in transformers' order of rows."""
        return {
            f"{name}.lora_{letter}": one.detach()
            for name, pair in self.pairs.items()
            for letter, one in zip("ab", pair, strict=True)
        }

    def merged(self) -> dict[str, torch.Tensor]:
        """Return the model's weights with the additions in them, for a model without hooks."""
        state = {name: weight.detach().clone() for name, weight in self.model.state_dict().items()}
        modules = dict(self._matrices())
        paths = {id(module): name for name, module in self.model.named_modules()}
        for name, (down, up) in self.pairs.items():
            state[f"{paths[id(modules[name])]}.weight"] += (self.alpha / self.rank) * (up @ down).detach()
        return state

    def tensors(self) -> dict[str, Any]:
        """Return A and B as llama.cpp wants them: float32 arrays (rank, in) and (out, rank), rows of q and k reordered."""
        found = {}
        for name, value in self.state().items():
            array = value.cpu().numpy()
            stem, _, letter = name.rpartition(".")
            if letter == "lora_b" and stem.endswith(("attn_q", "attn_k")):
                array = _permuted(array, self._heads)
            found[f"{stem}.weight.{letter}"] = array
        return found


def _permuted(values: Any, heads: int) -> Any:
    """Reorder the rotary halves of each head's rows as llama.cpp's converter does; conversion/llama.py, permute."""
    rows = values.shape[0]
    split = values.reshape(heads, 2, rows // heads // 2, *values.shape[1:])
    return split.swapaxes(1, 2).reshape(values.shape)


def write_adapter(lora: Lora, out: Path, name: str, metadata: Mapping[str, str]) -> Path:
    """Write the additions, in F16, as a LoRA adapter that llama.cpp loads beside the base; return its path.

    The format: ggml-org/llama.cpp, convert_lora_to_gguf.py and src/llama-adapter.cpp.
    """
    import gguf
    import numpy as np

    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".part-{out.name}")
    writer = gguf.GGUFWriter(part, "llama")
    writer.add_type("adapter")
    writer.add_name(name)
    writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
    writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, lora.alpha)
    for key, value in metadata.items():
        writer.add_string(key, value)
    for key, array in lora.tensors().items():
        writer.add_tensor(key, np.ascontiguousarray(array, np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    part.replace(out)
    return out
