"""The base's tokenizer as the dialects of the core use a vocabulary, its texts cut as llama.cpp will cut them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ModelError
from docgen_training.bases import Base, first_line, quiet_transformers
from docgen_training.vocabulary import mend_sentencepiece

__all__ = ["BaseTokens", "context_length"]

# what a tokenizer consists of, copied as it is: converters read more of it than transformers writes
_TOKENIZER_FILES = (
    "tokenizer.model",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)


class BaseTokens:
    """The base's tokenizer as the dialects use a vocabulary; texts are cut as llama.cpp will cut them.

    Text between control tokens is encoded piece by piece, as llama.cpp does: a sentencepiece vocabulary then begins
    every piece with a space.
    """

    def __init__(self, base: Base, trained_context: int) -> None:
        """Load it.

        Raises:
            ModelError: when it cannot be loaded or has no token that ends a text.
        """
        from transformers import AutoTokenizer

        quiet_transformers()
        mend_sentencepiece()
        self.path, self.trained_context = base.folder, trained_context
        try:
            tokenizer: Any = AutoTokenizer.from_pretrained(base.folder, trust_remote_code=False)
        except Exception as err:  # the tokenizers library raises nothing narrower
            raise ModelError(
                f"{base.name}: its tokenizer cannot be loaded: {first_line(err)}; the folder wants tokenizer.json or "
                "tokenizer.model beside the weights"
            ) from err
        self.tokenizer = tokenizer
        specials = {one.content for one in self.tokenizer.added_tokens_decoder.values() if one.special}
        specials |= set(self.tokenizer.all_special_tokens)
        self._specials: dict[str, int] = {
            one: tokenizer.convert_tokens_to_ids(one) for one in specials if one
        }
        longest = sorted(map(re.escape, self._specials), key=len, reverse=True)
        self._splitting = re.compile(f"({'|'.join(longest)})" if longest else r"(?!)()")
        if self.ending() < 0 or not len(self.tokenizer):
            raise ModelError(f"{base.name}: its tokenizer has no token that ends a text; choose another base")
        if not self._plain(
            "name of the customer"
        ):  # transformers makes an empty one where the files are missing
            raise ModelError(
                f"{base.name}: its tokenizer cannot be loaded: it has no words; the folder wants tokenizer.json or "
                "tokenizer.model beside the weights"
            )
        self._opens = bool(self.tokenizer("a").input_ids[:1] == [self.opening()])
        self.tokenize = lru_cache(maxsize=100_000)(self._tokenize)

    def _tokenize(self, text: str, specials: bool = False) -> tuple[int, ...]:
        text = text.encode("utf-8", "replace").decode("utf-8")
        if not specials:
            return self._plain(text)
        ids: list[int] = []
        for part in self._splitting.split(text):
            ids += [self._specials[part]] if part in self._specials else self._plain(part)
        return tuple(ids)

    def _plain(self, text: str) -> tuple[int, ...]:
        if not text:
            return ()
        found = self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)
        return tuple(found.input_ids)

    def template(self) -> str:
        """Return the chat template, "" where there is none."""
        found = self.tokenizer.chat_template
        return found if isinstance(found, str) else ""

    def opening(self) -> int:
        """Return the id of the token that opens a text, -1 for none."""
        return _number(self.tokenizer.bos_token_id)

    def wants_opening(self) -> bool:
        """Return whether the tokenizer puts the opening token before every text."""
        return self._opens

    def ending(self) -> int:
        """Return the id of the token that ends a text, -1 for none."""
        return _number(self.tokenizer.eos_token_id)

    def piece(self, token: int, specials: bool = False) -> bytes:
        """Return the bytes a token stands for; a control token's are empty without `specials`."""
        text: str = self.tokenizer.decode([token], skip_special_tokens=not specials)
        return text.encode()

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, control tokens left out."""
        text: str = self.tokenizer.decode(list(ids), skip_special_tokens=True)
        return text

    def copy_files(self, folder: Path) -> None:
        """Put the tokenizer's own files into a folder; where the base has none to copy, write them anew."""
        found = [self.path / name for name in _TOKENIZER_FILES if (self.path / name).is_file()]
        for file in found:
            shutil.copyfile(file, folder / file.name)
        if not any(file.name in ("tokenizer.json", "tokenizer.model") for file in found):
            self.tokenizer.save_pretrained(folder)


def _number(found: Any) -> int:
    return -1 if found is None else int(found)


def context_length(config: Any) -> int:
    """Return how many tokens a model was trained to see at once, 0 where its config does not say."""
    for name in ("max_position_embeddings", "max_seq_len", "n_positions", "seq_length"):
        found = getattr(config, name, None)
        if isinstance(found, int):
            return found
    return 0
