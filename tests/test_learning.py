"""Learning at once: what people accepted or worded for a column of one table is a hint for like columns of others."""

from __future__ import annotations

import pytest

from docgen_plugin import pipeline
from docgen_plugin.config import Config
from docgen_plugin.model import Column, ColumnRef, Table
from docgen_plugin.store import Decision, Ledger
from tests.fakes import FakeGenerator, Shop, registered

WORDS = "Days between order and dispatch."


class Strict(FakeGenerator):
    """A model like our own, whose words are held to the schema."""

    bespoke = True


def tables(column="disp_lag", kinds=("int", "int", "bigint")):
    return [
        Table(name, name, columns=(Column(column, kind),))
        for name, kind in zip(("first", "second", "third"), kinds, strict=True)
    ]


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "l.db") as opened:
        yield opened


def suggest(ledger, select=(), generator=None, config=None):
    generator = generator or FakeGenerator()
    config = config or Config(dictionary="hint")
    pipeline.suggest("shop", config, ledger, lambda: generator, select=select)
    return {(one.table.key, name): texts for one in generator.requests for name, texts in one.hints.items()}


def decide(ledger, table, column, state, text=None):
    row = ledger.row("shop", ColumnRef(table, column))
    assert ledger.decide("shop", [Decision(row, state, "ann", text)])


def text(ledger, table, column):
    return ledger.row("shop", ColumnRef(table, column)).suggestion


@pytest.mark.parametrize(
    ("state", "words", "given"),
    [("edited", WORDS, True), ("accepted", None, True), ("rejected", None, False)],
)
def test_one_decision_is_a_hint_for_like_columns(ledger, state, words, given):
    with registered(Shop(*tables())):
        suggest(ledger, ("first.disp_lag",))
        decide(ledger, "first", "disp_lag", state, words)
        told = text(ledger, "first", "disp_lag").text
        hints = suggest(ledger)
    assert (told in hints.get(("second", "disp_lag"), ())) is given
    assert (told in hints.get(("third", "disp_lag"), ())) is given  # a wider integer is of the same family


def test_what_a_person_worded_comes_first_applied_or_not(ledger):
    with registered(Shop(*tables())):
        suggest(ledger, ("first.disp_lag", "second.disp_lag"))
        decide(ledger, "first", "disp_lag", "accepted")
        decide(ledger, "second", "disp_lag", "edited", WORDS)
        assert suggest(ledger)["third", "disp_lag"][0] == WORDS


@pytest.mark.parametrize(
    ("column", "kinds"),
    [("status", ("text", "text", "text")), ("disp_lag", ("text", "int", "int"))],
    ids=["a name that means another thing everywhere", "another type"],
)
def test_unlike_columns_get_no_hint(ledger, column, kinds):
    with registered(Shop(*tables(column, kinds))):
        suggest(ledger, (f"first.{column}",))
        decide(ledger, "first", column, "edited", WORDS)
        hints = suggest(ledger)
    assert all(WORDS not in given for given in hints.values())


def test_a_hint_comes_before_the_dictionarys(ledger):
    with registered(Shop(*tables("customer_id"))):
        suggest(ledger, ("first.customer_id",))
        decide(ledger, "first", "customer_id", "edited", "Number of the buyer.")
        hints = suggest(ledger)["second", "customer_id"]
    assert hints == ("Number of the buyer.",)  # beside it a model would go by the dictionary's


def test_people_who_reworded_the_dictionarys_text_do_not_get_it_again(ledger):
    composing = Config(dictionary="compose")
    with registered(Shop(*tables("customer_id"))):
        suggest(ledger, ("first.customer_id", "second.customer_id"), config=composing)
        before = text(ledger, "first", "customer_id")
        assert before.origin == "composed"
        decide(ledger, "first", "customer_id", "edited", "Number of the buyer.")
        hints = suggest(ledger, config=composing)
    assert hints["third", "customer_id"][0] == "Number of the buyer."
    assert text(ledger, "third", "customer_id").text != before.text


@pytest.mark.parametrize(
    ("words", "taken"),
    [(WORDS, True), ("Days that the consignments wait.", False)],
    ids=["holds", "of its own table"],
)
def test_an_unsure_model_gives_way_to_what_a_person_worded(ledger, words, taken):
    unsure = Strict(lambda request, column: ("Lag of the disp", -3.0))
    listed = tables()
    if not taken:
        listed[0] = Table("consignments", "consignments", columns=(Column("disp_lag", "int"),))
    with registered(Shop(*listed)):
        suggest(ledger, (f"{listed[0].key}.disp_lag",))
        decide(ledger, listed[0].key, "disp_lag", "edited", words)
        suggest(ledger, generator=unsure)
    found = text(ledger, "second", "disp_lag")
    assert (found.text == words) is taken
    assert (found.origin == "reused") is taken
    if taken:
        assert found.evidence == "from first.disp_lag, worded there by a person"
        assert found.confidence == 0.7


@pytest.mark.slow
def test_the_model_in_the_package_goes_by_the_teams_words(ledger):
    from docgen_plugin import generate

    config = Config()
    columns = (Column("ln_nbr", "int"), Column("po_qty", "int"))
    words = "Position within the document, from one."
    shop = Shop(*(Table(name, name, columns=columns) for name in ("po_line", "inv_line", "shp_line")))
    with registered(shop):
        pipeline.suggest("shop", config, ledger, lambda: generate.load("", config), select=("po_line",))
        assert text(ledger, "po_line", "ln_nbr").text != words
        decide(ledger, "po_line", "ln_nbr", "edited", words)
        pipeline.suggest("shop", config, ledger, lambda: generate.load("", config))
    for table in ("inv_line", "shp_line"):
        learned = text(ledger, table, "ln_nbr")
        assert (learned.text, learned.origin) == (words, "reused")
        assert text(ledger, table, "po_qty").origin != "reused"
