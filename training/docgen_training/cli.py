"""`docgen-train`: one command per stage; `training/run.sh` runs them in order."""

from __future__ import annotations

import sys

import click

from docgen_plugin.errors import DocgenError
from docgen_training import (
    cli_calibrate,
    cli_data,
    cli_finetune,
    cli_harvest,
    cli_judge,
    cli_model,
    cli_plan,
    cli_publish,
    cli_rate,
    cli_run,
    cli_select,
)

__all__ = ["cli", "main"]


class _InOrder(click.Group):
    """A group that lists its commands in the order of the journey, not of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(cls=_InOrder)
def cli() -> None:
    """Make the model: seeds and texts, rows, training, export, judgement. Stages meet in files."""


for _room in (
    cli_data,
    cli_harvest,
    cli_model,
    cli_plan,
    cli_finetune,
    cli_judge,
    cli_select,
    cli_publish,
    cli_run,
    cli_calibrate,
    cli_rate,
):
    for _command in _room.COMMANDS:
        cli.add_command(_command)


def main() -> None:
    """Run the command line; one line and exit code 1 for a user's mistake."""
    try:
        cli(standalone_mode=False)
    except click.exceptions.Abort as err:
        if isinstance(err.__cause__, KeyboardInterrupt):  # click's way of passing Ctrl-C on
            print("docgen-train: stopped; the same command goes on from what was reached", file=sys.stderr)
        sys.exit(130)
    except click.ClickException as err:
        err.show()
        sys.exit(err.exit_code)
    except DocgenError as err:
        print(f"docgen-train: {err}", file=sys.stderr)
        sys.exit(1)
