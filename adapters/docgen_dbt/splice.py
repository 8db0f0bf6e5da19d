"""Puts descriptions into a property file's text: every byte outside them stays as it is."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from docgen_dbt.document import Document, Refused, is_empty, pairs, parse_document, same_data
from docgen_dbt.edits import Edits, Entry
from docgen_dbt.layout import flow_list, is_spaced
from docgen_dbt.marks import IN_CONFIG, drop_mark, mark_spelling, nested, put_mark
from docgen_dbt.places import Place, Text, includes
from docgen_dbt.scalars import is_doc_reference
from docgen_plugin.jinja import escape_jinja, holds_jinja, unescape_jinja

__all__ = ["find_entry", "splice"]


@dataclass(slots=True)
class _Added:
    """What one new or growing entry gets."""

    entry: Entry | None
    place: Place
    text: Text | None = None  # the entry's own
    columns: list[Text] = field(default_factory=list)


def find_entry(document: Document, place: Place) -> bool:
    """Tell whether a file has an entry for a place.

    Raises:
        Refused: when it has it twice, or in a form that cannot be told.
    """
    return _Splicer(document).find(place) is not None


def splice(
    text: str, wanted: Sequence[Text], spelling: tuple[str, ...] = IN_CONFIG
) -> tuple[str, list[tuple[Text, str]]]:
    """Return the file's new text, and what was left out with the reason.

    Texts whose words already stand there need no change and count as done. An entry that the file lacks
    is added.

    Args:
        text: the file's, without byte order mark.
        wanted: what to put in.
        spelling: where marks go in a file that has no `meta:` yet, one of marks.IN_CONFIG and marks.BESIDE.

    Raises:
        Refused: when nothing can be done in this file at all.
    """
    for marking in (True, False) if any(item.mark is not None for item in wanted) else (False,):
        result, refused = _attempt(text, wanted, spelling, marking)
        if result is not None:
            return result, refused
    # One of them breaks the file in a way that was not foreseen: find it, keep the others.
    left_out = [*refused]
    good: list[Text] = []
    out = {id(item) for item, _ in refused}
    for item in wanted:
        if id(item) in out:
            continue
        if _attempt(text, [item])[0] is None:
            left_out.append((item, "the file would not read back as meant"))
        else:
            good.append(item)
    result, refused = _attempt(text, good)
    if result is None:
        raise Refused("the file would not read back as meant")
    return result, [*left_out, *refused]


def _attempt(
    text: str, wanted: Sequence[Text], spelling: tuple[str, ...] = IN_CONFIG, marking: bool = False
) -> tuple[str | None, list[tuple[Text, str]]]:
    """Return the new text, None when it does not read back as the expected data."""
    splicer = _Splicer(parse_document(text), spelling, marking)
    refused = []
    for item in wanted:
        try:
            splicer.put(item)
        except Refused as err:
            refused.append((item, str(err)))
    result, expected = splicer.finish()
    if result == text:
        return text, refused
    try:
        found = parse_document(result).data
    except Refused:
        return None, refused
    return (result if same_data(found, expected) else None), refused


def _check_name(name: str) -> None:
    """Refuse a new name that dbt would run: `c{{ 7*6 }}` in a seed's header would become a column c42."""
    if holds_jinja(name):
        raise Refused(f"the name {name} looks like Jinja, which dbt would run")


def _written(item: Text) -> str:
    """Return what goes into the file: the text so that dbt prints it as it is, or the call that gives it."""
    return item.reference or escape_jinja(item.after)


