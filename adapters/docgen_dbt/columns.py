"""Column names and types of models read from their SQL, upstream first, so that `select *` can be expanded."""

from __future__ import annotations

import csv
import graphlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_dbt.import_ctes import merge_passing
from docgen_dbt.render import UNKNOWN, Renderer
from docgen_plugin.lineage import SQLGLOT_BUGS, mark_functions, quiet_sqlglot, rare_collections, trace
from docgen_plugin.model import Lineage

if TYPE_CHECKING:
    from sqlglot import exp
    from sqlglot.optimizer.scope import Scope

    from docgen_plugin.known_columns import KnownColumns

__all__ = ["Inferred", "SqlReader", "dialect_of", "seed_columns"]

_DIALECTS = {"sqlserver": "tsql", "synapse": "tsql", "fabric": "tsql", "sparksql": "spark", "glue": "spark"}
_SNAPSHOT_COLUMNS = {
    "dbt_scd_id": "",
    "dbt_updated_at": "timestamp",
    "dbt_valid_from": "timestamp",
    "dbt_valid_to": "timestamp",
}
_EPHEMERAL = "__dbt__cte__"  # dbt's prefix for an ephemeral model put into its reader's SQL
_PSEUDO_COLUMN = re.compile(
    r"(?i)^(_file_name|_table_suffix|_partition(time|date)|rowid|rownum|ctid|metadata\$.*|\*)$"
)
_GENERATED_NAME = re.compile(r"^_col_\d+$")  # sqlglot's name for an expression without one


@dataclass(frozen=True, slots=True)
class Inferred:
    """What the SQL of one node says about its columns."""

    columns: tuple[tuple[str, str], ...] = ()  # name, type ("" when the SQL does not tell)
    complete: bool = False  # False where a star or an unread macro may hide columns
    sql: str = ""  # the query in sqlglot's own dialect, tables by the names that readers see
    lineage: Mapping[str, Lineage] = field(default_factory=dict)  # by column, lower case


def dialect_of(adapter_type: str) -> str:
    """Return sqlglot's name for a dbt adapter, "" for one that it does not know."""
    from sqlglot.dialects.dialect import Dialect

    name = _DIALECTS.get(adapter_type, adapter_type)
    return name if name and Dialect.get(name) else ""


def seed_columns(root: Path, node: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the header of a seed's CSV file with the types that its configuration names."""
    config = node.get("config") or {}
    path = Path(str(node.get("root_path") or root)) / str(node["original_file_path"])
    if not path.is_file():  # a manifest that was made elsewhere
        path = root / str(node["original_file_path"])
    types = {str(name).lower(): str(kind) for name, kind in (config.get("column_types") or {}).items()}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file, delimiter=str(config.get("delimiter") or ",")), [])
    except (OSError, UnicodeDecodeError, csv.Error, TypeError):
        return ()
    names = [name.strip() for name in header]
    return tuple((name, types.get(name.lower(), "")) for name in names if name)


