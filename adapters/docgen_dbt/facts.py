"""What tests and constraints of a manifest say about columns: keys, nullability, values, relationships."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from docgen_plugin.model import Column, ForeignKey

__all__ = ["ColumnFacts", "Facts", "read_facts"]

_REF = re.compile(
    r"""ref\(\s*['"]([^'"]+)['"]\s*(?:,\s*['"]([^'"]+)['"]\s*)?(?:,\s*(?:v|version)\s*=\s*['"]?(\w+)['"]?\s*)?\)"""
)
_SOURCE = re.compile(r"""source\(\s*['"]([^'"]+)['"]\s*,\s*['"]([^'"]+)['"]\s*\)""")
_VALUES_LIMIT = 200  # more than this is a code list, not something a sentence can name


@dataclass(slots=True)
class ColumnFacts:
    """What is known of one column."""

    not_null: bool = False
    unique: bool = False
    foreign_key: ForeignKey | None = None
    values: tuple[str, ...] = ()


@dataclass(slots=True)
class Facts:
    """What is known of one table; column names compare without case, as in dbt."""

    columns: dict[str, ColumnFacts] = field(default_factory=dict)
    primary_key: tuple[str, ...] = ()  # by constraint

    def column(self, name: str) -> ColumnFacts:
        """Return the facts of a column, empty ones when nothing is known."""
        return self.columns.setdefault(name.lower(), ColumnFacts())

    def with_primary_key(self, columns: tuple[Column, ...]) -> tuple[Column, ...]:
        """Return the columns with the key marked: the constraint's, else the first unique and not null one."""
        key = {name.lower() for name in self.primary_key}
        if not key:
            first = next((column for column in columns if column.unique and column.not_null), None)
            key = {first.name.lower()} if first else set()
        return tuple(
            dataclasses.replace(column, primary_key=True) if column.name.lower() in key else column
            for column in columns
        )


class _Targets:
    """Finds what `ref(...)`, `source(...)` or a relation's name points to, by names looked up once."""

    def __init__(self, nodes: Mapping[str, Any]) -> None:
        self._nodes = nodes
        self._sources: dict[tuple[str, str], str] = {}
        self._named: dict[str, list[str]] = {}
        self._relations: dict[str, str] = {}
        for key, node in nodes.items():
            kind, name = node.get("resource_type"), str(node.get("name"))
            if kind == "source":
                self._sources.setdefault((str(node.get("source_name")), name), key)
            elif kind in ("model", "seed", "snapshot"):
                self._named.setdefault(name, []).append(key)
            if node.get("relation_name"):
                self._relations.setdefault(str(node["relation_name"]), key)

    def find(self, text: str) -> str:
        """Return the unique id, "" when nothing of that name is there."""
        if match := _SOURCE.search(text):
            return self._sources.get((match[1], match[2]), "")
        if match := _REF.search(text):
            package, name = (match[1], match[2]) if match[2] else ("", match[1])
            for key in self._named.get(name, ()):
                node = self._nodes[key]
                if package and node.get("package_name") != package:
                    continue
                wanted = match[3] or node.get("latest_version")
                if node.get("version") is None or str(node["version"]) == str(wanted):
                    return key
            return ""
        return self._relations.get(text, "")


def read_facts(manifest: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Facts]:
    """Return facts by unique id; `names` gives the table name that people read for each id."""
    nodes = {**manifest["nodes"], **(manifest.get("sources") or {})}
    targets = _Targets(nodes)
    found: dict[str, Facts] = {}
    for key, node in nodes.items():
        if node.get("resource_type") in ("model", "snapshot", "seed", "source"):
            _read_constraints(found.setdefault(key, Facts()), node, targets, names)
    for node in manifest["nodes"].values():
        if node.get("resource_type") == "test" and node.get("test_metadata"):
            _read_test(found, node, nodes, targets, names)
    return found


def _read_constraints(
    facts: Facts, node: Mapping[str, Any], targets: _Targets, names: Mapping[str, str]
) -> None:
    for column in (node.get("columns") or {}).values():
        for constraint in column.get("constraints") or ():
            _take(facts, constraint, [str(column["name"])], targets, names)
    for constraint in node.get("constraints") or ():
        _take(facts, constraint, [str(name) for name in constraint.get("columns") or ()], targets, names)


def _take(
    facts: Facts,
    constraint: Mapping[str, Any],
    columns: list[str],
    targets: _Targets,
    names: Mapping[str, str],
) -> None:
    kind = constraint.get("type")
    if kind == "primary_key":
        facts.primary_key = (*facts.primary_key, *columns)
    elif kind == "not_null":
        for name in columns:
            facts.column(name).not_null = True
    elif kind == "unique" and len(columns) == 1:
        facts.column(columns[0]).unique = True
    elif kind == "foreign_key" and constraint.get("to"):
        target = targets.find(str(constraint["to"]))
        table = names[target] if target else str(constraint["to"]).replace('"', "").split(".")[-1]
        fields = [str(name) for name in constraint.get("to_columns") or ()]
        for position, name in enumerate(columns):
            pointed = fields[position] if position < len(fields) else ""
            facts.column(name).foreign_key = ForeignKey(table, pointed)


def _read_test(
    found: dict[str, Facts],
    test: Mapping[str, Any],
    nodes: Mapping[str, Any],
    targets: _Targets,
    names: Mapping[str, str],
) -> None:
    metadata = test["test_metadata"]
    arguments = metadata.get("kwargs") or {}
    attached = test.get("attached_node") or _last(test)
    column = test.get("column_name") or arguments.get("column_name")
    config = test.get("config") or {}
    if attached not in nodes or not column or metadata.get("namespace") not in (None, "", "dbt"):
        return
    facts = found.setdefault(attached, Facts()).column(str(column).strip('"`[]'))
    always = _is_rule(config)
    name = metadata.get("name")
    if name == "not_null":
        facts.not_null = facts.not_null or always
    elif name == "unique":
        facts.unique = facts.unique or always
    elif name == "accepted_values" and always:
        values = _values(arguments.get("values"))
        # where two tests hold, only what both allow can stand there
        facts.values = tuple(one for one in facts.values if one in values) or facts.values or values
    elif name == "relationships" and always and facts.foreign_key is None:
        target = targets.find(str(arguments.get("to") or "")) or _other(test, attached)
        if target in names:
            facts.foreign_key = ForeignKey(names[target], str(arguments.get("field") or ""))


def _is_rule(config: Mapping[str, Any]) -> bool:
    """Tell whether a test fails for any row that breaks it: not for some rows, nor only as a warning."""
    severity = str(config.get("severity") or "error").lower()
    threshold = str(config.get("error_if") or "!=0").replace(" ", "")
    return not config.get("where") and severity == "error" and threshold in ("!=0", ">0", ">=1")


def _values(values: Any) -> tuple[str, ...]:
    if not isinstance(values, Iterable) or isinstance(values, (str, Mapping)):
        return ()
    return tuple(str(value) for value in values)[:_VALUES_LIMIT]


def _last(test: Mapping[str, Any]) -> str:
    nodes = (test.get("depends_on") or {}).get("nodes") or [""]
    return str(nodes[-1])


def _other(test: Mapping[str, Any], attached: str) -> str:
    nodes = (test.get("depends_on") or {}).get("nodes") or ()
    return next((str(node) for node in nodes if node != attached), attached)
