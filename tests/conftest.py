"""Fixtures that every test may ask for."""

from __future__ import annotations

import signal

from tests.registries import hub, model_settings
from tests.servers import caseless_mariadb_server, mariadb_server, mariadb_url, postgres_server, postgres_url
from tests.tiny_models import tiny_bespoke_gguf, tiny_instruct_gguf

__all__ = [
    "caseless_mariadb_server",
    "hub",
    "mariadb_server",
    "mariadb_url",
    "model_settings",
    "postgres_server",
    "postgres_url",
    "tiny_bespoke_gguf",
    "tiny_instruct_gguf",
]


def pytest_configure():
    """Let Ctrl-C be heard: a shell that starts the tests in the background has them ignore it, and their children too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
