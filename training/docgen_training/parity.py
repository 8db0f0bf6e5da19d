"""A checkpoint against its GGUF: the same token ids for the same text, the same greedy text for the same prompt.

docgen-train parity training/runs/base training/runs/docgen-base-f16.gguf
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ModelError
from docgen_plugin.llama_native import NativeModel
from docgen_plugin.model import Table
from docgen_plugin.threads import default_threads
from docgen_training.base_tokens import BaseTokens
from docgen_training.bases import Base, load_weights
from docgen_training.checkpoint import Checkpoint
from docgen_training.completions import completions, make_asking
from docgen_training.records import Record
from docgen_training.vocabulary import Vocabulary, column_prompts

__all__ = [
    "Difference",
    "Parity",
    "TokenParity",
    "check_parity",
    "check_tokens",
    "make_prompts",
    "make_strings",
]

_CONTEXT = 2048
_ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz     ",
    "ABCDEFGHIJKLMNOPQRSTUVWXYZ_",
    "0123456789.,-  ",
    "(){}[]<>=+*/%&|^~!?:;'\"`\\#@$",
    " \t\n\r ",
    "àéîöüßñçøåłžğşÀÉÎÖÜ ",
    "абвгдежзийклмнопрстуфхцчшщ АБВГД",
    "αβγδεζηθικλμ ΑΒΓΔ",
    "日本語中文字符表列名稱説明",
    "ひらがなカタカナ한국어데이터",
    "العربية עברית हिन्दी ไทย ",
    "🚀🙂👩‍👩‍👧🏽🇨🇭❤️✅",
    "\u0301\u0308\u0327e a\u200b\u200d\ufeff\u00a0\u2028",
    "\x00\x01\x07\x08\x1b\x7f\x85\x9f",
)
_WHOLE = (
    "",
    " ",
    "  leading and trailing  ",
    "I'm you'RE we'Ve it'LL 'tis rock'n'roll",
    "line\nline\r\nline\n\n\n   indented\t\ttabs",
    "3 33 333 3333 33333 1,234,567.89 1e-9 0xFF 2024-02-29T23:59:59Z",
    "SELECT c.id, COUNT(*) AS n FROM customers c WHERE c.name LIKE '%\\_%' GROUP BY 1;",
    'def f(x: int) -> str:\n    """Doc."""\n    return f"{x!r:>10}"\n',
    '{"key": [1, 2.5, null, true], "nested": {"a": "\\u00e9"}}',
    "CustAcctNbr cust_acct_nbr CUST-ACCT-NBR __private x7 attr_03",
    "https://example.com/a?b=c&d=%20e#frag user+tag@example.co.uk",
    "ﬁ ﬂ Å Å ½ ² ™ ﷺ",
    "<s> </s> <unk> <|endoftext|> <|im_start|>user<|im_end|> [INST] <ctx>",
)


@dataclass(frozen=True, slots=True)
class Difference:
    """One text whose token ids differ."""

    text: str
    wanted: tuple[int, ...]  # by the checkpoint's tokenizer
    found: tuple[int, ...]  # by llama.cpp


@dataclass(frozen=True, slots=True)
class TokenParity:
    """How many texts both tokenizers gave the same ids, and how many differ for a reason that is known."""

    strings: int
    same: int
    normalised: (
        int  # the same once the tokenizer's own normaliser (NFC) was applied, which llama.cpp does not do
    )
    by_pieces: (
        int  # as sentencepiece reads tokenizer.model, from which transformers differs at an opening space
    )
    first: Difference | None  # of those that differ even so

    @property
    def differing(self) -> int:
        """How many differ for no such reason."""
        return self.strings - self.same - self.normalised - self.by_pieces


@dataclass(frozen=True, slots=True)
class Parity:
    """How many prompts gave the same greedy tokens in transformers and in llama.cpp."""

    prompts: int
    same: int
    differing: tuple[str, ...]  # the prompts that did not
    gaps: tuple[float, ...]  # for each: nats between the two tokens where they part, by the reference


def make_strings(records: Iterable[Record], count: int, seed: int = 1) -> list[str]:
    """Return texts to tokenise: names, types, descriptions and prompts of records by half, hostile ones by half."""
    draw = random.Random(seed)
    plain = list(dict.fromkeys(islice(chain.from_iterable(map(_texts, records)), 4 * count)))
    draw.shuffle(plain)
    kept = plain[: count // 2]
    return [*_WHOLE, *kept, *(_hostile(draw, kept or ["orders"]) for _ in range(count))][:count]


def _texts(record: Record) -> Iterator[str]:
    yield from (record.table.name, record.table.description, table_text(record.table))
    for column in record.table.columns:
        yield from (column.name, f"{column.name} {column.type}", column.description)


def _hostile(draw: random.Random, plain: Sequence[str]) -> str:
    """Return a text of one to four parts: runs of one sign, letters of one script or of several, a plain text."""
    parts = []
    for _ in range(draw.randint(1, 4)):
        way = draw.random()
        if way < 0.15:
            parts.append(draw.choice(draw.choice(_ALPHABETS)) * draw.choice((2, 3, 7, 16, 63, 257)))
        elif way < 0.7:
            parts.append("".join(draw.choices(draw.choice(_ALPHABETS), k=draw.randint(1, 24))))
        elif way < 0.85:
            parts.append("".join(draw.choices("".join(_ALPHABETS), k=draw.randint(1, 24))))
        else:
            parts.append(draw.choice(plain))
    return draw.choice(("", " ", "\n")).join(parts)


def table_text(table: Table) -> str:
    """Return a table in plain words, as a prompt for a model that knows no grammar of ours.

    >>> from docgen_plugin.model import Column
    >>> table_text(Table("orders", "orders", columns=(Column("id", "int"), Column("total"))))
    'Table orders: id int, total. One row is'
    """
    columns = ", ".join(f"{column.name} {column.type}".strip() for column in table.columns)
    return f"Table {table.name}: {columns}. One row is"


def check_tokens(checkpoint: Checkpoint, gguf_path: Path, strings: Sequence[str]) -> TokenParity:
    """Compare the token ids of texts between a checkpoint's tokenizer and its GGUF, as texts are encoded in use.

    Nothing that stands in a text counts as a mark ("</s>" is four signs), and no opening mark is put before it.
    Our own vocabulary is read by sentencepiece, any other by transformers.

    Raises:
        ModelError: when the GGUF cannot be loaded or the tokenizer cannot.
    """
    engine = NativeModel(gguf_path, n_gpu_layers=0)
    reference = _OwnTokenizer(checkpoint) if checkpoint.is_own else _HubTokenizer(checkpoint)
    same = normalised = by_pieces = 0
    first: Difference | None = None
    for text, wanted in zip(strings, reference.encode(strings), strict=True):
        found = list(engine.tokenize(text))
        if found == wanted:
            same += 1
        elif (plain := reference.normalise(text)) != text and list(engine.tokenize(plain)) == wanted:
            normalised += 1
        elif found == reference.by_pieces(text):
            by_pieces += 1
        else:
            first = first or Difference(text, tuple(wanted), tuple(found))
    engine.close()
    return TokenParity(len(strings), same, normalised, by_pieces, first)


def _engine(path: Path, **options: Any) -> Any:
    from llama_cpp import Llama

    try:
        return Llama(str(path), n_gpu_layers=0, verbose=False, **options)
    except (ValueError, OSError) as err:
        raise ModelError(f"{path}: llama.cpp cannot load it: {err}") from err


class _OwnTokenizer:
    """Our own vocabulary, as training encodes with it."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._vocabulary = Vocabulary(checkpoint.model / "tokenizer.model")

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        return [self._vocabulary.encode(text) for text in texts]

    def normalise(self, text: str) -> str:
        return text

    def by_pieces(self, text: str) -> list[int]:
        return self._vocabulary.encode(text)


