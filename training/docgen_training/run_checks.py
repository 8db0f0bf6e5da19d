"""What can be told to be wrong with a run before it starts: sources, models, the registry, the space on the disk."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from docgen_plugin.console import visible
from docgen_plugin.errors import ConfigError, DocgenError
from docgen_training.run_config import EMBEDDED, RunConfig

__all__ = ["check_run", "space_needed"]

_DBT = ("dbt_project.yml", "dbt_project.yaml")
_WEIGHTS = (".safetensors", ".bin")
_EMBEDDED_RUN = (
    300 << 20
)  # bytes: the embedded model with its optimiser, merged, as F16 and quantised, is a fifth of it
# of a base's weights: the merged copy, its F16, the quantised one and a checkpoint of the training
_COPIES = 4


def check_run(config: RunConfig) -> None:
    """Return nothing when nothing is wrong that can be told without reading the sources.

    Raises:
        DocgenError: naming what is wrong, and where in the file it stands.
    """
    for source in config.harvest.sources:
        _check_source(source, config.path)
    if config.base != EMBEDDED:
        _check_base(config)
    before = config.evaluate.before
    if before and not Path(before).is_file():
        raise ConfigError(f"{config.path}: [evaluate] before: {before}: there is no such file")
    registry = config.publish.registry
    needed = space_needed(config)
    _check_writable(Path(config.folder), f"{config.path}: folder")
    _check_space(Path(config.folder), needed, f"{config.path}: folder")
    if registry and "://" not in registry:
        _check_writable(Path(registry), f"{config.path}: [publish] registry")
        _check_space(Path(registry), needed // _COPIES, f"{config.path}: [publish] registry")


def _check_source(source: str, where: Path) -> None:
    if "://" in source:
        return
    path = Path(source)
    named = f"{where}: [harvest] sources: {visible(source)}"
    if not path.exists():
        raise ConfigError(
            f"{named}: there is no such folder or file; put it back, or take it out of the list"
        )
    if path.is_dir() and not any((path / name).is_file() for name in _DBT):
        raise ConfigError(f"{named}: is a folder without dbt_project.yml: name a dbt project's own folder")
    if path.is_file() and not source.endswith((".json", ".yaml", ".yml", ".jsonl", ".jsonl.xz")):
        raise ConfigError(
            f"{named}: is no .json, .yaml, .jsonl or .jsonl.xz file, and no dbt project's folder"
        )


def _check_base(config: RunConfig) -> None:
    path = Path(config.base)
    named = f"{config.path}: base: {visible(config.base)}"
    if path.exists():
        if not (path / "config.json").is_file():
            raise ConfigError(f"{named}: holds no config.json: name the folder of a Hugging Face model")
    elif path.is_absolute() or config.base.count("/") != 1:
        raise ConfigError(f'{named}: is no folder, no name on the hub (owner/name) and not "embedded"')


def space_needed(config: RunConfig) -> int:
    """Return the bytes that a run fills at most, 0 where that cannot be told: a base that is still to be fetched."""
    if config.base == EMBEDDED:
        return _EMBEDDED_RUN
    folder = Path(config.base)
    if not folder.is_dir():
        return 0
    return _COPIES * sum(one.stat().st_size for one in folder.iterdir() if one.suffix in _WEIGHTS)


def _standing(path: Path) -> Path:
    """Return the nearest folder that is there: where the path will be made."""
    return next(one for one in (path, *path.parents) if one.exists())


def _check_space(path: Path, needed: int, named: str) -> None:
    free = shutil.disk_usage(_standing(path)).free
    if free < needed:
        raise DocgenError(
            f"{named}: {path}: {free / 1e6:,.0f} MB are free on that disk, the run needs up to {needed / 1e6:,.0f} MB: "
            "make room, or name a folder on another disk"
        )


def _check_writable(path: Path, named: str) -> None:
    """Try to write where the path is, or will be made: rights alone do not tell it, on a network's disk for instance."""
    place = _standing(path)
    if not place.is_dir():
        raise ConfigError(f"{named}: {place}: is a file, a folder is wanted")
    try:
        handle, name = tempfile.mkstemp(dir=place, prefix=".docgen-")
    except OSError as err:
        raise ConfigError(f"{named}: {place}: cannot be written: {err.strerror or err}") from err
    os.close(handle)
    os.unlink(name)
