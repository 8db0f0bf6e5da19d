"""A dbt project read from its files alone, without dbt and a manifest: nodes, the columns of their SQL, their entries.

The files may be those of a commit, of git's index or of a folder: whoever makes a `ProjectFiles` says how texts are read.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from docgen_dbt.columns import dialect_of
from docgen_dbt.entries import Entry, read_entries
from docgen_dbt.project import Project
from docgen_dbt.render import UNKNOWN, Renderer, fill_plain
from docgen_dbt.select_list import Item, Output, read_text

__all__ = ["Node", "ProjectFiles", "snapshot_body"]

_FEW = 20  # nodes whose names are looked for before a property file is parsed; for more, all files are
_SQL_NODE = "docgen_n"  # with a number: what stands for a node's table in SQL
_COMMENT = re.compile(r"\{#.*?#\}", re.S)
_SNAPSHOT = re.compile(r"\{%-?\s*snapshot\s+(\w+)\s*-?%\}")
_DISABLED = re.compile(r"\{\{-?\s*config\([^}]*\benabled\s*=\s*(?:false|False)\b")
_MACRO = re.compile(r"\{%-?\s*macro\s+(\w+)\s*\(.*?\{%-?\s*endmacro\s*-?%\}", re.S)
_PROFILE_TYPE = re.compile(r"^\s+type:\s*['\"]?(\w+)", re.M)
_WORD = re.compile(r"\w+")
_AS = re.compile(r"(?i)\bas\s+[\"`\[]?$")

_Words = dict[str, list[int]]  # where each word stands, by lower case


@dataclass(frozen=True, slots=True)
class Node:
    """One model, seed, snapshot or table of a source; `key` is dbt's unique id."""

    key: str
    kind: str
    name: str
    path: str  # the file that defines it
    source: str = ""


