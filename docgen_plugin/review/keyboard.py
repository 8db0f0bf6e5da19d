"""How a reviewer answers: single keys in a terminal that can, else lines, as from a pipe or a terminal without commands."""

from __future__ import annotations

import os
import select
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click

from docgen_plugin.console import show
from docgen_plugin.errors import ConfigError
from docgen_plugin.review.screen import pages

__all__ = ["Keys", "Lines", "RESIZED", "edited", "opened"]

RESIZED = "resized"  # what `command` returns when the screen is to be drawn again
_ARROWS = {"A": "k", "B": "j", "C": "j", "D": "k"}
_POLL_S = 0.2
_ESCAPE_S = 0.05  # the rest of an arrow's sequence follows at once
_NARROW, _WIDE = 40, 100
_ENDLESS = 1_000_000
_CLEAR = "\x1b[H\x1b[2J"


class Lines:
    """Answers by the line: a letter, and behind a blank what belongs to it. Nothing but text is ever printed."""

    whole_screen = False

    @property
    def cells(self) -> int:
        """How wide a line may be."""
        return max(_NARROW, min(_WIDE, shutil.get_terminal_size((80, 24)).columns))

    @property
    def rows(self) -> int:
        """How many lines may be shown at once, the one of the prompt left out."""
        return max(1, shutil.get_terminal_size().lines - 1) if sys.stdout.isatty() else _ENDLESS

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines below what stands there."""
        for line in lines:
            show(line)

    def command(self, prompt: str) -> tuple[str, str] | None:
        """Return a letter with what stands behind it, "" for what is no such line; None at the end of the input."""
        line = self.line(prompt)
        if line is None:
            return None
        text = line.strip()
        if text[:1] == "/":
            return "/", text[1:].strip()
        letter, _, rest = text.partition(" ")
        return (letter, rest.strip()) if len(letter) == 1 else ("", "")

    def line(self, prompt: str, text: str = "") -> str | None:
        """Return a line that was typed, over `text` where lines can be edited; None at the end of the input."""
        if sys.stdin.isatty():
            return _prefilled(prompt, text)
        click.echo(prompt, nl=False)
        sys.stdout.flush()
        line = sys.stdin.readline()
        if not line:
            click.echo()
            return None
        return line.rstrip("\r\n")

    def choose(self, lines: Sequence[str], prompt: str) -> str:
        """Show lines and return the letter that answers them, "" for none."""
        self.draw(lines)
        answer = self.command(prompt)
        return answer[0].lower() if answer is not None and not answer[1] else ""

    def read(self, lines: Sequence[str]) -> None:
        """Let the reviewer read lines, however many."""
        first, *others = pages(lines, self.rows)
        self.draw(first)
        for part in others:
            if self.choose((), "-- Enter for more, q for no more ") == "q":
                return
            self.draw(part)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Leave the terminal to another program for the time of the block."""
        yield

    def close(self) -> None:
        """Leave the terminal as it was."""


