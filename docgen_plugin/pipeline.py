"""The order of the rooms, read once: catalog, targets, inherit, hints, model, grounding, ledger; and back."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from docgen_plugin import targets
from docgen_plugin.calibration import Calibration, shipped_curves
from docgen_plugin.composing import Composer, is_weighable, ref_of, suggestion_of, weighed_text
from docgen_plugin.concepts import Lexicon, load_lexicon
from docgen_plugin.config import Config
from docgen_plugin.freshness import fingerprint
from docgen_plugin.generate import Answer, TableRequest
from docgen_plugin.grounding import UNCLEAR, Checker
from docgen_plugin.inherit import Accepted, Found, Hint, evidence, inherited
from docgen_plugin.model import DICTIONARY, GLOSSARY, NAME, Catalog, Column, ColumnRef, Suggestion, Table
from docgen_plugin.sources import read_catalog, write
from docgen_plugin.store import Ledger
from docgen_plugin.style import LANGUAGES, Style
from docgen_plugin.targets import Target
from docgen_plugin.writeback import ApplyReport, apply
from docgen_plugin.writers import Candidate, Load, Writer, Writers

__all__ = [
    "ApplyReport",
    "SuggestReport",
    "apply",
    "read_catalog",
    "suggest",
    "write",
]

_KEPT_TOGETHER = 200  # answers between two commits of the ledger
_KEPT_AFTER_S = 2.0
_STANDS = ("accepted", "edited", "applied")
_CONFIDENCE = {"inherited": 0.95, "reused": 0.9}
_REUSED_ONCE = 0.7  # of a text that one other table's like column carries, taken where the model has none
# Our own model's sentence is taken above this mean log-probability (nats a token); below, what the dictionary nearly knows
# or the least that the name says is the better text: training/LOG.md, "What served texts are worth".
_SURE = -0.1
# ... and that of one tuned to the team's own texts above this: LOG.md, "What a tuned model's texts are worth"
_SURE_TUNED = -0.2

Progress = Callable[[int, int], None]  # columns done, columns in all


def _silent(done: int, total: int) -> None:
    """Show no progress."""


@dataclass(frozen=True, slots=True)
class SuggestReport:
    """What one run of suggest did."""

    source: str
    targets: int  # places that wanted a text
    suggested: int  # rows now in the ledger, 'unclear' among them
    by_origin: Mapping[str, int] = field(default_factory=dict)
    turned: int = 0  # rows that changed their state because the source changed
    seconds: float = 0.0  # of generating, the model's loading left out
    model: str = ""  # the standing one, "" when it was not asked
    device: str = ""
    interrupted: bool = False
    # place, origin, and where the text comes from or what speaks against one
    evidence: tuple[tuple[ColumnRef, str, str], ...] = ()
    notes: tuple[str, ...] = ()  # what the user should know of this run
    answered: tuple[tuple[str, int], ...] = ()  # with a candidate: each model and the tables that it answered


def suggest(
    source: str,
    config: Config,
    ledger: Ledger,
    load: Load,
    select: Sequence[str] = (),
    progress: Progress = _silent,
    catalog: Catalog | None = None,
    again: bool = False,
    chosen: bool = False,
    candidate: Candidate | None = None,
) -> SuggestReport:
    """Suggest a text for every undocumented place and return what was recorded.

    The model is loaded only when a place needs it. Ctrl-C ends the run early: what was answered until then
    is in the ledger, and the report says so. With `again`, open suggestions of another model are made anew,
    and those for which the glossary now has another text. `chosen` says that the model is not the package's
    but one that a person chose: if it is tuned to the team's texts, it is asked also where the dictionary has a text.
    The tables that a `candidate` draws are its alone: it is asked about them, and what another model wrote there is
    another model's.

    Raises:
        DocgenError: when the source, the model or the ledger fails; what was answered before is kept.
    """
    known = load_lexicon(config.glossary)
    catalog = read_catalog(source, config) if catalog is None else catalog
    style = Style.of(config, catalog)
    turned = len(targets.refresh(catalog, ledger))
    with Writers(load, chosen, candidate) as writers:
        if again:
            due = _due(writers, _told_otherwise(catalog, known, style))
            turned += targets.reopen(catalog, ledger, config, due, select)
        wanted = list(targets.find(catalog, ledger, config, select))
        total = sum(target.size for target in wanted)
        run = _Run(catalog, ledger, total, progress, config.dictionary == "compose", known, style, writers)
        if not wanted:
            return run.report(turned, False)
        writers.prepare()
        interrupted = run.answered(wanted, _accepted(catalog, ledger, wanted))
        return run.report(turned, interrupted)


def _due(writers: Writers, otherwise: Callable[[Suggestion], bool]) -> Callable[[Suggestion], bool]:
    """Return what says of an open suggestion whether it is to be made anew: another model's, or told otherwise now."""
    for writer in writers.all:
        writer.generator()  # its name counts

    def due(suggestion: Suggestion) -> bool:
        writer, wrote = writers.of(suggestion.ref.table), suggestion.model
        if wrote in (DICTIONARY, NAME) and not suggestion.asked:
            return writer.tuned or otherwise(suggestion)  # that is asked wherever the dictionary speaks
        if wrote in (DICTIONARY, NAME):
            wrote = suggestion.asked  # what stands in for what that was not sure of
        return wrote not in ("", GLOSSARY, writer.name) or otherwise(suggestion)

    return due


