"""The mark beside a description that says where it comes from: `meta: {docgen: {origin, model, confidence, hash}}`.

Its hash is that of the text. Once a person words the text anew the two differ, and the mark is dropped.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import yaml

from docgen_dbt.document import Document, Refused, is_empty, pairs, parse_document, same_data
from docgen_dbt.edits import Edits, Entry
from docgen_dbt.layout import flow_map
from docgen_plugin.model import text_hash

__all__ = [
    "BESIDE",
    "IN_CONFIG",
    "clean_marks",
    "default_spelling",
    "drop_mark",
    "mark_of",
    "mark_spelling",
    "marked_entries",
    "nested",
    "put_mark",
]

IN_CONFIG, BESIDE = ("config", "meta", "docgen"), ("meta", "docgen")  # dbt 1.10 and later; before
_KEYS = ("origin", "model", "confidence", "hash")
_SECTIONS = ("models", "seeds", "snapshots", "sources")
_COMMENT = re.compile(r"(?:^|\s)#")


def mark_of(entry: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return the mark of an entry, None where it has none.

    >>> mark_of({"name": "id", "config": {"meta": {"docgen": {"origin": "composed", "hash": "0f"}}}})
    {'origin': 'composed', 'hash': '0f'}
    """
    for path in (IN_CONFIG, BESIDE):
        found: Any = entry
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if isinstance(found, Mapping) and "hash" in found:
            return found
    return None


