"""JSON Schema as tables: what `$ref`, `allOf`, `oneOf` and `anyOf` say together about an object and its properties."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from docgen_plugin.model import Column, Table
from docgen_training.json_documents import Document, Schema, list_at, map_at

__all__ = ["Tables"]

# https://spec.openapis.org/registry/format/ -> a type whose family the prompt knows
_FORMATS = {
    "date-time": "timestamp",
    "date": "date",
    "time": "time",
    "uuid": "uuid",
    "byte": "binary",
    "binary": "binary",
    "int64": "bigint",
    "uint64": "bigint",
    "float": "float",
    "double": "double",
    "decimal": "decimal",
}
_ANYTHING: Schema = {}
_PYTHON = {bool: "boolean", int: "integer", float: "number", str: "string"}


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the schemas that a schema is made of."""

    node: Schema
    by_ref: bool = False  # written elsewhere
    entry: bool = False  # what a reference written in place points to
    sure: bool = True  # False for one alternative of several
    apart: bool = False  # such an alternative written elsewhere: a table of its own, if it is one


class Tables:
    """The tables found so far; nothing here calls itself, so that no file is too deep and no circle endless."""

    def __init__(self, document: Document) -> None:
        self.found: list[Table] = []
        self._document = document
        self._roots: dict[int, str] = {}
        # NOTE: the schema itself too: an id is given away again when its object is gone
        self._taken: dict[int, Schema] = {}
        self._joined: dict[tuple[int, ...], Schema] = {}
        self._known: set[tuple[str, tuple[Column, ...]]] = set()

    def read(self, schemas: Iterable[tuple[str, Any]], named: bool = True) -> None:
        """Add the tables of schemas; named ones keep their name wherever they are referred to."""
        waiting = [(name, schema) for name, schema in schemas if isinstance(schema, dict)][::-1]
        if named:
            self._roots.update((id(schema), name) for name, schema in waiting)
        while waiting:
            name, schema = waiting.pop()
            if id(schema) in self._taken or self._roots.get(id(schema), name) != name:
                continue
            self._taken[id(schema)] = schema
            waiting.extend(reversed(list(self._visit(name, schema))))

    def _visit(self, name: str, schema: Schema) -> Iterator[tuple[str, Schema]]:
        """Add the table that a schema is, if it is one; yield the schemas inside it."""
        parts = self._parts(schema)
        own = [part for part in parts if not part.by_ref]
        entries = [part for part in parts if part.entry]
        # what only refers to another schema is that other one
        if any(map_at(part.node, "properties") for part in own) or len(entries) > 1:
            properties = self._properties(parts)
            self._add(name, parts, properties)
            yield from ((f"{name}.{key}", one) for key, one in properties.items())
        else:
            yield from ((name, part.node) for part in entries)
        for part in own:
            for inner in (
                part.node.get("items"),
                part.node.get("additionalProperties"),
                *map_at(part.node, "patternProperties").values(),
            ):
                if isinstance(inner, dict):
                    yield name, inner

    def _add(self, name: str, parts: Sequence[_Part], properties: dict[str, Schema]) -> None:
        needed = {
            key for part in parts if part.sure for key in list_at(part.node, "required") if _is_text(key)
        }
        columns = tuple(self._column(key, schema, key in needed) for key, schema in properties.items())
        if columns and (name, columns) not in self._known:
            self._known.add((name, columns))
            text = _description(part for part in parts if not part.by_ref)
            key = f"{name}#{len(self.found)}"
            self.found.append(Table(key, name, description=text, columns=columns))

    def _parts(self, schema: Schema) -> list[_Part]:
        """Return the schema, what it refers to, what `allOf` adds and its alternatives, each once, in order."""
        found: list[_Part] = []
        seen: set[int] = set()
        waiting = [_Part(schema)]
        while waiting:
            part = waiting.pop()
            node = part.node
            if not isinstance(node, dict) or id(node) in seen:
                continue
            seen.add(id(node))
            found.append(part)
            more = [replace(part, node=one, entry=False) for one in list_at(node, "allOf")]
            if _is_text(node.get("$ref")):
                target = self._document.target(node["$ref"])
                more.insert(0, _Part(target, by_ref=True, entry=not part.by_ref, sure=part.sure))
            choices = _choices(node)
            if len(choices) == 1:
                more.append(replace(part, node=choices[0], entry=False))
            for one in choices if len(choices) > 1 else ():
                if "$ref" in one:
                    target = self._document.follow(one)
                    found.append(_Part(target, by_ref=True, sure=False, apart=True))
                else:
                    more.append(replace(part, node=one, entry=False, sure=False))
            waiting.extend(reversed(more))
        return found

    def _properties(self, parts: Sequence[_Part]) -> dict[str, Schema]:
        """Return the properties of all parts, in the order of the file; one that comes twice is both together."""
        found: dict[str, list[tuple[bool, Schema]]] = {}
        for part in parts:
            for key, schema in map_at(part.node, "properties").items():
                if key.strip() and not part.apart:
                    plain = schema if isinstance(schema, dict) else _ANYTHING
                    found.setdefault(key, []).append((part.by_ref, plain))
        return {key: self._together(several) for key, several in found.items()}

    def _together(self, several: list[tuple[bool, Schema]]) -> Schema:
        """Return one schema for all that a property has, the same for the same ones, or a circle would never end."""
        if len(several) == 1:
            return several[0][1]
        # what is written in place says more than what it refines
        schemas = [schema for _, schema in sorted(several, key=lambda one: one[0])]
        return self._joined.setdefault(tuple(map(id, schemas)), {"allOf": schemas})

    def _column(self, name: str, schema: Schema, needed: bool) -> Column:
        parts = self._parts(schema)
        values = self._values(parts)
        type_ = _type(parts, values)
        text = _description(part for part in parts if not part.by_ref)
        if not text and type_ not in ("object", "array"):
            text = _description(parts)  # a shared plain type says what its value is
        return Column(
            name,
            type_,
            text,
            not_null=needed and not any(_is_nullable(part.node) for part in parts),
            values=tuple(dict.fromkeys(_value(one) for one in values)),
        )

    def _values(self, parts: Sequence[_Part]) -> list[Any]:
        """Return the values that are allowed, as the file has them."""
        for part in parts:
            if part.sure and _listed(part.node):
                return _listed(part.node)
        for part in parts:
            choices = [_listed(self._document.follow(one)) for one in _choices(part.node)]
            if choices and all(choices):
                return [value for one in choices for value in one]
        return []


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _description(parts: Iterable[_Part]) -> str:
    texts = (part.node.get("description") for part in parts if part.sure)
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def _choices(node: Schema) -> list[Schema]:
    """Return the alternatives of a schema but for null."""
    every = [one for key in ("oneOf", "anyOf") for one in list_at(node, key) if isinstance(one, dict)]
    return [one for one in every if not _is_null(one)]


