"""A manifest put together from a project's files, for where dbt wrote none: what the catalog and the writeback read of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from docgen_dbt.project_files import ProjectFiles, snapshot_body

__all__ = ["manifest_of"]

_SECTIONS = {"models": "model", "seeds": "seed", "snapshots": "snapshot"}
_CALL = re.compile(r"""\b(ref|source)\(\s*['"]([^'"]+)['"]\s*(?:,\s*['"]([^'"]+)['"])?""")
_CONFIG = ("severity", "where", "error_if")


def manifest_of(files: ProjectFiles) -> dict[str, Any]:
    """Return the nodes, sources, tests and macros of a project; versions of models are left out.

    Files that do not read as YAML count as empty: dbt will say what is wrong with them.
    """
    nodes = {
        node.key: _node(files, node.key, node.kind, node.name, node.path) for node in files.nodes.values()
    }
    sources: dict[str, dict[str, Any]] = {}
    tests: dict[str, dict[str, Any]] = {}
    for path in files.property_files():
        for kind, source, entry in _entries(files.text(path)):
            name = str(entry.get("name"))
            key = ".".join([kind, files.project.name, *([source] if source else []), name])
            if kind == "source":
                made = _node(files, key, kind, name, path)
                sources[key] = made | {"source_name": source, "identifier": entry.get("identifier") or name}
            node = sources.get(key) or nodes.get(key)
            if node is None or entry.get("versions"):
                continue
            _describe(node, entry, f"{files.project.name}://{path.removeprefix(files.folder)}")
            for test in _tests(key, entry):
                tests[f"test.{files.project.name}.{len(tests)}"] = test | {"package_name": files.project.name}
    for node in nodes.values():
        node["depends_on"] = {"nodes": _parents(files.project.name, node["raw_code"], {**nodes, **sources})}
    about = {"project_name": files.project.name, "adapter_type": files.dialect}
    return {"metadata": about, "nodes": {**nodes, **tests}, "sources": sources, "macros": files.macros()}


def _node(files: ProjectFiles, key: str, kind: str, name: str, path: str) -> dict[str, Any]:
    raw = files.text(path) if path.endswith(".sql") else ""
    return {
        "unique_id": key,
        "resource_type": kind,
        "name": name,
        "package_name": files.project.name,
        "original_file_path": path.removeprefix(files.folder),
        "language": "python" if path.endswith(".py") else "sql",
        "raw_code": snapshot_body(raw, name) if kind == "snapshot" else raw,
        "relation_name": name,
        "description": "",
        "columns": {},
        "config": {},
    }


def _entries(text: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    try:
        data = yaml.load(text, yaml.CSafeLoader)
    except (ValueError, yaml.YAMLError, RecursionError):
        return
    if not isinstance(data, dict):
        return
    for section, kind in _SECTIONS.items():
        yield from ((kind, "", entry) for entry in _mappings(data.get(section)))
    for source in _mappings(data.get("sources")):
        for table in _mappings(source.get("tables")):
            yield "source", str(source.get("name")), table


def _describe(node: dict[str, Any], entry: Mapping[str, Any], patch: str) -> None:
    node["patch_path"] = patch
    node["description"] = str(entry.get("description") or "")
    node["constraints"] = _mappings(entry.get("constraints"))
    config = entry.get("config")
    node["config"] = config if isinstance(config, dict) else {}
    for column in _mappings(entry.get("columns")):
        name = str(column.get("name"))
        node["columns"][name] = {
            "name": name,
            "description": str(column.get("description") or ""),
            "data_type": column.get("data_type"),
            "constraints": _mappings(column.get("constraints")),
        }


def _tests(key: str, entry: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for column in _mappings(entry.get("columns")):
        for test in (*_listed(column.get("data_tests")), *_listed(column.get("tests"))):
            name, told = (test, {}) if isinstance(test, str) else next(iter(test.items()), ("", {}))
            told = dict(told) if isinstance(told, dict) else {}
            config = {**{name: told[name] for name in _CONFIG if name in told}, **(told.get("config") or {})}
            namespace, _, plain = str(name).rpartition(".")
            yield {
                "resource_type": "test",
                "name": str(name),
                "original_file_path": "",
                "attached_node": key,
                "column_name": str(column.get("name")),
                "config": config,
                "depends_on": {"nodes": [key]},
                "test_metadata": {
                    "name": plain,
                    "namespace": namespace or None,
                    "kwargs": {**told, **(told.get("arguments") or {})},
                },
            }


def _parents(project: str, sql: str, nodes: Mapping[str, Any]) -> list[str]:
    found = []
    for function, first, second in _CALL.findall(sql):
        if function == "source":
            keys = [f"source.{project}.{first}.{second}"]
        else:
            keys = [f"{kind}.{project}.{second or first}" for kind in ("model", "seed", "snapshot")]
        found += [key for key in keys if key in nodes]
    return list(dict.fromkeys(found))


def _mappings(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _listed(items: Any) -> list[Any]:
    return [item for item in items if isinstance(item, (str, dict))] if isinstance(items, list) else []
