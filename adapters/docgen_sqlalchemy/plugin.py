"""The hooks of the SQLAlchemy adapter; light to import, SQLAlchemy itself comes with the first call."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docgen_plugin.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docgen_plugin.config import Config
    from docgen_plugin.model import Catalog, Change, WriteReport

__all__ = ["read_catalog", "write_descriptions"]

_URL = re.compile(r"\s*[a-z][a-z0-9_]*(\+[a-z0-9_]+)?://", re.IGNORECASE)


# NOTE: asked last, because any "name://" looks like a database URL: a plugin with a scheme of its own comes first
@hookimpl(trylast=True)
def read_catalog(source: str, config: Config) -> Catalog | None:
    """Return the catalog of a database URL, None for anything else.

    Raises:
        SourceError: when the dialect or driver is missing, or the database cannot be read.
    """
    if not _URL.match(source):
        return None
    from docgen_sqlalchemy import connect, reflect

    database = connect.database(source)
    with connect.reading(database) as connection:
        return reflect.read(connection, database, config)


@hookimpl(trylast=True)
def write_descriptions(
    source: str, changes: Sequence[Change], dry_run: bool, config: Config
) -> WriteReport | None:
    """Write descriptions as comments of a database URL, None for any other source.

    Raises:
        SourceError: when the dialect or driver is missing, or the database cannot be read.
        WriteError: when nothing could be written.
    """
    if not _URL.match(source):
        return None
    from docgen_sqlalchemy.write import write

    return write(source, changes, dry_run, config)
