"""The order of the rooms, read once: catalog, targets, inherit, hints, model, grounding, ledger; and back."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from docgen_plugin import targets
from docgen_plugin.concepts import Lexicon, load_lexicon
from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError, WriteError
from docgen_plugin.freshness import fingerprint
from docgen_plugin.generate import Answer, Generator, TableRequest
from docgen_plugin.grounding import UNCLEAR, Checker, Verdict
from docgen_plugin.inherit import Accepted, Found, inherited
from docgen_plugin.model import Catalog, Change, Column, ColumnRef, Suggestion, Table, WriteReport
from docgen_plugin.plugins import manager
from docgen_plugin.store import Decision, Ledger, Row
from docgen_plugin.support import composed_grain, plain_text
from docgen_plugin.targets import Target

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
_CONFIDENCE = {"inherited": 0.95, "reused": 0.9, "composed": 0.85}
_DICTIONARY_LOGPROB = -0.7  # taken for a text of the dictionary: below what the model is sure of
# Our own model's sentence is taken above these mean log-probabilities (nats a token); below, what the dictionary nearly knows
# or the least that the name says is the better text: training/LOG.md, "When the model's sentence is taken".
_SURE_BESIDE_HINT = -0.25
_SURE_ALONE = -0.45
_PLAIN_LOGPROB = (
    -1.4
)  # of the least that a name says: to be looked at, never accepted in bulk with a threshold
_FROM_DICTIONARY = "docgen-concepts"  # recorded as the model of a text that the concept dictionary gave
_FROM_GLOSSARY = "glossary"  # and of one that the user's glossary gave

# two letters at least: one is a drive of Windows
_SCHEME = re.compile(r"\s*[A-Za-z][\w+.-]+:/*")

Progress = Callable[[int, int], None]  # columns done, columns in all
Writer = Callable[[Sequence[Change], bool], WriteReport]  # as the hook write_descriptions: changes, dry run


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
    model: str = ""
    device: str = ""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class ApplyReport:
    """What one run of apply wrote, or in a dry run would write."""

    source: str
    written: tuple[ColumnRef, ...] = ()
    skipped: tuple[tuple[ColumnRef, str], ...] = ()
    altered: tuple[tuple[ColumnRef, str], ...] = ()  # of `written`: the text that stands there instead
    stale: tuple[tuple[ColumnRef, str], ...] = ()  # no longer to be written, and why
    present: tuple[ColumnRef, ...] = ()  # stood there already
    preview: str = ""
    error: str = ""


def read_catalog(source: str, config: Config) -> Catalog:
    """Return the whole catalog of a source.

    Raises:
        SourceError: when no plugin knows the source, or it cannot be read.
    """
    catalog: Catalog | None = manager().hook.read_catalog(source=source, config=config)
    if catalog is None:
        raise SourceError(
            f"{_shown(source)}: is neither a dbt project's folder nor a database URL that a plugin reads; "
            "give a folder with dbt_project.yml, or a URL such as postgresql://user@host/name"
        )
    return catalog


def _shown(source: str) -> str:
    """Return what the user typed without what may be a password.

    >>> _shown("Postgresql://me:s3cret@host/name?password=s3cret"), _shown("some/folder")
    ('Postgresql://host/name?...', 'some/folder')
    """
    scheme = _SCHEME.match(source)
    if scheme is None:
        return source
    address, mark, _ = source[scheme.end() :].rpartition("@")[2].partition("?")
    return f"{scheme[0]}{address}{mark}{'...' if mark else ''}"


def suggest(
    source: str,
    config: Config,
    ledger: Ledger,
    load: Callable[[], Generator],
    select: Sequence[str] = (),
    progress: Progress = _silent,
    catalog: Catalog | None = None,
    again: bool = False,
) -> SuggestReport:
    """Suggest a text for every undocumented place and return what was recorded.

    The model is loaded only when a place needs it. Ctrl-C ends the run early: what was answered until then
    is in the ledger, and the report says so. With `again`, open suggestions of another model are made anew,
    and those for which the glossary now has another text.

    Raises:
        DocgenError: when the source, the model or the ledger fails; what was answered before is kept.
    """
    known = load_lexicon(config.glossary)
    catalog = read_catalog(source, config) if catalog is None else catalog
    turned = len(targets.refresh(catalog, ledger))
    with _Loading(load) as loading:
        if again:
            kept = ("", _FROM_DICTIONARY, _FROM_GLOSSARY, loading.generator().name)
            due = _told_otherwise(catalog, known)
            turned += targets.reopen(catalog, ledger, config, kept, select, due)
        wanted = list(targets.find(catalog, ledger, config, select))
        total = sum(target.size for target in wanted)
        run = _Run(catalog, ledger, total, progress, config.dictionary == "compose", known)
        if not wanted:
            return run.report(turned, "", False)
        requests = run.requests(wanted, _accepted(catalog, ledger, wanted))
        interrupted = _answered(run, requests, loading)
        return run.report(turned, loading.device, interrupted)


def _told_otherwise(catalog: Catalog, known: Lexicon) -> Callable[[Suggestion], bool]:
    """Return what says of an open suggestion whether the glossary has another text for its place now."""
    checker = Checker(catalog, known)

    def due(suggestion: Suggestion) -> bool:
        table = catalog.table(suggestion.ref.table)
        column = table.column(suggestion.ref.column) if table is not None else None
        if table is None or column is None or suggestion.origin in ("inherited", "reused"):
            return False
        ours = suggestion.model == _FROM_GLOSSARY
        match = known.match(table, column)
        if match is None or not match.told or (match.fit < 1.0 and not ours):
            return ours
        return checker.told(column, match.text, 0.0).text != suggestion.text

    return due


class _Loading:
    """A model that is loaded when it is first asked for, and closed at the end."""

    def __init__(self, load: Callable[[], Generator]) -> None:
        self._load = load
        self._loaded: Generator | None = None

    def __enter__(self) -> _Loading:
        return self

    def __exit__(self, *error: object) -> None:
        if self._loaded is not None:
            self._loaded.close()

    @property
    def device(self) -> str:
        """What it runs on, "" while it is not loaded."""
        return "" if self._loaded is None else self._loaded.device

    def generator(self) -> Generator:
        """Return the model."""
        if self._loaded is None:
            self._loaded = self._load()
        return self._loaded


def _answered(run: _Run, requests: Iterator[TableRequest], loading: _Loading) -> bool:
    """Let the model answer what only it can answer; return whether Ctrl-C ended that early."""
    try:
        first = next(requests, None)
        if first is not None:
            generator = loading.generator()
            run.model = generator.name
            run.strict = getattr(generator, "bespoke", False)
            run.start()
            for answer in generator.describe(_chain(first, requests)):
                run.take(answer)
        run.unanswered()
    except KeyboardInterrupt:
        return True
    finally:
        run.flush()
    return False


def _chain(first: TableRequest, rest: Iterator[TableRequest]) -> Iterator[TableRequest]:
    yield first
    yield from rest


def _accepted(catalog: Catalog, ledger: Ledger, wanted: Iterable[Target]) -> Accepted:
    """Return the accepted texts of columns that share a name with a target; the others are never asked for."""
    names = {column.name.lower() for target in wanted for column in target.columns}
    texts = (
        (row.suggestion.ref, row.suggestion.text)
        for row in ledger.rows(catalog.source, states=_STANDS)
        if row.suggestion.ref.column.lower() in names and row.suggestion.origin != "unclear"
    )
    return Accepted.collect(catalog, texts)


@dataclass(frozen=True, slots=True)
class _Asked:
    """A place that the model was asked about."""

    table: Table
    column: Column | None
    hints: tuple[str, ...]


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
    ) -> None:
        self.compose = compose
        self.lexicon = known
        self.catalog = catalog
        self.ledger = ledger
        self.total = total
        self.progress = progress
        self.checker = Checker(catalog, known)
        self.model = ""
        self.strict = False
        self.done = 0
        self.kept = 0
        self.origins: Counter[str] = Counter()
        self._open: dict[ColumnRef, _Asked] = {}
        self._waiting: list[Suggestion] = []
        self._flushed_at = self._started_at = time.monotonic()

    def start(self) -> None:
        """Start the clock again: the model is loaded."""
        self._started_at = time.monotonic()

    def requests(self, wanted: Iterable[Target], accepted: Accepted) -> Iterator[TableRequest]:
        """Yield what only the model can answer; what stands elsewhere or is opaque is recorded on the way."""
        for target in wanted:
            left: list[Column | None] = []
            for column in (*([None] if target.with_table else []), *target.columns):
                found = self._known(target, column, accepted)
                if found is None:
                    left.append(column)
                else:
                    self._record(target.table, column, found)
            if left:
                yield self._request(target.table, left)

    def _known(self, target: Target, column: Column | None, accepted: Accepted) -> Suggestion | None:
        """Return the suggestion that needs no model, None when one is needed."""
        table = target.table
        before = target.earlier.get(column.name if column is not None else "")
        if before is not None:
            # people approved these words before: they are shown again rather than lost
            return replace(before, origin="reused", confidence=_CONFIDENCE["reused"])
        found: Found | None = None
        if column is not None:
            found = inherited(self.catalog, table, column) or accepted.reusable(table, column)
        if found is not None:
            return Suggestion(
                _ref(table, column), found.text, origin=found.origin, confidence=_CONFIDENCE[found.origin]
            )
        opaque = self.checker.opaque(table, column)
        return self._composed(table, column) if opaque is None else _suggestion(table, column, opaque)

    def _composed(self, table: Table, column: Column | None) -> Suggestion | None:
        """Return the glossary's text for a place that it knows exactly, or the dictionary's if the settings want that."""
        match = self.lexicon.match(table, column)
        if match is None or match.fit < 1.0 or not (self.compose or match.told):
            return None
        composed = self._fallback(table, column, (match.text,))
        return composed and replace(composed, confidence=_CONFIDENCE["composed"])

    def _request(self, table: Table, asked: Sequence[Column | None]) -> TableRequest:
        hints = {}
        for column in asked:
            texts = self.lexicon.hints(table, column)
            if texts:
                hints[column.name if column is not None else ""] = texts
            place = _ref(table, column)
            self._open[place] = _Asked(table, column, texts)
        names = tuple(column.name for column in asked if column is not None)
        return TableRequest(table, names, None in asked, hints)

    def take(self, answer: Answer) -> None:
        """Check an answer and queue it for the ledger; one that nobody asked for is passed over."""
        asked = self._open.pop(answer.ref, None)
        if asked is None:
            return
        table, column, hints = asked.table, asked.column, asked.hints
        verdict = self.checker.check(table, column, answer.text, answer.logprob, hints, self.strict)
        suggestion = replace(_suggestion(table, column, verdict), model=self.model, logprob=answer.logprob)
        unsure = (
            self.strict
            and column is not None
            and answer.logprob < (_SURE_BESIDE_HINT if hints else _SURE_ALONE)
        )
        if verdict.origin == "unclear" or unsure:
            suggestion = (
                self._fallback(table, column, hints) or self._plain(table, column, answer) or suggestion
            )
        self._record(table, column, suggestion)

    def _fallback(self, table: Table, column: Column | None, hints: Sequence[str]) -> Suggestion | None:
        """Return a composed text for a place where the model's could not stand, None when there is none."""
        text = hints[0] if hints else "" if column is not None else composed_grain(table)
        match = self.lexicon.match(table, column)
        told = match is not None and match.told
        if told:
            verdict = self.checker.told(column, text, _DICTIONARY_LOGPROB)
        else:
            verdict = self.checker.check(table, column, text, _DICTIONARY_LOGPROB, hints)
        if not text or verdict.origin == "unclear":
            return None
        return replace(
            _suggestion(table, column, verdict),
            origin="composed",
            model=_FROM_GLOSSARY if told else _FROM_DICTIONARY,
            logprob=_DICTIONARY_LOGPROB,
        )

    def _plain(self, table: Table, column: Column | None, answer: Answer) -> Suggestion | None:
        """Return the least that a telling name says, None where even that is nothing, or the model says that it is unclear.

        Only for a model whose words were held to the schema: another one's silence is respected.
        """
        if column is None or not self.strict or answer.text == UNCLEAR:
            return None
        text = plain_text(table, column)
        verdict = self.checker.check(table, column, text, _PLAIN_LOGPROB)
        if not text or verdict.origin == "unclear":
            return None
        return replace(
            _suggestion(table, column, verdict),
            origin="composed",
            model=_FROM_DICTIONARY,
            logprob=_PLAIN_LOGPROB,
        )

    def unanswered(self) -> None:
        """Record as unclear what the model left out."""
        for ref in list(self._open):
            self.take(Answer(ref, "", 0.0, 0))

    def _record(self, table: Table, column: Column | None, suggestion: Suggestion) -> None:
        standing = column.description if column is not None else table.description
        self._waiting.append(
            replace(
                suggestion,
                fingerprint=fingerprint(table, column),
                before=standing,
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

    def flush(self) -> None:
        """Record what waits."""
        if self._waiting:
            kept = self.ledger.add(self.catalog.source, self._waiting)
            self.kept += len(kept)
            self.origins.update(one.origin for one in self._waiting if one.ref in kept)
            self._waiting = []
        self._flushed_at = time.monotonic()

    def report(self, turned: int, device: str, interrupted: bool) -> SuggestReport:
        """Return what the run did."""
        seconds = time.monotonic() - self._started_at
        return SuggestReport(
            self.catalog.source,
            self.total,
            self.kept,
            dict(sorted(self.origins.items())),
            turned,
            seconds,
            self.model,
            device,
            interrupted,
        )


def _ref(table: Table, column: Column | None) -> ColumnRef:
    return ColumnRef(table.key, column.name if column is not None else "")


def _suggestion(table: Table, column: Column | None, verdict: Verdict) -> Suggestion:
    return Suggestion(_ref(table, column), verdict.text, origin=verdict.origin, confidence=verdict.confidence)


def apply(
    source: str,
    config: Config,
    ledger: Ledger,
    select: Sequence[str] = (),
    dry_run: bool = False,
    catalog: Catalog | None = None,
    writer: Writer | None = None,
) -> ApplyReport:
    """Write the accepted and edited texts to the source and return what was done.

    Each is written only where the text that stood there when it was suggested stands there still. A dry
    run changes neither the source nor the ledger. With `writer` that writes, instead of the plugin that knows the source.

    Raises:
        DocgenError: when the source or the ledger fails; nothing was written then.
    """
    catalog = read_catalog(source, config) if catalog is None else catalog
    turned = targets.refresh(catalog, ledger, dry_run)
    changed = {row.suggestion.ref: turn for row, turn in turned if row.suggestion.state in _STANDS}
    rows = [
        row for row in targets.approved(catalog, ledger, config, select) if row.suggestion.ref not in changed
    ]
    stale = tuple((ref, turn.why) for ref, turn in sorted(changed.items()) if turn.state == "stale")
    present = tuple(ref for ref, turn in sorted(changed.items()) if turn.state == "applied")
    report = WriteReport()
    if rows:
        changes = [_change(catalog, row) for row in rows]
        report = writer(changes, dry_run) if writer else write(source, config, changes, dry_run)
    if not dry_run:
        _record_written(catalog, ledger, rows, report)
    return ApplyReport(
        source=catalog.source,
        written=report.written,
        skipped=report.skipped,
        altered=report.altered,
        stale=stale,
        present=present,
        preview=report.preview,
        error=report.error,
    )


def _record_written(catalog: Catalog, ledger: Ledger, rows: Sequence[Row], report: WriteReport) -> None:
    written = set(report.written)
    stands = dict(report.altered)  # cut to the database's limit: the ledger knows what really stands there
    ledger.decide(
        catalog.source,
        (
            Decision(row, "applied", text=stands.get(row.suggestion.ref))
            for row in rows
            if row.suggestion.ref in written
        ),
    )


def _change(catalog: Catalog, row: Row) -> Change:
    ref = row.suggestion.ref
    standing = catalog.description(ref)
    # `refresh` found it the same but for white space: the adapter compares letter by letter
    return Change(ref, row.suggestion.before if standing is None else standing, row.suggestion.text)


def write(source: str, config: Config, changes: Sequence[Change], dry_run: bool) -> WriteReport:
    """Write descriptions through the plugin that knows the source and return what was done.

    Raises:
        WriteError: when no plugin writes to it, or nothing could be written.
    """
    report: WriteReport | None = manager().hook.write_descriptions(
        source=source, changes=changes, dry_run=dry_run, config=config
    )
    if report is None:
        raise WriteError(
            f"{_shown(source)}: no plugin writes descriptions to it; --to FILE.yml writes the accepted texts to a file"
        )
    return report