class SqlReader:
    """Reads the columns of every node of a manifest; upstream nodes are read before their readers."""

    def __init__(
        self,
        root: Path,
        manifest: Mapping[str, Any],
        known: Mapping[str, tuple[tuple[str, str], ...]],
        shown: Mapping[str, str],
        variables: Mapping[str, Any],
    ) -> None:
        """Take the manifest, complete column lists by unique id, and the table name shown for each id."""
        from docgen_plugin.known_columns import KnownColumns

        self._root = root
        self._nodes: dict[str, Mapping[str, Any]] = {
            **(manifest.get("nodes") or {}),
            **(manifest.get("sources") or {}),
        }
        adapter = str((manifest.get("metadata") or {}).get("adapter_type") or "")
        self._dialect = dialect_of(adapter)
        self._known, self._shown = known, shown
        self._renderer = Renderer(manifest, self._relation, variables)
        self._schema: KnownColumns = KnownColumns(self._dialect)
        self._types: dict[str, exp.DataType] = {"": self._schema.unknown_type}
        self._type_names: dict[exp.DataType, str] = {}
        self._numbers = {key: f"n{number}" for number, key in enumerate(self._nodes)}
        self._keys = {number: key for key, number in self._numbers.items()}
        self._unlisted = {  # sources without columns, by number
            number: key
            for key, number in self._numbers.items()
            if self._nodes[key].get("resource_type") == "source" and not known.get(key)
        }
        self._relations = self._index()
        self._spelling: dict[str, dict[str, str]] = {}
        self._used: dict[str, dict[str, str]] = {}  # by source: columns that queries take from it

    def read_all(self) -> dict[str, Inferred]:
        """Return what was read, by unique id; nodes that say nothing are left out."""
        found: dict[str, Inferred] = {}
        self._used.clear()
        with quiet_sqlglot(), rare_collections():
            for key in self._order():
                node = self._nodes[key]
                if node.get("resource_type") in ("model", "snapshot"):
                    inferred = self._read_sql(key, node)
                    if inferred is not None:
                        found[key] = inferred
                columns = self._known.get(key) or ()
                if not columns and key in found and found[key].complete:
                    columns = found[key].columns
                if columns:
                    self._remember(key, columns)
        for key, used in self._used.items():
            found[key] = Inferred(tuple((name, "") for name in used.values()))
        return found

    def _order(self) -> list[str]:
        graph = {
            key: [parent for parent in _parents(node) if parent in self._nodes]
            for key, node in self._nodes.items()
            if node.get("resource_type") in ("model", "seed", "snapshot", "source")
        }
        try:
            return list(graphlib.TopologicalSorter(graph).static_order())
        except graphlib.CycleError:  # dbt refuses cycles; a hand-made manifest may hold one
            return list(graph)

    def _relation(self, key: str) -> str:
        node = self._nodes.get(key) or {}
        return str(node.get("relation_name") or "") or f"{_EPHEMERAL}{node.get('name')}"

    def _index(self) -> dict[tuple[str, ...], str]:
        """Return unique ids by the parts of a table's name: three, two, and one where that is clear."""
        relations: dict[tuple[str, ...], str] = {}
        for key, node in self._nodes.items():
            if node.get("resource_type") not in ("model", "seed", "snapshot", "source"):
                continue
            if (node.get("config") or {}).get("materialized") == "ephemeral":
                relations[(f"{_EPHEMERAL}{node['name']}".lower(),)] = key
                continue
            name = node.get("identifier") or node.get("alias") or node["name"]
            parts = [str(node.get(part) or "").lower() for part in ("database", "schema")]
            full = (*parts, str(name).lower())
            for start in range(3):
                relations.setdefault(full[start:], key)
        return relations

    def _remember(self, key: str, columns: tuple[tuple[str, str], ...]) -> None:
        """Make a table's columns known to the queries that read it."""
        types = {name.lower(): self._type(kind) for name, kind in columns}
        self._schema.add(self._numbers[key], types)
        self._spelling[key] = {name.lower(): name for name, _ in columns}

    def _type(self, kind: str) -> exp.DataType:
        from sqlglot import exp
        from sqlglot.errors import SqlglotError

        if kind not in self._types:
            try:
                self._types[kind] = exp.DataType.build(kind, dialect=self._dialect, udt=True)
            except (SqlglotError, ValueError):
                self._types[kind] = self._schema.unknown_type
        return self._types[kind]

    def _read_sql(self, key: str, node: Mapping[str, Any]) -> Inferred | None:
        if node.get("language", "sql") != "sql":
            return None
        best: Inferred | None = None
        for text in self._texts(node):
            inferred = self._infer(key, node, text)
            if inferred is not None and inferred.complete:
                return inferred
            best = best or inferred
        return best

    def _texts(self, node: Mapping[str, Any]) -> Iterator[str]:
        """Yield the SQL of a node, the surest first: what dbt compiled, then what we can render."""
        compiled = self._compiled(node)
        if compiled:
            yield compiled
        rendered = self._renderer.render(node)
        if rendered and rendered.strip():
            yield rendered

    def _compiled(self, node: Mapping[str, Any]) -> str:
        if node.get("compiled_code"):
            return str(node["compiled_code"])
        path = node.get("compiled_path")
        written = self._root / str(path) if path else None
        source = self._root / str(node.get("original_file_path"))
        try:  # `dbt parse` forgets compiled code that a file may still hold
            if written and written.stat().st_mtime_ns >= source.stat().st_mtime_ns:
                return written.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            pass
        return ""

    def _infer(
        self, key: str, node: Mapping[str, Any], text: str, expand_aliases: bool = True
    ) -> Inferred | None:
        import sqlglot
        from sqlglot import exp
        from sqlglot.errors import OptimizeError, SqlglotError

        try:
            statements = [part for part in sqlglot.parse(text, dialect=self._dialect) if part is not None]
            queries = [part for part in statements if isinstance(part, exp.Query)]
            if not queries:
                return None
            query = queries[-1]
            spelling = self._point_to_nodes(query, _parents(node))
            shown = self._show(query)
            query = merge_passing(query, self._is_listed)
            columns, complete, lineage = self._select(key, query, spelling, expand_aliases)
        except OptimizeError:
            # a name that could be a column or an alias: sqlglot gives up where nobody listed the columns
            return self._infer(key, node, text, False) if expand_aliases else None
        except (SqlglotError, *SQLGLOT_BUGS):
            return None
        if node["resource_type"] == "snapshot":
            columns = _with_snapshot_columns(columns, node)
        return Inferred(columns, complete, shown, lineage)

    def _point_to_nodes(self, query: exp.Query, parents: list[str]) -> dict[str, str]:
        """Rename tables that are nodes to our numbers; return how column names are spelled, by lower case."""
        from sqlglot import exp

        upstream: dict[str, str] = {}
        _drop_ephemeral_ctes(query)
        found = list(query.find_all(exp.CTE, exp.Table))
        ctes = {cte.alias.lower() for cte in found if isinstance(cte, exp.CTE)}
        for table in found:
            if not isinstance(table, exp.Table):
                continue
            parts = tuple(part.name.lower() for part in table.parts)
            if len(parts) == 1 and parts[0] in ctes:
                continue
            key = self._relations.get(parts)
            if key is None or (len(parts) == 1 and key not in parents):
                continue
            if not table.alias:
                table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
                table.meta["unaliased"] = table.name
            table.meta["node"] = key
            table.set("db", None)
            table.set("catalog", None)
            table.set("this", exp.to_identifier(self._numbers[key], quoted=True))
            upstream.update(self._spelling.get(key, {}))
        written: dict[str, str] = {}
        given: dict[str, str] = {}
        for node in query.find_all(exp.Identifier, exp.Alias):
            if isinstance(node, exp.Alias):
                given[node.alias.lower()] = node.alias
            else:
                written[node.name.lower()] = node.name
        outer = {select.alias.lower(): select.alias for select in query.selects if select.alias}
        return {**written, **upstream, **given, **outer}

    def _show(self, query: exp.Query) -> str:
        """Return the query as readers see it: tables by their shown names, in sqlglot's own dialect."""
        from sqlglot import exp
        from sqlglot.errors import ErrorLevel

        copy = query.copy()
        found = list(copy.find_all(exp.Column, exp.Table))
        used = {column.table.lower() for column in found if isinstance(column, exp.Column)}
        for table in found:
            key = table.meta.get("node")
            if isinstance(table, exp.Table) and key is not None:
                shown = self._shown.get(key, str(self._nodes[key]["name"]))
                table.replace(_shown_table(table, shown, used))
        return copy.sql(pretty=True, unsupported_level=ErrorLevel.IGNORE, copy=False)

    def _select(
        self, key: str, query: exp.Query, spelling: Mapping[str, str], expand_aliases: bool
    ) -> tuple[tuple[tuple[str, str], ...], bool, dict[str, Lineage]]:
        """Return the columns of a query, whether they are all, and what each is made of."""
        from sqlglot import exp
        from sqlglot.optimizer.annotate_types import annotate_types
        from sqlglot.optimizer.qualify import qualify
        from sqlglot.optimizer.scope import traverse_scope

        for identifier in query.find_all(
            exp.Identifier
        ):  # dbt's users mix cases; databases mostly do not care
            identifier.set("this", identifier.name.lower())
            identifier.set("quoted", True)
        unread = any(_is_unknown(select) for select in query.selects)
        mark_functions(query)
        qualified = qualify(
            query,
            dialect=self._dialect or None,
            schema=self._schema,
            validate_qualify_columns=False,
            allow_partial_qualification=True,
            expand_alias_refs=expand_aliases,
            quote_identifiers=False,
        )
        scopes = traverse_scope(qualified)
        self._note_used(scopes, spelling)
        annotated = annotate_types(qualified, schema=self._schema, dialect=self._dialect or None)
        if not isinstance(annotated, exp.Query):
            return (), False, {}
        columns: dict[str, str] = {}
        complete = not unread
        for select in annotated.selects:
            name = select.alias_or_name
            if select.is_star or _is_unknown(select) or _GENERATED_NAME.match(name) or not name:
                complete = False
                continue
            columns.setdefault(spelling.get(name.lower(), name), self._type_name(select))
        return tuple(columns.items()), complete and bool(columns), self._lineage(key, qualified, scopes[-1])

    def _is_listed(self, table: exp.Table) -> bool:
        return self._schema.find(table) is not None

    def _type_name(self, select: exp.Expr) -> str:
        """Return a type as the dialect spells it, "" for an unknown one."""
        from sqlglot import exp

        kind = select.type
        if kind is None or kind.this in (exp.DataType.Type.UNKNOWN, exp.DataType.Type.NULL):
            return ""
        if kind.args.get("nested") or kind.this == exp.DataType.Type.USERDEFINED:
            return kind.sql(dialect=self._dialect or None)
        if kind not in self._type_names:
            self._type_names[kind] = kind.sql(dialect=self._dialect or None)
        return self._type_names[kind]

    def _lineage(self, key: str, query: exp.Query, scope: Scope) -> dict[str, Lineage]:
        from sqlglot.errors import SqlglotError

        names = [name for name, _ in self._known.get(key) or ()]
        names += [str(name) for name in self._nodes[key].get("columns") or {}]
        try:
            return trace(query, lambda table: self._keys.get(table.name, ""), key, UNKNOWN, names, scope)
        except (SqlglotError, *SQLGLOT_BUGS):
            return {}  # the columns are known all the same

    def _note_used(self, scopes: Sequence[Scope], spelling: Mapping[str, str]) -> None:
        """Remember the columns that a query surely takes from sources whose columns nobody lists."""
        from sqlglot import exp

        if not self._unlisted:
            return
        for scope in scopes:
            aliases = {alias.alias for alias in scope.find_all(exp.Alias)}
            for column in scope.columns:
                table = _origin(_source_of(scope, column.table))
                key = self._unlisted.get(table.name) if table is not None else None
                name = column.name
                if (
                    key is None
                    or not name
                    or _PSEUDO_COLUMN.match(name)
                    or (name in aliases and not _is_own_alias(column))
                ):
                    continue
                self._used.setdefault(key, {}).setdefault(name, spelling.get(name, name))


