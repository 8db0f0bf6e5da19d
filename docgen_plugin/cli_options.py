"""What the verbs share: their options, the configuration these make, and where the ledger is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from docgen_plugin.config import Config
    from docgen_plugin.model import Catalog
    from docgen_plugin.store import Ledger

__all__ = [
    "Choice",
    "Session",
    "as_json",
    "filtering",
    "for_source",
    "selecting",
    "settings",
    "source_options",
]

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Session:
    """One call of a verb: what the user named, and the settings that hold for it."""

    source: str
    config: Config
    folder: Path

    def ledger(self, create: bool = False, needed: bool = False) -> Ledger:
        """Return the open ledger of this source; one that is not there is an empty one, unless `needed`.

        Raises:
            LedgerError: when it cannot be opened, or is needed and not there.
        """
        from docgen_plugin.console import working
        from docgen_plugin.errors import LedgerError
        from docgen_plugin.store import Ledger

        with working("opening the ledger"):
            ledger = Ledger(self.config.ledger or self.folder / ".docgen" / "ledger.db", create)
        if needed and ledger.missing:
            ledger.close()
            raise LedgerError(
                f"no ledger at {ledger.name}: run docgen suggest first, or name it with --ledger"
            )
        return ledger

    def read(self, select: Sequence[str] = ()) -> Choice:
        """Return the catalog of this source and what is meant of it; its notes are shown on standard error.

        Raises:
            SourceError: when it cannot be read.
            ConfigError: when the settings and `select` leave nothing of it.
        """
        from docgen_plugin.console import say, visible, working
        from docgen_plugin.pipeline import read_catalog
        from docgen_plugin.selection import require_choice, resolved

        with working("reading the catalog"):
            catalog = read_catalog(self.source, self.config)
        for note in catalog.notes:
            say(f"note: {visible(note)}")
        include, exclude, chosen = (
            resolved(self.source, self.config, globs)
            for globs in (self.config.include, self.config.exclude, select)
        )
        config = replace(self.config, include=include, exclude=exclude)
        require_choice(catalog, config, chosen)
        return Choice(catalog, config, chosen)


@dataclass(frozen=True, slots=True)
class Choice:
    """A catalog, and what of it is meant as globs over names, whatever grammar it was typed in."""

    catalog: Catalog
    config: Config
    select: tuple[str, ...]


def settings(source: str, model: str = "") -> Session:
    """Return the settings that hold for a source, without options of its tables; `model` wins over theirs."""
    from docgen_plugin.config import load_config

    folder = _folder(source)
    return Session(source, load_config(folder, {"model": model} if model else {}), folder)


def _session(source: str, options: dict[str, Any]) -> Session:
    from docgen_plugin.config import load_config

    given = {
        "include": options.pop("include"),
        "exclude": options.pop("exclude"),
        "schemas": options.pop("schema"),
        "ledger": options.pop("ledger"),
        "model": options.pop("model", None),
    }
    folder = _folder(source)
    config = load_config(folder, {name: value for name, value in given.items() if value})
    return Session(source, config, folder)


def _folder(source: str) -> Path:
    """Return the folder that a source lives in: its own, or the current one for anything with a URL."""
    if "://" in source or "\0" in source:
        return Path.cwd()
    path = Path(source).expanduser()
    if path.is_dir():
        return path.resolve()
    return path.resolve().parent if path.is_file() else Path.cwd()


def source_options(command: _F) -> _F:
    """Return a command that takes SOURCE and the options all verbs have, and is called with a `Session`."""

    @functools.wraps(command)
    def called(source: str, **options: Any) -> Any:
        return command(_session(source, options), **options)

    decorators = (
        click.argument("source", default="."),
        click.option(
            "--include", multiple=True, metavar="GLOB", help="Only tables like this (name, schema.name)."
        ),
        click.option(
            "--exclude",
            multiple=True,
            metavar="WHICH",
            help="Leave out tables like this, as --select names them.",
        ),
        click.option("--schema", multiple=True, metavar="GLOB", help="Read only database schemas like this."),
        click.option(
            "--ledger", metavar="URL", help="Where suggestions are kept: a file or a SQLAlchemy URL."
        ),
    )
    for decorate in reversed(decorators):
        called = decorate(called)
    return called  # type: ignore[return-value]


def selecting(command: _F) -> _F:
    """Return a command with --select."""
    return click.option(
        "--select",
        multiple=True,
        metavar="WHICH",
        help="Only places like this: a table, or table.column ('orders', '*.email'); in a dbt project also dbt's "
        "own grammar ('stg_orders+', 'tag:nightly', 'models/staging').",
    )(command)


def filtering(command: _F) -> _F:
    """Return a command with --filter."""
    return click.option(
        "--filter",
        "filtered",
        default="",
        metavar="WORDS",
        help="Only what these say, as / in the review: 'origin:generated confidence:>0.8 owner:finance "
        "folder:models/marts table:stg_* words to search for'.",
    )(command)


def as_json(command: _F) -> _F:
    """Return a command with --json."""
    return click.option(
        "--json", "machine", is_flag=True, help="Print the result as JSON on standard output."
    )(command)


def for_source(command: _F) -> _F:
    """Return a command with --source."""
    return click.option(
        "--source", default=".", help="The project or database that the choice is for.", show_default=True
    )(command)
