"""The review in the terminal: through a pipe, and in a real terminal of 80 by 24."""

from __future__ import annotations

from pathlib import Path

import pytest

from docgen_plugin.model import Column, ColumnRef, ForeignKey, Lineage, Table
from docgen_plugin.review import keyboard
from docgen_plugin.store import Decision, Ledger
from tests.fakes import FakeModel, Shop, registered
from tests.test_cli import docgen
from tests.windows import Window, shop_program

ORDERS = Table(
    "s.orders",
    "orders",
    schema="s",
    description="One row per order.",
    path="models/orders.sql",
    columns=(
        Column("order_ref", "integer", primary_key=True),
        Column("buyer", "integer", not_null=True, foreign_key=ForeignKey("customers", "id")),
        Column("x7", "text"),
        Column("state", "text", values=("open", "paid")),
    ),
)
LINES = Table("s.lines", "lines", schema="s", columns=(Column("qty", "int"),))
TABLES = (ORDERS, LINES)
PLACES = [ColumnRef("s.orders", column.name) for column in ORDERS.columns]
REF, BUYER, OPAQUE, STATE = PLACES
TABLE, QTY = ColumnRef("s.lines"), ColumnRef("s.lines", "qty")


@pytest.fixture(autouse=True)
def model_writes(monkeypatch):
    """Let the fake model write its own text for names that the dictionary knows exactly."""
    monkeypatch.setenv("DOCGEN_DICTIONARY", "hint")


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with registered(Shop(ORDERS, LINES)) as plugin, registered(FakeModel()):
        docgen("suggest", "shop")
        yield plugin


def states():
    with Ledger(Path(".docgen") / "ledger.db") as ledger:
        return {row.suggestion.ref: row.suggestion.state for row in ledger.rows("shop")}


def found(ref):
    with Ledger(Path(".docgen") / "ledger.db") as ledger:
        row = ledger.row("shop", ref)
    assert row is not None
    return row


def review(*lines, select=()):
    arguments = [part for glob in select for part in ("--select", glob)]
    return docgen("review", "shop", *arguments, input="".join(f"{line}\n" for line in lines)).stdout