def _source_of(scope: Any, alias: str) -> Any:
    """Return what a column's table name means in a scope; without one, the only table that is read there."""
    if alias:
        return scope.sources.get(alias)
    selected = list(scope.selected_sources.values())
    return selected[0][1] if len(selected) == 1 and not scope.is_subquery else None


def _origin(source: Any) -> exp.Table | None:
    """Return the table behind a name in a query: itself, or what a bare `select * from` it passes on."""
    from sqlglot import exp

    while source is not None and not isinstance(source, exp.Table):
        query = source.expression
        if not isinstance(query, exp.Select) or len(query.selects) != 1 or not query.selects[0].is_star:
            return None
        if query.args.get("joins") or query.args.get("laterals") or len(source.sources) != 1:
            return None
        source = next(iter(source.sources.values()))
    return source


def _is_own_alias(column: exp.Expr) -> bool:
    """Tell whether a column stands in the expression that its own name is given to, as in `trim(a) as a`."""
    from sqlglot import exp

    alias = column.find_ancestor(exp.Alias, exp.Select)
    return isinstance(alias, exp.Alias) and alias.alias == column.name


def _parents(node: Mapping[str, Any]) -> list[str]:
    return [str(parent) for parent in (node.get("depends_on") or {}).get("nodes") or ()]


