"""From what a person calls a model to a file on this machine whose hash is checked; pulled when it is not there.

A model is named by its path, by `hf://owner/name@revision`, or by `name` or `name@version`: of the package, of the
shared folder that the setting `registry` names, or of the cache that holds what was pulled from there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cache, partial
from importlib.resources import files
from pathlib import Path

from docgen_plugin import hub, manifest
from docgen_plugin.config import Config
from docgen_plugin.console import say
from docgen_plugin.errors import ModelError
from docgen_plugin.files import digest
from docgen_plugin.manifest import Manifest, is_name, version_key
from docgen_plugin.model_folders import (
    Kept,
    check_space,
    copy_checked,
    discard,
    link_or_copy,
    place,
    require,
    versions,
)

__all__ = ["CARD", "Listed", "Located", "is_here", "listed", "locate", "look", "split", "unknown", "verify"]

CARD = "card.md"


@dataclass(frozen=True, slots=True)
class Located:
    """A model's file on this machine, or, by `look`, one that could be."""

    reference: str  # exact: means the same file tomorrow
    path: Path | None
    sha256: str
    place: str  # package, cache, hub, registry or path
    manifest: Manifest | None = None


@dataclass(frozen=True, slots=True)
class Listed:
    """A version of a model and all places that hold it."""

    reference: str
    manifest: Manifest
    places: tuple[str, ...]
    path: Path


def split(reference: str) -> tuple[str, str] | None:
    """Return name and version ("" for the newest) of a registry's reference, None when it is none.

    >>> split("shop@2.1"), split("shop"), split("datahub://x"), split("a/b")
    (('shop', '2.1'), ('shop', ''), None, None)
    """
    name, at, version = reference.partition("@")
    if not is_name(name) or (at and not is_name(version)):
        return None
    return name, version


def locate(reference: str, config: Config, fresh: bool = False) -> Located | None:
    """Return a model's file on this machine, pulled when it is not there; None for a name that nobody here knows.

    What is exact and was pulled needs neither network nor registry, unless `fresh` wants them asked.
    "" is the model in the package.

    Raises:
        ModelError: when it cannot be had, or its hash is not the one that was stated.
    """
    if not reference:
        found: Located | None = _package_file()
    elif reference.startswith(hub.SCHEME):
        found = _of_hub(hub.fetch(hub.parse(reference), fresh))
    elif _is_path(reference):
        return _of_path(Path(os.path.expanduser(reference)))
    else:
        named = split(reference)
        found = _of_folders(*named, config, fresh) if named else None
    if found and found.path and found.manifest and found.manifest.kind == "adapter":
        _bring_base(found.path, found.manifest, config)
    return found


def look(reference: str, config: Config) -> Located | None:
    """Return what a reference means without pulling it: its path is None while it is not on this machine.

    Raises:
        ModelError: as `locate`.
    """
    if reference.startswith(hub.SCHEME):
        asked = hub.parse(reference)
        return _of_hub(hub.cached(asked) or hub.look(asked))
    named = split(reference) if reference and not _is_path(reference) else None
    if named is None:
        return locate(reference, config)
    chosen = _choose(*named, config)
    if chosen is None:
        return None
    kept, where = chosen
    stated = kept.manifest
    path = None if where == "registry" else kept.path
    return Located(f"{stated.name}@{stated.version}", path, stated.sha256, where, stated)


def is_here(reference: str, config: Config) -> bool:
    """Return whether a reference needs nothing from elsewhere; also for what only a plugin may know.

    Raises:
        ModelError: when it is no reference.
    """
    if reference.startswith(hub.SCHEME):
        return hub.cached(hub.parse(reference)) is not None
    named = split(reference)
    if named is None or _is_path(reference):
        return True
    chosen = _choose(*named, config)
    return (
        chosen is None
        or chosen[1] != "registry"
        or (_cache(config) / chosen[0].manifest.name / chosen[0].manifest.version).is_dir()
    )


def unknown(reference: str, config: Config) -> ModelError:
    """Return the error for a name that neither we nor a plugin know, with the names that are like it."""
    try:
        names = {one.manifest.name for one in listed(config)[0]}
    except ModelError:
        names = set()
    near = get_close_matches(reference.partition("@")[0], sorted(names), 1)
    meant = f"did you mean {near[0]}?" if near else "see docgen model list, or name a GGUF file"
    where = (
        f"the registry {config.registry}"
        if config.registry
        else "a registry (the setting `registry` names none)"
    )
    return ModelError(f"{reference}: no such model in the package, the cache, {where} or a plugin: {meant}")


