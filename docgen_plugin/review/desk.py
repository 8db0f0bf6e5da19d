"""What reviewers do on the page: decide, accept many, take back, write; each against the row as they saw it."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from docgen_plugin import pipeline, targets
from docgen_plugin.config import Config
from docgen_plugin.console import count
from docgen_plugin.model import Catalog, ColumnRef, Table
from docgen_plugin.pipeline import ApplyReport
from docgen_plugin.review.ledgers import Ledgers
from docgen_plugin.review.models import Models
from docgen_plugin.selection import chosen_tables, require_choice
from docgen_plugin.store import Decision, Filter, Ledger, Page, Row

__all__ = ["Desk", "Meant", "Outcome", "Shown", "Written"]

_COUNTS_KEPT = 200
_AT_ONCE = 1000  # rows read at a time for a bulk action
_MAY_BECOME = {
    "suggested": ("accepted", "edited", "rejected"),
    "accepted": ("edited", "rejected"),
    "edited": ("edited", "rejected"),
    "rejected": ("accepted", "edited"),
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A catalog as it was read, with what the page asks of it again and again."""

    catalog: Catalog
    tables: tuple[Table, ...]  # those that the settings choose
    scope: tuple[str, ...]  # their keys where they are not all, else empty
    positions: dict[str, int]
    missing: dict[str, int]  # places without a description, by table

    @classmethod
    def of(cls, catalog: Catalog, config: Config) -> Shown:
        """Return a catalog made ready."""
        tables = tuple(chosen_tables(catalog.tables, config))
        scope = () if len(tables) == len(catalog.tables) else tuple(table.key for table in tables)
        missing = {
            table.key: (not table.description.strip())
            + sum(not column.description.strip() for column in table.columns)
            for table in tables
        }
        return cls(catalog, tables, scope, {table.key: at for at, table in enumerate(tables)}, missing)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action, in words for the reviewer."""

    done: int
    says: str
    places: frozenset[ColumnRef] = frozenset()  # of an action that may be on many


@dataclass(frozen=True, slots=True)
class Meant:
    """What a bulk accept would take, and what it would leave."""

    number: int
    unclear: int


@dataclass(frozen=True, slots=True)
class Written:
    """A preview or a writing; `digest` names what a preview showed."""

    report: ApplyReport
    digest: str = ""
    written: bool = False
    says: str = ""


@dataclass(frozen=True, slots=True)
class _Tally:
    mark: int
    by_table: dict[str, dict[str, int]]  # by state, and "unclear" among the suggested
    states: Counter[str]


class Desk:
    """One source and its ledger on the reviewers' table; its methods may be called from any thread."""

    def __init__(
        self, source: str, config: Config, catalog: Catalog, ledgers: Ledgers, models: Models
    ) -> None:
        """Take the source as it was typed, its catalog, and what lends ledgers and models."""
        self.ledgers = ledgers
        self.models = models
        self.shown = Shown.of(catalog, config)
        self.config = config
        self._source = source
        self._writing = threading.Lock()
        self._tally: _Tally | None = None
        self._counts: tuple[int, dict[Filter, int]] = (-1, {})

    @property
    def name(self) -> str:
        """The catalog's name in the ledger."""
        return self.shown.catalog.source

    def scoped(self, wanted: Filter) -> Filter:
        """Return a filter held to the tables that the settings choose."""
        if not self.shown.scope:
            return wanted
        chosen = self.shown.scope
        kept = tuple(key for key in wanted.tables if key in self.shown.positions) if wanted.tables else chosen
        return replace(wanted, tables=kept or ("",))  # "" is no table's key: nothing

    def reload(self) -> Outcome:
        """Read the source again and bring the ledger in line with it.

        Raises:
            DocgenError: when the source cannot be read any more; what was read before stays on the page.
        """
        catalog = pipeline.read_catalog(self._source, self.config)
        require_choice(catalog, self.config)
        with self.ledgers.lent() as ledger:
            turned = targets.refresh(catalog, ledger)
        self.shown = Shown.of(catalog, self.config)
        self._tally = None
        changed = f"; {count(len(turned), 'suggestion')} changed state" if turned else ""
        return Outcome(len(turned), f"read again: {count(len(catalog.tables), 'table')}{changed}")

    def tally(self) -> _Tally:
        """Return the numbers by table and state; read again only when the ledger has changed.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        with self.ledgers.lent() as ledger:
            mark, known = ledger.mark(), self._tally
            if known is not None and known.mark == mark:
                return known
            found = ledger.tally(self.name, ("table_key", "state", "origin"))
        tables: dict[str, dict[str, int]] = {}
        totals: Counter[tuple[str, str]] = Counter()
        for (key, state, origin), number in found:
            if key not in self.shown.positions and self.shown.scope:
                continue
            table = tables.get(key)
            if table is None:
                table = tables[key] = {}
            table[state] = table.get(state, 0) + number
            totals[state, origin] += number
            if origin == "unclear" and state == "suggested":
                table["unclear"] = number
        states: Counter[str] = Counter(unclear=totals["suggested", "unclear"])
        for (state, _), number in totals.items():
            states[state] += number
        made = _Tally(mark, tables, states)
        self._tally = made
        return made

    def page(self, wanted: Filter, order: str, after: str, before: str, limit: int) -> tuple[Page, int]:
        """Return a page of suggestions, and how many the filter leaves; counted again only when the ledger has changed.

        Raises:
            LedgerError: when the ledger cannot be read, or a bookmark is none of this order's.
        """
        wanted = self.scoped(wanted)
        with self.ledgers.lent() as ledger:
            mark = ledger.mark()
            if self._counts[0] != mark or len(self._counts[1]) > _COUNTS_KEPT:
                self._counts = (mark, {})
            known = self._counts[1]
            found = ledger.page(self.name, wanted, order, after, before, limit)
            if wanted not in known:
                # the first page without another behind it is all there is: a search in vain looks once
                is_whole = not (after or before or found.next)
                known[wanted] = len(found.rows) if is_whole else ledger.count(self.name, wanted)
        return found, known[wanted]

    def decide(
        self, ref: ColumnRef, version: int, state: str, who: str, text: str = "", why: str = ""
    ) -> Outcome:
        """Change one row, if it still is as the reviewer saw it.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        with self.ledgers.lent() as ledger:
            row = ledger.row(self.name, ref)
            if row is None:
                return Outcome(0, f"{ref}: has no suggestion any more")
            if row.version != version:
                return Outcome(0, _meanwhile(row))
            if state == "edited":
                text = _typed(text)
                problem = _unfit(text)
                if problem:
                    return Outcome(0, problem)
                if text == row.suggestion.text:
                    state = "accepted"
            now = row.suggestion.state
            # an edited text may be edited again; the same words are taken for accepting it, above
            if (state == now and state != "edited") or (state == "accepted" and now == "edited"):
                return Outcome(0, f"{ref}: {now} already")
            if state not in _MAY_BECOME.get(now, ()):
                return Outcome(0, f"{ref}: is {now}, and cannot be {state} any more")
            decision = Decision(row, state, who, text if state == "edited" else None, _typed(why))
            if ledger.decide(self.name, [decision]):
                return Outcome(1, f"{state} {ref}")
            row = ledger.row(self.name, ref)
        return Outcome(0, _meanwhile(row) if row is not None else f"{ref}: has no suggestion any more")

    def undo(self, ref: ColumnRef, version: int, who: str) -> Outcome:
        """Take back the latest decision on one row, if it still is as the reviewer saw it.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        with self.ledgers.lent() as ledger:
            row = ledger.row(self.name, ref)
            if row is None:
                return Outcome(0, f"{ref}: has no suggestion any more")
            if row.version != version:
                return Outcome(0, _meanwhile(row))
            done = ledger.undo(self.name, [row], who)
        return Outcome(len(done), f"took back {ref}" if done else f"{ref}: nothing to take back")

    def undo_latest(self, who: str) -> Outcome:
        """Take back what a reviewer did last, a bulk action as one.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        with self.ledgers.lent() as ledger:
            rows = ledger.latest(self.name, who)
            done = ledger.undo(self.name, rows, who)
        if not done:
            return Outcome(0, "nothing of yours to take back")
        what = str(next(iter(done))) if len(done) == 1 else count(len(done), "decision")
        left = f"; {len(rows) - len(done):,} changed meanwhile" if len(done) < len(rows) else ""
        return Outcome(len(done), f"took back {what}{left}", frozenset(done))

    def meant(self, wanted: Filter) -> Meant:
        """Return what accepting everything open in a filter would take; 'unclear' ones are left for a person.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        with self.ledgers.lent() as ledger:
            found = self._open_by_origin(ledger, wanted)
        unclear = found.pop("unclear", 0)
        return Meant(sum(found.values()), unclear)

    def accept_all(self, wanted: Filter, number: int, who: str) -> Outcome:
        """Accept everything open in a filter as one action, if it is as many as the reviewer was told.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        with self.ledgers.lent() as ledger:
            clear = self._clear(ledger, wanted)
            rows = list(_all_rows(ledger, self.name, clear)) if clear is not None else []
            if len(rows) != number:
                return Outcome(0, f"there are {len(rows):,} now, not {number:,}: look again")
            return self.accept(ledger, rows, who)

    def accept(self, ledger: Ledger, rows: Sequence[Row], who: str) -> Outcome:
        """Accept rows as one action, those that still are as they were read.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        decisions = (Decision(row, "accepted", who) for row in rows)
        done = ledger.decide(self.name, decisions, uuid.uuid4().hex)
        left = (
            f"; {len(rows) - len(done):,} were decided by someone else meanwhile"
            if len(done) < len(rows)
            else ""
        )
        return Outcome(len(done), f"accepted {count(len(done), 'suggestion')}{left}", frozenset(done))

    def _open(self, wanted: Filter) -> Filter | None:
        """Return a filter held to open suggestions, None when it leaves those out."""
        if wanted.states and "suggested" not in wanted.states:
            return None
        return self.scoped(replace(wanted, states=("suggested",)))

    def _open_by_origin(self, ledger: Ledger, wanted: Filter) -> dict[str, int]:
        whole = self._open(wanted)
        return (
            {one[0]: n for one, n in ledger.tally(self.name, ("origin",), whole)} if whole is not None else {}
        )

    def _clear(self, ledger: Ledger, wanted: Filter) -> Filter | None:
        whole = self._open(wanted)
        origins = tuple(one for one in self._open_by_origin(ledger, wanted) if one != "unclear")
        return replace(whole, origins=origins) if whole is not None and origins else None

    def preview(self) -> Written:
        """Return exactly what writing would do, from the source as it is now.

        Raises:
            DocgenError: when the source or the ledger fails.
        """
        with self._writing, self.ledgers.lent() as ledger:
            return self._previewed(ledger)

    def _previewed(self, ledger: Ledger) -> Written:
        report = pipeline.apply(self._source, self.config, ledger, dry_run=True)
        return Written(report, hashlib.sha256(repr(report).encode("utf-8", "replace")).hexdigest())

    def write(self, digest: str) -> Written:
        """Write what a preview showed; when it would be something else by now, return that instead.

        Raises:
            DocgenError: when the source or the ledger fails; nothing was written then.
        """
        with self._writing, self.ledgers.lent() as ledger:
            now = self._previewed(ledger)
            if now.digest != digest:
                return replace(
                    now, says="something changed since you looked: this is what would be written now"
                )
            report = pipeline.apply(self._source, self.config, ledger)
            self.shown = Shown.of(pipeline.read_catalog(self._source, self.config), self.config)
            return Written(report, written=True)


def _all_rows(ledger: Ledger, source: str, wanted: Filter) -> Iterator[Row]:
    after = ""
    while True:
        page = ledger.page(source, wanted, after=after, limit=_AT_ONCE)
        yield from page.rows
        if not page.next:
            return
        after = page.next


def _meanwhile(row: Row) -> str:
    one = row.suggestion
    by = f" by {one.reviewer}" if one.reviewer else ""
    return f"{one.ref}: changed meanwhile, it is {one.state}{by} now; yours was not kept"


def _typed(text: str) -> str:
    """Return what a person typed into a form, with the line ends that everything else has."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def _unfit(text: str) -> str:
    """Return what is wrong with a text to be kept, "" for nothing."""
    if not text:
        return "an empty text is not kept: reject the suggestion instead"
    if any(char < " " and char not in "\n\t" for char in text) or "\x7f" in text:
        return "the text holds control characters that no catalog can keep: take them out"
    return ""