class Keys(Lines):
    """Answers by the key, each screen drawn over the one before and never higher than the window."""

    whole_screen = True

    def __init__(self) -> None:
        import termios

        self._input = sys.stdin.fileno()
        self._before: list[Any] = termios.tcgetattr(self._input)
        self._size = self._measured()
        self._by_key()

    @staticmethod
    def _measured() -> os.terminal_size:
        # NOTE: not by shutil, which prefers COLUMNS: a shell exports that once, and the window changes
        try:
            found = os.get_terminal_size(sys.stdout.fileno())
        except OSError:
            found = os.terminal_size((0, 0))
        return os.terminal_size((found.columns or 80, found.lines or 24))

    @property
    def cells(self) -> int:
        """How wide a line may be: the last cell stays free, some terminals wrap there."""
        return max(4, min(_WIDE, self._measured().columns - 1))

    @property
    def rows(self) -> int:
        """How many lines may be shown at once, the one of the prompt left out."""
        return max(1, self._measured().lines - 1)

    def draw(self, lines: Sequence[str]) -> None:
        """Show lines on an empty screen, as many as there is room for."""
        self._size = self._measured()
        sys.stdout.write(_CLEAR + "".join(f"{line}\n" for line in lines[: self.rows]))
        sys.stdout.flush()

    def command(self, prompt: str) -> tuple[str, str] | None:
        """Return a key, or `RESIZED`; None at the end of the input."""
        sys.stdout.write(prompt)
        sys.stdout.flush()
        key = self._key()
        return None if key is None else (key, "")

    def choose(self, lines: Sequence[str], prompt: str) -> str:
        """Show lines on an empty screen and return the key that answers them, "" for none."""
        while True:
            self.draw(lines)
            answer = self.command(prompt[: self.cells])
            if answer is None or answer[0] != RESIZED:
                return answer[0].lower() if answer is not None else ""

    def line(self, prompt: str, text: str = "") -> str | None:
        """Return a line typed over a text; None when Ctrl-D leaves it."""
        with self.released():
            return _prefilled(prompt, text)

    def read(self, lines: Sequence[str]) -> None:
        """Show lines page by page until the reviewer has done."""
        at = 0
        while True:
            parts = pages(lines, self.rows)
            at = min(at, len(parts) - 1)
            self.draw(parts[at])
            last = at == len(parts) - 1
            where = f"page {at + 1} of {len(parts)}: " if len(parts) > 1 else ""
            key = self.command(
                f"-- {where}any key {'leaves' if last else 'on'}, k back, q leaves "[: self.cells]
            )
            if key is None or key[0] in ("q", "\x1b") or (last and key[0] not in ("k", "p", RESIZED)):
                return
            at = max(0, at - 1) if key[0] in ("k", "p") else at + (key[0] != RESIZED)

    @contextmanager
    def released(self) -> Iterator[None]:
        """Leave the terminal to another program for the time of the block."""
        self.close()
        try:
            yield
        finally:
            self._by_key()

    def close(self) -> None:
        """Leave the terminal as it was, the line of the prompt empty."""
        import termios

        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()
        termios.tcsetattr(self._input, termios.TCSADRAIN, self._before)

    def _by_key(self) -> None:
        """Take keys as they are pressed, unseen, those that were typed ahead too; Ctrl-C stays what it is."""
        import termios

        mode = termios.tcgetattr(self._input)
        mode[3] &= ~(termios.ICANON | termios.ECHO)
        mode[6][termios.VMIN], mode[6][termios.VTIME] = 1, 0
        termios.tcsetattr(self._input, termios.TCSADRAIN, mode)

    def _key(self) -> str | None:
        import termios

        while True:
            if self._ready(_POLL_S):
                key = self._pressed()
                if key != "\n":  # people who answer with Enter mean the key before it
                    return key
            elif self._measured() != self._size:
                return RESIZED
            elif termios.tcgetattr(self._input)[3] & termios.ICANON:
                self._by_key()  # stopped with Ctrl-Z and brought back by a shell that changed it
                return RESIZED

    def _ready(self, seconds: float) -> bool:
        return bool(select.select([self._input], [], [], seconds)[0])

    def _pressed(self) -> str | None:
        """Return one key: a letter, the letter that an arrow stands for, "" for any other command of the keyboard."""
        try:
            first = os.read(self._input, 1)
        except OSError:  # the terminal is gone
            return None
        if not first or first == b"\x04":
            return None
        if first == b"\x0c":
            return RESIZED
        if first == b"\x1b":
            if not self._ready(_ESCAPE_S):
                return "\x1b"
            sequence = b""
            while self._ready(_ESCAPE_S) and len(sequence) < 16:
                sequence += os.read(self._input, 1)
                if len(sequence) > 1 and 0x40 <= sequence[-1] <= 0x7E:
                    break
            return _ARROWS.get(sequence[-1:].decode("ascii", "replace"), "") if len(sequence) == 2 else ""
        rest = {0xC0: 1, 0xE0: 2, 0xF0: 3}
        more = next((number for begin, number in reversed(rest.items()) if first[0] >= begin), 0)
        return (first + (os.read(self._input, more) if more else b"")).decode("utf-8", "replace")


def opened() -> Lines:
    """Return what fits how docgen runs: keys where both ends are a terminal that can be drawn on, else lines."""
    draws = os.environ.get("TERM", "") not in ("", "dumb")
    if draws and sys.stdin.isatty() and sys.stdout.isatty():
        try:
            return Keys()
        except ImportError:  # no termios on this system
            pass
    return Lines()


def edited(keyboard: Lines, text: str) -> str | None:
    """Return a text as the reviewer leaves it, None when nothing was done about it.

    Raises:
        ConfigError: when the editor that is set cannot be used.
    """
    if sys.stdin.isatty() and (os.environ.get("VISUAL") or os.environ.get("EDITOR")):
        try:
            with keyboard.released():
                changed = click.edit(text + "\n", extension=".txt")
        except click.ClickException as err:
            raise ConfigError(
                f"the editor could not be used: {err.format_message()}; set $EDITOR to one that is there, or to nothing"
            ) from err
        return None if changed is None else changed.strip()
    # a line cannot hold line ends, and a terminal would obey what else is not printable
    plain = "".join(char for char in " ".join(text.split()) if char.isprintable())
    line = keyboard.line("new text: ", plain)
    if line is None:
        return None
    typed = line.strip()
    return text if typed == plain else typed


def _prefilled(prompt: str, text: str) -> str | None:
    """Return a line typed over a given text, where the terminal can edit lines; None when it was left with Ctrl-D."""
    try:
        import readline
    except ImportError:  # not on every system
        readline = None  # type: ignore[assignment]
    else:
        readline.set_auto_history(False)
        readline.set_startup_hook(lambda: readline.insert_text(text))
    try:
        return input(prompt)
    except EOFError:
        return None
    finally:
        if readline is not None:
            readline.set_startup_hook(None)
