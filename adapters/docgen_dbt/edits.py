"""Edits to a property file's text: values, lines and lists put in so that every other byte stays."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from docgen_dbt.document import Document, is_empty, pairs
from docgen_dbt.layout import flow_list, list_lines, list_style
from docgen_dbt.scalars import render_flow, render_scalar

__all__ = ["Edits", "Entry"]


@dataclass(frozen=True, slots=True)
class _Edit:
    """Replace text[start:end]; edits at one offset are made in the order of rank, then of arrival."""

    start: int
    end: int
    text: str
    rank: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """A mapping of the file as node and as data, and the list of the same level that holds it."""

    node: yaml.MappingNode
    data: dict[str, Any]


class Edits:
    """Collects edits to one document and makes them; offsets are those of the text before."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._text = document.text
        self._edits: list[_Edit] = []
        self.style = list_style(document.root)

    def result(self) -> str:
        """Return the text with every edit made."""
        parts, position = [], 0
        for edit in sorted(self._edits, key=lambda edit: (edit.start, edit.rank)):
            parts += [self._text[position : edit.start], edit.text]
            position = max(position, edit.end)
        return "".join([*parts, self._text[position:]])

    def put(self, start: int, end: int, text: str, rank: int = 0) -> None:
        """Replace text[start:end]; what is put at one offset stands in the order of rank, then of arrival."""
        self._edits.append(_Edit(start, end, text, rank))

    # one value

    def replace(self, entry: Entry, key: yaml.Node, value: yaml.ScalarNode, text: str) -> int:
        """Put a text in the place of a value, in the style that it has; return where the old one ends."""
        document = self._document
        if entry.node.flow_style:
            start = document.after_colon(key)
            end = max(start, value.end_mark.index)
            self.put(start, end, " " + render_flow(text, value.style in ('"', "'")))
            return end
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
        return self._put_value(start, value, end, scalar)

    def _put_value(self, start: int, value: yaml.ScalarNode, end: int, scalar: str) -> int:
        """Replace a value, return where the old one ends; a comment behind its first line keeps its line."""
        first, break_, rest = scalar.partition(self._document.newline)
        begin = max(start, value.start_mark.index)
        gap = "" if begin > start else " "
        if value.style in ("|", ">"):
            header = re.compile(r"[|>][-+0-9]*").match(self._text, begin)
            tail_start = header.end() if header else begin
            line_end = self._document.line_end(tail_start)
            comment = self._text[tail_start:line_end]
            self.put(begin, max(end, line_end), gap + first + comment.rstrip() + break_ + rest)
            return max(end, line_end)
        line_end = self._document.line_end(end)
        comment = self._text[end:line_end]
        if break_:  # what follows on the first line must not end up behind the last one
            self.put(begin, line_end, gap + first + comment.rstrip() + break_ + rest)
        else:
            self.put(begin, end, gap + scalar)
        return line_end

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

    def insert_description(self, entry: Entry, text: str) -> int:
        """Put a description behind the entry's name; return the offset that it stands at."""
        key, value = (pairs(entry.node, "name") or pairs(entry.node, "v"))[0]
        end = self._document.content_end(value, key.start_mark.column)
        if entry.node.flow_style:
            quote = '"' if getattr(key, "style", None) in ('"', "'") else ""
            self.put(end, end, f", {quote}description{quote}: {render_flow(text, bool(quote))}")
            return end
        column = key.start_mark.column
        scalar = render_scalar(text, column, "", self._document.newline)
        self.insert_line(end, f"{' ' * column}description: {scalar}", 0)
        return self._document.line_end(end)

    # lists

    def columns_offset(self, entry: Entry) -> int:
        """Return behind what `columns:` goes: the whole entry, or its first lines where the file just stops."""
        end = self._document.content_end(entry.node, entry.node.start_mark.column)
        if end < len(self._text):
            return end
        # a block text that ends with the file would gain a line break from anything behind it
        for name in ("description", "name", "v"):
            for key, value in pairs(entry.node, name):
                return self._document.content_end(value, key.start_mark.column)
        return end

    def grow_list(self, key: yaml.Node, value: yaml.Node, items: list[dict[str, str]]) -> int:
        """Put items into the list that is the value of a key, whatever form it has; return where they stand."""
        document = self._document
        column = key.start_mark.column
        if isinstance(value, yaml.SequenceNode) and value.value:
            if value.flow_style:
                end = document.content_end(value.value[-1], column)
                self.put(end, end, f", {flow_list(items)[1:-1]}", 1)
                return len(value.value)
            end, count = document.list_end(key, value)
            dash = value.start_mark.column
            gap = self.gap(value)
            self.insert_line(end, self.lines(items, dash, gap).removeprefix(document.newline), 1)
            return count
        start = document.after_colon(key)
        end = max(start, value.end_mark.index)
        if self._in_flow(key):
            self.put(start, end, f" {flow_list(items)}", 1)
            return 0
        comment = self._text[end : document.line_end(end)].rstrip()
        lines = comment + self.lines(items, column + self.style.dash)
        self.put(start, document.line_end(end), lines, 1)
        return 0

    def _in_flow(self, key: yaml.Node) -> bool:
        line = self._text[self._document.line_start(key.start_mark.index) : key.start_mark.index]
        return bool(line.strip(" -"))

    def gap(self, sequence: yaml.SequenceNode) -> int:
        """Return how far keys stand behind the dash in a list."""
        for item in sequence.value:
            stands_here = item.start_mark.index > sequence.start_mark.index  # no alias
            if isinstance(item, yaml.MappingNode) and not item.flow_style and stands_here:
                return max(2, item.start_mark.column - sequence.start_mark.column)
        return self.style.key

    def insert_line(self, offset: int, lines: str, rank: int) -> None:
        """Put lines behind the line that holds an offset."""
        end = self._document.line_end(offset)
        self.put(end, end, self._document.newline + lines, rank)

    def lines(self, items: Sequence[dict[str, Any]], dash: int, gap: int = 0) -> str:
        """Return list items as lines in the file's own style."""
        return list_lines(items, dash, gap or self.style.key, self.style.dash, self._document.newline)

    def entry_lines(self, items: list[dict[str, Any]], dash: int, gap: int, spaced: bool) -> str:
        """Return entries as lines, blank lines between them where the file has such."""
        newline = self._document.newline
        return (newline if spaced else "").join(self.lines([item], dash, gap) for item in items)

    def append_section(self, lines: str) -> None:
        """Put a new section at the end of the file."""
        document, newline = self._document, self._document.newline
        if document.root is None:
            body = self._text.rstrip()
            start = len(body)
            self.put(start, len(self._text), (newline * 2 if body else "") + lines + newline, 4)
            return
        end = document.content_end(document.root, 0)
        if not document.stops_in_block(end):
            end = document.line_end(end)
            self.put(end, end, newline * 2 + lines, 4)
            return
        # a block text that ends with the file would gain a line break: in front of the section that holds it
        start = document.line_start(document.root.value[-1][0].start_mark.index)
        self.put(start, start, lines + newline * 2, 4)
