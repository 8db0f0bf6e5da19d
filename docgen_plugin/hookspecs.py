"""The hooks a plugin may implement; entry-point group `docgen`, or `docgen_plugin.plugins.manager.register`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence, Set

    import click

    from docgen_plugin.config import Config
    from docgen_plugin.generate import Generator
    from docgen_plugin.model import Catalog, Change, WriteReport

__all__ = [
    "hookimpl",
    "load_generator",
    "read_catalog",
    "read_catalog_at",
    "register_commands",
    "select_tables",
    "write_descriptions",
]

hookspec = pluggy.HookspecMarker("docgen")
hookimpl = pluggy.HookimplMarker("docgen")


@hookspec(firstresult=True)
def read_catalog(source: str, config: Config) -> Catalog | None:
    """Read every table and column of a source.

    `source` is what the user typed: a path, a URL, or a plugin's own scheme ("datahub://...").
    Return None when the source is not yours; the first plugin that returns a Catalog wins, plugins
    registered last are asked first. Raise SourceError when it is yours but cannot be read.
    """


@hookspec(firstresult=True)
def read_catalog_at(source: str, revision: str, catalog: Catalog, config: Config) -> Catalog | None:
    """Read the catalog as it stood at a revision of the version control that the source is kept in.

    `catalog` is what `read_catalog` gave just now. Return None when the source is not yours or is kept in none;
    the first answer wins. Raise SourceError when the revision is unknown.
    """


@hookspec(firstresult=True)
def write_descriptions(
    source: str, changes: Sequence[Change], dry_run: bool, config: Config
) -> WriteReport | None:
    """Write descriptions back to the source, each only where `change.before` is what stands there now.

    Return None when the source is not yours; the first report wins. With `dry_run` nothing is touched
    and the report's preview says exactly what would be done. A place whose text differs from `before`
    is skipped with a reason, never overwritten. Raise WriteError only when nothing was written; when
    it stops halfway, return a report with `error` set so that what was done is recorded.
    """


@hookspec(firstresult=True)
def select_tables(source: str, criterion: str, config: Config) -> Set[str] | None:
    """Say which tables a criterion of `--select` or `--exclude` means in the catalog tool's own grammar.

    Called after `read_catalog`, once for each criterion. Return the keys of the tables, none of them included
    where it means none; None when the source is not yours, or the text is a plain glob over names, which
    docgen matches itself. The first answer wins. Raise ConfigError for a criterion that cannot be read.
    """


@hookspec(firstresult=True)
def load_generator(uri: str, config: Config) -> Generator | None:
    """Load a model that answers table requests.

    `uri` is what `--model` or the configuration names, "" for the default. Return None when the uri is
    not yours; the first Generator wins. The core's own implementation takes "", paths to GGUF files, hf://
    references and the names that the registry, the cache or the package knows.
    Raise ModelError when it is yours but cannot be loaded.
    """


@hookspec
def register_commands(cli: click.Group) -> None:
    """Add commands to `docgen`; every plugin is called. None is returned; import heavy things inside."""
