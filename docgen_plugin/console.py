"""What people and machines see: escaped names, lines, JSON, and progress on what takes over two seconds."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from docgen_plugin.interrupts import check

__all__ = [
    "columns_progress",
    "count",
    "emit",
    "say",
    "show",
    "table_lines",
    "visible",
    "visible_lines",
    "working",
]

_PATIENCE_S = 2.0


def visible(text: str) -> str:
    """Return a text with control characters, terminal escapes and bidirectional marks shown as escapes.

    >>> visible("a\\x1b[31mb\\nc")
    'a\\\\x1b[31mb\\\\nc'
    """
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text
    )


def visible_lines(text: str) -> str:
    """Return a text of several lines, such as a diff, with everything but line ends and tabs made `visible`.

    >>> visible_lines("a\\n\\tb\\x1b")
    'a\\n\\tb\\\\x1b'
    """
    return "\n".join("\t".join(visible(part) for part in line.split("\t")) for line in text.split("\n"))


def count(number: int, noun: str, many: str = "") -> str:
    """Return a number with its noun.

    >>> count(1, "table"), count(1200, "table"), count(0, "reply", "replies")
    ('1 table', '1,200 tables', '0 replies')
    """
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def show(line: str = "") -> None:
    """Print a line of the result on standard output; names in it are made `visible` by the caller."""
    click.echo(line)


def say(line: str) -> None:
    """Print a line for the person on standard error."""
    click.echo(line, err=True)


def emit(result: Any) -> None:
    """Print a result for machines on standard output."""
    click.echo(json.dumps(result, ensure_ascii=True, indent=2))


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the lines of a plain table, the first column to the left, the others to the right.

    >>> list(table_lines(("table", "n"), [("orders", "12")]))
    ['table    n', 'orders  12']
    """
    cells = [tuple(head), *(tuple(visible(cell) for cell in row) for row in rows)]
    widths = [max(len(row[index]) for row in cells) for index in range(len(head))]
    for row in cells:
        rest = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        yield "  ".join([row[0].ljust(widths[0]), *rest]).rstrip()


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show a spinner on standard error while something takes over two seconds, on a terminal only."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    status = Console(stderr=True).status(f"{what} ...")
    timer = threading.Timer(_PATIENCE_S, status.start)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        status.stop()


@contextmanager
def columns_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Give a function (done, total) that draws a bar on standard error after two seconds, on a terminal only."""
    if not sys.stderr.isatty():
        yield lambda done, total: check()
        return
    bar = _Bar(what)
    try:
        yield bar.update
    finally:
        bar.stop()


class _Bar:
    """A rich progress bar that appears when the work turns out to be long."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._began = time.monotonic()
        self._progress: Any = None
        self._task: Any = None

    def update(self, done: int, total: int) -> None:
        """Draw the state of the work."""
        check()
        seconds = time.monotonic() - self._began
        if self._progress is None:
            if seconds < _PATIENCE_S:
                return
            self._start(total)
        self._progress.update(
            self._task, completed=done, total=total, rate=f"{done / seconds:,.1f} columns/s"
        )

    def _start(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
        )
        self._progress.start()
        self._task = self._progress.add_task(self._what, total=total, rate="")

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._progress is not None:
            self._progress.stop()
