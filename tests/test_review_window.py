"""The review in a real terminal window: real processes in a pseudo-terminal, and what a person sees of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from docgen_plugin.freshness import fingerprint
from docgen_plugin.model import Column, ColumnRef, Suggestion, Table
from docgen_plugin.store import Ledger
from tests.fakes import FakeModel, Shop, registered
from tests.test_cli import docgen
from tests.test_review import BUYER, LINES, OPAQUE, ORDERS, QTY, REF, STATE, TABLE, hostile_table
from tests.windows import Window, shop_program

pytestmark = pytest.mark.slow

TABLES = (ORDERS, LINES)
WIDE = (
    Table("s.wide", "wide", schema="s", columns=tuple(Column(f"c{number}", "int") for number in range(300))),
)
HOSTILES = (hostile_table(),)
LONG = "A text of very many words, \N{HIRAGANA LETTER A}\N{CJK UNIFIED IDEOGRAPH-65E5} too. " * 100
LONGEST = (Table("s.t", "t", schema="s", description=LONG, path=LONG, columns=(Column("x" * 300, LONG),)),)


@pytest.fixture(autouse=True)
def model_writes(monkeypatch):
    """Let the fake model write its own text for names that the dictionary knows exactly."""
    monkeypatch.setenv("DOCGEN_DICTIONARY", "hint")


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """Make a ledger for some of the tables above, and return what opens windows on a review of them."""
    monkeypatch.chdir(tmp_path)

    def window(name="TABLES", options=(), columns=80, rows=24, shows="(1 of ", first="", **environment):
        if not Path(".docgen").exists():
            with registered(Shop(*globals()[name])), registered(FakeModel()):
                docgen("suggest", "shop")
        program = shop_program("tests.test_review_window", name, "review", "shop", *options, first=first)
        environment = {"DOCGEN_DICTIONARY": "hint", "DOCGEN_REVIEWER": "ann", **environment}
        made = Window(program, tmp_path, columns, rows, **environment)
        if shows:
            made.wait(shows)
        return made

    return window


def suggestions():
    with Ledger(Path(".docgen") / "ledger.db") as ledger:
        return {row.suggestion.ref: row.suggestion for row in ledger.rows("shop")}


def decided():
    return {ref: one.state for ref, one in suggestions().items() if one.state != "suggested"}


def history(ref):
    with Ledger(Path(".docgen") / "ledger.db") as ledger:
        return ledger.history("shop", ref)


def ended(window, code=0):
    assert window.end() == code
    assert window.strange == ""


def test_a_whole_review_by_keys(opened):
    one = opened()
    one.wait("y accept, n reject, e edit, u undo, s skip, a table, / filter, ? keys, q quit")
    one.press("y", "-- buyer")
    assert decided() == {REF: "accepted"}  # kept before the next answer
    one.press("n", "reject because:")
    one.press("2\r", "-- x7")
    assert history(BUYER)[-1].why == "says no more than the name"
    one.press("j", "-- state")
    one.press("\x1b[A", "-- x7")  # the arrow up
    one.press("\x1b[B", "-- state")
    one.press("u", "took back s.orders.buyer")
    one.press("n", "reject because:")
    one.press("\x04", "keys")  # Ctrl-D leaves the question
    assert decided() == {REF: "accepted"}
    one.press("e", "new text: The buyer as recorded for the order.")  # what is there can be changed
    one.press(" Sometimes.\r", "-- x7")
    one.press("?", "y - accept this suggestion")
    one.press(" ", "-- x7")
    one.press("h", "suggested as unclear")
    one.press("q", "-- x7")
    one.press("c", "what fake@1 is given")
    one.press("q", "-- x7")
    one.press("r", "what should the model know?")
    one.press("the legacy flag\r", "t takes it")
    one.press("t", "-- state")
    assert history(OPAQUE)[-1].why == "asked fake@1 again, told: the legacy flag"
    one.press("/", "filter:")
    one.press("nosuch:x\r", "'nosuch:' is unknown")
    one.press("/", "filter:")
    one.press("table:*lines\r", "-- the table itself")
    one.press("A", "from which confidence")
    one.press("\r", "accept 2 open suggestions of table:*lines?")
    one.press("y", "that was the last")
    one.press("u", "took back 2 decisions")
    one.press("x", "? shows the keys")
    one.press("a", "that was the last")
    one.press("q")
    ended(one)
    assert "3 accepted, 2 edited\n" in one.text
    assert one.scrolled == 0
    assert suggestions()[BUYER].text == "The buyer as recorded for the order. Sometimes."
    assert decided() == dict.fromkeys([REF, TABLE, QTY], "accepted") | dict.fromkeys(
        [BUYER, OPAQUE], "edited"
    )


def test_ctrl_c_keeps_what_is_decided_and_leaves_the_terminal_as_it_was(opened):
    one = opened()
    one.press("yy", "-- x7")
    assert not one.child.getecho()
    one.child.sendintr()
    one.wait("docgen: interrupted")
    assert one.child.getecho()
    ended(one, 130)
    assert decided() == {REF: "accepted", BUYER: "accepted"}


def test_the_window_may_be_resized(opened):
    one = opened("WIDE", columns=100, rows=40)
    assert "c25 " in one.text
    one.press("j" * 100, "-- c99  (101 of 301)")
    one.resize(60, 12)
    one.wait("c100")
    one.press("j", "-- c100  (102 of 301)")
    one.wait("[y,n,e,u,s,p")  # the keys in few words where there is no room
    scrolled = one.scrolled
    one.resize(120, 30)
    one.press("j", "-- c101  (103 of 301)")
    assert one.scrolled == scrolled
    one.press("q")
    ended(one)


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (40, 9), (132, 50)])
def test_no_screen_is_higher_than_the_window(opened, columns, rows):
    (table,) = LONGEST
    with Ledger(Path(".docgen") / "ledger.db") as ledger:
        ref = ColumnRef(table.key, table.columns[0].name)
        print_of = fingerprint(table, table.columns[0])
        ledger.add("shop", [Suggestion(ref, LONG, evidence=LONG, fingerprint=print_of, position=1)])
    one = opened("LONGEST", columns=columns, rows=rows)
    one.press("v", "page 1 of")
    one.press("jj", "page 3 of")
    one.press("k", "page 2 of")
    one.press("q", "(1 of 1)")
    one.press("n", "reject because:")
    one.press("\r", "that was the last")
    one.press("q")
    ended(one)
    assert one.scrolled == 0


def test_names_and_texts_show_as_text(opened):
    one = opened("HOSTILES", ["--filter", "state:all"], DOCGEN_REVIEWER="\x1b[31mann")
    number = len(suggestions())
    assert number > 200
    for at in range(10, number + 1, 9):
        one.press("j" * 9, f"({at} of {number})")
    one.press("/", "filter:")
    one.press("nosuch\r", "no suggestion is meant by nosuch")
    assert one.scrolled == 0
    one.press("q")
    ended(one)


def test_two_at_once_lose_nothing(opened):
    one, two = opened(), opened(DOCGEN_REVIEWER="bob")
    one.press("y", "-- buyer")
    two.press("n", "reject because:")
    two.press("\r", "changed meanwhile, it is accepted by ann now; yours was not")
    two.press("e", "new text:")
    two.press("\x15Bob's words.\r", "-- x7")
    one.press("y", "-- x7")
    one.wait("changed meanwhile, it is edited by bob now")
    two.press("sy", "-- the table itself")
    one.press("s", "passed over s.orders.state: accepted by bob meanwhile")
    one.press("y", "-- qty")
    one.press("u", "took back s.lines")  # one's own, not what bob did since
    two.press("u", "took back s.orders.state")
    for window in (one, two):
        window.press("q")
        ended(window)
        assert window.scrolled == 0
    assert decided() == {REF: "accepted", BUYER: "edited"}
    assert [event.who for event in history(STATE)] == ["", "bob", "bob"]
    assert suggestions()[BUYER].text == "Bob's words."


def test_a_locked_ledger_is_told_and_the_question_stays(opened):
    one = opened(first="import docgen_plugin.database as database; database._BUSY_TIMEOUT_S = 0.1")
    with sqlite3.connect(Path(".docgen") / "ledger.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        one.press("y", "the ledger is locked by another process; try again when it is done")
        other.execute("ROLLBACK")
    one.press("y", "-- buyer")
    one.press("q")
    ended(one)
    assert decided() == {REF: "accepted"}


def test_a_terminal_without_commands_is_asked_by_the_line(opened):
    one = opened("WIDE", rows=16, TERM="dumb")
    one.press("s\r", "-- c0")
    one.press("n too vague\r", "-- c1")
    one.press("?\r", "Enter for more")
    one.press("\r", "By the line")
    one.press("q\r")
    ended(one)
    assert "\x1b" not in one.sent
    assert decided() == {ColumnRef("s.wide", "c0"): "rejected"}


def test_an_editor_writes_the_text(opened, tmp_path):
    editor = tmp_path / "editor.sh"
    editor.write_text('#!/bin/sh\nprintf "Words of the editor.\\n" > "$1"\n', encoding="utf-8")
    editor.chmod(0o755)
    one = opened(VISUAL=str(editor))
    one.press("e", "-- buyer")
    one.press("q")
    ended(one)
    assert suggestions()[REF].text == "Words of the editor."


def test_an_editor_that_cannot_be_used_is_named_and_the_question_stays(opened):
    one = opened(EDITOR="no-such-editor")
    one.press("e", "the editor could not be used")
    one.press("y", "-- buyer")
    one.press("q")
    ended(one)
    assert suggestions()[REF].state == "accepted"