def nested(path: tuple[str, ...], mark: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mark as it hangs in its entry.

    >>> nested(BESIDE, {"hash": "0f"})
    {'meta': {'docgen': {'hash': '0f'}}}
    """
    inner: Mapping[str, Any] = mark
    for key in reversed(path):
        inner = {key: inner}
    return dict(inner)


def default_spelling(manifest: Mapping[str, Any]) -> tuple[str, ...]:
    """Return how the dbt that wrote a manifest wants `meta:` spelled.

    Source: https://docs.getdbt.com/reference/resource-configs/meta, `config:` for all entries since dbt-core 1.10.

    >>> default_spelling({"metadata": {"dbt_version": "1.9.4"}})
    ('meta', 'docgen')
    """
    version = re.match(r"(\d+)\.(\d+)", str((manifest.get("metadata") or {}).get("dbt_version") or ""))
    if version is not None and (int(version[1]), int(version[2])) < (1, 10):
        return BESIDE
    return IN_CONFIG


def mark_spelling(data: Mapping[str, Any], otherwise: tuple[str, ...]) -> tuple[str, ...]:
    """Return how this file spells `meta:`, `otherwise` where it has none.

    >>> mark_spelling({"models": [{"name": "a", "meta": {"x": 1}}]}, IN_CONFIG)
    ('meta', 'docgen')
    """
    beside = False
    for _, _, entry in _walk(data):
        config = entry.get("config")
        if isinstance(config, Mapping) and "meta" in config:
            return IN_CONFIG
        beside = beside or "meta" in entry
    return BESIDE if beside else otherwise


def put_mark(
    edits: Edits,
    document: Document,
    entry: Entry,
    mark: Mapping[str, Any],
    spelling: tuple[str, ...],
    offset: int,
) -> None:
    """Put a mark into an entry, behind `offset` where the entry has nothing of its kind yet.

    Raises:
        Refused: when something stands there that is no mapping, or comments stand in it.
    """
    path = _path(entry, spelling)
    node, data = entry.node, entry.data
    for depth, key in enumerate(path):
        found = pairs(node, key)
        if len(found) > 1:
            raise Refused(f"the entry has '{key}:' twice")
        inner = nested(path[depth + 1 :], mark)
        if not found:
            _add_pair(edits, document, node, f"{key}: {flow_map(inner)}", offset if depth == 0 else -1)
            data[key] = inner
            return
        name, value = found[0]
        if is_empty(value) or (isinstance(value, yaml.MappingNode) and not value.value):
            start = document.after_colon(name)
            edits.put(start, max(start, value.end_mark.index), f" {flow_map(inner)}")
            data[key] = inner
            return
        if not isinstance(value, yaml.MappingNode):
            raise Refused(f"'{key}:' is not a mapping")
        if key == path[-1]:
            _renew(edits, document, name, value, mark)
            data[key] = {**{k: v for k, v in data[key].items() if k not in _KEYS}, **mark}
            return
        node, data = value, data[key]


def drop_mark(edits: Edits, document: Document, entry: Entry) -> bool:
    """Take an entry's mark away, with the mappings around it that hold nothing else; tell whether it had one.

    Raises:
        Refused: when a comment would go with it.
    """
    for path in (IN_CONFIG, BESIDE):
        chain = _chain(entry, path)
        if chain is None or "hash" not in chain[-1].data:
            continue
        chain = [entry, *chain]
        keys: set[str] = set(_KEYS)
        while len(chain) > 1 and set(chain[-1].data) <= keys:
            chain.pop()
            keys = {path[len(chain) - 1]}
        if set(chain[-1].data) <= keys:
            raise Refused("the entry holds nothing else")
        _remove_pairs(edits, document, chain[-1].node, keys)
        for key in keys & set(chain[-1].data):
            del chain[-1].data[key]
        return True
    return False


def clean_marks(text: str, stands: Callable[[str], str | None]) -> tuple[str, list[str]]:
    """Return a file's text without the marks whose description was worded anew, and the names of these places.

    Args:
        text: the file's, without byte order mark.
        stands: gives what a description says once dbt has run it, None when that cannot be told.

    Raises:
        Refused: when the file cannot be read, or would not read back as meant.
    """
    document = parse_document(text)
    edits, data, dropped = Edits(document), copy.deepcopy(document.data), []
    for name, node, entry in marked_entries(document, data):
        says = stands(str(entry.get("description") or ""))
        mark = mark_of(entry)
        if says is None or mark is None or text_hash(says) == str(mark["hash"]):
            continue
        try:
            document.check_plain(node)
            drop_mark(edits, document, Entry(node, entry))
        except Refused:
            continue
        dropped.append(name)
    result = edits.result()
    if dropped and not same_data(parse_document(result).data, data):
        raise Refused("the file would not read back as meant")
    return result, dropped


def marked_entries(
    document: Document, data: dict[str, Any]
) -> Iterator[tuple[str, yaml.MappingNode, dict[str, Any]]]:
    """Yield the name, node and data of every entry and column of a file that has a mark."""
    for name, node, entry in _walk(data, document.root):
        if isinstance(node, yaml.MappingNode) and mark_of(entry) is not None:
            yield name, node, entry


def _walk(
    data: Mapping[str, Any], root: yaml.Node | None = None
) -> Iterator[tuple[str, yaml.Node | None, dict[str, Any]]]:
    """Yield every entry, version, table and column of a file, with its node where nodes are given."""
    stack = [("", data, root, key) for key in reversed(_SECTIONS)]
    while stack:
        prefix, holder, node, key = stack.pop()
        found = pairs(node, key) if node is not None else []
        items = holder.get(key)
        if not isinstance(items, list) or len(found) > 1:
            continue
        nodes = (
            found[0][1].value if found and isinstance(found[0][1], yaml.SequenceNode) else [None] * len(items)
        )
        for item, inner in zip(items, nodes, strict=False):
            if not isinstance(item, dict):
                continue
            name = f"{prefix}.{item.get('name', item.get('v'))}".removeprefix(".")
            yield name, inner, item
            stack += [(name, item, inner, part) for part in ("columns", "versions", "tables")]


def _path(entry: Entry, spelling: tuple[str, ...]) -> tuple[str, ...]:
    """Return where this entry's mark goes: where it has a `meta:` already, else as the file spells it."""
    if "v" in entry.data and "name" not in entry.data:
        return IN_CONFIG  # a version knows no other
    config = entry.data.get("config")
    if isinstance(config, Mapping) and "meta" in config:
        return IN_CONFIG
    return BESIDE if "meta" in entry.data else spelling


def _chain(entry: Entry, path: tuple[str, ...]) -> list[Entry] | None:
    """Return the mappings that a path leads through, None where it ends early."""
    chain, here = [], entry
    for key in path:
        found, data = pairs(here.node, key), here.data.get(key)
        if len(found) != 1 or not isinstance(found[0][1], yaml.MappingNode) or not isinstance(data, dict):
            return None
        here = Entry(found[0][1], data)
        chain.append(here)
    return chain


def _add_pair(edits: Edits, document: Document, node: yaml.MappingNode, text: str, offset: int) -> None:
    """Put a pair into a mapping: behind its last one, in an entry of lines behind `offset`."""
    key, value = node.value[-1]
    end = document.content_end(value, key.start_mark.column)
    if node.flow_style:
        edits.put(end, end, f", {text}", 1)
        return
    column = node.value[0][0].start_mark.column
    if document.stops_in_block(offset):
        # a block text that ends with the file would gain a line break from anything behind it
        name, value = (pairs(node, "name") or pairs(node, "v"))[0]
        offset = document.content_end(value, name.start_mark.column)
    edits.insert_line(offset if offset >= 0 else end, " " * column + text, 0)


def _renew(
    edits: Edits, document: Document, key: yaml.Node, value: yaml.MappingNode, mark: Mapping[str, Any]
) -> None:
    """Put a new mark in the place of an old one; what else the mapping holds stays."""
    kept = [pair for pair in value.value if pair[0].value not in _KEYS]
    if not kept:
        end = document.content_end(value, key.start_mark.column)
        _check_no_comment(document.text[value.start_mark.index : end])
        edits.put(document.after_colon(key), end, f" {flow_map(mark)}")
        return
    name, last = kept[-1]
    end = document.content_end(last, name.start_mark.column)
    if value.flow_style:
        edits.put(end, end, f", {flow_map(mark)[1:-1]}")
    else:
        column = value.value[0][0].start_mark.column
        for word, part in mark.items():
            edits.insert_line(end, f"{' ' * column}{flow_map({word: part})[1:-1]}", 0)
    _remove_pairs(edits, document, value, set(_KEYS))


def _remove_pairs(edits: Edits, document: Document, node: yaml.MappingNode, keys: set[str]) -> None:
    """Take pairs out of a mapping that keeps others."""
    text, items = document.text, node.value
    last = max(i for i, (key, _) in enumerate(items) if key.value not in keys)
    for number, (key, value) in enumerate(items):
        if key.value not in keys:
            continue
        end = document.content_end(value, key.start_mark.column)
        start = document.line_start(key.start_mark.index)
        if not node.flow_style and start and not text[start : key.start_mark.index].strip():
            start -= 2 if text.startswith("\r\n", start - 2) else 1
            end = document.line_end(end)
        elif number < last:
            start, end = key.start_mark.index, items[number + 1][0].start_mark.index
        else:
            before, behind = items[number - 1]
            start = document.content_end(behind, before.start_mark.column)
        _check_no_comment(text[start:end])
        edits.put(start, end, "")


def _check_no_comment(text: str) -> None:
    if _COMMENT.search(text):
        raise Refused("a comment stands in the mark")
