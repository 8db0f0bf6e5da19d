"""What is told about texts without people: claims, form, expansions, planted columns; and the systems compared."""

import json
from dataclasses import replace

import pytest
from docgen_training.judge import (
    Expansion,
    claim,
    expansion_rate,
    expansion_tables,
    expansions,
    is_echo,
    is_expanded,
    is_valid,
    opaque_names,
    plant,
)
from docgen_training.neighbours import Neighbours
from docgen_training.records import Record
from docgen_training.systems import (
    bare,
    described,
    dictionary_text,
    read_texts,
    system_texts,
    template_text,
    write_texts,
)

from docgen_plugin.config import Config
from docgen_plugin.errors import DocgenError, ModelError
from docgen_plugin.grounding import UNCLEAR, is_opaque
from docgen_plugin.model import Column, ForeignKey, Table

ORDERS = Table(
    "shop/orders",
    "orders",
    description="One row per order of a vessel, in euros.",
    columns=(
        Column("order_id", "bigint", "Unique identifier of the order.", primary_key=True),
        Column("total", "numeric", "Sum of all lines."),
        Column("customer_id", "int", foreign_key=ForeignKey("customers", "id")),
        Column("weight_kg", "numeric", "Weight of the parcel in kilograms."),
        Column("st", "text", "State: open or paid.", values=("open", "paid")),
        Column("placed_at", "timestamp", "Date and time when the order was placed."),
        Column("is_gift", "bool"),
        Column("notes", "text"),
        Column("tracking_code", "text", unique=True),
    ),
)
ENTITIES = frozenset({("order",), ("customer",), ("invoice",), ("order", "line"), ("warehouse",)})

CLAIMS = [
    ("total", "Sum of all lines, in euros.", "a unit"),  # the table's own text is no schema
    ("weight_kg", "Weight of the parcel in pounds.", "a unit"),
    ("weight_kg", "Weight of the parcel in kilograms.", ""),
    ("total", "Sum of 3 lines.", "the number 3"),
    ("total", "Sum of three lines.", ""),
    ("st", "State, such as 'lost'.", "the value 'lost'"),
    ("st", "State: 'open' or 'paid'.", ""),
    ("total", "Sum on the invoice.", "the table invoice"),
    ("total", "Number of warehouses.", "the table warehouse"),
    ("customer_id", "Identifier of the customer who ordered.", ""),
    ("total", "Order in which things happen.", ""),  # a sequence, not the table
    ("notes", "Unique number of the note.", "that it is unique"),
    ("total", "Primary key of the order.", "that it is unique"),
    ("order_id", "Unique identifier of the order.", ""),
    ("tracking_code", "Unique code for tracking.", ""),
    ("total", "Amount paid by the patient.", "the thing patient"),
    ("notes", "Details of the vessel.", "the thing vessel"),
    ("notes", "Name of the person.", ""),  # things in general claim nothing
    ("total", "True when the order is large.", "that it is true or false"),
    ("is_gift", "True when the order is a gift.", ""),
    ("total", "Date on which it was summed.", "that it is a date"),
    ("placed_at", "Date and time when the order was placed.", ""),
    ("total", UNCLEAR, ""),
    ("total", "", ""),
]


@pytest.mark.parametrize(("name", "text", "found"), CLAIMS)
def test_claim(name, text, found):
    column = ORDERS.column(name)
    assert column is not None
    assert claim(text, ORDERS, column, ENTITIES) == found


def test_no_other_table_is_claimed_where_none_is_known():
    column = ORDERS.column("total")
    assert column is not None
    assert claim("Number of shelves.", ORDERS, column, frozenset({("shelf",)})) == "the table shelf"
    assert claim("Number of shelves.", ORDERS, column, frozenset()) == ""


VALID = [
    ("Date on which the order was placed.", True),
    ("Number of lines that that order had had before.", True),
    ("Is it paid?", True),
    ("", False),
    (".", False),
    ("date on which the order was placed.", False),
    ("Date on which the order was placed", False),
    ("Date on which the the order was placed.", False),
    ("Date of the order and date of the return.", False),  # three words in a row come twice
    ("Sum (of all lines.", False),
    ("Sum (of all lines).", True),
    ("Word " + " ".join(f"word{number}" for number in range(24)) + ".", True),
    ("Word " + " ".join(f"word{number}" for number in range(25)) + ".", False),
]


