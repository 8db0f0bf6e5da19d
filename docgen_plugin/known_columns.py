"""What sqlglot asks about the tables of a query, answered by names that we gave them: no dialect reads those otherwise.

sqlglot's own schema puts every name it is asked for through the dialect's rules: most of the time of qualifying, and
where unquoted names are capitals (Snowflake, Oracle) the tables are then not found. It stays out of `docgen --help`:
whoever needs it imports it in a function.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlglot import exp
from sqlglot.schema import MappingSchema

__all__ = ["KnownColumns"]


class KnownColumns(MappingSchema):
    """Columns by table and name, both in lower case and as they stand in the query."""

    def __init__(self, dialect: str) -> None:
        """Take sqlglot's name of the dialect, "" for its own."""
        self._tables: dict[str, Mapping[str, exp.DataType]] = {}
        super().__init__(dialect=dialect or None)
        self.unknown_type = exp.DataType.build("unknown")

    def add(self, table: str, columns: Mapping[str, exp.DataType]) -> None:
        """Make a table's columns known."""
        self._tables[table] = columns

    @property
    def empty(self) -> bool:
        """Whether no table is known."""
        return not self._tables

    def find(self, table: exp.Table, raise_on_missing: bool = True, ensure_data_types: bool = False) -> Any:
        """Return the types of a table's columns by name, None where it is not known."""
        return None if table.args.get("db") else self._tables.get(table.name)

    def column_names(self, table: exp.Table | str, *args: Any, **kwargs: Any) -> list[str]:
        """Return the names of a table's columns, none where it is not known."""
        return list(self._of(table))

    def get_column_type(
        self, table: exp.Table | str, column: exp.Column | str, *args: Any, **kwargs: Any
    ) -> exp.DataType:
        """Return a column's type, the unknown one where nobody told it."""
        name = column if isinstance(column, str) else column.name
        return self._of(table).get(name, self.unknown_type)

    def has_column(self, table: exp.Table | str, column: exp.Column | str, *args: Any, **kwargs: Any) -> bool:
        """Return whether a table is known to have a column."""
        return (column if isinstance(column, str) else column.name) in self._of(table)

    def _of(self, table: exp.Table | str) -> Mapping[str, exp.DataType]:
        if isinstance(table, str):
            return self._tables.get(table, {})
        return self.find(table) or {}
