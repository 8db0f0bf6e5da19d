"""An adapter of one's own in one file: a catalog kept as CSV, `docgen suggest csv://catalog.csv`.

The file has a line per column (table,column,type,description); a line with an empty column is the table.
Install it with an entry point:  [project.entry-points.docgen]  csv = "third_party_adapter"
"""

import csv
import os
from pathlib import Path

import click

from docgen_plugin import hookimpl
from docgen_plugin.errors import SourceError
from docgen_plugin.model import Catalog, Column, ColumnRef, Table, WriteReport

SCHEME = "csv://"
FIELDS = ["table", "column", "type", "description"]


def read_rows(source):
    path = Path(source.removeprefix(SCHEME))
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as err:
        raise SourceError(f"{path}: cannot be read: {err}") from err
    if reader.fieldnames != FIELDS:
        raise SourceError(f"{path}: wants the columns {','.join(FIELDS)}, found {reader.fieldnames}")
    return path, rows


@hookimpl
def read_catalog(source, config):
    if not source.startswith(SCHEME):
        return None
    path, rows = read_rows(source)
    columns, texts = {}, {}
    for row in rows:
        listed = columns.setdefault(row["table"], [])
        if row["column"]:
            listed.append(Column(row["column"], row["type"], row["description"]))
        else:
            texts[row["table"]] = row["description"]
    tables = tuple(
        Table(name, name, description=texts.get(name, ""), columns=tuple(listed))
        for name, listed in columns.items()
    )
    return Catalog(f"csv:{path.name}", "csv", tables)


@hookimpl
def write_descriptions(source, changes, dry_run, config):
    if not source.startswith(SCHEME):
        return None
    path, rows = read_rows(source)
    by_place = {ColumnRef(row["table"], row["column"]): row for row in rows}
    written, skipped, preview = [], [], []
    for change in changes:
        row = by_place.get(change.ref)
        if row is None:
            skipped.append((change.ref, "the file has no line for it"))
        elif row["description"] != change.before:
            skipped.append((change.ref, "someone wrote a text there meanwhile"))
        else:
            row["description"] = change.after
            written.append(change.ref)
            preview.append(f"{change.ref}: {change.after}")
    if not dry_run:
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, FIELDS, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        os.replace(temporary, path)
    return WriteReport(tuple(written), tuple(skipped), preview="\n".join(preview))


@hookimpl
def register_commands(cli):
    @cli.command("csv-tables")
    @click.argument("source")
    def csv_tables(source):
        """List the tables of a CSV catalog."""
        for name in dict.fromkeys(row["table"] for row in read_rows(source)[1]):
            click.echo(name)
