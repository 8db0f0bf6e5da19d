"""Texts that no model writes: the glossary's, the dictionary's, and the least that a telling name says.

A composed text stands for a log-probability by how well its name is known, until the model weighs it: what the model
finds unlikely for a column that is not known exactly, careful readers do not let stand either (training/LOG.md, "What
served texts are worth"). Of exactly known names and of tables it knows nothing better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from docgen_plugin.concepts import Lexicon
from docgen_plugin.frames import plain_text
from docgen_plugin.grain import composed_grain
from docgen_plugin.grounding import ONE_OF, Checker, Verdict
from docgen_plugin.model import DICTIONARY, GLOSSARY, NAME, Column, ColumnRef, Suggestion, Table

__all__ = ["Composer", "is_weighable", "ref_of", "suggestion_of", "weighed_text"]

_EXACT = -0.16  # nats a token that stand for how sure a text is: for exactly this name,
_NEAR = -0.7  # for nearly this name,
_PLAIN = -1.4  # for a name that nothing is known of


class Composer:
    """Composes texts for the places of one catalog, and lets none pass that the checks refuse."""

    def __init__(self, checker: Checker, lexicon: Lexicon, from_dictionary: bool) -> None:
        """Take what checks and what knows; `from_dictionary` says that an exact text needs no model's word."""
        self._checker = checker
        self._lexicon = lexicon
        self.from_dictionary = from_dictionary

    def exact(self, table: Table, column: Column | None, told_alone: bool) -> Suggestion | None:
        """Return the text for a place that is known exactly, None where there is none: with `told_alone` the glossary's only."""
        match = self._lexicon.match(table, column)
        if match is None or match.fit < 1.0:
            return None
        if not match.told and (told_alone or not self.from_dictionary):
            return None
        return self._checked(
            table, column, match.text, (match.text,), _EXACT, GLOSSARY if match.told else DICTIONARY
        )

    def near(self, table: Table, column: Column | None, known: Sequence[str]) -> Suggestion | None:
        """Return the text of what is `known` of a place, or what a table's name and columns say; None when nothing."""
        text = known[0] if known else "" if column is not None else composed_grain(table)
        match = self._lexicon.match(table, column)
        model = GLOSSARY if match is not None and match.told else DICTIONARY if known else NAME
        # known exactly after all, where a model is asked first that was tuned to the team's texts
        logprob = _EXACT if known and match is not None and match.fit >= 1.0 else _NEAR
        return self._checked(table, column, text, known, logprob, model)

    def plain(self, table: Table, column: Column | None) -> Suggestion | None:
        """Return the least that a column's telling name says, None where even that is nothing."""
        if column is None:
            return None
        return self._checked(table, column, plain_text(table, column), (), _PLAIN, NAME)

    def _checked(
        self,
        table: Table,
        column: Column | None,
        text: str,
        hints: Sequence[str],
        logprob: float,
        model: str,
    ) -> Suggestion | None:
        if not text:
            return None
        if model == GLOSSARY:
            verdict = self._checker.told(column, text, logprob)
        else:
            verdict = self._checker.check(table, column, text, logprob, hints)
        if verdict.origin == "unclear":
            return None
        return replace(
            suggestion_of(table, column, verdict),
            origin="composed",
            model=model,
            logprob=logprob,
        )


def is_weighable(suggestion: Suggestion | None) -> bool:
    """Return whether a model may weigh a text: a column's that is not known exactly, nor by the user's glossary."""
    return (
        suggestion is not None
        and suggestion.model in (DICTIONARY, NAME)
        and suggestion.logprob < _EXACT
        and bool(suggestion.ref.column)
    )


def weighed_text(suggestion: Suggestion) -> str:
    """Return the sentence that a model weighs: without the allowed values, which the schema itself tells.

    >>> weighed_text(Suggestion(ColumnRef("t", "c"), "Size of the hat. One of: S, M."))
    'Size of the hat.'
    """
    return suggestion.text.partition(ONE_OF)[0]


def ref_of(table: Table, column: Column | None) -> ColumnRef:
    """Return the place of a column, or of the table itself."""
    return ColumnRef(table.key, column.name if column is not None else "")


def suggestion_of(table: Table, column: Column | None, verdict: Verdict) -> Suggestion:
    """Return a suggestion of what is left of an answer."""
    return Suggestion(
        ref_of(table, column), verdict.text, origin=verdict.origin, confidence=verdict.confidence
    )
