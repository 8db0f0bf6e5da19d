"""What a training run shows, and how it is stopped: a bar or a line now and then with loss, speed, time left; the curve."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

__all__ = ["Reporter", "plot_losses", "span", "stoppable"]

_LINE_EVERY_S = 30.0
_TELLING = 0.002  # part of the budget from which on the time left can be told
_RECENT = 50  # steps that the shown speed is a mean of


class Reporter:
    """Shows a run on standard error while it lasts."""

    def __init__(self, rate_unit: float = 0.0, console: Console | None = None) -> None:
        """Take what share of the card's matrix rate one token a second is, 0 to leave that out."""
        self._console = console or Console(stderr=True)
        self._unit = rate_unit
        self._recent: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._told = 0.0
        columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"))
        self._bar = Progress(*columns, console=self._console) if self._console.is_terminal else None
        self._task = self._bar.add_task("", total=1.0) if self._bar else None

    def __enter__(self) -> Reporter:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(
        self, step: int, tokens: int, loss: float, spent_s: float, left_s: float, progress: float
    ) -> None:
        """Show where the run stands: mean loss in nats a target token, tokens a second of the last steps, time left."""
        self._recent.append((spent_s, tokens))
        (from_s, from_tokens), (to_s, to_tokens) = self._recent[0], self._recent[-1]
        rate = (to_tokens - from_tokens) / (to_s - from_s) if to_s > from_s else tokens / max(spent_s, 1e-9)
        text = f"step {step}  {tokens / 1e6:.2f}M tokens  loss {loss:.3f}  {rate:,.0f} tok/s"
        if progress > _TELLING:
            text += f"  {span(left_s)} left"
        if self._unit:
            text += f"  {rate * self._unit:.0%} of the card"
        if self._bar and self._task is not None:
            self._bar.update(self._task, completed=progress, description=text)
        elif time.monotonic() - self._told > _LINE_EVERY_S:
            self._told = time.monotonic()
            self._console.print(text, highlight=False)


def span(seconds: float) -> str:
    """Return a length of time in words.

    >>> span(40), span(600), span(7800)
    ('40 s', '10 min', '2 h 10 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


@contextmanager
def stoppable() -> Iterator[list[int]]:
    """Collect the signals that ask to stop instead of dying of them, while the block runs in the main thread."""
    caught: list[int] = []
    kept = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            kept[number] = signal.signal(number, lambda got, _frame: caught.append(got))
    except ValueError:  # not the main thread: signals go elsewhere
        pass
    try:
        yield caught
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def plot_losses(
    losses: Sequence[tuple[int, float]], out: Path, valid: Sequence[tuple[int, float]] = ()
) -> None:
    """Write the loss curve as a PNG: nats a target token over tokens seen; the losses on `valid` as points of their own."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    axes.plot([tokens / 1e6 for tokens, _ in losses], [loss for _, loss in losses], linewidth=1.4)
    if valid:
        axes.plot([tokens / 1e6 for tokens, _ in valid], [loss for _, loss in valid], "o--", label="valid")
        axes.legend()
    axes.set_xlabel("million tokens")
    axes.set_ylabel("loss, nats a target token (running mean)")
    axes.grid(alpha=0.3)
    figure.savefig(out)
