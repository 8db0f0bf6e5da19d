"""Puts descriptions into a property file's text: every byte outside them stays as it is."""

from __future__ import annotations

import copy
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from docgen_dbt.document import Document, Refused, is_empty, pairs, parse_document, same_data
from docgen_dbt.layout import flow_list, is_spaced, list_lines, list_style
from docgen_dbt.places import Place, Text, includes
from docgen_dbt.scalars import is_doc_reference, render_flow, render_scalar
from docgen_plugin.jinja import escape_jinja, holds_jinja, unescape_jinja

__all__ = ["find_entry", "splice"]


@dataclass(frozen=True, slots=True)
class _Edit:
    """Replace text[start:end]; edits at one offset are made in the order of rank, then of arrival."""

    start: int
    end: int
    text: str
    rank: int = 0


@dataclass(frozen=True, slots=True)
class _Entry:
    """A mapping of the file as node and as data, and the list of the same level that holds it."""

    node: yaml.MappingNode
    data: dict[str, Any]


@dataclass(slots=True)
class _Added:
    """What one new or growing entry gets."""

    entry: _Entry | None
    place: Place
    description: str | None = None
    columns: list[tuple[str, str]] = field(default_factory=list)  # name, YAML text


def find_entry(document: Document, place: Place) -> bool:
    """Tell whether a file has an entry for a place.

    Raises:
        Refused: when it has it twice, or in a form that cannot be told.
    """
    return _Splicer(document).find(place) is not None


def splice(text: str, wanted: Sequence[Text]) -> tuple[str, list[tuple[Text, str]]]:
    """Return the file's new text, and what was left out with the reason.

    Texts whose words already stand there need no change and count as done. An entry that the file lacks
    is added.

    Raises:
        Refused: when nothing can be done in this file at all.
    """
    result, refused = _attempt(text, wanted)
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


