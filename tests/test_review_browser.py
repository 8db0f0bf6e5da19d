"""The review page in Chromium: whole journeys by keyboard, several people at once, hostile texts, accessibility."""

from __future__ import annotations

import re
import shutil
from importlib.resources import files
from pathlib import Path

import pytest

from docgen_plugin.config import Config
from docgen_plugin.model import Column, ColumnRef, Table
from docgen_plugin.store import Filter, Ledger
from tests.dbt_projects import dbt
from tests.fakes import FakeGenerator, FakeModel, Shop, registered
from tests.hostile import HOSTILE, MARK
from tests.journeys import query, started
from tests.review_pages import served, sessions
from tests.servers import execute
from tests.test_cli import docgen

pytestmark = pytest.mark.slow

TOKENS = {"ann": "ann-ann-ann-ann-ann", "bob": "bob-bob-bob-bob-bob"}
PATIENCE_MS = 20_000  # the machine may be busy


@pytest.fixture(scope="module")
def browser():
    with sessions() as browser:
        yield browser


def opened(browser, page, token="", **options):
    """Open the page as a person of their own, and note whatever should not happen there."""
    context = browser.new_context(**options)
    context.set_default_timeout(PATIENCE_MS)
    tab = context.new_page()
    tab.faults = []
    tab.on("console", lambda message: tab.faults.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: tab.faults.append(str(error)))
    tab.on("dialog", lambda dialog: (tab.faults.append(f"dialog {dialog.message}"), dialog.dismiss()))
    tab.on(
        "request",
        lambda one: (
            None if one.url.startswith((page.url, "data:")) else tab.faults.append(f"asked {one.url}")
        ),
    )
    tab.goto(f"{page.url}?token={token or page.token}")
    assert tab.url == page.url
    return tab


def press(tab, *keys):
    for key in keys:
        tab.keyboard.press(key)


def said(tab, text):
    tab.wait_for_function("text => document.querySelector('#say').textContent.includes(text)", arg=text)


def suggested(url, ledger):
    docgen("suggest", url)
    with Ledger(ledger, create=False) as opened:
        return opened.sources()[0]


def walk(tab, table):
    """Decide on a table of four places by keyboard alone: its first, accept, edit, reject, undo; and all the rest."""
    press(tab, "/")
    tab.keyboard.type(table)
    press(tab, "Enter")
    tab.wait_for_selector("table.tables tbody tr:only-child")
    press(tab, "j", "Enter")
    tab.wait_for_selector("ol.places")
    press(tab, "j", "j", "y")
    said(tab, "accepted")
    tab.wait_for_selector(".place.current[data-state=suggested]")
    press(tab, "e")
    tab.wait_for_selector("textarea:focus")
    press(tab, "Control+a")
    tab.keyboard.type('Typed by hand, with <b>signs</b> & "quotes".')
    press(tab, "Control+Enter")
    said(tab, "edited")
    tab.wait_for_selector(".place.current[data-state=suggested]")
    press(tab, "n")
    tab.wait_for_selector("input[name=why]:focus")
    tab.keyboard.type("not needed")
    press(tab, "Enter")
    said(tab, "rejected")
    tab.wait_for_selector(".place[data-state=rejected]")
    press(tab, "u")
    said(tab, "took back")
    tab.wait_for_function("() => !document.querySelector('.place[data-state=rejected]')")
    press(tab, "Shift+A")
    tab.wait_for_selector("dialog[open] button.main:focus")
    press(tab, "Enter")
    said(tab, "suggestion")
    tab.wait_for_function("() => !document.querySelector('dialog[open]')")


def write(tab, page):
    tab.goto(f"{page.url}apply")
    tab.wait_for_selector("pre.diff")
    shown = tab.inner_text("pre.diff")
    tab.focus("[data-write]")
    press(tab, "Enter")
    said(tab, "wrote")
    return shown