def verify(config: Config, reference: str = "") -> list[tuple[str, str]]:
    """Hash models again, all that are held or one; return each with what is wrong with it, "" for nothing.

    Raises:
        ModelError: when the registry or the cache cannot be listed, or the one is not on this machine.
    """
    if not reference:
        return _verify_all(config)
    if reference.startswith(hub.SCHEME):
        kept = hub.cached(hub.parse(reference))
        if kept is None:
            raise ModelError(f"{reference}: not on this machine: docgen model pull {reference}")
        return [_checked(str(kept.reference), lambda: _of_hub(kept))]
    if _is_path(reference):
        return [_checked(reference, lambda: _of_path(Path(os.path.expanduser(reference))))]
    name, version = split(reference) or ("", "")
    starts = f"{name}@{version} (" if version else f"{name}@"
    found = [one for one in _verify_all(config) if one[0].startswith(starts)]
    if not found:
        raise unknown(reference, config)
    return found


def _checked(reference: str, check: Callable[[], object]) -> tuple[str, str]:
    try:
        check()
    except ModelError as err:
        return reference, str(err)
    return reference, ""


def _verify_all(config: Config) -> list[tuple[str, str]]:
    problems: list[str] = []
    found = [
        (f"{kept.manifest.name}@{kept.manifest.version} ({where})", _wrong(kept))
        for where, kept in _everything(config, problems)
    ]
    found += [_checked(str(one.reference), partial(_of_hub, one)) for one in hub.held()]
    return [*found, *((problem.partition(": ")[0], problem) for problem in problems)]


def _wrong(kept: Kept) -> str:
    try:
        require(kept)
    except ModelError as err:
        return str(err)
    return ""


def listed(config: Config) -> tuple[list[Listed], list[str]]:
    """Return every version that package, registry, cache and hub's cache hold, and what is wrong with others.

    Raises:
        ModelError: when the registry or the cache cannot be listed.
    """
    found: dict[tuple[str, str, str], Listed] = {}
    problems: list[str] = []
    for where, kept in _everything(config, problems):
        stated = kept.manifest
        key = (stated.name, stated.version, stated.sha256)
        if key in found:
            found[key] = replace(found[key], places=(*found[key].places, where))
        else:
            found[key] = Listed(f"{stated.name}@{stated.version}", stated, (where,), kept.path)
    ours = sorted(found.values(), key=lambda one: (one.manifest.name, version_key(one.manifest.version)))
    of_hub = [
        Listed(str(one.reference), one.manifest, ("hub cache",), one.path)
        for one in hub.held()
        if one.manifest is not None and one.path is not None
    ]
    return [*ours, *of_hub], problems


def _everything(config: Config, problems: list[str]) -> list[tuple[str, Kept]]:
    found = [("package", one) for one in _package()]
    for where, root in (("cache", _cache(config)), ("registry", _registry(config))):
        if root is None or (where == "cache" and not root.is_dir()):
            continue
        kept, wrong = versions(root)
        found += [(where, one) for one in kept]
        problems += wrong
    return found


def _is_path(reference: str) -> bool:
    path = Path(os.path.expanduser(reference))
    return reference.endswith(".gguf") or path.is_file() or (path / manifest.FILE).is_file()


def _of_path(path: Path) -> Located:
    if (path / manifest.FILE).is_file():
        path = path / manifest.read(path / manifest.FILE).file
    if not path.exists():
        raise ModelError(f"{path}: no such model file")
    beside = path.parent / manifest.FILE
    stated = manifest.read(beside) if beside.is_file() else None
    if stated is not None and stated.file == path.name:
        return Located(str(path.absolute()), path, require(Kept(stated, path.parent)), "path", stated)
    try:
        return Located(str(path.absolute()), path, digest(path), "path")
    except OSError as err:
        raise ModelError(f"{path}: cannot be read: {err.strerror or err}") from err


def _of_hub(found: hub.HubFile) -> Located:
    if found.path is None:
        return Located(str(found.reference), None, found.sha256, "hub", found.manifest)
    sha256 = digest(found.path)
    if found.sha256 and sha256 != found.sha256:
        raise ModelError(
            f"{found.path}: refused: its sha256 is {sha256[:12]}..., {found.sha256[:12]}... was stated: "
            f"docgen model pull {found.reference} brings it anew"
        )
    return Located(str(found.reference), found.path, sha256, "hub", found.manifest)


@cache
def _package() -> list[Kept]:
    folder = Path(str(files("docgen_plugin") / "models"))
    stated = folder / manifest.FILE
    return [Kept(manifest.read(stated), folder)] if stated.is_file() else []


def _package_file() -> Located | None:
    for kept in _package():
        if kept.path.is_file():
            return _of_kept(kept, "package")
    return None


def _of_kept(kept: Kept, where: str) -> Located:
    stated = kept.manifest
    return Located(f"{stated.name}@{stated.version}", kept.path, require(kept), where, stated)


