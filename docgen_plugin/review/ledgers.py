"""Open ledgers for the threads that answer requests: each is used by one at a time, and kept open for the next."""

from __future__ import annotations

import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from docgen_plugin.errors import LedgerError
from docgen_plugin.store import Ledger

__all__ = ["Ledgers"]

_KEPT_OPEN = 8


class Ledgers:
    """Lends open ledgers of one location; a SQLite file that was replaced or deleted meanwhile is noticed."""

    def __init__(self, opened: Callable[[], Ledger]) -> None:
        """Take what opens the ledger; it is called in any thread."""
        self._opened = opened
        self._idle: queue.LifoQueue[tuple[Ledger, tuple[int, int]]] = queue.LifoQueue()

    @contextmanager
    def lent(self) -> Iterator[Ledger]:
        """Give an open ledger for the time of the block.

        Raises:
            LedgerError: when it cannot be opened, or is gone.
        """
        ledger, file = self._taken()
        try:
            yield ledger
        except BaseException:
            ledger.close()
            raise
        if self._idle.qsize() < _KEPT_OPEN:
            self._idle.put((ledger, file))
        else:
            ledger.close()

    def _taken(self) -> tuple[Ledger, tuple[int, int]]:
        while True:
            try:
                ledger, file = self._idle.get_nowait()
            except queue.Empty:
                break
            # an open SQLite file that was deleted takes decisions and loses them with the process
            if file == _identity(ledger.name):
                return ledger, file
            ledger.close()
        ledger = self._opened()
        if ledger.missing:
            ledger.close()
            raise LedgerError(
                f"no ledger at {ledger.name}: it was there before; put it back, or run docgen suggest"
            )
        return ledger, _identity(ledger.name)

    def close(self) -> None:
        """Close what is not lent at the moment."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait()[0].close()


def _identity(name: str) -> tuple[int, int]:
    """Return what tells one file from another at the same place, zeros where there is no file."""
    try:
        found = Path(name).stat()
    except (OSError, ValueError):
        return 0, 0
    return found.st_dev, found.st_ino
