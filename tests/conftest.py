"""Fixtures that every test may ask for."""

from __future__ import annotations

from tests.servers import caseless_mariadb_server, mariadb_server, mariadb_url, postgres_server, postgres_url
from tests.tiny_models import tiny_bespoke_gguf, tiny_instruct_gguf

__all__ = [
    "caseless_mariadb_server",
    "mariadb_server",
    "mariadb_url",
    "postgres_server",
    "postgres_url",
    "tiny_bespoke_gguf",
    "tiny_instruct_gguf",
]
