"""The bespoke grammar as the engine's units: a table's windows, their prefixes and questions as token ids."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from docgen_plugin import prompt
from docgen_plugin.claims import Evidence, neighbours, unit_words
from docgen_plugin.concepts import printed
from docgen_plugin.errors import ModelError
from docgen_plugin.llama_batch import Question, Reply, Unit
from docgen_plugin.model import Column, ColumnRef, Table
from docgen_plugin.support import BELYING, openings, plain_words, speakable, wanted_words
from docgen_plugin.wording import Marks, Weights, Wording, WordTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docgen_plugin.generate import TableRequest
    from docgen_plugin.llama_native import NativeModel

__all__ = ["Bespoke", "whole_sentences"]

_ANSWER_TOKENS = 60
_TEXT_CHARS = 600  # of one name, hint or description: a prompt's thirty words are far below
_LONGEST = 512  # tokens of one sequence: training rows are no longer
_QUESTION_TOKENS = 152  # a name, its keys and two hints of forty words
_PREFIX_TOKENS = _LONGEST - _ANSWER_TOKENS - _QUESTION_TOKENS
# found on tables that were not judged: training/LOG.md, "Words that are wanted"
_WEIGHTS = Weights(wanted=4.0, again=-3.0, early=-3.0)
_RUNNING = 16  # more are not faster on a CPU and take 3 MB each


class Bespoke:
    """Asks in the grammar of `prompt`; every segment is tokenized on its own, as in training."""

    answer_tokens = _ANSWER_TOKENS
    byte_pieces = False
    cells = _LONGEST * (_RUNNING + 1)
    sequences = _RUNNING + 1
    # attention over a pool is the larger part of a small model's work, copying 3 MB for a fork is nothing
    shared = False
    weighed = 2 * (_ANSWER_TOKENS + 1)

    def __init__(self, model: NativeModel, words: frozenset[str] = frozenset()) -> None:
        """Look the marks up; `words` are those of a team's voice, which an answer may say beside the plain ones.

        Raises:
            ModelError: when the vocabulary lacks one.
        """
        found = {piece: model.mark(piece) for piece in prompt.MARKS}
        missing = [piece for piece, number in found.items() if number is None]
        if missing or model.opening() < 0 or model.ending() < 0:
            lacking = ", ".join(missing) or "<s> or </s>"
            raise ModelError(
                f"{model.path}: says it speaks {prompt.GRAMMAR} but lacks {lacking}: export it again"
            )
        self._model = model
        self._marks = {piece: number for piece, number in found.items() if number is not None}
        self._word = model.tokenize
        self._silent = frozenset(model.unspeakable(True)) - model.ends()
        self._plain = self._tree(plain_words() - unit_words())
        self._openers = self._tree(plain_words() - unit_words() - BELYING, True)
        voice = {word for word in words if word.lower() not in unit_words()}
        self._voice = [self._tree(voice)] if voice else []
        opening = {word for word in voice if word.lower() not in BELYING}
        self._voice_openers = [self._tree(opening, True)] if opening else []
        self._between = Marks(
            pauses=frozenset(map(self._sign, ",:;")),
            stops=frozenset({self._sign(".")}),
            possessive=self._word("a's")[-2:],
            ends=model.ends(),
            vocabulary=model.vocabulary_size,
        )

    def _sign(self, sign: str) -> int:
        return self._word(f"a{sign}")[-1]

    def _tree(self, words: Iterable[str], opening: bool = False) -> WordTree:
        """Return a tree of the words as they stand within a sentence, or with `opening` at its beginning."""
        shown = {form for word in words for form in (word, printed((word,)))}
        if opening:
            shown = {form[:1].upper() + form[1:] for form in shown}
        return self._grown(sorted(shown))

    def _grown(self, words: Iterable[str]) -> WordTree:
        """Return a tree of words as they are spelled; one with characters that the vocabulary lacks cannot be said."""
        return WordTree(ids for ids in map(self._word, words) if ids and self._silent.isdisjoint(ids))

    def _wording(self, near: WordTree, table: Table, column: Column | None, hints: Sequence[str]) -> Wording:
        """Return what an answer is held to: the plain voice, the table's words, and the place's own."""
        evidence = Evidence.of(table, column, hints)
        told = [word.strip(",.;:()") for text in (table.description, *hints) for word in text.split()]
        values = column.values if column is not None else ()
        spelled = self._grown(word for word in (*told, *values) if word)
        own = speakable(table, column, evidence)
        opening = openings(table, column)
        openers = [self._tree(opening, True)] if opening else [self._openers, self._tree(own - BELYING, True)]
        openers += self._voice_openers
        wanted = [self._tree(forms) for forms in wanted_words(table, column)] if column is not None else []
        trees = (self._plain, near, self._tree(own), spelled, *self._voice)
        return Wording(trees, openers, self._between, wanted, _WEIGHTS)

    def _encode(self, segments: Sequence[prompt.Segment]) -> tuple[int, ...]:
        return tuple(prompt.encode(segments, self._marks, self._encode_text))

    def _encode_text(self, text: str) -> list[int]:
        return list(self._model.tokenize(text[:_TEXT_CHARS]))

    def units(self, request: TableRequest) -> Iterator[Unit]:
        """Yield a unit for every window of the table that has a place asked about.

        The windows depend on the table alone, so an answer does not depend on what else was asked.
        """
        table = request.table
        columns = {column.name: column for column in table.columns}
        unknown = [name for name in request.columns if name not in columns]
        assert not unknown, f"{table.key} has no column {unknown[:3]}"
        asked = set(request.columns)
        near = self._tree(word for word in neighbours(table) if word.isalpha())
        for number, (shown, prefix) in enumerate(self._windows(table, tuple(columns))):
            questions = []
            for name in shown if number else ("", *shown):
                column, hints = columns.get(name), request.hints.get(name, ())
                if name in asked or (not name and request.with_table):
                    wording = self._wording(near, table, column, hints)
                    questions.append(
                        Question(ColumnRef(table.key, name), self._asking(table, column, hints), wording)
                    )
                given = self._given(request.given.get(name, ""))
                if given:
                    # without the hint, which may be the very text
                    ids = self._asking(table, column, ())
                    questions.append(Question(ColumnRef(table.key, name), ids, given=given))
            if questions:
                yield Unit(prefix, tuple(questions))

    def _windows(
        self, table: Table, names: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
        for run in prompt.windows(names):
            yield from self._fitting(table, run)

    def _fitting(
        self, table: Table, run: tuple[str, ...]
    ) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
        """Yield the run with its prefix, halved while long names make the prefix too long."""
        ids = (self._model.opening(), *self._encode(prompt.prefix(table, run)))
        if len(ids) <= _PREFIX_TOKENS or len(run) < 2:
            yield run, ids[:_PREFIX_TOKENS]
            return
        half = len(run) // 2
        yield from self._fitting(table, run[:half])
        yield from self._fitting(table, run[half:])

    def _asking(self, table: Table, column: Column | None, hints: Sequence[str]) -> tuple[int, ...]:
        if column is None:
            return self._question(prompt.table_question(hints))
        return self._question(prompt.question(column, hints, table))

    def _given(self, text: str) -> tuple[int, ...]:
        """Return the ids of a text to be weighed, as training has them behind a question; a long one is cut."""
        ids = tuple(self._encode_text(text)[:_ANSWER_TOKENS])
        return ids if len(ids) in (0, _ANSWER_TOKENS) else (*ids, self._model.ending())

    def _question(self, segments: tuple[prompt.Segment, ...]) -> tuple[int, ...]:
        ids = self._encode(segments)
        # the last mark asks for the answer: it stays when hints are too long
        return ids if len(ids) <= _QUESTION_TOKENS else (*ids[: _QUESTION_TOKENS - 1], ids[-1])

    def text(self, reply: Reply) -> str:
        """Return the answer's text; one that ran into the limit is cut back to its last full sentence."""
        text = " ".join(self._model.text(reply.ids).split())
        return text if reply.ended else whole_sentences(text)


def whole_sentences(text: str) -> str:
    """Return the text up to its last full stop, "" when it has none.

    >>> whole_sentences("Date of the order. In UTC. Not the date of"), whole_sentences("and and and")
    ('Date of the order. In UTC.', '')
    """
    cut = max(text.rfind(f"{mark} ") for mark in ".!?")
    return text[: cut + 1] if cut >= 0 else (text if text.endswith((".", "!", "?")) else "")