ANSWERS = {
    "yes and no": (("y", "n", "s", "y", "s", "s"), {REF: "accepted", BUYER: "rejected", STATE: "accepted"}),
    "capitals": (("Y", " N ", "q"), {REF: "accepted", BUYER: "rejected"}),
    "words ask again": (("accept", "all", "yes", "no", "quit", "yy", "n", "q"), {REF: "rejected"}),
    "quit keeps": (("y", "q"), {REF: "accepted"}),
    "end of input quits": (("y",), {REF: "accepted"}),
    "nothing at all": ((), {}),
    "help and nonsense ask again": (("?", "", "what", "y", "q"), {REF: "accepted"}),
    "all of this table but the unclear": (
        ("a", "n", "n"),
        {REF: "accepted", BUYER: "accepted", STATE: "accepted", TABLE: "rejected", QTY: "rejected"},
    ),
    "unclear one by one": (("s", "s", "y", "q"), {OPAQUE: "accepted"}),
    "edit": (("e", "My own words.", "q"), {REF: "edited"}),
    "an empty edit asks again": (("e", "", "n", "q"), {REF: "rejected"}),
    "an edit that changes nothing asks again": (
        ("e", "The order reference as recorded for the order.", "q"),
        {},
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_answers_from_a_pipe(shop, case):
    lines, wanted = ANSWERS[case]
    review(*lines)
    everything = dict.fromkeys([*PLACES, TABLE, QTY], "suggested")
    assert states() == everything | wanted


def test_what_is_shown(shop):
    shown = review("q")
    for line in (
        "== s.orders (table, 4 columns, models/orders.sql)",
        "   One row per order.",
        "-- order_ref  (1 of 6)",
        "   integer, primary key",
        "   there now: nothing",
        " > The order reference as recorded for the order.",
    ):
        assert line in shown.splitlines()
    assert "generated, confidence 0." in shown
    shown = review("s", "s", "s", "q")
    assert "   integer, not null, key to customers.id" in shown.splitlines()
    assert "   unclear, confidence 0.05" in shown.splitlines()
    assert "   text, one of open, paid" in shown.splitlines()
    assert "nothing decided" not in shown
    assert "3 skipped" in shown


def test_where_a_text_comes_from_is_shown(shop):
    told = {
        "from s.orders.state": Lineage("pass-through", (STATE,)),
        "computed from s.orders.state: length(state)": Lineage("derived", (STATE,), "length(state)"),
    }
    shop.set(STATE, "How far it is.")
    columns = tuple(Column(f"state_{n}", "text", lineage=one) for n, one in enumerate(told.values()))
    shop.tables["s.v"] = Table("s.v", "v", schema="s", kind="view", description="V.", columns=columns)
    docgen("suggest", "shop")
    lines = review(*"ss", select=("s.v",)).splitlines()
    assert [line.strip() for line in lines if line.strip() in told] == list(told)
    assert "parents" not in docgen("suggest", "shop").stdout


def test_an_edited_text_is_what_gets_written(shop):
    review("e", "  My own words, é and 🙂.  ", "q")
    docgen("apply", "shop")
    assert shop.tables["s.orders"].columns[0].description == "My own words, é and 🙂."


def again(states, *lines):
    return docgen("review", "shop", "--state", states, input="".join(f"{line}\n" for line in lines)).stdout


def test_decisions_can_be_changed_until_they_are_applied(shop):
    review("y", "n", "y", "e", "My words.", "y", "q")
    assert "== s.lines" not in again("accepted,edited", "q").split("nothing decided")[1]
    shown = again("accepted,rejected,edited", "n", "y", "e", "Not a thing.", "n", "n")
    assert "; accepted by " in shown
    assert "; rejected by " in shown
    assert "1 accepted, 1 edited, 3 rejected" in shown
    assert {ref: state for ref, state in states().items() if state != "suggested"} == {
        REF: "rejected",
        BUYER: "accepted",
        OPAQUE: "edited",
        STATE: "rejected",
        TABLE: "rejected",
    }
    assert set(docgen("apply", "shop").stdout.split()) >= {"wrote", "2"}


def test_a_decision_that_is_confirmed_stays_as_it_is(shop):
    review("y", "n", "e", "My words.", "q")
    before = [found(ref) for ref in (REF, BUYER, OPAQUE)]
    assert "3 kept" in again("accepted,edited,rejected", "y", "n", "y")
    assert "2 kept" in again("accepted,edited", "a")
    assert [found(ref) for ref in (REF, BUYER, OPAQUE)] == before
    assert (
        "nothing to review: no suggestion is edited"
        in docgen("review", "shop", "--state", "edited", "--select", "lines").stdout
    )


@pytest.mark.parametrize("value", ["applied", "stale", "", "accepted,", "nosuch"])
def test_only_what_can_change_is_reviewed(shop, value):
    assert "is none of suggested" in docgen("review", "shop", "--state", value, code=2).stderr


def test_select_narrows_and_an_empty_review_says_so(shop):
    assert "(1 of 1)" in review("y", select=("*.qty",))
    assert states()[QTY] == "accepted"
    assert "nothing to review" in review(select=("*.qty",))


def test_a_decision_of_someone_else_meanwhile_stands(shop, monkeypatch):
    def command(keyboard, prompt):
        row = found(REF)
        if row.suggestion.state != "suggested":
            return "q", ""
        with Ledger(Path(".docgen") / "ledger.db") as other:
            other.decide("shop", [Decision(row, "rejected", "bob")])
        return "y", ""

    monkeypatch.setattr(keyboard.Lines, "command", command)
    shown = review()
    told = "s.orders.order_ref: changed meanwhile, it is rejected by bob now; yours was not kept"
    assert told in " ".join(shown.split())
    assert shown.index("-- buyer") > shown.index("changed meanwhile")
    assert states()[REF] == "rejected"


def test_narrow_terminals_are_not_overrun(shop, monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    review("e", "A long text of many words " * 12, "q")
    monkeypatch.setenv("COLUMNS", "80")
    assert max(map(len, review("s", "s", "q").splitlines())) <= 80


@pytest.fixture
def window(shop, tmp_path):
    """Open windows on a review of the shop; each is ended by the test."""
    program = shop_program("tests.test_review", "TABLES", "review", "shop")

    def opened(*options, **environment):
        made = Window(
            [*program[:-1], program[-1].replace("'shop']", f"'shop', *{list(options)!r}]")],
            tmp_path,
            **environment,
        )
        made.wait("(1 of ")
        return made

    return opened


@pytest.mark.slow
def test_in_a_terminal_with_inline_editing(window):
    one = window()
    one.press("y", "-- buyer")
    assert states()[REF] == "accepted"  # kept before the next answer
    one.press("e", "new text: The buyer as recorded for the order.")  # the old text is there to be changed
    one.press(" Sometimes.\r", "-- x7")
    one.child.sendintr()
    assert one.end() == 130
    assert "docgen: interrupted" in one.text
    edited = found(BUYER).suggestion
    assert (edited.state, edited.text) == ("edited", "The buyer as recorded for the order. Sometimes.")
    assert (one.scrolled, one.strange) == (0, "")
