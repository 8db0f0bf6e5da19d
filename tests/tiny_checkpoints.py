"""Tiny Hugging Face checkpoints of random weights, each with a real small tokenizer of its family, in seconds.

A folder holds what the hub's do: config.json, model.safetensors, generation_config.json and the tokenizer's files.
Llama has a sentencepiece vocabulary (tokenizer.model), Qwen a byte-level BPE with Qwen2's splitting (vocab.json,
merges.txt, tokenizer.json), MPT one as GPT-NeoX splits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from docgen_training.synthesize import synthesize
from docgen_training.vocabulary import mend_sentencepiece

from tests.tiny_models import CHATML, Shape, write_network

__all__ = ["FAMILIES", "llama_checkpoint", "mpt_checkpoint", "qwen_checkpoint", "vocabulary_gguf"]

_PIECES = 900
_CONTEXT = 4096
_CHAT = ("<|im_start|>", "<|im_end|>")


@cache
def _lines() -> tuple[str, ...]:
    return tuple(_texts())


def _texts() -> Iterator[str]:
    for record in synthesize(250, seed=7):
        table = record.table
        yield f"{table.name}\n{table.description}"
        for column in table.columns:
            yield f"{column.name} {column.type}\n{column.description}"


def _save(model: Any, folder: Path, dtype: Any) -> Path:
    model.to(dtype)
    model.save_pretrained(folder)
    return folder


def _config(folder: Path, template: str, **values: Any) -> None:
    """Write tokenizer_config.json, with the chat template in it as the hub's folders have it."""
    if template:
        values["chat_template"] = template
    (folder / "tokenizer_config.json").write_text(json.dumps(values, indent=1))


def llama_checkpoint(
    folder: Path, template: str = CHATML, seed: int = 0, hidden: int = 64, dtype: str = "float32"
) -> Path:
    """Write a LlamaForCausalLM with two heads a key and a sentencepiece vocabulary; return its folder."""
    import sentencepiece
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(line for text in _lines() for line in text.splitlines()),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=_PIECES,
        model_type="bpe",
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        byte_fallback=True,
        control_symbols=",".join(_CHAT),
        num_threads=1,
        minloglevel=2,
    )
    (folder / "tokenizer.vocab").unlink()
    _config(
        folder,
        template,
        tokenizer_class="LlamaTokenizer",
        add_bos_token=True,
        add_eos_token=False,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=list(_CHAT),
        legacy=False,
    )
    mend_sentencepiece()
    LlamaTokenizer.from_pretrained(folder).backend_tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=_PIECES,
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=_CONTEXT,
        initializer_range=0.1,
        tie_word_embeddings=False,
        bos_token_id=1,
        eos_token_id=2,
    )
    return _save(LlamaForCausalLM(config), folder, getattr(torch, dtype))


def qwen_checkpoint(
    folder: Path, template: str = CHATML, seed: int = 0, hidden: int = 64, dtype: str = "float32"
) -> Path:
    """Write a Qwen2ForCausalLM, embeddings tied as in its small sizes, with a byte-level BPE; return its folder."""
    import torch
    from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

    end = "<|endoftext|>"
    vocab = _byte_level(folder, Qwen2Tokenizer(), (end, *_CHAT))
    _config(
        folder,
        template,
        tokenizer_class="Qwen2Tokenizer",
        add_bos_token=False,
        bos_token=None,
        eos_token=_CHAT[1] if template else end,
        pad_token=end,
        unk_token=None,
        extra_special_tokens=list(_CHAT),
    )
    torch.manual_seed(seed)
    config = Qwen2Config(
        vocab_size=len(vocab),
        hidden_size=hidden,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=2 * hidden,
        max_position_embeddings=_CONTEXT,
        initializer_range=0.1,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=vocab[_CHAT[1] if template else end],
    )
    return _save(Qwen2ForCausalLM(config), folder, getattr(torch, dtype))


