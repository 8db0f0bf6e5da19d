"""What is wrong with a description: each kind of fault, and texts that must not be blamed."""

from __future__ import annotations

import pytest

from docgen_plugin.model import Column, ForeignKey, Table
from docgen_plugin.text_quality import find_fault

KEY = ForeignKey("dim_customers", "customer_id")
STATUS = {"values": ("paid", "open")}

FAULTY = [
    ("missing", "total", "numeric", "", {}),
    ("missing", "total", "numeric", "  \n", {}),
    ("placeholder", "total", "numeric", "TODO", {}),
    ("placeholder", "total", "numeric", "tbd.", {}),
    ("placeholder", "total", "numeric", "...", {}),
    ("placeholder", "total", "numeric", "n/a", {}),
    ("placeholder", "total", "numeric", "Description", {}),
    ("placeholder", "total", "numeric", "[Add description here]", {}),
    ("placeholder", "total", "numeric", "No description available.", {}),
    ("placeholder", "total", "numeric", "Lorem ipsum dolor sit amet", {}),
    ("placeholder", "total", "numeric", "To be documented", {}),
    ("echo", "order_id", "int", "Order ID", {}),
    ("echo", "OrderId", "int", "The order's id.", {}),
    ("echo", "order_id", "int", "order_id", {}),
    ("echo", "order_id", "int", "This column contains the order id.", {}),
    ("echo", "ad_group_id", "int", "ID of the AdGroup", {}),
    ("short", "channel", "text", "Marketing", {}),
    ("contradiction", "placed_at", "timestamp", "Integer of when it was placed.", {}),
    ("contradiction", "placed_at", "date", "Whether the order was placed.", {}),
    ("contradiction", "is_paid", "boolean", "Timestamp of when the order was paid.", {}),
    ("contradiction", "is_paid", "boolean", "The date on which it was paid.", {}),
    ("contradiction", "amount", "numeric(12,2)", "UUID of the amount.", {}),
    ("contradiction", "line", "int", "Primary key of the table.", {}),
    ("contradiction", "customer_id", "int", "Foreign key to dim_products.", {"foreign_key": KEY}),
    ("contradiction", "status", "text", "State of the order: 'paid' or 'shipped'.", STATUS),
]

SOUND = [
    ("total", "numeric", "Sum of the order's lines, without tax.", {}),
    ("total", "numeric", "Description of goods in total.", {}),
    ("placed_on", "int", "Date of the order, as a number such as 20240131.", {}),
    ("placed_on", "text", "Date on which the order was placed.", {}),
    ("is_paid", "int", "Whether the order was paid.", {}),
    ("is_paid", "char(1)", "True if the order was paid.", {}),
    ("number", "text", "Number of the invoice.", {}),
    ("placed_at", "timestamp", "Time of day when the order was placed.", {}),
    ("time_left", "interval", "Time left until delivery.", {}),
    ("bukrs", "text", "Company code", {}),
    ("cust_nbr", "text", "Customer number", {}),
    ("id", "int", "Primary key of the table.", {}),
    ("line", "int", "Primary key of orders in the shop system.", {}),
    ("customer_id", "int", "Foreign key to the customers.", {"foreign_key": KEY}),
    ("customer_id", "int", "Foreign key to the buyer of the order.", {"foreign_key": KEY}),
    ("customer_id", "int", "Foreign key to dim_customers.customer_id.", {"foreign_key": KEY}),
    ("status", "text", "State of the order: 'paid' or 'open'.", STATUS),
    ("status", "text", "State as the 'back office' knows it.", STATUS),
    ("tags", "jsonb", "Array of labels.", {}),
    ("unknown_type", "", "Integer that nobody knows.", {}),
]


def fault(name, kind, text, more):
    column = Column(name, kind, text, **more)
    key = Column("id", "int", primary_key=True, description=text if name == "id" else "")
    table = Table("orders", "orders", columns=(key,) if name == "id" else (key, column))
    return find_fault(table, table.columns[-1])


@pytest.mark.parametrize(("kind", "name", "sql_type", "text", "more"), FAULTY)
def test_a_fault_is_found(kind, name, sql_type, text, more):
    found = fault(name, sql_type, text, more)
    assert found is not None
    assert found.kind == kind
    assert found.reason


@pytest.mark.parametrize(("name", "sql_type", "text", "more"), SOUND)
def test_a_sound_text_is_not_blamed(name, sql_type, text, more):
    assert fault(name, sql_type, text, more) is None


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("orders", "Orders", "echo"),
        ("fct_orders", "The orders table.", "echo"),
        ("orders", "", "missing"),
        ("orders", "tbd", "placeholder"),
        ("orders", "One row per order.", ""),
    ],
)
def test_tables_too(name, text, kind):
    found = find_fault(Table(name, name, description=text), None)
    assert (found.kind if found else "") == kind