def _told_otherwise(catalog: Catalog, known: Lexicon, style: Style) -> Callable[[Suggestion], bool]:
    """Return what says of an open suggestion whether the glossary has another text for its place now."""
    checker = Checker(catalog, known)

    def due(suggestion: Suggestion) -> bool:
        table = catalog.table(suggestion.ref.table)
        column = table.column(suggestion.ref.column) if table is not None else None
        if table is None or column is None or suggestion.origin in ("inherited", "reused"):
            return False
        ours = suggestion.model == GLOSSARY
        match = known.match(table, column)
        if match is None or not match.told or (match.fit < 1.0 and not ours):
            return ours
        return style.fit(checker.told(column, match.text, 0.0).text) != suggestion.text

    return due


def _chain(first: TableRequest, rest: Iterator[TableRequest]) -> Iterator[TableRequest]:
    yield first
    yield from rest


def _accepted(catalog: Catalog, ledger: Ledger, wanted: Iterable[Target]) -> Accepted:
    """Return the accepted texts of columns that share a name with a target; the others are never asked for."""
    names = {column.name.lower() for target in wanted for column in target.columns}
    texts = (
        (row.suggestion.ref, row.suggestion.text, "edited" in (row.suggestion.state, row.previous))
        for row in ledger.rows(catalog.source, states=_STANDS)
        if row.suggestion.ref.column.lower() in names and row.suggestion.origin != "unclear"
    )
    return Accepted.collect(catalog, texts)


@dataclass(slots=True)
class _Asked:
    """A place that the model was asked about: for a text of its own, for what it thinks of one, or for both."""

    table: Table
    column: Column | None
    known: tuple[str, ...]  # what the dictionary has for it
    learned: Hint | None  # what the team has for a like column
    stand_in: Suggestion | None = None  # for where the model's own text cannot stand
    answer: Answer | None = None
    waits_for_text: bool = True
    waits_for_weight: bool = False

    @property
    def hints(self) -> tuple[str, ...]:
        """What the model was given to go by: the team's words before the dictionary's, a person's alone."""
        if self.learned is None:
            return self.known
        return (self.learned.text,) if self.learned.edited else (self.learned.text, *self.known)

    def take(self, answer: Answer, model: str) -> None:
        """Note a model's answer, or what it thinks of the text that stands in."""
        if not answer.weighed:
            self.answer, self.waits_for_text = answer, False
        elif self.stand_in is not None:
            self.waits_for_weight = False
            self.stand_in = replace(self.stand_in, logprob=answer.logprob, weighed_by=model)


