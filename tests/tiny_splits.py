"""Tokenizers that split text as a known family does, or as nobody does, with a vocabulary learnt here.

No vocabulary that a test makes is known to the hash of llama.cpp's converter: what these split as is told by their
definition alone.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from docgen_training.synthesize import synthesize

__all__ = ["SPLITS", "llama3_checkpoint", "split_tokenizer", "vocabulary_gguf"]

_ENDS = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _ENDS

# as it stands in the tokenizer.json of Llama 3, Qwen 2, Qwen 3.5, GPT-2 and StarCoder: steps, ignore_merges
SPLITS: dict[str, tuple[Sequence[str], bool]] = {
    "llama-bpe": ((_LLAMA3,), True),
    "smaug-bpe": ((_LLAMA3,), False),
    "qwen2": ((_LLAMA3.replace("{1,3}", ""),), False),
    "qwen35": (
        (
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
            r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
        ),
        False,
    ),
    "gpt-2": (("bytes",), False),
    "smollm": (("digits", "bytes"), False),
}
UNKNOWN: tuple[Sequence[str], bool] = ((r"\p{L}{1,4}|\p{N}|[^\p{L}\p{N}]",), False)


def split_tokenizer(folder: Path, steps: Sequence[str], ignore_merges: bool = False, size: int = 600) -> int:
    """Write a byte-level BPE with the steps of a split into a folder; return the size of its vocabulary."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    kinds: Any = pre_tokenizers
    named = {
        "digits": kinds.Digits(individual_digits=True),
        "bytes": kinds.ByteLevel(add_prefix_space=False),
    }
    parts = [
        named[step] if step in named else kinds.Split(Regex(step), behavior="isolated") for step in steps
    ]
    if "bytes" not in steps:
        parts.append(kinds.ByteLevel(add_prefix_space=False, use_regex=False))
    plain: Any = Tokenizer(models.BPE())
    plain.pre_tokenizer = kinds.Sequence(parts)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|begin|>", "<|end|>"],
        initial_alphabet=kinds.ByteLevel.alphabet(),
        show_progress=False,
    )
    lines = [f"{one.name} {one.description}" for record in synthesize(80, 3) for one in record.table.columns]
    plain.train_from_iterator(
        [*lines, *map(str, range(100, 1000)), *["12345 2024 naïve 東京 I'm we'VE\n\n  x = [1];"] * 9], trainer
    )
    plain.model.ignore_merges = ignore_merges
    plain.post_processor = processors.TemplateProcessing(
        single="<|begin|> $A", pair="<|begin|> $A <|begin|> $B", special_tokens=[("<|begin|>", 0)]
    )
    folder.mkdir(parents=True, exist_ok=True)
    PreTrainedTokenizerFast(
        tokenizer_object=plain, bos_token="<|begin|>", eos_token="<|end|>"
    ).save_pretrained(folder)
    return int(plain.get_vocab_size())


def vocabulary_gguf(path: Path, folder: Path, split: str) -> Path:
    """Write the vocabulary of a folder's tokenizer.json, with the least of a model, as a GGUF that splits by a name."""
    import gguf

    held = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]
    pieces = sorted(held["vocab"], key=held["vocab"].__getitem__)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(1)
    writer.add_feed_forward_length(32)
    writer.add_head_count(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(split)
    writer.add_token_list(pieces)
    marks = gguf.TokenType.CONTROL, gguf.TokenType.NORMAL
    writer.add_token_types([marks[0] if piece.startswith("<|") else marks[1] for piece in pieces])
    writer.add_token_merges([" ".join(pair) for pair in held["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    square = ("attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down")
    tensors = {"token_embd": (len(pieces), 32), "output_norm": (32,)}
    tensors |= {f"blk.0.{name}": (32, 32) for name in square}
    tensors |= {f"blk.0.{name}": (32,) for name in ("attn_norm", "ffn_norm")}
    for name, shape in tensors.items():
        writer.add_tensor(f"{name}.weight", np.zeros(shape, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def llama3_checkpoint(
    folder: Path, split: tuple[Sequence[str], bool] = SPLITS["llama-bpe"], hidden: int = 64, inner: int = 128
) -> Path:
    """Write a Llama of random weights with the tokenizer of Llama 3, or of another split; return its folder."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = split_tokenizer(folder, *split)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=inner,
        max_position_embeddings=1024,
        initializer_range=0.1,
        bos_token_id=0,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder
