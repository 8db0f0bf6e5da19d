"""Two places that hold descriptions of the same tables, brought in line: a dbt project and the warehouse that it builds.

One of them is the truth. What it says fills what is empty on the other side; where both say something else, the other
side keeps its text unless it is asked to give way. Nothing is ever blanked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from docgen_plugin.freshness import same_text
from docgen_plugin.model import Catalog, Change, Column, ColumnRef, Table

__all__ = ["ACTIONS", "Difference", "Plan", "changes", "plan"]

# what becomes of a difference: written where nothing stood; written over another text; left, both have one;
# left, only the side that is not the truth has one
ACTIONS = ("fill", "overwrite", "conflict", "extra")


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the two sides say something else."""

    ref: ColumnRef  # in the truth
    other: ColumnRef  # the same place on the other side
    text: str  # of the truth
    standing: str  # on the other side
    action: str  # one of ACTIONS


@dataclass(frozen=True, slots=True)
class Plan:
    """What a sync would do, and how much of the two sides belongs together."""

    differences: tuple[Difference, ...]
    matched: int  # tables that both sides have
    alone: tuple[str, ...]  # keys of the truth's tables that the other side lacks
    same: int  # places with the same text on both sides


def plan(truth: Catalog, other: Catalog, overwrite: bool = False) -> Plan:
    """Return where two catalogs of the same tables differ; tables meet by schema and name, whatever their case.

    A table that names no schema meets the only one of its name.
    """
    index = _Index(other)
    found: list[Difference] = []
    alone: list[str] = []
    matched = same = 0
    for table in truth.tables:
        partner = index.partner(table)
        if partner is None:
            alone.append(table.key)
            continue
        matched += 1
        for ref, text, place, standing in _pairs(table, partner):
            action = _action(text, standing, overwrite)
            if action:
                found.append(Difference(ref, place, text, standing, action))
            else:
                same += bool(text.strip())
    return Plan(tuple(found), matched, tuple(alone), same)


def changes(found: Sequence[Difference]) -> list[Change]:
    """Return what is to be written to the other side."""
    return [Change(one.other, one.standing, one.text) for one in found if one.action in ("fill", "overwrite")]


class _Index:
    """The other side's tables by the names that the truth may know them by."""

    def __init__(self, catalog: Catalog) -> None:
        self._full: dict[tuple[str, str], Table] = {}
        self._plain: dict[str, list[Table]] = {}
        for table in catalog.tables:
            name = _name(table)
            self._full.setdefault((table.schema.lower(), name), table)
            self._plain.setdefault(name, []).append(table)

    def partner(self, table: Table) -> Table | None:
        """Return the same table on this side, None when there is none or it is not clear which."""
        found = self._full.get((table.schema.lower(), _name(table)))
        if found is not None:
            return found
        like = self._plain.get(_name(table), [])
        return like[0] if len(like) == 1 and not (table.schema and like[0].schema) else None


def _name(table: Table) -> str:
    return (table.relation or table.name).lower()


def _pairs(table: Table, partner: Table) -> list[tuple[ColumnRef, str, ColumnRef, str]]:
    columns: dict[str, Column] = {column.name.lower(): column for column in partner.columns}
    pairs = [(ColumnRef(table.key), table.description, ColumnRef(partner.key), partner.description)]
    for column in table.columns:
        other = columns.get(column.name.lower())
        if other is not None:
            place = ColumnRef(partner.key, other.name)
            pairs.append((ColumnRef(table.key, column.name), column.description, place, other.description))
    return pairs


def _action(text: str, standing: str, overwrite: bool) -> str:
    """Return what becomes of two texts, "" when there is nothing to do.

    >>> _action("a", "", False), _action("a", "b", False), _action("a", "b", True), _action("", "b", True), _action("a", "a ", True)
    ('fill', 'conflict', 'overwrite', 'extra', '')
    """
    if not text.strip():
        return "extra" if standing.strip() else ""
    if not standing.strip():
        return "fill"
    if same_text(text, standing):
        return ""
    return "overwrite" if overwrite else "conflict"
