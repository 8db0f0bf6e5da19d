"""The review in the terminal, its answers from a pipe; what a window shows is in test_review_window."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from docgen_plugin import store
from docgen_plugin.ledger_rows import row_of
from docgen_plugin.model import Column, ColumnRef, ForeignKey, Lineage, Suggestion, Table
from docgen_plugin.review import keyboard
from docgen_plugin.review.screen import PlaceShown, composed
from docgen_plugin.store import Decision, Ledger, Row
from tests.fakes import FakeModel, Shop, registered
from tests.hostile import HOSTILE
from tests.test_cli import docgen

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


def hostile_table():
    """Return a table whose every name and text tries to be something else."""
    texts = [text for text in HOSTILE if text.strip()]
    columns = tuple(
        Column(text, texts[number - 1], primary_key=True, values=(text,), foreign_key=ForeignKey(text, text))
        for number, text in enumerate(texts)
    )
    return Table(HOSTILE[0] + "\x1b[2J", HOSTILE[0], owner=HOSTILE[5], path=HOSTILE[9], columns=columns)


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


def history(ref):
    with Ledger(Path(".docgen") / "ledger.db") as ledger:
        return ledger.history("shop", ref)


def decided():
    return {ref: state for ref, state in states().items() if state != "suggested"}


REASONED = {
    "n": "",
    "n 3": "too vague",
    "n not how we say it": "not how we say it",
    "n 2024 is no year of ours": "2024 is no year of ours",
    "n 9": "9",
    "n \N{SUPERSCRIPT TWO}": "\N{SUPERSCRIPT TWO}",
}


@pytest.mark.parametrize("line", REASONED)
def test_a_rejection_keeps_its_reason(shop, line):
    review(line, "q")
    last = history(REF)[-1]
    assert (last.new_state, last.why) == ("rejected", REASONED[line])


def test_words_behind_a_letter_that_takes_none_are_no_answer(shop):
    shown = review("y es", "a ll", "u ndo", "q uit", "x", "q")
    assert shown.count("y - accept this suggestion") == 5
    assert not decided()


def test_an_edit_in_one_line(shop):
    review("e My own words.", "q")
    assert found(REF).suggestion.text == "My own words."


def test_a_text_that_no_catalog_can_keep_is_asked_again(shop):
    assert "control characters" in review("e a\x07b", "y", "q")
    assert decided() == {REF: "accepted"}


def test_back_and_forth(shop):
    shown = review("p", "s", "y", "p", "p", "n", "s", "q")
    assert "this is the first" in shown
    order = [line.split()[1] for line in shown.splitlines() if line.startswith("-- ")]
    # what was decided is passed over on the way forth, and found on the way back
    assert order == ["order_ref", "buyer", "x7", "buyer", "order_ref", "x7", "state"]
    assert decided() == {REF: "rejected", BUYER: "accepted"}
    assert "1 accepted, 1 rejected, 1 skipped" in shown


def test_back_over_the_border_of_a_table(shop):
    shown = review("a", "k", "n", "q")
    assert shown.count("== s.orders (") == 2
    assert decided() == {REF: "accepted", BUYER: "accepted", STATE: "rejected"}


def test_undo_takes_back_the_latest_again_and_again(shop):
    shown = review("y", "n", "u", "e Words.", "u", "u", "u", "q")
    assert not decided()
    assert shown.count("took back s.orders.buyer") == 2
    assert "took back s.orders.order_ref" in shown
    assert "nothing of yours to take back" in shown
    assert "nothing decided" in shown


def test_undo_takes_back_a_bulk_action_as_one_and_nobody_elses(shop, monkeypatch):
    shown = review("y", "a", "u", "q")
    assert "accepted 2 suggestions; u takes them back" in shown
    assert "took back 2 decisions" in shown
    assert decided() == {REF: "accepted"}
    monkeypatch.setenv("DOCGEN_REVIEWER", "bob")
    assert "nothing of yours to take back" in review("u", "q")
    assert decided() == {REF: "accepted"}


def test_undo_in_a_review_of_decisions(shop):
    review("y", "q")
    shown = docgen("review", "shop", "--state", "accepted", input="u\ny\n").stdout
    assert "took back s.orders.order_ref" in shown
    assert decided() == {REF: "accepted"}


ALL_OF = {
    "all": (("A", "y"), "accept 5 open suggestions of all tables; 1 unclear are left?", 5),
    "no": (("A", "n"), "nothing was accepted", 0),
    "end of input": (("A",), "nothing was accepted", 0),
    "above a confidence": (("A 0.85", "y"), "of confidence:>=0.85", None),
    "of a filter": (("/table:*lines", "A", "y"), "accept 2 open suggestions of table:*lines?", 2),
    "nothing so sure": (("A 1",), "nothing open is meant by confidence:>=1.0", 0),
    "a most is no least": (("A <0.9", "y"), "takes the least confidence", 1),
    "no number": (("A much", "y"), "is none of >0.8", 1),
    "words": (("A 0.9 and more", "y"), "takes the least confidence", 1),
}


@pytest.mark.parametrize("case", ALL_OF)
def test_all_of_the_filter_is_accepted_after_asking(shop, case):
    lines, told, number = ALL_OF[case]
    with Ledger(Path(".docgen") / "ledger.db") as ledger:
        sure = {row.suggestion.ref for row in ledger.rows("shop") if row.suggestion.confidence >= 0.85}
    assert 0 < len(sure) < 5
    assert told in review(*lines)
    assert len(decided()) == (len(sure) if number is None else number)
    if number is None:
        assert decided().keys() == sure
    if len(decided()) > 1:
        assert len({history(ref)[-1].batch for ref in decided()}) == 1


def test_accepting_all_leaves_a_review_that_has_no_open_ones(shop):
    review("y", "q")
    assert "the filter leaves that out: state:accepted" in again("accepted", "A", "q")
    assert decided() == {REF: "accepted"}


def test_a_filter_narrows_and_a_bad_one_changes_nothing(shop):
    shown = review("/origin:unclear", "/nosuch:x", "/model:other", "/", "q")
    assert "-- x7  (1 of 1)" in shown
    assert "filter: 'nosuch:' is unknown" in shown
    assert "no suggestion is meant by model:other; the filter stays as it was" in shown
    assert shown.count("-- order_ref  (1 of 6)") == 2


def test_a_filter_counts_what_it_leaves_and_not_what_was_decided_before(shop):
    shown = review("y", "n", "/s.orders", "y", "p", "q")
    assert shown.count("-- x7  (1 of 2)") == 2


def test_every_state_can_be_shown_and_only_what_can_be_is_decided(shop):
    review("y", "n", "q")
    docgen("apply", "shop")
    shown = review("/state:all", "n", "a", "q")
    assert "is applied, and cannot be rejected any more" in shown
    assert {ref: state for ref, state in decided().items() if ref.table == "s.orders"} == {
        REF: "applied",
        BUYER: "accepted",
        STATE: "accepted",
    }


def test_the_filter_option(shop):
    def of(verb, *options, code=0, **more):
        return docgen(verb, "shop", *options, code=code, **more)

    shown = of("review", "--filter", "qty", input="y\n").stdout
    assert "(1 of 1)" in shown
    assert decided() == {QTY: "accepted"}
    assert "no suggestion is meant by state:suggested qty" in of("review", "--filter", "qty").stdout
    assert "filter: 'stat:' is unknown" in of("review", "--filter", "stat:x", code=1).stderr
    assert "no table matches 'x*'" in of("review", "--filter", "table:x*", code=1).stderr
    assert "(1 of 1)" in of("review", "--filter", "state:accepted", input="q\n").stdout
    said = of("review", "--filter", "state:open", "--state", "accepted", code=2).stderr
    assert "--state and state: in --filter say the same" in said
    assert (
        "--filter belongs to the review in the terminal"
        in of("review", "--filter", "x", "--web", code=2).stderr
    )


def test_accept_takes_a_filter(shop):
    assert "leave state: out" in docgen("accept", "shop", "--filter", "state:rejected", code=2).stderr
    docgen("accept", "shop", "--filter", "table:*lines recorded")
    assert decided().keys() == {TABLE, QTY}
    docgen("accept", "shop", "--filter", "origin:unclear", "--include-unclear", "--select", "*.x7")
    assert decided().keys() == {TABLE, QTY, OPAQUE}


def test_history_context_and_another_text(shop):
    shown = review("n too vague", "p", "h", "c", "v", "r what the shop calls it", "t", "q")
    assert "rejected by" in shown
    assert "- too vague" in shown
    assert "what fake@1 is given:" in shown
    assert "this model does not show its prompt" in shown
    assert "the model says the same again" in shown


def test_another_text_is_kept_as_an_edit_when_it_is_taken(shop):
    review("e My words.", "p", "r a hint", "no", "r a hint", "t", "q")
    now, last = found(REF).suggestion, history(REF)[-1]
    assert (now.state, now.text) == ("edited", "The order reference as recorded for the order.")
    assert last.why == "asked fake@1 again, told: a hint"


def test_what_vanished_from_the_source_is_passed_over(shop):
    shop.tables["s.orders"] = replace(ORDERS, columns=ORDERS.columns[1:])
    shown = review("s", "s", "s", "q")
    assert "order_ref" not in shown
    assert "-- buyer  (1 of 5)" in shown
    assert states()[REF] == "stale"


def test_a_start_reads_one_table_and_not_the_ledger(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = tuple(Column(f"c{number}", "int") for number in range(10))
    many = [Table(f"s.t{number:03}", f"t{number:03}", schema="s", columns=columns) for number in range(60)]
    with registered(Shop(*many)), registered(FakeModel()):
        docgen("suggest", "shop")
        read = []

        def counted(found):
            read.append(found)
            return row_of(found)

        monkeypatch.setattr(store, "row_of", counted)
        assert "(1 of 660)" in review("q")
        assert len(read) <= 3 * 11


def test_names_and_texts_show_as_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCGEN_REVIEWER", HOSTILE[-1])
    table = hostile_table()
    with registered(Shop(table)), registered(FakeModel()):
        docgen("suggest", "shop")
        with Ledger(Path(".docgen") / "ledger.db") as ledger:
            rows = list(ledger.rows("shop"))
            texts = iter(HOSTILE)
            ledger.decide(
                "shop", [Decision(row, "edited", next(texts, "x"), next(texts, "x")) for row in rows]
            )
        lines = ["/state:all", *("h\nv\ns" for _ in rows), "q"]
        shown = review(*lines)
    assert len(rows) > 200
    strange = {char for char in shown if not char.isprintable() and char != "\n"}
    assert strange == set()


@pytest.mark.parametrize(
    ("columns", "rows"), [(80, 24), (79, 23), (40, 10), (20, 6), (5, 3), (1, 1), (200, 60)]
)
def test_a_screen_never_is_larger_than_the_window(columns, rows):
    table = hostile_table()
    for number, text in enumerate(HOSTILE):
        column = table.columns[number % len(table.columns)].name
        ref = ColumnRef(table.key, column if number % 9 else "")
        suggestion = Suggestion(ref, text, evidence=text, origin="generated", reviewer=text, state="edited")
        shown = PlaceShown(table, Row(suggestion, 1), text, "3 of 120", {}, text if number % 2 else "")
        lines = composed(shown, columns, rows, [text] if number % 3 else [])
        assert len(lines) <= rows
        if columns >= 20:
            assert max(map(cell_len, lines)) <= columns
        assert all(line.isprintable() for line in lines)


def test_a_screen_shows_the_place_whatever_the_size():
    columns = tuple(Column(f"column_{number}", "integer") for number in range(2000))
    table = Table("s.wide", "wide", schema="s", description="Wide. " * 400, columns=columns)
    text = "What it is. " * 400
    for number in (0, 1, 999, 1999):
        row = Row(Suggestion(ColumnRef("s.wide", f"column_{number}"), text), 1)
        for rows in (6, 10, 24, 60):
            lines = composed(PlaceShown(table, row, "standing " * 300, "7 of 9"), 79, rows, ["a note"])
            assert f"-- column_{number}  (7 of 9)" in lines
            assert any(line.startswith(" > What it is.") or line.startswith(" > ...") for line in lines)
            assert "a note" in lines
        assert f" > column_{number}" in "\n".join(lines)


def newer(path):
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO docgen_version VALUES (99, '2030-01-01 00:00:00')")


def test_a_ledger_of_a_newer_version_is_one_line(shop):
    newer(Path(".docgen") / "ledger.db")
    said = docgen("review", "shop", input="y\n", code=1).stderr
    assert "the ledger is of version 99, this docgen knows" in said
    assert "upgrade docgen-plugin" in said
    assert len(said.splitlines()) == 1


def test_a_locked_ledger_is_one_line(shop, monkeypatch):
    monkeypatch.setattr("docgen_plugin.database._BUSY_TIMEOUT_S", 0.1)
    with sqlite3.connect(Path(".docgen") / "ledger.db", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        said = docgen("review", "shop", input="y\nn\n", code=1).stderr
        other.execute("ROLLBACK")
    assert "the ledger is locked by another process; try again when it is done" in said
    assert len(said.splitlines()) == 1
    assert not decided()


def test_a_ledger_that_cannot_be_written_is_one_line(shop):
    place = (Path(".docgen") / "ledger.db").resolve()
    url = f"sqlite:///file:{place}?mode=ro&uri=true"
    said = docgen("review", "shop", "--ledger", url, input="y\nn\n", code=1).stderr
    assert "the ledger is read-only; change its rights or name another with --ledger" in said
    assert len(said.splitlines()) == 1
    assert not decided()


def test_a_ledger_that_vanishes_meanwhile_is_one_line(shop, monkeypatch):
    command = keyboard.Lines.command

    def gone(lines, prompt):
        (Path(".docgen") / "ledger.db").unlink()
        return command(lines, prompt)

    monkeypatch.setattr(keyboard.Lines, "command", gone)
    said = docgen("review", "shop", input="y\nn\n", code=1).stderr
    assert "it was there before; put it back" in said
    assert len(said.splitlines()) == 1


def test_a_source_that_vanished_is_one_line(tmp_path):
    (tmp_path / ".docgen").mkdir()
    for source in (str(tmp_path / "gone"), f"sqlite:///{tmp_path / 'gone.db'}"):
        said = docgen("review", source, input="y\n", code=1).stderr
        assert "gone" in said
        assert len(said.splitlines()) == 1
