"""What the review in the terminal shows, as lines that fit: a place with its table around it, history, pages of long texts.

Every name and text is made `visible` first; widths are counted in the terminal's cells, of which some letters take two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, chop_cells

from docgen_plugin.alternatives import Alternative, Given
from docgen_plugin.console import count, visible
from docgen_plugin.model import Column, Table
from docgen_plugin.store import Event, Row

__all__ = [
    "PlaceShown",
    "alternative_lines",
    "clipped",
    "composed",
    "given_lines",
    "history_lines",
    "pages",
    "place_lines",
    "table_lines",
    "wrapped",
]

_INDENT = "   "
_MORE = "... (v shows all of it)"
_VALUES_SHOWN = 8
_INPUTS_SHOWN = 3
_FEWEST_AROUND = 3  # columns around the current one, else none are shown
_NAME_CELLS = 36


@dataclass(frozen=True, slots=True)
class PlaceShown:
    """One place of the review, as it is in the catalog and the ledger."""

    table: Table
    row: Row
    standing: str  # the text that stands there now
    position: str  # such as "3 of 120"
    states: Mapping[str, str] = field(default_factory=dict)  # of the table's places, by column name
    filtered: str = ""  # the filter in words

    @property
    def column(self) -> Column | None:
        """The column, None for the table itself."""
        name = self.row.suggestion.ref.column
        return self.table.column(name) if name else None


def clipped(text: str, cells: int) -> str:
    """Return a text of one line that takes at most so many cells, cut with dots.

    >>> clipped("customer_reference", 10), clipped("日本語", 5)
    ('custome...', '日...')
    """
    if cell_len(text) <= cells:
        return text
    room = max(0, cells - 3)
    parts = [part for part in chop_cells(text, room) if part] if room else []
    return (parts[0] if parts and cell_len(parts[0]) <= room else "") + "..."[: max(0, cells)]


def wrapped(text: str, cells: int, lead: str = "") -> list[str]:
    """Return a text as lines that take at most so many cells, each behind the lead; blanks and line ends are one blank.

    >>> wrapped("a bb ccc dddddddd", 8, "> ")
    ['> a bb', '> ccc', '> dddddd', '> dd']
    """
    room = max(2, cells - cell_len(lead))  # a letter may take two cells
    lines: list[str] = []
    line, used = "", 0
    for word in visible(" ".join(text.split())).split(" "):
        width = cell_len(word)
        if line and used + 1 + width <= room:
            line, used = f"{line} {word}", used + 1 + width
            continue
        lines += [line] if line else []
        *full, word = [part for part in chop_cells(word, room) if part] or [""]
        lines += full
        line, used = word, cell_len(word)
    return [lead + one for one in [*lines, line]] if line or lines else [lead.rstrip()]


def _capped(lines: list[str], most: int, cells: int, lead: str = _INDENT) -> list[str]:
    """Return lines, those beyond the most replaced by one that says so."""
    return lines if len(lines) <= most else [*lines[: max(0, most - 1)], clipped(f"{lead}{_MORE}", cells)]


def table_lines(table: Table, cells: int) -> Iterator[str]:
    """Yield the lines that introduce a table."""
    where = f", {table.path}" if table.path else ""
    owner = f", of {table.owner}" if table.owner else ""
    yield from wrapped(
        f"{table.key} ({table.kind}, {count(len(table.columns), 'column')}{where}{owner})", cells, "== "
    )
    if table.description.strip():
        yield from wrapped(table.description, cells, _INDENT)


def place_lines(shown: PlaceShown, cells: int) -> Iterator[list[str]]:
    """Yield what is known of a place in groups of lines: its name, its facts, origin, evidence, what stands there, the text."""
    suggestion, column = shown.row.suggestion, shown.column
    place = "the table itself" if column is None else visible(column.name)
    tail = f"  ({shown.position})"
    yield [f"-- {clipped(place, cells - 3 - len(tail))}{tail}"]
    facts = _facts(column, suggestion.evidence) if column is not None else ""
    yield wrapped(facts, cells, _INDENT) if facts else []
    origin = f"{suggestion.origin}, confidence {suggestion.confidence:.2f}"
    if suggestion.state != "suggested":
        by = f" by {suggestion.reviewer}" if suggestion.reviewer else ""
        origin += f"; {suggestion.state}{by}"
    yield wrapped(origin, cells, _INDENT)
    yield wrapped(suggestion.evidence, cells, _INDENT) if suggestion.evidence else []
    yield wrapped(f"there now: {shown.standing.strip() or 'nothing'}", cells, _INDENT)
    yield wrapped(suggestion.text, cells, " > ")


def _facts(column: Column, evidence: str) -> str:
    """Return what the catalog says of a column, but for what the evidence says as well."""
    facts = [column.type]
    facts += ["primary key"] if column.primary_key else []
    facts += ["unique"] if column.unique and not column.primary_key else []
    facts += ["not null"] if column.not_null and not column.primary_key else []
    if column.foreign_key is not None:
        key = column.foreign_key
        facts.append(f"key to {key.table}.{key.column}" if key.column else f"key to {key.table}")
    if column.values:
        shown = ", ".join(column.values[:_VALUES_SHOWN])
        more = f" and {len(column.values) - _VALUES_SHOWN} more" if len(column.values) > _VALUES_SHOWN else ""
        facts.append(f"one of {shown}{more}")
    lineage = column.lineage
    if lineage is not None and lineage.inputs:
        inputs = ", ".join(map(str, lineage.inputs[:_INPUTS_SHOWN]))
        derived = lineage.kind == "derived"
        made = f": {lineage.expression}" if lineage.expression else ""
        told = f"computed from {inputs}{made}" if derived else f"from {inputs}"
        facts += [told] if told not in evidence else []
    return ", ".join(fact for fact in facts if fact)


def composed(shown: PlaceShown, cells: int, rows: int, notes: Sequence[str] = ()) -> list[str]:
    """Return a whole screen of at most so many rows: the table, some of its columns, the place, and notes below."""
    head = _capped(list(table_lines(shown.table, cells)), 3, cells)
    if shown.filtered:
        head.append(clipped(f"{_INDENT}filter: {visible(shown.filtered)}", cells))
    said = [line for note in notes for line in wrapped(note, cells)]
    name, facts, origin, evidence, standing, text = place_lines(shown, cells)
    small = rows < 16
    groups = [
        name,
        _capped(facts, 1 if small else 3, cells),
        _capped(origin, 1 if small else 2, cells),
        _capped(evidence, 1 if small else 2, cells),
        _capped(standing, 1 if small else 3, cells),
    ]
    about = [line for group in groups for line in group]
    said = said[: max(0, rows - len(name) - 1)]
    room = rows - len(about) - len(said)
    if room < len(head) + min(2, len(text)):
        head = head[: max(0, room - min(2, len(text)))]
    free = room - len(head)
    # of a long text so much that some columns have room beside it
    text = _capped(text, max(1, free // 2, free - _FEWEST_AROUND - 4), cells, " > ")
    around = _around(shown, cells, room - len(head) - len(text) - 2)
    between = [""] if around else []
    return [*head, *between, *around, *between, *about, *text, *said][:rows]


def _around(shown: PlaceShown, cells: int, rows: int) -> list[str]:
    """Return the columns around the current one, with what became of their suggestions."""
    columns = shown.table.columns
    if rows < min(_FEWEST_AROUND, len(columns)) or not columns:
        return []
    at = max(0, shown.table.position(shown.row.suggestion.ref.column) - 1)
    first = max(0, min(at - rows // 2, len(columns) - rows))
    listed = columns[first : first + rows]
    width = min(_NAME_CELLS, max(cell_len(visible(column.name)) for column in listed))
    current = shown.column
    lines = []
    for column in listed:
        mark = ">" if current is not None and column.name == current.name else " "
        state = shown.states.get(column.name) or ("documented" if column.description.strip() else "")
        state = "open" if state == "suggested" else state
        name = clipped(visible(column.name), width)
        line = f" {mark} {name}{' ' * (width - cell_len(name))}  {state:10}  {visible(column.type)}"
        lines.append(clipped(line.rstrip(), cells))
    return lines


def history_lines(events: Sequence[Event], cells: int) -> list[str]:
    """Return what happened to a place, the oldest first."""
    lines: list[str] = []
    for event in events:
        parts = [f"{event.happened_at:%Y-%m-%d %H:%M} UTC  {event.new_state}"]
        parts += [f"by {event.who}"] if event.who else []
        parts += [f"(with others, {event.batch[:8]})"] if event.batch else []
        parts += [f"as {event.origin}"] if event.origin else []
        parts += [f"by {event.model}"] if event.model else []
        parts += [f"- {event.why}"] if event.why else []
        lines += wrapped(" ".join(parts), cells)
        if event.new_text is not None:
            lines += wrapped(event.new_text, cells, " > ")
    return lines or ["nothing is recorded of this place"]


def given_lines(given: Given, cells: int) -> list[str]:
    """Return exactly what a model is given about a place."""
    lines = [f"what {visible(given.model)} is given:"]
    lines += (
        wrapped(given.prompt, cells, _INDENT)
        if given.prompt
        else [f"{_INDENT}this model does not show its prompt"]
    )
    lines += ["hints of the dictionary and the glossary:"] if given.hints else []
    return lines + [line for hint in given.hints for line in wrapped(hint, cells, " - ")]


def alternative_lines(found: Alternative, cells: int) -> list[str]:
    """Return another text for a place, with what speaks against it."""
    lines = wrapped(found.text, cells, " > ") if found.text else [f"{visible(found.model)} has no answer"]
    if found.faults:
        verdict = "" if found.stands else ", so suggest would not take it"
        lines += wrapped(f"the checks found: {'; '.join(found.faults)}{verdict}", cells, _INDENT)
    return lines


def pages(lines: Sequence[str], rows: int) -> list[Sequence[str]]:
    """Return lines cut into pages of at most so many rows, at least one page.

    >>> pages(["a", "b", "c"], 2)
    [['a', 'b'], ['c']]
    """
    size = max(1, rows)
    return [lines[start : start + size] for start in range(0, len(lines), size)] or [lines]
