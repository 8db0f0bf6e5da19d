"""The review page as tests use it: served in a thread of this process, asked by plain requests or by a browser."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from docgen_plugin.config import Config
from docgen_plugin.generate import load
from docgen_plugin.model import ColumnRef
from docgen_plugin.pipeline import read_catalog
from docgen_plugin.review import server
from docgen_plugin.review.desk import Desk
from docgen_plugin.review.ledgers import Ledgers
from docgen_plugin.review.models import Models
from docgen_plugin.store import Ledger

__all__ = ["Reply", "Visitor", "chromium", "served", "sessions"]


@dataclass(frozen=True, slots=True)
class Reply:
    """What the page answered."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def said(self) -> str:
        """What the page would say to the reviewer."""
        import json

        return str(json.loads(self.headers["hx-trigger"])["said"]["text"])


@dataclass
class Visitor:
    """Someone who asks the page, with whatever headers they like."""

    port: int
    cookie: str = ""
    key: str = ""
    extra: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: str | None = None, **headers: str) -> Reply:
        """Send one request, headers named with underscores; one given as "" is left out."""
        sent = {"Host": f"127.0.0.1:{self.port}", "Cookie": self.cookie, **self.extra}
        if method == "POST":
            sent |= {
                "Origin": f"http://127.0.0.1:{self.port}",
                "Sec-Fetch-Site": "same-origin",
                "Content-Type": "application/x-www-form-urlencoded",
            }
        sent |= {name.replace("_", "-").title(): value for name, value in headers.items()}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)) as connection:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in sent.items():
                if value:
                    connection.putheader(name, value)
            data = body.encode() if body is not None else b""
            if method == "POST" and "Content-Length" not in sent:
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read().decode("utf-8", "replace")
            return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, text)

    def get(self, path: str, **headers: str) -> Reply:
        return self.ask("GET", path, **headers)

    def post(self, path: str, **form: Any) -> Reply:
        """Post a form as htmx does."""
        return self.ask("POST", path, urlencode({"key": self.key, **form}), hx_request="true")

    def enter(self, token: str) -> Visitor:
        """Open the link; from then on the visitor is a reviewer."""
        reply = self.get(f"/?token={token}")
        assert reply.status == 303, reply
        self.cookie = reply.headers["set-cookie"].partition(";")[0]
        found = re.search(r'name="key" value="([0-9a-f]+)"', self.get("/").text)
        assert found is not None
        self.key = found[1]
        return self

    def decide(self, ref: ColumnRef, version: int, do: str, **more: str) -> Reply:
        return self.post("/decide", table=ref.table, column=ref.column, version=version, do=do, **more)


@dataclass
class Served:
    """A page that is served."""

    port: int
    token: str
    desk: Desk

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def reviewer(self, token: str = "") -> Visitor:
        return Visitor(self.port).enter(token or self.token)


@contextmanager
def served(
    source: str,
    ledger: Path | str,
    config: Config | None = None,
    auth: Path | None = None,
    offer: tuple[str, ...] = (),
) -> Iterator[Served]:
    """Serve the page for a source on a free port until the block ends."""
    config = config or Config()
    address = server.Address()
    with server.listening(address) as listener:
        port = listener.getsockname()[1]
        gate, token = server.gate(address, port, auth, "ann")
        with (
            closing(Ledgers(lambda: Ledger(ledger, create=False))) as ledgers,
            closing(Models(lambda reference: load(reference, config), config, offer)) as models,
        ):
            desk = Desk(source, config, read_catalog(source, config), ledgers, models)
            running = server.uvicorn_server(desk, gate)
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                while not running.started:
                    time.sleep(0.01)
                yield Served(port, token, desk)
            finally:
                running.should_exit = True
                thread.join()


def chromium() -> str:
    """Return the path of the system's Chromium; without one the test is skipped, with CI set it fails."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        reason = "no Chromium: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@contextmanager
def sessions() -> Iterator[Any]:
    """Give a browser; each `new_context` of it is a person with cookies of their own."""
    from playwright.sync_api import sync_playwright

    path = chromium()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()
