"""Review in the terminal, like `git add -p`: one suggestion at a time, every decision kept at once."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby

import click

from docgen_plugin.console import count, say, show, visible
from docgen_plugin.model import Catalog, Column, ColumnRef, Table
from docgen_plugin.store import Decision, Ledger, Row

__all__ = ["review"]

_HELP = """\
y - accept this suggestion
n - reject it; nothing is suggested here again until the column changes
e - edit the text, in $VISUAL or $EDITOR when one is set
s - skip it for now
a - accept this and all that is left of this table, what is unclear left out
q - quit; what is decided is kept, the rest waits
? - show this help"""
_NARROW, _WIDE = 40, 100


def review(catalog: Catalog, ledger: Ledger, rows: Sequence[Row], who: str) -> Counter[str]:
    """Ask about each row and return how many were accepted, edited, rejected, kept and skipped.

    Raises:
        LedgerError: when a decision cannot be kept.
    """
    session = _Session(catalog, ledger, who, len(rows))
    for key, group in groupby(rows, key=lambda row: row.suggestion.ref.table):
        table = catalog.table(key)
        assert table is not None, "the rows come from this catalog"
        if not session.ask_table(table, list(group)):
            break
    return session.tally


class _Session:
    """One review: who reviews, and what was decided so far."""

    def __init__(self, catalog: Catalog, ledger: Ledger, who: str, total: int) -> None:
        self.catalog = catalog
        self.ledger = ledger
        self.who = who
        self.total = total
        self.seen = 0
        self.tally: Counter[str] = Counter(accepted=0, edited=0, rejected=0, kept=0, skipped=0)

    def ask_table(self, table: Table, rows: Sequence[Row]) -> bool:
        """Ask about the rows of one table; return whether to go on with the next."""
        for line in _table_lines(table):
            show(line)
        for index, row in enumerate(rows):
            self.seen += 1
            for line in _row_lines(self.catalog, table, row, f"{self.seen} of {self.total}"):
                show(line)
            answer = self._answer(row)
            if answer == "q":
                return False
            if answer == "a":
                self._accept_all(rows[index:])
                self.seen += len(rows) - index - 1
                return True
        return True

    def _answer(self, row: Row) -> str:
        """Ask until one row is dealt with; return the letter that did it."""
        while True:
            letter = _read("[y,n,e,s,a,q,?] ")
            match letter and letter.strip().lower():
                case None | "q":
                    return "q"
                case "y":
                    self._decide(row, "accepted")
                    return "y"
                case "n":
                    self._decide(row, "rejected")
                    return "n"
                case "e":
                    if self._edit(row):
                        return "e"
                case "s":
                    self.tally["skipped"] += 1
                    return "s"
                case "a":
                    return "a"
                case _:
                    show(_HELP)

    def _decide(self, row: Row, state: str, text: str | None = None) -> None:
        if text is None and _stays(row, state):
            self.tally["kept"] += 1
            return
        done = self.ledger.decide(self.catalog.source, [Decision(row, state, self.who, text)])
        if done:
            self.tally[state] += 1
        else:
            show("left as it is: someone else decided on it meanwhile")

    def _edit(self, row: Row) -> bool:
        """Let the reviewer change the text; return whether there is a new one."""
        text = _edited(row.suggestion.text)
        if text is None or text == row.suggestion.text:
            show("unchanged: y accepts it as it is, n rejects it")
            return False
        if not text:
            show("an empty text is not kept: n rejects the suggestion")
            return False
        self._decide(row, "edited", text)
        return True

    def _accept_all(self, rows: Sequence[Row]) -> None:
        clear = [
            row for row in rows if row.suggestion.origin != "unclear" or row.suggestion.state == "edited"
        ]
        asked = [row for row in clear if not _stays(row, "accepted")]
        done = self.ledger.decide(self.catalog.source, [Decision(row, "accepted", self.who) for row in asked])
        self.tally["accepted"] += len(done)
        self.tally["kept"] += len(clear) - len(asked)
        self.tally["skipped"] += len(rows) - len(clear) + len(asked) - len(done)
        if len(clear) < len(rows):
            show(f"left {count(len(rows) - len(clear), 'unclear place')} of this table")


def _stays(row: Row, state: str) -> bool:
    """Return whether a decision was made before: an edited text is an accepted one."""
    return row.suggestion.state == state or (row.suggestion.state == "edited" and state == "accepted")


def _width() -> int:
    return max(_NARROW, min(_WIDE, shutil.get_terminal_size((80, 24)).columns))


def _wrapped(text: str, lead: str) -> list[str]:
    lines = textwrap.wrap(visible(" ".join(text.split())), _width() - len(lead), break_on_hyphens=False)
    return [lead + line for line in lines] or [lead.rstrip()]


def _table_lines(table: Table) -> Iterator[str]:
    yield ""
    where = f", {visible(table.path)}" if table.path else ""
    yield f"== {visible(table.key)} ({table.kind}, {count(len(table.columns), 'column')}{where})"
    if table.description.strip():
        yield from _wrapped(table.description, "   ")


def _row_lines(catalog: Catalog, table: Table, row: Row, position: str) -> Iterator[str]:
    suggestion = row.suggestion
    column = table.column(suggestion.ref.column) if suggestion.ref.column else None
    yield ""
    place = "the table itself" if column is None else visible(suggestion.ref.column)
    yield f"-- {place}  ({position})"
    if column is not None and (facts := _facts(column)):
        yield from _wrapped(facts, "   ")
    origin = f"{suggestion.origin}, confidence {suggestion.confidence:.2f}"
    if suggestion.state != "suggested":
        by = f" by {visible(suggestion.reviewer)}" if suggestion.reviewer else ""
        origin += f"; {suggestion.state}{by}"
    yield f"   {origin}"
    if suggestion.evidence:
        yield from _wrapped(suggestion.evidence, "   ")
    standing = catalog.description(ColumnRef(table.key, suggestion.ref.column)) or ""
    yield from _wrapped(f"there now: {standing.strip() or 'nothing'}", "   ")
    yield from _wrapped(suggestion.text, " > ")


def _facts(column: Column) -> str:
    facts = [column.type]
    facts += ["primary key"] if column.primary_key else []
    facts += ["unique"] if column.unique and not column.primary_key else []
    facts += ["not null"] if column.not_null and not column.primary_key else []
    if column.foreign_key is not None:
        key = column.foreign_key
        facts.append(f"key to {key.table}.{key.column}" if key.column else f"key to {key.table}")
    if column.values:
        shown = ", ".join(column.values[:8])
        facts.append(f"one of {shown}" + (" ..." if len(column.values) > 8 else ""))
    return ", ".join(fact for fact in facts if fact)


def _read(prompt: str) -> str | None:
    """Return a line that the reviewer typed, None at the end of the input."""
    click.echo(prompt, nl=False)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line:
        click.echo()
        return None
    return line.rstrip("\r\n")


def _edited(text: str) -> str | None:
    """Return the text as the reviewer leaves it, None when it was not changed."""
    interactive = sys.stdin.isatty()
    if interactive and (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        try:
            changed = click.edit(text + "\n", extension=".txt")
        except click.ClickException as err:
            say(f"docgen: the editor could not be used: {visible(err.format_message())}")
            return None
        return None if changed is None else changed.strip()
    line = _prefilled("new text: ", text) if interactive else _read("new text: ")
    return None if line is None else line.strip()


def _prefilled(prompt: str, text: str) -> str | None:
    """Return a line typed over a given text, where the terminal can edit lines."""
    try:
        import readline
    except ImportError:  # not on every system
        return _read(prompt)
    readline.set_startup_hook(lambda: readline.insert_text(text))
    try:
        typed: str = input(prompt)
        return typed
    except EOFError:
        return None
    finally:
        readline.set_startup_hook(None)
