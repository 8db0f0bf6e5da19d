"""A dbt project's manifest and catalog files as one Catalog."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from docgen_dbt import parse
from docgen_dbt.columns import Inferred, SqlReader, seed_columns
from docgen_dbt.facts import Facts, read_facts
from docgen_dbt.meta import is_pinned, pin_notes
from docgen_dbt.overlay import overlay_file
from docgen_dbt.project import Project, load_project
from docgen_dbt.references import References
from docgen_dbt.seen import read_columns
from docgen_dbt.shape import misshapen
from docgen_plugin.config import Config
from docgen_plugin.errors import SourceError
from docgen_plugin.model import Catalog, Column, Table

__all__ = [
    "Listed",
    "MANIFEST_VERSIONS",
    "catalog_of",
    "listed_columns",
    "own_nodes",
    "read_manifest",
    "read_project",
    "table_path",
]

# by manifest version: the dbt-core that writes it; https://schemas.getdbt.com/
MANIFEST_VERSIONS = {11: "1.7", 12: "1.8 to 1.12"}
_NOTED = 3  # names in a note
_UNLISTED = (
    "a `select *` over a table that nobody lists, or SQL that cannot be read; run `dbt docs generate`, "
    "or describe their columns in YAML"
)
_VERSION = re.compile(r"/manifest/v(\d+)(?:\.json)?$")
_KINDS = ("model", "seed", "snapshot")
_UPPER_CASE = {"snowflake", "oracle", "exasol", "teradata"}  # unquoted names come back in capitals
_CAPITALS = re.compile(r"[A-Z_][A-Z0-9_$]*")


@dataclass(frozen=True, slots=True)
class Listed:
    """The columns that the database has for one node, in order, and when it was asked."""

    columns: tuple[tuple[str, str], ...]  # name, type
    seen_ns: int  # nanoseconds since 1970


def read_project(root: Path, config: Config) -> Catalog:
    """Return the models, sources, seeds and snapshots of a project, its installed packages left out.

    Raises:
        SourceError: when there is no manifest that can be read and dbt cannot make one.
    """
    project = load_project(root)
    notes, newer = _fresh_manifest(project, config)
    manifest = read_manifest(project)
    own = own_nodes(project, manifest)
    gone = parse.gone_entries(project, own) if not newer else []
    if gone:
        notes.append(_renewed(project, config, gone))
        manifest = read_manifest(project)
        own = own_nodes(project, manifest)
    for path in newer:
        overlay_file(path, own, References(manifest))
    return catalog_of(project, manifest, {}, notes)


def catalog_of(
    project: Project, manifest: Mapping[str, Any], asked: Mapping[str, Listed], notes: Sequence[str] = ()
) -> Catalog:
    """Return the catalog that a manifest makes, be it read from its file or taken from a running dbt.

    Args:
        asked: what the database answered just now, by unique id; it goes before what earlier answers say.
        notes: what the user should know already.
    """
    lower = (manifest.get("metadata") or {}).get("adapter_type") in _UPPER_CASE
    listed, note = _read_catalog_file(project, lower)
    earlier, another = read_columns(project)
    for key, (columns, seen_ns) in earlier.items():
        if key not in listed or listed[key].seen_ns < seen_ns:
            listed[key] = Listed(columns, seen_ns)
    own = own_nodes(project, manifest)
    builder = _Builder(project, manifest, own, {**listed, **asked})
    tables = builder.tables()
    found = [*notes, *(one for one in (note, another) if one), *pin_notes(own), *_unread(tables, own)]
    if not tables:
        found.append(f"{project.name} has no models, sources, seeds or snapshots")
    unlisted = tuple(key for key, node in own.items() if builder.is_unlisted(key, node))
    return Catalog(f"dbt:{project.name}", "dbt", tables, tuple(found), unlisted, _UNLISTED)


def read_manifest(project: Project) -> dict[str, Any]:
    """Return the project's manifest.

    Raises:
        SourceError: when it is missing, is not JSON, is of a version we do not know, or is not what dbt writes.
    """
    path = project.manifest_path
    try:
        manifest: dict[str, Any] = json.loads(path.read_bytes())
    except OSError as err:
        raise SourceError(f"{path}: cannot be read: {err.strerror}; run `dbt parse`") from err
    except (ValueError, RecursionError) as err:
        raise SourceError(f"{path}: is not JSON ({err}); run `dbt parse` to write it again") from err
    if not isinstance(manifest, dict) or not isinstance(manifest.get("metadata"), dict):
        raise SourceError(f"{path}: is not a dbt manifest; run `dbt parse` to write it again")
    schema = str(manifest["metadata"].get("dbt_schema_version") or "")
    version = _VERSION.search(schema)
    if version is None or int(version[1]) not in MANIFEST_VERSIONS:
        known = " and ".join(f"v{one} (dbt-core {core})" for one, core in MANIFEST_VERSIONS.items())
        raise SourceError(
            f"{path}: manifest version {schema or 'unknown'} is none of those that this docgen reads: {known}; "
            "run `dbt parse` with one of these"
        )
    if problem := misshapen(manifest):
        raise SourceError(f"{path}: is not a dbt manifest: {problem}; run `dbt parse` to write it again")
    return manifest


def table_path(node: Mapping[str, Any]) -> str:
    """Return the file that documents a node, or else the one that defines it."""
    patch = str(node.get("patch_path") or "")
    path = patch.split("://", 1)[1] if "://" in patch else str(node.get("original_file_path") or "")
    return path.replace("\\", "/")


def _fresh_manifest(project: Project, config: Config) -> tuple[list[str], list[Path]]:
    """Make sure that there is a manifest, of today where dbt is there; return notes and files newer than it."""
    shown = project.show(project.manifest_path)
    if not project.manifest_path.is_file():
        parse.run_parse(project, config)
        return [f"{shown} was missing: ran `dbt parse`"], []
    newer = parse.newer_files(project)
    if not newer:
        return [], []
    older = f"{shown} is older than {project.show(newer[0])}"
    if parse.dbt_command() is None:
        return [f"{older}: run `dbt parse`"], newer
    try:
        parse.run_parse(project, config)
    except SourceError as err:  # an old manifest is better than none, as long as the user knows
        return [f"{older}, and it could not be renewed: {err}"], newer
    return [f"{older}: ran `dbt parse`"], []


def _renewed(project: Project, config: Config, gone: Sequence[str]) -> str:
    """Have a manifest written without the texts of entries that are gone, where dbt is there; return the note of it."""
    kept = f"{project.show(project.manifest_path)} has texts of entries that are gone from their files ({len(gone):,}, such as {gone[0]})"
    if parse.dbt_command() is None:
        return f"{kept}: run `dbt --no-partial-parse parse`"
    try:
        parse.run_parse(project, config, partial=False)
    except SourceError as err:  # they are no worse than an old manifest
        return f"{kept}, and it could not be renewed: {err}"
    return f"{kept}: ran `dbt --no-partial-parse parse`"


def own_nodes(project: Project, manifest: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the root project's nodes by unique id, in a stable order: sources, seeds, models, snapshots."""
    name = (manifest.get("metadata") or {}).get("project_name") or project.name
    order = {"source": 0, "seed": 1, "model": 2, "snapshot": 3}
    found = {**manifest["nodes"], **(manifest.get("sources") or {})}
    own = {
        key: node
        for key, node in found.items()
        if node.get("resource_type") in order
        and node.get("package_name") == name
        and (node.get("config") or {}).get("enabled", True)
    }
    return dict(sorted(own.items(), key=lambda item: (order[item[1]["resource_type"]], item[0])))


