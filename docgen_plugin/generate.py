"""What a model has to do for us, and how the one that a user named is found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from docgen_plugin.config import Config
from docgen_plugin.model import ColumnRef, Table
from docgen_plugin.plugins import manager

__all__ = ["Answer", "Generator", "TableRequest", "load"]


@dataclass(frozen=True, slots=True)
class TableRequest:
    """The places of one table that want a text: all columns are context, `columns` are asked.

    Texts that are `given` are weighed, by a generator that can: whether their places are asked as well or not.
    """

    table: Table
    columns: tuple[str, ...]
    with_table: bool = False
    hints: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # column name, "" for the table
    given: Mapping[str, str] = field(default_factory=dict)  # column name, "" for the table


@dataclass(frozen=True, slots=True)
class Answer:
    """A model's raw answer for one place, or what it thinks of the text that was given for it."""

    ref: ColumnRef
    text: str
    logprob: float  # mean log-probability of the answer's tokens, nats, at most 0
    tokens: int  # tokens generated or weighed, the end mark included
    weighed: bool = False  # whether the text was given


class Generator(Protocol):
    """A loaded model. Answers come as they are ready, in any order within what was asked.

    One that knows little beyond the concept dictionary says so by an attribute `bespoke = True`: every word of
    its texts must then be held up by the schema, see `support`. One that was tuned to a team's
    texts says so by `tuned = True`, and may name by `words` those that the team says in its own texts: they need no
    holding up. One that can show what it reads has a method `prompts(request)` that returns it by place, see
    `alternatives`. One that can weigh given texts says so by `weighs = True`, and yields an Answer for each of them too.
    """

    name: str  # "docgen-base@1f3a9c0d2b4e": what the ledger records
    device: str  # one line for the user: what it runs on

    def describe(self, requests: Iterable[TableRequest]) -> Iterator[Answer]:
        """Yield one Answer for every place asked; requests are taken lazily, a batch at a time."""

    def close(self) -> None:
        """Free the model's memory; may be called twice."""


def load(uri: str, config: Config) -> Generator:
    """Return the generator for a uri ("" is the embedded default).

    Raises:
        ModelError: when no plugin knows the uri, or the model cannot be loaded.
    """
    generator: Generator | None = manager().hook.load_generator(uri=uri, config=config)
    if generator is None:
        from docgen_plugin.registry import unknown

        raise unknown(uri, config)
    return generator
