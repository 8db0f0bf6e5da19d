"""The command that makes training records of a team's own documentation: harvest."""

from __future__ import annotations

from pathlib import Path

import click

from docgen_training.cli_options import OUT

__all__ = ["COMMANDS"]


@click.command()
@click.argument("sources", nargs=-1, metavar="[SOURCE]...")
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
    "--source",
    "name",
    default="",
    help="The records' source instead of what the source calls itself; with --ledger the only one meant.",
)
@click.option(
    "--ledger", metavar="URL", help="Take what was accepted or edited there: a file or a SQLAlchemy URL."
)
@click.option(
    "--catalog",
    "catalogs",
    multiple=True,
    metavar="SOURCE",
    help="With --ledger: where types and keys can be read.",
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
    sources: tuple[str, ...],
    given: str,
    allowed: tuple[str, ...],
    name: str,
    ledger: str | None,
    catalogs: tuple[str, ...],
    least: int,
    out: Path,
) -> None:
    """Make records of documented dbt projects, databases and OpenAPI or JSON Schema files, or of a ledger's decisions.

    A SOURCE is a dbt project's folder, a database URL, or a .json or .yaml file. With --ledger the licence is
    "internal" unless --license says otherwise.
    """
    from docgen_plugin.console import count, visible
    from docgen_training.harvest import harvest as gather
    from docgen_training.harvest import write_harvests
    from docgen_training.licenses import Terms

    if bool(sources) == bool(ledger):
        raise click.UsageError("give SOURCE..., or --ledger URL")
    if catalogs and not ledger:
        raise click.UsageError("--catalog belongs to --ledger")
    terms = Terms(given, allowed)
    if ledger:
        from docgen_training.ledger_records import harvest_ledger

        found = harvest_ledger(ledger, terms, (name,) if name else (), catalogs, least)
    else:
        found = [gather(source, terms, name, least) for source in sources]
    for one in found:
        for note in one.notes:
            click.echo(f"note: {visible(note)}", err=True)
        tables, columns = count(len(one.records), "table"), count(one.columns, "described column")
        click.echo(f"{visible(one.source)}: {tables}, {columns}, {visible(one.license)}")
    click.echo(f"{out}: {count(write_harvests(out, found), 'table')}")


COMMANDS = (harvest,)