class _HubTokenizer:
    """Whatever transformers makes of a checkpoint's tokenizer files."""

    def __init__(self, checkpoint: Checkpoint) -> None:
        self._tokenizer = _tokenizer(checkpoint)
        self._normaliser = getattr(getattr(self._tokenizer, "backend_tokenizer", None), "normalizer", None)
        self._pieces = _pieces(checkpoint.model / "tokenizer.model")

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        found = self._tokenizer(list(texts), add_special_tokens=False, split_special_tokens=True)
        return [list(ids) for ids in found["input_ids"]]

    def normalise(self, text: str) -> str:
        return str(self._normaliser.normalize_str(text)) if self._normaliser is not None else text

    def by_pieces(self, text: str) -> list[int]:
        return list(self._pieces.encode(text)) if self._pieces is not None else []


def _pieces(path: Path) -> Any:
    import sentencepiece

    if not path.is_file():
        return None
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (OSError, RuntimeError):  # a tiktoken file may go by that name too
        return None


def _tokenizer(checkpoint: Checkpoint) -> Any:
    return BaseTokens(_base(checkpoint.model), _CONTEXT).tokenizer


def _base(folder: Path) -> Base:
    # find_base would hash gigabytes of weights for a sum that nothing here asks for
    return Base(str(folder), "", folder, "", 0)


