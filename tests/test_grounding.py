"""Answers against the schema: what stands, what is repaired, what becomes unclear."""

from __future__ import annotations

import pytest

from docgen_plugin.grounding import UNCLEAR, Checker, confidence, is_opaque
from docgen_plugin.model import Catalog, Column, ForeignKey, Table

ORDERS = Table(
    "public.orders",
    "orders",
    schema="public",
    columns=(
        Column("id", "bigint", primary_key=True),
        Column("customer_id", "bigint", foreign_key=ForeignKey("customers", "id")),
        Column("total", "numeric(12,2)"),
        Column("total_usd", "numeric(12,2)"),
        Column("weight_kg", "double precision"),
        Column("discount_pct", "numeric"),
        Column("status", "text", values=("open", "paid", "sent")),
        Column("shipped_at", "timestamp with time zone"),
        Column("created_utc", "timestamp"),
        Column("lead_time", "integer"),
        Column("delivery_days", "integer"),
        Column("address_line_2", "text"),
        Column("order_date", "date"),
        Column("x7", "text"),
        Column("attr_03", "text", foreign_key=ForeignKey("customers", "id")),
        Column("note", "text", values=("a", "b\nc")),
    ),
)
CATALOG = Catalog(
    "shop",
    "postgresql",
    (
        ORDERS,
        Table("public.customers", "customers"),
        Table("public.invoices", "invoices"),
        Table("public.purchase_orders", "purchase_orders"),
        Table("public.users", "users"),
        Table("public.dim_date", "dim_date"),
    ),
)
CHECKER = Checker(CATALOG)


def verdict(name, text, hints=()):
    column = ORDERS.column(name) if name else None
    assert name == "" or column is not None
    return CHECKER.check(ORDERS, column, text, -0.1, hints)


STANDS = [
    ("total", "Sum of all lines of the order.", "Sum of all lines of the order."),
    ("total", "  sum of  all\tlines of the order ", "Sum of all lines of the order."),
    (
        "total",
        "Amount charged for the order , taxes included",
        "Amount charged for the order, taxes included.",
    ),
    (
        "total_usd",
        "Sum of all lines of the order in US dollars.",
        "Sum of all lines of the order in US dollars.",
    ),
    ("weight_kg", "Shipping weight in kilograms.", "Shipping weight in kilograms."),
    ("discount_pct", "Discount granted, as a percentage.", "Discount granted, as a percentage."),
    ("created_utc", "When the order was placed, in UTC.", "When the order was placed, in UTC."),
    ("delivery_days", "Number of days until delivery.", "Number of days until delivery."),
    ("address_line_2", "The second line of the address.", "The second line of the address."),
    ("address_line_2", "Line 2 of the address.", "Line 2 of the address."),
    (
        "shipped_at",
        "Time at which the order left, with time zone.",
        "Time at which the order left, with time zone.",
    ),
    ("customer_id", "Customer who placed the order.", "Customer who placed the order."),
    ("shipped_at", "Day of the month on which the goods left.", "Day of the month on which the goods left."),
    ("status", "Where the order stands.", "Where the order stands. One of: open, paid, sent."),
    ("status", "Whether the order is open, paid or sent.", "Whether the order is open, paid or sent."),
    ("status", "State such as open or paid.", "State such as open or paid. One of: open, paid, sent."),
    ("note", "Free words about the order.", "Free words about the order."),
    ("attr_03", "Customer who placed the order.", "Customer who placed the order."),
    ("total", "Price that the user agreed to.", "Price that the user agreed to."),
    ("", "One row per order placed by a customer.", "One row per order placed by a customer."),
    (
        "lead_time",
        "Sort order, or the order in which parcels leave.",
        "Sort order, or the order in which parcels leave.",
    ),
    ("note", "Kinds small, small_box and large.", "Kinds small, small_box and large."),
    ("id", "eBay identifier of the order.", "eBay identifier of the order."),
]


@pytest.mark.parametrize(("name", "answer", "text"), STANDS)
def test_what_the_schema_supports_stands(name, answer, text):
    found = verdict(name, answer)
    assert (found.text, found.origin) == (text, "generated")
    assert found.confidence == pytest.approx(confidence(-0.1, found.reasons))


REPAIRED = [
    ("total", "Sum of all lines in USD.", "Sum of all lines.", "unit removed"),
    ("total", "Sum of all lines ($).", "Sum of all lines.", "unit removed"),
    (
        "total",
        "Sum of all lines, expressed in euros, taxes included.",
        "Sum of all lines, taxes included.",
        "unit removed",
    ),
    ("total", "Amount due, as a percentage.", "Amount due.", "unit removed"),
    ("shipped_at", "When the goods left (UTC).", "When the goods left.", "unit removed"),
    ("lead_time", "Time until delivery in seconds.", "Time until delivery.", "unit removed"),
    ("total", "Mass of the parcel in kg.", "Mass of the parcel.", "unit removed"),
    ("lead_time", "Kind of delivery, such as express or pickup.", "Kind of delivery.", "example removed"),
    ("lead_time", "Kind of delivery (e.g. express).", "Kind of delivery.", "example removed"),
    (
        "lead_time",
        "Kind of it. For example, v1.2 or v3.4 of it. More.",
        "Kind of it. More.",
        "example removed",
    ),
    (
        "total",
        "Sum of the lines. "
        + "Very long words follow here one by one "
        + " ".join(f"w{c}" for c in "abcdefghijklmnopqrstuvwxyzabcdefghijkl"),
        "Sum of the lines.",
        "shortened",
    ),
]


