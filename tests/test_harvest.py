"""A team's own documentation as training records: real dbt, real databases, real schema files, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from docgen_training.cli_harvest import COMMANDS
from docgen_training.encode import Recipe, encode_records
from docgen_training.harvest import Harvest, harvest, one_line, write_harvests
from docgen_training.json_schemas import read_schemas
from docgen_training.licenses import PERMISSIVE, Terms, license_file, recognise, spdx
from docgen_training.records import read_records, write_records
from docgen_training.synthesize import synthesize
from docgen_training.vocabulary import Vocabulary, train_vocabulary

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, ForeignKey, Table
from tests.dbt_projects import dbt, generate
from tests.servers import PASSWORD, execute

APACHE = Path(__file__).parent.parent / "LICENSE"
OWN = Terms("internal", ("internal",))

MIT = """Copyright (c) 2024 A. Person

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.
"""
BSD_2 = """Redistribution and use in source and binary forms, with or without
 * modification, are permitted provided that the following conditions are met:
 * 1. Redistributions of source code must retain the above copyright notice.
"""
BSD_3 = (
    BSD_2 + "Neither the name of the copyright holder may be used to endorse or promote products derived.\n"
)
ISC = """Permission to use, copy, modify, and/or distribute this software for any
purpose with or without fee is hereby granted, provided that the above
copyright notice and this permission notice appear in all copies.
"""
# a licence's own words (the long ones by their head) -> what it is
LICENSES = [
    ("MIT", MIT),
    ("BSD-2-Clause", BSD_2),
    ("BSD-3-Clause", BSD_3),
    ("BSD-4-Clause", BSD_3 + "All advertising materials mentioning features must display the following:"),
    ("ISC", ISC),
    ("ISC", ISC.replace("and/or", "and")),
    ("Apache-2.0", "   Apache License\n   Version 2.0, January 2004\n   http://www.apache.org/licenses/"),
    ("Apache-2.0", '# Licensed under the Apache License, Version 2.0 (the "License");\n# you may not use'),
    ("MPL-2.0", "Mozilla Public License Version 2.0\n==================================\n\n1. Definitions"),
    ("MPL-2.0", "This Source Code Form is subject to the terms of the Mozilla Public\nLicense, v. 2.0. If a copy"),
    ("CC0-1.0", "Creative Commons Legal Code\n\nCC0 1.0 Universal\n\n    CREATIVE COMMONS CORPORATION IS NOT"),
    ("CC-BY-4.0", "By exercising the Licensed Rights You accept the Creative Commons Attribution\n4.0 International"),
    ("Unlicense", "This is free and unencumbered software released into the public domain.\n\nAnyone is free"),
    ("GPL-3.0-only", "GNU GENERAL PUBLIC LICENSE\n                       Version 3, 29 June 2007\n"),
    ("CC-BY-NC-SA-4.0", "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International Public License"),
    ("LicenseRef-Commons-Clause AND MIT", '"Commons Clause" License Condition v1.0\n' + MIT),
    ("BUSL-1.1", "Business Source License 1.1\n\nChange License: Apache License, Version 2.0"),
    ("", "All rights reserved. Do not copy."),
    ("", "This program is proprietary; the MIT and Apache licences do not apply to it."),
]  # fmt: skip
SPELLINGS = [
    ("apache 2.0", "Apache-2.0"),
    ("Apache License, Version 2.0", "Apache-2.0"),
    ("Apache License 2.0", "Apache-2.0"),
    ("The MIT License", "MIT"),
    ("mit licence", "MIT"),
    ("BSD 3-Clause License", "BSD-3-Clause"),
    ("MPL v2.0", "MPL-2.0"),
    ("CC0", "CC0-1.0"),
    ("Creative Commons Attribution 4.0 International", "CC-BY-4.0"),
    ("The Unlicense", "Unlicense"),
    ("(mit OR GPL-3.0-only) AND isc", "(MIT OR GPL-3.0-only) AND ISC"),
    ("mit OR apache-2.0", "MIT OR Apache-2.0"),
    ("MIT (with a twist)", "MIT (with a twist)"),
    ("Apache", "Apache"),
    ("Apache 1.1", "Apache 1.1"),
    ("CC BY-SA 4.0", "CC BY-SA 4.0"),
]

SHOP_API = """
openapi: 3.0.3
info:
  title: Shop API
  version: "1"
  license: {name: Apache 2.0}