def _cache(config: Config) -> Path:
    if config.cache:
        return Path(config.cache).expanduser() / "models"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "docgen" / "models"


def _registry(config: Config) -> Path | None:
    if not config.registry:
        return None
    root = Path(config.registry).expanduser()
    if not root.is_dir():
        raise ModelError(f"{root}: no such folder: mount it, or change the setting `registry`")
    return root


def _of_folders(name: str, version: str, config: Config, fresh: bool) -> Located | None:
    if version and not fresh:
        mine, _ = versions(_cache(config), name)
        for kept in mine:
            if kept.manifest.version == version:
                return _of_kept(kept, "cache")
    chosen = _choose(name, version, config)
    if chosen is None:
        return None
    kept, where = chosen
    return _of_kept(
        _pulled(kept, _cache(config)) if where == "registry" else kept,
        "cache" if where == "registry" else where,
    )


def _choose(name: str, version: str, config: Config) -> tuple[Kept, str] | None:
    """Return the version that is meant and where it is, the registry's before a copy of it."""
    known: list[tuple[Kept, str]] = [(one, "package") for one in _package() if one.manifest.name == name]
    problems: list[str] = []
    mine, wrong = versions(_cache(config), name)
    problems += wrong
    known += [(one, "cache") for one in mine]
    try:
        root = _registry(config)
        shared, wrong = versions(root, name) if root else ([], [])
        known += [(one, "registry") for one in shared]
        problems += wrong
    except ModelError as err:
        if not known:
            raise
        say(f"note: {err}; what is on this machine is used")
    fitting = [one for one in known if version in ("", one[0].manifest.version)]
    if not fitting and problems:
        raise ModelError(problems[0])
    if not fitting and known:
        there = sorted({one.manifest.version for one, _ in known}, key=version_key)
        raise ModelError(f"{name}: has no version {version}; there are {', '.join(there)}")
    for problem in problems:
        say(f"note: left out: {problem}")
    places = ("package", "cache", "registry")
    return max(
        fitting,
        key=lambda one: (
            version_key(one[0].manifest.version),
            one[0].manifest.created_at,
            places.index(one[1]),
        ),
        default=None,
    )


def _pulled(kept: Kept, root: Path) -> Kept:
    """Return the registry's version in the cache, copied when it is not there or no longer what it was."""
    stated = kept.manifest
    mine = Kept(stated, root / stated.name / stated.version)
    if mine.folder.is_dir():
        there = [one for one in versions(root, stated.name)[0] if one.folder == mine.folder]
        if there and there[0].manifest.sha256 == stated.sha256 and not _wrong(there[0]):
            return there[0]
        say(f"note: {mine.folder}: was not what the registry holds, and is pulled again")
    try:
        size = kept.path.stat().st_size
    except OSError as err:
        raise ModelError(f"{kept.path}: cannot be read: {err.strerror or err}") from err
    if size != stated.size:
        raise ModelError(f"{kept.path}: refused: has {size:,} bytes, its manifest states {stated.size:,}")
    check_space(root, size)

    def fill(folder: Path) -> None:
        copy_checked(kept.path, folder / stated.file, stated.sha256)
        if (kept.folder / CARD).is_file():
            shutil.copyfile(kept.folder / CARD, folder / CARD)
        if mine.folder.is_dir():
            discard(mine)

    try:
        return place(root, stated, fill)
    except ModelError:
        if mine.path.is_file() and not _wrong(mine):
            return mine  # another process was first
        raise


def _bring_base(adapter: Path, stated: Manifest, config: Config) -> None:
    """Make sure that an adapter's base is in the package or in the adapter's own folder.

    Raises:
        ModelError: when the base is nowhere to be found.
    """
    base = stated.base
    assert base is not None  # a manifest of kind adapter has one
    if any(kept.manifest.sha256 == base.sha256 for kept in _package()):
        return
    if any(digest(one) == base.sha256 for one in adapter.parent.glob("*.gguf") if one.is_file()):
        return
    target = adapter.parent / f"base-{base.sha256[:12]}.gguf"
    for where, kept in _everything(config, []):
        if kept.manifest.sha256 == base.sha256:
            here = _pulled(kept, _cache(config)) if where == "registry" else kept
            require(here)
            link_or_copy(here.path, target, base.sha256)
            return
    if base.name.startswith(hub.SCHEME):
        asked = hub.parse(base.name)
        found = hub.fetch(replace(asked, revision=asked.revision or base.revision))
        assert found.path is not None  # fetched
        if digest(found.path) == base.sha256:
            link_or_copy(found.path, target, base.sha256)
            return
    raise ModelError(
        f"{stated.name}@{stated.version}: is an adapter for {base.name} (sha256 {base.sha256[:12]}...), which is neither "
        f"in the package nor in the registry nor in {adapter.parent}: publish the base there too"
    )
