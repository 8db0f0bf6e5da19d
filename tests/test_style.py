"""The team's style: what its settings ask, what its texts show, and that every suggestion is held to it."""

from __future__ import annotations

import pytest

from docgen_plugin import pipeline
from docgen_plugin.concepts import load_lexicon
from docgen_plugin.config import Config, load_config
from docgen_plugin.errors import ConfigError
from docgen_plugin.model import Catalog, Column, Table
from docgen_plugin.store import Ledger
from docgen_plugin.style import Style, language_of
from docgen_plugin.words import entity_words, name_words
from tests.fakes import FakeGenerator, Shop, registered

FITTED = [
    ({}, "Date of the order.", "Date of the order."),
    ({"style_final_stop": "never"}, "Date of the order.", "Date of the order"),
    ({"style_final_stop": "never"}, "Date of the order. In UTC.", "Date of the order. In UTC."),
    ({"style_final_stop": "never"}, "Sizes such as S, M, ...", "Sizes such as S, M, ..."),
    ({"style_final_stop": "always"}, "Date of the order", "Date of the order."),
    ({"style_final_stop": "always"}, "Is it paid?", "Is it paid?"),
    ({"style_capital": "lower"}, "Date of the order.", "date of the order."),
    ({"style_capital": "lower"}, "URL of the page.", "URL of the page."),
    ({"style_capital": "lower"}, "IDs of the rows.", "IDs of the rows."),
    ({"style_capital": "upper"}, "date of the order.", "Date of the order."),
    ({"style_max_words": 4}, "Date of the order. In UTC.", "Date of the order."),
    ({"style_max_words": 6}, "Date of the order, as the buyer sees it.", "Date of the order."),
    ({"style_max_words": 3}, "Date of the order.", ""),
    ({"style_forbidden": ("the order",)}, "Date of the  order.", "Date of the  order."),
    ({"style_forbidden": ("The Order",)}, "Date of the order.", ""),
    ({"style_forbidden": ("order",)}, "Date of the reorder.", "Date of the reorder."),
    ({"style_forbidden": ("c++", "")}, "Score in C++ code.", ""),
]


@pytest.mark.parametrize(("settings", "text", "fitted"), FITTED)
def test_a_text_is_brought_into_style(settings, text, fitted):
    assert Style.of(Config(**settings), Catalog("s", "x", ())).fit(text) == fitted


def documented(text, number):
    columns = tuple(Column(f"c{one}", "int", text.format(one)) for one in range(number))
    return Catalog("s", "x", (Table("t", "t", columns=columns),))


@pytest.mark.parametrize(
    ("text", "number", "fitted"),
    [
        ("Number {} of the row", 20, "Date of it"),
        ("number {} of the row.", 20, "date of it."),
        ("number {} of the row", 19, "Date of it."),
        ("Number {} of the row. Counted.", 30, "Date of it."),
    ],
)
def test_keep_follows_the_texts_that_stand_there(text, number, fitted):
    assert Style.of(Config(), documented(text, number)).fit("Date of it.") == fitted


def test_a_habit_that_is_none_is_left():
    columns = tuple(Column(f"c{one}", "int", "A text" + "." * (one % 2)) for one in range(40))
    style = Style.of(Config(), Catalog("s", "x", (Table("t", "t", columns=columns),)))
    assert style.final_stop is None


LANGUAGE = [
    ("en", "The date on which the order was placed by the customer"),
    ("de", "Datum, an dem die Bestellung von der Kundin aufgegeben wurde"),
    ("fr", "Date de la commande qui est passée par le client"),
    ("es", "Fecha en que el cliente hizo el pedido de la tienda"),
    ("pt", "Data em que o cliente fez o pedido na loja, não é a da entrega"),
    ("it", "Data in cui il cliente ha fatto l'ordine della merce nel negozio"),
    ("nl", "Datum waarop de klant het product van de winkel heeft besteld"),
    ("en", "order_id"),
    ("en", "SKU"),
]


