"""Time and memory of the review in the terminal on a large ledger, beside those on a small one.

A ratio of 1 says that a step costs the same however many suggestions there are. Seconds are of this process alone,
so that a busy machine does not bend them; the memory is what Python allocates at most meanwhile.

    python -m tests.benchmarks.review_terminal [--small 1000] [--large 100000]
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from docgen_plugin.config import Config
from docgen_plugin.model import Catalog, ColumnRef
from docgen_plugin.review.ledgers import Ledgers
from docgen_plugin.review.walk import Scope, Walk
from docgen_plugin.store import Decision, Filter, Ledger
from tests.benchmarks.review_page import suggestions, tables

__all__ = ["main", "measure"]

_OPEN = Filter(states=("suggested",))
_STEPS = 200


def measure(columns: int, folder: Path) -> dict[str, float]:
    """Return seconds and megabytes (MiB) by step of a review of so many suggestions."""
    made = tables(columns)
    catalog = Catalog("shop", "made", made)
    place = folder / f"ledger_{columns}.db"
    with Ledger(place) as opened:
        opened.add(catalog.source, suggestions(made))
    found: dict[str, float] = {}

    def timed(name: str, step: Callable[[], Any]) -> Any:
        began = time.process_time()
        result = step()
        found[f"{name}_s"] = time.process_time() - began
        return result

    with closing(Ledgers(partial(Ledger, place, False))) as ledgers:
        decided: dict[ColumnRef, str] = {}
        scope = Scope(catalog, Config())
        tracemalloc.start()
        walk = timed("start", lambda: Walk(scope, ledgers, _OPEN, decided))
        timed("steps", lambda: [walk.forward() for _ in range(_STEPS)])
        found["start_mb"] = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        rare = Filter(states=("suggested",), search=f"column 49 of table {len(made) - 1} ")
        timed("rare_filter", lambda: Walk(scope, ledgers, rare, decided))
        with ledgers.lent() as ledger:
            rows = list(scope.every(ledger, _OPEN))
            ledger.decide(catalog.source, (Decision(row, "accepted", "me") for row in rows), "0" * 32)
            timed("undo_read", lambda: ledger.latest(catalog.source, "me"))
    return found


def main() -> None:
    """Print seconds and megabytes of both sizes, and how many times the small one's the large one takes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=100_000)
    sizes = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = (measure(columns, Path(folder)) for columns in (sizes.small, sizes.large))
    ratios = {name: round(large[name] / max(small[name], 1e-4), 2) for name in small}
    rounded = [{name: round(value, 4) for name, value in one.items()} for one in (small, large)]
    print(json.dumps({str(sizes.small): rounded[0], str(sizes.large): rounded[1], "ratio": ratios}, indent=2))


if __name__ == "__main__":
    main()