def test_by_keyboard_from_suggestions_to_comments_in_postgres(browser, postgres_url, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    execute(
        postgres_url,
        "CREATE TABLE orders (order_id int PRIMARY KEY, order_date date NOT NULL, customer_email text, total_amount numeric)",
        "CREATE TABLE customers (customer_id int PRIMARY KEY, created_at timestamp)",
    )
    ledger = tmp_path / ".docgen" / "ledger.db"
    suggested(postgres_url, ledger)
    with served(postgres_url, ledger) as page:
        tab = opened(browser, page)
        walk(tab, "orders")
        shown = write(tab, page)
        assert tab.faults == []
        assert "s3cret" not in tab.content()
    comments = {
        (one[0], one[1])
        for one in query(
            postgres_url,
            "SELECT a.attname, d.description FROM pg_description d JOIN pg_attribute a"
            " ON a.attrelid = d.objoid AND a.attnum = d.objsubid WHERE d.objoid = 'orders'::regclass",
        )
    }
    assert ("order_date", 'Typed by hand, with <b>signs</b> & "quotes".') in comments
    assert {name for name, _ in comments} == {"order_id", "order_date", "customer_email", "total_amount"}
    assert all(f'"{name}"' in shown or name in shown for name, _ in comments)
    assert "COMMENT ON" in shown


def test_by_keyboard_from_suggestions_to_the_yaml_of_a_dbt_project(browser, tmp_path, monkeypatch):
    root = tmp_path / "shop"
    shop = Path(str(files("docgen_plugin") / "demo_shop"))
    shutil.copytree(shop, root, ignore=shutil.ignore_patterns("target", "logs", "*.duckdb", "__pycache__"))
    monkeypatch.chdir(root)
    dbt(root, "parse")
    ledger = root / ".docgen" / "ledger.db"
    suggested(str(root), ledger)
    with served(str(root), ledger) as page:
        tab = opened(browser, page)
        press(tab, "j", "j", "Enter")
        tab.wait_for_selector("ol.places")
        press(tab, "j", "i")
        tab.wait_for_selector(".aboutbody pre")
        assert tab.inner_text(".aboutbody pre").startswith("<s><ctx>")
        press(tab, "i", "y")
        said(tab, "accepted")
        shown = write(tab, page)
        tab.wait_for_selector("#live .good")
        assert tab.faults == []
    added = [line[1:] for line in shown.splitlines() if line.startswith("+") and not line.startswith("+++")]
    written = "\n".join(path.read_text("utf-8") for path in root.rglob("*.yml"))
    assert added
    assert all(line.rstrip() in written for line in added)
    assert not any("description" in line for line in dbt_diff(shop, root) if line.startswith("-"))


def dbt_diff(before, after):
    from docgen_plugin.demo import yaml_diff

    return yaml_diff(before, after).splitlines()


def test_two_browsers_and_a_terminal_on_one_ledger(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    auth = tmp_path / "who"
    auth.write_text("".join(f"{name}:{token}\n" for name, token in TOKENS.items()), encoding="utf-8")
    names = [f"order_{word}_date" for word in "first second third fourth fifth sixth".split()]
    table = Table("s.wide", "wide", columns=tuple(Column(name, "date") for name in names))
    ledger = tmp_path / ".docgen" / "ledger.db"
    with registered(Shop(table)), registered(FakeModel()):
        docgen("suggest", "shop")
        with served("shop", ledger, auth=auth) as page:
            ann, bob = (opened(browser, page, token) for token in TOKENS.values())
            for tab in (ann, bob):
                tab.goto(f"{page.url}table?key=s.wide")
            # both have seen the same version of the first column; ann is quicker
            press(bob, "j", "j", "e")
            bob.wait_for_selector("textarea:focus")
            bob.keyboard.type("Bob's words. ")
            press(ann, "j", "j", "y")
            said(ann, "accepted")
            press(bob, "Control+Enter")
            said(bob, "accepted by ann now; yours was not kept")
            bob.wait_for_selector(".place.current .note")
            # what the terminal decides shows up on both pages by itself
            docgen("review", "shop", "--select", f"*.{names[5]}", input="n\n")
            for tab in (ann, bob):
                tab.wait_for_selector(f".place[data-state=rejected] h2:has-text('{names[5]}')")
            press(bob, "j", "y")
            said(bob, f"accepted s.wide.{names[1]}")
            ann.wait_for_selector(f".place[data-state=accepted] h2:has-text('{names[1]}')")
            assert (ann.faults, bob.faults) == ([], [])
    with Ledger(ledger) as opened_ledger:
        found = {row.suggestion.ref.column: row.suggestion for row in opened_ledger.rows("shop")}
    assert [(found[name].state, found[name].reviewer) for name in names[:2]] == [
        ("accepted", "ann"),
        ("accepted", "bob"),
    ]
    assert found[names[5]].state == "rejected"


def test_suggestions_of_another_process_come_in_while_one_looks(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url = f"sqlite:///{tmp_path}/shop.db"
    execute(url, "CREATE TABLE orders (order_id integer PRIMARY KEY)")
    ledger = tmp_path / ".docgen" / "ledger.db"
    source = suggested(url, ledger)
    execute(
        url,
        "CREATE TABLE customers (customer_id integer PRIMARY KEY, customer_name text, created_at timestamp)",
    )
    with served(url, ledger) as page:
        tab = opened(browser, page)
        tab.wait_for_selector("#pulse:has-text('4 without a suggestion yet')")
        with started(tmp_path, "suggest", url) as suggesting:
            tab.wait_for_selector("#pulse:has-text('6 open')")
            tab.wait_for_selector("tr[data-open='4'] th:has-text('customers')")
            assert suggesting.wait(60) == 0
        assert tab.faults == []
    with Ledger(ledger) as opened_ledger:
        assert opened_ledger.count(source, Filter(states=("suggested",))) == 6


def test_no_hostile_text_becomes_anything_else(browser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    columns = tuple(
        Column(text, text, description="" if at % 3 else text, values=(text,))
        for at, text in enumerate(HOSTILE)
    )
    tables = [
        Table(f"s.{at}", f"t{at}", schema="s", owner=columns[at].name, path=f"{columns[at].name}/x.yml", columns=columns[at : at + 60])
        for at in range(0, len(columns), 60)
    ]  # fmt: skip
    by_name = {column.name: column.name for column in columns}
    writer = FakeGenerator(lambda request, column: (by_name.get(column, ""), -0.1))
    with registered(Shop(*tables)), registered(FakeModel(writer)):
        docgen("suggest", "shop")
        with served("shop", tmp_path / ".docgen" / "ledger.db") as page:
            with page.desk.ledgers.lent() as ledger:
                for row in list(ledger.rows("shop")):
                    ref = row.suggestion.ref
                    if ref.column and not re.search("[\x00-\x08\x0b-\x1f\x7f]", ref.column):
                        page.desk.decide(ref, row.version, "edited", "ann", ref.column or "x", why=ref.column)
            tab = opened(browser, page)
            addresses = [f"table?key={table.key}" for table in tables] + [
                "list?order=confidence",
                "",
                "apply",
            ]
            for address in addresses:
                tab.goto(page.url + address)
                if address == "apply":
                    tab.wait_for_selector("#preview h2")
                tab.evaluate(
                    "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
                )
                tab.wait_for_function("() => !document.querySelector('.htmx-request')")
                assert tab.evaluate(f"() => window.{MARK}") is None
            assert tab.faults == []
            tab.goto(f"{page.url}table?key=s.0")
            shown = tab.locator("h2.mono").all_inner_texts()
            assert HOSTILE[0].replace("\n", " ") in shown


AXE_RULES = "() => axe.run(document, {resultTypes: ['violations']})"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser, tmp_path, monkeypatch, scheme):
    monkeypatch.chdir(tmp_path)
    axe = Path(str(files("axe_core_python") / "axe.min.js")).read_text("utf-8")
    orders = Table(
        "s.orders", "orders", schema="s", owner="sales", path="models/orders.yml",
        columns=(Column("order_id", "int", primary_key=True), Column("state", "text", values=("a", "b")), Column("x7"),
                 Column("paid_at", "date"), Column("known", description="Stands already.")),
    )  # fmt: skip
    with registered(Shop(orders)), registered(FakeModel()):
        docgen("suggest", "shop")
        with served("shop", tmp_path / ".docgen" / "ledger.db", Config(), offer=("other",)) as page:
            ann = page.reviewer()
            for name, do in (("order_id", "accept"), ("state", "reject")):
                ann.decide(ColumnRef("s.orders", name), 1, do)
            tab = opened(browser, page, color_scheme=scheme, bypass_csp=True)
            for address in ("", "table?key=s.orders", "list", "apply", "table?key=nosuch"):
                for width in (1280, 390):
                    tab.set_viewport_size({"width": width, "height": 900})
                    tab.goto(page.url + address)
                    if address == "apply":
                        tab.wait_for_selector("pre.diff")
                    if address.endswith("orders"):
                        tab.evaluate(
                            "() => document.querySelectorAll('details').forEach(one => { one.open = true; })"
                        )
                        tab.wait_for_selector(".aboutbody")
                    tab.evaluate(axe)
                    found = tab.evaluate(AXE_RULES)["violations"]
                    worst = [
                        (one["id"], one["nodes"][0]["html"])
                        for one in found
                        if one["impact"] in ("serious", "critical")
                    ]
                    assert worst == [], (address, width)
                    assert tab.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), (
                        address,
                        width,
                    )
