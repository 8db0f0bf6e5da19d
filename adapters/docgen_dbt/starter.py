"""`docgen init`: the macros as a file of the project, for a dbt that does not load our plugin, and starter settings."""

from __future__ import annotations

import tomllib
from importlib.util import find_spec
from pathlib import Path

import click

from docgen_dbt.plugin import find_project
from docgen_plugin.console import say, show, visible
from docgen_plugin.errors import SourceError, WriteError
from docgen_plugin.files import replace_file

__all__ = ["init"]

_MACROS = "docgen.sql"
_SETTINGS = """\
# Settings of docgen; all of them, with their defaults, are in its README. A [tool.docgen] in pyproject.toml is the same.
# include = ["stg_*"]                       # tables to take, as globs; empty is all
# exclude = []                              # tables to leave out
# glossary = "glossary.jsonl"               # your own words for your own names
# ledger = ""                               # empty is .docgen/ledger.db, else a SQLAlchemy URL for a team
# properties_file = "_{dir}__models.yml"    # the file for models without an entry
"""


@click.command()
@click.argument("project", default=".")
@click.option("--force", is_flag=True, help="Overwrite the macro file when it is there and differs.")
def init(project: str, force: bool) -> None:
    """Copy docgen's macros into a dbt project, and put a docgen.toml beside them.

    dbt finds the macros by itself where docgen-plugin is installed beside it: this is for where it does not, as
    with dbt's v2 parser. A file that is there is left as it is.
    """
    from docgen_dbt.project import load_project

    root = find_project(project)
    if root is None:
        raise SourceError(f"{project}: is not a dbt project: name a folder with dbt_project.yml")
    found = load_project(root)
    target = root / found.macros / _MACROS
    content = _macros()
    if target.is_file() and target.read_bytes() == content:
        show(f"{visible(found.show(target))} is there already")
    elif target.exists() and not force:
        raise WriteError(f"{target}: is there and differs; --force overwrites it")
    else:
        _write(target, content)
        show(
            f"wrote {visible(found.show(target))}: dbt run-operation document_models, docgen_apply, docgen_status"
        )
    if _has_settings(root):
        say("note: docgen's settings are there already and stay as they are")
    else:
        _write(root / "docgen.toml", _SETTINGS.encode())
        show("wrote docgen.toml: every line is a comment, take out the # of what you want")
    show(
        'next: dbt run-operation document_models; on-run-end: "{{ docgen_report() }}" in dbt_project.yml reports'
    )


def _macros() -> bytes:
    """Return our macros; dbt_docgen is looked up, not imported, as its import starts dbt."""
    spec = find_spec("dbt_docgen")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "macros" / _MACROS
        if path.is_file():
            return path.read_bytes()
    raise SourceError("the package dbt_docgen is missing: pip install --force-reinstall docgen-plugin")


def _has_settings(root: Path) -> bool:
    if (root / "docgen.toml").exists():
        return True
    try:
        tools = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8")).get("tool")
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True  # whatever it says, it is not ours to shadow
    return isinstance(tools, dict) and "docgen" in tools


def _write(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content)
    except OSError as err:
        raise WriteError(f"{path}: cannot be written: {err.strerror}") from err
