"""Curation: every rule of the house with a text that breaks it and one that does not; near-duplicates; what stays."""

from dataclasses import replace

import pytest
from click.testing import CliRunner
from docgen_training.cli import cli
from docgen_training.curate import curate, faults
from docgen_training.records import Record, read_records, write_records
from docgen_training.seeds import Seed

from docgen_plugin.grounding import UNCLEAR
from docgen_plugin.model import Column, ForeignKey, Table

BRANCH = Column("branch_id", "int", "Identifier of the shop where it was sold.")
STATE = Column("st", "text", values=("open", "paid"))
KEY = Column("sale_id", "int", primary_key=True)
AMOUNT = Column("gross_amt", "numeric(12,2)")
LONG = "Amount charged before discounts, taxes and fees, as agreed with the buyer when the sale was closed in the shop"

# fault, column, a text that has it, a text that has not
COLUMN_FAULTS = [
    ("too long", AMOUNT, f"{LONG} by one of its own clerks there.", f"{LONG} by its clerks."),
    ("no full stop", AMOUNT, "Amount charged before discounts", "Amount charged before discounts."),
    ("forbidden words", AMOUNT, "This column is the sum of all lines.", "Column sum over all lines."),
    ("forbidden words", AMOUNT, "Represents what was charged.", "Money that was charged."),
    ("forbidden words", AMOUNT, "Money, as told at https://shop.example.", "Money, as told by the shop."),
    ("forbidden words", AMOUNT, "Money charged, TODO which.", "Money charged, whichever it is."),
    ("forbidden words", AMOUNT, "Money charged for {item}.", "Money charged for the item."),
    ("leading article", AMOUNT, "The amount that was charged.", "Amount that was charged."),
    ("leading article", AMOUNT, "An amount that was charged.", "Another amount that was charged."),
    ("echoes the name", AMOUNT, "Gross amt of the sales.", "Gross amount of the sales."),
    ("echoes the name", replace(KEY, primary_key=False), "Sale id.", "Identifier of the sale."),
    (
        "a unit the schema does not give",
        AMOUNT,
        "Amount charged, in US dollars.",
        "Amount charged, in the currency of the shop.",
    ),
    (
        "a unit the schema does not give",
        Column("wait_s", "int"),
        "Time spent waiting, in minutes.",
        "Time spent waiting, in seconds.",
    ),
    (
        "a number or value the schema does not give",
        AMOUNT,
        "Amount charged above 500.",
        "Amount charged above the limit.",
    ),
    (
        "a number or value the schema does not give",
        STATE,
        "Whether the sale is 'lost' or not.",
        "Whether the sale is 'paid' or not.",
    ),
    (
        "a number or value the schema does not give",
        Column("rank_1_5", "int"),
        "Rank of the sale from 1 to 7.",
        "Rank of the sale from 1 to 5.",
    ),
    ("unclear though the name tells", Column("gross_amount"), UNCLEAR, "Sum before all deductions."),
]


def table_of(column, text, name="sales"):
    """Return a table of a branch and this column with this text."""
    return Table("t", name, columns=(replace(column, description=text), BRANCH))


@pytest.mark.parametrize(("fault", "column", "broken", "clean"), COLUMN_FAULTS)
def test_a_fault_of_a_column(fault, column, broken, clean):
    bad, good = table_of(column, broken), table_of(column, clean)
    assert faults(bad, bad.columns[0]) == [fault]
    assert faults(good, good.columns[0]) == []


TABLE_FAULTS = [
    ("does not say what one row is", "All sales of a shop.", "One row per sale of a shop."),
    ("no full stop", "One row per sale", "One row per sale."),
    ("forbidden words", "One row per sale; contains returns.", "One row per sale or return."),
    ("too long", f"One row per sale. {'Very ' * 30}long.", f"One row per sale. {'Very ' * 29}long."),
]


@pytest.mark.parametrize(("fault", "broken", "clean"), TABLE_FAULTS)
def test_a_fault_of_a_table(fault, broken, clean):
    assert faults(Table("t", "sales", description=broken), None) == [fault]
    assert faults(Table("t", "sales", description=clean), None) == []


NO_FAULTS = [
    (AMOUNT, ""),
    (Column("attr_03"), UNCLEAR),
    (Column("gr_amt"), UNCLEAR),  # short words: it may well be unclear
    (KEY, "Sale id."),  # of a key there is nothing else to say
    (STATE, "State of the sale: open or paid."),
    (
        Column("shop", foreign_key=ForeignKey("shops", "id")),
        "Identifier of the place, joining to the shops table.",
    ),
]


@pytest.mark.parametrize(("column", "text"), NO_FAULTS)
def test_no_fault(column, text):
    table = table_of(column, text)
    assert faults(table, table.columns[0]) == []


def test_a_text_may_break_several_rules():
    table = table_of(AMOUNT, "This column contains the amount in euros")
    assert faults(table, table.columns[0]) == [
        "no full stop",
        "forbidden words",
        "a unit the schema does not give",
    ]


def record(name, *names, text="Something told about it."):
    """Return a documented table with these columns."""
    columns = tuple(Column(one, "text", text) for one in names)
    return Record(
        Table(f"s/{name}", name, description=f"One row per {name}.", columns=columns), "s", "CC0-1.0"
    )


