"""What dbt_project.yml says that we need: the name, the folders and where artifacts lie."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from docgen_plugin.errors import SourceError

__all__ = ["Project", "load_project", "parse_project"]

_ENV_VAR = re.compile(
    r"""\{\{\s*env_var\(\s*['"]([^'"]+)['"]\s*(?:,\s*['"]([^'"]*)['"]\s*)?\)\s*\}\}""",
)
_SUFFIXES = {".sql", ".py", ".yml", ".yaml", ".csv", ".md"}


@dataclass(frozen=True, slots=True)
class Project:
    """One dbt project on disk."""

    root: Path
    name: str
    target: Path  # folder of manifest.json and catalog.json
    folders: tuple[str, ...]  # models, seeds, snapshots, macros: relative to the root
    variables: dict[str, Any]  # `vars:`
    macros: str = "macros"  # the folder for a new macro
    kinds: tuple[tuple[str, tuple[str, ...]], ...] = ()  # what is defined in which of the folders
    docs: tuple[str, ...] = ()  # `docs-paths:`; empty is all of the folders

    @property
    def manifest_path(self) -> Path:
        """Return where dbt writes the manifest."""
        return self.target / "manifest.json"

    def show(self, path: Path) -> str:
        """Return a path as users read it: relative to the project where it lies inside."""
        try:
            return path.relative_to(self.root).as_posix()
        except ValueError:
            return str(path)

    def files(self) -> Iterator[Path]:
        """Yield every file that a parse reads, dbt_project.yml first."""
        yield self.root / "dbt_project.yml"
        for folder in self.folders:
            for parent, names, files in os.walk(self.root / folder):
                names[:] = sorted(name for name in names if not name.startswith("."))
                for file in sorted(files):
                    if os.path.splitext(file)[1].lower() in _SUFFIXES:
                        yield Path(parent, file)
        for folder in self.docs:
            if not any(Path(folder).is_relative_to(one) for one in self.folders):
                yield from sorted((self.root / folder).rglob("*.md"))


def load_project(root: Path) -> Project:
    """Return the project in a folder.

    Raises:
        SourceError: when dbt_project.yml cannot be read or names no project.
    """
    path = root / "dbt_project.yml"
    try:
        content = path.read_bytes()
    except OSError as err:
        raise SourceError(f"{path}: cannot be read: {err.strerror}") from err
    return parse_project(root, content, str(path))


def parse_project(root: Path, content: bytes | str, path: str) -> Project:
    """Return the project that the content of a dbt_project.yml describes; `path` is for what is said of it.

    Raises:
        SourceError: when it is not YAML or names no project.
    """
    try:
        data = yaml.load(content, yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as err:
        raise SourceError(f"{path}: is not YAML: {_one_line(err)}; correct it and run again") from err
    if not isinstance(data, dict) or not isinstance(data.get("name"), str):
        raise SourceError(f"{path}: has no 'name:'; is it a dbt project?")
    target = os.environ.get("DBT_TARGET_PATH") or _render(str(data.get("target-path") or "target"))
    kinds = tuple(
        (kind, tuple(_paths(data, f"{kind}-paths", f"{kind}s")))
        for kind in ("model", "seed", "snapshot", "macro")
    )
    folders = tuple(dict.fromkeys(folder for _, paths in kinds for folder in paths))
    variables = data["vars"] if isinstance(data.get("vars"), dict) else {}
    docs = _paths(data, "docs-paths", "") if data.get("docs-paths") else ()
    macros = (*dict(kinds)["macro"], "macros")[0]
    return Project(root, data["name"], root / target, folders, variables, macros, kinds, tuple(docs))


def _paths(data: dict[str, Any], key: str, default: str) -> list[str]:
    value = data.get(key)
    if isinstance(value, str):
        return [_render(value)]
    if isinstance(value, list):
        return [_render(str(part)) for part in value]
    return [default]


def _render(text: str) -> str:
    """Return a setting with its environment variables filled in, the only Jinja people use there."""
    return _ENV_VAR.sub(lambda match: os.environ.get(match[1], match[2] or ""), text)


def _one_line(err: Exception) -> str:
    mark = getattr(err, "problem_mark", None)
    problem = getattr(err, "problem", None) or str(err).splitlines()[0]
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else str(problem)
