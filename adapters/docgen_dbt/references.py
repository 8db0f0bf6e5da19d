"""Descriptions that are one `{{ doc() }}` call: which block it names, and whether the project has that."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["References"]

_CALL = re.compile(
    r"""\s*\{\{-?\s*doc\(\s*(?P<a>['"])(?P<first>[\w.-]+)(?P=a)\s*(?:,\s*(?P<b>['"])(?P<second>[\w.-]+)(?P=b)\s*)?\)\s*-?\}\}\s*"""
)
_NAME = re.compile(r"[\w.-]+")


class References:
    """The docs blocks of a manifest."""

    def __init__(self, manifest: Mapping[str, Any]) -> None:
        self._project = str((manifest.get("metadata") or {}).get("project_name") or "")
        self._blocks: dict[tuple[str, str], str] = {}
        self._ids: dict[str, tuple[str, str]] = {}
        docs = manifest.get("docs")
        for key, block in (docs if isinstance(docs, Mapping) else {}).items():
            if isinstance(block, Mapping) and _NAME.fullmatch(str(block.get("name"))):
                name = str(block.get("package_name")), str(block["name"])
                self._blocks[name] = str(block.get("block_contents") or "")
                self._ids[str(key)] = name

    def of(self, entry: Mapping[str, Any]) -> str:
        """Return the call that a description consists of, "" where it is, or holds, anything else.

        dbt lists the blocks that it put into a description since 1.10; a file need not be read for that.
        """
        used = entry.get("doc_blocks")
        name = self._ids.get(str(used[0])) if isinstance(used, list) and len(used) == 1 else None
        if name is None or self._blocks[name].strip() != str(entry.get("description") or "").strip():
            return ""
        package, block = name
        names = [block] if package == self._project else [package, block]
        return "{{ doc(" + ", ".join(f"'{name}'" for name in names) + ") }}"

    def text(self, raw: str) -> str | None:
        """Return the text of a description that is one call, None where it is no call or names no block we know."""
        found = _CALL.fullmatch(raw)
        if found is None:
            return None
        if found["second"]:
            return self._blocks.get((found["first"], found["second"]))
        own = self._blocks.get((self._project, found["first"]))
        if own is not None:
            return own
        # dbt looks into the other packages then; where two have such a block only dbt knows which
        others = [text for (_, name), text in self._blocks.items() if name == found["first"]]
        return others[0] if len(others) == 1 else None