@pytest.mark.parametrize(("text", "valid"), VALID)
def test_is_valid(text, valid):
    assert is_valid(text) is valid


ECHOES = [
    ("cust_nm", "The customer name.", True),
    ("cust_nm", "Name of this customer", True),
    ("cust_nm", "Name of the buyer.", False),
    ("cust_nm", "", True),
]


@pytest.mark.parametrize(("name", "text", "echo"), ECHOES)
def test_is_echo(name, text, echo):
    assert is_echo(text, name) is echo


def expected(words):
    """Return a line of the list that wants these words, "a/b" for either."""
    return Expansion("t", "c", "int", tuple(tuple(one.split("/")) for one in words.split()))


EXPANDED = [
    ("customer order", "Order of the customer.", True),
    ("customer order", "Orders of all customers.", True),
    ("customer order", "The customer's order.", True),
    ("customer order", "(Customer) order:", True),
    ("customer order", "Order of the buyer.", False),
    ("customer order", "Cust order.", False),
    ("discount percent/percentage", "Percentage of discount.", True),
    ("discount percent/percentage", "Discount of the line.", False),
    ("settlement date", "Date on which the trade is settled.", True),
    (
        "territory code",
        "Identifier of the territory.",
        True,
    ),  # what kind of column it is, in the house's words
    ("territory code", "Name of the territory.", False),
    ("tax", "Taxi fare.", False),
    ("tax", "", False),
]


@pytest.mark.parametrize(("words", "text", "right"), EXPANDED)
def test_is_expanded(words, text, right):
    assert is_expanded(text, expected(words)) is right


def test_the_list_of_abbreviations():
    assert len(expansions()) == 300
    assert len({(one.table, one.column) for one in expansions()}) == 300
    assert all(one.words and one.type for one in expansions())
    tables = expansion_tables()
    assert sum(len(table.columns) for table in tables) == len(list(described(tables))) == 300
    right = {(one.table, one.column): " ".join(words[0] for words in one.words) for one in expansions()}
    assert expansion_rate(right) == 1.0
    assert expansion_rate({}) == 0.0
    echo = {
        (one.table, one.column): template_text(Table("", "t"), Column(one.column)) for one in expansions()
    }
    assert 0.0 < expansion_rate(echo) < 1.0


def test_the_opaque_names_tell_nothing():
    assert len(set(opaque_names())) == len(opaque_names()) >= 40
    assert sum(map(is_opaque, opaque_names())) / len(opaque_names()) > 0.8


NAMES = ("x7", "attr_03", "FLD9", "Notes", "col_b", "zq_val")


def test_plant_hides_columns_among_a_tables_own():
    tables = [replace(ORDERS, key=f"shop/{number}") for number in range(30)]
    planted = plant(tables, NAMES, each=2, seed=1)
    assert plant(tables, NAMES, each=2, seed=1) == planted
    assert plant(tables, NAMES, each=2, seed=2) != planted
    assert len(planted.places) == 60
    ends = set()
    for before, after in zip(tables, planted.tables, strict=True):
        new = [column for column in after.columns if (after.key, column.name) in planted.places]
        assert tuple(column for column in after.columns if column not in new) == before.columns
        assert len({column.name.lower() for column in after.columns}) == len(before.columns) + 2
        assert {column.name for column in new} <= set(NAMES) - {"Notes"}  # it has a column of that name
        assert {column.description for column in new} == {UNCLEAR}
        assert {column.type for column in new} <= {column.type for column in before.columns}
        ends |= {after.columns[0].name, after.columns[-1].name}
    assert ends & set(NAMES)


def test_plant_takes_what_names_there_are():
    assert len(plant([ORDERS], ("x7", "x7", "notes"), each=3, seed=1).places) == 1
    assert plant([ORDERS], (), each=3, seed=1).tables == (ORDERS,)


def record(name, /, **texts):
    """Return a documented table."""
    columns = tuple(Column(column, "text", text) for column, text in texts.items())
    return Record(Table(f"other/{name}", name, columns=columns), "other", "CC0-1.0")


