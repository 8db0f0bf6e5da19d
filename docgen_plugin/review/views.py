"""What the pages show, as plain data: tables with counts, places with their facts, filters and where links lead."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from docgen_plugin.errors import ConfigError
from docgen_plugin.ledger_pages import ORDERS
from docgen_plugin.ledger_rows import place_of
from docgen_plugin.model import STATES, Column, ColumnRef, Table
from docgen_plugin.review.desk import Desk, Shown
from docgen_plugin.review.filters import ORIGINS
from docgen_plugin.store import Filter, Row

__all__ = [
    "Asked", "COLUMNS", "ORIGINS", "PAGE", "PlaceView", "TableLine", "asked", "diff_lines", "folders", "owners", "place_view", "progress",
    "table_lines", "table_places",
]  # fmt: skip

PAGE = 50  # suggestions or tables on a page
COLUMNS = 100  # columns of one table on a page
_DONE = ("suggested", "accepted", "edited", "rejected")
_DECIDABLE = ("suggested", "accepted", "edited", "rejected")
_MOST_LINES = 5000


@dataclass(frozen=True, slots=True)
class TableLine:
    """One table in the list."""

    table: Table
    counts: Mapping[str, int]  # by state, and "unclear" among the suggested
    missing: int  # places with neither a description nor a suggestion

    @property
    def open(self) -> int:
        """How many suggestions wait."""
        return self.counts.get("suggested", 0)

    @property
    def taken(self) -> int:
        """How many texts are accepted and not yet written."""
        return self.counts.get("accepted", 0) + self.counts.get("edited", 0)


@dataclass(frozen=True, slots=True)
class PlaceView:
    """One place: a column or the table itself, its facts, and its suggestion if it has one."""

    id: str
    ref: ColumnRef
    table: Table | None
    column: Column | None
    position: int
    standing: str | None  # the text that stands there now, None when the place is gone
    row: Row | None
    note: str = ""
    anew: bool = False  # whether a text may be asked for again

    @property
    def state(self) -> str:
        """The suggestion's state, "documented" or "none" without one."""
        if self.row is not None:
            return self.row.suggestion.state
        return "documented" if (self.standing or "").strip() else "none"

    @property
    def decidable(self) -> bool:
        """Whether a decision can still be made or changed."""
        return self.row is not None and self.state in _DECIDABLE and self.standing is not None

    @property
    def badges(self) -> list[str]:
        """The column's keys and tests, in a few words each."""
        column = self.column
        if column is None:
            return []
        found = ["primary key"] if column.primary_key else []
        found += ["unique"] if column.unique and not column.primary_key else []
        found += ["not null"] if column.not_null and not column.primary_key else []
        if column.foreign_key is not None:
            key = column.foreign_key
            found.append(f"→ {key.table}.{key.column}" if key.column else f"→ {key.table}")
        return found

    @property
    def percent(self) -> int:
        """The confidence in percent."""
        return round(100 * self.row.suggestion.confidence) if self.row is not None else 0


@dataclass(frozen=True, slots=True)
class Asked:
    """What a reviewer filters by, and the query string that says it again."""

    wanted: Filter
    order: str = "table"

    def query(self, **more: object) -> str:
        """Return the query string, with more parameters behind."""
        one = self.wanted
        pairs: list[tuple[str, object]] = [("state", state) for state in one.states]
        pairs += [("origin", origin) for origin in one.origins]
        pairs += [("table", key) for key in one.tables]
        for name, value in (("min", one.min_confidence), ("max", one.max_confidence)):
            pairs += [(name, f"{value:g}")] if value is not None else []
        for name, text in (("folder", one.folder), ("owner", one.owner), ("q", one.search)):
            pairs += [(name, text)] if text else []
        pairs += [("order", self.order)] if self.order != "table" else []
        return urlencode([*pairs, *more.items()], errors="replace")

    @property
    def narrowed(self) -> bool:
        """Whether anything is filtered by."""
        return self.wanted != Filter()


def asked(pairs: Iterable[tuple[str, str]]) -> Asked:
    """Return the filter in a query string or a form; empty values and unknown names mean nothing.

    Raises:
        ConfigError: for a state, an origin, an order or a number that cannot be.
    """
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        if value.strip():
            found.setdefault(name, []).append(value)
    for name, known in (("state", STATES), ("origin", ORIGINS), ("order", ORDERS)):
        for value in found.get(name, ()):
            if value not in known:
                raise ConfigError(f"filter {name}: {value!r} is none of {', '.join(known)}")

    def last(name: str) -> str:
        return found.get(name, [""])[-1]

    wanted = Filter(
        states=tuple(dict.fromkeys(found.get("state", ()))),
        origins=tuple(dict.fromkeys(found.get("origin", ()))),
        min_confidence=_number(last("min")),
        max_confidence=_number(last("max")),
        tables=tuple(dict.fromkeys(found.get("table", ()))),
        folder=last("folder"),
        owner=last("owner"),
        search=last("q").strip(),
    )
    return Asked(wanted, last("order") or "table")


