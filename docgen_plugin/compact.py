"""A general model that was fine-tuned to describe: no instruction, no chat template, names as they stand.

The prompt is plain text, so that any tokenizer serves; training makes its rows through this class as well.

    prefix    # table[: description]              names and texts cleaned of angle brackets and line ends
              [from upstream, upstream]
              column [type family]                one line a column
    question  ? column [key] [unique] [not null] [-> table.column] [in value, value]
              ? table                             behind a double question mark: ?? table
              [hint text]*
              =
    answer    text, then the token that ends a text

Prefix, question and the last line are encoded on their own, without control tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from docgen_plugin.bespoke import whole_sentences
from docgen_plugin.dialect import asked_units
from docgen_plugin.errors import ModelError
from docgen_plugin.prompt import COMPACT_GRAMMAR, clean, windows
from docgen_plugin.words import family

if TYPE_CHECKING:
    from docgen_plugin.dialect import Tokens
    from docgen_plugin.generate import TableRequest
    from docgen_plugin.llama_batch import Reply, Unit
    from docgen_plugin.model import Column, Table

__all__ = ["Compact", "GRAMMAR"]

GRAMMAR = COMPACT_GRAMMAR  # stands in the GGUF's metadata as docgen.grammar; changes with any change below

_ANSWER_TOKENS = 64
_MOST_CELLS, _LEAST_CELLS = 4096, 512
_RUNNING = 24
_CHARS = 400  # of one name or text: the words shown of it are far fewer
_NAME_WORDS, _TEXT_WORDS, _HINT_WORDS = 8, 30, 40
_VALUES_SHOWN, _UPSTREAM_SHOWN = 8, 3
_ASK = "=\n"


class Compact:
    """Asks in few tokens; the table stands in the shared prefix, the column in the question."""

    answer_tokens = _ANSWER_TOKENS
    byte_pieces = True
    sequences = _RUNNING + 1
    shared = True  # as for any general model: see Instruct
    weighed = 0

    def __init__(self, model: Tokens) -> None:
        """Look up how the vocabulary opens and ends a text.

        Raises:
            ModelError: when it has no token that ends a text or the context is too short.
        """
        trained = model.trained_context or _MOST_CELLS
        if trained < _LEAST_CELLS:
            raise ModelError(
                f"{model.path}: a context of {trained} tokens is too short: {_LEAST_CELLS} are needed"
            )
        if model.ending() < 0:
            raise ModelError(
                f"{model.path}: its vocabulary has no token that ends a text; choose another model"
            )
        self._model = model
        self.cells = min(_MOST_CELLS, trained)
        self._most_question = self.cells // 8
        self._most_prefix = self.cells - self._most_question - _ANSWER_TOKENS
        opens = model.wants_opening() and model.opening() >= 0
        self._opening = (model.opening(),) if opens else ()
        self._ask = model.tokenize(_ASK)

    def units(self, request: TableRequest) -> Iterator[Unit]:
        """Yield a unit for every window of the table that has a place asked about.

        The windows depend on the table alone, so an answer does not depend on what else was asked.
        """
        table = request.table
        names = tuple(column.name for column in table.columns)
        known = {column.name: column for column in table.columns}
        runs = (
            part for run in windows(names) for part in self._fitting(table, [known[name] for name in run])
        )
        return asked_units(
            request,
            runs,
            lambda shown: self._prefix(table, shown)[: self._most_prefix],
            lambda hints: self._question("?? table", hints),
            lambda column, hints: self._question(_asked(table, column), hints),
        )

    def _fitting(self, table: Table, shown: Sequence[Column]) -> Iterator[list[str]]:
        """Yield the names of a run, halved while long ones make its prefix too long."""
        if len(shown) < 2 or len(self._prefix(table, shown)) <= self._most_prefix:
            yield [column.name for column in shown]
            return
        half = len(shown) // 2
        yield from self._fitting(table, shown[:half])
        yield from self._fitting(table, shown[half:])

    def _prefix(self, table: Table, shown: Sequence[Column]) -> tuple[int, ...]:
        return (*self._opening, *self._model.tokenize(_context(table, shown)))

    def _question(self, asked: str, hints: Sequence[str]) -> tuple[int, ...]:
        lines = [asked, *(f"hint {_short(hint, _HINT_WORDS)}" for hint in hints if hint.strip())]
        ids = self._model.tokenize("\n".join(lines) + "\n")
        return (*ids[: self._most_question - len(self._ask)], *self._ask)

    def text(self, reply: Reply) -> str:
        """Return the answer's first line; one that ran into the limit is cut back to its last full sentence."""
        lines = self._model.text(reply.ids).strip().splitlines()
        text = " ".join(lines[0].split()) if lines else ""
        return text if reply.ended or len(lines) > 1 else whole_sentences(text)


def _short(text: str, words: int) -> str:
    return clean(text[:_CHARS], words)


def _named(name: str) -> str:
    return _short(name, _NAME_WORDS) or "unnamed"


def _context(table: Table, shown: Sequence[Column]) -> str:
    said = f": {_short(table.description, _TEXT_WORDS)}" if table.description.strip() else ""
    lines = [f"# {_named(table.name)}{said}"]
    if table.upstream:
        names = (_named(key.rsplit(".", 1)[-1]) for key in table.upstream[:_UPSTREAM_SHOWN])
        lines.append(f"from {', '.join(names)}")
    lines += [f"{_named(column.name)} {family(column.type)}".rstrip() for column in shown]
    return "\n".join(lines) + "\n"


def _asked(table: Table, column: Column) -> str:
    """Return the line that asks for a column, with its own facts; its type stands in the prefix."""
    parts = ["?", _named(column.name)]
    # a column of a key of several identifies no row alone
    if column.primary_key and table.key_columns == (column.name,):
        parts.append("key")
    if column.unique and not column.primary_key:
        parts.append("unique")
    if column.not_null and not column.primary_key:
        parts.append("not null")
    if column.foreign_key:
        target = f"{_named(column.foreign_key.table)}.{_short(column.foreign_key.column, _NAME_WORDS)}"
        parts.append(f"-> {target.rstrip('.')}")
    if column.values:
        parts.append(f"in {', '.join(_short(value, 4) for value in column.values[:_VALUES_SHOWN])}")
    return " ".join(parts)
