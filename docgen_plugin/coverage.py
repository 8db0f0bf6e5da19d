"""How much of a source is documented now, and how well: counts per table, folder and owner, and what is wrong where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from docgen_plugin.model import ColumnRef, Table
from docgen_plugin.text_quality import Fault, find_fault

__all__ = ["Coverage", "Group", "TableCoverage", "compare", "measure", "percent"]


@dataclass(frozen=True, slots=True)
class TableCoverage:
    """One table: whether it has a description, how many of its columns have one, and what is wrong with which."""

    key: str
    documented: bool
    columns: int
    documented_columns: int
    folder: str = ""  # of the file that documents it; its schema where there is no file
    owner: str = ""
    faults: tuple[tuple[ColumnRef, Fault], ...] = ()

    @property
    def places(self) -> int:
        """Return how many of its places can carry a description: itself and its columns."""
        return 1 + self.columns

    @property
    def missing(self) -> int:
        """Return how many of its places have no description."""
        return self.columns - self.documented_columns + (not self.documented)

    @property
    def good(self) -> int:
        """Return how many of its places have a description with nothing wrong."""
        return self.places - len(self.faults)


@dataclass(frozen=True, slots=True)
class Group:
    """Some tables that share a folder or an owner."""

    name: str
    places: int
    documented: int
    good: int


@dataclass(frozen=True, slots=True)
class Coverage:
    """All tables, in the catalog's order."""

    tables: tuple[TableCoverage, ...]

    @property
    def places(self) -> int:
        """Return how many places can carry a description: tables and columns."""
        return sum(table.places for table in self.tables)

    @property
    def missing(self) -> int:
        """Return how many of them have none."""
        return sum(table.missing for table in self.tables)

    @property
    def good(self) -> int:
        """Return how many of them have one with nothing wrong."""
        return sum(table.good for table in self.tables)

    @property
    def percent(self) -> float:
        """Return the share of places with a description, 0 to 100; 100 where there is no place."""
        return percent(self.places - self.missing, self.places)

    @property
    def good_percent(self) -> float:
        """Return the share of places with a description that has nothing wrong, 0 to 100."""
        return percent(self.good, self.places)

    @property
    def faults(self) -> Counter[str]:
        """Return how many places have each kind of fault."""
        return Counter(fault.kind for table in self.tables for _, fault in table.faults)

    def groups(self, name: Callable[[TableCoverage], str]) -> list[Group]:
        """Return the tables counted together by a name of theirs, sorted by it."""
        found: dict[str, list[TableCoverage]] = {}
        for table in self.tables:
            found.setdefault(name(table), []).append(table)
        return [
            Group(
                key,
                sum(one.places for one in tables),
                sum(one.places - one.missing for one in tables),
                sum(one.good for one in tables),
            )
            for key, tables in sorted(found.items())
        ]

    def worst(self, number: int) -> list[TableCoverage]:
        """Return the tables with the most places missing."""
        missing = [table for table in self.tables if table.missing]
        return sorted(missing, key=lambda table: (-table.missing, table.key))[:number]


def percent(part: int, whole: int) -> float:
    """Return a share from 0 to 100, rounded down to a tenth so that 100 means all.

    >>> percent(1999, 2000), percent(0, 0)
    (99.9, 100.0)
    """
    return 1000 * part // whole / 10 if whole else 100.0


def measure(tables: Iterable[Table]) -> Coverage:
    """Return the coverage of tables as they stand in the source."""
    return Coverage(tuple(_measured(table) for table in tables))


def _measured(table: Table) -> TableCoverage:
    places = [(ColumnRef(table.key), find_fault(table, None))]
    places += [(ColumnRef(table.key, column.name), find_fault(table, column)) for column in table.columns]
    folder = PurePosixPath(table.path).parent.as_posix() if table.path else table.schema
    return TableCoverage(
        table.key,
        bool(table.description.strip()),
        len(table.columns),
        sum(bool(column.description.strip()) for column in table.columns),
        folder,
        table.owner,
        tuple((ref, fault) for ref, fault in places if fault is not None),
    )


def compare(before: Coverage, now: Coverage) -> tuple[list[tuple[ColumnRef, Fault]], list[ColumnRef]]:
    """Return the places with a fault that had none or were not there before, and those still there that lost theirs."""
    had = {ref for table in before.tables for ref, _ in table.faults}
    has = {ref: fault for table in now.tables for ref, fault in table.faults}
    here = {table.key for table in now.tables}
    return [(ref, fault) for ref, fault in has.items() if ref not in had], [
        ref for ref in had if ref not in has and ref.table in here
    ]