def _number(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 1:
        raise ConfigError(f"filter confidence: wants a number from 0 to 1, found {text!r}")
    return value


def progress(desk: Desk) -> dict[str, int]:
    """Return the numbers of all chosen tables together: by state, and the places that still lack a suggestion."""
    tally = desk.tally()
    missing = sum(_missing(desk.shown, key, tally.by_table.get(key, {})) for key in desk.shown.positions)
    return {**dict.fromkeys((*STATES, "unclear"), 0), **tally.states, "missing": missing}


def _missing(shown: Shown, key: str, counts: Mapping[str, int]) -> int:
    return max(0, shown.missing[key] - sum(counts.get(state, 0) for state in _DONE))


def table_lines(
    desk: Desk, search: str = "", owner: str = "", folder: str = "", todo: bool = False, order: str = ""
) -> list[TableLine]:
    """Return the tables that are meant, in the catalog's order or with the most to decide first."""
    by_table = desk.tally().by_table
    needle = search.strip().lower()
    found = [
        TableLine(
            table, by_table.get(table.key, {}), _missing(desk.shown, table.key, by_table.get(table.key, {}))
        )
        for table in desk.shown.tables
        if needle in table.key.lower()
        and (not owner or table.owner == owner)
        and (not folder or table.path.startswith(f"{folder.rstrip('/')}/"))
    ]
    if todo:
        found = [line for line in found if line.open]
    if order == "todo":
        found.sort(key=lambda line: -line.open)
    return found


def owners(tables: Iterable[Table]) -> list[str]:
    """Return the owners of tables, sorted."""
    return sorted({table.owner for table in tables if table.owner})


def folders(tables: Iterable[Table]) -> list[str]:
    """Return every folder that documents tables, with those above it, sorted.

    >>> folders([Table("t", "t", path="models/staging/schema.yml")])
    ['models', 'models/staging']
    """
    found: set[str] = set()
    for table in tables:
        parts = table.path.split("/")[:-1]
        found.update("/".join(parts[: depth + 1]) for depth in range(len(parts)) if parts[depth])
    return sorted(found)


def place_view(desk: Desk, ref: ColumnRef, row: Row | None, note: str = "") -> PlaceView:
    """Return one place as it is in the catalog that was read, with its row of the ledger."""
    table = desk.shown.catalog.table(ref.table)
    column = table.column(ref.column) if table is not None and ref.column else None
    position = row.suggestion.position if row is not None else 0
    return _view(desk, table, column, ref, row, position, note)


def _view(
    desk: Desk,
    table: Table | None,
    column: Column | None,
    ref: ColumnRef,
    row: Row | None,
    position: int,
    note: str = "",
) -> PlaceView:
    standing = None
    if table is not None and (column is not None or not ref.column):
        standing = column.description if column is not None else table.description
    name = f"p{place_of(desk.name, ref)[:20]}"
    return PlaceView(name, ref, table, column, position, standing, row, note, standing is not None)


def table_places(desk: Desk, table: Table, rows: Sequence[Row], first: int) -> Iterator[PlaceView]:
    """Yield the table itself on its first page, and the columns from `first` (0 is the first) on."""
    by_column = {row.suggestion.ref.column: row for row in rows}
    if not first:
        yield _view(desk, table, None, ColumnRef(table.key), by_column.get(""), 0)
    for number, column in enumerate(table.columns[first : first + COLUMNS], first + 1):
        ref = ColumnRef(table.key, column.name)
        yield _view(desk, table, column, ref, by_column.get(column.name), number)


def diff_lines(preview: str) -> tuple[list[tuple[str, str]], int]:
    """Return (kind, line) of a preview for display, and how many lines more there are.

    >>> diff_lines("-a\\n+b\\n@@ 1 @@")[0]
    [('del', '-a'), ('add', '+b'), ('at', '@@ 1 @@')]
    """
    lines = preview.rstrip("\n").split("\n") if preview.strip() else []
    shown: list[tuple[str, str]] = []
    for line in lines[:_MOST_LINES]:
        kind = "at" if line.startswith(("+++", "---", "@@")) else {"+": "add", "-": "del"}.get(line[:1], "")
        shown.append((kind, line))
    return shown, len(lines) - len(shown)
