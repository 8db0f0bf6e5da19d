import pytest

from docgen_plugin.claims import Evidence, neighbours
from docgen_plugin.model import Column, Table
from docgen_plugin.support import unsupported

TABLE = Table(
    "order_items",
    "order_items",
    columns=(
        Column("order_item_id", "int", primary_key=True),
        Column("order_id", "int"),
        Column("qty", "int"),
        Column("unit_price", "numeric"),
        Column("cancellation_reason", "text"),
        Column("units_sold", "int"),
    ),
)
CLAIMS = [
    ("order_item_id", "Unique identifier of the order item.", ""),
    ("order_item_id", "Unique identifier of the shipment.", "shipment"),
    ("order_id", "Unique identifier of the order item.", "that it is unique"),
    ("order_id", "Identifier of the order to which the order item belongs.", ""),
    ("order_id", "Identifier of the order that the order is.", "the same thing twice"),
    ("order_id", "Identifier of the order that contains the item.", "contains"),
    ("qty", "Number of units recorded for the order item.", ""),
    ("qty", "Number of units recorded for the vessel.", "vessel"),
    ("cancellation_reason", "Reason for which the order item was canceled.", ""),
    ("cancellation_reason", "Date on which the item was sold.", "nothing of the name"),
    ("units_sold", "Number of units sold during the month.", "month"),
    ("unit_price", "Price of the eigation unit.", "eigation"),
    ("unit_price", "True when the unit price of the order item is set.", "another type"),
    ("unit_price", "Price of the unit that the order item.", "half a sentence"),
    ("", "One row per order item, with its order and unit price.", ""),
    ("", "One row per order item, with its order and warehouse.", "warehouse"),
    ("", "One row per order item, with its order and order.", "order"),
    ("", "One row per lease.", "lease"),
]


@pytest.mark.parametrize(("name", "text", "guess"), CLAIMS)
def test_unsupported(name, text, guess):
    column = TABLE.column(name)
    assert unsupported(text, TABLE, column, Evidence.of(TABLE, column, (), neighbours(TABLE))) == guess


def test_a_hint_supports_its_words():
    hint = "Number of items that left the warehouse."
    column = Column("qty", "int")
    evidence = Evidence.of(TABLE, column, (hint,), neighbours(TABLE))
    assert unsupported(hint, TABLE, column, evidence) == ""
