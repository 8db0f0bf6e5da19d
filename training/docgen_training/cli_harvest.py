"""The command that makes training records of a team's own documentation: harvest."""

from __future__ import annotations

from pathlib import Path

import click

from docgen_training.cli_options import OUT

__all__ = ["COMMANDS"]


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--license",
    "given",
    default="",
    metavar="SPDX",
    help="The sources' licence; else the one that they state, or their LICENSE file.",
)
@click.option(
    "--allow-license",
    "allowed",
    multiple=True,
    metavar="NAME",
    help="Accept this licence beside the permissive ones.",
)
@click.option(
    "--source", "name", default="", help="The records' source instead of what the source calls itself."
)
@click.option(
    "--min-described",
    "least",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Described places that a table needs: itself and its columns.",
)
@click.option("--out", type=OUT, required=True)
def harvest(
    sources: tuple[str, ...], given: str, allowed: tuple[str, ...], name: str, least: int, out: Path
) -> None:
    """Make records of documented dbt projects, databases and OpenAPI or JSON Schema files.

    A SOURCE is a dbt project's folder, a database URL, or a .json or .yaml file.
    """
    from docgen_plugin.console import count, visible
    from docgen_training.harvest import harvest as gather
    from docgen_training.harvest import write_harvests
    from docgen_training.licenses import Terms

    done = []
    for source in sources:
        one = gather(source, Terms(given, allowed), name, least)
        for note in one.notes:
            click.echo(f"note: {visible(note)}", err=True)
        tables, columns = count(len(one.records), "table"), count(one.columns, "described column")
        click.echo(f"{visible(one.source)}: {tables}, {columns}, {visible(one.license)}")
        done.append(one)
    click.echo(f"{out}: {count(write_harvests(out, done), 'table')}")


COMMANDS = (harvest,)
