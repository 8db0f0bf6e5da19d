"""Review in the terminal, like `git add -p`: one suggestion at a time, every decision kept at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from docgen_plugin.console import count, visible, working
from docgen_plugin.errors import ConfigError, DocgenError, LedgerError
from docgen_plugin.model import ColumnRef
from docgen_plugin.review import screen
from docgen_plugin.review.desk import Desk, Outcome
from docgen_plugin.review.filters import parse, spoken
from docgen_plugin.review.keyboard import RESIZED, Lines, edited, opened
from docgen_plugin.review.walk import Scope, Walk
from docgen_plugin.store import Filter, Row

__all__ = ["REASONS", "review"]

REASONS = ("wrong", "says no more than the name", "too vague", "claims what nothing shows", "badly worded")
_HELP = """\
y - accept this suggestion
n - reject it, with a reason if you like; it comes again when the column changes
e - edit the text, in $VISUAL or $EDITOR when one is set
u - undo what you did last, a bulk action as one; again for the one before
s - skip it for now (j and the arrow down too)
p - back to the one before (k and the arrow up too)
a - accept this and all that is left of this table, what is unclear left out
A - accept all of the filter above a confidence; asks with the number first
/ - filter: state:open origin:generated confidence:>0.8 owner:finance
    folder:models/marts table:stg_* and words to search for; empty for all
