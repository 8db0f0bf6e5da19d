"""dbt's node selection over a manifest, without dbt: names, paths, tags, sources, configs, graph operators, unions, intersections.

The grammar is dbt's own: https://docs.getdbt.com/reference/node-selection/syntax
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any

from docgen_plugin.errors import ConfigError

__all__ = ["is_criterion", "select_nodes"]

_CRITERION = re.compile(
    r"(?P<at>@)?(?:(?P<up>\d*)\+)?(?:(?P<method>[A-Za-z_][\w.]*):)?(?P<value>.*?)(?:\+(?P<down>\d*))?", re.S
)
_EVERY = -1  # generations
_FILES = (".sql", ".py", ".csv")
_WILD = frozenset("*?[]")
_ELSEWHERE = {
    "state": "compares with another run's manifest",
    "result": "needs the results of a run",
    "source_status": "needs the results of source freshness",
    "selector": "names an entry of selectors.yml",
}

Node = Mapping[str, Any]


def is_criterion(text: str) -> bool:
    """Return whether a text can only be dbt's grammar: an operator, a method, a path, several criteria.

    A bare name or a glob means the same to dbt and to docgen.

    >>> [is_criterion(text) for text in ("orders", "*.email", "+orders", "tag:nightly", "models/staging", "a,b", "a b")]
    [False, False, True, True, True, True, True]
    """
    return bool(re.search(r"[@+,:/\s]", text.strip()))


def select_nodes(
    manifest: Mapping[str, Any], criteria: Iterable[str], exclude: Iterable[str] = ()
) -> set[str]:
    """Return the unique ids of the models, sources, seeds and snapshots that criteria mean, less those excluded.

    Each criterion may hold several: a space is a union, a comma an intersection. No criteria mean all.

    Raises:
        ConfigError: for a criterion that is not dbt's grammar, or needs what a manifest does not hold.
    """
    graph = _Graph(manifest)
    taken = _union(graph, criteria)
    return (set(graph.tables) if taken is None else taken) - (_union(graph, exclude) or set())


def _union(graph: _Graph, criteria: Iterable[str]) -> set[str] | None:
    parts = [part for text in criteria for part in text.split()]
    if not parts:
        return None
    found: set[str] = set()
    for part in parts:
        both = [graph.select(_parse(one)) for one in part.split(",")]
        found |= set.intersection(*both)
    return found & graph.tables


@dataclass(frozen=True, slots=True)
class _Criterion:
    """One criterion: what it names, and how many generations around that are meant."""

    method: str
    value: str
    up: int = 0  # generations of parents; _EVERY is all
    down: int = 0
    around: bool = False  # "@": the children of every generation, and all parents of all of these


def _parse(text: str) -> _Criterion:
    """Return the parts of one criterion.

    >>> _parse("2+tag:nightly+")
    _Criterion(method='tag', value='nightly', up=2, down=-1, around=False)
    """
    found = _CRITERION.fullmatch(text)
    if found is None or not found["value"]:
        raise ConfigError(
            f"--select {text!r}: names nothing; give a name, or something like +orders or tag:nightly"
        )
    around = found["at"] is not None
    if around and (found["up"] is not None or found["down"] is not None):
        raise ConfigError(f"--select {text!r}: @ means children and their parents already; leave + out")
    value = found["value"]
    method = found["method"] or _method_of(value)
    return _Criterion(method, value, _generations(found["up"]), _generations(found["down"]), around)


def _generations(digits: str | None) -> int:
    if digits is None:
        return 0
    return int(digits) if digits else _EVERY


def _method_of(value: str) -> str:
    if "/" in value or "\\" in value:
        return "path"
    return "file" if value.lower().endswith(_FILES) else "fqn"


class _Graph:
    """A manifest's nodes, who depends on whom, and the selection methods over them."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._project = str((manifest.get("metadata") or {}).get("project_name") or "")
        self.nodes: dict[str, Node] = {**(manifest.get("nodes") or {}), **(manifest.get("sources") or {})}
        kinds = ("model", "source", "seed", "snapshot")
        self.tables = {key for key, node in self.nodes.items() if node.get("resource_type") in kinds}
        self._parents: dict[str, set[str]] = {}
        self._children: dict[str, set[str]] = {}
        for key, node in self.nodes.items():
            for parent in (node.get("depends_on") or {}).get("nodes") or ():
                if parent in self.nodes:
                    self._parents.setdefault(key, set()).add(parent)
                    self._children.setdefault(parent, set()).add(key)

    def select(self, wanted: _Criterion) -> set[str]:
        """Return the nodes that one criterion means, with the generations around them."""
        matches = self._matcher(wanted.method, wanted.value)
        found = {key for key, node in self.nodes.items() if matches(node)}
        if wanted.around:
            below = _reach(found, self._children, _EVERY)
            return below | _reach(below, self._parents, _EVERY)
        up = _reach(found, self._parents, wanted.up)
        return up | _reach(found, self._children, wanted.down)

    def _matcher(self, method: str, value: str) -> Callable[[Node], bool]:
        """Return what says of a node whether a method's value means it.

        Raises:
            ConfigError: for a method that is unknown, or that a manifest alone cannot answer.
        """
        plain: dict[str, Callable[[Node], bool]] = {
            "fqn": lambda node: _is_named(node, value),
            "path": lambda node: _is_below(node, value),
            "file": lambda node: (
                fnmatchcase(PurePosixPath(_path(node)).name, value)
                or fnmatchcase(PurePosixPath(_path(node)).stem, value)
            ),
            "tag": lambda node: any(fnmatchcase(tag, value) for tag in node.get("tags") or ()),
            "source": lambda node: node.get("resource_type") == "source" and _is_source(node, value),
            "resource_type": lambda node: node.get("resource_type") == value,
            "package": lambda node: fnmatchcase(
                str(node.get("package_name")), self._project if value == "this" else value
            ),
            "group": lambda node: (node.get("group") or (node.get("config") or {}).get("group")) == value,
            "access": lambda node: node.get("access") == value,
        }
        if method in plain:
            return plain[method]
        name, _, keys = method.partition(".")
        if name == "config" and keys:
            return lambda node: _has_setting(node.get("config"), keys.split("."), value)
        if name in _ELSEWHERE:
            raise ConfigError(f"--select {method}:{value}: {_ELSEWHERE[name]}, which docgen does not read")
        known = ", ".join(sorted((*plain, "config.<key>")))
        raise ConfigError(f"--select {method}:{value}: unknown method {method!r}; known: {known}")


