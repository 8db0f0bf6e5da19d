"""The command that closes the loop: run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from docgen_plugin.errors import DocgenError

__all__ = ["COMMANDS"]


class _StageName(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """The name of a stage of the run."""

    name = "STAGE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return the name."""
        from docgen_training.run_stages import STAGES

        names = [stage.name for stage in STAGES]
        if value not in ("", *names):
            self.fail(f"{value!r} is no stage; they are {', '.join(names)}", param, ctx)
        return str(value)


STAGE = _StageName()


@click.command()
@click.option("--config", "path", type=click.Path(path_type=Path), default="team.toml", show_default=True)
@click.option("--from", "start", type=STAGE, default="", help="Begin with this stage, changed or not.")
@click.option("--only", type=STAGE, default="", help="Do this stage alone, changed or not.")
@click.option("--force", is_flag=True, help="Do every stage, changed or not.")
@click.option("--dry-run", is_flag=True, help="Say what would be done, and why; write nothing.")
def run(path: Path, start: str, only: str, force: bool, dry_run: bool) -> None:
    """Go from your documentation to a registered model with its scores and its study sheet.

    Stages whose inputs have not changed are skipped; a run that was stopped goes on.
    """
    from docgen_plugin.console import say, show
    from docgen_training.run import Choice, plan_run
    from docgen_training.run import run as go
    from docgen_training.run_config import load_run_config
    from docgen_training.run_report import outcome_text

    if start and only:
        raise click.UsageError("--from and --only exclude each other")
    config = load_run_config(path)
    choice = Choice(start, only, force)
    if dry_run:
        outcomes = plan_run(config, choice)
    else:
        outcomes = go(config, choice, lambda one: say(f"{one.stage}: {one.why} ..."))
    for one in outcomes:
        show(f"{one.stage:10}{outcome_text(one)}")
    if dry_run:
        return
    show(f"report: {Path(config.folder, 'report.md')}")
    failed = next((one for one in outcomes if one.state == "failed"), None)
    if failed:
        raise DocgenError(f"{failed.stage}: {failed.why}")


COMMANDS = (run,)
