"""The verbs for git hooks: check looks at what is staged, suggest-staged writes what it lacks."""

from __future__ import annotations

import os
import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin.console import count, emit, say, show, visible, visible_lines

if TYPE_CHECKING:
    from docgen_dbt.findings import Finding
    from docgen_dbt.staged import Staged

__all__ = ["COMMANDS"]

_FORMATS = ("text", "github", "json")
_SHOWN = 5  # places named in the command that fixes them; more are named by their tables


def _files_options(command: Any) -> Any:
    for decorate in (
        click.option("--dialect", default="", metavar="NAME", help="The SQL, as sqlglot names it; guessed when left out."),
        click.option(
            "--from-ref", envvar="PRE_COMMIT_FROM_REF", default="", metavar="REF",
            help="Compare with this revision instead of the last commit.",
        ),
        click.argument("files", nargs=-1),
    ):  # fmt: skip
        command = decorate(command)
    return command


@click.command()
@_files_options
@click.option(
    "--scope",
    type=click.Choice(("changed", "files", "all")),
    help="What the commit changes (the default), every place of FILES, or everything.",
)
@click.option("--strict", is_flag=True, help="Let texts fail that only say the name, or are a single word.")
@click.option(
    "--format", "form", type=click.Choice(_FORMATS), default="text", help="How findings are printed."
)
@click.option("--json", "machine", is_flag=True, help="The same as --format json.")
def check(
    files: tuple[str, ...],
    from_ref: str,
    dialect: str,
    scope: str | None,
    strict: bool,
    form: str,
    machine: bool,
) -> None:
    """Fail when what is staged in git has tables or columns that are not described.

    Looks at dbt projects (SQL, property files, seeds) and at plain CREATE TABLE and ALTER TABLE files as they are staged,
    and compares them with the last commit. Needs no model, no dbt and no manifest. A file among FILES that has no
    change is looked at in full: that is what `pre-commit run --all-files` asks for.
    """
    from docgen_plugin.lineage import rare_collections

    with rare_collections():
        staged = _staged(files, from_ref, dialect, scope or "")
        found = [finding for project in staged.projects for finding in project.check(strict)]
        found += staged.check_migrations(dialect, strict)
    failed = [finding for finding in found if finding.fails]
    if machine or form == "json":
        emit({"passed": not failed, "scope": staged.scope, "findings": [_as_json(one) for one in found]})
    else:
        for finding in found:
            show(_annotation(finding) if form == "github" else visible(str(finding)))
    if failed:
        say(f"docgen: {count(len(failed), 'finding')}; fix: {visible(_fix(staged, failed))}")
        click.get_current_context().exit(1)


@click.command("suggest-staged")
@_files_options
@click.option("--model", metavar="REF", default="", help="A model to use this once, as for suggest.")
def suggest_staged(files: tuple[str, ...], from_ref: str, dialect: str, model: str) -> None:
    """Write suggestions for new and changed tables and columns into the property files of dbt projects.

    Only for what is staged and not described. The texts are not staged: look at them with git diff, change what is
    wrong, and git add them. Ends with 1 when something was written, so that a commit waits for that.
    """
    from docgen_dbt.suggest_staged import lacking, suggest_project
    from docgen_plugin import canary
    from docgen_plugin.cli_ledger import reviewer
    from docgen_plugin.cli_options import settings
    from docgen_plugin.cli_source import loaded

    staged = _staged(files, from_ref, dialect, "changed")
    work = [(project, lacking(project, staged.repository)) for project in staged.projects]
    wrote = 0
    for project, found in work:
        if not found:
            continue
        session = settings(str(project.now.project.root), model)
        second = canary.candidate(session.folder, session.config, lambda told: say(visible(told)))
        with session.ledger(create=True) as ledger:
            load, who = partial(loaded, session), reviewer(session)
            done = suggest_project(project, found, session.config, ledger, load, who, second)
        wrote += len(done.written)
        show(visible_lines(done.preview.rstrip("\n")))
        for ref in done.without:
            say(f"no suggestion: {visible(str(ref))}: write its description yourself")
        for ref, reason in done.skipped:
            say(f"skipped: {visible(str(ref))}: {visible(reason)}")
    if wrote:
        say(f"docgen: wrote {count(wrote, 'suggestion')}; look at git diff, then git add")
        click.get_current_context().exit(1)


def _staged(files: tuple[str, ...], since: str, dialect: str, scope: str) -> Staged:
    from docgen_dbt.git import Repository
    from docgen_dbt.staged import read_staged, relative_paths
    from docgen_plugin.errors import ConfigError

    if dialect:
        from docgen_dbt.columns import dialect_of

        if not dialect_of(dialect):
            raise ConfigError(
                f"--dialect {dialect}: sqlglot knows no such SQL; try postgres, snowflake, bigquery"
            )
        dialect = dialect_of(dialect)
    folder = Path.cwd()
    if files and "GIT_DIR" not in os.environ:  # in a hook git's variables hold for the current folder
        first = Path(files[0]).absolute()
        folder = next((one for one in (first, *first.parents) if one.is_dir()), folder)
    repository = Repository(folder)
    return read_staged(repository, relative_paths(repository, files), scope, since, dialect)


def _as_json(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in type(finding).__slots__}


def _annotation(finding: Finding) -> str:
    """Return a finding as GitHub's workflow command; https://docs.github.com/actions/reference/workflow-commands."""

    def quoted(text: str, more: str = "") -> str:
        for sign in "%\r\n" + more:
            text = text.replace(sign, f"%{ord(sign):02X}")
        return text

    level = "error" if finding.fails else "notice"
    where = f"file={quoted(finding.path, ':,')},line={finding.line},col={finding.column}"
    return f"::{level} {where}::{quoted(finding.message)}"


def _fix(staged: Staged, failed: list[Finding]) -> str:
    """Return the command that mends the findings, or where to write by hand."""
    lacking = [
        one for one in failed if one.kind in ("missing", "placeholder") and one.path not in staged.migrations
    ]
    sql = [one for one in failed if one.path in staged.migrations]
    steps = []
    if sql:
        one = sql[0]
        place = f"COLUMN {one.table}.{one.name}" if one.name else f"TABLE {one.table}"
        steps.append(f"add COMMENT ON {place} IS '...' and its like to the SQL")
    if any(one.kind == "missing" for one in lacking) and staged.scope == "changed":
        steps.append("docgen suggest-staged, then look at the texts and git add them")
    elif lacking:
        names = list(dict.fromkeys(f"{one.table}.{one.name}" if one.name else one.table for one in lacking))
        if len(names) > _SHOWN:
            names = list(dict.fromkeys(one.table for one in lacking))
        folder = staged.projects[0].now.folder.rstrip("/") or "."
        chosen = " ".join(f"--select {name}" for name in names[:_SHOWN])
        steps.append(f"docgen suggest {shlex.quote(folder)} {chosen}, then docgen review and docgen apply")
    if not steps:
        steps.append(f"edit {failed[0].path} and git add it")
    return "; ".join(steps)


COMMANDS: tuple[click.Command, ...] = (check, suggest_staged)