paths:
  /v1/orders/{id}:
    parameters: [{name: id, in: path, required: true, schema: {type: string}}]
    get:
      operationId: getOrder
      responses:
        200: {description: ok, content: {application/json: {schema: {$ref: '#/components/schemas/Order'}}}}
        404: {description: gone, content: {application/json: {schema: {properties: {code: {type: string,
          description: Number of the error.}}}}}}
  /v1/refunds:
    post:
      requestBody: {$ref: '#/components/requestBodies/Refund'}
      responses: {'204': {description: done}}
components:
  requestBodies:
    Refund:
      content:
        application/json: {schema: {type: object, properties: {reason: {type: string,
          description: Why the customer wants the money back.}}}}
        text/json: {schema: {type: object, properties: {reason: {type: string,
          description: Why the customer wants the money back.}}}}
  schemas:
    Currency: {type: string, description: Three letters of ISO 4217., enum: [EUR, USD, NOK]}
    Entity:
      type: object
      description: What everything has.
      required: [id]
      properties:
        id: {type: string, format: uuid, description: Number that the shop gives., readOnly: true}
        created_at: {type: string, format: date-time, description: TODO}
    Order:
      description: One row per order of a customer.
      allOf:
        - $ref: '#/components/schemas/Entity'
        - required: [status, lines, shipped_to, parent]
          properties:
            status: {type: string, enum: [open, no, on, 2020-01-01], description: How far the order has come.}
            currency: {$ref: '#/components/schemas/Currency'}
            customer: {$ref: '#/components/schemas/Customer'}
            shipped_to:
              description: Where the parcel goes.
              allOf: [{$ref: '#/components/schemas/Address'}]
            parent: {$ref: '#/components/schemas/Order', nullable: true}
            total_cents: {type: integer, format: int64, description: Sum of the lines in cents.}
            lines:
              type: array
              description: What was bought.
              items:
                description: One article of the order.
                properties:
                  sku: {type: string, description: Number of the article.}
                  discount: {type: object, description: What was taken off., properties: {percent: {type: number,
                    description: Share of the price taken off.}}}
                  order: {$ref: '#/components/schemas/Order'}
            paid_by: {oneOf: [{$ref: '#/components/schemas/Card'}, {$ref: '#/components/schemas/Invoice'}]}
            labels: {type: object, additionalProperties: {type: string}, description: Words of the customer.}
    Address: {type: object, description: A place that a parcel can go to., properties: {
      street: {type: string, description: Street and house number.}}}
    Customer: {type: object, properties: {
      name: {type: string, description: Name}, orders: {type: array, items: {$ref: '#/components/schemas/Order'}}}}
    Card: {properties: {last_digits: {type: string, description: Last four digits of the card.}}}
    Invoice: {properties: {due_on: {type: string, format: date, description: Day by which to pay.}}}
    Orders: {type: array, items: {$ref: '#/components/schemas/Order'}}
    Purchase: {$ref: '#/components/schemas/Order'}
