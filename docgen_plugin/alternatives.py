"""One place asked again, for a reviewer: another model's text, or one with a hint of the reviewer's; and what the model is given."""

from __future__ import annotations

from dataclasses import dataclass

from docgen_plugin.concepts import load_lexicon
from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError
from docgen_plugin.generate import Generator, TableRequest
from docgen_plugin.grounding import Checker
from docgen_plugin.model import Catalog, Column, ColumnRef, Table

__all__ = ["Alternative", "Given", "alternative", "given"]


@dataclass(frozen=True, slots=True)
class Alternative:
    """A text that a model wrote for a place on a reviewer's request; nothing is recorded of it."""

    text: str  # what is left of the answer after the checks, the answer itself where nothing is left, "" for silence
    model: str
    faults: tuple[str, ...] = ()  # what the checks found, in a few words each
    stands: bool = True  # whether it passes the checks; `suggest` also asks how sure the model is


@dataclass(frozen=True, slots=True)
class Given:
    """What a model is given about a place, as the catalog and the glossary are now."""

    prompt: str  # letter by letter, control tokens too; "" where the model does not show it
    hints: tuple[str, ...]  # of the dictionary or the glossary, the best first
    model: str


def alternative(
    catalog: Catalog, ref: ColumnRef, config: Config, generator: Generator, hint: str = ""
) -> Alternative:
    """Return what a model says of one place; the reviewer's own hint comes before those of the dictionary.

    Raises:
        SourceError: when the place is gone.
        ModelError: when the model fails.
    """
    table, column = _found(catalog, ref)
    known = load_lexicon(config.glossary)
    hints = (*((hint,) if hint.strip() else ()), *known.hints(table, column))
    answers = list(generator.describe([_request(table, column, hints)]))
    answer = answers[0] if answers else None
    if answer is None or not answer.text:
        return Alternative("", generator.name, ("no answer",), False)
    strict = getattr(generator, "bespoke", False)
    verdict = Checker(catalog, known).check(table, column, answer.text, answer.logprob, hints, strict)
    if verdict.origin == "unclear":
        # shown all the same: the reviewer who asked knows more than the schema says
        return Alternative(answer.text, generator.name, verdict.reasons, False)
    return Alternative(verdict.text, generator.name, verdict.reasons)


def given(catalog: Catalog, ref: ColumnRef, config: Config, generator: Generator) -> Given:
    """Return exactly what a model is given when `suggest` asks it about a place.

    Raises:
        SourceError: when the place is gone.
        ModelError: when the model fails.
    """
    table, column = _found(catalog, ref)
    hints = load_lexicon(config.glossary).hints(table, column)
    prompts = getattr(generator, "prompts", None)  # a plugin's model need not have it
    shown = prompts(_request(table, column, hints)) if prompts is not None else {}
    return Given(shown.get(ref, ""), hints, generator.name)


def _found(catalog: Catalog, ref: ColumnRef) -> tuple[Table, Column | None]:
    table = catalog.table(ref.table)
    column = table.column(ref.column) if table is not None and ref.column else None
    if table is None or (ref.column and column is None):
        raise SourceError(f"{ref}: is no longer in {catalog.source}; read the source again")
    return table, column


def _request(table: Table, column: Column | None, hints: tuple[str, ...]) -> TableRequest:
    if column is None:
        return TableRequest(table, (), True, {"": hints})
    return TableRequest(table, (column.name,), False, {column.name: hints})