def _attempt(text: str, wanted: Sequence[Text]) -> tuple[str | None, list[tuple[Text, str]]]:
    """Return the new text, None when it does not read back as the expected data."""
    splicer = _Splicer(parse_document(text))
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

    def __init__(self, document: Document) -> None:
        self._document = document
        self._text = document.text
        self._data = copy.deepcopy(document.data)
        self._edits: list[_Edit] = []
        self._growing: dict[int, _Added] = {}  # by id of the entry's node
        self._new: dict[Place, _Added] = {}
        self._written: dict[tuple[int, str], str] = {}
        self._style = list_style(document.root)

    def find(self, place: Place) -> _Entry | None:
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
        self._document.check_plain(entry.node)
        for key in ("name", "description", "columns", "versions"):
            if len(pairs(entry.node, key)) > 1:
                raise Refused(f"the entry has '{key}:' twice")
        if item.column:
            self._put_column(entry, item)
        else:
            self._describe(self._described_entry(entry, item.place), item)

    def finish(self) -> tuple[str, dict[str, Any]]:
        """Return the new text and the data that it must read back as."""
        for added in self._growing.values():
            self._grow(added)
        sections: dict[str, list[_Added]] = {}
        for place, added in self._new.items():
            sections.setdefault(place.section, []).append(added)
        for section, entries in sections.items():
            self._add_entries(section, entries)
        parts, position = [], 0
        for edit in sorted(self._edits, key=lambda edit: (edit.start, edit.rank)):
            parts += [self._text[position : edit.start], edit.text]
            position = max(position, edit.end)
        return "".join([*parts, self._text[position:]]), self._data

    # entries and columns

    def _item(self, node: yaml.Node, data: Any, name: str, shown: str) -> _Entry | None:
        """Return the one item of a list with this name."""
        if not isinstance(node, yaml.SequenceNode) or not isinstance(data, list):
            raise Refused("the section is not a list")
        found = [
            _Entry(item, value)
            for item, value in zip(node.value, data, strict=False)
            if isinstance(item, yaml.MappingNode) and isinstance(value, dict) and value.get("name") == name
        ]
        if len(found) > 1:
            raise Refused(f"{shown} has {len(found)} entries in this file")
        return found[0] if found else None

    def _described_entry(self, entry: _Entry, place: Place) -> _Entry:
        """Return where a model's own description stands: in its version where that has one."""
        version = self._version(entry, place)
        return version if version is not None and pairs(version.node, "description") else entry

    def _version(self, entry: _Entry, place: Place) -> _Entry | None:
        found = pairs(entry.node, "versions")
        items = entry.data.get("versions")
        if not place.version or not found or not isinstance(items, list):
            return None
        for item, value in zip(found[0][1].value, items, strict=False):
            if isinstance(value, dict) and str(value.get("v")) == place.version:
                return _Entry(item, value)
        return None

    def _put_column(self, entry: _Entry, item: Text) -> None:
        home, column = self._find_column(entry, item)
        if column is not None:
            self._describe(column, item)
            return
        if item.before.strip():
            raise Refused("text changed meanwhile")
        added = self._growing.setdefault(id(home.node), _Added(home, item.place))
        self._append_column(added, item)

    def _find_column(self, entry: _Entry, item: Text) -> tuple[_Entry, _Entry | None]:
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

    def _column(self, entry: _Entry, name: str) -> _Entry | None:
        """Return a column's entry: the exact name, else the only one without regard to case, as dbt has it."""
        found = pairs(entry.node, "columns")
        data = entry.data.get("columns")
        if not found or is_empty(found[0][1]):
            return None
        node = found[0][1]
        if not isinstance(node, yaml.SequenceNode) or not isinstance(data, list):
            raise Refused("'columns:' is not a list")
        items = [
            _Entry(item, value)
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

    def _describe(self, entry: _Entry, item: Text) -> None:
        found = pairs(entry.node, "description")
        if len(found) > 1:
            raise Refused("the entry has 'description:' twice")
        if pairs(entry.node, "v") and holds_jinja(item.after):
            raise Refused("the text looks like Jinja, which dbt runs twice in a version's description")
        done = self._written.setdefault((id(entry.node), "description"), item.after)
        if done != item.after:
            raise Refused("another version of the model shares this place")
        if not found:
            if item.before.strip():
                raise Refused("text changed meanwhile")
            self._insert_description(entry, item)
            return
        key, value = found[0]
        if not isinstance(value, yaml.ScalarNode):
            raise Refused("'description:' is not a text")
        now = "" if is_empty(value) else value.value
        if unescape_jinja(now) == item.after:
            return
        if is_doc_reference(now):
            raise Refused("the description is a doc() reference")
        if unescape_jinja(now).strip() != item.before.strip():
            raise Refused("text changed meanwhile")
        self._replace(entry, key, value, _written(item))
        entry.data["description"] = _written(item)

    def _replace(self, entry: _Entry, key: yaml.Node, value: yaml.ScalarNode, text: str) -> None:
        document = self._document
        if entry.node.flow_style:
            start = document.after_colon(key)
            end = max(start, value.end_mark.index)
            self._edits.append(_Edit(start, end, " " + render_flow(text, value.style in ('"', "'"))))
            return
        column = key.start_mark.column
        style = value.style or ""
        start = document.after_colon(key)
        if is_empty(value) and style not in ("'", '"', "|", ">"):
            end = max(start, value.end_mark.index)
            end = self._blanks_end(end)
        elif style in ("|", ">"):
            end = self._block_value_end(value, column)
        else:
            end = value.end_mark.index
        scalar = render_scalar(text, column, style, document.newline)
        self._put_value(start, value, end, scalar)

    def _put_value(self, start: int, value: yaml.ScalarNode, end: int, scalar: str) -> None:
        """Replace a value; a comment behind its first line keeps its line."""
        first, break_, rest = scalar.partition(self._document.newline)
        begin = max(start, value.start_mark.index)
        gap = "" if begin > start else " "
        if value.style in ("|", ">"):
            header = re.compile(r"[|>][-+0-9]*").match(self._text, begin)
            tail_start = header.end() if header else begin
            line_end = self._document.line_end(tail_start)
            comment = self._text[tail_start:line_end]
            self._edits.append(
                _Edit(begin, max(end, line_end), gap + first + comment.rstrip() + break_ + rest)
            )
            return
        line_end = self._document.line_end(end)
        comment = self._text[end:line_end]
        if break_:  # what follows on the first line must not end up behind the last one
            self._edits.append(_Edit(begin, line_end, gap + first + comment.rstrip() + break_ + rest))
        else:
            self._edits.append(_Edit(begin, end, gap + scalar))

    def _block_value_end(self, value: yaml.ScalarNode, column: int) -> int:
        """Return where a block text ends, lines of mere blanks behind an empty one included."""
        end = self._document.block_end(value, column)
        if value.value.strip():
            return end
        line = self._document.line_end(end)
        blank = re.compile(r"(?:\r\n|\n|\r)[ \t]+(?=[\r\n]|\Z)")
        while match := blank.match(self._text, line):
            line = end = match.end()
        return end

    def _blanks_end(self, offset: int) -> int:
        """Return the line's end when only blanks follow, else the offset itself."""
        end = self._document.line_end(offset)
        return end if not self._text[offset:end].strip() else offset

    def _insert_description(self, entry: _Entry, item: Text) -> None:
        text = _written(item)
        names = pairs(entry.node, "name") or pairs(entry.node, "v")
        key, value = names[0]
        end = self._document.content_end(value, key.start_mark.column)
        if entry.node.flow_style:
            quote = '"' if getattr(key, "style", None) in ('"', "'") else ""
            self._edits.append(
                _Edit(end, end, f", {quote}description{quote}: {render_flow(text, bool(quote))}")
            )
        else:
            column = key.start_mark.column
            line_end = self._document.line_end(end)
            scalar = render_scalar(text, column, "", self._document.newline)
            line = f"{self._document.newline}{' ' * column}description: {scalar}"
            self._edits.append(_Edit(line_end, line_end, line))
        entry.data["description"] = text

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
            added.description = _written(item)

    def _append_column(self, added: _Added, item: Text) -> None:
        _check_name(item.column)
        if any(name.lower() == item.column.lower() for name, _ in added.columns):
            raise Refused("another column differs from this one in case only")
        added.columns.append((item.column, _written(item)))

    def _grow(self, added: _Added) -> None:
        """Give an existing entry its new columns."""
        entry = added.entry
        if entry is None:
            return
        items: list[dict[str, Any]] = [{"name": name, "description": text} for name, text in added.columns]
        if "v" in entry.data and "columns" not in entry.data:
            items.insert(0, {"include": "all"})
        found = pairs(entry.node, "columns")
        if found:
            self._grow_list(found[0][0], found[0][1], items)
        elif entry.node.flow_style:
            key, value = entry.node.value[-1]
            end = self._document.content_end(value, key.start_mark.column)
            self._edits.append(_Edit(end, end, f", columns: {flow_list(items)}", 2))
        else:
            column = entry.node.value[0][0].start_mark.column
            lines = f"{' ' * column}columns:" + self._list(items, column + self._style.dash)
            self._insert_line(self._columns_offset(entry), lines, 2)
        entry.data["columns"] = [*(entry.data.get("columns") or ()), *items]

    def _columns_offset(self, entry: _Entry) -> int:
        """Return behind what `columns:` goes: the whole entry, or its first lines where the file just stops."""
        end = self._document.content_end(entry.node, entry.node.start_mark.column)
        if end < len(self._text):
            return end
        # a block text that ends with the file would gain a line break from anything behind it
        for name in ("description", "name", "v"):
            for key, value in pairs(entry.node, name):
                return self._document.content_end(value, key.start_mark.column)
        return end

    def _grow_list(self, key: yaml.Node, value: yaml.Node, items: list[dict[str, str]]) -> None:
        """Append items to the list that is the value of a key, whatever form it has."""
        document = self._document
        column = key.start_mark.column
        if isinstance(value, yaml.SequenceNode) and value.value:
            if value.flow_style:
                end = document.content_end(value.value[-1], column)
                self._edits.append(_Edit(end, end, f", {flow_list(items)[1:-1]}", 1))
                return
            end = document.content_end(value, column)
            dash = value.start_mark.column
            gap = self._gap(value)
            self._insert_line(end, self._list(items, dash, gap).removeprefix(document.newline), 1)
            return
        start = document.after_colon(key)
        end = max(start, value.end_mark.index)
        if self._in_flow(key):
            self._edits.append(_Edit(start, end, f" {flow_list(items)}", 1))
            return
        comment = self._text[end : document.line_end(end)].rstrip()
        lines = comment + self._list(items, column + self._style.dash)
        self._edits.append(_Edit(start, document.line_end(end), lines, 1))

    def _in_flow(self, key: yaml.Node) -> bool:
        line = self._text[self._document.line_start(key.start_mark.index) : key.start_mark.index]
        return bool(line.strip(" -"))

    def _gap(self, sequence: yaml.SequenceNode) -> int:
        """Return how far keys stand behind the dash in a list."""
        for item in sequence.value:
            if isinstance(item, yaml.MappingNode) and not item.flow_style:
                return max(2, item.start_mark.column - sequence.start_mark.column)
        return self._style.key

    def _insert_line(self, offset: int, lines: str, rank: int) -> None:
        end = self._document.line_end(offset)
        self._edits.append(_Edit(end, end, self._document.newline + lines, rank))

    def _list(self, items: Sequence[dict[str, Any]], dash: int, gap: int = 0) -> str:
        return list_lines(items, dash, gap or self._style.key, self._style.dash, self._document.newline)

    def _add_entries(self, section: str, entries: list[_Added]) -> None:
        items: list[dict[str, Any]] = []
        for added in entries:
            item: dict[str, Any] = {"name": added.place.name}
            if added.description is not None:
                item["description"] = added.description
            if added.columns:
                item["columns"] = [{"name": name, "description": text} for name, text in added.columns]
            items.append(item)
        document, newline = self._document, self._document.newline
        found = document.section(section)
        before = self._data.get(section)
        self._data[section] = [*(before or ()), *items]
        if found is None:
            lines = f"{section}:" + self._entry_lines(items, self._style.dash, self._style.key, True)
            self._append_section(lines)
            return
        key, value = found
        if not isinstance(value, yaml.SequenceNode) or not value.value or value.flow_style:
            self._grow_list(key, value, items)
            return
        end = document.content_end(value, key.start_mark.column)
        spaced = is_spaced(self._text, value)
        lines = self._entry_lines(items, value.start_mark.column, self._gap(value), spaced)
        if spaced:
            lines = newline + lines
        self._insert_line(end, lines.removeprefix(newline), 3)

    def _entry_lines(self, items: list[dict[str, Any]], dash: int, gap: int, spaced: bool) -> str:
        newline = self._document.newline
        return (newline if spaced else "").join(self._list([item], dash, gap) for item in items)

    def _append_section(self, lines: str) -> None:
        document, newline = self._document, self._document.newline
        if document.root is None:
            body = self._text.rstrip()
            start = len(body)
            self._edits.append(
                _Edit(start, len(self._text), (newline * 2 if body else "") + lines + newline, 4)
            )
            return
        end = document.line_end(document.content_end(document.root, 0))
        self._edits.append(_Edit(end, end, newline * 2 + lines, 4))
