"""OpenAPI 3, Swagger 2 and JSON Schema files as tables: every object that lists its properties is one.

A named schema gives a table of its name, an object inside it one named `Order.lines`. `allOf` is taken together, and
so are alternatives written in place; a property that refers to a named schema stays one column. What a description
stands on is what it describes: the text of a shared object never becomes the text of a column that refers to it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docgen_plugin.console import count
from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Table
from docgen_training.json_documents import Document, Schema, list_at, map_at, read_document
from docgen_training.schema_tables import Tables

__all__ = ["SchemaFile", "read_schemas"]

_API = ("openapi", "swagger", "asyncapi")
_MARKS = "$schema properties $defs definitions allOf oneOf anyOf items components $ref $id".split()
_NAME = re.compile(r"[^\W\d][\w.-]*")
_PARAMETER = re.compile(r"[{}]|^v\d+$|^$")  # a segment of a path that names no thing


@dataclass(frozen=True, slots=True)
class SchemaFile:
    """What one file describes."""

    source: str  # "openapi:Shop API", "json-schema:order"
    license: str  # what the file itself states, "" for nothing
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def read_schemas(path: Path) -> SchemaFile:
    """Return the tables of an OpenAPI, Swagger or JSON Schema file, in the file's order.

    Raises:
        DocgenError: when the file cannot be read or is none of these.
    """
    document = read_document(path)
    api = any(key in document.root for key in _API)
    if not api and not any(key in document.root for key in _MARKS):
        raise DocgenError(
            f"{path}: is neither OpenAPI, Swagger nor JSON Schema: no {', '.join([*_API[:2], *_MARKS[:4]])} "
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
    tables = Tables(document)
    tables.read([*([] if api else [(name, document.root)]), *roots.items()])
    tables.read(_bodies(document), named=False)
    notes = []
    if document.lost:
        number, first = count(len(document.lost), "reference"), next(iter(document.lost))
        notes.append(f"{path}: {number} not followed, out of the file or to nowhere, such as {first}")
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


def _bodies(document: Document) -> Iterator[tuple[str, Schema]]:
    """Yield the schemas of requests and good answers, each with the name that its path gives it."""
    for path, item in document.mapping("paths").items():
        things = [part for part in path.split("/") if not _PARAMETER.search(part)]
        for operation in document.follow(item).values():
            if not isinstance(operation, dict) or not things:
                continue
            answers = [
                answer for code, answer in map_at(operation, "responses").items() if code.startswith("2")
            ]
            parameters = [document.follow(one) for one in list_at(operation, "parameters")]
            bodies = [one for one in parameters if one.get("in") == "body"]
            for place in (operation.get("requestBody"), *answers, *bodies):
                body = document.follow(place)
                for holder in (body, *map_at(body, "content").values()):
                    schema = holder.get("schema") if isinstance(holder, dict) else None
                    if isinstance(schema, dict):
                        yield _title(schema) or things[-1], schema
