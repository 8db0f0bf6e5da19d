"""The way through the suggestions that a filter leaves: in the catalog's order, in memory one table at a time.

The ledger is brought in line with the source table by table as the way comes to it, so that nobody waits for all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate

from docgen_plugin import targets
from docgen_plugin.config import Config
from docgen_plugin.console import visible
from docgen_plugin.errors import ConfigError
from docgen_plugin.model import Catalog, ColumnRef, Table
from docgen_plugin.review.ledgers import Ledgers
from docgen_plugin.selection import chosen_tables, is_selected
from docgen_plugin.store import Filter, Ledger, Row

__all__ = ["Scope", "Walk"]

_PAGE = 1000  # rows read at a time
_TABLES_AT_ONCE = 100


class Scope:
    """What a review may touch: the tables that the settings choose, and of these what is selected."""

    def __init__(self, catalog: Catalog, config: Config, select: Sequence[str] = ()) -> None:
        """Take globs over tables and table.column; none mean all."""
        self.catalog = catalog
        self.tables = tuple(chosen_tables(catalog.tables, config))
        self._select = select
        self._fresh: set[str] = set()
        self._made: frozenset[ColumnRef] | None = None

    def named(self, globs: Sequence[str]) -> tuple[Table, ...]:
        """Return the tables that globs mean, all for none.

        Raises:
            ConfigError: when they mean none of them.
        """
        found = tuple(table for table in self.tables if is_selected(table, "", globs))
        if globs and not found:
            raise ConfigError(f"filter table: no table matches {', '.join(map(repr, globs))}")
        return found

    def refresh(self, ledger: Ledger, tables: Iterable[Table]) -> int:
        """Bring the ledger in line with the source for tables that it was not yet done for; return how many changed.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        new = [table for table in tables if table.key not in self._fresh]
        if not new:
            return 0
        if self._made is None:
            self._made = targets.machine_made(self.catalog, ledger)
        turned = targets.refresh(self.catalog, ledger, tables=new, made=self._made)
        self._fresh.update(table.key for table in new)
        return len(turned)

    def numbers(self, ledger: Ledger, wanted: Filter) -> dict[str, int]:
        """Return how many rows of each table a filter leaves, tables with none left out, in the catalog's order.

        Where only some columns of a table are selected, it is the most that there can be.

        Raises:
            ConfigError: when the filter names tables and there are none of these.
            LedgerError: when the ledger cannot be read.
        """
        tables = self.named(wanted.tables)
        found = {
            one[0]: number
            for one, number in ledger.tally(self.catalog.source, ("table_key",), replace(wanted, tables=()))
        }
        numbers: dict[str, int] = {}
        for table in tables:
            number = found.get(table.key, 0)
            if number and not is_selected(table, "", self._select):
                number = min(number, sum(self._selected(table, ref) for ref in table.refs()))
            if number:
                numbers[table.key] = number
        return numbers

    def rows(self, ledger: Ledger, tables: Sequence[Table], wanted: Filter) -> list[Row]:
        """Return the rows of some tables that a filter leaves, in the catalog's order, a table before its columns.

        Raises:
            LedgerError: when the ledger cannot be read.
        """
        found: dict[ColumnRef, Row] = {}
        of_tables, after = replace(wanted, tables=tuple(table.key for table in tables)), ""
        while True:
            page = ledger.page(self.catalog.source, of_tables, after=after, limit=_PAGE)
            found.update((row.suggestion.ref, row) for row in page.rows)
            if not page.next:
                break
            after = page.next
        return [
            found[ref]
            for table in tables
            for ref in table.refs()
            if ref in found and self._selected(table, ref)
        ]

    def _selected(self, table: Table, ref: ColumnRef) -> bool:
        return is_selected(table, ref.column, self._select)

    def every(self, ledger: Ledger, wanted: Filter) -> Iterator[Row]:
        """Yield all rows that a filter leaves, brought in line with the source before.

        Raises:
            ConfigError: when the filter names tables and there are none of these.
            LedgerError: when the ledger cannot be used.
        """
        self.refresh(ledger, self.named(wanted.tables))
        numbers = self.numbers(ledger, wanted)
        tables = [table for table in self.tables if table.key in numbers]
        for start in range(0, len(tables), _TABLES_AT_ONCE):
            yield from self.rows(ledger, tables[start : start + _TABLES_AT_ONCE], wanted)


