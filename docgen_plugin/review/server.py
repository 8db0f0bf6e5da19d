"""`docgen review --web`: a server for one source on this machine, or with --host and --auth for a team."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
import webbrowser
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from docgen_plugin.config import Config
from docgen_plugin.console import say, show, visible
from docgen_plugin.errors import ConfigError
from docgen_plugin.generate import Generator
from docgen_plugin.model import Catalog
from docgen_plugin.review.access import Gate, digest_of, new_token, read_reviewers
from docgen_plugin.review.desk import Desk
from docgen_plugin.review.ledgers import Ledgers
from docgen_plugin.review.models import Models
from docgen_plugin.store import Ledger

if TYPE_CHECKING:
    import uvicorn

__all__ = ["Address", "check", "gate", "has_desktop", "listening", "require_web", "serve", "uvicorn_server"]

_LOCAL = ("127.0.0.1", "localhost", "::1")
_ANYWHERE = ("0.0.0.0", "::")
_PATIENCE_S = 2  # for requests that are under way when the server is stopped


class Address:
    """Where the page is served, and under which names it may be asked for."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, names: Sequence[str] = ()) -> None:
        self.host = host
        self.port = port  # 0 is any free one
        self.names = tuple(names)

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host in _LOCAL:
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False

    def hosts(self, port: int) -> frozenset[str]:
        """Return the Host headers that are answered, once the port is known."""
        names = {self.host, *self.names} | (set(_LOCAL) if self.is_local else set())
        shown = {f"[{name}]" if ":" in name else name.lower() for name in names if name not in _ANYWHERE}
        # a browser leaves out port 80
        return frozenset(shown if port == 80 else ()) | {f"{name}:{port}" for name in shown}

    def url(self, port: int) -> str:
        """Return the address to open."""
        name = self.names[0] if self.host in _ANYWHERE else self.host
        return f"http://{f'[{name}]' if ':' in name else name}:{port}/"


def require_web() -> None:
    """Return nothing when what the page needs is installed.

    Raises:
        ConfigError: when it is not.
    """
    try:
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as err:
        raise ConfigError(f"--web needs {err.name}: pip install 'docgen-plugin[web]'") from err


def has_desktop() -> bool:
    """Return whether a person sits at this machine with a browser: a terminal and a graphical session."""
    graphical = sys.platform in ("darwin", "win32") or any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY"))
    )
    return graphical and sys.stdout.isatty()


def gate(address: Address, port: int, auth: Path | None, who: str) -> tuple[Gate, str]:
    """Return who is let in, and the token to open the page with, "" where each reviewer has their own.

    Raises:
        ConfigError: when others could reach the page and are not named, or the file that names them is bad.
    """
    hosts, cookie = address.hosts(port), f"docgen_{port}"
    if auth is not None:
        return Gate(read_reviewers(auth), hosts, cookie, asks=True), ""
    token = new_token()
    return Gate({digest_of(token): who}, hosts, cookie), token


def check(address: Address, auth: Path | None) -> None:
    """Return nothing when the page may be served there.

    Raises:
        ConfigError: when others could reach it and are not named, or could not name it.
    """
    if not address.is_local and auth is None:
        raise ConfigError(
            f"--host {visible(address.host)}: others can reach that, so each reviewer needs a token: "
            "--auth FILE with name:token a line"
        )
    if address.host in _ANYWHERE and not address.names:
        raise ConfigError(
            f"--host {address.host} needs --allowed-host NAME: the name or address that reviewers type"
        )
    if auth is not None:
        read_reviewers(auth)


def listening(address: Address) -> socket.socket:
    """Return a socket that listens at an address.

    Raises:
        ConfigError: when the port is in use or not allowed, or the host is none of this machine's.
    """
    where = f"port {address.port} on {visible(address.host)}"
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as err:
        raise ConfigError(f"--host {visible(address.host)}: is no address of this machine ({err})") from err
    family, kind, protocol, _, place = found[0]
    made = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            # a port that a stopped server had is free again at once
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(128)
    except OSError as err:
        made.close()
        if err.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"{where} is in use: name another with --port, or leave it out for any free one"
            ) from err
        if err.errno == errno.EACCES:
            raise ConfigError(f"{where} is not allowed: name one above 1023 with --port") from err
        raise ConfigError(f"{where} cannot be listened on ({err.strerror}): check --host and --port") from err
    return made


def uvicorn_server(desk: Desk, let_in: Gate) -> uvicorn.Server:
    """Return the server of the page, not yet started."""
    import uvicorn

    from docgen_plugin.review.web import application

    settings = uvicorn.Config(
        application(desk, let_in),
        lifespan="off",
        log_level="error",
        access_log=False,  # the address holds the token
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_PATIENCE_S,
    )
    return uvicorn.Server(settings)


def serve(
    source: str,
    config: Config,
    catalog: Catalog,
    opened: Callable[[], Ledger],
    load: Callable[[str], Generator],
    address: Address,
    who: str,
    auth: Path | None = None,
    references: Sequence[str] = (),
    open_browser: bool = False,
    owner: Callable[[str], str] = lambda table: "",
) -> None:
    """Serve the page until Ctrl-C; every decision is in the ledger before it is answered.

    `load` and `owner` are those of `Models`.

    Raises:
        ConfigError: when it cannot be served there.
    """
    check(address, auth)
    with listening(address) as listener:
        port = listener.getsockname()[1]
        let_in, token = gate(address, port, auth, who)
        with closing(Ledgers(opened)) as ledgers, closing(Models(load, config, references, owner)) as models:
            desk = Desk(source, config, catalog, ledgers, models)
            url = address.url(port) + (f"?{urlencode({'token': token})}" if token else "")
            show(f"review {visible(catalog.source)} at {url}")
            say(
                "each reviewer enters their own token; Ctrl-C stops"
                if auth
                else "the link is for you alone; Ctrl-C stops"
            )
            if open_browser:
                webbrowser.open(url)
            with suppress(KeyboardInterrupt):  # how a server is stopped
                uvicorn_server(desk, let_in).run(sockets=[listener])
    say("stopped; every decision is kept")