def mpt_checkpoint(
    folder: Path, template: str = CHATML, seed: int = 0, hidden: int = 64, dtype: str = "float32"
) -> Path:
    """Write an MptForCausalLM (ALiBi, no positions) with a byte-level BPE as GPT-NeoX has it; return its folder."""
    import torch
    from transformers import GPTNeoXTokenizer, MptConfig, MptForCausalLM

    end = "<|endoftext|>"
    vocab = _byte_level(folder, GPTNeoXTokenizer(), (end, "<|padding|>", *_CHAT))
    _config(
        folder,
        template,
        tokenizer_class="GPTNeoXTokenizer",
        add_bos_token=False,
        bos_token=end,
        eos_token=_CHAT[1] if template else end,
        unk_token=end,
        extra_special_tokens=list(_CHAT),
    )
    torch.manual_seed(seed)
    config = MptConfig(
        vocab_size=len(vocab),
        d_model=hidden,
        n_layers=2,
        n_heads=4,
        expansion_ratio=4,
        max_seq_len=_CONTEXT,
        initializer_range=0.1,
        bos_token_id=vocab[end],
        eos_token_id=vocab[_CHAT[1] if template else end],
    )
    return _save(MptForCausalLM(config), folder, getattr(torch, dtype))


def _byte_level(folder: Path, family: Any, specials: tuple[str, ...]) -> dict[str, int]:
    """Learn a byte-level BPE as a family splits and write its files; return the vocabulary."""
    from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers, trainers
    from tokenizers.models import BPE

    folder.mkdir(parents=True, exist_ok=True)
    plain = Tokenizer(BPE())
    splitting = family.backend_tokenizer
    plain.normalizer = splitting.normalizer
    plain.pre_tokenizer = splitting.pre_tokenizer
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=_PIECES - len(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    plain.train_from_iterator(_lines(), trainer)
    # the family's own order: pieces first, control tokens behind them
    plain.add_special_tokens([AddedToken(one, special=True, normalized=False) for one in specials])
    plain.save(str(folder / "tokenizer.json"))
    held = json.loads((folder / "tokenizer.json").read_text())["model"]
    merges = [" ".join(pair) for pair in held["merges"]]
    (folder / "vocab.json").write_text(json.dumps(held["vocab"], ensure_ascii=False))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    vocab: dict[str, int] = plain.get_vocab()
    return vocab


# what llama.cpp calls the ways to split: ggml-org/llama.cpp, src/llama-vocab.cpp
_SPLITTINGS = {"mpt": "mpt", "qwen": "qwen2"}


def vocabulary_gguf(path: Path, family: str, folder: Path, metadata: Mapping[str, str] = {}) -> Path:
    """Write a Llama of random weights with a checkpoint's byte-level vocabulary as a GGUF file; return its path."""
    import gguf

    told = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    control = {one["content"] for one in told["added_tokens"]}
    pieces = {**told["model"]["vocab"], **{one["content"]: one["id"] for one in told["added_tokens"]}}
    listed = sorted(pieces, key=lambda piece: pieces[piece])
    config = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name(path.stem)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_SPLITTINGS[family])
    writer.add_token_list(listed)
    kinds = gguf.TokenType
    writer.add_token_types([kinds.CONTROL if one in control else kinds.NORMAL for one in listed])
    writer.add_token_merges([" ".join(pair) for pair in told["model"]["merges"]])
    writer.add_eos_token_id(pieces[config["eos_token"]])
    if config.get("chat_template"):
        writer.add_chat_template(config["chat_template"])
    for key, value in metadata.items():
        writer.add_string(key, value)
    write_network(writer, Shape(context=_CONTEXT), len(listed), pieces[config["eos_token"]])
    return path


FAMILIES: dict[str, Callable[..., Path]] = {
    "llama": llama_checkpoint,
    "mpt": mpt_checkpoint,
    "qwen": qwen_checkpoint,
}