class Walk:
    """A cursor over the places that a filter leaves; past the last one it stands nowhere."""

    def __init__(
        self, scope: Scope, ledgers: Ledgers, wanted: Filter, decided: Collection[ColumnRef]
    ) -> None:
        """Stand at the first place; what becomes `decided` from now on can be gone back to, whatever it is by then.

        Raises:
            ConfigError: when the filter names tables and there are none of these.
            LedgerError: when the ledger cannot be used.
        """
        self._scope, self._ledgers, self._decided = scope, ledgers, decided
        self._before = frozenset(decided)
        self.wanted = wanted
        with ledgers.lent() as ledger:
            self._numbers = scope.numbers(ledger, wanted)
        self._keys = list(self._numbers)
        self._at = -1  # the table's index in _keys
        self._refs: list[ColumnRef] = []  # of this table
        self._in = 0
        self.forward()

    @property
    def here(self) -> ColumnRef | None:
        """The place where the walk stands, None past the last."""
        return self._refs[self._in] if self._in < len(self._refs) else None

    @property
    def total(self) -> int:
        """How many places the walk has, as far as it has looked."""
        return sum(self._numbers.values())

    @property
    def position(self) -> int:
        """The number of this place on the walk, from 1."""
        before = list(accumulate((self._numbers[key] for key in self._keys[: max(0, self._at)]), initial=0))
        return before[-1] + self._in + 1

    def rest(self) -> list[ColumnRef]:
        """Return this place and those behind it in its table."""
        return self._refs[self._in :]

    def forward(self, told: Callable[[str], None] = lambda line: None) -> None:
        """Go to the next place that still is what the filter wants; what someone else decided meanwhile is told.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        with self._ledgers.lent() as ledger:
            self._in += 1
            while self._in < len(self._refs) or self._enter_next(ledger):
                ref = self._refs[self._in]
                row = ledger.row(self._scope.catalog.source, ref)
                if row is not None and row.suggestion.state in self.wanted.states:
                    return
                if not self._is_done(ref):
                    told(f"passed over {ref}: {_now(row)}")
                self._in += 1
        self._in = len(self._refs)

    def leave_table(self, told: Callable[[str], None] = lambda line: None) -> None:
        """Go to the next place of another table.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        self._in = len(self._refs)
        self.forward(told)

    def _enter_next(self, ledger: Ledger) -> bool:
        left: Container[str] | None = None
        for at in range(self._at + 1, len(self._keys)):
            if left is not None and self._keys[at] not in left:
                continue
            refs, found = self._looked(ledger, self._keys[at])
            if found:
                self._at, self._refs = at, refs
                self._in = next(number for number, ref in enumerate(refs) if ref in found)
                return True
            # much may have been accepted at once: not every table is worth a look
            left = self._scope.numbers(ledger, self.wanted) if left is None else left
        return False

    def back(self) -> bool:
        """Go to the place before, decided or not; return whether there is one.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        if self._in > 0 and self._refs:
            self._in -= 1
            return True
        with self._ledgers.lent() as ledger:
            for at in range(self._at - 1, -1, -1):
                refs, _ = self._looked(ledger, self._keys[at])
                if refs:
                    self._at, self._refs, self._in = at, refs, len(refs) - 1
                    return True
        return False

    def jump(self, ref: ColumnRef) -> bool:
        """Go to a place, on the filter or not; return whether its table is on the walk.

        Raises:
            LedgerError: when the ledger cannot be used.
        """
        if ref.table not in self._numbers:
            return False
        with self._ledgers.lent() as ledger:
            refs, _ = self._looked(ledger, ref.table, ref)
        if ref not in refs:
            return False
        self._at, self._refs, self._in = self._keys.index(ref.table), refs, refs.index(ref)
        return True

    def _is_done(self, ref: ColumnRef) -> bool:
        return ref in self._decided and ref not in self._before

    def _looked(
        self, ledger: Ledger, key: str, also: ColumnRef | None = None
    ) -> tuple[list[ColumnRef], set[ColumnRef]]:
        """Return the places of a table that one can go to, and those of them that the filter leaves now."""
        table = self._scope.catalog.table(key)
        assert table is not None, "numbers are of the catalog's tables"
        self._scope.refresh(ledger, [table])
        found = {row.suggestion.ref for row in self._scope.rows(ledger, [table], self.wanted)}
        refs = [ref for ref in table.refs() if ref in found or self._is_done(ref) or ref == also]
        self._numbers[key] = len(refs)
        return refs, found


def _now(row: Row | None) -> str:
    if row is None:
        return "it has no suggestion any more"
    by = f" by {visible(row.suggestion.reviewer)}" if row.suggestion.reviewer else ""
    return f"{row.suggestion.state}{by} meanwhile"
