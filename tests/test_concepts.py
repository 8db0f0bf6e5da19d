import re
import time

import pytest

from docgen_plugin.concepts import lexicon
from docgen_plugin.model import Column, Table
from docgen_plugin.words import FAMILIES

TEXTS = [
    ("shipments", "created_at", "timestamp", "Date and time when the shipment was created."),
    ("dim_customers", "customer_id", "bigint", "Unique identifier of the customer."),
    ("orders", "is_archived", "boolean", "True when the order has been archived."),
    ("fct_rides", "ride_count", "integer", None),  # the entity's own count: whatever fits, not a crash
    ("order_items", "product_id", "bigint", "Identifier of the product that the order item refers to."),
    ("zzz", "x7", "text", None),
]


@pytest.mark.parametrize(("table", "name", "sql_type", "text"), TEXTS)
def test_hints(table, name, sql_type, text):
    column = Column(name, sql_type)
    found = lexicon().hints(Table(table, table, columns=(column,)), column)
    assert len(found) <= 1
    if text:
        assert found == (text,)


def test_counted_slot_is_plural():
    match = lexicon().column_match(("warehouse",), ("number", "of", "forklift"), "int")
    assert match is not None
    assert "umber of forklifts" in match.text


def test_no_hint_keeps_a_slot():
    """Every composed text is finished: no slot is left open, whatever the name."""
    words = (
        "order count",
        "last gadget at",
        "parent widget id",
        "gadget per widget",
        "avg score",
        "widget ids",
    )
    for name in words:
        for kind in ("", "int", "ts", "text", "num"):
            match = lexicon().column_match(("thing",), tuple(name.split()), kind)
            assert match is None or "{" not in match.text, (name, kind, match)


def test_concepts_file():
    """Each concept can be used: known types, slots of the text bound by every name, one sentence."""
    for concept in lexicon().concepts:
        assert concept.names, concept
        assert set(concept.types) <= set(FAMILIES), concept
        slots = set(re.findall(r"\{\w+\}", concept.text)) - {"{entity}"}
        assert any(slots <= set(re.findall(r"\{\w+\}", name)) for name in concept.names), concept
        assert concept.text.endswith("."), concept
        assert concept.text[0].isupper(), concept


def test_entities_file():
    for entity in lexicon().entities.values():
        assert entity.grain.startswith("One row per "), entity.name
        assert all(kind in FAMILIES and text.endswith(".") for _, kind, text in entity.columns), entity.name


def test_loads_quickly_enough_for_a_hook():
    lexicon.cache_clear()
    began = time.process_time()
    lexicon()
    assert time.process_time() - began < 2.0  # an order of magnitude above what it takes, against accidents


UNTYPED = [
    ("tax_paid", "", None),  # an amount as well as a yes or no
    ("is_tax_paid", "", "True when the tax of the order has been paid."),
    ("tax_paid", "boolean", "True when the tax of the order has been paid."),
    ("is_drink_item", "boolean", "True when the order is a drink item."),
    ("is_overdue_shipment", "boolean", "True when the order is an overdue shipment."),
]


@pytest.mark.parametrize(("name", "sql_type", "text"), UNTYPED)
def test_yes_or_no_needs_a_type_or_a_name_that_asks(name, sql_type, text):
    column = Column(name, sql_type)
    match = lexicon().match(Table("orders", "orders", columns=(column,)), column)
    found = match.text if match else None
    assert found == text if text else not (found or "").startswith("True when")


# a table, its columns and whether the dictionary's text for its name may stand
NAMESAKES = [
    ("tracks", "id name album_id composer genre_id", True),
    ("tracks", "id sent_at event_name library_version device_id", False),  # tracked events, not music
    ("tracks", "id sent_at event_name", True),  # too few to tell
    ("tracks", "", True),
    ("stg_shop__orders", "order_id customer_id order_date status", True),
]


@pytest.mark.parametrize(("name", "columns", "known"), NAMESAKES)
def test_the_columns_tell_a_namesake(name, columns, known):
    table = Table(name, name, columns=tuple(Column(column) for column in columns.split()))
    assert bool(lexicon().match(table, None)) is known
    assert bool(lexicon().hints(table, None)) is known
