"""A parent's text on its way to the children: suggested, applied, and made anew when the parent says otherwise."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from docgen_plugin import pipeline
from docgen_plugin.cli import cli
from docgen_plugin.config import Config
from docgen_plugin.model import Column, ColumnRef, ForeignKey, Lineage, Suggestion, Table
from docgen_plugin.store import Decision, Ledger
from tests.fakes import FakeGenerator, FakeModel, Shop, registered

ROOT, MIDDLE, END = (ColumnRef(key, "total") for key in ("raw", "stg", "mart"))
OLD, NEW = "Sum of the order.", "Sum of the order, taxes left out."


def passed_on(parent: ColumnRef, **more) -> Column:
    return Column("total", "int", lineage=Lineage("pass-through", (parent,)), **more)


@pytest.fixture
def shop():
    tables = (
        Table("raw", "raw", description="Raw.", columns=(Column("total", "int", OLD),)),
        Table("stg", "stg", description="Staged.", columns=(passed_on(ROOT),)),
        Table("mart", "mart", description="Mart.", columns=(passed_on(MIDDLE),)),
    )
    with registered(Shop(*tables)) as shop:
        yield shop


@pytest.fixture
def ledger():
    with Ledger("sqlite://") as ledger:
        yield ledger


def suggest(ledger: Ledger) -> pipeline.SuggestReport:
    return pipeline.suggest("shop", Config(), ledger, FakeGenerator)


def decide(ledger: Ledger, state: str, *refs: ColumnRef, text: str | None = None) -> None:
    rows = [row for row in ledger.rows("shop") if row.suggestion.ref in refs]
    ledger.decide("shop", [Decision(row, state, "me", text) for row in rows])


def row(ledger: Ledger, ref: ColumnRef) -> Suggestion:
    found = ledger.row("shop", ref)
    assert found is not None
    return found.suggestion


def text(shop: Shop, ref: ColumnRef) -> str:
    return shop.tables[ref.table].columns[0].description


def apply(ledger: Ledger) -> pipeline.ApplyReport:
    return pipeline.apply("shop", Config(), ledger)


def written(shop: Shop, ledger: Ledger) -> None:
    """Let both children inherit, and write that."""
    suggest(ledger)
    decide(ledger, "accepted", MIDDLE, END)
    apply(ledger)
    assert text(shop, MIDDLE) == text(shop, END) == OLD


def test_through_a_parent_without_a_text(shop, ledger):
    report = suggest(ledger)
    assert dict(report.by_origin) == {"inherited": 2}
    assert report.evidence == ((MIDDLE, "inherited", "from raw.total"), (END, "inherited", "from raw.total"))
    assert row(ledger, END).text == OLD
    assert row(ledger, END).evidence == "from raw.total"


@pytest.mark.parametrize("state", ["suggested", "accepted", "applied"])
def test_a_new_text_of_the_parent_reaches_all_children_in_one_round(shop, ledger, state):
    suggest(ledger)
    if state != "suggested":
        decide(ledger, "accepted", MIDDLE, END)
    if state == "applied":
        apply(ledger)
    shop.set(ROOT, NEW)
    before = text(shop, MIDDLE)
    assert suggest(ledger).turned == 2
    for ref in (MIDDLE, END):
        assert (row(ledger, ref).state, row(ledger, ref).text, row(ledger, ref).before) == (
            "suggested",
            NEW,
            before,
        )
        assert "its parent's text changed" in {event.why for event in ledger.history("shop", ref)}
    assert suggest(ledger).suggested == 0
    decide(ledger, "accepted", MIDDLE, END)
    assert apply(ledger).written == (MIDDLE, END)
    assert text(shop, MIDDLE) == text(shop, END) == NEW
    assert suggest(ledger).turned == 0


def test_apply_leaves_a_text_that_is_out_of_date(shop, ledger):
    suggest(ledger)
    decide(ledger, "accepted", MIDDLE, END)
    shop.set(ROOT, NEW)
    report = apply(ledger)
    assert report.written == ()
    assert report.stale == ((END, "its parent's text changed"), (MIDDLE, "its parent's text changed"))


def test_what_a_person_wrote_stays(shop, ledger):
    suggest(ledger)
    decide(ledger, "edited", MIDDLE, text="My words.")
    decide(ledger, "accepted", END)
    apply(ledger)
    shop.set(ROOT, NEW)
    suggest(ledger)
    assert (row(ledger, MIDDLE).state, text(shop, MIDDLE)) == ("applied", "My words.")
    # the next in the line takes what stands nearest, and that is the person's
    assert row(ledger, END).text == "My words."


def test_what_a_person_wrote_into_the_source_stays_and_is_passed_on(shop, ledger):
    written(shop, ledger)
    shop.set(MIDDLE, "My words.")
    shop.set(ROOT, NEW)
    suggest(ledger)
    assert (row(ledger, MIDDLE).state, text(shop, MIDDLE)) == ("stale", "My words.")
    assert (row(ledger, END).state, row(ledger, END).text) == ("suggested", "My words.")


def test_a_rejected_text_is_not_suggested_again(shop, ledger):
    written(shop, ledger)
    shop.set(ROOT, NEW)
    suggest(ledger)
    decide(ledger, "rejected", MIDDLE, END)
    assert suggest(ledger).targets == 0
    assert text(shop, END) == OLD


def test_the_old_text_again_is_right_again(shop, ledger):
    written(shop, ledger)
    shop.set(ROOT, NEW)
    assert apply(ledger).stale != ()
    shop.set(ROOT, OLD)
    suggest(ledger)
    assert row(ledger, END).state == "applied"


def test_white_space_is_no_change(shop, ledger):
    written(shop, ledger)
    shop.set(ROOT, OLD.replace(" ", "\n  "))
    assert suggest(ledger).turned == 0


def test_a_parent_that_falls_silent_changes_nothing(shop, ledger):
    written(shop, ledger)
    shop.set(ROOT, "")
    suggest(ledger)
    assert (row(ledger, END).state, text(shop, END)) == ("applied", OLD)


def test_pinned_places_are_left_alone(shop, ledger):
    shop.column(MIDDLE, pinned=True)
    report = suggest(ledger)
    assert ledger.row("shop", MIDDLE) is None
    assert report.targets == 1  # the mart's, which asks what is above the pinned one
    assert row(ledger, END).text == OLD


def test_pinned_after_it_was_written(shop, ledger):
    written(shop, ledger)
    shop.column(MIDDLE, pinned=True)
    shop.set(ROOT, NEW)
    suggest(ledger)
    for ref in (MIDDLE, END):  # a pinned text is its owner's, and the next in the line takes it from there
        assert (row(ledger, ref).state, text(shop, ref)) == ("applied", OLD)


def test_parents_that_disagree_are_shown(shop, ledger):
    other = ColumnRef("other", "total")
    shop.tables["other"] = Table(
        "other", "other", description="Other.", columns=(Column("total", "int", NEW),)
    )
    shop.tables["stg"] = Table(
        "stg",
        "stg",
        description="Staged.",
        columns=(Column("total", "int", lineage=Lineage("union", (ROOT, other))),),
    )
    report = suggest(ledger)
    told = f"parents disagree: raw.total: '{OLD}' / other.total: '{NEW}'"
    assert (row(ledger, MIDDLE).origin, row(ledger, MIDDLE).evidence) == ("composed", told)
    assert (MIDDLE, "composed", told) in report.evidence


def test_the_command_says_that_parents_disagree(shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shop.tables["other"] = Table(
        "other", "other", description="Other.", columns=(Column("total", "int", NEW),)
    )
    shop.column(MIDDLE, lineage=Lineage("union", (ROOT, ColumnRef("other", "total"))))
    with registered(FakeModel()):
        ran = CliRunner().invoke(cli, ["suggest", "shop"])
    assert (ran.exit_code, ran.exception) == (0, None)
    assert "2 places whose parents say different things: docgen review shows them" in ran.stdout


def test_a_reference_follows_its_parent(shop, ledger):
    written(shop, ledger)
    for ref in (ROOT, MIDDLE, END):  # all of them call one docs block, and that was changed
        shop.set(ref, NEW)
    assert suggest(ledger).turned == 0
    assert row(ledger, END).state == "applied"


def test_a_text_that_the_model_gave_the_parent_is_no_reason_to_change(shop, ledger):
    key = ForeignKey("other", "total")
    shop.tables["other"] = Table(
        "other", "other", description="Other.", columns=(Column("total", "int", OLD),)
    )
    shop.set(ROOT, "")
    shop.column(MIDDLE, foreign_key=key)
    suggest(ledger)
    assert {ref: row(ledger, ref).origin for ref in (ROOT, MIDDLE)} == {ROOT: "composed", MIDDLE: "inherited"}
    decide(ledger, "accepted", ROOT, MIDDLE)
    apply(ledger)
    assert (text(shop, ROOT) != OLD, text(shop, MIDDLE)) == (True, OLD)
    report = suggest(ledger)
    assert (report.turned, report.targets) == (0, 0)
