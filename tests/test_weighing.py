"""Composed texts are weighed by the model: what it thinks of one is its log-probability, and so its confidence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from docgen_plugin import pipeline
from docgen_plugin.calibration import Curve
from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError
from docgen_plugin.generate import Answer, TableRequest, load
from docgen_plugin.model import Catalog, Column, ColumnRef, Table
from docgen_plugin.store import Ledger
from tests.fakes import FakeGenerator

ORDERS = Table(
    "s.orders",
    "orders",
    columns=(
        Column("id", "bigint", primary_key=True),
        Column("created_at", "timestamp"),
        Column("customer_id", "bigint"),
        Column("wobble_quotient", "numeric"),
        Column("is_gift", "boolean"),
    ),
)
EXACT, PLAIN = ColumnRef("s.orders", "created_at"), ColumnRef("s.orders", "wobble_quotient")
ONE_THREAD = Config(threads=1)


@pytest.fixture
def ledger(tmp_path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "ledger.db") as opened:
        yield opened


class Weighing(FakeGenerator):
    """Thinks of every text what the test says; its own sentences nobody takes."""

    weighs = bespoke = True
    tuned = False

    def __init__(self, logprob: float) -> None:
        super().__init__(lambda request, column: ("Zwock of the zwick", -3.0))
        self.logprob = logprob

    def describe(self, requests: Iterable[TableRequest]) -> Iterator[Answer]:
        for request in requests:
            yield from super().describe([request])
            for column, text in request.given.items():
                yield Answer(ColumnRef(request.table.key, column), text, self.logprob, 5, weighed=True)


def rows(ledger, generator, *tables, **more):
    catalog = Catalog("shop", "records", tables or (ORDERS,))
    pipeline.suggest("shop", ONE_THREAD, ledger, lambda: generator, catalog=catalog, **more)
    return {row.suggestion.ref: row.suggestion for row in ledger.rows("shop")}


def test_what_is_not_known_exactly_is_weighed(ledger):
    found = rows(ledger, Weighing(-0.42))
    assert {one.origin for one in found.values()} == {"composed"}
    assert (found[PLAIN].model, found[PLAIN].weighed_by, found[PLAIN].logprob) == (
        "docgen-frames",
        "fake@1",
        -0.42,
    )
    assert (found[EXACT].model, found[EXACT].weighed_by, found[EXACT].logprob) == (
        "docgen-concepts",
        "",
        -0.16,
    )
    # a model that is asked for no text has no say in whose the table is
    assert (found[EXACT].asked, found[PLAIN].asked) == ("", "fake@1")
    # without a curve for this model the confidence says how well the name is known
    assert found[PLAIN].confidence == pytest.approx(0.25, abs=0.01)


def test_the_confidence_is_what_the_weight_is_worth(ledger):
    at = datetime(2026, 1, 5, tzinfo=UTC)
    curve = Curve("docgen-frames, fake@1", "composed", ((-2.0, 0.1), (0.0, 0.9)), 100, "platt", at)
    ledger.keep_curves([curve])
    assert rows(ledger, Weighing(-0.5))[PLAIN].confidence == pytest.approx(0.7)


def test_allowed_values_are_not_weighed(ledger):
    generator = Weighing(-0.5)
    column = Column("wobble_grade", "text", values=("A", "B"))
    found = rows(ledger, generator, replace(ORDERS, columns=(*ORDERS.columns, column)))
    text = found[ColumnRef("s.orders", "wobble_grade")].text
    assert text.endswith(" One of: A, B.")
    assert generator.requests[0].given["wobble_grade"] == text.removesuffix(" One of: A, B.")


def test_our_own_model_is_not_asked_what_a_row_is(ledger):
    generator = Weighing(-0.5)
    kilns = replace(ORDERS, key="s.kilns", name="kilns")
    found = rows(ledger, generator, kilns)
    assert not any(request.with_table for request in generator.requests)
    assert (found[ColumnRef("s.kilns")].origin, found[ColumnRef("s.kilns")].model) == (
        "composed",
        "docgen-frames",
    )


def test_what_is_known_exactly_is_so_beside_a_tuned_model_too(ledger):
    """It is asked first; where it is not sure, the dictionary's text is as good as ever."""
    generator = Weighing(-0.5)
    generator.tuned = True
    found = rows(ledger, generator, chosen=True)
    assert (found[EXACT].asked, found[EXACT].weighed_by, found[EXACT].logprob) == ("fake@1", "", -0.16)
    assert found[EXACT].confidence > 0.7
    assert found[PLAIN].weighed_by == "fake@1"


def test_a_glossary_is_not_judged(ledger, tmp_path):
    glossary = tmp_path / "glossary.jsonl"
    glossary.write_text('{"names": ["created at"], "text": "When the shop took the order."}\n')
    catalog = Catalog("shop", "records", (ORDERS,))
    config = replace(ONE_THREAD, glossary=str(glossary))
    pipeline.suggest("shop", config, ledger, lambda: Weighing(-0.5), catalog=catalog)
    told = ledger.row("shop", EXACT).suggestion
    assert (told.model, told.weighed_by, told.text) == ("glossary", "", "When the shop took the order.")
    assert told.confidence > 0.8


def test_a_text_that_needs_no_model_does_without_one(ledger):
    def missing():
        raise ModelError("llama-cpp-python is not installed")

    table = replace(ORDERS, columns=ORDERS.columns[:3])
    catalog = Catalog("shop", "records", (table,))
    pipeline.suggest("shop", ONE_THREAD, ledger, missing, catalog=catalog)
    found = {row.suggestion.ref: row.suggestion for row in ledger.rows("shop")}
    assert {one.weighed_by for one in found.values()} == {""}
    assert found[EXACT].confidence > 0.7


def test_a_model_that_keeps_back_what_it_thinks_loses_no_text(ledger):
    class Silent(Weighing):
        def describe(self, requests):
            return (one for one in super().describe(requests) if not one.weighed)

    found = rows(ledger, Silent(-0.1))
    assert len(found) == 6
    assert {one.origin for one in found.values()} == {"composed"}


@pytest.mark.slow
def test_the_embedded_model_likes_good_sentences_better():
    generator = load("", ONE_THREAD)
    good = {
        "created_at": "Date and time when the order was created.",
        "is_gift": "True when the order is a gift.",
    }
    bad = {"created_at": "Created of the at of the order.", "is_gift": "Gift of the is of the order."}
    said = [
        {answer.ref.column: answer for answer in generator.describe([TableRequest(ORDERS, (), given=given)])}
        for given in (good, bad)
    ]
    generator.close()
    for column, text in good.items():
        assert said[0][column].weighed
        assert said[0][column].text == text
        assert said[0][column].logprob > said[1][column].logprob + 1.0


@pytest.mark.slow
def test_a_weight_does_not_depend_on_company(tmp_path):
    """Alone, among other columns and beside other tables: the same confidence to two digits."""
    others = [replace(ORDERS, key=f"s.t{number}", name=f"returns_{number}") for number in range(6)]
    found = []
    for number, tables in enumerate(((ORDERS,), (*others, ORDERS))):
        with Ledger(tmp_path / f"{number}.db") as ledger:
            found.append(rows(ledger, load("", ONE_THREAD), *tables))
    for ref, one in found[0].items():
        assert found[1][ref].text == one.text
        assert found[1][ref].confidence == pytest.approx(one.confidence, abs=0.01)
