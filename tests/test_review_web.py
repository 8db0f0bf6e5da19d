"""The review page by plain requests: who is let in, what decisions do, and what goes wrong in a line."""

from __future__ import annotations

import os
import re
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
import sqlalchemy

from docgen_plugin.alternatives import alternative
from docgen_plugin.config import Config
from docgen_plugin.errors import ConfigError, SourceError
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model import Column, ColumnRef, ForeignKey, Table
from docgen_plugin.review.access import digest_of, read_reviewers
from docgen_plugin.review.server import Address, check
from docgen_plugin.review.views import asked, folders
from docgen_plugin.store import Decision, Filter, Ledger
from tests.fakes import FakeGenerator, FakeModel, Shop, registered
from tests.hostile import HOSTILE
from tests.journeys import started
from tests.review_pages import Visitor, served
from tests.test_cli import docgen

ORDERS = Table(
    "s.orders", "orders", schema="s", path="models/marts/orders.yml", owner="sales",
    columns=(
        Column("order_ref", "integer", primary_key=True),
        Column("buyer", "integer", not_null=True, foreign_key=ForeignKey("customers", "id")),
        Column("x7", "text"),
        Column("state", "text", values=("open", "paid")),
        Column("known", "text", description="Stands already."),
    ),
)  # fmt: skip
LINES = Table(
    "s.lines", "lines", schema="s", columns=(Column("qty", "int"),), path="models/staging/lines.yml"
)
REF, BUYER, OPAQUE, STATE = (ColumnRef("s.orders", name) for name in ("order_ref", "buyer", "x7", "state"))
QTY = ColumnRef("s.lines", "qty")
TOKENS = {"ann": "ann-ann-ann-ann-ann", "bob": "bob-bob-bob-bob-bob"}


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DOCGEN_DICTIONARY", "hint")
    with registered(Shop(ORDERS, LINES)) as plugin, registered(FakeModel()):
        docgen("suggest", "shop")
        yield plugin


@pytest.fixture
def ledger(tmp_path):
    return tmp_path / ".docgen" / "ledger.db"


@pytest.fixture
def page(shop, ledger):
    with served("shop", ledger, offer=("other",)) as page:
        yield page


def row(ledger, ref):
    with Ledger(ledger, create=False) as opened:
        found = opened.row("shop", ref)
    assert found is not None
    return found


def state(ledger, ref):
    return row(ledger, ref).suggestion.state


def test_without_the_token_nothing_is_shown(page):
    stranger = Visitor(page.port)
    for path in (
        "/",
        "/table?key=s.orders",
        "/static/review.js",
        "/pulse",
        "/apply",
        "/?token=wrong",
        "/?token=",
    ):
        reply = stranger.get(path)
        assert (reply.status, "s.orders" in reply.text) == (403, False), path
    assert stranger.get("/", cookie=f"docgen_{page.port}=wrong").status == 403
    assert stranger.ask("POST", "/undo", "key=x").status == 403


def test_the_link_becomes_a_cookie_and_a_clean_address(page):
    reply = Visitor(page.port).get(f"/table?key=s.orders&token={page.token}")
    assert reply.status == 303
    assert reply.headers["location"] == "/table?key=s.orders"
    cookie = reply.headers["set-cookie"]
    assert cookie.startswith(f"docgen_{page.port}=")
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert (
        Visitor(page.port).get(f"//evil.example/?token={page.token}").headers["location"] == "/evil.example/"
    )


HOSTS = (
    "evil.example",
    "127.0.0.1",
    "127.0.0.1:1",
    "evil.example:{port}",
    "127.0.0.1:{port}.evil.example",
    "localhost:{port}@evil.example",
)


@pytest.mark.parametrize("host", HOSTS)
def test_another_host_is_refused_even_with_the_token(page, host):
    visitor = page.reviewer()
    assert visitor.get("/", host=host.format(port=page.port)).status == 421
    assert visitor.get(f"/?token={page.token}", host=host.format(port=page.port)).status == 421
    assert visitor.get("/", host=f"LocalHost:{page.port}").status == 200


