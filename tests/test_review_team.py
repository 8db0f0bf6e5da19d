"""The review page on a team's ledger: the same page on SQLite, PostgreSQL and MariaDB, several people at work at once."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy

from docgen_plugin.ledger_rows import decide_rows
from docgen_plugin.migrations import SORT_CHARS
from docgen_plugin.model import Column, ColumnRef, Suggestion, Table
from docgen_plugin.store import Decision, Ledger
from tests.fakes import FakeModel, Shop, registered
from tests.review_pages import Visitor, served
from tests.servers import execute
from tests.test_cli import docgen

TOKENS = {"ann": "ann-ann-ann-ann-ann", "Ann": "Ann-Ann-Ann-Ann-Ann", "bob": "bob-bob-bob-bob-bob"}
LONG = "s." + "long_name_" * (SORT_CHARS // 10)  # longer than what an index has of it
ORDERS = Table(
    "s.orders", "orders", schema="s", path="models/marts/orders.yml", owner="Verkäufe",
    columns=tuple(Column(name, "text") for name in ("order_ref", "buyer", "x7", "state")),
)  # fmt: skip
SHOUTED = Table("s.ORDERS", "ORDERS", schema="s", columns=(Column("total", "int"),))
WIDE = Table("s.wide", "wide", schema="s", columns=tuple(Column(f"due_{n}_date", "date") for n in range(40)))
TWINS = tuple(
    Table(f"{LONG}{n}", "long", columns=(Column("day", "date"),), path="a_b/_m.yml") for n in (1, 2)
)
REF, BUYER, STATE = (ColumnRef("s.orders", name) for name in ("order_ref", "buyer", "state"))


@pytest.fixture(params=["sqlite", "postgres", "mariadb"])
def location(request, tmp_path):
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/l.db"
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def page(location, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCGEN_DICTIONARY", "hint")
    auth = tmp_path / "who"
    auth.write_text("".join(f"{name}: {token}\n" for name, token in TOKENS.items()), encoding="utf-8")
    with registered(Shop(ORDERS, SHOUTED, WIDE, *TWINS)), registered(FakeModel()):
        docgen("suggest", "shop", "--ledger", location)
        with served("shop", location, auth=auth) as page:
            yield page


def people(page):
    return [page.reviewer(token) for token in TOKENS.values()]


def suggestion(location, ref):
    with Ledger(location) as ledger:
        found = ledger.row("shop", ref)
    assert found is not None
    return found.suggestion


def numbers(reply):
    """Return the number of each link at the top of the page."""
    return {
        name: int(number.replace(",", ""))
        for number, name in re.findall(r"<b>([\d,]+)</b> ([a-z ]+)", reply.text)
    }


FILTERS = {
    "": 52, "state=suggested": 52, "state=accepted": 0, "origin=unclear": 1, "q=BUYER": 1, "q=due_1": 11, "q=%25": 0,
    "owner=Verk%C3%A4ufe": 5, "owner=verk%C3%A4ufe": 0, "folder=models": 5, "folder=a_b": 4, "folder=aXb": 0,
    "min=0.99": 0, "table=s.orders": 5, "table=s.ORDERS": 2, f"table={LONG}1": 2, "order=newest": 52,
    "order=confidence&q=due_1": 11, "order=newest&folder=a_b&state=suggested": 4,
}  # fmt: skip


def test_filters_leave_the_same_everywhere(page):
    visitor = page.reviewer(TOKENS["ann"])
    found = {}
    for query in FILTERS:
        reply = visitor.get(f"/list?{query}")
        told = re.search(r"([\d,]+) through this filter", reply.text)
        found[query] = int(told[1]) if told else reply.text
        assert reply.text.count('class="place"') == min(50, FILTERS[query]), query
    assert found == FILTERS


def test_pages_follow_each_other_and_numbers_are_of_each_table(page):
    visitor, seen, link = page.reviewer(TOKENS["ann"]), [], "/list?order=confidence"
    while link:
        text = visitor.get(link).text
        seen += re.findall(r'id="(p[0-9a-f]{20})"', text)
        following = re.search(r'rel="next" href="([^"]+)"', text)
        link = following[1].replace("&amp;", "&") if following else ""
    assert len(seen) == len(set(seen)) == 52
    open_ones = {key: counts["suggested"] for key, counts in page.desk.tally().by_table.items()}
    assert open_ones == {"s.orders": 5, "s.ORDERS": 2, "s.wide": 41, f"{LONG}1": 2, f"{LONG}2": 2}


def test_decisions_and_undo_are_each_reviewer_s_own(page, location):
    ann, other, bob = people(page)
    assert ann.decide(REF, 1, "accept").said == "accepted s.orders.order_ref"
    assert bob.decide(BUYER, 1, "edit", text="Käufer 🙂").said == "edited s.orders.buyer"
    assert bob.decide(STATE, 1, "reject", why="too vague").said == "rejected s.orders.state"
    assert "it is accepted by ann now" in bob.decide(REF, 1, "reject").said
    assert other.post("/undo").said == "nothing of yours to take back"  # "Ann" is not "ann"
    assert [suggestion(location, ref).reviewer for ref in (REF, BUYER, STATE)] == ["ann", "bob", "bob"]
    assert suggestion(location, BUYER).text == "Käufer 🙂"
    assert bob.post("/undo").said == "took back s.orders.state"
    assert bob.decide(BUYER, 2, "undo").said == "took back s.orders.buyer"
    assert [suggestion(location, ref).state for ref in (REF, BUYER, STATE)] == [
        "accepted", "suggested", "suggested"
    ]  # fmt: skip
    assert numbers(bob.get("/"))["accepted"] == 1


def test_a_bulk_accept_takes_what_was_shown_and_is_undone_as_one(page, location):
    ann, _, bob = people(page)
    assert "Accept 4 suggestions?" in ann.get("/accept?table=s.orders", hx_request="true").text
    bob.decide(REF, 1, "reject")
    assert "there are 3 now, not 4: look again" in ann.post("/accept?table=s.orders", number=4).said
    assert ann.post("/accept?table=s.orders", number=3).said == "accepted 3 suggestions"
    assert bob.decide(BUYER, 2, "edit", text="Who buys.").said == "edited s.orders.buyer"
    assert ann.post("/undo").said == "took back 2 decisions"  # what bob made of the third stands
    assert (suggestion(location, BUYER).text, suggestion(location, STATE).state) == ("Who buys.", "suggested")


def test_two_at_once_lose_no_decision(page, location):
    ann, _, bob = people(page)
    refs = [ColumnRef("s.wide", column.name) for column in WIDE.columns[::2]]

    def turn(one):
        who, ref = one
        if ref is None:
            return who, ref, who.post("/accept?table=s.wide&origin=generated", number=41)
        return who, ref, who.decide(ref, 1, "edit", text=f"{'ann' if who is ann else 'bob'}'s words.")

    tries: list[tuple[Visitor, ColumnRef | None]] = [(who, ref) for ref in refs for who in (ann, bob)]
    tries.insert(0, (ann, None))
    tries.insert(1, (bob, None))
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(turn, tries))
    assert all(reply.status in (200, 204) for _, _, reply in replies), replies
    with Ledger(location) as ledger:
        for ref in refs:
            won = [who for who, at, reply in replies if at == ref and reply.said.startswith("edited")]
            story, found = ledger.history("shop", ref), suggestion(location, ref)
            assert len(won) == (found.state == "edited")
            assert len(story) == 1 + (found.state != "suggested")
            assert story[-1].who == found.reviewer
            assert not won or found.text == f"{'ann' if won == [ann] else 'bob'}'s words."


def test_progress_of_others_is_seen_even_what_comes_late(page, location):
    ann = page.reviewer(TOKENS["ann"])

    def pulse(mark):
        reply = ann.get(f"/pulse?mark={mark}")
        found = re.search(r"mark=(\d+)", reply.text)
        return reply, found[1] if found else mark

    reply, mark = pulse(0)
    assert numbers(reply) == {"open": 52, "of them unclear": 1, "accepted": 0, "rejected": 0, "applied": 0}
    assert pulse(mark)[0].status == 204
    with Ledger(location) as ledger:
        ledger.add("shop", [Suggestion(ColumnRef("s.orders", "later"), "Later.")])
        reply, mark = pulse(mark)
        assert numbers(reply)["open"] == 53
        late, soon = (ledger.row("shop", ref) for ref in (REF, BUYER))
        assert late is not None
        assert soon is not None
        if location.startswith("sqlite"):
            return  # one writer at a time: nothing comes late
        with Ledger(location) as slow, slow._database.writing() as connection:
            list(decide_rows(connection, "shop", [Decision(late, "accepted", "slow")], ""))
            ledger.decide("shop", [Decision(soon, "accepted", "bob")])
            reply, mark = pulse(mark)
            assert numbers(reply)["accepted"] == 1
    reply, mark = pulse(mark)
    assert numbers(reply)["accepted"] == 2
    assert pulse(mark)[0].status == 204


@pytest.mark.parametrize("location", ["postgres", "mariadb"], indirect=True)  # a file has no connections
def test_connections_that_the_server_closed_are_opened_again(page, location, request):
    ann = page.reviewer(TOKENS["ann"])
    with ThreadPoolExecutor(4) as pool:
        assert {reply.status for reply in pool.map(ann.get, ["/list"] * 8)} == {200}
    if location.startswith("postgres"):
        server = request.getfixturevalue("postgres_server")
        server.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'docgen'")
    else:
        server = request.getfixturevalue("mariadb_server")
        server.execute("KILL USER docgen@'127.0.0.1'")
    for _ in range(4):
        assert ann.get("/list").status == 200
    assert ann.decide(REF, 1, "accept").said == "accepted s.orders.order_ref"


@pytest.mark.parametrize("location", ["postgres"], indirect=True)
def test_a_ledger_that_is_gone_is_a_line_and_comes_back(page, location, request):
    server = request.getfixturevalue("postgres_server")
    ann, name = page.reviewer(TOKENS["ann"]), sqlalchemy.make_url(location).database
    server.execute(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    reply = ann.decide(REF, 1, "accept")
    assert (reply.status, "the ledger cannot be used" in reply.said) == (409, True)
    assert "s3cret" not in reply.said
    server.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert ann.decide(REF, 1, "accept").said == "accepted s.orders.order_ref"


@pytest.mark.slow
def test_texts_of_a_mariadb_ledger_go_into_a_postgres_warehouse(
    postgres_url, mariadb_url, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    execute(postgres_url, "create table parcels (parcel_ref int primary key, left_at timestamp)")
    with registered(FakeModel()):
        docgen("suggest", postgres_url, "--ledger", mariadb_url)
        with served(postgres_url, mariadb_url) as page:
            ann = page.reviewer()
            where = ColumnRef(page.desk.shown.tables[0].key, "left_at")
            assert (
                ann.decide(where, 1, "edit", text='When it left the dépôt; it\'s "local" time.').status == 200
            )
            shown = ann.get("/preview", hx_request="true").text
            digest = re.search(r'name="digest" value="([0-9a-f]+)"', shown)
            assert digest is not None
            assert ann.post("/write", digest=digest[1]).said == "wrote 1 description"
            assert numbers(ann.get("/"))["applied"] == 1
    engine = sqlalchemy.create_engine(postgres_url)
    (column,) = [one for one in sqlalchemy.inspect(engine).get_columns("parcels") if one["name"] == "left_at"]
    engine.dispose()
    assert column["comment"] == 'When it left the dépôt; it\'s "local" time.'
