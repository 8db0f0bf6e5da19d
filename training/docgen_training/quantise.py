"""An F16 GGUF -> a quantised one, through llama.cpp; how large both will be, and what could not be quantised so.

A quantised row is cut into blocks: 32 numbers for Q8_0 and Q4_0, 256 for the K-quants. Where a tensor's rows are no
multiple of 256, llama.cpp takes a larger type with blocks of 32 for that tensor (Q4_K -> Q5_0, Q5_K -> Q5_1,
Q6_K -> Q8_0), and F16 where they are no multiple of 32 either (src/llama-quant.cpp, tensor_type_fallback): the
file is whole, only larger than its kind promises.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from docgen_plugin.errors import DocgenError, ModelError
from docgen_training.checkpoint import Tensor
from docgen_training.own_process import run_module

__all__ = ["KINDS", "Fallback", "Quantised", "estimate_bytes", "quantise", "read_types"]


@dataclass(frozen=True, slots=True)
class _Kind:
    """A quantisation: its number in llama.h (enum llama_ftype), the numbers a block, the bits a number at most."""

    ftype: int
    block: int
    bits: float


_Q6_BITS = 210 * 8 / 256  # what Q4_K_M gives its largest tensors: ggml-common.h, block_q6_K
_Q8_BITS = 34 * 8 / 32

KINDS = {
    "F16": _Kind(1, 1, 16.0),
    "Q8_0": _Kind(7, 32, _Q8_BITS),
    "Q4_0": _Kind(2, 32, _Q6_BITS),
    "Q4_K_M": _Kind(15, 256, _Q6_BITS),
}


@dataclass(frozen=True, slots=True)
class Fallback:
    """A tensor that got another type than the kind has, because its rows do not divide into blocks."""

    tensor: str
    row: int  # numbers
    type: str


@dataclass(frozen=True, slots=True)
class Quantised:
    """What the tensors of a GGUF are held in."""

    types: dict[str, int]  # type -> tensors
    fallbacks: tuple[Fallback, ...]


def _kind(name: str) -> _Kind:
    if name not in KINDS:
        raise DocgenError(f"unknown quantisation {name!r}; known: {', '.join(KINDS)}")
    return KINDS[name]


def estimate_bytes(tensors: Sequence[Tensor], kind: str) -> int:
    """Return how large the weights will be at most: vectors stay in 4 bytes a number.

    >>> estimate_bytes([Tensor("embed", (100, 64)), Tensor("norm", (64,))], "F16")
    13056

    Raises:
        DocgenError: for an unknown kind.
    """
    wanted, bits = _kind(kind), 0.0
    for tensor in tensors:
        numbers, row = math.prod(tensor.shape), tensor.shape[-1] if tensor.shape else 1
        if len(tensor.shape) < 2:
            bits += numbers * 32
        elif row % wanted.block == 0:
            bits += numbers * wanted.bits
        else:
            bits += numbers * (16 if row % 32 else _Q8_BITS)
    return math.ceil(bits / 8)


def quantise(path: Path, out: Path, kind: str) -> None:
    """Write a quantised copy of an F16 GGUF; `kind` is one of KINDS.

    Raises:
        DocgenError: for an unknown kind.
        ModelError: when llama.cpp refuses; nothing is left at `out` then.
    """
    _kind(kind)
    run = run_module("docgen_training.quantise", path, out, kind)
    if run.returncode or not out.exists():
        out.unlink(missing_ok=True)
        said = [line for line in run.stderr.splitlines() if "failed" in line or "error" in line.lower()]
        raise ModelError(
            f"{path}: llama.cpp could not quantise it to {kind}: {(said or ['no reason given'])[-1][:300]}"
        )


def read_types(path: Path, kind: str) -> Quantised:
    """Return the types that the matrices and vectors of a GGUF have, and which of them the kind does not explain."""
    import gguf

    wanted, counts, fallbacks = _kind(kind), Counter[str](), []
    for tensor in gguf.GGUFReader(path).tensors:
        held, row = tensor.tensor_type.name, int(tensor.shape[0])
        counts[held] += 1
        if len(tensor.shape) > 1 and row % wanted.block and held != "F32":
            fallbacks.append(Fallback(tensor.name, row, held))
    return Quantised(dict(counts.most_common()), tuple(fallbacks))


def main(path: str, out: str, kind: str) -> int:
    """Quantise in this process; return llama.cpp's status, 0 for done."""
    import llama_cpp

    from docgen_plugin.threads import default_threads

    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = KINDS[kind].ftype
    params.nthread = default_threads()
    return int(llama_cpp.llama_model_quantize(path.encode(), out.encode(), params))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
