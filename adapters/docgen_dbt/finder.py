"""Which property file, and which entry of it, belongs to a node of the manifest."""

from __future__ import annotations

import contextlib
import fnmatch
import os
from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from docgen_dbt import files
from docgen_dbt.document import Document, Refused, parse_document
from docgen_dbt.files import FileText
from docgen_dbt.places import Place
from docgen_dbt.project import Project
from docgen_dbt.splice import find_entry
from docgen_plugin.config import Config

__all__ = ["Finder", "place_of"]

_SECTIONS = {"model": "models", "seed": "seeds", "snapshot": "snapshots", "source": "sources"}


def place_of(node: Mapping[str, Any]) -> Place:
    """Return which entry of a property file a node of the manifest has."""
    kind = str(node["resource_type"])
    if kind == "source":
        return Place("sources", str(node["source_name"]), str(node["name"]))
    version = node.get("version")
    return Place(_SECTIONS[kind], str(node["name"]), version="" if version is None else str(version))


class Finder:
    """Knows which file and entry belong to a node, from the manifest and from the files as they are now."""

    def __init__(self, project: Project, manifest: Mapping[str, Any], config: Config) -> None:
        self._project, self._config = project, config
        self._nodes = {**manifest["nodes"], **(manifest.get("sources") or {})}
        self._own = {project.name, str((manifest.get("metadata") or {}).get("project_name"))}
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
        package = str(node.get("package_name"))
        if package not in self._own:  # its paths are relative to the package
            raise Refused(f"belongs to the package {package}, not to this project")
        place = place_of(node)
        if key not in self._found:
            self._found[key] = self._file_of(node, place)
        return self._found[key], place

    def marked_files(self) -> list[str]:
        """Return the property files that may hold marks of ours."""
        found = []
        for shown in self._property_files():
            with contextlib.suppress(Refused):
                content = self.file(shown).content or b""
                if b"docgen" in content and b"hash" in content:
                    found.append(shown)
        return found

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
        package, _, patch = str(node.get("patch_path") or "").rpartition("://")
        if package and package not in self._own:  # dbt refuses a second entry beside it
            raise Refused(f"its entry stands in the package {package}: {patch}")
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
