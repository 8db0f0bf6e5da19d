"""Finds the property file of every change, splices the texts in and replaces the files."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from docgen_dbt import files, parse
from docgen_dbt.artifacts import read_manifest
from docgen_dbt.document import Document, Refused, parse_document
from docgen_dbt.files import FileText
from docgen_dbt.places import Place, Text
from docgen_dbt.project import Project, load_project
from docgen_dbt.references import References
from docgen_dbt.splice import find_entry, splice
from docgen_plugin.config import Config
from docgen_plugin.model import Change, ColumnRef, WriteReport

__all__ = ["place_of", "write_changes", "write_project"]

_SECTIONS = {"model": "models", "seed": "seeds", "snapshot": "snapshots", "source": "sources"}
_NEW_FILE = "version: 2\n"


@dataclass(slots=True)
class _Work:
    """What is to be done to one file."""

    shown: str  # relative to the project
    file: FileText
    texts: list[Text] = field(default_factory=list)
    refs: dict[int, ColumnRef] = field(default_factory=dict)  # by id of the text


def write_project(root: Path, changes: Sequence[Change], dry_run: bool, config: Config) -> WriteReport:
    """Write descriptions into a project's property files; one file that fails does not stop the others.

    Raises:
        SourceError: when the project or its manifest cannot be read; nothing was written then.
    """
    project = load_project(root)
    if not project.manifest_path.is_file():
        parse.run_parse(project, config)
    return write_changes(project, read_manifest(project), changes, dry_run, config)


def write_changes(
    project: Project, manifest: Mapping[str, Any], changes: Sequence[Change], dry_run: bool, config: Config
) -> WriteReport:
    """Write descriptions into the property files that a manifest names, as `write_project` does."""
    references = References(manifest)
    finder = _Finder(project, manifest, config)
    skipped: list[tuple[ColumnRef, str]] = []
    work: dict[str, _Work] = {}
    for change in changes:
        try:
            shown, place = finder.find(change.ref.table)
            one = work.get(shown) or work.setdefault(shown, _Work(shown, finder.file(shown)))
        except Refused as err:
            skipped.append((change.ref, str(err)))
            continue
        # generated words never become Jinja: a call is written only if it says what the text says
        resolved = references.text(change.reference)
        says_so = resolved is not None and resolved.strip() == change.after.strip()
        reference = change.reference if says_so else ""
        text = Text(place, change.ref.column, change.before, change.after, reference)
        one.texts.append(text)
        one.refs[id(text)] = change.ref
    written: set[ColumnRef] = set()
    previews = []
    for one in work.values():
        done, left_out, preview = _do_file(one, dry_run)
        written.update(done)
        skipped += left_out
        previews.append(preview)
    order = [change.ref for change in changes if change.ref in written]
    return WriteReport(written=tuple(dict.fromkeys(order)), skipped=tuple(skipped), preview="".join(previews))


def place_of(node: Mapping[str, Any]) -> Place:
    """Return which entry of a property file a node of the manifest has."""
    kind = str(node["resource_type"])
    if kind == "source":
        return Place("sources", str(node["source_name"]), str(node["name"]))
    version = node.get("version")
    return Place(_SECTIONS[kind], str(node["name"]), version="" if version is None else str(version))


def _do_file(work: _Work, dry_run: bool) -> tuple[list[ColumnRef], list[tuple[ColumnRef, str]], str]:
    """Return the places done, those left out with reasons, and the diff of one file."""
    try:
        result, refused = splice(work.file.text or _NEW_FILE, work.texts)
        left_out = [(work.refs[id(text)], f"{work.shown}: {reason}") for text, reason in refused]
        out = {id(text) for text, _ in refused}
        done = [work.refs[id(text)] for text in work.texts if id(text) not in out]
        content = work.file.encode(result)
        if not done or content == work.file.content:
            return done, left_out, ""
        files.check_writable(work.file)
        if not dry_run:
            files.replace_file(work.file, content)
    except Refused as err:
        return [], [(ref, f"{work.shown}: {err}") for ref in work.refs.values()], ""
    return done, left_out, files.unified_diff(work.file, content, work.shown)


class _Finder:
    """Knows which file and entry belong to a node, from the manifest and from the files as they are now."""

    def __init__(self, project: Project, manifest: Mapping[str, Any], config: Config) -> None:
        self._project, self._config = project, config
        self._nodes = {**manifest["nodes"], **(manifest.get("sources") or {})}
        self._files: dict[str, FileText] = {}
        self._documents: dict[str, Document] = {}
        self._found: dict[str, str] = {}
        self._all: list[str] | None = None

    def file(self, shown: str) -> FileText:
        """Return a file of the project, read once."""
        if shown not in self._files:
            try:
                self._files[shown] = files.read_file(self._project.root / shown)
            except Refused as err:
                raise Refused(f"{shown}: {err}") from err
        return self._files[shown]

    def find(self, key: str) -> tuple[str, Place]:
        """Return the file, relative to the project, and the entry for a unique id.

        Raises:
            Refused: when the node is gone, or its file cannot be told.
        """
        node = self._nodes.get(key)
        if node is None or node.get("resource_type") not in _SECTIONS:
            raise Refused("no longer in the project's manifest")
        place = place_of(node)
        if key not in self._found:
            self._found[key] = self._file_of(node, place)
        return self._found[key], place

    def _file_of(self, node: Mapping[str, Any], place: Place) -> str:
        named = self._named(node)
        if named and (place.section == "sources" or self._holds(named, place)):
            return named
        if place.section == "sources":
            raise Refused("the manifest names no file for this source")
        for shown in self._property_files():
            if shown != named and self._mentions(shown, place) and self._holds(shown, place, quiet=True):
                return shown
        return self._file_for_new(node, place)

    def _named(self, node: Mapping[str, Any]) -> str:
        """Return the property file that the manifest names, "" when it names none."""
        patch = str(node.get("patch_path") or "").rpartition("://")[2]
        path = (patch or str(node.get("original_file_path") or "")).replace("\\", "/")
        if not path.endswith((".yml", ".yaml")):
            return ""
        return self._inside(path)

    def _inside(self, path: str) -> str:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            raise Refused(f"{path} lies outside the project")
        return str(pure)

    def _holds(self, shown: str, place: Place, quiet: bool = False) -> bool:
        """Tell whether a file has the entry; a file that cannot be read has it when it is the named one."""
        try:
            if shown not in self._documents:
                if self.file(shown).content is None:
                    return False
                self._documents[shown] = parse_document(self.file(shown).text)
            return find_entry(self._documents[shown], place)
        except Refused:
            return not quiet  # the splice will say why

    def _mentions(self, shown: str, place: Place) -> bool:
        try:
            return place.name.encode() in (self.file(shown).content or b"")
        except Refused:
            return False

    def _property_files(self) -> list[str]:
        if self._all is None:
            self._all = [
                path.relative_to(self._project.root).as_posix()
                for path in self._project.files()
                if path.suffix in (".yml", ".yaml") and path.name != "dbt_project.yml"
            ]
        return self._all

    def _file_for_new(self, node: Mapping[str, Any], place: Place) -> str:
        """Return the file that gets a new entry: one that the folder has already, else one of our own."""
        folder = PurePosixPath(self._inside(str(node["original_file_path"]).replace("\\", "/"))).parent
        pattern = self._config.properties_file.replace("{dir}", folder.name or self._project.name)
        if place.section != "models":
            pattern = pattern.replace("models", place.section)
        if "/" in pattern or not pattern.endswith((".yml", ".yaml")):
            raise Refused(
                f"properties_file {self._config.properties_file!r} is not a file name ending in .yml"
            )
        own = str(folder / pattern)
        for shown in (own, *self._neighbours(folder, place.section)):
            if (self._project.root / shown).is_file():
                return shown
        return own

    def _neighbours(self, folder: PurePosixPath, section: str) -> Iterator[str]:
        try:
            names = sorted(os.listdir(self._project.root / folder))
        except OSError as err:
            raise Refused(f"folder {folder} cannot be read: {err.strerror}") from err
        for wanted in (f"_*{section}.y*ml", f"{section}.y*ml", "schema.y*ml", "_schema.y*ml"):
            for name in fnmatch.filter(names, wanted):
                yield str(folder / name)
