"""A GGUF of our own as a start to go on training from: weights, shape and vocabulary all stand in the file.

docgen-train pretrain --init docgen_plugin/models/docgen-base.gguf ...
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_plugin.errors import ModelError
from docgen_plugin.prompt import GRAMMAR

if TYPE_CHECKING:
    import torch

__all__ = ["BLOCK", "Shape", "WarmStart"]

# names of llama.cpp -> names of transformers; gguf-py/gguf/constants.py, MODEL_ARCH.LLAMA
BLOCK = {
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
    "attn_norm": "input_layernorm",
    "ffn_norm": "post_attention_layernorm",
}
_WHOLE = {"token_embd": "model.embed_tokens", "output_norm": "model.norm", "output": "lm_head"}
# the kinds of piece are numbered the same in both: sentencepiece_model.proto, llama.h enum llama_token_type
_BPE = 2


@dataclass(frozen=True, slots=True)
class Shape:
    """The shape of a Llama as its GGUF states it."""

    hidden: int
    layers: int
    heads: int
    inner: int
    vocabulary: int


class WarmStart:
    """One GGUF, opened for reading."""

    def __init__(self, path: Path) -> None:
        """Open the file.

        Raises:
            ModelError: when it is no GGUF, no Llama, or does not speak the bespoke grammar.
        """
        import gguf

        try:
            self._reader = gguf.GGUFReader(path)
        except (OSError, ValueError, IndexError) as err:
            raise ModelError(f"{path}: not a GGUF file: {err}") from err
        self.path = path
        if self._value("general.architecture") != "llama":
            raise ModelError(f"{path}: is no Llama: pretraining goes on from a model that it made itself")
        if self._value("docgen.grammar") != GRAMMAR:
            raise ModelError(
                f"{path}: does not speak {GRAMMAR}: pretraining goes on from a model of this version"
            )
        self.shape = Shape(
            hidden=int(self._value("llama.embedding_length")),
            layers=int(self._value("llama.block_count")),
            heads=int(self._value("llama.attention.head_count")),
            inner=int(self._value("llama.feed_forward_length")),
            vocabulary=len(self._value("tokenizer.ggml.tokens")),
        )

    def _value(self, key: str) -> Any:
        field = self._reader.fields.get(key)
        return "" if field is None else field.contents()

    def weights(self) -> dict[str, torch.Tensor]:
        """Return the weights in float32 under transformers' names; quantised ones as they are rounded."""
        import gguf
        import numpy as np
        import torch

        found: dict[str, torch.Tensor] = {}
        for tensor in self._reader.tensors:
            name = self._renamed(tensor.name)
            if not name:
                continue
            values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            if name.endswith(("q_proj.weight", "k_proj.weight")):
                values = self._unpermuted(values)
            found[name] = torch.from_numpy(values.copy())
        found.setdefault("lm_head.weight", found["model.embed_tokens.weight"])
        return found

    def _renamed(self, name: str) -> str:
        stem, _, kind = name.rpartition(".")
        if stem in _WHOLE:
            return f"{_WHOLE[stem]}.{kind}"
        parts = stem.split(".")
        if len(parts) == 3 and parts[0] == "blk" and parts[2] in BLOCK:
            return f"model.layers.{parts[1]}.{BLOCK[parts[2]]}.{kind}"
        return ""  # rope_freqs and the like, which transformers computes

    def _unpermuted(self, values: Any) -> Any:
        """Undo the converter's reordering of the rotary halves; conversion/llama.py, permute."""
        rows = values.shape[0]
        split = values.reshape(self.shape.heads, rows // self.shape.heads // 2, 2, *values.shape[1:])
        return split.swapaxes(1, 2).reshape(values.shape)

    def write_tokenizer(self, out: Path) -> Path:
        """Write the vocabulary as a sentencepiece model that cuts texts the same; return its path."""
        # NOTE: transformers' copy, not sentencepiece's own: that one refuses the protobuf that dbt pins
        from transformers.utils import sentencepiece_model_pb2_new

        pb2: Any = sentencepiece_model_pb2_new
        proto = pb2.ModelProto()
        tokens, scores, kinds = (
            self._value(f"tokenizer.ggml.{name}") for name in ("tokens", "scores", "token_type")
        )
        for piece, score, kind in zip(tokens, scores, kinds, strict=True):
            proto.pieces.add(piece=piece, score=score, type=kind)
        proto.trainer_spec.model_type = _BPE
        proto.trainer_spec.vocab_size = len(tokens)
        proto.trainer_spec.byte_fallback = True
        proto.trainer_spec.split_digits = True
        proto.trainer_spec.unk_id, proto.trainer_spec.bos_id, proto.trainer_spec.eos_id = 0, 1, 2
        proto.trainer_spec.pad_id = -1
        proto.normalizer_spec.name = "identity"
        proto.normalizer_spec.remove_extra_whitespaces = False
        proto.normalizer_spec.add_dummy_prefix = True
        proto.normalizer_spec.escape_whitespaces = True
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_bytes(proto.SerializeToString())
        return out
