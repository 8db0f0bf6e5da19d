"""What a manifest must look like for the other modules to read it: checked once, where it enters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["misshapen"]

# A key with "!" must be there; the others may be missing or null. "*" stands for every key.
_CONSTRAINTS = [{"columns": [str], "to_columns": [str]}]
_NODE: dict[str, Any] = {
    "resource_type!": str,
    "name!": str,
    "package_name!": str,
    "original_file_path!": str,
    "attached_node": str,
    "columns": {"*": {"name!": str, "constraints": _CONSTRAINTS}},
    "config": {"column_types": dict, "contract": dict, "snapshot_meta_column_names": dict},
    "constraints": _CONSTRAINTS,
    "depends_on": {"nodes": [str]},
    "test_metadata": {"kwargs": dict},
}
_MANIFEST: dict[str, Any] = {
    "metadata!": {"adapter_type": str, "project_name": str},
    "nodes!": {"*": _NODE},
    "sources": {"*": {**_NODE, "source_name!": str}},
    "macros": {"*": {"name!": str, "package_name!": str, "macro_sql!": str}},
}
_WORDS: dict[Any, str] = {str: "a text", list: "a list", dict: "a mapping"}


def misshapen(manifest: Mapping[str, Any]) -> str:
    """Return the first thing in a manifest that is not what dbt writes, "" when all is well.

    >>> misshapen({"metadata": {}, "nodes": {"model.shop.orders": 1}})
    'nodes / model.shop.orders is not a mapping'
    >>> misshapen({"metadata": {}, "nodes": {}})
    ''
    """
    return _find(manifest, _MANIFEST, ())


def _find(value: Any, shape: Any, path: tuple[str, ...]) -> str:
    kind: Any = shape if isinstance(shape, type) else type(shape)
    if not isinstance(value, kind):
        return f"{' / '.join(path) or 'the file'} is not {_WORDS[kind]}"
    if isinstance(shape, list):
        found = (_find(item, shape[0], (*path, str(number))) for number, item in enumerate(value))
    elif isinstance(shape, dict) and "*" in shape:
        found = (_find(item, shape["*"], (*path, str(key))) for key, item in value.items())
    elif isinstance(shape, dict):
        found = (_find_key(value, key, inner, path) for key, inner in shape.items())
    else:
        return ""
    return next((problem for problem in found if problem), "")


def _find_key(value: Mapping[str, Any], key: str, shape: Any, path: tuple[str, ...]) -> str:
    name = key.removesuffix("!")
    if value.get(name) is None:
        return f"{' / '.join(path) or 'the file'} has no {name!r}" if name != key else ""
    return _find(value[name], shape, (*path, name))