class _Splicer:
    """Collects edits to one document and makes them."""

    def __init__(
        self, document: Document, spelling: tuple[str, ...] = IN_CONFIG, marking: bool = True
    ) -> None:
        self._document = document
        self._text = document.text
        self._data = copy.deepcopy(document.data)
        self._edits = Edits(document)
        self._growing: dict[int, _Added] = {}  # by id of the entry's node
        self._new: dict[Place, _Added] = {}
        self._written: dict[int, Text] = {}  # by id of the entry's node
        self._spelling, self._marking = mark_spelling(document.data, spelling), marking
        self._marked: set[int] = set()

    def find(self, place: Place) -> Entry | None:
        """Return the entry of a place, None when the file has none."""
        section = self._document.section(place.section)
        if section is None or is_empty(section[1]):
            return None
        entry = self._item(section[1], self._data.get(place.section), place.name, str(place))
        if entry is None or not place.table:
            return entry
        found = pairs(entry.node, "tables")
        if len(found) != 1:
            return None
        return self._item(found[0][1], entry.data.get("tables"), place.table, str(place))

    def put(self, item: Text) -> None:
        """Plan one description.

        Raises:
            Refused: when it cannot or must not be written.
        """
        if not item.after.strip():
            raise Refused("an empty text is never written")
        try:
            item.after.encode()
        except UnicodeEncodeError as err:
            raise Refused("the text holds half of a character (a lone surrogate)") from err
        entry = self.find(item.place)
        if entry is None:
            _check_name(item.place.name)
            self._put_new(item)
            return
        for key in ("name", "description", "columns", "versions"):
            if len(pairs(entry.node, key)) > 1:
                raise Refused(f"the entry has '{key}:' twice")
        self._check_shared(entry, item)
        if item.column:
            self._put_column(entry, item)
        else:
            self._describe(self._described_entry(entry, item.place), item)

    def _check_shared(self, entry: Entry, item: Text) -> None:
        """Refuse what would change other places by an anchor; an anchor beside it does no harm.

        The expected data shares what the file shares, so reading back would not find such a change.
        """
        document = self._document
        parts = [entry, self._find_column(entry, item)[1] if item.column else None]
        for part in filter(None, parts):
            if item.place.version or part.node.flow_style:
                document.check_plain(part.node)
            document.check_own(part.node)
            for key in ("name", "description", "columns") if item.column else ("name", "description"):
                for name, value in pairs(part.node, key):
                    document.check_own(name)
                    document.check_own(value)

    def finish(self) -> tuple[str, dict[str, Any]]:
        """Return the new text and the data that it must read back as."""
        for added in self._growing.values():
            self._grow(added)
        sections: dict[str, list[_Added]] = {}
        for place, added in self._new.items():
            sections.setdefault(place.section, []).append(added)
        for section, entries in sections.items():
            self._add_entries(section, entries)
        return self._edits.result(), self._data

    # entries and columns

    def _item(self, node: yaml.Node, data: Any, name: str, shown: str) -> Entry | None:
        """Return the one item of a list with this name."""
        if not isinstance(node, yaml.SequenceNode) or not isinstance(data, list):
            raise Refused("the section is not a list")
        found = [
            Entry(item, value)
            for item, value in zip(node.value, data, strict=False)
            if isinstance(item, yaml.MappingNode) and isinstance(value, dict) and value.get("name") == name
        ]
        if len(found) > 1:
            raise Refused(f"{shown} has {len(found)} entries in this file")
        return found[0] if found else None

    def _described_entry(self, entry: Entry, place: Place) -> Entry:
        """Return where a model's own description stands: in its version where that has one."""
        version = self._version(entry, place)
        return version if version is not None and pairs(version.node, "description") else entry

    def _version(self, entry: Entry, place: Place) -> Entry | None:
        found = pairs(entry.node, "versions")
        items = entry.data.get("versions")
        if not place.version or not found or not isinstance(items, list):
            return None
        for item, value in zip(found[0][1].value, items, strict=False):
            if isinstance(value, dict) and str(value.get("v")) == place.version:
                return Entry(item, value)
        return None

    def _put_column(self, entry: Entry, item: Text) -> None:
        home, column = self._find_column(entry, item)
        if column is not None:
            self._describe(column, item)
            return
        if item.before.strip():
            raise Refused("text changed meanwhile")
        added = self._growing.setdefault(id(home.node), _Added(home, item.place))
        self._append_column(added, item)

    def _find_column(self, entry: Entry, item: Text) -> tuple[Entry, Entry | None]:
        """Return the entry whose columns are meant, and the column in it."""
        version = self._version(entry, item.place)
        if version is None:
            return entry, self._column(entry, item.column)
        own = self._column(version, item.column)
        if own is not None:
            return version, own
        shared = self._column(entry, item.column)
        if shared is not None and includes(version.data, str(shared.data.get("name"))):
            return entry, shared
        return version, None

    def _column(self, entry: Entry, name: str) -> Entry | None:
        """Return a column's entry: the exact name, else the only one without regard to case, as dbt has it."""
        found = pairs(entry.node, "columns")
        data = entry.data.get("columns")
        if not found or is_empty(found[0][1]):
            return None
        node = found[0][1]
        if not isinstance(node, yaml.SequenceNode) or not isinstance(data, list):
            raise Refused("'columns:' is not a list")
        items = [
            Entry(item, value)
            for item, value in zip(node.value, data, strict=False)
            if isinstance(item, yaml.MappingNode) and isinstance(value, dict) and "name" in value
        ]
        for same in (str, str.lower):
            matches = [item for item in items if same(str(item.data["name"])) == same(name)]
            if len(matches) > 1:
                raise Refused(f"column {name} has {len(matches)} entries")
            if matches:
                return matches[0]
        return None

    # one description

    def _describe(self, entry: Entry, item: Text) -> None:
        found = pairs(entry.node, "description")
        if len(found) > 1:
            raise Refused("the entry has 'description:' twice")
        if pairs(entry.node, "v") and holds_jinja(item.after):
            raise Refused("the text looks like Jinja, which dbt runs twice in a version's description")
        done = self._written.get(id(entry.node))
        if done is not None and done.after != item.after:
            raise Refused("another version of the model shares this place")
        if done is not None:
            return  # another version of the model has put it there just now
        if not found:
            if item.before.strip():
                raise Refused("text changed meanwhile")
            end = self._edits.insert_description(entry, _written(item))
            entry.data["description"] = _written(item)
            self._mark(entry, item, end)
            return
        key, value = found[0]
        if not isinstance(value, yaml.ScalarNode):
            raise Refused("'description:' is not a text")
        now = "" if is_empty(value) else value.value
        if unescape_jinja(now) == item.after or now == _written(item):
            self._mark(entry, item, self._document.content_end(value, key.start_mark.column))
            return
        if is_doc_reference(now):
            raise Refused("the description is a doc() reference")
        if unescape_jinja(now).strip() != item.before.strip():
            raise Refused("text changed meanwhile")
        end = self._edits.replace(entry, key, value, _written(item))
        entry.data["description"] = _written(item)
        self._mark(entry, item, end)

    def _mark(self, entry: Entry, item: Text, offset: int) -> None:
        """Say beside a description where it comes from; a place where that cannot be said goes without."""
        self._written[id(entry.node)] = item
        if item.mark is None or not self._marking or id(entry.node) in self._marked:
            return
        self._marked.add(id(entry.node))
        with contextlib.suppress(Refused):
            self._document.check_plain(entry.node)
            if item.mark:
                put_mark(self._edits, self._document, entry, item.mark, self._spelling, offset)
            else:
                drop_mark(self._edits, self._document, entry)

    def _new_item(self, name: str, item: Text) -> dict[str, Any]:
        """Return what is written for a column or entry that the file lacks."""
        marked = nested(self._spelling, item.mark) if item.mark and self._marking else {}
        return {"name": name, "description": _written(item), **marked}

    # new columns and entries

    def _put_new(self, item: Text) -> None:
        if item.place.section == "sources":
            raise Refused("the source has no entry in this file any more")
        if item.before.strip():
            raise Refused("text changed meanwhile")
        added = self._new.setdefault(item.place, _Added(None, item.place))
        if item.column:
            self._append_column(added, item)
        else:
            added.text = item

    def _append_column(self, added: _Added, item: Text) -> None:
        _check_name(item.column)
        if any(other.column.lower() == item.column.lower() for other in added.columns):
            raise Refused("another column differs from this one in case only")
        added.columns.append(item)

    def _grow(self, added: _Added) -> None:
        """Give an existing entry its new columns."""
        entry = added.entry
        if entry is None:
            return
        items = [self._new_item(item.column, item) for item in added.columns]
        if "v" in entry.data and "columns" not in entry.data:
            items.insert(0, {"include": "all"})
        found = pairs(entry.node, "columns")
        count = 0
        if found:
            count = self._edits.grow_list(found[0][0], found[0][1], items)
        elif entry.node.flow_style:
            key, value = entry.node.value[-1]
            end = self._document.content_end(value, key.start_mark.column)
            self._edits.put(end, end, f", columns: {flow_list(items)}", 2)
        else:
            column = entry.node.value[0][0].start_mark.column
            lines = f"{' ' * column}columns:" + self._edits.lines(items, column + self._edits.style.dash)
            self._edits.insert_line(self._edits.columns_offset(entry), lines, 2)
        before = entry.data.get("columns") or []
        entry.data["columns"] = [*before[:count], *items, *before[count:]]

    def _add_entries(self, section: str, entries: list[_Added]) -> None:
        items: list[dict[str, Any]] = []
        for added in entries:
            name = added.place.name
            item: dict[str, Any] = {"name": name} if added.text is None else self._new_item(name, added.text)
            if added.columns:
                item["columns"] = [self._new_item(text.column, text) for text in added.columns]
            items.append(item)
        document, newline = self._document, self._document.newline
        found = document.section(section)
        before = self._data.get(section) or []
        if found is None:
            self._data[section] = items
            lines = f"{section}:" + self._edits.entry_lines(
                items, self._edits.style.dash, self._edits.style.key, True
            )
            self._edits.append_section(lines)
            return
        key, value = found
        if not isinstance(value, yaml.SequenceNode) or not value.value or value.flow_style:
            count = self._edits.grow_list(key, value, items)
            self._data[section] = [*before[:count], *items, *before[count:]]
            return
        end, count = document.list_end(key, value)
        self._data[section] = [*before[:count], *items, *before[count:]]
        spaced = is_spaced(self._text, value)
        lines = self._edits.entry_lines(items, value.start_mark.column, self._edits.gap(value), spaced)
        if spaced:
            lines = newline + lines
        self._edits.insert_line(end, lines.removeprefix(newline), 3)
