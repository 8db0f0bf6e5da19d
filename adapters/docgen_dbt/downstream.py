"""Columns that a commit adds to models it does not touch: what `select *` passes on from an upstream model that grew."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from docgen_dbt.project_files import Node, ProjectFiles
from docgen_dbt.select_list import Item

__all__ = ["Passed", "passed_on"]

_REF = re.compile(r"""\bref\s*\(\s*(?:['"][^'"]*['"]\s*,\s*)?['"]([^'"]+)['"]""")
_Times = Sequence[tuple[ProjectFiles, Mapping[str, Node]]]  # each parent of the commit, its nodes by key


@dataclass(frozen=True, slots=True)
class Passed:
    """A column that came through a star."""

    node: Node
    item: Item
    above: str  # the model that passed it on


def passed_on(
    now: ProjectFiles, befores: Sequence[ProjectFiles], touched: Sequence[Node]
) -> Iterator[Passed]:
    """Yield the columns that stand in no parent's output of models that read the touched ones, near ones first.

    Only where the files alone tell all of a model's columns: what a warehouse would have to be asked for is left out.
    """
    times = [(before, before.nodes) for before in befores]
    grown = {node.key: set(_fresh(now, node, times)) for node in touched if node.key in now.nodes}
    waiting = [now.nodes[key] for key, names in grown.items() if names]
    if not waiting:
        return
    readers = _readers(now)
    seen = {node.key for node in touched}
    while waiting:
        above = waiting.pop(0)
        for node in readers.get(above.name, ()):
            if node.key in seen:
                continue
            fresh = _fresh(now, node, times)
            through = {key: item for key, item in fresh.items() if item.start is None}
            if not through.keys() & grown[above.key]:
                continue
            seen.add(node.key)
            grown[node.key] = set(through)
            waiting.append(node)
            yield from (Passed(node, item, above.name) for item in through.values())


def _fresh(now: ProjectFiles, node: Node, times: _Times) -> dict[str, Item]:
    """Return the columns of a node that it had at no other time, none where it was not there or hid some of them."""
    if not times or not node.path.endswith(".sql") or any(node.key not in nodes for _, nodes in times):
        return {}
    outputs = [before.output(nodes[node.key]) for before, nodes in times]
    if not all(then.complete for then in outputs):
        return {}
    items = now.output(node).by_name
    return {key: item for key, item in items.items() if not any(key in then.by_name for then in outputs)}


def _readers(files: ProjectFiles) -> dict[str, list[Node]]:
    """Return the models and snapshots that name a model in a `ref`, by its name."""
    found: dict[str, list[Node]] = {}
    for node in files.nodes.values():
        if node.path.endswith(".sql"):
            for name in dict.fromkeys(_REF.findall(files.text(node.path))):
                found.setdefault(name, []).append(node)
    return found
