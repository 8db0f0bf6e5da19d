"""What of the accepted texts is to be written: compared with what stands there, cleaned, cut to size."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from docgen_plugin.model import Catalog, Change, ColumnRef
from docgen_sqlalchemy.comments import Place, refusal
from docgen_sqlalchemy.dialects import DIALECTS, clean, fit, keep

__all__ = ["Item", "Skipped", "Statement", "plan", "recheck"]

Skipped = tuple[ColumnRef, str]


@dataclass(frozen=True, slots=True)
class Item:
    """One comment to write; the note says what of its text was lost on the way."""

    ref: ColumnRef
    place: Place
    text: str
    note: str = ""
    before: str = ""  # the text that it may replace


@dataclass(frozen=True, slots=True)
class Statement:
    """The comments of one table and the SQL that writes them, one or many statements."""

    items: tuple[Item, ...]
    sql: tuple[str, ...]
    bare: str = ""  # MySQL and MariaDB: the table without its comments, to compare afterwards


def plan(
    catalog: Catalog, changes: Sequence[Change], dialect: str
) -> tuple[list[tuple[Item, ...]], list[Skipped]]:
    """Return what to write, by table in the order of the changes, and what is left alone and why."""
    groups: dict[str, list[Item]] = defaultdict(list)
    skipped: list[Skipped] = []
    seen: set[ColumnRef] = set()
    for change in changes:
        item = _item(catalog, change, dialect) if change.ref not in seen else "named twice"
        seen.add(change.ref)
        if isinstance(item, str):
            skipped.append((change.ref, item))
        else:
            groups[change.ref.table].append(item)
    return [tuple(group) for group in groups.values()], skipped


def _item(catalog: Catalog, change: Change, dialect: str) -> Item | str:
    """Return what to write for a change, or why not."""
    table = catalog.table(change.ref.table)
    current = catalog.description(change.ref)
    if table is None:
        return "the table is gone"
    if current is None:
        return "the column is gone"
    rules = DIALECTS[dialect]
    kept, lost = keep(clean(change.after), rules)
    text, cut = fit(kept, rules.column_limit if change.ref.column else rules.table_limit)
    if not text.strip():
        return "the new text is empty; nothing is blanked"
    left = _left(current, change.before, text)
    if left:
        return left
    place = Place(table.schema, table.name, table.kind, change.ref.column)
    note = "; ".join(part for part in (lost, cut) if part)
    return refusal(dialect, place) or Item(change.ref, place, text, note, change.before)


def _left(current: str, before: str, text: str) -> str:
    """Return why a place is left alone for what stands there, "" where it may be written."""
    if current == text:
        return "already says this"
    return "" if current.strip() == before.strip() else "text changed meanwhile"


def recheck(
    group: Sequence[Item], texts: Mapping[str, str] | None, skipped: list[Skipped]
) -> tuple[Item, ...]:
    """Return what of a table's plan still holds; what does not is added to `skipped` with the reason.

    `texts` are the comments that stand there now, by column with "" for the table itself, None without it.
    """
    kept: list[Item] = []
    for item in group:
        if texts is None:
            left = "the table is gone"
        elif item.place.column not in texts:
            left = "the column is gone"
        else:
            left = _left(texts[item.place.column], item.before, item.text)
        if left:
            skipped.append((item.ref, left))
        else:
            kept.append(item)
    return tuple(kept)