def _is_null(node: Schema) -> bool:
    return (
        node.get("type") == "null"
        or node.get("enum") == [None]
        or ("const" in node and node["const"] is None)
    )


def _is_nullable(node: Schema) -> bool:
    kinds = node.get("type")
    return (
        node.get("nullable") is True
        or node.get("x-nullable") is True
        or (isinstance(kinds, list) and "null" in kinds)
        or None in list_at(node, "enum")
        or any(
            _is_null(one) for key in ("oneOf", "anyOf") for one in list_at(node, key) if isinstance(one, dict)
        )
    )


def _listed(node: Schema) -> list[Any]:
    """Return the values that one schema lists, null and what is no plain value left out."""
    every = [node["const"]] if "const" in node else list_at(node, "enum")
    return [value for value in every if isinstance(value, str | bool | int | float)]


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(parts: Sequence[_Part], values: Sequence[Any]) -> str:
    """Return a column's type: that of the format where it tells more, "" when the alternatives differ."""
    kinds = [(part, _stated(part.node)) for part in parts]
    for part, kind in kinds:
        if part.sure and kind is not None:
            return kind
    # an alternative without a type may be anything
    options = {kind or "" for part, kind in kinds if kind is not None or part.apart}
    if options:
        return options.pop() if len(options) == 1 else ""
    return _PYTHON[type(values[0])] if values else ""


def _stated(node: Schema) -> str | None:
    """Return the type that one schema states or shows by its keys, "" for several, None for none."""
    stated = node.get("type")
    options = stated if isinstance(stated, list) else [stated]
    plain = [one for one in options if isinstance(one, str) and one != "null"]
    if plain:
        return _FORMATS.get(str(node.get("format")), plain[0]) if len(plain) == 1 else ""
    if "properties" in node:
        return "object"
    return "array" if "items" in node else None