@pytest.mark.parametrize(("name", "answer", "text", "reason"), REPAIRED)
def test_what_it_does_not_support_is_taken_out_at_a_cost(name, answer, text, reason):
    found = verdict(name, answer)
    assert (found.text, found.origin) == (text, "generated")
    assert reason in found.reasons
    assert found.confidence < confidence(-0.1)


DROPPED = [
    ("total", "", "empty"),
    ("total", " .. ", "empty"),
    ("total", "Sum of \N{REPLACEMENT CHARACTER} lines.", "garbled"),
    ("total", "The sum of the lines of the sum of the lines.", "garbled"),
    ("total", "The the sum.", "garbled"),
    ("total", "Total dollars charged.", "claims a unit"),
    ("total", "Number of kilograms shipped.", "claims a unit"),
    ("total", "Kilogram weight.", "claims a unit"),
    ("lead_time", "Number of days until delivery.", "claims a unit"),
    ("lead_time", "Milliseconds until delivery.", "claims a unit"),
    ("shipped_at", "UTC time of shipping.", "claims a unit"),
    ("total", "The 19% of the order.", "claims a unit"),
    ("total", "Sum of the first 10 lines.", "claims the number 10"),
    ("total", "Currency by ISO 4217.", "claims the number 4217"),
    ("total", "Set to 'final' at the end.", "claims the value 'final'"),
    ("total", "Identifier of the invoice.", "mentions invoice"),
    ("total", "References the invoices table.", "mentions invoice"),
    ("total", "Number of the purchase order.", "mentions purchase order"),
    ("total", "Total.", "echoes the name"),
    ("order_date", "The order date.", "echoes the name"),
    ("customer_id", "customer_id", "echoes the name"),
    ("", "Orders.", "echoes the name"),
]


@pytest.mark.parametrize(("name", "answer", "reason"), DROPPED)
def test_what_cannot_be_repaired_is_unclear(name, answer, reason):
    found = verdict(name, answer)
    assert (found.text, found.origin) == (UNCLEAR, "unclear")
    assert found.reasons[-1] == reason
    assert found.confidence < 0.1


def test_hints_and_descriptions_support_a_claim():
    assert verdict("total", "Total in euros.", ("Amount in EUR.",)).text == "Total in euros."
    assert verdict("total", "Identifier of the invoice.", ("Key of invoices",)).origin == "generated"
    assert verdict("total", "Code by ISO 4217.", ("Currency code, ISO 4217.",)).origin == "generated"
    told = Table("t", "t", description="Prices in USD per invoice.", columns=(Column("price", "int"),))
    assert CHECKER.check(told, told.columns[0], "Price of the invoice in dollars.").origin == "generated"


def test_a_neighbour_column_does_not_support_a_unit():
    # total_usd is beside it: that says nothing of total
    assert verdict("total", "Sum charged, in dollars.").text == "Sum charged."


def test_an_echo_in_other_words_order_stands_at_a_cost():
    found = verdict("order_date", "Date of the order.")
    assert found.origin == "generated"
    assert found.confidence < confidence(-0.1)


OPAQUE = [
    "x7",
    "attr_03",
    "col_12",
    "flag2",
    "udf3",
    "custom_field_5",
    "attr",
    "FIELD1",
    "C0001",
    "xkcdq",
    "zzqx_2",
    "a1b2",
    "1",
    "__",
]
CLEAR = [
    "id",
    "qty",
    "address_2",
    "value",
    "flag",
    "x",
    "name",
    "is_open",
    "customer",
    "ship_to",
    "naïve",
    "名前",
    "line_2_city",
]


@pytest.mark.parametrize(
    ("name", "wanted"), [*((name, True) for name in OPAQUE), *((name, False) for name in CLEAR)]
)
def test_opaque_names(name, wanted):
    assert is_opaque(name) is wanted


def test_an_opaque_name_stays_unclear_however_fluent_the_answer():
    assert verdict("x7", "Loyalty tier of the customer.").origin == "unclear"
    opaque = Table("t", "tmp_03", columns=(Column("c1"), Column("x2")))
    assert CHECKER.check(opaque, None, "One row per order.").origin == "unclear"
    telling = Table("t", "tmp_03", columns=(Column("c1"), Column("email")))
    assert CHECKER.check(telling, None, "Email addresses collected.").origin == "generated"


def test_a_small_model_says_nothing_of_a_table_without_columns():
    """There is nothing but the name to go by; the dictionary's text and a larger model's may stand."""
    bare = Table("t", "gate_passes")
    assert CHECKER.check(bare, None, "One row per gate pass.", strict=True).origin == "unclear"
    assert CHECKER.check(bare, None, "One row per gate pass.").origin == "generated"
    telling = Table("t", "gate_passes", columns=(Column("gate"), Column("passed_at")))
    assert CHECKER.check(telling, None, "One row per gate pass.", strict=True).origin == "generated"


def test_confidence_rises_with_the_logprob_and_stays_a_share():
    scores = [confidence(logprob) for logprob in (float("-inf"), -50, -2, -1, -0.1, 0, 3)]
    assert scores == sorted(scores)
    assert 0 <= scores[0] <= scores[-1] == 1
    assert confidence(float("nan")) == 0
