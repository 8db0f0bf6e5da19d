"""What is staged in a git repository, sorted to its dbt projects and plain SQL files, beside what stood there before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from docgen_dbt.check import check_project
from docgen_dbt.ddl import check_migrations, has_ddl
from docgen_dbt.entries import Entry
from docgen_dbt.findings import Finding
from docgen_dbt.git import Repository, changed_paths
from docgen_dbt.project import parse_project
from docgen_dbt.project_files import ProjectFiles
from docgen_plugin.errors import SourceError

__all__ = ["SCOPES", "Staged", "StagedProject", "read_staged", "relative_paths"]

SCOPES = ("changed", "files", "all")
_SUFFIXES = (".sql", ".py", ".yml", ".yaml", ".csv")
_NOT_OURS = ("target", "dbt_packages", "dbt_modules", "node_modules")


@dataclass(frozen=True, slots=True)
class StagedProject:
    """A dbt project as it is staged, as it was, and which of its files are asked about."""

    now: ProjectFiles
    befores: tuple[ProjectFiles, ...]
    paths: frozenset[str]

    def check(self, strict: bool = False) -> list[Finding]:
        """Return what is to be mended in it."""
        return check_project(self.now, self.befores, self.paths, strict)


@dataclass(frozen=True, slots=True)
class Staged:
    """Everything that a check of the repository looks at."""

    repository: Repository
    scope: str  # one of SCOPES
    projects: tuple[StagedProject, ...]
    migrations: Mapping[str, str]  # text by path
    befores: Mapping[str, Sequence[str]]  # what stood in each of them

    def check_migrations(self, dialect: str = "", strict: bool = False) -> list[Finding]:
        """Return what is to be mended in plain SQL files."""
        return check_migrations(self.migrations, self.befores, dialect, strict) if self.migrations else []


def read_staged(
    repository: Repository, given: Sequence[str] = (), scope: str = "", since: str = "", dialect: str = ""
) -> Staged:
    """Return what is to be looked at, read from git's index and the commits before.

    Args:
        given: paths relative to the repository; none means everything that is staged.
        scope: "changed" looks at what the commit changes, "files" at every place of the given files, "all" at everything;
            "" is "changed" unless a given file has no change: that is what `--all-files` of pre-commit gives.
        since: a revision to compare with instead of the last commit.

    Raises:
        SourceError: when git or a dbt_project.yml cannot be read, or there are merge conflicts.
    """
    everything = repository.index()
    index = _ours(everything)
    trees = [_ours(repository.tree(commit)) for commit in repository.parents(since)]
    changed = changed_paths(index, trees)
    chosen = _chosen(given, everything, trees) & set(index)
    if not scope:
        scope = "changed" if chosen <= changed else "files"
    if scope == "all":
        paths = set(index)
    elif scope == "files":
        paths = chosen or set(index)
    else:
        deleted = {path for path in changed if path not in index}
        paths = (changed & chosen if given else changed) | deleted
    if scope != "changed":
        trees = []
    folders = {str(PurePosixPath(path).parent): path for path in index if _is_project_file(path)}
    homes = {path: _home(path, folders) for path in {*index, *(path for tree in trees for path in tree)}}
    wanted = sorted({home for path in paths if (home := homes.get(path)) is not None})
    repository.load(
        name for files in (index, *trees) for path, name in files.items() if homes[path] in wanted
    )
    projects = tuple(
        _project(repository, folder, folders[folder], index, trees, homes, paths, dialect)
        for folder in wanted
    )
    plain = [path for path in paths if path in index and homes[path] is None and path.endswith(".sql")]
    repository.load(files[path] for files in (index, *trees) for path in plain if path in files)
    texts = {path: repository.text(index[path]) or "" for path in sorted(plain)}
    texts = {path: text for path, text in texts.items() if has_ddl(text)}
    befores = {
        path: [repository.text(tree[path]) or "" for tree in trees if path in tree]
        for path in (texts if scope == "changed" else ())
    }
    return Staged(repository, scope, projects, texts, befores)


def _chosen(given: Sequence[str], index: Mapping[str, str], trees: Sequence[Mapping[str, str]]) -> set[str]:
    """Return the files that paths mean, those inside of folders included.

    Raises:
        SourceError: when git knows nothing of one: a check that looks at nothing must not pass.
    """
    found: set[str] = set()
    for name in given:
        inside = set(index) if name == "." else {path for path in index if path.startswith(f"{name}/")}
        if not inside and name not in index and not any(name in tree for tree in trees):
            raise SourceError(f"{name}: is not staged; git add it, or name a file that git knows")
        found |= inside or {name}
    return found


def _ours(files: Mapping[str, str]) -> dict[str, str]:
    """Return the files that matter, those of installed packages and of dbt's target folder left out."""
    return {
        path: name
        for path, name in files.items()
        if path.lower().endswith(_SUFFIXES) and not any(part in _NOT_OURS for part in path.split("/")[:-1])
    }


def _is_project_file(path: str) -> bool:
    return path.rpartition("/")[2] == "dbt_project.yml"


def _home(path: str, folders: Mapping[str, str]) -> str | None:
    """Return the folder of the project that a file belongs to: the nearest above it."""
    return next((str(one) for one in PurePosixPath(path).parents if str(one) in folders), None)


def _project(
    repository: Repository,
    folder: str,
    path: str,
    index: Mapping[str, str],
    trees: Sequence[Mapping[str, str]],
    homes: Mapping[str, str | None],
    paths: set[str],
    dialect: str,
) -> StagedProject:
    prefix = "" if folder == "." else f"{folder}/"
    root = repository.root / folder
    parsed: dict[tuple[str, str], list[Entry] | str] = {}

    def at(files: Mapping[str, str], name: str) -> ProjectFiles:
        text = repository.text(name)
        if text is None:
            raise SourceError(f"{path}: is not UTF-8; save it so and `git add` it")
        own = {one: name for one, name in files.items() if homes[one] == folder}
        return ProjectFiles(parse_project(root, text, path), prefix, own, repository.text, dialect, parsed)

    befores = tuple(at(tree, tree.get(path, index[path])) for tree in trees)
    inside = frozenset(one for one in paths if homes.get(one) == folder)
    return StagedProject(at(index, index[path]), befores, inside)


def relative_paths(repository: Repository, given: Sequence[str]) -> list[str]:
    """Return files as users name them relative to the repository's root.

    Raises:
        SourceError: when one lies outside it.
    """
    found = []
    for name in given:
        try:
            found.append(Path(name).absolute().relative_to(repository.root).as_posix())
        except ValueError:
            resolved = Path(name).resolve()
            if not resolved.is_relative_to(repository.root.resolve()):
                raise SourceError(f"{name}: lies outside the repository {repository.root}") from None
            found.append(resolved.relative_to(repository.root.resolve()).as_posix())
    return found