class ProjectFiles:
    """One project at one time; everything is read when it is first asked for."""

    def __init__(
        self,
        project: Project,
        folder: str,
        files: Mapping[str, str],
        text: Callable[[str], str | None],
        dialect: str = "",
        parsed: dict[tuple[str, str], list[Entry] | str] | None = None,
    ) -> None:
        """Take the project, its folder ("" or ending in /), object names by path, and what gives an object's text.

        `parsed` is kept between several times of one project: what is in the same file needs no second parse.
        """
        self.project, self.folder = project, folder
        self._files, self._text = files, text
        self._parsed = {} if parsed is None else parsed
        self._outputs: dict[str, Output] = {}
        self._rendered_texts: dict[str, str] = {}  # what was parsed, by key
        self._words: dict[str, tuple[_Words, _Words]] = {}  # where words stand, as written and as parsed
        self._passed_on: dict[str, Output] = {}  # outputs as their readers see them, by key
        self._guessed: set[str] = set()  # nodes whose Jinja asks for what only dbt knows
        self._busy: set[str] = set()
        self._renderer: Renderer | None = None
        self.unread: dict[str, str] = {}  # why a file could not be read, by path
        self.disabled: set[str] = set()  # models that their own file takes out of the project
        self.nodes = {node.key: node for node in self._find_nodes()}
        self._named = {(node.kind, node.source, node.name): node for node in self.nodes.values()}
        self._numbers = {key: f"{_SQL_NODE}{number}" for number, key in enumerate(self.nodes)}
        self._by_number = {number: key for key, number in self._numbers.items()}
        self.dialect = dialect or self._guess_dialect()

    def property_files(self) -> list[str]:
        """Return the paths of the YAML files that may hold entries."""
        return [path for path in self._in(self.project.folders) if path.endswith((".yml", ".yaml"))]

    def text(self, path: str) -> str:
        """Return a file's text, "" when it is not there or not UTF-8."""
        name = self._files.get(path)
        found = self._text(name) if name else ""
        if found is None:
            self.unread[path] = "1:1: is not UTF-8"
        return found or ""

    def entries(self, paths: Iterable[str]) -> list[Entry]:
        """Return the entries of these files; a file that is not YAML is noted in `unread`."""
        found: list[Entry] = []
        for path in paths:
            name = self._files.get(path)
            if name is None:
                continue
            key = (path, name)
            if key not in self._parsed:
                try:
                    self._parsed[key] = read_entries(path, self.text(path))
                except ValueError as err:
                    self._parsed[key] = str(err)
            entries = self._parsed[key]
            if isinstance(entries, str):
                self.unread[path] = entries
            else:
                found += entries
        return found

    def described(self, names: Iterable[str]) -> dict[tuple[str, str, str], Entry]:
        """Return the entries of nodes of these names by (kind, source, name), versions by their file's name."""
        wanted = set(names)
        paths: Iterable[str] = self.property_files()
        if len(wanted) <= _FEW:
            # an entry of a versioned model has the name without the version
            words = {stem for name in wanted for stem in (name, re.sub(r"[_.]v\w+$", "", name))}
            paths = [path for path in paths if any(word in self.text(path) for word in words)]
        found: dict[tuple[str, str, str], Entry] = {}
        for entry in self.entries(paths):
            for stem, version in entry.versions.items():
                found[entry.kind, entry.source, stem] = version
            found.setdefault((entry.kind, entry.source, entry.own.name), entry)
        return found

    def source_nodes(self, entries: Iterable[Entry]) -> Iterator[Node]:
        """Yield the tables of sources among entries: nothing but the entry defines them."""
        for entry in entries:
            if entry.kind == "source":
                name = entry.own.name
                key = f"source.{self.project.name}.{entry.source}.{name}"
                yield Node(key, "source", name, entry.path, entry.source)

    def output(self, node: Node) -> Output:
        """Return the columns that the file of a node gives."""
        if node.key not in self._outputs:
            if node.key in self._busy:
                return Output()
            self._busy.add(node.key)
            self._outputs[node.key] = self._read(node)
            self._busy.discard(node.key)
        return self._outputs[node.key]

    def place(self, node: Node, item: Item) -> tuple[int, int]:
        """Return the line and column, from 1, of a column in the file of its node as it is written."""
        raw = self.text(node.path)
        if node.kind == "seed":
            return 1, max(raw.partition("\n")[0].find(item.name), 0) + 1
        if node.key not in self._words:
            self._words[node.key] = (_words(_masked(raw)), _words(self._rendered_texts.get(node.key, "")))
        written, parsed = self._words[node.key]
        start = _start(raw, written.get(item.name.lower(), []), parsed.get(item.name.lower(), []), item)
        return raw.count("\n", 0, start) + 1, start - raw.rfind("\n", 0, start)

    def _in(self, folders: Iterable[str]) -> list[str]:
        prefixes = tuple(f"{self.folder}{folder.strip('/')}/" for folder in folders)
        return sorted(path for path in self._files if path.startswith(prefixes))

    def _find_nodes(self) -> Iterator[Node]:
        name = self.project.name
        for path in self._in(self.project.folders):
            stem, suffix = PurePosixPath(path).stem, PurePosixPath(path).suffix.lower()
            kind = self._kind(path)
            if suffix == ".csv" and kind == "seed":
                yield Node(f"seed.{name}.{stem}", "seed", stem, path)
            elif suffix in (".sql", ".py") and kind == "model":
                if suffix == ".sql" and _DISABLED.search(self.text(path)):
                    self.disabled.add(stem)
                else:
                    yield Node(f"model.{name}.{stem}", "model", stem, path)
            elif suffix == ".sql" and kind == "snapshot":
                for found in _SNAPSHOT.finditer(self.text(path)):
                    yield Node(f"snapshot.{name}.{found[1]}", "snapshot", found[1], path)

    def _kind(self, path: str) -> str:
        inside = path.removeprefix(self.folder)
        for kind, folders in self.project.kinds:
            if any(inside.startswith(f"{folder.strip('/')}/") for folder in folders):
                return kind
        return ""

    def _guess_dialect(self) -> str:
        """Return the SQL dialect of the profile beside the project, "" where none tells."""
        types = set(_PROFILE_TYPE.findall(self.text(f"{self.folder}profiles.yml")))
        return dialect_of(types.pop()) if len(types) == 1 else ""

    def _read(self, node: Node) -> Output:
        if node.kind == "seed":
            return self._read_seed(node)
        if node.kind == "source":
            entry = self.described([node.name]).get((node.kind, node.source, node.name))
            return Output(tuple(Item(said.name) for said in entry.columns.values())) if entry else Output()
        if not node.path.endswith(".sql"):
            return Output()
        sql = self._rendered(node)
        output = read_text(sql, self.dialect, self._lookup) if sql.strip() else None
        if output is None:
            self.unread[node.path] = "1:1: its SQL cannot be read without dbt, its columns were not looked at"
            return Output()
        self._rendered_texts[node.key] = sql
        return replace(output, complete=False) if node.key in self._guessed else output

    def _read_seed(self, node: Node) -> Output:
        lines = self.text(node.path).splitlines()
        if not lines:
            return Output()
        delimiter = next((sign for sign in (",", ";", "\t", "|") if sign in lines[0]), ",")
        names = [name.strip() for name in next(csv.reader(lines[:1], delimiter=delimiter), [])]
        return Output(tuple(Item(name) for name in names if name), complete=True)

    def _lookup(self, name: str) -> Output | None:
        key = self._by_number.get(name)
        if not key:
            return None
        if key in self._busy:
            return Output()
        if key not in self._passed_on:
            found = self.output(self.nodes[key])
            self._passed_on[key] = replace(
                found, items=tuple(replace(item, start=None) for item in found.items)
            )
        return self._passed_on[key]

    def _table(self, function: str, first: str, second: str | None) -> str:
        if function == "ref":
            name = second or first
            for kind in ("model", "seed", "snapshot"):
                if (kind, "", name) in self._named:
                    return self._numbers[self._named[kind, "", name].key]
            return f"{UNKNOWN}table"
        return f"{UNKNOWN}source"

    def _rendered(self, node: Node) -> str:
        raw = _COMMENT.sub("", self.text(node.path))
        if node.kind == "snapshot":
            raw = snapshot_body(raw, node.name)
        plain = fill_plain(raw, self._table)
        if plain is not None:
            return plain
        if self._renderer is None:
            self._renderer = Renderer(
                self._manifest(),
                lambda key: self._numbers.get(key, f"{UNKNOWN}table"),
                self.project.variables,
            )
        made = {"package_name": self.project.name, "unique_id": node.key, "raw_code": raw, "name": node.name}
        text = self._renderer.render(made) or ""
        if self._renderer.guessed:
            self._guessed.add(node.key)
        return text

    def _manifest(self) -> dict[str, Any]:
        """Return as much of a manifest as rendering needs."""
        name = self.project.name
        nodes = {
            node.key: {
                "resource_type": node.kind,
                "package_name": name,
                "name": node.name,
                "unique_id": node.key,
            }
            for node in self.nodes.values()
        }
        about = {"project_name": name, "adapter_type": self.dialect}
        return {"metadata": about, "nodes": nodes, "macros": self.macros()}

    def macros(self) -> dict[str, dict[str, str]]:
        """Return the project's own macros as a manifest has them."""
        name = self.project.name
        macros = {}
        for path in self._in(self.project.folders):
            if path.endswith(".sql") and self._kind(path) == "macro":
                for found in _MACRO.finditer(_COMMENT.sub("", self.text(path))):
                    macros[f"macro.{name}.{found[1]}"] = {
                        "name": found[1], "package_name": name, "macro_sql": found[0],
                    }  # fmt: skip
        return macros


def snapshot_body(text: str, name: str) -> str:
    """Return the SQL between the tags of one snapshot, "" when there are none."""
    found = re.search(rf"\{{%-?\s*snapshot\s+{name}\s*-?%\}}(.*?)\{{%-?\s*endsnapshot", text, re.S)
    return found[1] if found else ""


def _masked(raw: str) -> str:
    """Return a text of the same length without what stands in Jinja's comments."""
    return _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), raw)


def _words(text: str) -> _Words:
    found: _Words = {}
    for word in _WORD.finditer(text):
        found.setdefault(word[0].lower(), []).append(word.start())
    return found


def _start(raw: str, written: list[int], parsed: list[int], item: Item) -> int:
    """Return the offset of a column's name in the text as written: its occurrence in the parsed one, counted."""
    if item.start is None:
        return max(_masked(raw).rfind("*"), 0)
    if not written:
        return 0
    number = next((at for at, start in enumerate(parsed) if start >= item.start), len(parsed) - 1)
    if len(parsed) == len(written):
        return written[number]
    given = [start for start in written if _AS.search(raw, max(start - 8, 0), start)]
    return (given or written)[-1]