def _reach(start: set[str], edges: Mapping[str, set[str]], generations: int) -> set[str]:
    """Return the nodes within so many steps of the start, itself among them."""
    reached, front = set(start), start
    while front and generations:
        front = {other for one in front for other in edges.get(one, ())} - reached
        reached |= front
        generations -= 1
    return reached


def _path(node: Node) -> str:
    return str(node.get("original_file_path") or "").replace("\\", "/")


def _is_below(node: Node, value: str) -> bool:
    """Return whether a node's file, or a folder above it, matches a path with wildcards."""
    wanted = PurePosixPath(value.replace("\\", "/").removeprefix("./"))
    path = PurePosixPath(_path(node))
    for one in (path, *path.parents):
        if len(one.parts) == len(wanted.parts) and all(map(fnmatchcase, one.parts, wanted.parts)):
            return True
    return False


def _is_named(node: Node, value: str) -> bool:
    if node.get("resource_type") == "source":
        return False  # dbt finds sources by source: alone
    fqn = [str(part) for part in node.get("fqn") or ()]
    versioned = node.get("version") is not None
    return bool(fqn) and (_is_fqn(fqn, value, versioned) or _is_fqn(fqn[1:], value, versioned))


def _is_fqn(fqn: Sequence[str], value: str, versioned: bool) -> bool:
    """Return whether a dotted name means a node: its own name, or the folders it stands below from the top.

    >>> fqn = ["shop", "staging", "stg_orders"]
    >>> [_is_fqn(fqn, value, False) for value in ("stg_orders", "shop.staging", "shop.st*", "staging")]
    [True, True, True, False]
    """
    if not fqn:
        return False
    if value == fqn[-1]:
        return True
    if versioned and len(fqn) > 1 and value in (fqn[-2], "_".join(fqn[-2:]), ".".join(fqn[-2:])):
        return True
    parts, names = value.split("."), [name for part in fqn for name in part.split(".")]
    if len(names) < len(parts):
        return False
    for number, part in enumerate(parts):
        if _WILD & set(part):
            # a bare wildcard is held against the node's own name too, however deep it lies
            own = fqn[-2] if versioned and len(fqn) > 1 else fqn[-1]
            return fnmatchcase(".".join(names[number:]), ".".join(parts[number:])) or (
                len(parts) == 1 and fnmatchcase(own, value)
            )
        if names[number] != part:
            return False
    return True


def _is_source(node: Node, value: str) -> bool:
    """Return whether `source`, `source.table` or `package.source.table` means a node."""
    names = [str(node.get(key) or "") for key in ("package_name", "source_name", "name")]
    parts = value.split(".")
    if len(parts) == 3:
        return all(map(fnmatchcase, names, parts))
    if len(parts) > 3:
        return False
    return all(map(fnmatchcase, names[1:], parts))


def _has_setting(config: Any, keys: Sequence[str], value: str) -> bool:
    """Return whether a node's config holds a value under dotted keys; of a list, one item is enough."""
    for key in keys:
        if not isinstance(config, Mapping) or key not in config:
            return False
        config = config[key]
    if isinstance(config, bool):
        return str(config).lower() == value.lower()
    if isinstance(config, (list, tuple)):
        return any(str(one) == value for one in config)
    return str(config) == value
