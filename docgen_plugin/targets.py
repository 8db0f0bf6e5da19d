"""The ledger against the catalog: which rows still hold, which places want a text, which wait for a person.

Rows are read for some tables at a time, so that the memory needed does not grow with the ledger.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass

from docgen_plugin.config import Config
from docgen_plugin.freshness import Turn, fingerprint, judge, same_evidence, same_text
from docgen_plugin.inherit import inherited
from docgen_plugin.model import Catalog, Column, ColumnRef, Suggestion, Table, text_hash
from docgen_plugin.selection import chosen_tables, is_selected
from docgen_plugin.store import Decision, Ledger, Row

__all__ = ["Target", "approved", "find", "machine_made", "ordered", "refresh", "reopen"]

_TABLES_AT_ONCE = 200  # tables whose ledger rows are in memory together
_APPROVED = ("accepted", "edited", "applied")


def refresh(
    catalog: Catalog,
    ledger: Ledger,
    dry_run: bool = False,
    tables: Sequence[Table] | None = None,
    made: Container[ColumnRef] | None = None,
) -> list[tuple[Row, Turn]]:
    """Bring the ledger's states in line with what stands in the source now; return what changed.

    Tables that the catalog does not show are left as they are: a filter may hide them.

    Args:
        tables: those of the catalog to look at, all when left out.
        made: what `machine_made` returned, to spare asking again where tables are looked at one by one.

    Raises:
        LedgerError: when the ledger cannot be used.
    """
    turned: list[tuple[Row, Turn]] = []
    made = machine_made(catalog, ledger) if made is None else made
    for part in _chunks(catalog.tables if tables is None else tables):
        places = _Places(part, catalog, made)
        found: list[tuple[Row, Turn]] = []
        for row in ledger.rows(catalog.source, places.keys):
            turn = places.judge(row)
            if turn is not None:
                found.append((row, turn))
        if not dry_run:
            ledger.decide(catalog.source, (Decision(row, turn.state, why=turn.why) for row, turn in found))
        turned += found
    return turned


def machine_made(catalog: Catalog, ledger: Ledger) -> frozenset[ColumnRef]:
    """Return the columns where a text of ours stands that no person worded: what is above them says more.

    Raises:
        LedgerError: when the ledger cannot be read.
    """
    if not any(column.lineage for table in catalog.tables for column in table.columns):
        return frozenset()
    places = _Places(catalog.tables, catalog, ())
    found = {
        row.suggestion.ref for row in ledger.rows(catalog.source, origins=("inherited",)) if places.holds(row)
    }
    for row in ledger.rows(catalog.source, states=("applied",)):
        if row.suggestion.origin == "inherited" or row.previous == "edited" or not places.holds(row):
            continue
        if row.previous != "stale" or not _reworded(catalog, ledger, row):
            found.add(row.suggestion.ref)
    return frozenset(found)


def _is_edited(suggestion: Suggestion) -> bool:
    """Return whether a person put other words in an inherited text's place."""
    return text_hash(suggestion.text) != suggestion.parent_hash


class _Places:
    """Some tables with their columns by name, so that a ledger row meets its place at once."""

    def __init__(self, tables: Sequence[Table], catalog: Catalog, made: Container[ColumnRef]) -> None:
        self._catalog, self._made = catalog, made
        self.keys = [table.key for table in tables]
        self._tables = {table.key: table for table in tables}
        self._columns = {(table.key, column.name): column for table in tables for column in table.columns}

    def judge(self, row: Row) -> Turn | None:
        """Return the state that a row of these tables should turn to, None when it is right."""
        ref = row.suggestion.ref
        table = self._tables[ref.table]
        column = self._columns.get((ref.table, ref.column)) if ref.column else None
        if ref.column and column is None:
            return judge(row.suggestion, None, "")
        standing = column.description if column is not None else table.description
        return judge(row.suggestion, standing, fingerprint(table, column), self.parent(row))

    def holds(self, row: Row) -> bool:
        """Return whether a row's text, or our own one that it is to replace, stands at its column; not when pinned."""
        suggestion = row.suggestion
        column = self._columns.get((suggestion.ref.table, suggestion.ref.column))
        if column is None or column.pinned or not column.description.strip():
            return False
        if suggestion.origin == "inherited" and _is_edited(suggestion):
            return False
        settled = suggestion.state in ("applied", "stale")
        return same_text(column.description, suggestion.text if settled else suggestion.before)

    def parent(self, row: Row) -> str | None:
        """Return what the place of an inherited row would inherit now; None for all others and when it is pinned."""
        suggestion = row.suggestion
        ref = suggestion.ref
        column = self._columns.get((ref.table, ref.column))
        if suggestion.origin != "inherited" or column is None or column.pinned or _is_edited(suggestion):
            return None
        found = inherited(self._catalog, self._tables[ref.table], column, self._made)
        return None if found is None else found.text

    def outdated(self, row: Row) -> bool:
        """Return whether a row's text was inherited from a column that has another text now."""
        parent = self.parent(row)
        return parent is not None and not same_text(parent, row.suggestion.text)

    def replaceable(self, row: Row) -> bool:
        """Return whether what stands at a stale row's place is our own text, no longer the best to say."""
        ref = row.suggestion.ref
        table = self._tables[ref.table]
        column = self._columns.get((ref.table, ref.column)) if ref.column else None
        if ref.column and column is None:
            return False
        standing = column.description if column is not None else table.description
        if _before_stale(row) == "applied":
            changed = not same_evidence(row.suggestion.fingerprint, fingerprint(table, column))
            return same_text(standing, row.suggestion.text) and (changed or self.outdated(row))
        # a suggestion is made beside a standing text only where that text was ours
        return bool(row.suggestion.before.strip()) and same_text(standing, row.suggestion.before)

    def state(self, row: Row) -> str:
        """Return the state a row has once the source as it is now is taken into account."""
        turn = self.judge(row)
        return row.suggestion.state if turn is None else turn.state


