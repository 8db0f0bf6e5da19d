"""How a property file is laid out, and new list items written in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from docgen_dbt.scalars import render_flow, render_scalar

__all__ = ["ListStyle", "flow_list", "flow_map", "is_spaced", "list_lines", "list_style"]


@dataclass(frozen=True, slots=True)
class ListStyle:
    """How lists are indented in this file: dash relative to its parent key, and key behind the dash."""

    dash: int = 2
    key: int = 2


def list_lines(items: Sequence[dict[str, Any]], dash: int, gap: int, step: int, newline: str) -> str:
    """Return list items as lines, each with the line break in front.

    Dashes stand at column `dash`, keys `gap` behind them, inner lists `step` behind their key.

    >>> print(list_lines([{"name": "id", "description": "Key"}], 2, 2, 2, chr(10)).strip(chr(10)))
      - name: id
        description: Key
    """
    lines = []
    for item in items:
        lead = " " * dash + "-" + " " * (gap - 1)
        for name, value in item.items():
            if isinstance(value, dict):
                text = f"{name}: {flow_map(value)}"
            elif isinstance(value, list):
                text = f"{name}:" + list_lines(value, dash + gap + step, gap, step, newline)
            else:
                text = f"{name}: {render_scalar(value, dash + gap, '', newline)}"
            lines.append(f"{newline}{lead}{text}")
            lead = " " * (dash + gap)
    return "".join(lines)


def flow_list(items: Sequence[dict[str, Any]]) -> str:
    """Return items as a list in brackets.

    >>> flow_list([{"name": "id", "description": "Key, of all"}])
    '[{name: id, description: "Key, of all"}]'
    """
    return "[" + ", ".join(map(flow_map, items)) + "]"


def flow_map(item: Mapping[str, Any]) -> str:
    """Return a mapping in braces.

    >>> flow_map({"meta": {"score": 0.5, "note": "a, b"}})
    '{meta: {score: 0.5, note: "a, b"}}'
    """
    return "{" + ", ".join(f"{key}: {_flow(value)}" for key, value in item.items()) + "}"


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return flow_map(value)
    if isinstance(value, list):
        return flow_list(value)
    return render_flow(value) if isinstance(value, str) else repr(value)


def list_style(root: yaml.Node | None) -> ListStyle:
    """Return how this file indents its lists, by the deepest kind of list it has."""
    best: ListStyle | None = None
    stack: list[yaml.Node] = [root] if root is not None else []
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            stack += node.value
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                stack.append(value)
                if not isinstance(value, yaml.SequenceNode) or value.flow_style or not value.value:
                    continue
                first = value.value[0]
                if not isinstance(first, yaml.MappingNode) or first.flow_style:
                    continue
                dash = value.start_mark.column - key.start_mark.column
                gap = first.start_mark.column - value.start_mark.column
                if dash < 0 or gap < 2:
                    continue
                if key.value == "columns":
                    return ListStyle(dash, gap)
                best = best or ListStyle(dash, gap)
    return best or ListStyle()


def is_spaced(text: str, sequence: yaml.SequenceNode) -> bool:
    """Tell whether entries stand apart by blank lines; a list of one is taken as if they did."""
    if len(sequence.value) < 2:
        return True
    last = sequence.value[-1].start_mark.index
    before = text[:last].rsplit("-", 1)[0]
    lines = before.replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
    while lines and lines[-1].lstrip().startswith("#"):
        lines.pop()
    return bool(lines) and not lines[-1].strip()
