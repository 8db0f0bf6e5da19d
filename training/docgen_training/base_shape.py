"""The shape of a base model: from its config.json, or by its name for some that everybody knows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ConfigError, ModelError

__all__ = ["KNOWN", "BaseShape", "Matrix", "read_shape"]

# transformers' model_type -> whether queries, keys and values have a bias, whether each head of them has a norm
_GATED = {
    "llama": (False, False),
    "mistral": (False, False),
    "qwen2": (True, False),
    "qwen3": (False, True),
}


@dataclass(frozen=True, slots=True)
class Matrix:
    """One linear layer of a block, by its module's name in transformers."""

    name: str
    inputs: int
    outputs: int


@dataclass(frozen=True, slots=True)
class BaseShape:
    """The sizes of a decoder; Llama's family has a gated inner layer, MPT's a plain one."""

    name: str
    family: str  # transformers' model_type
    vocabulary: int
    hidden: int
    layers: int
    heads: int
    kv_heads: int
    head_width: int
    inner: int
    tied: bool  # the output layer is the embedding

    @property
    def gated(self) -> bool:
        """Return whether the inner layer is gated and attention is rotary: all but MPT."""
        return self.family in _GATED

    @property
    def queries(self) -> int:
        """Return the width of all heads together."""
        return self.heads * self.head_width

    def matrices(self) -> tuple[Matrix, ...]:
        """Return the linear layers of one block."""
        hidden, wide, narrow = self.hidden, self.queries, self.kv_heads * self.head_width
        if not self.gated:
            return (
                Matrix("Wqkv", hidden, 3 * hidden),
                Matrix("out_proj", hidden, hidden),
                Matrix("up_proj", hidden, self.inner),
                Matrix("down_proj", self.inner, hidden),
            )
        return (
            Matrix("q_proj", hidden, wide),
            Matrix("k_proj", hidden, narrow),
            Matrix("v_proj", hidden, narrow),
            Matrix("o_proj", wide, hidden),
            Matrix("gate_proj", hidden, self.inner),
            Matrix("up_proj", hidden, self.inner),
            Matrix("down_proj", self.inner, hidden),
        )

    def block_weights(self) -> int:
        """Return the weights of one block's linear layers, biases left out."""
        return sum(one.inputs * one.outputs for one in self.matrices())

    def parameters(self) -> int:
        """Return all weights, as transformers counts them.

        >>> f"{KNOWN['Llama-2-7B'].parameters():,}"
        '6,738,415,616'
        """
        biased, normed = _GATED.get(self.family, (False, False))
        small = 2 * self.hidden  # the two norms of a block
        small += (self.queries + 2 * self.kv_heads * self.head_width) if biased else 0
        small += 2 * self.head_width if normed else 0
        embeddings = self.vocabulary * self.hidden * (1 if self.tied else 2)
        return embeddings + self.layers * (self.block_weights() + small) + self.hidden


# the config.json of each model's public repository
KNOWN = {
    shape.name: shape
    for shape in (
        BaseShape("Llama-2-7B", "llama", 32000, 4096, 32, 32, 32, 128, 11008, False),
        BaseShape("Llama-3.1-8B", "llama", 128256, 4096, 32, 32, 8, 128, 14336, False),
        BaseShape("Llama-3.2-1B", "llama", 128256, 2048, 16, 32, 8, 64, 8192, True),
        BaseShape("MPT-7B", "mpt", 50432, 4096, 32, 32, 32, 128, 16384, True),
        BaseShape("Qwen2.5-0.5B", "qwen2", 151936, 896, 24, 14, 2, 64, 4864, True),
        BaseShape("Qwen2.5-7B", "qwen2", 152064, 3584, 28, 28, 4, 128, 18944, False),
    )
}


def read_shape(base: str) -> BaseShape:
    """Return the shape of a base: a known name, a folder with config.json, such a file, or a name on the hub.

    Raises:
        ConfigError: when it is none of these, or the config lacks a size or is of an unknown family.
        ModelError: when the hub does not give its config.
    """
    known = {name.lower(): shape for name, shape in KNOWN.items()}
    if base.lower() in known:
        return known[base.lower()]
    path, name = Path(base).expanduser(), base
    if path.is_dir():
        path /= "config.json"
    if path.is_file():
        name = path.resolve().parent.name
    else:
        if base.count("/") != 1 or base.startswith((".", "/", "~")) or path.suffix == ".json":
            raise ConfigError(
                f"--base {base}: is neither a folder with config.json, nor such a file, nor owner/name on the hub, "
                f"nor one of {', '.join(KNOWN)}"
            )
        path = _fetched(base)
    try:
        config = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as err:
        raise ConfigError(f"{path}: not a model's config.json: {err}") from err
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: not a model's config.json: wants an object")
    return shape_of(config, name, str(path))


def _fetched(base: str) -> Path:
    """Return the config.json of a model on the hub, alone: no weights are fetched to plan."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    name, _, revision = base.partition("@")
    try:
        return Path(hf_hub_download(name, "config.json", revision=revision or None))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as err:
        reason = str(err).strip().splitlines()[0]
        raise ModelError(
            f"--base {base}: the hub does not give its config.json: {reason}; name a folder that holds one, or one "
            f"of {', '.join(KNOWN)}"
        ) from err


def shape_of(config: Mapping[str, Any], name: str, where: str) -> BaseShape:
    """Return the shape that a config.json states; `where` is its path for messages.

    Raises:
        ConfigError: when a size is missing, or the family is unknown.
    """
    family = str(config.get("model_type", ""))
    try:
        if family == "mpt":
            hidden, heads = _size(config["d_model"]), _size(config["n_heads"])
            inner = int(config.get("expansion_ratio", 4) * hidden)
            sizes = (
                _size(config["vocab_size"]),
                hidden,
                _size(config["n_layers"]),
                heads,
                heads,
                hidden // heads,
            )
            return BaseShape(name, family, *sizes, inner, True)
        if family in _GATED:
            hidden, heads = _size(config["hidden_size"]), _size(config["num_attention_heads"])
            return BaseShape(
                name,
                family,
                _size(config["vocab_size"]),
                hidden,
                _size(config["num_hidden_layers"]),
                heads,
                _size(config.get("num_key_value_heads") or heads),
                _size(config.get("head_dim") or hidden // heads),
                _size(config["intermediate_size"]),
                bool(config.get("tie_word_embeddings", False)),
            )
    except KeyError as err:
        raise ConfigError(f"{where}: lacks {err.args[0]}") from err
    except (TypeError, ValueError) as err:
        raise ConfigError(f"{where}: has a size that is none: {err}") from err
    families = ", ".join([*_GATED, "mpt"])
    raise ConfigError(f"{where}: model_type {family!r} cannot be planned; known: {families}")


def _size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ValueError(repr(value))
    return value
