"""The two edges to a source: its catalog in, descriptions out, through whichever plugin knows it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError, WriteError
from docgen_plugin.model import Catalog, Change, WriteReport
from docgen_plugin.plugins import manager

__all__ = ["read_catalog", "shown", "write"]

# two letters at least: one is a drive of Windows
_SCHEME = re.compile(r"\s*[A-Za-z][\w+.-]+:/*")


def read_catalog(source: str, config: Config) -> Catalog:
    """Return the whole catalog of a source.

    Raises:
        SourceError: when no plugin knows the source, or it cannot be read.
    """
    catalog: Catalog | None = manager().hook.read_catalog(source=source, config=config)
    if catalog is None:
        raise SourceError(
            f"{shown(source)}: is neither a dbt project's folder nor a database URL that a plugin reads; "
            "give a folder with dbt_project.yml, or a URL such as postgresql://user@host/name"
        )
    return catalog


def shown(source: str) -> str:
    """Return what the user typed without what may be a password.

    >>> shown("Postgresql://me:s3cret@host/name?password=s3cret"), shown("some/folder")
    ('Postgresql://host/name?...', 'some/folder')
    """
    scheme = _SCHEME.match(source)
    if scheme is None:
        return source
    address, mark, _ = source[scheme.end() :].rpartition("@")[2].partition("?")
    return f"{scheme[0]}{address}{mark}{'...' if mark else ''}"


def write(source: str, config: Config, changes: Sequence[Change], dry_run: bool) -> WriteReport:
    """Write descriptions through the plugin that knows the source and return what was done.

    Raises:
        WriteError: when no plugin writes to it, or nothing could be written.
    """
    report: WriteReport | None = manager().hook.write_descriptions(
        source=source, changes=changes, dry_run=dry_run, config=config
    )
    if report is None:
        raise WriteError(
            f"{shown(source)}: no plugin writes descriptions to it; --to FILE.yml writes the accepted texts to a file"
        )
    return report