@pytest.mark.parametrize(("language", "text"), LANGUAGE)
def test_languages(language, text):
    assert language_of([text] * 25) == language
    assert language_of([text] * 3) == "en"


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "l.db") as opened:
        yield opened


ORDERS = Table("s.orders", "orders", schema="s", columns=(Column("order_ref", "int"), Column("zorp", "int")))


def suggested(ledger, tables, **settings):
    config = Config(dictionary="hint", **settings)
    with registered(Shop(*tables)):
        report = pipeline.suggest("shop", config, ledger, FakeGenerator)
    return report, {
        row.suggestion.ref.column: row.suggestion
        for table in tables
        for row in ledger.rows(report.source, [table.key])
    }


def test_every_suggestion_is_held_to_the_style(ledger):
    _, plain = suggested(ledger, [ORDERS])
    text = plain["order_ref"].text
    assert text.endswith(".")
    with Ledger(":memory:") as other:
        _, bare = suggested(other, [ORDERS], style_final_stop="never", style_capital="lower")
        assert bare["order_ref"].text == text[0].lower() + text[1:-1]
    with Ledger(":memory:") as other:
        _, none = suggested(other, [ORDERS], style_forbidden=(text.split()[-1].rstrip("."),))
        assert (none["order_ref"].origin, none["order_ref"].confidence) == ("unclear", 0.0)
        assert text in none["order_ref"].evidence


def test_no_english_among_texts_in_another_language(ledger):
    german = Table("s.alt", "alt", schema="s", description="Eine Zeile je Kunde.", columns=tuple(
        Column(f"spalte_{one}", "int", "Nummer des Kunden und der Bestellung") for one in range(25)))  # fmt: skip
    report, rows = suggested(ledger, [ORDERS, german])
    assert rows == {}
    assert "are in German" in report.notes[0]
    assert "3 places" in report.notes[0]
    report, rows = suggested(ledger, [ORDERS, german], style_language="en")
    assert set(rows) == {"", "order_ref", "zorp"}
    assert report.notes == ()


@pytest.mark.parametrize(
    "line",
    ["style_capital = 'title'", "style_final_stop = 'no'", "style_language = 'xx'", "style_max_words = -1"],
)
def test_a_bad_setting_is_named(tmp_path, line):
    (tmp_path / "docgen.toml").write_text(line, encoding="utf-8")
    with pytest.raises(ConfigError, match=line.split()[0]):
        load_config(tmp_path)


@pytest.fixture
def glossary(tmp_path):
    yield tmp_path / "glossary.jsonl"
    load_lexicon()


def test_the_teams_abbreviations_win(glossary):
    before = name_words("ord_cust_zq")
    glossary.write_text(
        '{"abbreviation": "ZQ", "expansion": "Zero-based Quota"}\n{"abbreviation": "cust", "expansion": "custodian"}\n'
        '{"abbreviation": "no", "expansion": "Norway"}\n',
        encoding="utf-8",
    )
    load_lexicon(glossary)
    assert name_words("ord_cust_zq") == ("order", "custodian", "zero", "based", "quota")
    assert name_words("order_no") == ("order", "norway")
    assert entity_words("stg_custs") != entity_words("stg_cust") == ("custodian",)
    load_lexicon()
    assert name_words("ord_cust_zq") == before


@pytest.mark.parametrize(
    "line",
    [
        '{"abbreviation": "cust"}',
        '{"abbreviation": "cust", "expansion": 3}',
        '{"abbreviation": "cust acct", "expansion": "customer account"}',
        '{"abbreviation": "cust", "expansion": " "}',
        '{"abbreviation": "cust", "expansion": "customer", "names": []}',
    ],
)
def test_a_bad_abbreviation_is_named_with_its_line(glossary, line):
    glossary.write_text(f'{{"names": ["a"], "text": "An a."}}\n{line}\n', encoding="utf-8")
    with pytest.raises(ConfigError, match=r"glossary\.jsonl:2: "):
        load_lexicon(glossary)
