"""One comment statement per dialect, built from names and text alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from docgen_sqlalchemy.dialects import DIALECTS, Rules

__all__ = ["NewText", "Place", "alter_table", "comment_sql", "refusal"]


@dataclass(frozen=True, slots=True)
class NewText:
    """A column's new comment with the definition that MySQL and MariaDB want around it, word for word."""

    before: str  # "`id` int(11) NOT NULL"
    text: str
    after: str = ""  # " CHECK (`id` > 0)"


@dataclass(frozen=True, slots=True)
class Place:
    """What a comment stands on: a table or view, or one of its columns."""

    schema: str
    table: str
    kind: str = "table"  # table, view, materialized view, foreign table
    column: str = ""


def refusal(dialect: str, place: Place) -> str:
    """Return why a place cannot carry a comment in this dialect, "" where it can.

    >>> refusal("mariadb", Place("shop", "sales", "view"))
    'mariadb keeps no comments of views'
    """
    if dialect in ("mysql", "mariadb") and place.kind != "table":
        return f"{dialect} keeps no comments of views"
    if place.kind == "materialized view" and not place.column and dialect in ("redshift", "trino"):
        return f"{dialect} has no statement for the comment of a materialized view"
    if dialect == "bigquery" and place.kind == "materialized view" and place.column:
        return "bigquery has no statement for a column of a materialized view"
    return ""


def comment_sql(dialect: str, place: Place, text: str, definition: tuple[str, str] = ("", "")) -> str:
    r"""Return the statement that sets a comment, without its semicolon.

    The text is written as it is: clean it and cut it to the dialect's limit before. `definition` is what
    stands before and after the comment in a column's definition, for MySQL and MariaDB.

    >>> comment_sql("postgresql", Place("public", "film", column="title"), "The film's title")
    'COMMENT ON COLUMN "public"."film"."title" IS \'The film\'\'s title\''
    """
    if dialect in ("mysql", "mariadb"):
        if place.column:
            return alter_table(dialect, place, [NewText(definition[0], text, definition[1])])
        return alter_table(dialect, place, [], text)
    return _BUILDERS.get(dialect, _comment_on)(DIALECTS[dialect], place, text)


def alter_table(
    dialect: str, place: Place, columns: Sequence[NewText], table_text: str = "", in_place: bool = True
) -> str:
    """Return the one ALTER TABLE of MySQL or MariaDB that sets the comments of many columns and the table.

    With `in_place` the server refuses rather than copies the table, should it see more than new comments.
    """
    rules = DIALECTS[dialect]
    clauses = [
        f"MODIFY COLUMN {column.before} COMMENT {rules.literal(column.text)}{column.after}"
        for column in columns
    ]
    if table_text:
        clauses.append(f"COMMENT = {rules.literal(table_text)}")
    algorithm = "INPLACE" if in_place else "COPY"
    return f"ALTER TABLE {rules.name(place.schema, place.table)} ALGORITHM={algorithm}, {', '.join(clauses)}"


def _comment_on(rules: Rules, place: Place, text: str) -> str:
    if place.column:
        target = f"COLUMN {rules.name(place.schema, place.table, place.column)}"
    else:
        target = f"{place.kind.upper()} {rules.name(place.schema, place.table)}"
    return f"COMMENT ON {target} IS {rules.literal(text)}"


def _oracle(rules: Rules, place: Place, text: str) -> str:
    # COMMENT ON TABLE is for views too; a materialized view has its own word
    kind = place.kind if place.kind == "materialized view" else "table"
    return _comment_on(rules, Place(place.schema, place.table, kind, place.column), text)


def _mssql(rules: Rules, place: Place, text: str) -> str:
    """One batch that adds the property or updates it, so that it can be sent twice."""
    levels = [("SCHEMA", place.schema), ("VIEW" if "view" in place.kind else "TABLE", place.table)]
    if place.column:
        levels.append(("COLUMN", place.column))
    listed = [part for kind, name in levels for part in (rules.literal(kind), rules.literal(name))]
    listed += ["NULL"] * (6 - len(listed))
    named = "".join(
        f", @level{number}type = {rules.literal(kind)}, @level{number}name = {rules.literal(name)}"
        for number, (kind, name) in enumerate(levels)
    )
    arguments = f"@name = N'MS_Description', @value = {rules.literal(text)}{named}"
    return (
        f"IF EXISTS (SELECT 1 FROM sys.fn_listextendedproperty(N'MS_Description', {', '.join(listed)})) "
        f"EXEC sys.sp_updateextendedproperty {arguments} "
        f"ELSE EXEC sys.sp_addextendedproperty {arguments}"
    )


def _bigquery(rules: Rules, place: Place, text: str) -> str:
    options = f"SET OPTIONS(description={rules.literal(text)})"
    table = f"{place.kind.upper()} {rules.name(place.schema, place.table)}"
    if place.kind == "foreign table":
        table = f"EXTERNAL TABLE {rules.name(place.schema, place.table)}"
    if place.column:
        return f"ALTER {table} ALTER COLUMN {rules.name(place.column)} {options}"
    return f"ALTER {table} {options}"


def _databricks(rules: Rules, place: Place, text: str) -> str:
    table = rules.name(place.schema, place.table)
    if not place.column:
        return f"COMMENT ON TABLE {table} IS {rules.literal(text)}"
    if place.kind != "table":  # ALTER TABLE refuses views; COMMENT ON COLUMN needs runtime 16.1
        return f"COMMENT ON COLUMN {table}.{rules.name(place.column)} IS {rules.literal(text)}"
    return f"ALTER TABLE {table} ALTER COLUMN {rules.name(place.column)} COMMENT {rules.literal(text)}"


def _clickhouse(rules: Rules, place: Place, text: str) -> str:
    table = rules.name(place.schema, place.table)
    if not place.column:
        return f"ALTER TABLE {table} MODIFY COMMENT {rules.literal(text)}"
    return f"ALTER TABLE {table} COMMENT COLUMN {rules.name(place.column)} {rules.literal(text)}"


_BUILDERS: dict[str, Callable[[Rules, Place, str], str]] = {
    "bigquery": _bigquery,
    "clickhouse": _clickhouse,
    "databricks": _databricks,
    "mssql": _mssql,
    "oracle": _oracle,
}
