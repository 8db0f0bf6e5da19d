"""A quick stand-in for a model, and a way to register plugins for the time of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from docgen_plugin.config import Config
from docgen_plugin.generate import Answer, TableRequest
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model import ColumnRef
from docgen_plugin.plugins import manager
from docgen_plugin.words import entity_words, name_words

__all__ = ["FakeGenerator", "FakeModel", "plain_answer", "registered"]


def plain_answer(request: TableRequest, column: str) -> tuple[str, float]:
    """Return what a plain model would say: the name in words, and of what."""
    entity = " ".join(entity_words(request.table.name))
    if not column:
        return f"One row per {entity} that was recorded", -0.2
    return f"The {' '.join(name_words(column))} as recorded for the {entity}", -0.1 * (1 + len(column) % 5)


class FakeGenerator:
    """Answers at once, by a function; remembers what it was asked."""

    name = "fake@1"
    device = "no device"

    def __init__(self, answer: Callable[[TableRequest, str], tuple[str, float]] = plain_answer) -> None:
        self.answer = answer
        self.requests: list[TableRequest] = []
        self.closed = 0

    def describe(self, requests: Iterable[TableRequest]) -> Iterator[Answer]:
        for request in requests:
            self.requests.append(request)
            for column in (*([""] if request.with_table else []), *request.columns):
                text, logprob = self.answer(request, column)
                yield Answer(ColumnRef(request.table.key, column), text, logprob, len(text.split()))

    def close(self) -> None:
        self.closed += 1


class FakeModel:
    """The plugin that loads it: takes every uri."""

    def __init__(self, generator: FakeGenerator | None = None) -> None:
        self.generator = generator or FakeGenerator()

    @hookimpl(tryfirst=True)
    def load_generator(self, uri: str, config: Config) -> FakeGenerator:
        return self.generator


@contextmanager
def registered(plugin: Any) -> Iterator[Any]:
    """Register a plugin and take it away again."""
    name = manager().register(plugin)
    try:
        yield plugin
    finally:
        manager().unregister(name=name)
