"""Finds the property file of every change, splices the texts in and replaces the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docgen_dbt import files, parse
from docgen_dbt.artifacts import read_manifest
from docgen_dbt.doc_blocks import DocBlocks
from docgen_dbt.document import Refused
from docgen_dbt.files import FileText
from docgen_dbt.finder import Finder
from docgen_dbt.marks import clean_marks, default_spelling
from docgen_dbt.places import Text
from docgen_dbt.project import Project, load_project
from docgen_dbt.splice import splice
from docgen_plugin.config import Config
from docgen_plugin.errors import WriteError
from docgen_plugin.jinja import holds_jinja
from docgen_plugin.model import Change, ColumnRef, WriteReport, text_hash

__all__ = ["write_changes", "write_project"]

_NEW_FILE = "version: 2\n"


@dataclass(slots=True)
class _Work:
    """What is to be done to one file, and what came of it."""

    shown: str  # relative to the project
    file: FileText
    texts: list[Text] = field(default_factory=list)
    refs: dict[int, ColumnRef] = field(default_factory=dict)  # by id of the text
    done: list[Text] = field(default_factory=list)
    left_out: list[tuple[ColumnRef, str]] = field(default_factory=list)
    content: bytes | None = None  # None where nothing is to be written
    notes: list[str] = field(default_factory=list)


def write_project(root: Path, changes: Sequence[Change], dry_run: bool, config: Config) -> WriteReport:
    """Write descriptions into a project's property files; one file that fails does not stop the others.

    Raises:
        SourceError: when the project or its manifest cannot be read; nothing was written then.
        WriteError: when the file for docs blocks cannot be used; nothing was written then.
    """
    project = load_project(root)
    if not project.manifest_path.is_file():
        parse.run_parse(project, config)
    return write_changes(project, read_manifest(project), changes, dry_run, config)


def write_changes(
    project: Project, manifest: Mapping[str, Any], changes: Sequence[Change], dry_run: bool, config: Config
) -> WriteReport:
    """Write descriptions into the property files that a manifest names, as `write_project` does."""
    finder = Finder(project, manifest, config)
    blocks = DocBlocks(project, manifest, config.doc_blocks)
    work, skipped = _collect(changes, finder, blocks, config)
    if config.provenance:
        for shown in finder.marked_files():
            work.setdefault(shown, _Work(shown, finder.file(shown)))
    spelling = default_spelling(manifest)
    for one in work.values():
        _plan(one, blocks, spelling, config.provenance)
    previews = [_write_blocks(blocks, work, dry_run)]
    previews += [_write(one, dry_run) for one in work.values()]
    written = {one.refs[id(text)] for one in work.values() for text in one.done}
    order = [change.ref for change in changes if change.ref in written]
    return WriteReport(
        written=tuple(dict.fromkeys(order)),
        skipped=(*skipped, *(pair for one in work.values() for pair in one.left_out)),
        preview="".join(previews),
        notes=tuple(note for one in work.values() for note in one.notes),
    )


def _collect(
    changes: Sequence[Change], finder: Finder, blocks: DocBlocks, config: Config
) -> tuple[dict[str, _Work], list[tuple[ColumnRef, str]]]:
    """Return what is to be done by file, and the changes whose file cannot be told."""
    skipped: list[tuple[ColumnRef, str]] = []
    found: list[tuple[str, ColumnRef, Text]] = []
    for change in changes:
        try:
            shown, place = finder.find(change.ref.table)
            finder.file(shown)
        except Refused as err:
            skipped.append((change.ref, str(err)))
            continue
        # generated words never become Jinja: a call is written only if it says what the text says
        resolved = blocks.text(change.reference)
        says_so = resolved is not None and resolved.strip() == change.after.strip()
        reference = change.reference if says_so else ""
        mark = _mark(change) if config.provenance else None
        text = Text(place, change.ref.column, change.before, change.after, reference, mark)
        found.append((shown, change.ref, text))
    work: dict[str, _Work] = {}
    texts = blocks.share([text for _, _, text in found])
    for (shown, ref, _), text in zip(found, texts, strict=True):
        one = work.setdefault(shown, _Work(shown, finder.file(shown)))
        one.texts.append(text)
        one.refs[id(text)] = ref
    return work, skipped


def _mark(change: Change) -> dict[str, Any]:
    """Return what a file says of where a text comes from; nothing for a person's words."""
    made = change.provenance
    if made is None:
        return {}
    mark: dict[str, Any] = {"origin": made.origin}
    if made.model and not holds_jinja(made.model):
        mark["model"] = made.model
    return {**mark, "confidence": round(made.confidence, 2), "hash": text_hash(change.after)}


def _plan(work: _Work, blocks: DocBlocks, spelling: tuple[str, ...], marks: bool) -> None:
    """Find out what one file becomes; nothing is written."""
    try:
        result, refused = splice(work.file.text or _NEW_FILE, work.texts, spelling)
        work.left_out = [(work.refs[id(text)], f"{work.shown}: {reason}") for text, reason in refused]
        out = {id(text) for text, _ in refused}
        done = [text for text in work.texts if id(text) not in out]
        if marks:
            result, dropped = clean_marks(result, blocks.says)
            work.notes += [
                f"{work.shown}: {name} was worded by hand: its mark is dropped" for name in dropped
            ]
        content = work.file.encode(result)
        if content != work.file.content and (done or work.notes):
            files.check_writable(work.file)
            work.content = content
        work.done = done
    except Refused as err:
        _give_up(work, str(err))


def _write(work: _Work, dry_run: bool) -> str:
    """Replace one file and return the change."""
    if work.content is None:
        return ""
    try:
        if not dry_run:
            files.replace_file(work.file, work.content)
    except Refused as err:
        _give_up(work, str(err))
        return ""
    return files.unified_diff(work.file, work.content, work.shown)


def _give_up(work: _Work, why: str) -> None:
    work.left_out = [(ref, f"{work.shown}: {why}") for ref in work.refs.values()]
    work.notes = [] if work.refs or not work.notes else [f"{work.shown}: {why}"]
    work.done, work.content = [], None


def _write_blocks(blocks: DocBlocks, work: Mapping[str, _Work], dry_run: bool) -> str:
    """Put new docs blocks into their file, before anything calls them; return the change."""
    used = {text.reference for one in work.values() for text in one.done if text.reference}
    change = blocks.finish(used)
    if change is None:
        return ""
    shown, file, content = change
    try:
        files.check_writable(file)
        if not dry_run:
            files.replace_file(file, content)
    except Refused as err:
        raise WriteError(f"{shown}: {err} (setting doc_blocks); nothing was written") from err
    return files.unified_diff(file, content, shown)
