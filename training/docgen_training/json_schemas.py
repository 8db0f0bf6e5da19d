"""OpenAPI 3, Swagger 2 and JSON Schema files as tables: every object that lists its properties is one.

A named schema gives a table of its name, an object inside it one named `Order.lines`. `allOf` is taken together, and
so are alternatives written in place; a property that refers to a named schema stays one column. What a description
stands on is what it describes: the text of a shared object never becomes the text of a column that refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, Table
from docgen_training.json_documents import Document, read_document

__all__ = ["SchemaFile", "read_schemas"]

Schema = dict[str, Any]

_API = ("openapi", "swagger", "asyncapi")
_MARKS = ("$schema", "properties", "$defs", "definitions", "allOf", "oneOf", "anyOf", "items", "components")
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
_PYTHON = {bool: "boolean", int: "integer", float: "number", str: "string"}
_NAME = re.compile(r"[^\W\d][\w.-]*")
_PARAMETER = re.compile(r"[{}]|^v\d+$|^$")  # a segment of a path that names no thing


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """What one file describes."""

    source: str  # "openapi:Shop API", "json-schema:order"
    license: str  # what the file itself states, "" for nothing
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Part:
    """One of the schemas that a schema is made of."""

    node: Schema
    by_ref: bool = False  # written elsewhere
    entry: bool = False  # what a reference written in place points to
    sure: bool = True  # False for one alternative of several


def read_schemas(path: Path) -> SchemaFile:
    """Return the tables of an OpenAPI, Swagger or JSON Schema file, in the file's order.

    Raises:
        DocgenError: when the file cannot be read or is none of these.
    """
    document = read_document(path)
    api = any(key in document.root for key in _API)
    if not api and not any(key in document.root for key in _MARKS):
        raise DocgenError(
            f"{path}: is neither OpenAPI, Swagger nor JSON Schema: no {', '.join((*_API[:2], *_MARKS[:4]))} "
            "at its top; a dbt project is named by its folder"
        )
    name = path.name.split(".")[0] or path.name
    roots = {**document.mapping("components", "schemas"), **document.mapping("definitions")}
    info: Schema = {}
    if api:
        info = document.mapping("info")
        source = f"openapi:{' '.join(str(info.get('title') or name).split())}"
    else:
        roots = {**document.mapping("$defs"), **roots}
        name = _title(document.root) or name
        source = f"json-schema:{name}"
    tables = _Tables(document)
    tables.read([*([] if api else [(name, document.root)]), *roots.items()])
    tables.read(_bodies(document), named=False)
    notes = []
    if document.lost:
        first = next(iter(document.lost))
        notes.append(
            f"{path}: {len(document.lost):,} references lead out of the file or nowhere, like {first}"
        )
    return SchemaFile(source, _license(info), tuple(tables.found), tuple(notes))


def _license(info: Schema) -> str:
    stated = info.get("license")
    if isinstance(stated, dict):
        stated = stated.get("identifier") or stated.get("name")
    return stated if isinstance(stated, str) else ""


def _title(schema: Schema) -> str:
    """Return a schema's title where it is a name, no sentence."""
    title = schema.get("title")
    return title if isinstance(title, str) and _NAME.fullmatch(title) else ""


def _list(node: Schema, key: str) -> list[Any]:
    value = node.get(key)
    return value if isinstance(value, list) else []


def _map(node: Schema, key: str) -> Schema:
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def _bodies(document: Document) -> Iterator[tuple[str, Schema]]:
    """Yield the schemas of requests and good answers, each with the name that its path gives it."""
    for path, item in document.mapping("paths").items():
        things = [part for part in path.split("/") if not _PARAMETER.search(part)]
        for operation in document.follow(item).values():
            if not isinstance(operation, dict) or not things:
                continue
            answers = [
                answer for code, answer in _map(operation, "responses").items() if code.startswith("2")
            ]
            parameters = [document.follow(one) for one in _list(operation, "parameters")]
            bodies = [one for one in parameters if one.get("in") == "body"]
            for place in (operation.get("requestBody"), *answers, *bodies):
                body = document.follow(place)
                for holder in (body, *_map(body, "content").values()):
                    schema = holder.get("schema") if isinstance(holder, dict) else None
                    if isinstance(schema, dict):
                        yield _title(schema) or things[-1], schema