class _Run:
    """One run of suggest: what was asked and not yet answered, and what waits to be recorded."""

    def __init__(
        self,
        catalog: Catalog,
        ledger: Ledger,
        total: int,
        progress: Progress,
        compose: bool,
        known: Lexicon,
        style: Style,
        writers: Writers,
    ) -> None:
        self.style = style
        self.skipped = 0
        self.lexicon = known
        self.catalog = catalog
        self.ledger = ledger
        self.total = total
        self.progress = progress
        self.checker = Checker(catalog, known)
        self.composer = Composer(self.checker, known, compose)
        self.calibrated = Calibration((*shipped_curves(), *ledger.curves()))
        self.machine_made = targets.machine_made(catalog, ledger)
        self.writers = writers
        self.writer = writers.standing  # whose tables are at hand
        self.done = 0
        self.kept = 0
        self.origins: Counter[str] = Counter()
        self.evidence: list[tuple[ColumnRef, str, str]] = []
        self._open: dict[ColumnRef, _Asked] = {}
        self._waiting: list[Suggestion] = []
        self._flushed_at = self._began_at = time.monotonic()
        self._started_at: float | None = None  # of the first answer's asking: a model is loaded then

    def answered(self, wanted: Sequence[Target], accepted: Accepted) -> bool:
        """Let each model answer what only it can answer of its tables; return whether Ctrl-C ended that early."""
        try:
            for writer in self.writers.all:
                self.writer = writer
                theirs = (target for target in wanted if self.writers.of(target.table.key) is writer)
                self._ask(writer, self.requests(theirs, accepted))
                self.flush()  # the candidate's rows are the younger ones
        except KeyboardInterrupt:
            return True
        finally:
            self.flush()
        return False

    def _ask(self, writer: Writer, requests: Iterator[TableRequest]) -> None:
        first = next(requests, None)
        if first is not None:
            writer.generator()
            if self._started_at is None:
                self._started_at = time.monotonic()
            for answer in writer.answers(_chain(first, requests)):
                self.take(answer)
        self.unanswered()

    def requests(self, wanted: Iterable[Target], accepted: Accepted) -> Iterator[TableRequest]:
        """Yield what only the model can answer; what stands elsewhere or is opaque is recorded on the way."""
        for target in wanted:
            left: list[Column | None] = []
            for column in (*([None] if target.with_table else []), *target.columns):
                found = self._known(target, column, accepted)
                if self._is_foreign(found):
                    self.skipped += 1
                elif found is None:
                    left.append(column)
                else:
                    self._record(target.table, column, found)
            if left:
                yield self._request(target.table, left, accepted)

    def _is_foreign(self, found: Suggestion | None) -> bool:
        """Return whether a text would be in English among texts in another language."""
        return self.style.language != "en" and (found is None or found.origin in ("composed", "unclear"))

    def _known(self, target: Target, column: Column | None, accepted: Accepted) -> Suggestion | None:
        """Return the suggestion that needs no model, None when one is needed."""
        table = target.table
        before = target.earlier.get(column.name if column is not None else "")
        if before is not None:
            # people approved these words before: they are shown again rather than lost
            told = "approved here before"
            return replace(before, origin="reused", confidence=_CONFIDENCE["reused"], evidence=told)
        found: Found | None = None
        if column is not None:
            found = inherited(self.catalog, table, column, self.machine_made)
            found = found or accepted.reusable(table, column)
        if found is not None:
            return found.suggestion(ref_of(table, column), _CONFIDENCE[found.origin])
        opaque = self.checker.opaque(table, column)
        if opaque is not None:
            return suggestion_of(table, column, opaque)
        learned = accepted.hint(table, column) if column is not None else None
        # where people reworded the text of a like column, the dictionary's is not what they want
        reworded = learned is not None and learned.edited
        return self.composer.exact(table, column, told_alone=self.writer.tuned or reworded)

    def _request(self, table: Table, asked: Sequence[Column | None], accepted: Accepted) -> TableRequest:
        hints: dict[str, tuple[str, ...]] = {}
        given: dict[str, str] = {}
        names: list[str] = []
        generator = self.writer.generator()  # what it is decides on what stands in for its texts
        for column in asked:
            ref = ref_of(table, column)
            learned = accepted.hint(table, column) if column is not None else None
            place = _Asked(table, column, self.lexicon.hints(table, column), learned)
            place.stand_in = stand_in = self._stand_in(place)
            if stand_in is not None and not self._may_write(column):
                self._record(table, column, stand_in)
                continue
            if place.hints:
                hints[ref.column] = place.hints
            if stand_in is not None and is_weighable(stand_in) and getattr(generator, "weighs", False):
                given[ref.column] = weighed_text(stand_in)
                place.waits_for_weight = True
            self._open[ref] = place
            names.append(ref.column)
        return TableRequest(table, tuple(filter(None, names)), "" in names, hints, given)

    def _may_write(self, column: Column | None) -> bool:
        """Return whether the model is asked for a text: what a row is, our own model, untuned, knows worse than the name tells.

        See LOG.md, "What one row is".
        """
        writer = self.writer
        return column is not None or not writer.strict or writer.tuned or not self.composer.from_dictionary

    def _stand_in(self, place: _Asked) -> Suggestion | None:
        """Return what is said of a place where the model's own text cannot stand.

        The least that a name says only beside a model whose words are held to the schema: another one's silence is respected.
        """
        near = self.composer.near(place.table, place.column, place.known)
        return near or (self.composer.plain(place.table, place.column) if self.writer.strict else None)

    def take(self, answer: Answer) -> None:
        """Take an answer; once a place has all of its answers, queue what they come to for the ledger."""
        asked = self._open.get(answer.ref)
        if asked is None:
            return  # nobody asked for it
        asked.take(answer, self.writer.name)
        if not (asked.waits_for_text or asked.waits_for_weight):
            del self._open[answer.ref]
            self._record_best(asked)

    def _record_best(self, asked: _Asked) -> None:
        answer = asked.answer or Answer(ref_of(asked.table, asked.column), "", 0.0, 0)
        self._record(asked.table, asked.column, replace(self._best(asked, answer), asked=self.writer.name))

    def _best(self, asked: _Asked, answer: Answer) -> Suggestion:
        """Return the model's text if it passes the checks and is sure enough, else what stands in for it."""
        table, column, stand_in, writer = asked.table, asked.column, asked.stand_in, self.writer
        verdict = self.checker.check(
            table, column, answer.text, answer.logprob, asked.hints, writer.strict, writer.voice
        )
        suggestion = replace(suggestion_of(table, column, verdict), model=writer.name, logprob=answer.logprob)
        unsure = verdict.origin == "unclear" or not self._sure(asked, answer.logprob)
        # the embedded model takes little from a hint: what a person worded is shown as it is
        reused = self._reused_once(asked) if unsure or (writer.strict and not writer.tuned) else None
        if reused is not None:
            return reused
        # beside a name of which nothing is known, a model's "unclear" is the last word
        silent = answer.text == UNCLEAR and column is not None and not asked.known
        return suggestion if not unsure or stand_in is None or silent else stand_in

    def _sure(self, asked: _Asked, logprob: float) -> bool:
        """Return whether a model's sentence is taken before a composed text; one that knows the world always is."""
        if not self.writer.strict or asked.column is None:
            return True
        return logprob >= (_SURE_TUNED if self.writer.tuned else _SURE)

    def _reused_once(self, asked: _Asked) -> Suggestion | None:
        """Return what people worded for a like column, if it holds for this place too; None when there is none."""
        learned = asked.learned
        if learned is None or not learned.edited:
            return None
        if self.checker.mentions(asked.table, asked.column, learned.text):
            return None  # it says something of its own table
        found = Found(learned.text, "reused", f"{learned.ref}, worded there by a person")
        return found.suggestion(ref_of(asked.table, asked.column), _REUSED_ONCE)

    def unanswered(self) -> None:
        """Record what the model left out: as unclear, or as what stands in for it."""
        for asked in self._open.values():
            self._record_best(asked)
        self._open.clear()

    def _record(self, table: Table, column: Column | None, suggestion: Suggestion) -> None:
        standing = column.description if column is not None else table.description
        suggestion = self.calibrated(self._styled(suggestion))
        told = suggestion.evidence
        if column is not None and suggestion.origin != "inherited":
            told = "; ".join(filter(None, (told, evidence(self.catalog, table, column, self.machine_made))))
        self._waiting.append(
            replace(
                suggestion,
                fingerprint=fingerprint(table, column),
                before=standing,
                evidence=told,
                suggested_at=None,
                position=table.position(column.name) if column is not None else 0,
                path=table.path,
                owner=table.owner,
            )
        )
        self.done += 1
        if len(self._waiting) >= _KEPT_TOGETHER or time.monotonic() - self._flushed_at > _KEPT_AFTER_S:
            self.flush()
        self.progress(self.done, self.total)

    def _styled(self, suggestion: Suggestion) -> Suggestion:
        """Return a suggestion in the team's style; what people worded stays as it is."""
        if suggestion.origin not in ("generated", "composed"):
            return suggestion
        text = self.style.fit(suggestion.text)
        if text:
            return replace(suggestion, text=text)
        why = f"against the style: {suggestion.text}"
        return replace(suggestion, text=UNCLEAR, origin="unclear", confidence=0.0, evidence=why)

    def flush(self) -> None:
        """Record what waits."""
        if self._waiting:
            kept = self.ledger.add(self.catalog.source, self._waiting)
            self.kept += len(kept)
            recorded = [one for one in self._waiting if one.ref in kept]
            self.origins.update(one.origin for one in recorded)
            self.evidence += [(one.ref, one.origin, one.evidence) for one in recorded if one.evidence]
            self._waiting = []
        self._flushed_at = time.monotonic()

    def report(self, turned: int, interrupted: bool) -> SuggestReport:
        """Return what the run did."""
        standing, *others = self.writers.all
        return SuggestReport(
            self.catalog.source,
            self.total,
            self.kept,
            dict(sorted(self.origins.items())),
            turned,
            time.monotonic() - (self._started_at or self._began_at),
            standing.name if standing.was_asked else "",
            standing.device if self.total else "",
            interrupted,
            tuple(self.evidence),
            self._notes(),
            tuple((writer.name, len(writer.tables)) for writer in self.writers.all if others),
        )

    def _notes(self) -> tuple[str, ...]:
        if not self.skipped:
            return ()
        language = LANGUAGES[self.style.language]
        return (
            f"the descriptions here are in {language}, and what would be suggested for {self.skipped:,} places is in English: "
            'they were left; style_language = "en" in the settings has them suggested all the same',
        )
