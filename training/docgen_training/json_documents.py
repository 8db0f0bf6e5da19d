"""A JSON or YAML file whose `$ref`s are followed inside the file: pointers, anchors and `$id`s.

YAML is read by the rules of OpenAPI (its section 4.2, Format): `no`, `on` and dates are texts, keys are texts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin

import yaml

from docgen_plugin.errors import DocgenError

__all__ = ["Document", "Schema", "list_at", "map_at", "read_document"]

Schema = dict[str, Any]


class _Loader(yaml.CSafeLoader):
    """Reads everything as text but true, false and null."""

    yaml_implicit_resolvers = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping whose keys are all texts, as in JSON."""
        found = super().construct_mapping(node, deep)
        return {key if isinstance(key, str) else json.dumps(key): value for key, value in found.items()}


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first, *([""] * (_tag == "null"))]
    )


class Document:
    """One parsed file."""

    def __init__(self, path: Path, root: Schema) -> None:
        """Take the mapping that the file holds."""
        self.path = path
        self.root = root
        self.lost: dict[str, None] = {}  # references that lead out of the file, or nowhere; in order
        own = root.get("$id", root.get("id"))
        self._base = urldefrag(own)[0] if isinstance(own, str) else ""
        self._ids: Schema | None = None

    def mapping(self, *keys: str) -> Schema:
        """Return what stands at a place of the file, empty where nothing does.

        Raises:
            DocgenError: when something else than a mapping stands there.
        """
        node: Any = self.root
        for number, key in enumerate(keys, 1):
            node = node.get(key)
            if node is None:
                return {}
            if not isinstance(node, dict):
                raise DocgenError(f"{self.path}: {'/'.join(keys[:number])} is not a mapping")
        return dict(node)

    def follow(self, node: Any) -> Schema:
        """Return what a chain of `$ref`s ends at; empty when it leads out of the file, nowhere or in a circle."""
        seen = set()
        while isinstance(node, dict) and isinstance(node.get("$ref"), str):
            if node["$ref"] in seen:
                return {}
            seen.add(node["$ref"])
            node = self.target(node["$ref"])
        return node if isinstance(node, dict) else {}

    def target(self, reference: str) -> Any:
        """Return what one reference points to, None when it leads out of the file or nowhere."""
        try:
            url, fragment = urldefrag(urljoin(self._base, reference))
            node = self.root if url in ("", self._base) else self._named(url)
            if fragment.startswith("/"):
                return _pointed(node, fragment)
            return self._named(f"{url or self._base}#{unquote(fragment)}") if fragment else node
        except (KeyError, IndexError, ValueError):
            self.lost[reference] = None
            return None

    def _named(self, url: str) -> Any:
        """Return the part of the file that has an address or anchor of its own; KeyError for none."""
        if self._ids is None:
            self._ids = dict(self._names())
        return self._ids[url]

    def _names(self) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        waiting: list[Any] = [self.root]
        while waiting:
            node = waiting.pop()
            if not isinstance(node, dict | list) or id(node) in seen:
                continue
            seen.add(id(node))
            if isinstance(node, list):
                waiting.extend(node)
                continue
            waiting.extend(node.values())
            for key in ("$id", "id"):
                if isinstance(node.get(key), str):
                    with suppress(ValueError):  # an example may hold anything
                        yield urljoin(self._base, node[key]).removesuffix("#"), node
            for key in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(key), str):
                    yield f"{self._base}#{node[key]}", node


def list_at(node: Any, key: str) -> list[Any]:
    """Return the list that a mapping has under a key; an empty one where something else stands there."""
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, list) else []


def map_at(node: Any, key: str) -> Schema:
    """Return the mapping that a mapping has under a key; an empty one where something else stands there."""
    value = node.get(key) if isinstance(node, dict) else None
    return value if isinstance(value, dict) else {}


def _pointed(node: Any, pointer: str) -> Any:
    """Return what a JSON pointer (RFC 6901) finds; KeyError, IndexError or ValueError when nothing is there."""
    for part in unquote(pointer).split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, list):
            node = node[int(key)]
        elif isinstance(node, dict):
            node = node[key]
        else:
            raise KeyError(key)
    return node


def read_document(path: Path) -> Document:
    """Return the document in a file: JSON by its suffix `.json`, YAML else.

    Raises:
        DocgenError: when the file cannot be read, is not JSON or YAML, or holds no mapping.
    """
    kind = "JSON" if path.suffix.lower() == ".json" else "YAML"
    try:
        text = path.read_text(encoding="utf-8-sig")
        root = json.loads(text) if kind == "JSON" else yaml.load(text, _Loader)
    except OSError as err:
        raise DocgenError(f"{path}: cannot be read: {err.strerror}") from err
    except UnicodeDecodeError as err:
        raise DocgenError(f"{path}: is not UTF-8 text: {err.reason} at byte {err.start:,}") from err
    except RecursionError as err:
        raise DocgenError(f"{path}: is nested too deeply to be read") from err
    except yaml.YAMLError as err:
        raise DocgenError(f"{path}: is not YAML: {_one_line(err)}") from err
    except ValueError as err:
        raise DocgenError(f"{path}: is not JSON: {err}") from err
    if not isinstance(root, dict):
        raise DocgenError(f"{path}: holds no mapping: expected OpenAPI, Swagger or JSON Schema")
    return Document(path, root)


def _one_line(err: yaml.YAMLError) -> str:
    mark = getattr(err, "problem_mark", None)
    problem = getattr(err, "problem", None) or " ".join(str(err).split())
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else problem