class _Tables:
    """The tables found so far; nothing here calls itself, so that no file is too deep and no circle endless."""

    def __init__(self, document: Document) -> None:
        self.found: list[Table] = []
        self._document = document
        self._roots: dict[int, str] = {}
        self._taken: dict[
            int, Any
        ] = {}  # keeps what it has seen alive: an id is free again when its object is not
        self._known: set[tuple[str, tuple[Column, ...]]] = set()

    def read(self, schemas: Iterable[tuple[str, Any]], named: bool = True) -> None:
        """Add the tables of schemas; named ones keep their name wherever they are referred to."""
        schemas = [(name, schema) for name, schema in schemas if isinstance(schema, dict)]
        if named:
            for name, schema in schemas:
                self._roots.setdefault(id(schema), name)
        waiting = schemas[::-1]
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
        if any(_map(part.node, "properties") for part in own) or len(entries) > 1:
            properties = self._properties(parts)
            self._add(name, parts, properties)
            yield from ((f"{name}.{key}", one) for key, one in properties.items())
        else:
            yield from ((name, part.node) for part in entries)
        for part in own:
            for key in ("items", "additionalProperties"):
                if _map(part.node, key):
                    yield name, part.node[key]

    def _add(self, name: str, parts: Sequence[_Part], properties: dict[str, Schema]) -> None:
        needed = {key for part in parts if part.sure for key in _list(part.node, "required") if _is_text(key)}
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
            more = [replace(part, node=one, entry=False) for one in _list(node, "allOf")]
            if _is_text(node.get("$ref")):
                more.insert(0, _Part(self._document.target(node["$ref"]), True, not part.by_ref, part.sure))
            choices = _choices(node)
            more += [
                replace(part, node=one, entry=False, sure=part.sure and len(choices) == 1)
                for one in choices
                # alternatives by reference are tables of their own
                if len(choices) == 1 or "$ref" not in one
            ]
            waiting.extend(reversed(more))
        return found

    def _properties(self, parts: Sequence[_Part]) -> dict[str, Schema]:
        """Return the properties of all parts, in the order of the file; one that comes twice is both together."""
        found: dict[str, list[tuple[bool, Schema]]] = {}
        for part in parts:
            for key, schema in _map(part.node, "properties").items():
                if str(key).strip():
                    found.setdefault(str(key), []).append(
                        (part.by_ref, schema if isinstance(schema, dict) else {})
                    )
        # what is written in place says more than what it refines
        return {
            key: several[0][1]
            if len(several) == 1
            else {"allOf": [schema for _, schema in sorted(several, key=lambda one: one[0])]}
            for key, several in found.items()
        }

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
    texts = (part.node.get("description") for part in parts)
    return next((text for text in texts if isinstance(text, str) and text.strip()), "")


def _choices(node: Schema) -> list[Schema]:
    """Return the alternatives of a schema but for null."""
    every = [one for key in ("oneOf", "anyOf") for one in _list(node, key) if isinstance(one, dict)]
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
        or None in _list(node, "enum")
        or any(
            _is_null(one) for key in ("oneOf", "anyOf") for one in _list(node, key) if isinstance(one, dict)
        )
    )


def _listed(node: Schema) -> list[Any]:
    """Return the values that one schema lists, null and what is no plain value left out."""
    every = [node["const"]] if "const" in node else _list(node, "enum")
    return [value for value in every if isinstance(value, str | bool | int | float)]


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _type(parts: Sequence[_Part], values: Sequence[Any]) -> str:
    """Return a column's type: that of the format where it tells more, "" when the alternatives differ."""
    kinds: list[str] = []
    for part in parts:
        stated = part.node.get("type")
        options = stated if isinstance(stated, list) else [stated]
        plain = [one for one in options if isinstance(one, str) and one != "null"]
        if plain:
            kind = plain[0] if len(plain) == 1 else ""
            kinds.append(_FORMATS.get(str(part.node.get("format")), kind) if kind else "")
            if part.sure:
                return kinds[-1]
    if kinds:
        return kinds[0] if len(set(kinds)) == 1 else ""
    if any(_map(part.node, "properties") for part in parts):
        return "object"
    if any("items" in part.node for part in parts):
        return "array"
    return _PYTHON[type(values[0])] if values else ""