def _drop_ephemeral_ctes(query: exp.Query) -> None:
    """Take out the ephemeral models that dbt put in: they are tables of their own here."""
    clause = query.args.get("with_") or query.args.get("with")
    if clause is None:
        return
    kept = [cte for cte in clause.expressions if not cte.alias.startswith(_EPHEMERAL)]
    if kept:
        clause.set("expressions", kept)
    else:
        clause.pop()


def _shown_table(table: exp.Table, shown: str, used: set[str]) -> exp.Table:
    """Return a table by its shown name, without the alias that we gave it where nothing needs that."""
    from sqlglot import exp

    parts = [exp.to_identifier(part) for part in shown.split(".")]
    copy = table.copy()
    copy.set("this", parts[-1])
    copy.set("db", parts[-2] if len(parts) > 1 else None)
    unaliased = table.meta.get("unaliased")
    if unaliased is not None and unaliased.lower() not in used - {parts[-1].name.lower()}:
        copy.set("alias", None)
    return copy


def _is_unknown(select: exp.Expr) -> bool:
    from sqlglot import exp

    return isinstance(select, exp.Anonymous) and str(select.this).lower() == UNKNOWN


def _with_snapshot_columns(
    columns: tuple[tuple[str, str], ...], node: Mapping[str, Any]
) -> tuple[tuple[str, str], ...]:
    """Return a snapshot's columns with those that dbt adds, under the names its configuration gives them."""
    config = node.get("config") or {}
    renamed = config.get("snapshot_meta_column_names") or {}
    added = dict(_SNAPSHOT_COLUMNS)
    if config.get("hard_deletes") == "new_record":
        added["dbt_is_deleted"] = ""
    have = {name.lower() for name, _ in columns}
    extra = ((str(renamed.get(name) or name), kind) for name, kind in added.items())
    return (*columns, *(pair for pair in extra if pair[0].lower() not in have))
