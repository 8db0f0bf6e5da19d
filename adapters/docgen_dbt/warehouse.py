"""What stands in the warehouse, asked through dbt's own adapter: relations and their columns."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

from docgen_dbt.artifacts import Listed, listed_columns
from docgen_dbt.inside import Inside, one_line
from docgen_plugin.console import count

__all__ = ["relation_of", "table_columns"]


def relation_of(inside: Inside, node: Mapping[str, Any]) -> Any:
    """Return the relation that stands in the warehouse for a node, None when it is not built.

    Needs a connection, and may raise what the adapter raises.
    """
    name = node.get("identifier") or node.get("alias") or node["name"]
    database = node.get("database")
    return inside.adapter.get_relation(
        database=database, schema=str(node.get("schema") or ""), identifier=str(name)
    )


def table_columns(
    inside: Inside, nodes: Mapping[str, Mapping[str, Any]], keys: Iterable[str]
) -> tuple[dict[str, Listed], list[str]]:
    """Return the columns of those nodes that are built, by unique id, and notes on those that could not be read.

    The connection is released before this returns: on some databases reading holds locks until then.
    """
    from dbt_common.exceptions import DbtBaseException

    found: dict[str, Listed] = {}
    failed: list[str] = []
    reason = ""
    try:
        with inside.connected("docgen_read"):
            for key in keys:
                try:
                    relation = relation_of(inside, nodes[key])
                    columns = [] if relation is None else inside.adapter.get_columns_in_relation(relation)
                except DbtBaseException as err:
                    failed.append(key)
                    reason = reason or one_line(err)
                    if not found:
                        break  # no connection, most likely: every other table would wait for it, too
                    continue
                pairs = [(str(column.name), str(column.data_type)) for column in columns]
                if pairs:
                    found[key] = listed_columns(pairs, inside.adapter_type, time.time_ns())
    except DbtBaseException as err:
        failed, reason = failed or ["the warehouse"], reason or one_line(err)
    if not failed:
        return found, []
    what = count(len(failed), "table") if found else "the warehouse"
    return found, [f"{what} could not be asked for columns, the SQL was read instead: {reason}"]
