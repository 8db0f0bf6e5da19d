"""The project as one operation sees it: its catalog, the warehouse asked for columns, and the tables that are meant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from glob import escape
from typing import Any

from docgen_dbt.arguments import Arguments
from docgen_dbt.artifacts import Listed, catalog_of, own_nodes
from docgen_dbt.inside import Inside, chosen_ids
from docgen_dbt.seen import write_columns
from docgen_dbt.selectors import is_criterion, select_nodes
from docgen_dbt.warehouse import table_columns
from docgen_plugin.config import Config
from docgen_plugin.errors import ConfigError
from docgen_plugin.model import Catalog
from docgen_plugin.selection import chosen_tables

__all__ = ["Chosen", "read_chosen"]

_NOTHING = "\0"  # a glob that no name matches
_Nodes = Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Chosen:
    """What one operation is about."""

    catalog: Catalog  # the whole project: texts are inherited from tables that were not chosen, too
    manifest: Mapping[str, Any]
    own: _Nodes  # the project's own nodes and sources by unique id
    config: Config  # its include names the chosen tables


def read_chosen(
    inside: Inside, arguments: Arguments, ask: bool, only: frozenset[str] = frozenset()
) -> Chosen:
    """Return the project and the chosen tables.

    Args:
        ask: ask the warehouse for the columns of the chosen tables and of those that they read.
        only: unique ids among which to choose; empty is all.

    Raises:
        ConfigError: when nothing is chosen.
        SourceError: when what the warehouse answered cannot be kept.
    """
    manifest = inside.manifest()
    own = own_nodes(inside.project, manifest)
    ids = chosen_ids(inside, arguments.select, arguments.exclude, arguments.selector)
    keys = [key for key in own if (ids is None or key in ids) and (not only or key in only)]
    if not keys:
        raise ConfigError(_nothing(inside, arguments, len(own)))
    asked: dict[str, Listed] = {}
    notes: list[str] = []
    if ask:
        asked, notes = table_columns(inside, own, _with_parents(own, keys))
        write_columns(
            inside.project, {key: (one.columns, one.seen_ns) for key, one in asked.items()}, set(own)
        )
    catalog = catalog_of(inside.project, manifest, asked, notes)
    for note in catalog.notes:
        inside.log(f"note: {note}")
    return Chosen(
        catalog, manifest, own, _config(inside, manifest, catalog, keys if len(keys) < len(own) else None)
    )


def _nothing(inside: Inside, arguments: Arguments, number: int) -> str:
    words = [*arguments.select, *(f"(without) {one}" for one in arguments.exclude), arguments.selector]
    shown = " ".join(word for word in words if word)
    name = inside.project.name
    if not (number and shown):
        return f"{name} has no models, sources, seeds or snapshots to look at"
    return f"{shown!r} selects none of the {number:,} models, sources, seeds and snapshots of {name}"


def _config(
    inside: Inside, manifest: Mapping[str, Any], catalog: Catalog, keys: Sequence[str] | None
) -> Config:
    """Return the settings with their include narrowed to the tables with these keys."""
    settings = replace(
        inside.config,
        include=_globs(manifest, inside.config.include),
        exclude=_globs(manifest, inside.config.exclude),
    )
    left = {table.key for table in chosen_tables(catalog.tables, settings)}
    names = tuple(escape(key) for key in (left if keys is None else keys) if key in left)
    if not names:
        raise ConfigError("the settings include and exclude leave out every table that was chosen")
    return settings if keys is None else replace(settings, include=names, exclude=())


def _globs(manifest: Mapping[str, Any], criteria: Sequence[str]) -> tuple[str, ...]:
    """Return globs for those of a setting: one in dbt's own grammar becomes the keys that it means."""
    found: list[str] = []
    for criterion in criteria:
        if is_criterion(criterion):
            found += sorted(map(escape, select_nodes(manifest, [criterion]))) or [_NOTHING]
        else:
            found.append(criterion)
    return tuple(found)


def _with_parents(own: _Nodes, keys: Sequence[str]) -> list[str]:
    """Return the tables, and those that they read: the columns of these say what a star stands for."""
    parents = (parent for key in keys for parent in (own[key].get("depends_on") or {}).get("nodes") or ())
    found = dict.fromkeys([*keys, *(parent for parent in parents if parent in own)])
    return [key for key in found if (own[key].get("config") or {}).get("materialized") != "ephemeral"]
