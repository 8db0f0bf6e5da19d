"""Accepted texts into the database: planned, shown or written, and reported."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from docgen_plugin.config import Config
from docgen_plugin.errors import WriteError
from docgen_plugin.model import Change, WriteReport
from docgen_sqlalchemy import connect, postgres, reflect
from docgen_sqlalchemy.connect import Database
from docgen_sqlalchemy.dialects import DIALECTS
from docgen_sqlalchemy.plan import Item, Skipped, Statement, plan
from docgen_sqlalchemy.send import build, prepare, send

__all__ = ["write"]


def write(source: str, changes: Sequence[Change], dry_run: bool, config: Config) -> WriteReport:
    """Return what was written as comments, or with `dry_run` what would be.

    Raises:
        SourceError: when the database cannot be opened or read.
        WriteError: when nothing was written: no comments in this dialect, no right, a failed statement.
    """
    database = connect.database(source)
    if database.dialect not in DIALECTS:
        raise WriteError(
            f"{database.dialect} has no comments: use `docgen apply ... --to FILE.yml` "
            "to get the descriptions as YAML"
        )
    with connect.writing(database) as connection:
        try:
            prepare(connection, database)
            catalog = reflect.read(connection, database, config, definitions=False)
            groups, skipped = plan(catalog, changes, database.dialect)
            refused = _refused(connection, database, groups)
            if dry_run:
                statements = build(connection, database, groups, skipped)
                return _report(() if refused else statements, changes, skipped, _preview(statements, refused))
        except SQLAlchemyError as err:
            raise WriteError(
                f"{database.name}: nothing was written: {connect.reason(err, database)}"
            ) from err
        if refused:
            raise WriteError(f"{refused}; nothing was written")
        sent = send(connection, database, config, groups)
    error = sent.error or sent.failure
    if error and not sent.statements:
        raise WriteError(f"{database.name}: nothing was written: {error}")
    return _report(sent.statements, changes, skipped + sent.skipped, _preview(sent.statements), sent.error)


def _report(
    statements: Sequence[Statement],
    changes: Sequence[Change],
    skipped: Sequence[Skipped],
    preview: str,
    error: str = "",
) -> WriteReport:
    asked = {change.ref: change.after for change in changes}
    sent = {item.ref: item.text for statement in statements for item in statement.items}
    return WriteReport(
        written=tuple(sent),
        skipped=tuple(skipped),
        # the ledger takes white space for no difference: only what was cut or struck out is news
        altered=tuple((ref, text) for ref, text in sent.items() if text.split() != asked[ref].split()),
        preview=preview,
        error=error,
    )


def _refused(connection: Connection, database: Database, groups: Iterable[tuple[Item, ...]]) -> str:
    """Return which table the role may not comment on, "" where all is well or the dialect does not say."""
    wanted = sorted({(group[0].place.schema, group[0].place.table) for group in groups})
    if database.dialect != "postgresql" or not wanted:
        return ""
    owners = postgres.owners_refusing(connection, sorted({schema for schema, _ in wanted}))
    denied = [(place, *owners[place]) for place in wanted if place in owners]
    if not denied:
        return ""
    (schema, table), owner, role = denied[0]
    more = f" and {len(denied) - 1} more" if len(denied) > 1 else ""
    return (
        f"{database.name}: role {role!r} may not comment on {schema}.{table}{more}, owned by {owner!r}: "
        f"connect as the owner, or have {owner!r} granted to {role!r}"
    )


def _preview(statements: Iterable[Statement], refused: str = "") -> str:
    lines = [f"-- {refused}"] if refused else []
    for statement in statements:
        lines += [
            f"-- {' '.join(str(item.ref).split())}: {item.note}" for item in statement.items if item.note
        ]
        lines += [f"{sql};" for sql in statement.sql]
    return "".join(f"{line}\n" for line in lines)
