"""The `docgen` command: one verb, one function; plugins may add their own."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from docgen_plugin import (
    __version__,
    cli_coverage,
    cli_ledger,
    cli_metrics,
    cli_model,
    cli_review,
    cli_source,
    cli_sync,
    demo,
)
from docgen_plugin.console import say, visible
from docgen_plugin.errors import DocgenError
from docgen_plugin.interrupts import came, remembered

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main"]

_VERBS = (
    "suggest",
    "review",
    "accept",
    "undo",
    "apply",
    "status",
    "coverage",
    "metrics",
    "sync",
    "model",
    "ledger",
    "demo",
)
_INTERRUPTED = 130  # what shells expect of a command ended by Ctrl-C


class _Docgen(click.Group):
    """The group of all verbs: asks the plugins for theirs, and turns our errors into one line."""

    _asked: set[str]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._asked = set()

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return our verbs in the order people need them, then those of plugins."""
        self._ask_plugins()
        known = [name for name in _VERBS if name in self.commands]
        return known + sorted(name for name in self.commands if name not in _VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, asking the plugins for those that are not ours."""
        if cmd_name not in self.commands:
            self._ask_plugins()
        return super().get_command(ctx, cmd_name)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the verb; an error of the user's is one line and exit code 1, Ctrl-C one line and 130."""
        try:
            return super().invoke(ctx)
        except DocgenError as err:
            say(f"docgen: {visible(str(err))}")
            ctx.exit(_INTERRUPTED if came() else 1)  # adapters say in an error what Ctrl-C left undone
        except KeyboardInterrupt:
            say("docgen: interrupted")
            ctx.exit(_INTERRUPTED)

    def _ask_plugins(self) -> None:
        from docgen_plugin.plugins import manager

        for plugin in manager().hook.register_commands.get_hookimpls():
            if plugin.plugin_name in self._asked:
                continue
            self._asked.add(plugin.plugin_name)
            own = dict(self.commands)
            try:
                plugin.function(*[self for _ in plugin.argnames])
            except Exception as err:  # noqa: BLE001 - a stranger's plugin must not take the tool down
                say(f"docgen: the commands of plugin {plugin.plugin_name} were skipped: {visible(str(err))}")
            self.commands.update({name: own[name] for name in _VERBS if name in own})


@click.group(cls=_Docgen, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="docgen")
def cli() -> None:
    """Describe the undocumented tables and columns of a dbt project or a database.

    SOURCE is the folder of a dbt project (the current one when left out) or a database URL such as
    postgresql://user@host/name. The usual journey: suggest, review or accept, apply.
    """


for _command in (
    *cli_source.COMMANDS,
    *cli_ledger.COMMANDS,
    *cli_review.COMMANDS,
    *cli_coverage.COMMANDS,
    *cli_metrics.COMMANDS,
    *cli_sync.COMMANDS,
    *cli_model.COMMANDS,
    *demo.COMMANDS,
):
    cli.add_command(_command)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run `docgen`; never returns."""
    for stream, errors in (
        (sys.stdout, "backslashreplace"),
        (sys.stderr, "backslashreplace"),
        (sys.stdin, "replace"),
    ):
        # a terminal that cannot show a character gets its escape, not a traceback
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors=errors)
    with remembered():
        cli.main(args=None if arguments is None else list(arguments), prog_name="docgen")
