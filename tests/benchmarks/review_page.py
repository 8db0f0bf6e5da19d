"""Time of the review page on a ledger of 100,000 suggestions: each view beside the answer of a request that asks for nothing.

A ratio of 3 says that a view takes three times what the server needs to say that nothing changed. The pages are asked
through the real server, one after the other, the median of some tries; the first asking after a change, which counts
all suggestions again, stands apart.

    python -m tests.benchmarks.review_page [--columns 100000]
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


def measure(columns: int, folder: Path) -> dict[str, Any]:
    """Return milliseconds by view, and how often that is the answer of a request that asks for nothing."""
    made = tables(columns)
    ledger = folder / "ledger.db"
    with registered(Shop(*made)), registered(FakeModel()):
        source = read_catalog("shop", Config()).source
        with Ledger(ledger) as opened:
            opened.add(source, suggestions(made))
        with served("shop", ledger) as page:
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
        "nothing": f"/pulse?mark={mark[1]}",
        "tables": "/",
        "tables, most to decide first": "/?order=todo",
        "one table": f"/table?key={made[len(made) // 2].key}",
        "list, first page": "/list?state=suggested",
        "list, second page": unescape(after[1]),
        "list, middle": f"/list?after={middle}",
        "list, last page": f"/list?after={end}",
        "list, surest first": "/list?order=confidence",
        "list, filtered": "/list?state=suggested&origin=composed&min=0.6&owner=team%203&folder=models/area_3",
        "list, searched": "/list?q=column_17",
        "list, searched in vain": "/list?q=no-such-thing",
        "how many a bulk accept means": "/accept?min=0.9",
    }
    found = {f"{name}, first time": _ms(partial(visitor.get, path)) for name, path in views.items()}
    found |= {name: _median_ms(partial(visitor.get, path)) for name, path in views.items()}
    found["a decision"] = _ms(lambda: visitor.decide(ColumnRef(made[0].key, "column_0"), 1, "accept"))
    found["numbers after a change"] = _ms(lambda: visitor.get("/pulse?mark=0"))
    found["undo of it"] = _ms(lambda: visitor.post("/undo"))
    return {
        name: {"ms": round(ms, 1), "ratio": round(ms / found["nothing"], 2)} for name, ms in found.items()
    }


def _ms(ask: Callable[[], Any]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1000


def _median_ms(ask: Callable[[], Any]) -> float:
    return statistics.median(_ms(ask) for _ in range(_TRIES))


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--columns", type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(measure(chosen.columns, Path(folder)), indent=2))


if __name__ == "__main__":
    main()