FORGED = {
    "another origin": {"origin": "http://evil.example"},
    "no origin of a file": {"origin": "null"},
    "another port": {"origin": "http://127.0.0.1:1"},
    "https": {"origin": "https://127.0.0.1:{port}"},
    "another site": {"sec_fetch_site": "cross-site"},
    "same site, other origin": {"sec_fetch_site": "same-site"},
    "neither said": {"origin": "", "sec_fetch_site": ""},
    "no length": {"content_length": "x"},
    "too long": {"content_length": "9999999"},
    "json": {"content_type": "application/json"},
    "plain text": {"content_type": "text/plain"},
    "several parts": {"content_type": "multipart/form-data; boundary=x"},
}  # fmt: skip


@pytest.mark.parametrize("case", FORGED)
def test_a_request_that_another_site_made_changes_nothing(page, ledger, case):
    visitor = page.reviewer()
    headers = {name: value.format(port=page.port) for name, value in FORGED[case].items()}
    body = f"key={visitor.key}&table=s.orders&column=order_ref&version=1&do=accept"
    assert visitor.ask("POST", "/decide", body, **headers).status in (400, 403, 413, 415)
    assert state(ledger, REF) == "suggested"
    assert (
        visitor.ask("POST", "/decide", body, origin="").status == 303
    )  # a browser that says only where it was fetched from
    assert state(ledger, REF) == "accepted"


@pytest.mark.parametrize("key", ["", "0" * 64])
def test_a_form_without_the_page_s_key_changes_nothing(page, ledger, key):
    visitor = page.reviewer()
    visitor.key = key
    assert visitor.decide(REF, 1, "accept").status == 403
    assert state(ledger, REF) == "suggested"


def test_every_answer_has_the_policy_and_is_kept_by_nobody(page):
    visitor = page.reviewer()
    for reply in (
        visitor.get("/"),
        visitor.get("/nosuch"),
        Visitor(page.port).get("/"),
        visitor.get("/", host="x"),
    ):
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert reply.headers["x-content-type-options"] == "nosniff"
        assert reply.headers["cache-control"] == "no-store"
        assert "server" not in reply.headers
    for path in (
        "/",
        "/table?key=s.orders",
        "/list",
        "/apply",
        "/preview",
        "/about?table=s.orders&column=buyer",
    ):
        text = visitor.get(path).text
        assert not re.search(
            r"<script(?![^>]*\ssrc=)|\son\w+=|<style|\sstyle=|javascript:|https?://", text
        ), path


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_not_known(page, method):
    assert page.reviewer().ask(method, "/").status == 405


def test_pages_say_what_is_there(page):
    visitor = page.reviewer()
    tables = visitor.get("/").text
    assert all(
        text in tables for text in ("s.orders", "s.lines", "models/marts/orders.yml", "sales", "1 unclear")
    )
    table = visitor.get("/table?key=s.orders").text
    assert all(
        text in table
        for text in ("primary key", "→ customers.id", "not null", "<code>paid</code>", "Stands already.")
    )
    assert visitor.get("/table?key=nosuch").status == 404
    about = visitor.get("/about?table=s.orders&column=buyer", hx_request="true").text
    assert "does not show its prompt" in about  # the stand-in has none
    assert "suggested" in about


FILTERS = {
    "": 7, "state=suggested": 7, "state=accepted": 0, "origin=unclear": 1, "q=BUYER": 1, "q=%25": 0, "owner=sales": 5, "folder=models/staging": 2,
    "folder=models": 7, "min=0.99": 0, "max=0.1": 1, "table=s.lines": 2, "state=suggested&state=accepted&origin=generated": 6, "q=": 7,
}  # fmt: skip


@pytest.mark.parametrize("query", FILTERS)
def test_filters(page, query):
    visitor = page.reviewer()
    assert f"{FILTERS[query]} through this filter" in visitor.get(f"/list?{query}").text
    assert asked([]).wanted == Filter()


BAD_QUERIES = {
    "state=nosuch": "filter state: 'nosuch' is none of suggested", "origin=x": "is none of generated", "min=lots": "wants a number from 0 to 1",
    "min=nan": "wants a number", "max=7": "wants a number", "order=x": "is none of table", "after=x": "is no place in the order",
    "after=%5B%22table%22%5D": "is no place in the order", "before=%00": "is no place",
}  # fmt: skip


