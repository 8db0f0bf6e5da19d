"""What a kind of model has to answer for, and what it needs of a model's vocabulary: in use and in training."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol

from docgen_plugin.llama_batch import Question, Unit
from docgen_plugin.model import Column, ColumnRef

if TYPE_CHECKING:
    from pathlib import Path

    from docgen_plugin.generate import TableRequest
    from docgen_plugin.llama_batch import Reply

__all__ = ["Dialect", "Tokens", "asked_units"]

Ids = tuple[int, ...]


class Dialect(Protocol):
    """How one kind of model is asked and what its replies mean."""

    answer_tokens: int  # the longest answer
    byte_pieces: bool  # whether answers may be put together from bytes
    cells: int  # tokens of memory
    sequences: int  # questions answered at once, and one sequence for the prefix of the next
    shared: bool  # whether they take their cells from one pool
    weighed: int  # tokens of given answers that are weighed in one step, 0 where none are; at least the longest answer

    def units(self, request: TableRequest) -> Iterator[Unit]:
        """Yield what to ask for one request."""

    def text(self, reply: Reply) -> str:
        """Return the description in a reply, "" when there is none."""


class Tokens(Protocol):
    """A vocabulary as a dialect needs it: llama.cpp's in use, the base's own tokenizer in training."""

    @property
    def path(self) -> Path:
        """Where the model lies, for messages."""

    @property
    def trained_context(self) -> int:
        """Tokens the model was trained to see at once, 0 when unknown."""

    @property
    def tokenize(self) -> Callable[..., Ids]:
        """Return the ids of a text; control tokens are recognised in it only with a second argument True."""

    def template(self) -> str:
        """Return the chat template, "" where there is none."""

    def opening(self) -> int:
        """Return the id of the token that opens a text, -1 for none."""

    def wants_opening(self) -> bool:
        """Return whether the vocabulary puts the opening token before every text."""

    def ending(self) -> int:
        """Return the id of the token that ends a text, -1 for none."""

    def piece(self, token: int, specials: bool = False) -> bytes:
        """Return the bytes a token stands for; a control token's are empty without `specials`."""

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, control tokens left out."""


def asked_units(
    request: TableRequest,
    runs: Iterable[Sequence[str]],
    prefix: Callable[[Sequence[Column]], Ids],
    about_table: Callable[[Sequence[str]], Ids],
    about_column: Callable[[Column, Sequence[str]], Ids],
) -> Iterator[Unit]:
    """Yield a unit for every run of column names that has a place asked about; the table is asked in the first.

    `prefix` gets the run's columns, the two others a place with its hints.
    """
    table = request.table
    columns = {column.name: column for column in table.columns}
    asked = set(request.columns)
    for number, run in enumerate(runs):
        questions = []
        if request.with_table and not number:
            questions.append(Question(ColumnRef(table.key), about_table(request.hints.get("", ()))))
        for name in run:
            if name in asked:
                ids = about_column(columns[name], request.hints.get(name, ()))
                questions.append(Question(ColumnRef(table.key, name), ids))
        if questions:
            yield Unit(prefix([columns[name] for name in run]), tuple(questions))
