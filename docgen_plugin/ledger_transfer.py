"""A ledger as JSON lines, to be kept, moved to another database or counted elsewhere.

A line is a suggestion with its history, {"format", "source", "row", "events"}, or what a log-probability is worth,
{"format", "kind": "curve", "curve"}: one fitted for a model and an origin.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from typing import Any

from docgen_plugin.calibration import Curve, points_json, read_points
from docgen_plugin.errors import LedgerError
from docgen_plugin.ledger_rows import Event, Row
from docgen_plugin.model import STATES, ColumnRef, Suggestion
from docgen_plugin.store import Ledger

__all__ = ["Imported", "curve_lines", "export_lines", "import_lines"]

FORMAT = 1
_ROW = "row"  # as is a line without a kind
_CURVE = "curve"
_TIMES = ("suggested_at", "decided_at", "applied_at", "happened_at", "fitted_at")


@dataclass(frozen=True, slots=True)
class Imported:
    """How much of a file came into a ledger, and how much was left because the ledger had its own."""

    taken: int
    kept: int
    curves_taken: int
    curves_kept: int


def export_lines(ledger: Ledger, sources: Iterable[str] = ()) -> Iterator[str]:
    """Yield a line of JSON for every row of these sources, or of all.

    Raises:
        LedgerError: when the ledger cannot be read.
    """
    for source in sources or ledger.sources():
        for row in ledger.rows(source):
            ref = row.suggestion.ref
            told = {"ref": [ref.table, ref.column], "version": row.version, "previous": row.previous}
            line = {
                "format": FORMAT,
                "source": source,
                "row": _flat(asdict(row.suggestion)) | told,
                "events": [_flat(asdict(event)) for event in ledger.history(source, ref)],
            }
            yield json.dumps(line, ensure_ascii=False)


def curve_lines(ledger: Ledger, sources: Sequence[str] = ()) -> Iterator[str]:
    """Yield a line of JSON for every curve, the oldest first; of some sources those that their suggestions go by.

    Raises:
        LedgerError: when the ledger cannot be read.
    """
    used = {key for source in sources for key, _ in ledger.tally(source, ("model", "origin"))}
    for curve in ledger.curves():
        if not sources or (curve.model, curve.origin) in used:
            yield json.dumps(
                {"format": FORMAT, "kind": _CURVE, "curve": _flat(asdict(curve))}, ensure_ascii=False
            )


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def import_lines(ledger: Ledger, lines: Iterable[str], name: str) -> Imported:
    """Put rows with their histories, and curves, into a ledger.

    All of them or none: a line that cannot be read leaves the ledger as it was. A place that has a row keeps it; a
    model and origin that have a curve keep theirs.

    Raises:
        LedgerError: naming `name` and the line, for one that is of no ledger; or when it cannot be written.
    """
    read = [_read(line, f"{name}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    rows = [one for one in read if not isinstance(one, Curve)]
    curves = [one for one in read if isinstance(one, Curve)]
    taken, curves_taken = ledger.restore(rows, curves)
    return Imported(taken, len(rows) - taken, curves_taken, len(curves) - curves_taken)


def _read(line: str, where: str) -> tuple[str, Row, list[Event]] | Curve:
    try:
        found = json.loads(line)
        if found["format"] != FORMAT:
            raise LedgerError(f"{where}: is of format {found['format']!r}, this docgen reads {FORMAT}")
        kind = found.get("kind", _ROW)
        if kind not in (_ROW, _CURVE):
            raise LedgerError(f"{where}: is of the kind {kind!r}, this docgen reads {_ROW} and {_CURVE}")
        return _curve(found["curve"]) if kind == _CURVE else _row(found)
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise LedgerError(
            f"{where}: is no row of a ledger ({err!r}); give a file of docgen ledger export"
        ) from err


def _row(found: dict[str, Any]) -> tuple[str, Row, list[Event]]:
    values = dict(found["row"])
    version, previous = int(values.pop("version")), str(values.pop("previous"))
    table, column = values.pop("ref")
    suggestion = Suggestion(ref=ColumnRef(str(table), str(column)), **_typed(Suggestion, values))
    if suggestion.state not in STATES:
        raise ValueError(f"state {suggestion.state!r}")
    events = [Event(**_typed(Event, event)) for event in found["events"]]
    return str(found["source"]), Row(suggestion, version, previous), events


def _curve(found: dict[str, Any]) -> Curve:
    values = dict(found)
    points = tuple((float(x), float(y)) for x, y in values.pop("points"))
    try:
        read_points(points_json(points))
    except LedgerError as err:
        raise ValueError("points that do not rise from 0 to 1") from err
    return Curve(points=points, **_typed(Curve, values))


def _typed(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    """Return the values a dataclass takes, with times as times.

    Raises:
        ValueError: for one of another type than its field has.
    """
    found: dict[str, Any] = {}
    for spec in fields(kind):
        if spec.name not in values:
            continue
        value = values[spec.name]
        if value is None:
            if "None" not in str(spec.type):
                raise ValueError(f"{spec.name} wants a value, found none")
        elif spec.name in _TIMES:
            value = datetime.fromisoformat(value)
        elif "float" in str(spec.type):
            value = float(value)
        elif "int" in str(spec.type):
            value = int(value)
        elif not isinstance(value, str):
            raise ValueError(f"{spec.name} wants a text, found {value!r}")
        found[spec.name] = value
    unknown = values.keys() - {spec.name for spec in fields(kind)}
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    return found
