"""The plugin manager: the core's own hooks plus whatever the entry-point group `docgen` names."""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

import pluggy

from docgen_plugin import hookspecs
from docgen_plugin.console import say, visible

__all__ = ["manager"]


@cache
def manager() -> pluggy.PluginManager:
    """Return the one plugin manager, its plugins loaded; a plugin that fails to import is named and skipped."""
    plugins = pluggy.PluginManager("docgen")
    plugins.add_hookspecs(hookspecs)
    for entry in sorted(entry_points(group="docgen"), key=lambda point: point.name):
        try:
            plugins.register(entry.load(), name=entry.name)
        except Exception as err:  # noqa: BLE001 - a stranger's plugin must not take the tool down
            say(f"docgen: plugin {entry.name} ({entry.value}) was skipped: {visible(str(err))}")
    return plugins
