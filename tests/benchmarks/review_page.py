"""Time of the review page on a ledger of 100,000 suggestions: each view beside the answer of a request that asks for nothing.

A ratio of 3 says that a view takes three times what the server needs to say that nothing changed. The views are asked
through the real server as the page asks them, one after the other, the median of some tries; once while the ledger
stands still, and once each after a decision, when every number is counted again. `processor_ms` is the time of
this process, page and visitor together: the one to read on a busy machine, but without a database server's share.

    python -m tests.benchmarks.review_page [--columns 100000] [--ledger URL of an empty database]
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from html import unescape
from pathlib import Path
from typing import Any

from docgen_plugin.config import Config
from docgen_plugin.freshness import fingerprint
from docgen_plugin.model import Column, ColumnRef, Suggestion, Table
from docgen_plugin.pipeline import read_catalog
from docgen_plugin.store import Ledger
from tests.fakes import FakeModel, Shop, registered
from tests.review_pages import Visitor, served

__all__ = ["main", "measure", "suggestions", "tables"]

_WIDTH = 50  # columns of a table
_TRIES = 7
_ORIGINS = ("generated", "composed", "inherited", "reused", "unclear")


def tables(columns: int) -> tuple[Table, ...]:
    """Return tables that have so many columns together, with owners and folders."""
    return tuple(
        Table(
            f"s.table_{at:05}",
            f"table_{at:05}",
            schema="s",
            owner=f"team {at % 7}",
            path=f"models/area_{at % 20}/schema.yml",
            columns=tuple(Column(f"column_{number}", "text") for number in range(_WIDTH)),
        )
        for at in range(max(1, columns // _WIDTH))
    )


def suggestions(found: tuple[Table, ...]) -> Iterator[Suggestion]:
    """Yield a suggestion for every column, of all origins and confidences."""
    for at, table in enumerate(found):
        for number, column in enumerate(table.columns):
            yield Suggestion(
                ColumnRef(table.key, column.name),
                f"What column {number} of table {at} says about the things of the shop.",
                origin=_ORIGINS[(at + number) % 5],
                model="made@1",
                confidence=(at * 7 + number) % 100 / 100,
                fingerprint=fingerprint(table, column),
                position=number + 1,
                path=table.path,
                owner=table.owner,
            )


def measure(columns: int, location: Path | str) -> dict[str, Any]:
    """Return milliseconds by view, and how often that is the answer of a request that asks for nothing."""
    made = tables(columns)
    with registered(Shop(*made)), registered(FakeModel()):
        source = read_catalog("shop", Config()).source
        with Ledger(location) as opened:
            opened.add(source, suggestions(made))
        with served("shop", location) as page:
            return _views(page.reviewer(), made)


def _views(visitor: Visitor, made: tuple[Table, ...]) -> dict[str, Any]:
    first = visitor.get("/list").text
    mark = re.search(r"/pulse\?mark=(\d+)", first)
    after = re.search(r'rel="next" href="([^"]+)"', first)
    assert mark is not None
    assert after is not None
    middle = json.dumps(["table", made[len(made) // 2].key, 0, ""]).replace('"', "%22").replace(" ", "")
    end = json.dumps(["table", made[-1].key, _WIDTH - 10, ""]).replace('"', "%22").replace(" ", "")
    views = {
        "tables": "/",
        "tables, most to decide first": "/?order=todo",
        "one table": f"/table?key={made[len(made) // 2].key}",
        "list, first page": "/list?state=suggested",
        "list, second page": unescape(after[1]),
        "list, middle": f"/list?after={middle}",
        "list, last page": f"/list?after={end}",
        "list, surest first": "/list?order=confidence",
        "list, newest first": "/list?state=suggested&order=newest",
        "list, a state that none has": "/list?state=rejected",
        "list, filtered": "/list?state=suggested&origin=composed&min=0.6&owner=team%203&folder=models/area_3",
        "list, of an owner": "/list?owner=team%203",
        "list, of a folder, surest first": "/list?folder=models/area_3&order=confidence",
        "list, searched": "/list?q=column_17",
        "list, searched in vain": "/list?q=no-such-thing",
        "list, searched in vain, surest first": "/list?q=no-such-thing&order=confidence",
        "how many a bulk accept means": "/accept?min=0.9",
        "how many of a search": "/accept?q=column_17",
    }
    nothing = partial(visitor.get, f"/pulse?mark={mark[1]}")
    found = {"nothing": _cost(nothing, tries=99)}
    for name, path in views.items():
        # as the page asks: the part that changed, while the numbers stand still
        visitor.get(path, hx_request="true")
        found[name] = _cost(partial(visitor.get, path, hx_request="true"))
    turn = _Turn(visitor, ColumnRef(made[0].key, "column_0"))
    for name, path in views.items():
        found[f"{name}, after a decision"] = _cost(partial(visitor.get, path, hx_request="true"), turn)
    found["a whole page after a decision"] = _cost(partial(visitor.get, views["list, filtered"]), turn)
    found["the numbers after a decision"] = _cost(partial(visitor.get, "/pulse?mark=0"), turn)
    found["a decision, or its undo"] = _cost(turn)
    return {
        name: {"ms": wall, "processor_ms": own, "ratio": round(wall / found["nothing"][0], 1)}
        for name, (wall, own) in found.items()
    }


class _Turn:
    """Accepts a place and takes it back, in turns: the ledger has changed after every call."""

    def __init__(self, visitor: Visitor, ref: ColumnRef) -> None:
        self._visitor = visitor
        self._ref = ref
        self._version = 1

    def __call__(self) -> None:
        do = "accept" if self._version % 2 else "undo"
        reply = self._visitor.decide(self._ref, self._version, do)
        assert reply.status == 200, reply
        self._version += 1


def _cost(
    ask: Callable[[], Any], before: Callable[[], Any] = lambda: None, tries: int = _TRIES
) -> tuple[float, float]:
    """Return the median milliseconds of an asking, by the clock and of this process's work."""
    found = []
    for _ in range(tries):
        before()
        began = time.perf_counter(), time.process_time()
        ask()
        found.append((time.perf_counter() - began[0], time.process_time() - began[1]))
    wall, own = (round(statistics.median(times) * 1000, 1) for times in zip(*found, strict=True))
    return wall, own


def main() -> None:
    """Print the figures, a line a view."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--columns", type=int, default=100_000)
    parser.add_argument("--ledger", default="", help="SQLAlchemy URL; a SQLite file of its own without it")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(chosen.columns, chosen.ledger or Path(folder) / "ledger.db")
    print("\n".join(f"{name:<56}{json.dumps(figures)}" for name, figures in found.items()))


if __name__ == "__main__":
    main()
