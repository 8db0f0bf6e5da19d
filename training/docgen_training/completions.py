"""Records -> prompts with their answers, through the dialect that will serve the model.

The prompt is what `docgen suggest` would send for the table with its descriptions taken out; the answer is the
description and the token that ends it.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from docgen_plugin.compact import Compact
from docgen_plugin.concepts import lexicon
from docgen_plugin.dialect import Dialect
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.generate import TableRequest
from docgen_plugin.grounding import UNCLEAR
from docgen_plugin.instruct import Instruct, render_template
from docgen_plugin.model import Table
from docgen_training.base_tokens import BaseTokens
from docgen_training.encode import Prompted
from docgen_training.records import Record, read_records

__all__ = ["Asking", "completions", "documented", "make_asking"]

_DESCRIPTION_CHANCE = 0.3  # share of tables whose prefix shows their description: encode.Recipe
_PLACE = "ANSWER1c0ffee"


@dataclass(frozen=True, slots=True)
class Asking:
    """How the base is asked: the dialect, the token that ends an answer, the word for what is unclear."""

    dialect: Dialect
    tokens: BaseTokens
    end: int
    unclear: str


def make_asking(prompt: str, tokens: BaseTokens) -> Asking:
    """Return how a base is asked with the prompt "compact" or "instruct".

    Raises:
        ModelError: when it has no chat template for "instruct", or one that cannot be used.
    """
    if prompt == "compact":
        return Asking(Compact(tokens), tokens, tokens.ending(), UNCLEAR)
    if not tokens.template():
        raise ModelError(
            f"{tokens.path}: has no chat template, which --prompt instruct speaks through: leave --prompt out, or "
            "choose the instruct version of the base"
        )
    return Asking(Instruct(tokens), tokens, _turn_end(tokens), "unclear")


def _turn_end(tokens: BaseTokens) -> int:
    """Return the control token that the chat template puts behind an answer, else the one that ends a text."""
    from jinja2 import TemplateError

    render_template(tokens)  # tells a template that cannot be used at all
    chat = [{"role": "user", "content": "a"}, {"role": "assistant", "content": _PLACE}]
    try:
        said: str = tokens.tokenizer.apply_chat_template(chat, tokenize=False)
    except (TemplateError, ValueError, TypeError, KeyError):
        return tokens.ending()
    after = tokens.tokenize(said.partition(_PLACE)[2].lstrip(), True)
    known = set(tokens.tokenizer.all_special_ids) | {
        number for number, one in tokens.tokenizer.added_tokens_decoder.items() if one.special
    }
    return after[0] if after and after[0] in known else tokens.ending()


def documented(paths: Iterable[Path]) -> list[Record]:
    """Return the records that document something.

    Raises:
        DocgenError: for a line that is no record, or when no table or column of the files has a text.
    """
    named = [str(path) for path in paths]
    records = [record for path in named for record in read_records(Path(path))]
    found = [record for record in records if _described(record.table)]
    if not found:
        raise DocgenError(
            f"{', '.join(named)}: {len(records)} tables, none has a description to learn from: give tables that people "
            "documented"
        )
    return found


def _described(table: Table) -> bool:
    return bool(table.description.strip()) or any(column.description.strip() for column in table.columns)


def completions(records: Iterable[Record], asking: Asking, hints: float, seed: int) -> Iterator[Prompted]:
    """Yield a table's window with its questions and answers, in a shuffled order; `hints` is the share that see theirs."""
    draw = random.Random(seed)
    shuffled = list(records)
    draw.shuffle(shuffled)
    for record in shuffled:
        yield from _windows(record.table, asking, hints, draw)


def _windows(table: Table, asking: Asking, hints: float, draw: random.Random) -> Iterator[Prompted]:
    texts = {column.name: column.description for column in table.columns if column.description.strip()}
    with_table = bool(table.description.strip())
    shown = with_table and draw.random() < _DESCRIPTION_CHANCE
    bare = replace(
        table,
        description=table.description if shown else "",
        columns=tuple(replace(column, description="") for column in table.columns),
    )
    if with_table and not shown:
        texts[""] = table.description
    request = TableRequest(
        bare,
        tuple(name for name in texts if name),
        with_table=with_table and not shown,
        hints={name: _known(bare, name) for name in texts if draw.random() < hints},
    )
    for unit in asking.dialect.units(request):
        pairs = [
            (list(question.ids), _answer(texts[question.ref.column], asking)) for question in unit.questions
        ]
        draw.shuffle(pairs)
        yield list(unit.prefix), pairs


def _known(table: Table, name: str) -> tuple[str, ...]:
    return lexicon().hints(table, table.column(name) if name else None)


def _answer(text: str, asking: Asking) -> list[int]:
    line = " ".join(text.split())
    return [*asking.tokens.tokenize(asking.unclear if line == UNCLEAR else line), asking.end]
