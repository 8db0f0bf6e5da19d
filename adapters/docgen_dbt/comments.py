"""Comments of the warehouse, written inside dbt through dbt's own macros: what persist_docs would write.

A comment that stands there stays, unless it is an earlier text of ours. dbt's macros alter_relation_comment and
alter_column_comment make the statements; dbt's catalog macro says what stands there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from docgen_dbt.inside import Inside, one_line
from docgen_dbt.warehouse import relation_of
from docgen_plugin.freshness import same_text
from docgen_plugin.model import ColumnRef, WriteReport

__all__ = ["Comment", "CommentReport", "unpersisted", "write_comments"]

# adapters whose catalog macro says which comments stand there; without that none is written
# NOTE: run on the first two; the others by their catalog macros
_SAY_COMMENTS = ("duckdb", "postgres", "redshift", "snowflake")


@dataclass(frozen=True, slots=True)
class Comment:
    """One text that people accepted, and the texts of ours that it may take the place of."""

    ref: ColumnRef
    text: str
    ours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommentReport:
    """What was done to the warehouse's comments."""

    report: WriteReport
    present: tuple[ColumnRef, ...] = ()  # said so already


@dataclass(slots=True)
class _Done:
    written: list[ColumnRef] = field(default_factory=list)
    skipped: list[tuple[ColumnRef, str]] = field(default_factory=list)
    present: list[ColumnRef] = field(default_factory=list)
    statements: list[str] = field(default_factory=list)

    def skip(self, comments: Sequence[Comment], why: str) -> None:
        self.skipped += [(comment.ref, why) for comment in comments]


def write_comments(
    inside: Inside, nodes: Mapping[str, Mapping[str, Any]], comments: Sequence[Comment], dry_run: bool
) -> CommentReport:
    """Write comments, a transaction a table; a table that fails does not stop the others."""
    from dbt_common.exceptions import DbtBaseException

    done = _Done()
    if comments and inside.adapter_type not in _SAY_COMMENTS:
        done.skip(
            comments,
            f"dbt's {inside.adapter_type} adapter is not known to tell which comments stand there: "
            "write the YAML and let persist_docs carry it into the database",
        )
        comments = ()
    by_table: dict[str, list[Comment]] = {}
    for comment in comments:
        by_table.setdefault(comment.ref.table, []).append(comment)
    for key, wanted in by_table.items():
        try:
            with inside.connected("docgen_write"):
                _write_table(inside, nodes[key], wanted, dry_run, done)
        except DbtBaseException as err:
            refs = {*done.written, *done.present, *(ref for ref, _ in done.skipped)}
            done.skip([one for one in wanted if one.ref not in refs], one_line(err))
    report = WriteReport(tuple(done.written), tuple(done.skipped), preview="\n".join(done.statements))
    return CommentReport(report, tuple(done.present))


def _write_table(
    inside: Inside, node: Mapping[str, Any], comments: Sequence[Comment], dry_run: bool, done: _Done
) -> None:
    if (node.get("config") or {}).get("materialized") == "ephemeral":
        done.skip(comments, "an ephemeral model has no table")
        return
    relation = relation_of(inside, node)
    if relation is None:
        done.skip(comments, "its table is not built: dbt run first")
        return
    standing = _Standing(inside, relation)
    wanted = list(standing.wanted(comments, done))
    statements = list(_statements(inside, relation, wanted, standing))
    if not dry_run:
        for statement in statements:
            inside.adapter.execute(statement, auto_begin=True, fetch=False)
        inside.adapter.commit_if_has_connection()
    done.statements += statements
    done.written += [comment.ref for comment in wanted]


class _Standing:
    """The comments of one relation as they are now, and how the database spells its columns."""

    def __init__(self, inside: Inside, relation: Any) -> None:
        names = [str(column.name) for column in inside.adapter.get_columns_in_relation(relation)]
        self._names = {name.lower(): name for name in reversed(names)} | {name: name for name in names}
        self._texts: dict[str, str] = {}
        schemas = relation.information_schema_only()
        table = inside.adapter.execute_macro(
            "get_catalog_relations", kwargs={"information_schema": schemas, "relations": [relation]}
        )
        for row in table.rows:
            if str(row["table_name"]) != str(relation.identifier):
                continue  # the macro compares without case
            self._texts[""] = _text(row["table_comment"])
            self._texts[str(row["column_name"])] = _text(row["column_comment"])

    def name(self, column: str) -> str | None:
        """Return a column's name in the database, "" for the table itself, None when it has no such column."""
        return "" if not column else self._names.get(column) or self._names.get(column.lower())

    def wanted(self, comments: Sequence[Comment], done: _Done) -> Iterator[Comment]:
        """Yield the comments to write; the others are noted with the reason."""
        for comment in comments:
            name = self.name(comment.ref.column)
            if name is None or name not in self._texts:
                done.skip(
                    [comment], "the table has no such column" if name is None else "cannot be looked at"
                )
                continue
            text = self._texts[name]
            if text and same_text(text, comment.text):
                done.present.append(comment.ref)
            elif text and not any(same_text(text, one) for one in comment.ours if one.strip()):
                done.skip([comment], "a comment that docgen did not write stands there")
            else:
                yield comment


def _text(value: Any) -> str:
    return "" if value is None else str(value).strip()


def _statements(
    inside: Inside, relation: Any, comments: Sequence[Comment], standing: _Standing
) -> Iterator[str]:
    """Yield what dbt's macros make of the comments of one relation: for the table, then for its columns."""
    columns: dict[str, dict[str, Any]] = {}
    for comment in comments:
        name = standing.name(comment.ref.column)
        if name:
            # the database's own spelling, so that it can always be quoted
            columns[name] = {"name": name, "description": comment.text, "quote": True}
        else:
            arguments = {"relation": relation, "relation_comment": comment.text}
            yield from _made(inside, "alter_relation_comment", arguments)
    if columns:
        yield from _made(inside, "alter_column_comment", {"relation": relation, "column_dict": columns})


def _made(inside: Inside, macro: str, arguments: dict[str, Any]) -> Iterator[str]:
    statement = str(inside.adapter.execute_macro(macro, kwargs=arguments) or "").strip()
    if statement:
        yield statement


def unpersisted(nodes: Mapping[str, Mapping[str, Any]], comments: Sequence[Comment]) -> list[str]:
    """Return the names of those models, seeds and snapshots whose comments vanish when dbt builds them again."""
    names = []
    for key in dict.fromkeys(comment.ref.table for comment in comments):
        node = nodes[key]
        persisted = (node.get("config") or {}).get("persist_docs") or {}
        wanted = {"columns" if one.ref.column else "relation" for one in comments if one.ref.table == key}
        if node["resource_type"] != "source" and not all(persisted.get(kind) for kind in wanted):
            names.append(str(node["name"]))
    return names
