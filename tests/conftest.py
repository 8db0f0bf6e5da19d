"""Fixtures that every test may ask for."""

from __future__ import annotations

from tests.servers import mariadb_server, mariadb_url, postgres_server, postgres_url

__all__ = ["mariadb_server", "mariadb_url", "postgres_server", "postgres_url"]
