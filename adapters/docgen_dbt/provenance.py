"""`docgen provenance`: which texts of a dbt project say where they come from, and whether they still stand."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from docgen_plugin.cli_options import Session, as_json, settings
from docgen_plugin.console import count, emit, say, show, visible, visible_lines
from docgen_plugin.errors import SourceError

if TYPE_CHECKING:
    from docgen_plugin.model import WriteReport

__all__ = ["Marked", "clean_project", "marked_places", "provenance"]

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Marked:
    """One description that says where it comes from."""

    file: str
    place: str
    origin: str
    model: str
    stands: bool  # no person worded it anew since


def marked_places(root: Path, session: Session) -> list[Marked]:
    """Return every marked description of a project, in the order of its files.

    Raises:
        SourceError: when the project or its manifest cannot be read.
    """
    from docgen_dbt.artifacts import read_manifest
    from docgen_dbt.doc_blocks import DocBlocks
    from docgen_dbt.document import Refused, parse_document
    from docgen_dbt.finder import Finder
    from docgen_dbt.marks import mark_of, marked_entries
    from docgen_dbt.project import load_project
    from docgen_plugin.model import text_hash

    project = load_project(root)
    manifest = read_manifest(project)
    finder, blocks = Finder(project, manifest, session.config), DocBlocks(project, manifest)
    found = []
    for shown in finder.marked_files():
        try:
            document = parse_document(finder.file(shown).text)
        except Refused as err:
            say(f"note: {visible(shown)}: {err}")
            continue
        for name, _, entry in marked_entries(document, document.data):
            mark = mark_of(entry) or {}
            says = blocks.says(str(entry.get("description") or ""))
            stands = says is None or text_hash(says) == str(mark.get("hash"))
            found.append(
                Marked(shown, name, str(mark.get("origin") or ""), str(mark.get("model") or ""), stands)
            )
    return found


def clean_project(root: Path, dry_run: bool, session: Session) -> WriteReport:
    """Drop the marks of descriptions that a person worded anew, and nothing else.

    Raises:
        SourceError: when the project or its manifest cannot be read; nothing was written then.
    """
    from dataclasses import replace

    from docgen_dbt.properties import write_project

    return write_project(root, (), dry_run, replace(session.config, provenance=True, doc_blocks=""))


@click.command()
@click.argument("source", default=".")
@click.option("--clean", is_flag=True, help="Drop the marks of texts that were edited by hand.")
@click.option("--dry-run", is_flag=True, help="With --clean: print the change and make none.")
@as_json
def provenance(source: str, clean: bool, dry_run: bool, machine: bool) -> None:
    """Show which texts of a dbt project say where they come from (setting `provenance`).

    SOURCE is the folder of the project. A text that a person edited since is named; --clean drops its mark.
    """
    from docgen_dbt.plugin import find_project

    if dry_run and not clean:
        raise click.UsageError("--dry-run goes with --clean")
    root = find_project(source)
    if root is None:
        raise SourceError(f"{source}: is no dbt project's folder; marks stand in a project's property files")
    session = settings(source)
    places = marked_places(root, session)
    edited = [one for one in places if not one.stands]
    report = clean_project(root, dry_run, session) if clean else None
    if machine:
        emit(
            {
                "marked": len(places),
                "by_origin": dict(Counter(one.origin for one in places)),
                "edited": [{"file": one.file, "place": one.place} for one in edited],
                "dropped": len(report.notes) if report and not dry_run else 0,
                "preview": report.preview if report else "",
            }
        )
        return
    if report and dry_run and report.preview:
        show(visible_lines(report.preview.rstrip("\n")))
    origins = ", ".join(f"{number:,} {visible(origin)}" for origin, number in _by_origin(places).items())
    show(f"{count(len(places), 'text')} with a mark" + (f" ({origins})" if origins else ""))
    for one in edited[:_SHOWN]:
        show(f"edited since: {visible(one.file)}: {visible(one.place)}")
    if len(edited) > _SHOWN:
        show(f"edited since: {len(edited) - _SHOWN:,} more, see --json")
    if report is not None:
        show(f"{'would drop' if dry_run else 'dropped'} {count(len(report.notes), 'mark')}")


def _by_origin(places: list[Marked]) -> dict[str, int]:
    return dict(Counter(one.origin for one in places if one.stands))
