"""A ledger as JSON lines: every suggestion with its history, to be kept, moved to another database or counted elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

from docgen_plugin.errors import LedgerError
from docgen_plugin.ledger_rows import Event, Row
from docgen_plugin.model import STATES, ColumnRef, Suggestion
from docgen_plugin.store import Ledger

__all__ = ["export_lines", "import_lines"]

FORMAT = 1
_TIMES = ("suggested_at", "decided_at", "applied_at", "happened_at")


def export_lines(ledger: Ledger, sources: Iterable[str] = ()) -> Iterator[str]:
    """Yield a line of JSON for every row of these sources, or of all: {"format", "source", "row", "events"}.

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


def _flat(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value for name, value in values.items()
    }


def import_lines(ledger: Ledger, lines: Iterable[str], name: str) -> tuple[int, int]:
    """Put rows and their histories into a ledger; return how many came in, and how many places had a row already.

    All of them or none: a line that cannot be read leaves the ledger as it was. A place that has a row keeps it.

    Raises:
        LedgerError: naming `name` and the line, for one that is no row of a ledger; or when it cannot be written.
    """
    found = [_read(line, f"{name}:{number}") for number, line in enumerate(lines, 1) if line.strip()]
    taken = ledger.restore(found)
    return taken, len(found) - taken


def _read(line: str, where: str) -> tuple[str, Row, list[Event]]:
    try:
        found = json.loads(line)
        if found["format"] != FORMAT:
            raise LedgerError(f"{where}: is of format {found['format']!r}, this docgen reads {FORMAT}")
        values = dict(found["row"])
        version, previous = int(values.pop("version")), str(values.pop("previous"))
        table, column = values.pop("ref")
        suggestion = Suggestion(ref=ColumnRef(str(table), str(column)), **_typed(Suggestion, values))
        if suggestion.state not in STATES:
            raise ValueError(f"state {suggestion.state!r}")
        events = [Event(**_typed(Event, event)) for event in found["events"]]
        return str(found["source"]), Row(suggestion, version, previous), events
    except (ValueError, KeyError, TypeError, AttributeError) as err:
        raise LedgerError(
            f"{where}: is no row of a ledger ({err!r}); give a file of docgen ledger export"
        ) from err


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
        if spec.name in _TIMES:
            value = None if value is None else datetime.fromisoformat(value)
        elif "float" in str(spec.type):
            value = None if value is None else float(value)
        elif "int" in str(spec.type):
            value = int(value)
        elif value is not None and not isinstance(value, str):
            raise ValueError(f"{spec.name} wants a text, found {value!r}")
        found[spec.name] = value
    unknown = values.keys() - {spec.name for spec in fields(kind)}
    if unknown:
        raise ValueError(f"unknown field {sorted(unknown)[0]!r}")
    return found
