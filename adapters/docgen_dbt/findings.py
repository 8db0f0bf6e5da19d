"""What `docgen check` finds: one place, where it stands, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass

from docgen_plugin.model import Column, Table
from docgen_plugin.text_quality import Fault, find_fault

__all__ = ["Finding", "fault_of", "told"]

_QUIET = frozenset({"echo", "short"})  # told, but they stop nobody unless --strict
_SHOWN_CHARS = 40


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One thing to mend in a file, or with `fails` False to know of."""

    path: str
    line: int  # from 1, as is the column
    column: int
    message: str
    kind: str = "missing"  # missing, placeholder, echo, short, contradiction, gone, type, unread, downstream
    table: str = ""
    name: str = ""  # of the column, "" for the table
    fails: bool = True

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}: {'' if self.fails else 'note: '}{self.message}"


def fault_of(table: str, column: str, type_: str, text: str) -> Fault | None:
    """Return what is wrong with a description; what dbt renders (`{{ doc() }}`) is taken as good.

    >>> fault_of("orders", "amount", "", "TBD").kind, fault_of("orders", "amount", "", "{{ doc('amount') }}")
    ('placeholder', None)
    """
    if "{{" in text or "{%" in text:
        return None
    described = Column(column, type_, text) if column else None
    return find_fault(Table(table, table, description=text), described)


def told(
    place: tuple[str, int, int],
    kind: str,
    table: str,
    column: str,
    fault: Fault,
    text: str,
    why: str,
    strict: bool,
) -> Finding:
    """Return the finding for a fault; `why` says what the commit did to the place."""
    shown = f"{table}.{column}" if column else table
    cut = text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}..."
    if fault.kind == "missing":
        message = f"{kind} {shown} {why}has no description"
    else:
        message = f"{kind} {shown}: its description {cut!r} {fault.reason}"
    return Finding(*place, message, fault.kind, table, column, strict or fault.kind not in _QUIET)
