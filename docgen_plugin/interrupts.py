"""Ctrl-C that is never lost: Python drops the KeyboardInterrupt that it raises inside a callback or a finaliser.

A library in C that calls back, such as a logger of llama.cpp, or a weak reference that dies at that moment can
swallow it, and a command of minutes would go on as if nothing had been asked. So the signal is remembered too,
and long loops ask with `check`.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

__all__ = ["came", "check", "remembered"]

_came = threading.Event()


def came() -> bool:
    """Return whether Ctrl-C was pressed while `remembered` was in force."""
    return _came.is_set()


def check() -> None:
    """Raise the KeyboardInterrupt that came while `remembered` was in force; nothing when none did."""
    if came():
        raise KeyboardInterrupt


@contextmanager
def remembered() -> Iterator[None]:
    """Remember Ctrl-C besides raising it, and keep Python quiet about one that it had to drop.

    Where someone else handles the signal, or ignores it as a shell does for what runs in its background,
    nothing changes.
    """
    alone = threading.current_thread() is threading.main_thread()
    if not alone or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    report = sys.unraisablehook

    def quiet(unraisable: Any) -> None:
        if unraisable.exc_type is not KeyboardInterrupt:
            report(unraisable)

    _came.clear()
    signal.signal(signal.SIGINT, _note)
    sys.unraisablehook = quiet
    try:
        yield
    finally:
        sys.unraisablehook = report
        signal.signal(signal.SIGINT, signal.default_int_handler)
        _came.clear()


def _note(number: int, frame: FrameType | None) -> None:
    _came.set()
    raise KeyboardInterrupt