def _read_catalog_file(project: Project, lower: bool) -> tuple[dict[str, Listed], str]:
    """Return the columns that `dbt docs generate` found in the database, and a note when it is unreadable."""
    path = project.target / "catalog.json"
    if not path.is_file():
        return {}, ""
    try:
        seen_ns = path.stat().st_mtime_ns
        data = json.loads(path.read_bytes())
        entries = {**(data.get("nodes") or {}), **(data.get("sources") or {})}
        return {key: _listed(entry, lower, seen_ns) for key, entry in entries.items()}, ""
    except (OSError, ValueError, AttributeError, KeyError, TypeError) as err:
        return {}, f"{project.show(path)} cannot be read and was left out ({type(err).__name__}: {err})"


def _listed(entry: Mapping[str, Any], lower: bool, seen_ns: int) -> Listed:
    columns = sorted((entry.get("columns") or {}).values(), key=lambda column: int(column.get("index") or 0))
    pairs = [(str(column["name"]), str(column.get("type") or "")) for column in columns]
    return Listed(_spelled(pairs, lower), seen_ns)


def listed_columns(pairs: Sequence[tuple[str, str]], adapter_type: str, seen_ns: int) -> Listed:
    """Return what a database answered, its names spelled as people write them."""
    return Listed(_spelled(pairs, adapter_type in _UPPER_CASE), seen_ns)


