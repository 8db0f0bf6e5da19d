"""A user's glossary: whose text wins, what the model is told, and every way in which the file can be wrong."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from docgen_plugin import pipeline
from docgen_plugin.concepts import Lexicon, Match, lexicon, load_lexicon
from docgen_plugin.config import Config, load_config
from docgen_plugin.errors import ConfigError
from docgen_plugin.grounding import UNCLEAR, Checker
from docgen_plugin.model import Catalog, Column, ColumnRef, ForeignKey, Table
from docgen_plugin.store import Decision, Ledger
from tests.fakes import FakeGenerator, Shop, registered
from tests.journeys import in_process
from tests.servers import execute

GLOSSARY = [
    {"names": ["CustAcctNbr"], "text": "Number of the account in the billing system"},
    {"names": ["loyalty tier"], "text": "Level of the {entity} in the bonus programme."},
    {"names": ["x7"], "text": "True when the {entity} came from the old shop.", "types": ["bool"]},
    {"names": ["created at"], "text": "Moment of entry, by the shop's own clock.", "types": ["ts", "date"]},
    {"names": ["{entity}_id"], "text": "{entity} as SAP numbers it."},
    {"names": ["email"], "text": "Address for letters, never for advertising!"},
    {"names": ["first {x} at"], "text": "Moment of the first {x} in the till.", "types": ["ts"]},
    {"names": ["{other} id"], "text": "Key that points to the {other}."},
    {"names": ["{x} sap key"], "text": "Key under which SAP knows the {x}, 10 digits in EUR."},
    {"names": ["NumberOf{x}"], "text": "Count of {x}\n in\u2028the till", "types": []},
]
# table, column, its type, the text, how well it fits, whether the glossary gave it
MATCHES = [
    ("orders", "customer_account_number", "text", "Number of the account in the billing system.", 1.0, True),
    ("orders", "CUST_ACCT_NBR", "int", "Number of the account in the billing system.", 1.0, True),
    ("customers", "loyaltyTier", "text", "Level of the customer in the bonus programme.", 1.0, True),
    ("customers", "customer_loyalty_tier", "text", "Level of the customer in the bonus programme.", 1.0, True),
    ("orders", "x7", "boolean", "True when the order came from the old shop.", 1.0, True),
    ("orders", "x7", "", "True when the order came from the old shop.", 1.0, True),
    ("orders", "x7", "text", None, 0.0, False),
    ("shipments", "created_at", "timestamp", "Moment of entry, by the shop's own clock.", 1.0, True),
    ("order_items", "OrderItemID", "int", "Order item as SAP numbers it.", 1.0, True),
    # the known entity has a text of its own
    ("customers", "email", "text", "Address for letters, never for advertising!", 1.0, True),
    # both fit through a slot, as well as each other
    ("orders", "first_scanned_at", "timestamp", "Moment of the first scanned in the till.", 0.767, True),
    # the dictionary wants "scanned" here
    ("orders", "first_scan_at", "timestamp", "Moment of the first scan in the till.", 0.767, True),
    # {other} is a known entity: as good as exact, for both
    ("shipments", "product_id", "int", "Key that points to the product.", 1.0, True),
    # what the dictionary knows exactly is more than what the glossary knows through a slot
    ("customers", "first_name", "text", "Given name of the customer.", 1.0, False),
    ("orders", "batch_sap_key", "text", "Key under which SAP knows the batch, 10 digits in EUR.", 0.767, True),
    ("orders", "number_of_forklift", "int", "Count of forklifts in the till.", 0.767, True),
]  # fmt: skip


def write(folder: Path, *rows: object, name: str = "glossary.jsonl") -> Path:
    path = folder / name
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def found(known: Lexicon, table: str, column: Column) -> Match | None:
    return known.match(Table(table, table, columns=(column,)), column)


@pytest.fixture
def glossary(tmp_path) -> Path:
    return write(tmp_path, *GLOSSARY)


@pytest.mark.parametrize(("table", "name", "sql_type", "text", "fit", "told"), MATCHES)
def test_whose_text_fits_best(glossary, table, name, sql_type, text, fit, told):
    match = found(load_lexicon(glossary), table, Column(name, sql_type))
    assert (match and (match.text, round(match.fit, 3), match.told)) == (text and (text, fit, told))


@pytest.mark.parametrize(
    ("pattern", "told"), [("{x} door", False), ("number of {x}", True), ("number of oven {x}", True)]
)
def test_the_closer_pattern_wins_and_of_two_as_close_the_glossarys(tmp_path, pattern, told):
    path = write(tmp_path, {"names": [pattern], "text": "In the glossary's words."})
    match = found(load_lexicon(path), "kilns", Column("number_of_oven_door", "int"))
    assert match is not None
    assert match.told is told
    assert match.text == ("In the glossary's words." if told else "Number of oven doors for the kiln.")


def test_a_key_keeps_who_gave_its_text(tmp_path):
    column = Column("packer_sap_id", "int", foreign_key=ForeignKey("packers", "id"))
    path = write(tmp_path, {"names": ["{x} sap id"], "text": "Identifier of the {x} in SAP."})
    assert found(load_lexicon(path), "t", column) == Match("Identifier of the packer in SAP.", 1.0, told=True)


@pytest.mark.parametrize(
    ("name", "kind", "opaque"),
    [("x7", "boolean", False), ("x7", "", False), ("x7", "text", True), ("x8", "boolean", True)],
)
def test_a_name_that_the_glossary_knows_is_not_opaque(glossary, name, kind, opaque):
    column = Column(name, kind)
    table = Table("orders", "orders", columns=(column,))
    catalog = Catalog("shop", "fake", (table,))
    assert (Checker(catalog, load_lexicon(glossary)).opaque(table, column) is not None) is opaque
    assert Checker(catalog).opaque(table, column) is not None


def test_without_a_file_it_is_the_dictionary_and_a_file_is_read_once_but_followed(tmp_path):
    assert load_lexicon() is load_lexicon("") is lexicon()
    path = write(tmp_path, GLOSSARY[0])
    known = load_lexicon(path)
    assert load_lexicon(str(path)) is known
    path.write_text("\ufeff\r\n" + path.read_text(encoding="utf-8") + "\r\n", encoding="utf-8")
    assert load_lexicon(path) is not known
    assert [concept.names for concept in load_lexicon(path).concepts if concept.told] == [("cust acct nbr",)]


def test_where_the_setting_stands(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DOCGEN_GLOSSARY", raising=False)
    (tmp_path / "deep").mkdir()
    (tmp_path / "docgen.toml").write_text('glossary = "words/own.jsonl"\n', encoding="utf-8")
    assert load_config(tmp_path / "deep").glossary == str(tmp_path / "words" / "own.jsonl")
    monkeypatch.setenv("DOCGEN_GLOSSARY", "other.jsonl")
    assert load_config(tmp_path / "deep").glossary == "other.jsonl"


ORDERS = Table(
    "orders",
    "orders",
    description="One row per order.",
    columns=(
        Column("created_at", "timestamp"),
        Column("x7", "boolean"),
        Column("x8", "boolean"),
        Column("loyalty_tier", "text", values=("gold", "tin")),
        Column("batch_sap_key", "text"),
        Column("gauge_drift", "text"),
    ),
)


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


def suggest(ledger, generator=None, table=ORDERS, again=False, **settings):
    generator = generator or FakeGenerator()
    with registered(Shop(table)):
        pipeline.suggest("shop", Config(**settings), ledger, lambda: generator, again=again)
    return {row.suggestion.ref.column: row.suggestion for row in ledger.rows("shop")}


@pytest.mark.parametrize("dictionary", ["compose", "hint"])
def test_the_glossary_speaks_where_it_fits_and_is_a_hint_where_it_nearly_does(ledger, glossary, dictionary):
    generator = FakeGenerator()
    made = suggest(ledger, generator, glossary=str(glossary), dictionary=dictionary)
    told = {name: one.text for name, one in made.items() if one.model == "glossary"}
    assert told == {
        "created_at": "Moment of entry, by the shop's own clock.",
        "x7": "True when the order came from the old shop.",
        "loyalty_tier": "Level of the order in the bonus programme. One of: gold, tin.",
    }
    assert {made[name].origin for name in told} == {"composed"}
    assert (made["x8"].text, made["x8"].origin) == (UNCLEAR, "unclear")
    assert (made["batch_sap_key"].origin, made["batch_sap_key"].model) == ("generated", "fake@1")
    (request,) = generator.requests
    assert request.columns == ("batch_sap_key", "gauge_drift")
    assert request.hints["batch_sap_key"] == ("Key under which SAP knows the batch, 10 digits in EUR.",)


def test_what_a_hint_of_the_glossary_says_is_evidence(ledger, glossary):
    answer = "Number in EUR under which the batch is kept, of 10 digits."
    made = suggest(ledger, FakeGenerator(lambda request, column: (answer, -0.1)), glossary=str(glossary))
    assert (made["batch_sap_key"].text, made["batch_sap_key"].origin) == (answer, "generated")
    assert made["gauge_drift"].text != answer


def test_the_glossary_speaks_where_the_models_text_cannot_stand(ledger, glossary):
    made = suggest(ledger, FakeGenerator(lambda request, column: ("", 0.0)), glossary=str(glossary))
    found = made["batch_sap_key"]
    assert (found.text, found.origin, found.model) == (
        "Key under which SAP knows the batch, 10 digits in EUR.",
        "composed",
        "glossary",
    )


OWN_WORDS = [
    "Gauge drift.",  # the name once more
    "Set when the gauge is read; empty when the gauge is off, when the gauge is lost too.",
    " ".join(["Words"] + ["and more words"] * 20) + ".",
    'In seconds since 1970, such as "12" for the customer.',
]


@pytest.mark.parametrize("text", OWN_WORDS)
def test_a_persons_words_stand_as_they_are_written(ledger, tmp_path, text):
    path = write(tmp_path, {"names": ["gauge drift"], "text": text})
    made = suggest(ledger, glossary=str(path))
    assert (made["gauge_drift"].text, made["gauge_drift"].model) == (text, "glossary")


def test_again_follows_the_glossary_and_leaves_what_is_decided(ledger, tmp_path):
    tiers = {"names": ["loyalty tier"], "text": "Bonus level."}
    made = suggest(ledger, glossary=str(write(tmp_path, tiers)))
    assert (made["loyalty_tier"].model, made["x7"].text) == ("glossary", UNCLEAR)
    drift = ledger.row("shop", ColumnRef("orders", "gauge_drift"))
    assert len(ledger.decide("shop", [Decision(drift, "accepted", "ann")])) == 1
    rows = [tiers | {"text": "Bonus step."}, GLOSSARY[2], {"names": ["gauge drift"], "text": "Creep."}]
    path = str(write(tmp_path, *rows))
    assert suggest(ledger, glossary=path)["x7"].text == UNCLEAR  # nothing is replaced unasked
    made = suggest(ledger, glossary=path, again=True)
    assert made["loyalty_tier"].text == "Bonus step. One of: gold, tin."
    assert made["x7"].text == "True when the order came from the old shop."
    assert (made["gauge_drift"].state, made["gauge_drift"].model) == ("accepted", "fake@1")
    versions = {row.suggestion.ref: row.version for row in ledger.rows("shop")}
    suggest(ledger, glossary=path, again=True)
    assert {row.suggestion.ref: row.version for row in ledger.rows("shop")} == versions
    made = suggest(ledger, again=True)  # the glossary is gone, and its texts with it
    assert "glossary" not in {one.model for one in made.values()}
    assert made["x7"].text == UNCLEAR


FINE = '{"names": ["order number"], "text": "Number of the order"}\n'
# what the file holds, where it is wrong, what the line says
BAD_FILES: dict[str, tuple[bytes | None, str, list[str]]] = {
    "missing": (None, "", ["no such glossary", "the setting glossary"]),
    "not UTF-8": (b"\xff\xfe", "", ["is no UTF-8 text"]),
    "not JSON": (FINE.encode() + b"names: x\n", ":2", ["is not JSON", "column 1", "write a line as"]),
    "cut off": (b'{"names": ["a b"], "text"', ":1", ["is not JSON"]),
    "nested too deep": (b"[" * 200_000, ":1", ["is not JSON that can be read"]),
    "no object": (b'\n\n["order number"]\n', ":3", ["is no JSON object"]),
    "no names": (b'{"text": "Words."}', ":1", ["has no names"]),
    "empty names": (b'{"names": [], "text": "Words."}', ":1", ["names is empty"]),
    "names that are no list": (b'{"names": "a b", "text": "W."}', ":1", ["names wants a list", "'a b'"]),
    "a name without a word": (b'{"names": ["a b", "--"], "text": "W."}', ":1", ["'--' holds no word"]),
    "a name that is a slot": (b'{"names": ["{x}"], "text": "W {x}."}', ":1", ["'{x}' holds no word"]),
    "no text": (b'{"names": ["a b"]}', ":1", ["has no text"]),
    "blank text": (b'{"names": ["a b"], "text": " \\n"}', ":1", ["has no text"]),
    "text that is none": (b'{"names": ["a b"], "text": 7}', ":1", ["text wants a text, found 7"]),
    "unknown type": (b'{"names": ["a b"], "text": "W.", "types": ["varchar"]}', ":1", ["'varchar'", "text, int"]),
    "types that are no list": (b'{"names": ["a b"], "text": "W.", "types": "int"}', ":1", ["types wants"]),
    "unknown key": (b'{"names": ["a b"], "text": "W.", "type": ["int"]}', ":1", ["key 'type'", "names, text"]),
    "a slot not bound": (b'{"names": ["{x} b", "a b"], "text": "W of {x}."}', ":1", ["{x} is not in", "'a b'"]),
    "another slot bound": (b'{"names": ["{other} b"], "text": "W of {x}."}', ":1", ["{x} is not in"]),
    "an unknown slot": (b'{"names": ["{ x } b"], "text": "W."}', ":1", ["unknown slot { x }", "{entity}"]),
    "an unknown slot in the text": (b'{"names": ["a b"], "text": "W {table}."}', ":1", ["slot {table}"]),
    "two slots": (b'{"names": ["{x} per {other}"], "text": "W."}', ":1", ["too many slots"]),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_line_and_nothing_is_suggested(tmp_path, monkeypatch, name):
    content, where, messages = BAD_FILES[name]
    monkeypatch.chdir(tmp_path)
    execute(f"sqlite:///{tmp_path / 'till.db'}", "CREATE TABLE orders (order_number int)")
    (tmp_path / "docgen.toml").write_text('glossary = "own.jsonl"\n', encoding="utf-8")
    if content is not None:
        (tmp_path / "own.jsonl").write_bytes(content)
    done = in_process(tmp_path, "suggest", "sqlite:///till.db", code=1)
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"docgen: {tmp_path / 'own.jsonl'}{where}: ")
    for message in messages:
        assert message in line
    with sqlite3.connect(tmp_path / ".docgen" / "ledger.db") as ledger:
        assert ledger.execute("SELECT count(*) FROM docgen_suggestion").fetchall() == [(0,)]
    ledger.close()


@pytest.mark.parametrize("path", [".", "a\0b"])
def test_a_path_that_no_file_can_have(tmp_path, path):
    with pytest.raises(ConfigError, match="the glossary cannot be read"):
        load_lexicon(str(tmp_path / path))


def test_the_readmes_example_can_be_used(tmp_path):
    text = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in text.splitlines() if line.startswith('{"names"')]
    told = [concept for concept in load_lexicon(write(tmp_path, *rows)).concepts if concept.told]
    assert [concept.text for concept in told] == [row["text"] for row in rows]
    assert len(told) == 3