"""
PET_SWAGGER: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "Pets", "license": {"name": "MIT", "url": "https://example.com"}},
    "paths": {
        "/pets": {
            "post": {
                "parameters": [{"in": "body", "name": "pet", "schema": {"$ref": "#/definitions/Pet"}}],
                "responses": {
                    "201": {
                        "schema": {
                            "title": "Receipt",
                            "properties": {"number": {"type": "integer", "description": "What to ask for it with."}},
                        }
                    }
                },
            }
        }
    },
    "definitions": {
        "Pet": {
            "type": "object",
            "description": "An animal that can be bought.",
            "properties": {
                "id": {"type": "integer", "format": "int32", "description": "id"},
                "weight": {"type": "number", "format": "double", "x-nullable": True, "description": "Weight in kg."},
            },
            "required": ["weight", "id"],
        }
    },
}  # fmt: skip
# JSON Schema 2020-12: a tree that contains itself, an anchor, an address of its own, alternatives
PART_SCHEMA: dict[str, Any] = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "$id": "https://example.com/part.json",
    "title": "Bill of materials",
    "description": "Everything that a machine is built of.",
    "type": "object",
    "required": ["number", "parts"],
    "properties": {
        "number": {"type": ["string", "null"], "description": "Number of the machine."},
        "parts": {"type": "array", "items": {"$ref": "#/$defs/part"}, "description": "Parts, the largest first."},
        "whole": {"$ref": "#", "description": "The machine that this one is built into."},
        "maker": {"$ref": "maker.json"},
        "unit": {"$ref": "#unit"},
        "state": {"oneOf": [{"const": "new", "description": "x"}, {"const": "used"}, {"type": "null"}]},
        "size": {"anyOf": [{"type": "number"}, {"type": "string"}], "description": "Length, or words for it."},
        "made_at": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "elsewhere": {"$ref": "https://example.com/other.json#/x", "description": "Kept in another file."},
        "nowhere": {"$ref": "#/$defs/none"},
        "half\ud800": {"type": "string", "description": "Half a character\ud800 in an escape."},
        "anything": True,
        "broken": 7,
    },
    "$defs": {
        "part": {
            "description": "One part of a machine.",
            "properties": {
                "number": {"$ref": "#/properties/number"},
                "inside": {"type": "array", "items": {"$ref": "#/$defs/part"}},
            },
        },
        "unit": {"$anchor": "unit", "type": "string", "enum": ["mm", "inch"], "description": "Unit of all sizes."},
        "maker": {"$id": "maker.json", "properties": {"name": {"type": "string", "description": "Who built it."}}},
        "ring": {"$ref": "#/$defs/ring_2"},
        "ring_2": {"allOf": [{"$ref": "#/$defs/ring"}]},
        # two trees that grow into each other
        "left": {"properties": {"next": {"$ref": "#/$defs/left"}}},
        "right": {"properties": {"next": {"$ref": "#/$defs/right"}}},
        "both": {"allOf": [{"$ref": "#/$defs/left"}, {"$ref": "#/$defs/right"}]},
    },
}  # fmt: skip
BAD_FILES = [
    ("a.json", b"{", "is not JSON: Expecting property name"),
    ("a.yaml", b"a: [", r"is not YAML: did not find expected node content \(line 2, column 1\)"),
    ("a.json", b"\xff\xfe{}", "is not UTF-8 text"),
    ("a.yaml", b"- 1\n", "holds no mapping"),
    ("a.yaml", b"", "holds no mapping"),
    ("a.json", b'{"name": "shop"}', "is neither OpenAPI, Swagger nor JSON Schema"),
    ("schema.yml", b"version: 2\nmodels: []\n", "a dbt project is named by its folder"),
    ("a.json", b'{"openapi": "3.0.0", "components": {"schemas": []}}', "components/schemas is not a mapping"),
    ("a.yaml", b"swagger: '2.0'\ndefinitions: [1]\n", "definitions is not a mapping"),
    ("a.json", b'{"a":' * 100_000, "is nested too deeply"),
    ("a.yaml", b"[" * 100_000, "is not YAML: exceeded maximum nesting depth"),
]
BAD_SOURCES = [
    ("nothing.yaml", "nothing.yaml: cannot be read: No such file"),
    ("nothing", "nothing: is neither a dbt project's folder nor a database URL"),
    ("sqlite:///nothing.db", "nothing.db"),
    ("postgresql://me:s3cret@127.0.0.1:1/shop", "127.0.0.1:1/shop"),
]
PLACEHOLDERS = [
    "", "  ", "TODO", "todo", "TBD", "TODO: ask Anna", "FIXME later", "tbd (finance)", "N/A", "n.a", "-", "...", "???",
    "No description", "description", "Add description here", "to be defined", "{{ doc('order_status') }}",
    "order_status", "Order status.", "ORDER STATUS", "orderStatus",
]  # fmt: skip
TEXTS = ["To do list of the user", "None of the above", "Todos that are open", "Status of the order", "状態"]


def run(*arguments: object) -> str:
    """Run the command and return what it prints."""
    result = CliRunner().invoke(COMMANDS[0], [str(one) for one in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def refused(*arguments: object) -> str:
    """Run the command and return the one line that refuses it."""
    with pytest.raises(DocgenError) as caught:
        run(*arguments)
    line = str(caught.value)
    assert "\n" not in line
    return line


def table(tables: Harvest | tuple[Table, ...], name: str) -> Table:
    found = [one.table for one in tables.records] if isinstance(tables, Harvest) else tables
    return next(one for one in found if one.name == name)


def column(found: Table, name: str) -> Column:
    one = found.column(name)
    assert one is not None, f"{found.name}.{name}"
    return one


def text_of(found: Table) -> dict[str, str]:
    """Return the described columns of a table."""
    return {one.name: one.description for one in found.columns if one.description}


@pytest.fixture
def shop_api(tmp_path: Path) -> Path:
    path = tmp_path / "shop.yaml"
    path.write_text(SHOP_API, encoding="utf-8")
    return path


@pytest.fixture
def part_schema(tmp_path: Path) -> Path:
    path = tmp_path / "part.schema.json"
    path.write_text(json.dumps(PART_SCHEMA), encoding="utf-8")
    return path


@pytest.fixture
def fleet(tmp_path: Path) -> str:
    """The URL of a DuckDB file with comments."""
    url = f"duckdb:///{tmp_path / 'cars.duckdb'}"
    execute(
        url,
        "CREATE SCHEMA fleet",
        "CREATE TABLE fleet.vehicle (vin varchar PRIMARY KEY, plate varchar NOT NULL UNIQUE,"
        " fuel varchar CHECK (fuel IN ('diesel', 'electric')), odometer_km integer)",
        "CREATE TABLE fleet.trip (trip_id bigint PRIMARY KEY, vin varchar REFERENCES fleet.vehicle (vin), note varchar)",
        "CREATE TABLE fleet.untold (a integer, b integer)",
        "CREATE VIEW fleet.usage AS SELECT vin, count(*) AS trips FROM fleet.trip GROUP BY vin",
        "COMMENT ON TABLE fleet.vehicle IS 'One row per vehicle\nof the company'",
        "COMMENT ON COLUMN fleet.vehicle.odometer_km IS 'As read at the last service; it''s never reset'",
        "COMMENT ON COLUMN fleet.vehicle.fuel IS 'TODO'",
        "COMMENT ON COLUMN fleet.trip.vin IS 'Vehicle that was driven'",
        "COMMENT ON COLUMN fleet.untold.a IS 'tbd'",
        "COMMENT ON VIEW fleet.usage IS 'Vehicles by how often they are driven'",
    )
    return url


@pytest.mark.slow
def test_a_dbt_project_with_its_licence_above(tmp_path: Path):
    root = tmp_path / "warehouse" / "trade"
    generate(root, 4)
    dbt(root, "parse")
    assert "states no licence" in refused(root, "--out", tmp_path / "own.jsonl")
    shutil.copy(APACHE, tmp_path / "LICENSE")
    out = tmp_path / "own.jsonl.xz"
    printed = run(root, "--out", out)
    records = {record.table.name: record for record in read_records(out)}
    columns = sum(len(text_of(record.table)) for record in records.values())
    total = f"{len(records)} tables"
    assert printed == f"dbt:trade: {total}, {columns} described columns, Apache-2.0\n{out}: {total}\n"
    assert {(record.source, record.license) for record in records.values()} == {("dbt:trade", "Apache-2.0")}
    customer, orders = records["customer"].table, records["fct_order_header"].table
    assert customer.description == "Customers as the ERP keeps them; merged ones stay with seg_cd 'X'."
    assert column(customer, "cust_id").primary_key
    assert column(customer, "seg_cd").values == ("B2B", "B2C", "X")
    assert orders.description == "One row per order. Cancelled orders are left out."
    assert orders.upstream == ("model.trade.int_order_header_checked",)
    assert text_of(records["stg_order_header"].table) == {
        "order_id": "Number that the till gives to an order; never used twice."
    }
    assert "payment" not in records  # nobody described it
    more = tmp_path / "more.jsonl"
    run(root / "dbt_project.yml", "--min-described", 2, "--source", "acme", "--out", more)
    chosen = list(read_records(more))
    assert {record.source for record in chosen} == {"acme"}
    assert 0 < len(chosen) < len(records)


def test_a_database_with_comments(fleet: str, tmp_path: Path):
    found = harvest(fleet, OWN)
    assert found.source == f"duckdb:///{tmp_path / 'cars.duckdb'}"
    assert sorted(record.table.name for record in found.records) == ["trip", "usage", "vehicle"]
    vehicle, trip = table(found, "vehicle"), table(found, "trip")
    assert vehicle.description == "One row per vehicle of the company"
    assert text_of(vehicle) == {"odometer_km": "As read at the last service; it's never reset"}
    assert column(vehicle, "vin").primary_key
    assert column(vehicle, "plate").unique
    assert column(vehicle, "plate").not_null
    assert column(vehicle, "fuel").values == ("diesel", "electric")
    assert column(vehicle, "odometer_km").type.upper() == "INTEGER"
    assert column(trip, "vin").foreign_key == ForeignKey("vehicle", "vin")
    assert found.columns == 2


def test_a_database_without_comments_gives_nothing(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'shop.db'}"
    execute(url, "CREATE TABLE orders (id integer PRIMARY KEY, status text)")
    assert harvest(url, OWN).records == ()
    out = tmp_path / "own.jsonl"
    line = refused(url, "--license", "mit", "--out", out)
    assert line == f"{out}: not written: no table of the sources has enough described places"
    assert not out.exists()


@pytest.mark.slow
def test_no_password_reaches_the_records(postgres_url: str, tmp_path: Path):
    execute(
        postgres_url,
        "CREATE TABLE orders (id integer PRIMARY KEY, placed_at timestamptz)",
        "COMMENT ON COLUMN orders.placed_at IS 'When the customer pressed the button'",
    )
    out = tmp_path / "own.jsonl"
    printed = run(postgres_url, "--license", "internal", "--allow-license", "internal", "--out", out)
    assert "1 table, 1 described column, internal" in printed
    (record,) = read_records(out)
    assert record.license == "internal"
    assert record.source.startswith("postgresql://127.0.0.1:")
    for secret in (PASSWORD, "s3cret", "docgen:"):
        assert secret not in printed + out.read_text()
    assert "s3cret" not in refused(postgres_url, "--out", out)


def test_an_openapi_file(shop_api: Path):
    found = harvest(str(shop_api), Terms())
    assert (found.source, found.license, found.notes) == ("openapi:Shop API", "Apache-2.0", ())
    names = [record.table.name for record in found.records]
    assert names == [
        "Entity",
        "Order",
        "Order.lines",
        "Order.lines.discount",
        "Address",
        "Card",
        "Invoice",
        "refunds",
    ]
    order = table(found, "Order")
    assert order.description == "One row per order of a customer."
    assert text_of(order) == {
        "id": "Number that the shop gives.",
        "status": "How far the order has come.",
        "currency": "Three letters of ISO 4217.",  # a shared plain type says what its value is
        "shipped_to": "Where the parcel goes.",  # not what an address is
        "total_cents": "Sum of the lines in cents.",
        "lines": "What was bought.",
        "labels": "Words of the customer.",
    }
    assert column(order, "status") == Column(
        "status",
        "string",
        "How far the order has come.",
        not_null=True,
        values=("open", "no", "on", "2020-01-01"),
    )
    assert column(order, "currency").values == ("EUR", "USD", "NOK")
    types = {one.name: one.type for one in order.columns}
    assert types == {
        "id": "uuid",
        "created_at": "timestamp",
        "status": "string",
        "currency": "string",
        "customer": "object",
        "shipped_to": "object",
        "parent": "object",
        "total_cents": "bigint",
        "lines": "array",
        "paid_by": "object",
        "labels": "object",
    }
    assert [one.name for one in order.columns if one.not_null] == ["id", "status", "shipped_to", "lines"]
    lines = table(found, "Order.lines")
    assert lines.description == "One article of the order."
    assert text_of(lines) == {"sku": "Number of the article.", "discount": "What was taken off."}


def test_a_swagger_file(tmp_path: Path):
    path = tmp_path / "pets.json"
    path.write_text(json.dumps(PET_SWAGGER), encoding="utf-8")
    found = harvest(str(path), Terms())
    assert (found.source, found.license) == ("openapi:Pets", "MIT")
    assert [record.table.name for record in found.records] == ["Pet", "Receipt"]
    pet = table(found, "Pet")
    assert pet.columns == (
        Column("id", "integer", not_null=True),
        Column("weight", "double", "Weight in kg."),
    )


def test_a_json_schema_with_circles(part_schema: Path):
    found = read_schemas(part_schema)
    assert (found.source, found.license) == ("json-schema:part", "")
    assert [one.name for one in found.tables] == [
        "part",
        "part",
        "maker",
        "left",
        "right",
        "both",
        "both.next",
    ]
    part = found.tables[0]
    assert part.description == "Everything that a machine is built of."
    assert column(part, "number") == Column("number", "string", "Number of the machine.")
    assert column(part, "parts").not_null
    assert column(part, "whole") == Column("whole", "object", "The machine that this one is built into.")
    assert column(part, "unit") == Column("unit", "string", "Unit of all sizes.", values=("mm", "inch"))
    assert column(part, "state") == Column("state", "string", values=("new", "used"))
    assert column(part, "size") == Column("size", "", "Length, or words for it.")
    assert column(part, "made_at") == Column("made_at", "timestamp")
    assert column(part, "elsewhere") == Column("elsewhere", "", "Kept in another file.")
    assert column(part, "broken") == Column("broken")
    assert text_of(found.tables[1]) == {"number": "Number of the machine."}
    assert text_of(table(found.tables, "maker")) == {"name": "Who built it."}
    (note,) = found.notes
    assert (
        "2 references not followed, out of the file or to nowhere, such as https://example.com/other.json#/x"
        in note
    )


def test_a_licence_beside_a_schema_file(part_schema: Path):
    assert "states no licence" in refused(part_schema, "--out", part_schema.with_name("own.jsonl"))
    part_schema.with_name("LICENSE.md").write_text(MIT)
    assert harvest(str(part_schema), Terms()).license == "MIT"


@pytest.mark.parametrize(("name", "text"), LICENSES)
def test_licences_are_recognised(name: str, text: str):
    assert recognise(text) == name


def test_the_own_licence_is_recognised():
    assert recognise(APACHE.read_text("utf-8")) == "Apache-2.0"


@pytest.mark.parametrize(("written", "name"), SPELLINGS)
def test_licences_are_named(written: str, name: str):
    assert spdx(written) == name


def test_the_search_for_a_licence_ends_at_the_repository(tmp_path: Path):
    (tmp_path / "LICENSE").write_text(MIT)
    folder = tmp_path / "repository" / "models"
    folder.mkdir(parents=True)
    assert license_file(folder) == ("MIT", tmp_path / "LICENSE")
    (tmp_path / "repository" / ".git").mkdir()
    (folder / "license_check.py").write_text("")
    assert license_file(folder) is None
    (tmp_path / "repository" / "COPYING").write_text(ISC)
    assert license_file(folder) == ("ISC", tmp_path / "repository" / "COPYING")


def test_all_licence_files_of_a_folder_hold(tmp_path: Path):
    (tmp_path / "LICENSE").write_text(MIT)
    (tmp_path / "LICENSE-docs").write_text("Creative Commons Attribution-ShareAlike 4.0 International")
    assert license_file(tmp_path) == ("CC-BY-SA-4.0 AND MIT", tmp_path / "LICENSE")
    with pytest.raises(DocgenError, match=r"'CC-BY-SA-4\.0 AND MIT' is none of Apache-2\.0"):
        Terms().settle("x", "", tmp_path)
    assert Terms("", ("cc-by-sa-4.0",)).settle("x", "", tmp_path) == "CC-BY-SA-4.0 AND MIT"
    (tmp_path / "LICENSE-docs").write_text("Ask us.")
    with pytest.raises(
        DocgenError, match="LICENSE-docs: is none of the licences that are recognised; name it"
    ):
        Terms().settle("x", "", tmp_path)


@pytest.mark.parametrize("name", PERMISSIVE)
def test_permissive_licences_are_accepted(name: str):
    assert Terms(name.lower()).settle("x", "proprietary", None) == name


def test_what_is_not_permissive_is_refused_unless_told(shop_api: Path, tmp_path: Path):
    out = tmp_path / "own.jsonl"
    line = refused(shop_api, "--license", "internal", "--out", out)
    assert line.startswith("--license: the licence 'internal' is none of Apache-2.0, MIT, ")
    assert line.endswith("; if you may train on such texts, add --allow-license internal")
    run(shop_api, "--license", "internal", "--allow-license", "Internal", "--out", out)
    assert {record.license for record in read_records(out)} == {"internal"}
    # what the file itself states counts for more than a file beside it, and is refused just so
    shop_api.write_text(SHOP_API.replace("Apache 2.0", "Acme Terms"), encoding="utf-8")
    (tmp_path / "LICENSE").write_text(MIT)
    line = refused(shop_api, "--out", out)
    assert f"{shop_api}: the licence 'Acme Terms' is none of" in line
    assert line.endswith("add --allow-license 'Acme Terms'")
    run(shop_api, "--allow-license", "acme terms", "--out", out)
    assert {record.license for record in read_records(out)} == {"Acme Terms"}
    assert Terms("MIT OR GPL-3.0-only", ("gpl-3.0-only",)).settle("x", "", None) == "MIT OR GPL-3.0-only"
    with pytest.raises(DocgenError, match="MIT OR GPL"):
        Terms("MIT OR GPL-3.0-only").check()


@pytest.mark.parametrize(("name", "content", "reason"), BAD_FILES)
def test_a_bad_file_is_named_with_the_reason(tmp_path: Path, name: str, content: bytes, reason: str):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DocgenError, match=f"{name}: .*{reason}|{name}: {reason}") as caught:
        harvest(str(path), OWN)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("source", "reason"), BAD_SOURCES)
def test_a_bad_source_is_named_without_its_password(tmp_path, monkeypatch, source: str, reason: str):
    monkeypatch.chdir(tmp_path)
    line = refused(source, "--license", "MIT", "--out", "own.jsonl")
    assert reason in line
    assert "s3cret" not in line
    assert not Path("own.jsonl").exists()


def test_an_output_that_cannot_be_written(shop_api: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    line = refused(shop_api, "--out", tmp_path / "file" / "own.jsonl")
    assert line == f"{tmp_path}/file/own.jsonl: cannot be written: File exists"


@pytest.mark.parametrize("text", PLACEHOLDERS)
def test_placeholders_are_left_out(text: str):
    assert one_line(text, "order_status") == ""


@pytest.mark.parametrize("text", TEXTS)
def test_texts_are_kept(text: str):
    assert one_line(f" {text}\n", "order_status") == text


@pytest.mark.slow
def test_harvested_records_can_be_trained_on(fleet: str, shop_api: Path, part_schema: Path, tmp_path: Path):
    sources = [harvest(one, OWN) for one in (fleet, str(shop_api), str(part_schema))]
    records = [record for source in sources for record in source.records]
    out = tmp_path / "runs" / "own.jsonl.xz"
    assert write_harvests(out, sources) == len(records) == 14
    assert list(read_records(out)) == records
    assert any("half?" in text_of(record.table) for record in records)
    write_records(tmp_path / "voice.jsonl", synthesize(150, seed=3))
    train_vocabulary(read_records(tmp_path / "voice.jsonl"), 1200, tmp_path / "tokenizer.model", seed=1)
    vocabulary = Vocabulary(tmp_path / "tokenizer.model")
    rows = encode_records(read_records(out), vocabulary, Recipe(hint_chance=0.0), 384, seed=1)
    ids = [[int(one) for one in line if one >= 0] for line in rows.arrays()["targets"]]
    learnt = " ".join(vocabulary.decode([one for one in line if one != vocabulary.end]) for line in ids)
    texts = [text for record in records for text in text_of(record.table).values()]
    assert all(text in learnt for text in texts)
