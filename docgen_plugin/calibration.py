"""What a log-probability is worth: curves fitted on people's decisions, kept in the ledger, read by interpolation.

`docgen-train calibrate` fits them. Before a ledger has its own, those of the package hold, which `docgen-train rate`
fitted on ratings; without a curve for a model and an origin the confidence stays as it was made.
"""

from __future__ import annotations

import bisect
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

from docgen_plugin.errors import LedgerError
from docgen_plugin.files import replace_file
from docgen_plugin.model import ColumnRef, Suggestion

__all__ = [
    "Calibration",
    "Curve",
    "curve_key",
    "points_json",
    "read_points",
    "shipped_curves",
    "write_curves",
]

_SHIPPED = "models/docgen-confidence.json"


@dataclass(frozen=True, slots=True)
class Curve:
    """The share of texts that people accept unchanged, by log-probability, for one model and origin."""

    model: str  # as `curve_key` names them
    origin: str
    points: tuple[tuple[float, float], ...]  # (nats a token, share 0 to 1), both rising
    decisions: int  # that it was fitted on
    method: str  # isotonic or platt
    fitted_at: datetime

    def at(self, logprob: float) -> float:
        """Return the share at a log-probability, on a straight line between points, level beyond the ends."""
        xs = [x for x, _ in self.points]
        place = bisect.bisect_left(xs, logprob)
        if place == len(xs) or math.isnan(logprob):
            return self.points[-1 if place else 0][1]
        if place == 0 or xs[place] == logprob:
            return self.points[place][1]
        (x0, y0), (x1, y1) = self.points[place - 1 : place + 1]
        return y0 + (y1 - y0) * (logprob - x0) / (x1 - x0)


class Calibration:
    """The curves of one ledger, the latest for each model and origin."""

    def __init__(self, curves: Iterable[Curve] = ()) -> None:
        """Take curves, the oldest first."""
        self._curves = {(curve.model, curve.origin): curve for curve in curves}

    def __call__(self, suggestion: Suggestion) -> Suggestion:
        """Return a suggestion with the confidence that its curve gives; the same where there is none."""
        one = suggestion
        curve = self._curves.get(curve_key(one.ref, one.origin, one.model, one.weighed_by))
        if curve is None:
            return suggestion
        return replace(suggestion, confidence=curve.at(suggestion.logprob))


def curve_key(ref: ColumnRef, origin: str, model: str, weighed_by: str) -> tuple[str, str]:
    """Return the (model, origin) under which a text is calibrated: a table's own stand apart from its columns'.

    The log-probability of a text that was weighed is that of the model that did.

    >>> curve_key(ColumnRef("orders", "total"), "composed", "docgen-frames", "docgen-base@1")
    ('docgen-frames, docgen-base@1', 'composed')
    >>> curve_key(ColumnRef("orders", ""), "composed", "docgen-concepts", "")
    ('docgen-concepts', 'composed of tables')
    """
    name = f"{model}, {weighed_by}" if weighed_by else model
    return name, origin if ref.column else f"{origin} of tables"


@cache
def shipped_curves() -> tuple[Curve, ...]:
    """Return the curves of the package, of the embedded model and the dictionary."""
    found = json.loads(files("docgen_plugin").joinpath(_SHIPPED).read_text("utf-8"))
    return tuple(
        Curve(
            one["model"],
            one["origin"],
            tuple((x, y) for x, y in one["points"]),
            one["decisions"],
            one["method"],
            datetime.fromisoformat(one["fitted_at"]),
        )
        for one in found["curves"]
    )


def write_curves(path: Path, curves: Iterable[Curve]) -> None:
    """Write curves as the package ships them, points to four decimals.

    Raises:
        OSError: when the file cannot be written.
    """
    listed = [
        {
            "model": curve.model,
            "origin": curve.origin,
            "decisions": curve.decisions,
            "method": curve.method,
            "fitted_at": curve.fitted_at.isoformat(timespec="seconds"),
            "points": [[round(x, 4), round(y, 4)] for x, y in curve.points],
        }
        for curve in curves
    ]
    replace_file(path, (json.dumps({"format": 1, "curves": listed}, indent=1) + "\n").encode())


def points_json(points: Iterable[tuple[float, float]]) -> str:
    """Return points as the ledger keeps them.

    >>> points_json([(-1.0, 0.25), (0.0, 0.5)])
    '[[-1.0, 0.25], [0.0, 0.5]]'
    """
    return json.dumps([list(point) for point in points], allow_nan=False)


def read_points(text: str) -> tuple[tuple[float, float], ...]:
    """Return the points that the ledger keeps.

    Raises:
        LedgerError: when they are no rising points with shares from 0 to 1.
    """
    try:
        points = tuple((float(x), float(y)) for x, y in json.loads(text))
    except (ValueError, TypeError) as err:
        raise LedgerError(
            "the ledger's calibration cannot be read: fit it anew with docgen-train calibrate"
        ) from err
    rising = all(one[0] < other[0] and one[1] <= other[1] for one, other in pairwise(points))
    if not points or not rising or not 0 <= points[0][1] <= points[-1][1] <= 1:
        raise LedgerError("the ledger's calibration does not rise: fit it anew with docgen-train calibrate")
    return points
