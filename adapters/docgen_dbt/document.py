"""A property file as text plus what PyYAML composed from it: where every entry and value stands."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import Any

import yaml

__all__ = ["Document", "Refused", "is_empty", "pairs", "parse_document", "same_data", "yaml_problem"]

_NULL_TAG = "tag:yaml.org,2002:null"
_HEADER = re.compile(r"[|>][-+0-9]*")


class Refused(Exception):
    """A change that cannot be made in this file; the text says why in a few words."""


@dataclass(frozen=True, slots=True)
class Document:
    """One parsed property file; positions are offsets into `text`, which has no byte order mark."""

    text: str
    root: yaml.MappingNode | None  # None for a file that holds nothing
    data: dict[str, Any]
    newline: str
    anchors: list[int] = field(default_factory=list)  # where anchors, aliases and tags stand, in order
    aliases: list[tuple[int, int]] = field(default_factory=list)  # where aliases start and end, in order
    shared: list[tuple[int, int]] = field(
        default_factory=list
    )  # where outermost nodes with an anchor or tag stand

    def section(self, key: str) -> tuple[yaml.Node, yaml.Node] | None:
        """Return the key and value nodes of a top-level section, or None.

        Raises:
            Refused: when the file has that section twice.
        """
        if self.root is None:
            return None
        found = pairs(self.root, key)
        if len(found) > 1:
            raise Refused(f"'{key}:' stands twice in the file")
        return found[0] if found else None

    def check_plain(self, node: yaml.Node) -> None:
        """Refuse a node that holds anchors, aliases or tags: changing one place there changes others.

        Raises:
            Refused: when it does.
        """
        position = bisect_left(self.anchors, node.start_mark.index)
        if position < len(self.anchors) and self.anchors[position] < max(
            node.end_mark.index, node.start_mark.index + 1
        ):
            raise Refused("the entry uses a YAML anchor, alias or tag")

    def check_own(self, node: yaml.Node) -> None:
        """Refuse a node that other places of the file may hold too; what stands inside it does not count.

        Raises:
            Refused: when it, or what it stands in, has an anchor or tag, or when it takes keys over by `<<`.
        """
        start = _start(node)
        position = bisect_right(self.shared, start, key=lambda span: span[0]) - 1
        inside = position >= 0 and start < self.shared[position][1]
        if inside or pairs(node, "<<"):
            raise Refused("the entry uses a YAML anchor, alias or tag")

    def line_end(self, offset: int) -> int:
        """Return where the line that holds an offset ends, its line break left out."""
        match = re.compile(r"[\r\n]").search(self.text, offset)
        return match.start() if match else len(self.text)

    def line_start(self, offset: int) -> int:
        """Return where the line that holds an offset starts."""
        return max(self.text.rfind("\n", 0, offset), self.text.rfind("\r", 0, offset)) + 1

    def after_colon(self, key: yaml.Node) -> int:
        """Return the offset behind the colon that follows a key."""
        match = re.compile(r"\s*:").match(self.text, key.end_mark.index)
        if match is None:
            raise Refused("a key without a colon right behind it")
        return match.end()

    def content_end(self, node: yaml.Node, column: int) -> int:
        """Return where the last character of a node stands, comments and blank lines behind it left out.

        `column` is where the key or dash that owns the node stands.
        """
        if isinstance(node, yaml.ScalarNode):
            if node.style in ("|", ">"):
                return self.block_end(node, column)
            return _end(node)
        if not isinstance(node, yaml.CollectionNode) or node.flow_style or not node.value:
            return _end(node)
        if isinstance(node, yaml.MappingNode):
            key, value = node.value[-1]
            if alias := self._alias_end(node, value):
                return alias
            if _is_blank(value):
                return self.after_colon(key)
            return self.content_end(value, key.start_mark.column)
        if alias := self._alias_end(node, node.value[-1]):
            return alias
        return self.content_end(node.value[-1], node.start_mark.column)

    def _alias_end(self, node: yaml.Node, last: yaml.Node) -> int:
        """Return where the alias ends that stands for the last part of a node, 0 where that part stands itself.

        What PyYAML composes for an alias is the very node that it names, with the marks of that place.
        """
        position = bisect_left(self.aliases, (_end(node), 0)) - 1
        if position < 0:
            return 0
        start, end = self.aliases[position]
        return end if start >= node.start_mark.index and start >= _end(last) else 0

    def block_end(self, node: yaml.ScalarNode, column: int) -> int:
        """Return where the last line with content of a block scalar ends; its end mark runs past comments."""
        header = _HEADER.match(self.text, node.start_mark.index)
        if header is None:
            raise Refused("a block text that could not be found again")
        end = self.line_end(header.end())
        digits = re.sub(r"\D", "", header[0])
        indent = column + int(digits) if digits else -1
        result = header.end()
        while (start := self._next_line(end)) < _end(node):
            end = self.line_end(start)
            line = self.text[start:end]
            if not line.strip(" "):
                continue
            width = len(line) - len(line.lstrip(" "))
            indent = width if indent < 0 else indent
            if width < indent or width <= column:
                break
            result = end
        return result

    def list_end(self, key: yaml.Node, value: yaml.SequenceNode) -> tuple[int, int]:
        """Return behind what new items of a list with items go, and how many items stand in front of them.

        These are all of them as a rule; but a block text that ends with the file would gain a line break
        from anything behind it, and the item that holds it stays the last.
        """
        end = self.content_end(value, key.start_mark.column)
        count = len(value.value)
        if not self.stops_in_block(end):
            return end, count
        if count > 1:
            return self.content_end(value.value[-2], value.start_mark.column), count - 1
        return self.after_colon(key), 0

    def stops_in_block(self, offset: int) -> bool:
        """Tell whether the file ends at an offset, in a block text without a line break behind it."""
        if offset < len(self.text):
            return False
        node: yaml.Node | None = self.root
        while isinstance(node, yaml.CollectionNode) and node.value:
            last = node.value[-1]
            node = last[1] if isinstance(last, tuple) else last
        return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">") and bool(node.value)

    def _next_line(self, end: int) -> int:
        if self.text.startswith("\r\n", end):
            return end + 2
        return end + 1 if end < len(self.text) else len(self.text) + 1


def parse_document(text: str) -> Document:
    """Return a property file's text with its nodes, data and line ending.

    Raises:
        Refused: when it is not one YAML mapping, or not YAML that dbt reads.
    """
    try:
        root = yaml.compose(text, yaml.CSafeLoader)
        data = yaml.load(text, yaml.CSafeLoader)
        marked = [
            event
            for event in yaml.parse(text, yaml.CSafeLoader)
            if getattr(event, "anchor", None) or getattr(event, "tag", None)
        ]
    except (yaml.YAMLError, ValueError, RecursionError) as err:
        raise Refused(f"the file is not YAML that dbt reads: {yaml_problem(err)}") from err
    breaks = re.search(r"\r\n|\n|\r", text)
    newline = breaks[0] if breaks else "\n"
    if root is None:
        return Document(text, None, {}, newline)
    if isinstance(root, yaml.ScalarNode) and is_empty(root):
        return Document(text, None, {}, newline)
    if not isinstance(root, yaml.MappingNode):
        raise Refused("the file's top is not a YAML mapping")
    anchors = [_start(event) for event in marked]
    aliases = [(_start(event), _end(event)) for event in marked if isinstance(event, yaml.AliasEvent)]
    own = set(anchors) - {start for start, _ in aliases}
    return Document(text, root, data, newline, anchors, aliases, _spans(root, own) if own else [])


def _start(part: yaml.Node | yaml.Event) -> int:
    return int(part.start_mark.index) if part.start_mark else 0  # made from text: it has marks


def _end(part: yaml.Node | yaml.Event) -> int:
    return int(part.end_mark.index) if part.end_mark else 0


def _spans(root: yaml.Node, starts: set[int]) -> list[tuple[int, int]]:
    """Return where the outermost nodes that start at one of these offsets start and end."""
    found: dict[int, int] = {}
    stack: list[yaml.Node] = [root]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if _start(node) in starts:
            found[_start(node)] = max(found.get(_start(node), 0), _end(node), _start(node) + 1)
        if isinstance(node, yaml.MappingNode):
            stack += [part for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            stack += node.value
    outermost: list[tuple[int, int]] = []
    for start, end in sorted(found.items()):
        if not outermost or start >= outermost[-1][1]:
            outermost.append((start, end))
    return outermost


def pairs(mapping: yaml.Node, key: str) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return every key and value node of a mapping whose key is this word."""
    if not isinstance(mapping, yaml.MappingNode):
        return []
    return [
        (name, value)
        for name, value in mapping.value
        if isinstance(name, yaml.ScalarNode) and name.value == key
    ]


def is_empty(node: yaml.Node) -> bool:
    """Tell whether a scalar holds nothing: null, or a text of white space."""
    if not isinstance(node, yaml.ScalarNode):
        return False
    return node.tag == _NULL_TAG or not node.value.strip()


def yaml_problem(err: Exception) -> str:
    """Return what PyYAML complains about as one line with its place."""
    mark = getattr(err, "problem_mark", None)
    problem = getattr(err, "problem", None) or (str(err).splitlines() or [type(err).__name__])[0]
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else str(problem)


def _is_blank(node: yaml.Node) -> bool:
    """Tell whether nothing at all stands for a value."""
    return (
        isinstance(node, yaml.ScalarNode)
        and node.style not in ("'", '"', "|", ">")
        and node.start_mark.index == node.end_mark.index
    )


def same_data(left: Any, right: Any) -> bool:
    """Tell whether two loaded documents are equal, kinds of values included (1 is not True)."""
    if type(left) is not type(right):
        return False
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same_data(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same_data, left, right))
    return bool(left == right) or (left != left and right != right)
