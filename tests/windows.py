"""A terminal window for tests: a real process in a real pseudo-terminal, and what a person would see of it."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import pexpect
import pyte

__all__ = ["Window", "shop_program"]

ROOT = Path(__file__).parent.parent
_PATIENCE_S = 60
_SHOP = """
import sys
sys.path.insert(0, {root!r})
from docgen_plugin.cli import main
from docgen_plugin.plugins import manager
from tests.fakes import FakeModel, Shop
from {module} import {tables}
{first}
manager().register(Shop(*{tables}))
manager().register(FakeModel())
main({arguments!r})
"""
# all that the review may send besides text: clear the screen or the rest of a line, and what readline sends
_SENT = re.compile(r"\x1b\[H\x1b\[2J|\r\x1b\[K|\x1b\[\?2004[hl]|\x1b\[[0-9]*[CKPDJA@G]|[\r\n\x08]")


def shop_program(module: str, tables: str, *arguments: str, first: str = "") -> list[str]:
    """Return the command that runs docgen on the tables that a module of tests calls so, with a stand-in for the model."""
    text = _SHOP.format(root=str(ROOT), module=module, tables=tables, arguments=list(arguments), first=first)
    return [sys.executable, "-c", text]


class _Screen(pyte.Screen):
    """A screen that counts the lines that were pushed out at its top."""

    scrolled = 0

    def index(self) -> None:
        if self.cursor.y == self.lines - 1:
            self.scrolled += 1
        super().index()


class Window:
    """A terminal of so many columns and rows with a program in it."""

    def __init__(
        self, program: list[str], folder: Path, columns: int = 80, rows: int = 24, **environment: str
    ) -> None:
        self.sent = ""
        self._screen = _Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self.child = pexpect.spawn(
            program[0],
            program[1:],
            cwd=str(folder),
            env={"PATH": "/usr/bin:/bin", "TERM": "xterm", "LANG": "C.UTF-8", **environment},
            dimensions=(rows, columns),
            encoding="utf-8",
            timeout=_PATIENCE_S,
        )
        self.child.delaybeforesend = None

    @property
    def lines(self) -> list[str]:
        """What the rows show."""
        return [line.rstrip() for line in self._screen.display]

    @property
    def text(self) -> str:
        """All that the window shows."""
        return "\n".join(self.lines)

    @property
    def scrolled(self) -> int:
        """How many lines were pushed out at the top."""
        return self._screen.scrolled

    @property
    def strange(self) -> str:
        """What the program sent that is neither text nor one of the few commands that the review uses."""
        return "".join(char for char in _SENT.sub("", self.sent) if not char.isprintable())

    def _take(self, seconds: float) -> bool:
        """Take in what the program sends within some time; return whether it is still there."""
        try:
            part = self.child.read_nonblocking(100_000, seconds)
        except pexpect.TIMEOUT:
            return True
        except pexpect.EOF:
            return False
        self.sent += part
        # NOTE: pyte drops what follows a variation selector
        self._stream.feed(part.replace("\ufe0f", ""))
        return True

    def wait(self, text: str) -> None:
        """Wait until the window shows a text."""
        end = time.monotonic() + _PATIENCE_S
        while text not in self.text:
            assert self._take(0.1) or text in self.text, f"ended without {text!r}:\n{self.text}"
            assert time.monotonic() < end, f"no {text!r} within {_PATIENCE_S} s:\n{self.text}"

    def press(self, keys: str, shown: str = "") -> None:
        """Press keys, and wait until the window shows a text."""
        self.child.send(keys)
        if shown:
            self.wait(shown)

    def resize(self, columns: int, rows: int) -> None:
        """Give the window another size."""
        self._screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def end(self) -> int:
        """Wait for the program to end and return its exit code."""
        end = time.monotonic() + _PATIENCE_S
        while self._take(0.1):
            assert time.monotonic() < end, f"goes on:\n{self.text}"
        self.child.close()
        assert self.child.exitstatus is not None
        return int(self.child.exitstatus)