KNOWN = [
    record("ships", imo_number="Number by which a ship is known.", flag="State whose flag it flies."),
    record("customers", birth_date="Day of birth.", customer_name="Name of the buyer.", silent=""),
    record("invoices", invoice_date="Day of the bill.", name="Name on the bill."),
]
NEAREST = [
    ("vessels", "imo_nbr", "Number by which a ship is known."),
    ("clients", "cust_name", "Name of the buyer."),
    ("invoice_lines", "invoice_dt", "Day of the bill."),
    ("patients", "birth_date", "Day of birth."),
    ("invoices", "name", "Name on the bill."),
    ("invoices", "zzz_quux", ""),  # shares no word with any
    ("silents", "silent", ""),  # undescribed columns are not looked in
]


@pytest.mark.parametrize(("table", "column", "text"), NEAREST)
def test_the_nearest_neighbour(table, column, text):
    assert Neighbours(KNOWN).text(Table("t", table), Column(column)) == text


def test_without_documentation_there_is_no_neighbour():
    assert Neighbours([]).text(ORDERS, ORDERS.columns[0]) == ""


def test_bare_shows_no_text():
    assert list(described([bare(ORDERS)])) == []
    assert bare(ORDERS).description == ""
    assert [column.name for column in bare(ORDERS).columns] == [column.name for column in ORDERS.columns]
    assert bare(ORDERS).columns[4].values == ("open", "paid")


PLACES = [(ORDERS.key, column.name) for column in ORDERS.columns if column.description]


@pytest.mark.parametrize("name", ["template", "dictionary", "neighbour", "human"])
def test_a_system_says_something_about_every_described_column(name):
    texts = system_texts(name, [ORDERS], KNOWN, Config())
    assert list(texts) == PLACES
    assert system_texts(name, [ORDERS], KNOWN, Config()) == texts


def test_baselines():
    total = ORDERS.columns[1]
    assert template_text(ORDERS, total) == "The total of the order."
    assert dictionary_text(ORDERS, Column("qux_zorp")) == template_text(ORDERS, Column("qux_zorp"))
    assert dictionary_text(ORDERS, ORDERS.columns[0]) != template_text(ORDERS, ORDERS.columns[0])
    human = system_texts("human", [ORDERS], [], Config())
    assert human[ORDERS.key, "total"] == "Sum of all lines."


@pytest.mark.parametrize("name", ["human2", "templates", "texts.csv", "model.bin"])
def test_a_system_that_is_none_is_refused(name):
    with pytest.raises(
        DocgenError, match=f"--system {name}: is none of template, dictionary, neighbour, human"
    ):
        system_texts(name, [ORDERS], [], Config())


def test_a_model_that_is_not_there():
    with pytest.raises(ModelError, match=r"none\.gguf"):
        system_texts("none.gguf", [ORDERS], [], Config())


def test_a_model_is_served_as_by_suggest(tiny_bespoke_gguf):
    texts = system_texts(str(tiny_bespoke_gguf), [ORDERS], [], Config(threads=1))
    assert set(texts) == set(PLACES)
    assert all(texts.values())
    assert texts[ORDERS.key, "total"] != "Sum of all lines."


def test_texts_survive_a_round_trip(tmp_path):
    texts = {place: f"Käse | {place}\n\u2028\x85\x0c" for place in PLACES}
    path = tmp_path / "new" / "texts.jsonl"
    assert write_texts(path, {**texts, ("other", "x"): "not asked for"}) == len(texts) + 1
    assert read_texts(path, [ORDERS]) == texts
    assert system_texts(str(path), [ORDERS], [], Config()) == texts


BAD_TEXTS = [
    ("{", "wants lines"),
    ("[]", "wants lines"),
    ("7", "wants lines"),
    ('{"table": "shop/orders", "column": "total"}', "wants lines"),
    (
        json.dumps({"table": "shop/orders", "column": "total", "text": "x"}),
        "has no text for shop/orders.order_id and 3 more",
    ),
    ("", "has no text for shop/orders.order_id and 4 more"),
]


@pytest.mark.parametrize(("line", "said"), BAD_TEXTS)
def test_bad_texts_are_refused(tmp_path, line, said):
    path = tmp_path / "texts.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(DocgenError, match=rf"texts\.jsonl: {said}"):
        system_texts(str(path), [ORDERS], [], Config())