@pytest.mark.parametrize("query", BAD_QUERIES)
def test_a_filter_that_cannot_be_is_named(page, query):
    import html

    reply = page.reviewer().get(f"/list?{query}")
    assert reply.status == 409
    assert BAD_QUERIES[query] in html.unescape(reply.text)


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=x", "page=999999999999", "from=x", "order=%00", "q=" + "x" * 5000]
)
def test_a_page_that_is_not_there_is_the_nearest(page, query):
    assert page.reviewer().get(f"/?{query}").status == 200
    assert page.reviewer().get(f"/table?key=s.orders&{query}").status == 200


def test_decisions_are_kept_with_who_made_them(page, ledger):
    ann = page.reviewer()
    assert ann.decide(REF, 1, "accept").said == "accepted s.orders.order_ref"
    assert ann.decide(BUYER, 1, "edit", text="  Who\r\nbuys.  ").said == "edited s.orders.buyer"
    assert ann.decide(STATE, 1, "reject", why="too vague").said == "rejected s.orders.state"
    assert (row(ledger, REF).suggestion.state, row(ledger, REF).suggestion.reviewer) == ("accepted", "ann")
    assert (row(ledger, BUYER).suggestion.state, row(ledger, BUYER).suggestion.text) == (
        "edited",
        "Who\nbuys.",
    )
    with Ledger(ledger, create=False) as opened:
        assert opened.history("shop", STATE)[-1].why == "too vague"
    assert ann.decide(STATE, 2, "undo").said == "took back s.orders.state"
    assert state(ledger, STATE) == "suggested"