def _before_stale(row: Row) -> str:
    """Return the state that a row had when it turned stale, be that recorded or not."""
    return row.previous if row.suggestion.state == "stale" else row.suggestion.state


def _reworded(catalog: Catalog, ledger: Ledger, row: Row) -> bool:
    """Return whether a person wrote the text of a row, rather than just approved it."""
    last = ""
    for event in ledger.history(catalog.source, row.suggestion.ref):
        last = event.new_state if event.new_state in ("suggested", "edited") else last
    return last == "edited"


def _chunks(tables: Sequence[Table]) -> Iterator[Sequence[Table]]:
    for start in range(0, len(tables), _TABLES_AT_ONCE):
        yield tables[start : start + _TABLES_AT_ONCE]


@dataclass(frozen=True, slots=True)
class Target:
    """The places of one table that want a text."""

    table: Table
    columns: tuple[Column, ...]
    with_table: bool
    earlier: Mapping[str, Suggestion]  # what people approved there before it turned stale, by column name

    @property
    def size(self) -> int:
        """Return the number of places."""
        return len(self.columns) + self.with_table


def find(catalog: Catalog, ledger: Ledger, config: Config, select: Sequence[str] = ()) -> Iterator[Target]:
    """Yield the places without a live row that are undocumented or hold our own outdated text, by table.

    Raises:
        LedgerError: when the ledger cannot be read.
    """
    made = machine_made(catalog, ledger)
    for tables in _chunks(list(chosen_tables(catalog.tables, config))):
        taken: dict[str, set[str]] = {}
        earlier: dict[str, dict[str, Suggestion]] = {}
        ours: set[ColumnRef] = set()
        places = _Places(tables, catalog, made)
        for row in list(ledger.rows(catalog.source, places.keys)):
            ref = row.suggestion.ref
            if places.state(row) != "stale":
                taken.setdefault(ref.table, set()).add(ref.column)
                continue
            replaceable = places.replaceable(row)
            if replaceable:
                ours.add(ref)
            # what only a model wrote is written anew for a changed column; a person's words are shown again
            approved_before = _before_stale(row) in _APPROVED and not places.outdated(row)
            if approved_before and (not replaceable or _reworded(catalog, ledger, row)):
                earlier.setdefault(ref.table, {})[ref.column] = row.suggestion
        for table in tables:
            closed = taken.get(table.key, ())
            columns = tuple(
                column
                for column in table.columns
                if (not column.description.strip() or ColumnRef(table.key, column.name) in ours)
                and column.name not in closed
                and not column.pinned
                and is_selected(table, column.name, select)
            )
            with_table = (
                (not table.description.strip() or ColumnRef(table.key) in ours)
                and "" not in closed
                and not table.pinned
                and is_selected(table, "", select)
            )
            if columns or with_table:
                yield Target(table, columns, with_table, earlier.get(table.key, {}))


def reopen(
    catalog: Catalog,
    ledger: Ledger,
    config: Config,
    due: Callable[[Suggestion], bool],
    select: Sequence[str] = (),
) -> int:
    """Turn open suggestions that are `due` to be made anew stale, so that `find` yields their places; return how many.

    Raises:
        LedgerError: when the ledger cannot be used.
    """
    rows = ordered(catalog, ledger, config, ("suggested",), select)
    others = [row for row in rows if due(row.suggestion)]
    return len(ledger.decide(catalog.source, (Decision(row, "stale", why="asked again") for row in others)))


def approved(catalog: Catalog, ledger: Ledger, config: Config, select: Sequence[str] = ()) -> list[Row]:
    """Return the accepted and edited rows that still hold, of the chosen tables, in the catalog's order.

    Raises:
        LedgerError: when the ledger cannot be read.
    """
    places = _Places(catalog.tables, catalog, machine_made(catalog, ledger))
    rows = ordered(catalog, ledger, config, ("accepted", "edited"), select)
    return [row for row in rows if places.state(row) == row.suggestion.state]


def ordered(
    catalog: Catalog, ledger: Ledger, config: Config, states: Sequence[str], select: Sequence[str] = ()
) -> list[Row]:
    """Return the rows in these states of the chosen tables, in the catalog's order, a table before its columns.

    Raises:
        LedgerError: when the ledger cannot be read.
    """
    found: list[Row] = []
    for tables in _chunks(list(chosen_tables(catalog.tables, config))):
        by_ref = {
            row.suggestion.ref: row
            for row in ledger.rows(catalog.source, [table.key for table in tables], states)
        }
        found += [
            by_ref[ref]
            for table in tables
            for ref in table.refs()
            if ref in by_ref and is_selected(table, ref.column, select)
        ]
    return found
