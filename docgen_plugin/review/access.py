"""Who may use the review page: a token per reviewer, known hosts only, and no request that another site made.

A browser takes the token from the link once and keeps it as a cookie that scripts cannot read and other sites'
requests do not carry. The Host header is compared, so that a name that was pointed at this address later (DNS
rebinding) gets nothing; what changes something must come from our own page, by its Origin and by a field that
only our own pages hold (CSRF).
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode

from docgen_plugin.console import visible
from docgen_plugin.errors import ConfigError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Gate", "Guard", "digest_of", "new_token", "read_reviewers"]

_SHORTEST = 16  # characters of a token: what nobody guesses through a web page
_LONGEST_NAME = 100
_MOST_BYTES = 256 * 1024  # of a posted form: far more than any description
_DIGEST = re.compile(r"sha256:([0-9a-fA-F]{64})")

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    (b"content-security-policy", _POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
    # NOTE: no-referrer would make browsers send forms with `Origin: null`
    (b"referrer-policy", b"same-origin"),
)
_ENTER = """<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">
<meta name="viewport" content="width=device-width"><title>docgen review</title></head><body><main>
<h1>docgen review</h1><p>{why}</p>{form}</main></body></html>"""
_TOKEN_FORM = """<form method="get" action="/"><label>Your token <input type="password" name="token" required
autocomplete="current-password"></label> <button>Enter</button></form>"""


def new_token() -> str:
    """Return a token that nobody guesses, 43 characters fit for a URL."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """Return what is kept of a token: its SHA-256, 64 hex digits.

    >>> digest_of("a")[:8]
    'ca978112'
    """
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Gate:
    """Who is let in, and where the page may be asked for."""

    reviewers: Mapping[str, str]  # name by the token's digest
    hosts: frozenset[str]  # Host headers, lower case, with the port
    cookie: str
    asks: bool = False  # whether someone without a token is asked for it: several reviewers have their own
    secret: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def name(self, token: str) -> str:
        """Return the reviewer whose token this is, "" for nobody's."""
        return self.reviewers.get(digest_of(token), "") if token else ""

    def form_key(self, token: str) -> str:
        """Return what our own forms hold for a reviewer, and nobody else's can."""
        return hmac.new(self.secret, token.encode("utf-8", "surrogatepass"), "sha256").hexdigest()


def read_reviewers(path: Path) -> dict[str, str]:
    """Return the names by their token's digest out of a file with `name:token` or `name:sha256:digest` a line.

    Raises:
        ConfigError: when it cannot be read, or a line is no such thing; no token is ever shown.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as err:
        why = getattr(err, "strerror", None) or "no UTF-8"
        raise ConfigError(f"--auth {path}: cannot be read ({why})") from err
    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        name, _, token = (part.strip() for part in line.partition(":"))
        where = f"--auth {path}, line {number}"
        if not name or not token or not name.isprintable() or len(name) > _LONGEST_NAME:
            raise ConfigError(f"{where}: wants name:token, or name:sha256:DIGEST of the token")
        if name in found.values():
            raise ConfigError(f"{where}: {visible(name)} has a token already")
        hashed = _DIGEST.fullmatch(token)
        if hashed is None and len(token) < _SHORTEST:
            raise ConfigError(
                f"{where}: the token of {visible(name)} is shorter than {_SHORTEST} characters; "
                "python3 -c 'import secrets; print(secrets.token_urlsafe())' makes a good one"
            )
        digest = hashed[1].lower() if hashed else digest_of(token)
        if digest in found:
            raise ConfigError(f"{where}: {visible(name)} has the same token as {visible(found[digest])}")
        found[digest] = name
    if not found:
        raise ConfigError(f"--auth {path}: names nobody; it wants name:token a line")
    return found


class Guard:
    """The application behind the gate: what is not let in never reaches it."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; one that is let in has its reviewer and form key in `scope["state"]`."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no web sockets here: the server closes the connection
        send = _with_headers(send, scope["path"])
        headers = _headers(scope)
        refusal = self._refused(scope, headers)
        if refusal:
            await _answer(send, *refusal)
            return
        asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        if "token" in asked:
            await self._enter(scope, send, asked)
            return
        token = _cookie(headers.get("cookie", ""), self._gate.cookie)
        who = self._gate.name(token)
        if not who:
            await _answer(send, 403, self._entrance("Open the link that docgen printed when it was started."))
            return
        scope.setdefault("state", {}).update(who=who, form_key=self._gate.form_key(token))
        await self._app(scope, receive, send)

    def _refused(self, scope: Scope, headers: Mapping[str, str]) -> tuple[int, str] | None:
        """Return the status and text for a request that is not even asked who it is, None for a proper one."""
        host = headers.get("host", "").lower()
        if host not in self._gate.hosts:
            return 421, "This page is not served under that name: open the link that docgen printed."
        if scope["method"] in ("GET", "HEAD"):
            return None
        if scope["method"] != "POST":
            return 405, "Only GET and POST are known here."
        origin, fetched = headers.get("origin"), headers.get("sec-fetch-site")
        if origin is not None and origin.lower() != f"http://{host}":
            return 403, "The request comes from another site."
        if fetched not in ("same-origin", None) or (origin is None and fetched is None):
            return 403, "The request does not come from this page."
        length = headers.get("content-length", "")
        if not length.isdecimal():
            return 411, "The request does not say how long it is."
        if int(length) > _MOST_BYTES:
            return 413, "That is too long for a description."
        return None

    async def _enter(self, scope: Scope, send: Send, asked: dict[str, list[str]]) -> None:
        token = asked.pop("token")[0]
        if scope["method"] != "GET" or not self._gate.name(token):
            await _answer(send, 403, self._entrance("That token is none of this page's."))
            return
        rest = urlencode(asked, doseq=True)
        # one slash: a path of two would name another host
        place = "/" + scope["path"].lstrip("/") + (f"?{rest}" if rest else "")
        # a token of ours or of the file of reviewers may hold what a cookie quotes
        crumb: SimpleCookie = SimpleCookie({self._gate.cookie: token})
        attributes: dict[str, Any] = {"httponly": True, "samesite": "Strict", "path": "/"}
        crumb[self._gate.cookie].update(attributes)
        more = [
            (b"location", place.encode("ascii", "ignore")),
            (b"set-cookie", crumb.output(header="").strip().encode()),
        ]
        await _answer(send, 303, "", more)

    def _entrance(self, why: str) -> str:
        return _ENTER.format(why=why, form=_TOKEN_FORM if self._gate.asks else "")


def _headers(scope: Scope) -> dict[str, str]:
    """Return the request's headers by name; of one that came twice, nothing that could be let in."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key = name.decode("latin-1").lower()
        found[key] = f"{found[key]}, {value.decode('latin-1')}" if key in found else value.decode("latin-1")
    return found


def _cookie(header: str, name: str) -> str:
    try:
        crumb = SimpleCookie(header).get(name)
    except CookieError:
        return ""
    return crumb.value if crumb is not None else ""


def _with_headers(send: Send, path: str) -> Send:
    static = path.startswith("/static/")

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = b"private, max-age=0, must-revalidate" if static else b"no-store"
            message["headers"] = [*message.get("headers", ()), *_HEADERS, (b"cache-control", kept)]
        await send(message)

    return sending


async def _answer(send: Send, status: int, text: str, more: list[tuple[bytes, bytes]] | None = None) -> None:
    body = text.encode()
    kind = b"text/html; charset=utf-8" if text.startswith("<") else b"text/plain; charset=utf-8"
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *(more or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