r - another text from the model, with a hint of yours
c - context: exactly what the model is given
h - history of this place
v - the whole of it, when something did not fit
q - quit; what is decided is kept, the rest waits
? - show this help
By the line, what belongs to a letter stands behind it: n too vague, A 0.8,
r hint, e words, /words."""
_LINE_PROMPT = "[y,n,e,u,s,p,a,A,/,r,c,h,v,q,?] "
_KEY_PROMPT = "y accept, n reject, e edit, u undo, s skip, a table, / filter, ? keys, q quit "
_END_PROMPT = "that was the last: p back, u undo, / filter, q quit "
_ACCEPTABLE = ("suggested", "rejected")
_BARE = frozenset("yuspkjachvq?")  # what takes nothing behind the letter


def review(desk: Desk, wanted: Filter, select: Sequence[str], who: str) -> Counter[str] | None:
    """Ask about each place and return how many were accepted, edited, rejected, kept and skipped; None where there is none.

    Args:
        wanted: what to go through; its states are those that a filter typed meanwhile has if it names none.
        select: globs over tables and table.column; none mean all.

    Raises:
        ConfigError: when the filter names tables and there are none of these.
        LedgerError: when the ledger cannot be used, or by the line a decision cannot be kept.
    """
    scope = Scope(desk.shown.catalog, desk.config, select)
    decided: dict[ColumnRef, str] = {}
    walk = Walk(scope, desk.ledgers, wanted, decided)
    if walk.here is None:
        return None
    with closing(opened()) as keyboard:
        _Session(desk, scope, walk, decided, who, keyboard).run()
    return Counter(accepted=0, edited=0, rejected=0, kept=0, skipped=0) + Counter(decided.values())


class _Session:
    """One review: who reviews, where, and what was decided so far."""

    def __init__(
        self, desk: Desk, scope: Scope, walk: Walk, decided: dict[ColumnRef, str], who: str, keyboard: Lines
    ) -> None:
        self.desk, self.scope, self.walk, self.who, self.keyboard = desk, scope, walk, who, keyboard
        self.base = walk.wanted
        self.decided = decided
        self.notes: list[str] = []
        self.table = ""  # whose introduction was shown last

    def run(self) -> None:
        """Ask until the reviewer quits, or by the line all is gone through."""
        while self.keyboard.whole_screen or self.walk.here is not None:
            row = self._row()
            self._draw(row)
            if not self._asked(row):
                return
        self._draw(None)

    def _asked(self, row: Row | None) -> bool:
        """Act on one answer, asking again while it is none; return whether to go on."""
        while True:
            answer = self.keyboard.command(self._prompt(row))
            if answer is None or (answer[0].lower() == "q" and not answer[1]):
                return False
            try:
                if self._act(*answer, row):
                    return True
            except LedgerError as err:
                if not self.keyboard.whole_screen:
                    raise  # the next line would be taken for an answer to another question
                self.notes.append(str(err))
            except DocgenError as err:
                self.notes.append(str(err))
            if self.keyboard.whole_screen:
                return True
            self.keyboard.draw([line for note in self.notes for line in self._wrapped(note)])
            self.notes.clear()

    def _prompt(self, row: Row | None) -> str:
        if not self.keyboard.whole_screen:
            return _LINE_PROMPT
        cells = self.keyboard.cells
        if row is None:
            return _END_PROMPT[:cells]
        return _KEY_PROMPT if len(_KEY_PROMPT) <= cells else _LINE_PROMPT[:cells]

    def _act(self, letter: str, rest: str, row: Row | None) -> bool:
        """Do what a letter says; return whether the screen is to be drawn anew, with the place that is then current."""
        if letter == RESIZED:
            return True
        key = letter if letter == "A" else letter.lower()
        if rest and key in _BARE:
            key = ""
        match key:
            case "u":
                return self._undo()
            case "/":
                return self._filter(rest)
            case "A":
                return self._accept_filter(rest)
            case "p" | "k":
                if self.walk.back():
                    return True
                self.notes.append("this is the first")
                return False
            case "?":
                self.keyboard.read(_HELP.splitlines())
                return False
        if row is None:
            return False
        match key:
            case "y":
                return self._decide(row, "accepted")
            case "n":
                return self._reject(row, rest)
            case "e":
                return self._edit(row, rest)
            case "s" | "j":
                return self._skip(row)
            case "a":
                return self._accept_table(row)
            case "r":
                return self._again(row, rest)
            case "c" | "h" | "v":
                return self._read(key, row)
        if self.keyboard.whole_screen:
            self.notes.append("? shows the keys")
        else:
            self.keyboard.read(_HELP.splitlines())
        return False

    def _row(self) -> Row | None:
        """Return the row of the current place; one that is gone is passed over."""
        while (ref := self.walk.here) is not None:
            with self.desk.ledgers.lent() as ledger:
                row = ledger.row(self.desk.name, ref)
            if row is not None:
                return row
            self.walk.forward(self.notes.append)
        return None

    def _shown(self, row: Row) -> screen.PlaceShown:
        ref = row.suggestion.ref
        table = self.desk.shown.catalog.table(ref.table)
        assert table is not None, "the walk goes through this catalog"
        states: dict[str, str] = {}
        if self.keyboard.whole_screen:
            with self.desk.ledgers.lent() as ledger:
                found = list(ledger.rows(self.desk.name, [table.key]))
            states = {one.suggestion.ref.column: one.suggestion.state for one in found}
        standing = self.desk.shown.catalog.description(ref) or ""
        filtered = self._said(self.walk.wanted) if self.walk.wanted != self.base else ""
        position = f"{self.walk.position:,} of {self.walk.total:,}"
        return screen.PlaceShown(table, row, standing, position, states, filtered)

    def _draw(self, row: Row | None, below: int = 0) -> None:
        """Show the current place and what there is to say, leaving so many rows below free."""
        cells, rows = self.keyboard.cells, max(1, self.keyboard.rows - below)
        notes = [line for note in self.notes for line in self._wrapped(note)]
        self.notes.clear()
        if row is None:
            self.keyboard.draw(notes[-rows:])
        elif self.keyboard.whole_screen:
            self.keyboard.draw(screen.composed(self._shown(row), cells, rows, notes))
        else:
            lines = [*notes, *self._block(row)]
            if len(lines) > rows:
                lines = screen.composed(self._shown(row), cells, rows, notes)
            self.keyboard.draw(lines)

    def _block(self, row: Row) -> list[str]:
        """Return a place as it is shown by the line, behind its table's introduction where that is new."""
        shown, cells = self._shown(row), self.keyboard.cells
        head = [] if self.table == shown.table.key else ["", *screen.table_lines(shown.table, cells)]
        self.table = shown.table.key
        return [*head, "", *(line for group in screen.place_lines(shown, cells) for line in group)]

    def _wrapped(self, text: str) -> list[str]:
        return screen.wrapped(text, self.keyboard.cells)

    def _next(self) -> bool:
        self.walk.forward(self.notes.append)
        return True

    def _skip(self, row: Row) -> bool:
        self.decided.setdefault(row.suggestion.ref, "skipped")
        return self._next()

    def _decide(self, row: Row, state: str, text: str = "", why: str = "") -> bool:
        """Keep a decision and go on; one that cannot be kept is told, and asked again unless someone else decided."""
        ref = row.suggestion.ref
        if not text and _stays(row, state):
            self.decided[ref] = "kept"
            return self._next()
        outcome = self.desk.decide(ref, row.version, state, self.who, text, why)
        if outcome.done:
            self.decided[ref] = state
            return self._next()
        self.notes.append(outcome.says)
        with self.desk.ledgers.lent() as ledger:
            now = ledger.row(self.desk.name, ref)
        if now is not None and now.version == row.version:
            return False
        self.decided.setdefault(ref, "skipped")
        return self._next()

    def _reject(self, row: Row, why: str) -> bool:
        if self.keyboard.whole_screen:
            offered = "  ".join(f"{number} {reason}" for number, reason in enumerate(REASONS, 1))
            self.notes.append(f"reasons: {offered}; or in your own words, Enter for none, Ctrl-D to leave it")
            self._draw(row, below=2)
            typed = self.keyboard.line("reject because: ")
            if typed is None:
                return True
            why = typed.strip()
        if why.isascii() and why.isdecimal() and 1 <= int(why[:3]) <= len(REASONS):
            why = REASONS[int(why[:3]) - 1]
        return self._decide(row, "rejected", why=why)

    def _edit(self, row: Row, typed: str) -> bool:
        text = row.suggestion.text
        if typed:
            return self._decide(row, "edited", typed)
        if self.keyboard.whole_screen:
            self._draw(row, below=self.keyboard.rows // 2)
        changed = edited(self.keyboard, text)
        if changed is None or changed == text:
            self.notes.append("unchanged: y accepts it as it is, n rejects it")
            return False
        if not changed:
            self.notes.append("an empty text is not kept: n rejects the suggestion")
            return False
        return self._decide(row, "edited", changed)

    def _undo(self) -> bool:
        outcome = self.desk.undo_latest(self.who)
        self.notes.append(outcome.says)
        for ref in outcome.places:
            self.decided.pop(ref, None)
        first = min(outcome.places, key=self._order, default=None)
        return first is not None and self.walk.jump(first)

    def _order(self, ref: ColumnRef) -> tuple[int, int]:
        table = self.desk.shown.catalog.table(ref.table)
        at = self.desk.shown.positions.get(ref.table, len(self.desk.shown.positions))
        return at, table.position(ref.column) if table is not None else 0

    def _accept_table(self, row: Row) -> bool:
        """Accept this place and those behind it in its table, as one action."""
        behind = set(self.walk.rest())
        table = self.desk.shown.catalog.table(row.suggestion.ref.table)
        assert table is not None, "the walk goes through this catalog"
        with self.desk.ledgers.lent() as ledger:
            found = self.scope.rows(ledger, [table], self.walk.wanted)
            rows = [one for one in found if one.suggestion.ref in behind]
            clear = [one for one in rows if _is_clear(one)]
            asked = [one for one in clear if one.suggestion.state in _ACCEPTABLE]
            outcome = self.desk.accept(ledger, asked, self.who)
        for one in rows:
            self.decided.setdefault(one.suggestion.ref, "skipped")
        self.decided.update((one.suggestion.ref, "kept") for one in clear if _stays(one, "accepted"))
        self._took(outcome)
        if len(clear) < len(rows):
            self.notes.append(f"left {count(len(rows) - len(clear), 'unclear place')} of this table")
        self.walk.leave_table(self.notes.append)
        return True

    def _accept_filter(self, typed: str) -> bool:
        """Accept everything open that the filter leaves above a confidence, after saying how many they are."""
        if self.keyboard.whole_screen:
            self._draw(self._row(), below=2)
            asked = self.keyboard.line("accept all of the filter, from which confidence (Enter for any)? ")
            if asked is None:
                return True
            typed = asked.strip()
        wanted = self._open(typed)
        with working("looking through the suggestions"), self.desk.ledgers.lent() as ledger:
            found = list(self.scope.every(ledger, wanted))
            rows = [row for row in found if _is_clear(row)]
        left = f"; {len(found) - len(rows):,} unclear are left" if len(rows) < len(found) else ""
        narrowed = spoken(replace(wanted, states=()))
        meant = f"is meant by {narrowed}" if narrowed else "is left"
        if not rows:
            self.notes.append(f"nothing open {meant}{left}")
            return False
        all_of = f"of {narrowed}" if narrowed else "of all tables"
        question = f"accept {count(len(rows), 'open suggestion')} {all_of}{left}?"
        asking = "y accepts them, anything else leaves them "
        if self.keyboard.choose(self._wrapped(question), asking) != "y":
            self.notes.append("nothing was accepted")
            return False
        with self.desk.ledgers.lent() as ledger:
            self._took(self.desk.accept(ledger, rows, self.who))
        here = self.walk.here
        return self._next() if here is not None and here in self.decided else True

    def _open(self, least: str) -> Filter:
        """Return the filter held to what is open and has at least this confidence."""
        if "suggested" not in self.walk.wanted.states:
            raise ConfigError(
                f"A accepts what is open, and the filter leaves that out: {spoken(self.walk.wanted)}"
            )
        wanted = replace(self.walk.wanted, states=("suggested",))
        if not least:
            return wanted
        asked = parse(f"confidence:{least}")
        if asked.min_confidence is None or asked.max_confidence is not None or asked.search:
            raise ConfigError(f"A takes the least confidence, such as 0.8, and not {least!r}")
        return replace(wanted, min_confidence=max(wanted.min_confidence or 0.0, asked.min_confidence))

    def _took(self, outcome: Outcome) -> None:
        self.decided.update((ref, "accepted") for ref in outcome.places)
        if outcome.places or "meanwhile" in outcome.says:
            self.notes.append(f"{outcome.says}; u takes them back")

    def _filter(self, typed: str) -> bool:
        if self.keyboard.whole_screen:
            now = f"{self._said(self.walk.wanted)} " if self.walk.wanted != self.base else ""
            self._draw(self._row(), below=2)
            asked = self.keyboard.line("filter: ", now)
            if asked is None:
                return True
            typed = asked
        wanted = parse(typed) if typed.strip() else self.base
        if not wanted.states:
            wanted = replace(wanted, states=self.base.states)
        walk = Walk(self.scope, self.desk.ledgers, wanted, self.decided)
        if walk.here is None:
            self.notes.append(f"no suggestion is meant by {self._said(wanted)}; the filter stays as it was")
            return False
        self.walk, self.table = walk, ""
        return True

    def _said(self, wanted: Filter) -> str:
        """Return a filter in words, its states left out where they are the review's own."""
        return spoken(replace(wanted, states=() if wanted.states == self.base.states else wanted.states))

    def _again(self, row: Row, hint: str) -> bool:
        """Show another text of the model; taken, it is an edit of the reviewer's."""
        ref = row.suggestion.ref
        if self.keyboard.whole_screen:
            self._draw(row, below=2)
            asked = self.keyboard.line("what should the model know? ")
            if asked is None:
                return True
            hint = asked.strip()
        with working("asking the model"):
            found = self.desk.models.alternative(self.desk.shown.catalog, ref, "", hint)
        head = [visible(str(ref))] if self.keyboard.whole_screen else []
        lines = [*head, *screen.alternative_lines(found, self.keyboard.cells)]
        if not found.text or found.text == row.suggestion.text:
            self.notes += lines if not found.text else ["the model says the same again"]
            return False
        if self.keyboard.choose(lines, "t takes it as your edit, anything else leaves it ") != "t":
            self.notes.append("left as it was")
            return False
        why = f"asked {found.model} again" + (f", told: {hint}" if hint else "")
        return self._decide(row, "edited", found.text, why)

    def _read(self, what: str, row: Row) -> bool:
        """Show the history, the context or the whole of a place; it stays the current one."""
        cells, ref = self.keyboard.cells, row.suggestion.ref
        lines = screen.wrapped(str(ref), cells)
        if what == "h":
            with self.desk.ledgers.lent() as ledger:
                lines += screen.history_lines(ledger.history(self.desk.name, ref), cells)
        elif what == "c":
            given = self.desk.models.given(self.desk.shown.catalog, ref)
            lines += screen.given_lines(given, cells)
        else:
            shown = self._shown(row)
            groups = screen.place_lines(shown, cells)
            lines = [*screen.table_lines(shown.table, cells), *(line for group in groups for line in group)]
        self.keyboard.read(lines)
        return False


def _stays(row: Row, state: str) -> bool:
    """Return whether a decision was made before: an edited text is an accepted one."""
    return row.suggestion.state == state or (row.suggestion.state == "edited" and state == "accepted")


def _is_clear(row: Row) -> bool:
    return row.suggestion.origin != "unclear" or row.suggestion.state == "edited"