NAMES = ("buyer_reference", "delivery_slot", "parcel_weight", "carrier_code", "dock", "lane")


def test_clean_records_stay_as_they_are():
    records = [record("parcels", *NAMES), record("visits", "patient", "ward", "admitted_on")]
    done = curate(records)
    assert done.records == records
    assert (done.found, done.duplicates, done.examples) == ({}, [], {})
    assert done.columns == 9


def test_near_duplicates_are_dropped():
    first = record("parcels", *NAMES)
    twin = record("shipments", *NAMES[:5], "gate")
    spelled = record("Parcels2", *("".join(part.title() for part in name.split("_")) for name in NAMES))
    other = record("loads", *NAMES[:3], "axle", "driver", "plate", "trailer", "seal")
    done = curate([first, twin, spelled, other])
    assert [one.table.name for one in done.records] == ["parcels", "loads"]
    assert done.duplicates == [("shipments", "parcels"), ("Parcels2", "parcels")]


def test_everybodys_columns_make_no_twins():
    common = ("id", "name", "code")
    first = record("a", *common, "harvest_moisture", "kernel_weight", "hybrid_number", "planting_depth")
    second = record("b", *common, "invoice_total", "payment_terms", "supplier_rating", "order_channel")
    assert len(curate([first, second]).records) == 2


def test_undescribed_columns_stay_as_context():
    whole = record("parcels", *NAMES)
    columns = (
        *whole.table.columns[:4],
        Column("dock", "int", "The dock.", not_null=True, values=("north", "south")),
        Column("lane", "int"),
    )
    done = curate([replace(whole, table=replace(whole.table, columns=columns))])
    (kept,) = done.records
    assert kept.table.columns == (*columns[:4], replace(columns[4], description=""), columns[5])
    assert done.columns == 4
    assert done.found == {"leading article": 1, "echoes the name": 1}
    assert done.examples["leading article"] == ["parcels.dock: The dock."]


def test_a_table_may_lose_its_own_text():
    whole = record("parcels", *NAMES)
    bad = replace(whole, table=replace(whole.table, description="All parcels."))
    done = curate([bad])
    assert done.records == [replace(whole, table=replace(whole.table, description=""))]
    assert done.examples == {"does not say what one row is": ["parcels: All parcels."]}


def test_a_table_with_little_left_goes():
    done = curate([record("parcels", *NAMES, text="The text"), record("visits", "patient", "ward")])
    assert done.records == []
    assert done.found["too little left of the table"] == 2


def test_what_a_neighbour_says_about_itself_supports_nothing():
    """A value that only another description names is not in the schema."""
    columns = (
        Column("st", "text", "Whether the sale is 'lost' or not."),
        Column("shop", "text", "Where it was sold, or lost."),
        *record("x", "buyer", "clerk", "till").table.columns,
    )
    done = curate([Record(Table("s/sales", "sales", columns=columns), "s", "CC0-1.0")])
    assert done.found["a number or value the schema does not give"] == 1


def test_the_source_the_licence_and_the_seed_stay():
    seed = Seed(7, "111110", "Soybean Farming", "soil sampling", "fact", "camelCase", "duckdb", 9, 1)
    whole = replace(record("parcels", *NAMES), seed=seed)
    assert curate([whole]).records == [whole]


def test_the_command_writes_what_is_kept_and_tells_what_fell(tmp_path):
    bad = record("visits", "patient", "ward", "admitted_on")
    columns = (*bad.table.columns, Column("bed", "int", "The bed where they lie"))
    records = [
        record("parcels", *NAMES),
        record("shipments", *NAMES),
        replace(bad, table=replace(bad.table, columns=columns)),
    ]
    write_records(tmp_path / "a.jsonl", records)
    out = tmp_path / "kept.jsonl.xz"
    run = CliRunner().invoke(
        cli, ["curate", str(tmp_path / "a.jsonl"), "--out", str(out)], catch_exceptions=False
    )
    assert run.exit_code == 0
    assert "1 leading article\n         visits.bed: The bed where they lie\n" in run.stderr
    assert "1 near-duplicate tables" in run.stderr
    assert f"{out}: 2 tables, 9 described columns" in run.stdout
    assert [one.table.name for one in read_records(out)] == ["parcels", "visits"]


SPOKEN = [
    ("Date of the telem at the kiln.", 3, ["telem"]),
    ("Date of the telem at the kiln.", 2, []),  # too few tables say it
    ("Date of the kiln.telem at telem_no.", 3, []),  # names, not prose
    ("Date of the customerid at the inspection.", 3, []),  # two names run together
]


@pytest.mark.parametrize(("text", "tables", "words"), SPOKEN)
def test_words_of_prose_are_no_shortenings(tmp_path, text, tables, words):
    records, out = tmp_path / "tables.jsonl", tmp_path / "spoken.txt"
    columns = (Column("at", "date", text),)
    write_records(
        records, (Record(Table(f"t{one}", "t", columns=columns), "s", "MIT") for one in range(tables))
    )
    result = CliRunner().invoke(cli, ["spoken", str(records), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert out.read_text("utf-8").splitlines()[1:] == words