def make_prompts(
    checkpoint: Checkpoint, records: Iterable[Record], count: int, room: int = 512
) -> list[list[int]]:
    """Return prompts as token ids: as a run of ours asks the model, else in plain words, `room` tokens at most."""
    if checkpoint.is_own:
        return column_prompts(records, Vocabulary(checkpoint.model / "tokenizer.model"), count)
    if asked := checkpoint.run.get("prompt"):
        asking = make_asking(asked, BaseTokens(_base(checkpoint.model), _CONTEXT))
        tables = completions(records, asking, hints=0.5, seed=1)
        return list(islice((prefix + one for prefix, pairs in tables for one, _ in pairs[:3]), count))
    tokenizer = _tokenizer(checkpoint)
    texts = [
        f"{table_text(record.table)} {column.description}".rpartition(" ")[0]
        for record in islice(records, count)
        for column in record.table.columns[:3]
    ]
    found = [list(tokenizer(text)["input_ids"])[:room] for text in texts[:count]]
    return [prompt for prompt in found if prompt]


def check_parity(
    checkpoint: Path,
    gguf_path: Path,
    prompts: Sequence[Sequence[int]],
    most_tokens: int = 48,
    threads: int = 0,
) -> Parity:
    """Compare greedy continuations of token prompts between transformers and llama.cpp, one prompt at a time.

    llama.cpp writes; the reference reads prompt and text in one pass and says at each place what it would have
    written, which up to the first difference is what it writes itself. Give the F16 file: the reference's matrices
    are rounded to F16 as it has them. `threads` of 0 is the cores that this process may use.

    Raises:
        ModelError: when either side cannot be loaded, or the GGUF is of another vocabulary.
    """
    import torch

    reference = _rounded(checkpoint)
    # an F16 cache rounds what the reference does not: two near answers may then change places
    context = min(_CONTEXT, max(map(len, prompts), default=0) + most_tokens + 1)
    threads = threads or default_threads()
    torch.set_num_threads(threads)
    engine = _engine(gguf_path, n_ctx=context, type_k=0, type_v=0, n_threads=threads, n_threads_batch=threads)
    if engine.n_vocab() > (known := int(reference.get_input_embeddings().num_embeddings)):
        raise ModelError(
            f"{gguf_path}: has {engine.n_vocab()} tokens, {checkpoint} has {known}: it was made from another checkpoint"
        )
    end = engine.token_eos()
    differing: list[str] = []
    gaps: list[float] = []
    for prompt in prompts:
        found: list[int] = []
        for token in engine.generate(list(prompt), temp=0.0, top_k=1, repeat_penalty=1.0):
            found.append(token)
            if token == end or len(found) == most_tokens:
                break
        ids = torch.tensor([[*prompt, *found]])  # (1, T) int64
        with torch.inference_mode():
            logits = reference(ids).logits[0, len(prompt) - 1 : -1]  # (written, vocabulary) float32
        wanted = logits.argmax(-1)
        apart = (wanted != torch.tensor(found)).nonzero()
        if len(apart):
            at = int(apart[0])
            gaps.append(float(logits[at, wanted[at]] - logits[at, found[at]]))
            differing.append(engine.detokenize(list(prompt), special=True).decode("utf-8", "replace"))
    engine.close()
    return Parity(len(prompts), len(prompts) - len(differing), tuple(differing), tuple(gaps))


def _rounded(checkpoint: Path) -> Any:
    """Return the checkpoint's model as its F16 GGUF holds it: matrices rounded to F16, vectors as they are."""
    import torch

    model = load_weights(_base(checkpoint)).float()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.copy_(weight.half().float())
    return model.eval()
