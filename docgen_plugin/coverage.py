"""How much of a source is documented now: counts per table, and in all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from docgen_plugin.model import Table

__all__ = ["Coverage", "TableCoverage", "measure", "percent"]


@dataclass(frozen=True, slots=True)
class TableCoverage:
    """One table: whether it has a description, and how many of its columns have one."""

    key: str
    documented: bool
    columns: int
    documented_columns: int

    @property
    def missing(self) -> int:
        """Return how many of its places have no description."""
        return self.columns - self.documented_columns + (not self.documented)


@dataclass(frozen=True, slots=True)
class Coverage:
    """All tables, in the catalog's order."""

    tables: tuple[TableCoverage, ...]

    @property
    def places(self) -> int:
        """Return how many places can carry a description: tables and columns."""
        return len(self.tables) + sum(table.columns for table in self.tables)

    @property
    def missing(self) -> int:
        """Return how many of them have none."""
        return sum(table.missing for table in self.tables)

    @property
    def percent(self) -> float:
        """Return the share of places with a description, 0 to 100; 100 where there is no place."""
        return percent(self.places - self.missing, self.places)

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
    return Coverage(
        tuple(
            TableCoverage(
                table.key,
                bool(table.description.strip()),
                len(table.columns),
                sum(bool(column.description.strip()) for column in table.columns),
            )
            for table in tables
        )
    )