REFUSED = {
    "another version": (REF, 7, "accept", {}, "changed meanwhile"),
    "no version": (REF, -1, "accept", {}, "changed meanwhile"),
    "an empty text": (REF, 1, "edit", {"text": " \r\n "}, "an empty text is not kept"),
    "no text": (REF, 1, "edit", {}, "an empty text is not kept"),
    "terminal commands": (REF, 1, "edit", {"text": "a\x1b[2J"}, "control characters"),
    "a zero byte": (REF, 1, "edit", {"text": "a\x00b"}, "control characters"),
    "no such decision": (REF, 1, "drop", {}, "no decision"),
    "no such place": (ColumnRef("s.orders", "nosuch"), 1, "accept", {}, "no suggestion any more"),
    "nothing to undo": (REF, 1, "undo", {}, "nothing to take back"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_decided_is_said_and_changes_nothing(page, ledger, case):
    ref, version, do, more, said = REFUSED[case]
    assert said in page.reviewer().decide(ref, version, do, **more).said
    assert (row(ledger, REF).version, state(ledger, REF)) == (1, "suggested")


def test_an_edit_that_changes_nothing_accepts(page, ledger):
    ann = page.reviewer()
    ann.decide(REF, 1, "edit", text=row(ledger, REF).suggestion.text)
    assert state(ledger, REF) == "accepted"
    assert "accepted already" in ann.decide(REF, 2, "accept").said


def test_someone_else_s_decision_stands_and_is_shown(page, ledger):
    ann = page.reviewer()
    with Ledger(ledger) as other:
        other.decide("shop", [Decision(row(ledger, REF), "rejected", "bob")])
    reply = ann.decide(REF, 1, "accept")
    assert "it is rejected by bob now" in reply.said
    assert 'class="pill rejected"' in reply.text
    assert state(ledger, REF) == "rejected"


def test_bulk_accept_needs_the_number_and_is_taken_back_as_one(page, ledger):
    ann = page.reviewer()
    asked_for = ann.get("/accept?table=s.orders", hx_request="true").text
    assert "Accept 4 suggestions?" in asked_for
    assert "1 unclear one is" in asked_for
    assert "there are 4 now, not 3" in ann.post("/accept?table=s.orders", number=3).said
    assert "there are 4 now" in ann.post("/accept?table=s.orders", number="x").said
    assert state(ledger, REF) == "suggested"
    assert ann.post("/accept?table=s.orders", number=4).said == "accepted 4 suggestions"
    assert (state(ledger, REF), state(ledger, OPAQUE), state(ledger, QTY)) == (
        "accepted",
        "suggested",
        "suggested",
    )
    ann.decide(QTY, 1, "accept")
    assert ann.post("/undo").said == "took back s.lines.qty"
    assert ann.post("/undo").said == "took back 4 decisions"
    assert ann.post("/undo").said == "nothing of yours to take back"
    assert state(ledger, REF) == "suggested"


@pytest.mark.parametrize("query", ["origin=unclear", "state=rejected", "q=nosuch", "min=1"])
def test_a_filter_that_leaves_nothing_accepts_nothing(page, ledger, query):
    ann = page.reviewer()
    assert "Nothing to accept" in ann.get(f"/accept?{query}", hx_request="true").text
    ann.post(f"/accept?{query}", number=0)
    with Ledger(ledger) as opened:
        assert opened.count("shop", Filter(states=("accepted",))) == 0


def test_another_text_is_shown_and_recorded_only_when_taken(page, ledger):
    ann = page.reviewer()
    reply = ann.post("/again", table="s.orders", column="buyer", hint="who paid", model="other")
    assert "fake@1 says" in reply.text
    assert row(ledger, BUYER).version == 1
    why = "asked fake@1 again, told: who paid"
    ann.decide(BUYER, 1, "edit", text="Another text.", why=why)
    with Ledger(ledger) as opened:
        assert opened.history("shop", BUYER)[-1].why == why
    refused = ann.post("/again", table="s.orders", column="buyer", model="/etc/passwd")
    assert (refused.status, "not offered here" in refused.said) == (409, True)
    assert "no longer in" in ann.post("/again", table="s.orders", column="gone").said


def test_a_hint_reaches_the_model_before_the_dictionary(shop):
    from docgen_plugin.pipeline import read_catalog

    generator = FakeGenerator(lambda request, column: (" and ".join(request.hints[column][:1]), -0.1))
    catalog = read_catalog("shop", Config())
    found = alternative(catalog, BUYER, Config(), generator, "Customer who buys the order")
    assert (found.text, found.stands) == ("Customer who buys the order.", True)
    silent = FakeGenerator(lambda request, column: ("", 0.0))
    assert alternative(catalog, BUYER, Config(), silent).text == ""
    opaque = alternative(catalog, OPAQUE, Config(), generator, "Flag of the old shop")
    assert (opaque.text, opaque.stands) == ("Flag of the old shop", False)
    with pytest.raises(SourceError, match="no longer in"):
        alternative(catalog, ColumnRef("s.gone"), Config(), generator)


def test_the_exact_prompt_of_the_model_in_the_package(tmp_path):
    from docgen_plugin.alternatives import given
    from docgen_plugin.generate import load
    from docgen_plugin.model import Catalog

    with closing(load("", Config(threads=1))) as generator:
        found = given(Catalog("x", "x", (ORDERS,)), BUYER, Config(), generator)
    assert found.prompt.startswith("<s><ctx> orders<col> order")
    assert found.prompt.endswith("<desc>")
    assert "<ask> buyer<t:int><nn><fk> customers" in found.prompt


def digest_in(text):
    found = re.search(r'name="digest" value="([0-9a-f]+)"', text)
    assert found is not None
    return found[1]


def test_apply_writes_what_the_preview_showed(page, shop, ledger):
    ann = page.reviewer()
    ann.decide(REF, 1, "accept")
    preview = ann.get("/preview", hx_request="true").text
    digest = digest_in(preview)
    assert "1 description would be written" in preview
    ann.decide(BUYER, 1, "accept")
    again = ann.post("/write", digest=digest)
    assert "something changed since you looked" in again.said
    assert (shop.tables["s.orders"].columns[0].description, state(ledger, REF)) == ("", "accepted")
    digest = digest_in(again.text)
    assert ann.post("/write", digest=digest).said == "wrote 2 descriptions"
    assert (state(ledger, REF), state(ledger, BUYER)) == ("applied", "applied")
    assert shop.tables["s.orders"].columns[0].description == row(ledger, REF).suggestion.text
    assert "cannot be accepted any more" in ann.decide(REF, row(ledger, REF).version, "accept").said
    assert "Nothing to write" in ann.get("/preview", hx_request="true").text


class Gone:
    """Takes the shop's source over, and cannot read it."""

    @hookimpl(tryfirst=True)
    def read_catalog(self, source, config):
        raise SourceError("shop: is gone")


def test_a_source_that_vanished_is_said_and_decisions_go_on(page, ledger):
    ann = page.reviewer()
    with registered(Gone()):
        for reply in (
            ann.get("/preview", hx_request="true"),
            ann.post("/reload"),
            ann.post("/write", digest="x"),
        ):
            assert (reply.status, reply.said) == (409, "shop: is gone")
        assert "s.orders" in ann.get("/").text
    ann.decide(REF, 1, "accept")
    assert state(ledger, REF) == "accepted"


def test_reading_the_source_again_shows_what_changed(page, shop, ledger):
    ann = page.reviewer()
    shop.set(REF, "Someone wrote this.")
    assert ann.post("/reload").said == "read again: 2 tables; 1 suggestion changed state"
    assert "Someone wrote this." in ann.get("/table?key=s.orders").text
    assert state(ledger, REF) == "stale"


def test_a_ledger_that_is_deleted_or_replaced_is_noticed(page, ledger):
    ann = page.reviewer()
    assert ann.get("/list").status == 200
    kept = ledger.with_name("kept.db")
    os.rename(ledger, kept)
    for extra in ("-wal", "-shm"):
        if ledger.with_name(f"ledger.db{extra}").exists():
            os.rename(ledger.with_name(f"ledger.db{extra}"), ledger.with_name(f"kept.db{extra}"))
    for reply in (ann.decide(REF, 1, "accept"), ann.get("/list", hx_request="true")):
        assert reply.status == 409
        assert "no ledger at" in reply.said
    os.rename(kept, ledger)
    for extra in ("-wal", "-shm"):
        if ledger.with_name(f"kept.db{extra}").exists():
            os.rename(ledger.with_name(f"kept.db{extra}"), ledger.with_name(f"ledger.db{extra}"))
    assert ann.decide(REF, 1, "accept").status == 200
    assert state(ledger, REF) == "accepted"


def test_a_ledger_of_a_newer_version_is_one_line(shop, ledger):
    with Ledger(ledger) as opened, opened._database.writing() as connection:
        connection.exec_driver_sql(
            "INSERT INTO docgen_version (version, applied_at) VALUES (99, '2030-01-01')"
        )
    assert "the ledger is of version 99" in docgen("review", "shop", "--web", code=1).stderr


def test_a_locked_ledger_is_said(page, ledger, monkeypatch):
    monkeypatch.setattr("docgen_plugin.database._BUSY_TIMEOUT_S", 0)
    ann = page.reviewer()
    page.desk.ledgers.close()  # so that a new connection has the short patience
    engine = sqlalchemy.create_engine(f"sqlite:///{ledger}")
    with engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        reply = ann.decide(REF, 1, "accept")
        assert (reply.status, "locked by another process" in reply.said) == (409, True)
    engine.dispose()
    assert ann.decide(REF, 1, "accept").status == 200


def test_many_at_once_lose_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    auth = tmp_path / "who"
    auth.write_text(
        "# reviewers\n" + "".join(f"{name}: {token}\n" for name, token in TOKENS.items()), encoding="utf-8"
    )
    wide = Table(
        "s.wide", "wide", columns=tuple(Column(f"order_{number}_date", "date") for number in range(24))
    )
    ledger = tmp_path / ".docgen" / "ledger.db"
    with registered(Shop(wide)), registered(FakeModel()):
        docgen("suggest", "shop")
        with served("shop", ledger, auth=auth) as page, ThreadPoolExecutor(8) as pool:
            people = {name: page.reviewer(token) for name, token in TOKENS.items()}
            refs = [ColumnRef("s.wide", column.name) for column in wide.columns]
            tries = [(name, ref) for ref in refs for name in people]
            replies = list(
                pool.map(
                    lambda one: (*one, people[one[0]].decide(one[1], 1, "edit", text=f"{one[0]}'s words.")),
                    tries,
                )
            )
    for ref in refs:
        winners = [name for name, at, reply in replies if at == ref and reply.said.startswith("edited")]
        assert len(winners) == 1
        found = row(ledger, ref).suggestion
        assert (found.reviewer, found.text) == (winners[0], f"{winners[0]}'s words.")


AUTH = {
    "": "names nobody", "# ann:x\n\n": "names nobody", "ann": "wants name:token", ":tokentokentokentoken": "wants name:token",
    "ann:short": "shorter than 16 characters", "ann:{t}\nann:{u}": "ann has a token already", "ann:{t}\nbob:{t}": "the same token as ann",
    "a\x1bn:{t}": "wants name:token", "ann:{t}\nbob:sha256:{d}": "the same token as ann",
}  # fmt: skip


@pytest.mark.parametrize("text", AUTH)
def test_a_bad_file_of_reviewers_is_named_and_no_token_shown(tmp_path, text):
    file = tmp_path / "who"
    token = "dont-show-dont-show"
    file.write_text(text.format(t=token, u="u" * 20, d=digest_of(token)), encoding="utf-8")
    with pytest.raises(ConfigError, match=re.escape(AUTH[text])) as raised:
        read_reviewers(file)
    assert "dont-show" not in str(raised.value)


def test_reviewers_by_token_or_its_digest(tmp_path):
    file = tmp_path / "who"
    file.write_text(
        f"Ann Lee : {TOKENS['ann']}\nbob:sha256:{digest_of(TOKENS['bob']).upper()}\n", encoding="utf-8"
    )
    assert read_reviewers(file) == {digest_of(TOKENS["ann"]): "Ann Lee", digest_of(TOKENS["bob"]): "bob"}


OPTIONS = {
    ("--web", "--host", "0.0.0.0"): (1, "each reviewer needs a token"),
    ("--web", "--host", "10.9.8.7"): (1, "each reviewer needs a token"),
    ("--web", "--auth", "nosuch"): (1, "nosuch: cannot be read"),
    ("--web", "--auth", "."): (1, "cannot be read"),
    ("--web", "--host", "no such host", "--auth", "who"): (1, "is no address of this machine"),
    ("--web", "--host", "192.0.2.1", "--auth", "who"): (1, "cannot be listened on"),
    ("--web", "--host", "0.0.0.0", "--auth", "who"): (1, "needs --allowed-host"),
    ("--web", "--select", "orders"): (2, "the page has filters"),
    ("--web", "--state", "accepted"): (2, "the page has filters"),
    ("--port", "80"): (2, "--port goes with --web"),
    ("--open",): (2, "goes with --web"),
    ("--web", "--port", "99999"): (2, "99999"),
    ("--web", "--ledger", "nosuch.db"): (1, "run docgen suggest first"),
    ("--web", "--include", "nosuch"): (1, "no table matches"),
}


@pytest.mark.parametrize("options", OPTIONS)
def test_options_that_cannot_be_served(shop, tmp_path, options):
    (tmp_path / "who").write_text(f"ann:{TOKENS['ann']}\n", encoding="utf-8")
    code, said = OPTIONS[options]
    assert said in docgen("review", "shop", *options, code=code).stderr


def test_a_port_in_use_is_one_line(shop):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        found = docgen("review", "shop", "--web", "--port", port, code=1)
    assert found.stderr.strip().splitlines()[-1] == (
        f"docgen: port {port} on 127.0.0.1 is in use: name another with --port, or leave it out for any free one"
    )


def test_without_the_extra_one_line_says_what_to_install(shop, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert "pip install 'docgen-plugin[web]'" in docgen("review", "shop", "--web", code=1).stderr


def test_where_it_may_be_served(tmp_path):
    check(Address("127.0.0.1"), None)
    check(Address("::1"), None)
    assert Address("127.0.0.1").hosts(81) == {"127.0.0.1:81", "localhost:81", "[::1]:81"}
    assert Address("10.0.0.5", names=("docs.lan",)).hosts(80) == {
        "10.0.0.5",
        "docs.lan",
        "10.0.0.5:80",
        "docs.lan:80",
    }
    assert Address("0.0.0.0", names=("docs.lan",)).url(81) == "http://docs.lan:81/"


def test_folders_of_tables():
    assert folders([Table("a", "a", path="x.yml"), Table("b", "b", path="m/s/x.yml")]) == ["m", "m/s"]


@pytest.mark.slow
def test_killing_the_server_loses_no_decision_and_ctrl_c_ends_it_well(tmp_path):
    from tests.servers import execute

    url = f"sqlite:///{tmp_path}/shop.db"
    columns = ", ".join(f"order_{number}_date date" for number in range(12))
    execute(url, f"CREATE TABLE orders ({columns})")
    with started(tmp_path, "suggest", url) as suggesting:
        assert suggesting.wait(120) == 0
    with Ledger(tmp_path / ".docgen" / "ledger.db") as opened:
        source = opened.sources()[0]
        refs = [found.suggestion.ref for found in opened.rows(source)]
    for at, ending in enumerate((signal.SIGKILL, signal.SIGTERM, signal.SIGINT)):
        with started(tmp_path, "review", url, "--web") as process:
            assert process.stdout is not None
            link = re.search(r"http://127\.0\.0\.1:(\d+)/\?token=(\S+)", process.stdout.readline())
            assert link is not None
            visitor = Visitor(int(link[1])).enter(link[2])
            for ref in refs[at * 4 : at * 4 + 4]:
                assert visitor.decide(ref, 1, "accept").said.startswith("accepted")
            process.send_signal(ending)
            code = process.wait(60)
            assert (code == 0) == (ending == signal.SIGINT), code
    with Ledger(tmp_path / ".docgen" / "ledger.db") as opened:
        states = {found.suggestion.ref: found.suggestion.state for found in opened.rows(source)}
    assert {states[ref] for ref in refs[:12]} == {"accepted"}


def test_hostile_texts_are_shown_as_texts(tmp_path, monkeypatch):
    import html

    from docgen_plugin.console import visible

    monkeypatch.chdir(tmp_path)
    # as names and types and values, the suggestions made of them, and as what stands there
    kept = [text for text in HOSTILE if "\0" not in text and len(text) < 1000]
    tables = [
        Table(f"s.{text}", text, schema=text, description="" if at % 2 else text, owner=text, path=f"{text}/x.yml",
              columns=(Column(text, text, values=(text,)), Column("plain", description=text)))
        for at, text in enumerate(kept)
    ]  # fmt: skip
    answer = FakeGenerator(lambda request, column: (request.table.name, -0.1))
    with registered(Shop(*tables)), registered(FakeModel(answer)):
        docgen("suggest", "shop")
        with served("shop", tmp_path / ".docgen" / "ledger.db") as page:
            ann = page.reviewer()
            pages = [ann.get(f"/?page={number}").text for number in range(1, 7)]
            for table in tables[::7]:
                from urllib.parse import urlencode

                reply = ann.get(f"/table?{urlencode({'key': table.key})}")
                assert reply.status == 200, table.key
                assert visible(table.key) in html.unescape(reply.text)
                pages.append(reply.text)
                found = ann.get(
                    f"/list?{urlencode({'q': table.name, 'owner': table.name, 'folder': table.name})}"
                )
                assert found.status == 200
                pages.append(found.text)
                ann.decide(ColumnRef(table.key, "plain"), 1, "reject", why=table.name)
    for text in pages:
        assert not re.search(
            r"<(?:script(?!\s+src=\"/static)|img|svg|iframe|object|base|style|math|b\s)|\son\w+\s*=\s*[\"'](?=window|alert)",
            text,
        )
        # no control character or mark that turns the direction gets through, but for what is typed over
        shown = re.sub(r"(?s)<textarea.*?</textarea>|value=\"[^\"]*\"", "", text)
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]", shown)


def test_hostile_texts_in_the_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = tuple(Column(text, text, values=(text,)) for text in HOSTILE)
    table = Table(
        "s.\x1b[2J", "\x1b[2J", schema="s", owner="\x1b]0;x\x07", path="\u202e/x.yml", columns=columns
    )
    writer = FakeGenerator(lambda request, column: (column, -0.1))
    with registered(Shop(table)) as shop, registered(FakeModel(writer)):
        docgen("suggest", "shop")
        shop.says = " \x1b[31m\u202e"
        with Ledger(tmp_path / ".docgen" / "ledger.db") as opened:
            rows = [one for one in opened.rows("shop") if one.suggestion.ref.column]
            opened.decide(
                "shop", (Decision(one, "edited", "\x1b[1mme", one.suggestion.ref.column) for one in rows)
            )
        for verb in (
            ("status",),
            ("status", "--json"),
            ("review", "--state", "edited"),
            ("apply", "--dry-run"),
            ("apply", "--dry-run", "--json"),
        ):
            found = docgen(verb[0], "shop", *verb[1:], input="s\n" * 30 + "q\n")
            assert not re.search(
                "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]",
                found.stdout + found.stderr,
            ), verb
