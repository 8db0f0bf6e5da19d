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


SLOTS = [
    ("resumes", "photo_uploaded_at", "timestamp", "Date and time when the photo of the resume was uploaded."),
    ("resumes", "lease_expired_at", "timestamp", "Date and time when the lease of the resume expired."),
    ("barges", "has_gun_safe", "boolean", "True when the barge has a gun safe."),
    ("barges", "is_night_ferry", "boolean", "True when the barge is a night ferry."),
    ("barges", "hull_checked_by", "uuid", "Identifier of the user who checked the hull of the barge."),
    ("barges", "log_written_by", "text", "Person by whom the log of the barge was written."),
    ("survey_answers", "survey_end_date", "date", "Date on which the survey ends."),
    (
        "barges",
        "ferry_amount_home_currency",
        "numeric",
        "Amount of the ferry for the barge, in the home currency.",
    ),
    ("barges", "valid_start_date", "date", None),  # no thing starts: see test_frames
    ("barges", "charged_through_date", "date", None),
    ("barges", "mooring_code", "text", None),  # a code for mooring identifies no mooring
    ("barges", "booking_code", "text", "Code that identifies the booking that the barge refers to."),
    ("barges", "tail_number", "text", None),  # no number of a tail
    ("barges", "dim_harbor_id", "int", "Identifier of the harbor that the barge refers to."),
    ("fct_barges", "fct_barges_id", "int", "Unique identifier of the barge."),
    ("barges", "harbor_key", "text", "Key that identifies the harbor that the barge refers to."),
]


@pytest.mark.parametrize(("table", "name", "sql_type", "text"), SLOTS)
def test_a_slot_takes_the_words_that_fit(table, name, sql_type, text):
    column = Column(name, sql_type)
    match = lexicon().match(Table(table, table, columns=(column,)), column)
    assert (match.text if match else None) == text


OF_SOME_THINGS = [
    ("suppliers", "email", "text", "Email address at which the supplier can be reached."),
    ("barges", "email", "text", "Email address recorded for the barge."),
    ("barges", "first_name", "text", "First name of the person to whom the barge relates."),
    ("visits", "date", "date", "Date of the visit."),
    ("barges", "date", "date", "Date recorded for the barge."),
    ("barges", "person_id", "int", "Identifier of the person that the barge refers to."),
    ("people", "person_id", "int", "Unique identifier of the person."),
    ("barges", "modifier", "int", "Identifier of the user who last modified the barge."),
]


@pytest.mark.parametrize(("table", "name", "sql_type", "text"), OF_SOME_THINGS)
def test_what_holds_for_some_things_is_not_said_of_others(table, name, sql_type, text):
    column = Column(name, sql_type)
    match = lexicon().match(Table(table, table, columns=(column,)), column)
    assert match is not None
    assert match.text == text


DEFINED = [
    ("races", "lap_count", True),
    ("races", "code ethnicity", False),  # another sense of the word
    ("airports", "x", True),  # a word of one sense
    ("airport_history", "x", False),  # versions, not airports
    ("airport_stats", "x", False),
    ("locations", "address city", False),  # nothing is said of it but its name
]


@pytest.mark.parametrize(("name", "columns", "defined"), DEFINED)
def test_a_definition_needs_its_sense(name, columns, defined):
    table = Table("t", name, columns=tuple(map(Column, columns.split())))
    assert (lexicon().match(table, None) is not None) == defined


# a table, its columns and whether the dictionary's text for its name may stand
NAMESAKES = [
    ("tracks", "id name album_id composer genre_id", True),
    ("tracks", "id sent_at event_name library_version device_id", False),  # tracked events, not music
    ("stg_shop__orders", "order_id customer_id order_date status", True),
]


@pytest.mark.parametrize(("name", "columns", "known"), NAMESAKES)
def test_the_columns_tell_a_namesake(name, columns, known):
    table = Table(name, name, columns=tuple(Column(column) for column in columns.split()))
    assert bool(lexicon().match(table, None)) is known
    assert bool(lexicon().hints(table, None)) is known