def _spelled(pairs: Sequence[tuple[str, str]], lower: bool) -> tuple[tuple[str, str], ...]:
    return tuple(
        (name.lower() if lower and _CAPITALS.fullmatch(name) else name, kind) for name, kind in pairs
    )


def _unread(tables: Sequence[Table], nodes: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield a note on models whose SQL cannot be followed."""
    unread = [
        table.name
        for table in tables
        if table.kind == "model"
        and nodes[table.key].get("language", "sql") == "sql"
        and table.columns
        and not any(column.lineage for column in table.columns)
    ]
    if unread:
        more = f" and {len(unread) - _NOTED:,} more" if len(unread) > _NOTED else ""
        yield f"no lineage for {', '.join(unread[:_NOTED])}{more}: their SQL cannot be read, no text is inherited through it"


class _Builder:
    """Puts tables together from the manifest, the catalog file, the SQL and the seeds."""

    def __init__(
        self,
        project: Project,
        manifest: Mapping[str, Any],
        own: Mapping[str, Mapping[str, Any]],
        listed: Mapping[str, Listed],
    ) -> None:
        self._project, self._own, self._listed = project, own, listed
        self._nodes = {**manifest["nodes"], **(manifest.get("sources") or {})}
        self._names = _shown_names(self._nodes)
        self._facts = read_facts(manifest, self._names)
        self._references = References(manifest)
        self._seeds = {
            key: seed_columns(project.root, node)
            for key, node in self._nodes.items()
            if node.get("resource_type") == "seed"
        }
        self._inferred = self._infer(manifest)

    def tables(self) -> tuple[Table, ...]:
        """Return every table of the project's own."""
        return tuple(self._table(key, node) for key, node in self._own.items())

    def is_unlisted(self, key: str, node: Mapping[str, Any]) -> bool:
        """Return whether a model may have columns that neither the database, its SQL nor a person named."""
        if node["resource_type"] not in ("model", "snapshot"):
            return False
        listed, inferred = self._listed.get(key), self._inferred.get(key)
        if (listed is not None and listed.columns) or (inferred is not None and inferred.complete):
            return False
        if ((node.get("config") or {}).get("contract") or {}).get("enforced"):
            return False
        return not any(column.get("description") for column in (node.get("columns") or {}).values())

    def _infer(self, manifest: Mapping[str, Any]) -> dict[str, Inferred]:
        known: dict[str, tuple[tuple[str, str], ...]] = {}
        for key, node in self._nodes.items():
            is_source = node.get("resource_type") == "source"
            if self._seeds.get(key):
                known[key] = self._seeds[key]
            elif key in self._listed and (is_source or not self._is_newer(key, node)):
                known[key] = self._listed[key].columns
        names = _qualified_names(self._nodes, self._names)
        variables = self._project.variables
        return SqlReader(self._project.root, manifest, known, names, variables).read_all()

    def _is_newer(self, key: str, node: Mapping[str, Any]) -> bool:
        """Tell whether a node's SQL changed after the database was asked for its columns."""
        listed = self._listed.get(key)
        source = self._project.root / str(node.get("original_file_path"))
        try:
            return listed is not None and source.stat().st_mtime_ns > listed.seen_ns
        except OSError:
            return False

    def _table(self, key: str, node: Mapping[str, Any]) -> Table:
        facts = self._facts.get(key) or Facts()
        inferred = self._inferred.get(key)
        pinned = is_pinned(node)
        documented = node.get("columns") or {}
        columns = tuple(
            replace(
                self._column(name, kind, text, facts),
                lineage=inferred.lineage.get(name.lower()) if inferred else None,
                reference=self._references.of(documented.get(name) or {}),
                pinned=is_pinned(documented.get(name) or {}, pinned),
            )
            for name, kind, text in self._merge(key, node, inferred)
        )
        return Table(
            key=key,
            name=self._names[key],
            kind=str(node["resource_type"]),
            schema=str(node.get("schema") or ""),
            description=str(node.get("description") or "").strip(),
            columns=facts.with_primary_key(columns),
            sql=inferred.sql if inferred else "",
            upstream=tuple(dict.fromkeys((node.get("depends_on") or {}).get("nodes") or ())),
            path=table_path(node),
            owner=_owner(node),
            pinned=pinned,
            relation=str(node.get("alias") or node.get("identifier") or ""),
        )

    def _merge(
        self, key: str, node: Mapping[str, Any], inferred: Inferred | None
    ) -> list[tuple[str, str, str]]:
        """Return (name, type, description) of a node's columns: the database's order, the YAML's spelling."""
        documented = {str(column["name"]): column for column in (node.get("columns") or {}).values()}
        spelled = {name.lower(): name for name in documented}
        listed = self._listed.get(key)
        types: dict[str, str] = {}
        for name, kind in (*(inferred.columns if inferred else ()), *(listed.columns if listed else ())):
            if kind or name.lower() not in types:
                types[name.lower()] = kind
        merged: dict[str, tuple[str, str, str]] = {}
        names = [name for name, _ in self._ordered(key, node, inferred, listed)]
        for name in (*names, *documented):
            if name.lower() in merged and name not in documented:
                continue
            shown = name if name in documented else spelled.get(name.lower(), name)
            column = documented.get(shown) or {}
            kind = str(column.get("data_type") or types.get(name.lower(), ""))
            merged.setdefault(
                shown if shown in documented else name.lower(),
                (shown, kind, str(column.get("description") or "").strip()),
            )
        return list(merged.values())

    def _ordered(
        self, key: str, node: Mapping[str, Any], inferred: Inferred | None, listed: Listed | None
    ) -> tuple[tuple[str, str], ...]:
        """Return the names to show for a node, the surest source first."""
        if self._seeds.get(key):
            return self._seeds[key]
        if listed is None or not listed.columns:
            return inferred.columns if inferred else ()
        if inferred is None or not inferred.complete or not self._is_newer(key, node):
            return listed.columns
        return inferred.columns  # the SQL changed since the database was looked at

    def _column(self, name: str, kind: str, text: str, facts: Facts) -> Column:
        fact = facts.column(name)
        return Column(
            name=name,
            type=kind,
            description=text,
            primary_key=False,
            not_null=fact.not_null,
            unique=fact.unique,
            foreign_key=fact.foreign_key,
            values=fact.values,
        )


def _shown_names(nodes: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Return the name that people read for each node; versions of a model carry their number."""
    names = {}
    for key, node in nodes.items():
        name = str(node.get("name"))
        version = node.get("version")
        names[key] = name if version is None else f"{name}_v{version}"
    return names


def _qualified_names(nodes: Mapping[str, Mapping[str, Any]], names: Mapping[str, str]) -> dict[str, str]:
    """Return the names for use in SQL: with the schema in front where a name alone is not clear."""
    kinds = ("source", *_KINDS)
    counts = Counter(names[key] for key, node in nodes.items() if node.get("resource_type") in kinds)
    return {
        key: f"{nodes[key].get('schema')}.{name}" if counts[name] > 1 else name for key, name in names.items()
    }


def _owner(node: Mapping[str, Any]) -> str:
    """Return who answers for a node: `meta.owner` where it stands, else its dbt group.

    >>> _owner({"config": {"meta": {"owner": "@finance"}}}), _owner({"group": "growth"}), _owner({})
    ('@finance', 'growth', '')
    """
    config = node.get("config") or {}
    for meta in (config.get("meta"), node.get("meta"), node.get("source_meta")):
        owner = meta.get("owner") if isinstance(meta, dict) else None
        if isinstance(owner, dict):
            owner = owner.get("name") or owner.get("email")
        if isinstance(owner, str) and owner.strip():
            return owner.strip()
    return str(node.get("group") or config.get("group") or "")
