"""What an operation says through dbt's log: a line an event, so that `--log-format json` stays JSON."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from docgen_plugin.cli_source import told_answered
from docgen_plugin.console import count, table_lines
from docgen_plugin.interrupts import check
from docgen_plugin.model import Catalog, ColumnRef, Suggestion
from docgen_plugin.pipeline import SuggestReport

__all__ = ["Log", "progress", "tell_left", "tell_states", "tell_suggested", "tell_table", "tell_texts"]

Log = Callable[[str], None]

_EVERY_S = 5.0
_SHOWN = 20
_WIDTH = 100  # of a text in a table


def progress(log: Log) -> Callable[[int, int], None]:
    """Return what logs a line every five seconds, and lets a Ctrl-C through that the model's library swallowed."""
    told_at = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told_at
        check()
        if time.monotonic() - told_at > _EVERY_S:
            told_at = time.monotonic()
            log(f"{done:,} of {count(total, 'place')}")

    return tell


def tell_table(log: Log, head: Sequence[str], rows: Sequence[Sequence[str]], more: str = "table") -> None:
    """Log a plain table, cut to some rows; nothing when it has none."""
    if not rows:
        return
    for line in table_lines(head, rows[:_SHOWN]):
        log(line)
    if len(rows) > _SHOWN:
        log(f"... and {count(len(rows) - _SHOWN, f'more {more}')}")


def tell_suggested(log: Log, report: SuggestReport) -> None:
    """Log what a run of the pipeline suggested."""
    if report.turned:
        log(
            f"{count(report.turned, 'earlier suggestion')} changed state because the project or the model changed"
        )
    if not report.targets:
        log("nothing to suggest: every table and column has a description or a suggestion")
        return
    origins = ", ".join(f"{number:,} {origin}" for origin, number in report.by_origin.items())
    speed = f" in {report.seconds:.1f} s" if report.seconds >= 0.1 else ""
    log(f"{count(report.suggested, 'suggestion')} of {report.targets:,}{speed} ({origins or 'none'})")
    if report.answered:
        log(told_answered(report))


def tell_texts(log: Log, catalog: Catalog, suggestions: Sequence[Suggestion]) -> None:
    """Log some suggestions with their texts."""
    rows = [
        (_shown(catalog, one.ref), f"{one.confidence:.2f}", one.origin, _cut(one.text)) for one in suggestions
    ]
    if not rows:
        return
    head = ("place", "sure", "origin", "text")
    widths = [max(len(row[index]) for row in [head, *rows[:_SHOWN]]) for index in range(3)]
    for row in [head, *rows[:_SHOWN]]:
        log("  ".join([*(cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)), row[3]]))
    if len(rows) > _SHOWN:
        log(f"... and {count(len(rows) - _SHOWN, 'more text')}: docgen review shows all")


def _shown(catalog: Catalog, ref: ColumnRef) -> str:
    table = catalog.table(ref.table)
    name = table.name if table is not None else ref.table
    return f"{name}.{ref.column}" if ref.column else name


def _cut(text: str) -> str:
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3].rstrip() + "..."


def tell_states(log: Log, tables: Iterable[Mapping[str, Any]]) -> None:
    """Log the tables with what waits there, the ones with the most first."""
    names = ("undocumented", "suggested", "accepted", "edited", "applied", "stale")
    sized = sorted(
        ((sum(one.get(name, 0) for name in names if name != "applied"), one) for one in tables),
        key=lambda pair: (-pair[0], pair[1]["table"]),
    )
    rows = [(str(one["table"]), *(f"{one.get(name, 0):,}" for name in names)) for size, one in sized if size]
    tell_table(log, ("table", *names), rows)


def tell_left(log: Log, pairs: Iterable[tuple[ColumnRef, str]], word: str) -> None:
    """Log why places were left alone, a line a reason."""
    reasons: Counter[str] = Counter()
    first: dict[str, ColumnRef] = {}
    for ref, reason in pairs:
        reasons[reason] += 1
        first.setdefault(reason, ref)
    for reason, number in reasons.most_common(_SHOWN):
        more = f" and {count(number - 1, 'more place')}" if number > 1 else ""
        log(f"{word}: {first[reason]}{more}: {reason}")
