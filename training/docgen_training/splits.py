"""How a byte-level BPE splits text before it merges, by llama.cpp's names: tokenizer.json -> "llama-bpe", "qwen2", ...

llama.cpp's converter knows a split by a hash of the token ids that the tokenizer gives for one fixed text, so it knows
published vocabularies alone: a base with a vocabulary of its own, or with tokens added, is refused although it splits as
a known family does. What a split is stands in the tokenizer's definition, in plain sight: as transformers loaded it,
which for some families is not as tokenizer.json has it, it is compared with the families below, whose definitions llama.cpp's source quotes beside its own expressions (src/llama-vocab.cpp,
llm_tokenizer_bpe). The converter's own hash is asked first; a name from here is proved afterwards, by token ids on
thousands of strings (parity.py), and an export whose ids differ is refused.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

__all__ = ["Split", "known_split", "read_split"]


@dataclass(frozen=True, slots=True)
class Split:
    """What tells one family's splitting from another's."""

    steps: tuple[str, ...]  # in order: an expression, "digits", or "bytes" with GPT-2's own expression
    ignore_merges: bool = False  # a whole word that is in the vocabulary is taken without merging


_CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_LLAMA3 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}" + _REST
_QWEN2 = _CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}" + _REST
_QWEN35 = (
    _CONTRACTIONS
    + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}"
    + r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

_FAMILIES = {
    Split((_LLAMA3,), ignore_merges=True): "llama-bpe",
    Split((_LLAMA3,)): "smaug-bpe",
    Split((_QWEN2,)): "qwen2",
    Split((_QWEN35,)): "qwen35",
    Split(("bytes",)): "gpt-2",  # GPT-2, GPT-NeoX, MPT
    Split(("digits", "bytes")): "smollm",  # StarCoder, SmolLM
}


def known_split(definition: str) -> str:
    """Return llama.cpp's name of the split of a tokenizer.json, given as its text; empty when no family splits so."""
    split = read_split(definition)
    return _FAMILIES.get(split, "") if split else ""


def read_split(definition: str) -> Split | None:
    """Return how the tokenizer of a tokenizer.json splits; None when it is no byte-level BPE or no split known here."""
    try:
        found = json.loads(definition)
        bpe, splitter = found["model"], found["pre_tokenizer"]
        if bpe["type"] != "BPE" or bpe.get("byte_fallback") or splitter is None:
            return None
        steps = [_step(one) for one in splitter.get("pretokenizers", [splitter])]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if None in steps:
        return None
    # "" is the step that turns text into bytes and splits nothing
    return Split(tuple(step for step in steps if step), bool(bpe.get("ignore_merges")))


def _step(one: dict[str, Any]) -> str | None:
    """Return one step of the split by name, "" when it does not split, None when it is of no kind known here."""
    kind = one["type"]
    if kind == "ByteLevel" and not one.get("add_prefix_space"):
        return "bytes" if one.get("use_regex", True) else ""
    if kind == "Digits":
        return "digits" if one.get("individual_digits") else None
    if kind == "Split" and one.get("behavior") == "Isolated" and not one.get("invert"):
        pattern: str | None = one["pattern"].get("Regex")
        return pattern
    return None
