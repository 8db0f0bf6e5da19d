"""A quick stand-in for a model, and a way to register plugins for the time of a test."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from docgen_plugin.config import Config
from docgen_plugin.generate import Answer, TableRequest
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model import Catalog, Change, ColumnRef, Table, WriteReport
from docgen_plugin.plugins import manager
from docgen_plugin.words import entity_words, name_words

__all__ = ["FakeGenerator", "FakeModel", "Shop", "plain_answer", "registered"]


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


class Shop:
    """A source in memory; writes like an adapter should."""

    def __init__(self, *tables: Table) -> None:
        self.tables = {table.key: table for table in tables}
        self.refuse: dict[ColumnRef, str] = {}
        self.error = ""
        self.says = ""
        self.longest = 10_000
        self.stop_after: int | None = None
        self.written: list[ColumnRef] = []

    @hookimpl(tryfirst=True)
    def read_catalog(self, source: str, config: Config) -> Catalog | None:
        return Catalog("shop", "fake", tuple(self.tables.values())) if source == "shop" else None

    @hookimpl(tryfirst=True)
    def write_descriptions(
        self, source: str, changes: Sequence[Change], dry_run: bool, config: Config
    ) -> WriteReport | None:
        if source != "shop":
            return None
        written: list[ColumnRef] = []
        skipped: list[tuple[ColumnRef, str]] = []
        for change in changes:
            if self.stop_after is not None and len(written) == self.stop_after:
                if self.error:
                    break
                raise KeyboardInterrupt
            now = Catalog("shop", "fake", tuple(self.tables.values())).description(change.ref)
            if change.ref in self.refuse or now != change.before:
                skipped.append((change.ref, self.refuse.get(change.ref, "changed meanwhile")))
                continue
            if not dry_run:
                self.set(change.ref, change.after[: self.longest])
            written.append(change.ref)
        self.written += written
        cut = [(one.ref, one.after[: self.longest]) for one in changes if len(one.after) > self.longest]
        return WriteReport(
            tuple(written),
            tuple(skipped),
            altered=tuple(cut),
            preview=f"{len(written)} texts{self.says}",
            error=self.error,
        )

    def set(self, ref: ColumnRef, text: str) -> None:
        table = self.tables[ref.table]
        if not ref.column:
            self.tables[ref.table] = replace(table, description=text)
            return
        self.column(ref, description=text)

    def column(self, ref: ColumnRef, **changes: Any) -> None:
        table = self.tables[ref.table]
        columns = tuple(replace(one, **changes) if one.name == ref.column else one for one in table.columns)
        self.tables[ref.table] = replace(table, columns=columns)
