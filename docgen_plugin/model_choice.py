"""The model that a project uses: what `docgen model use` chose, kept in `.docgen/model.json` beside the ledger.

The file holds every choice that was ever made, in order; the last one that was not rolled back counts. Keys that
this version does not know are kept as they are.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docgen_plugin import generate, prompt, registry
from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError
from docgen_plugin.files import replace_file
from docgen_plugin.generate import Generator
from docgen_plugin.registry import Located

__all__ = ["Choice", "current", "is_chosen", "load", "located", "rollback", "use"]

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Choice:
    """A model chosen for a project."""

    reference: str  # exact: a version, a commit or a path
    sha256: str
    asked: str  # what the person typed
    by: str
    at: str  # ISO 8601, UTC


def current(folder: Path) -> Choice | None:
    """Return what is chosen for the project in a folder; None is the model in the package.

    Raises:
        ModelError: when the file cannot be read or is of a newer docgen.
    """
    standing = _standing(_read(_path(folder))["choices"])
    return _choice(standing[-1]) if standing else None


def is_chosen(folder: Path, config: Config) -> bool:
    """Return whether a person chose a model for this project, by the setting or by `docgen model use`.

    Raises:
        ModelError: when the record of the choice cannot be read.
    """
    return bool(config.model) or current(folder) is not None


def use(folder: Path, asked: str, found: Located, by: str) -> Choice:
    """Record a model as the one that the project uses, and return the choice; the same one again changes nothing.

    Raises:
        ModelError: when it speaks another version of the grammar, or the file cannot be read or written.
    """
    grammar = found.manifest.grammar if found.manifest else ""
    if grammar not in ("", prompt.GRAMMAR):
        raise ModelError(
            f"{found.reference}: made for the grammar {grammar}, this version of docgen speaks {prompt.GRAMMAR}: "
            "use the docgen version the model was made for"
        )
    path = _path(folder)
    values = _read(path)
    standing = _standing(values["choices"])
    reference = _portable(found, folder)
    if standing and (standing[-1]["reference"], standing[-1]["sha256"]) == (reference, found.sha256):
        return _choice(standing[-1])
    made = {
        "reference": reference,
        "sha256": found.sha256,
        "asked": asked,
        "name": found.manifest.name if found.manifest else "",
        "version": found.manifest.version if found.manifest else "",
        "by": by,
        "at": _now(),
    }
    _write(path, {**values, "choices": [*values["choices"], made]}, values)
    return _choice(made)


def rollback(folder: Path, by: str) -> Choice | None:
    """Go back to the choice before, and return it; None is the model in the package.

    Raises:
        ModelError: when nothing is chosen, or the file cannot be read or written.
    """
    path = _path(folder)
    values = _read(path)
    standing = _standing(values["choices"])
    if not standing:
        raise ModelError(f"{path}: nothing to go back from: the project uses the model in the package")
    last = standing[-1]
    back = [
        {**one, "rolled_back_at": _now(), "rolled_back_by": by} if one is last else one
        for one in values["choices"]
    ]
    _write(path, {**values, "choices": back}, values)
    return _choice(standing[-2]) if len(standing) > 1 else None


def located(folder: Path, config: Config) -> Located | None:
    """Return the file of the model that counts for a project: the setting `model`, else its choice, else the package's.

    None is a model that only a plugin knows.

    Raises:
        ModelError: when it cannot be had, or is not the file that was chosen.
    """
    chosen = None if config.model else current(folder)
    if chosen is None:
        return registry.locate(config.model, config)
    found = registry.locate(_absolute(chosen.reference, folder), config)
    if found is None:
        raise ModelError(
            f"{chosen.reference}: chosen for this project, but neither the registry nor the cache has it: "
            "set `registry`, choose another with docgen model use, or go back with docgen model rollback"
        )
    if found.sha256 != chosen.sha256:
        raise ModelError(
            f"{found.path}: refused: its sha256 is {found.sha256[:12]}..., {chosen.sha256[:12]}... was chosen "
            f"as {chosen.reference}: choose it anew with docgen model use, or go back with docgen model rollback"
        )
    return found


def load(folder: Path, config: Config) -> Generator:
    """Return the generator that a project uses, see `located`.

    Raises:
        ModelError: when it cannot be had or loaded.
    """
    if config.model or current(folder) is None:
        return generate.load(config.model, config)
    found = located(folder, config)
    assert found is not None  # a choice is never a plugin's name
    return generate.load(str(found.path), config)


def _portable(found: Located, folder: Path) -> str:
    """Return a reference that still holds when the project is moved or checked out elsewhere."""
    path = Path(found.reference)
    if found.place == "path" and path.is_relative_to(folder):
        return f"./{path.relative_to(folder).as_posix()}"
    return found.reference


def _absolute(reference: str, folder: Path) -> str:
    return str(folder / reference) if reference.startswith("./") else reference


def _path(folder: Path) -> Path:
    return folder / ".docgen" / "model.json"


def _read(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return {"format": _FORMAT, "choices": []}
    except (OSError, ValueError) as err:
        raise ModelError(f"{path}: cannot be read: {err}: remove it to use the model in the package") from err
    version = values.get("format") if isinstance(values, dict) else None
    if isinstance(version, int) and version > _FORMAT:
        raise ModelError(f"{path}: written by a newer docgen (format {version}): upgrade docgen-plugin")
    choices = values.get("choices") if isinstance(values, dict) else None
    if version != _FORMAT or not isinstance(choices, list) or not all(_is_choice(one) for one in choices):
        raise ModelError(f"{path}: is no list of choices: remove it to use the model in the package")
    return dict(values)


def _is_choice(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("reference", "sha256"))


def _write(path: Path, values: dict[str, Any], before: dict[str, Any]) -> None:
    def unchanged(_: Path) -> None:
        if _read(path) != before:
            raise ModelError(f"{path}: was changed by somebody else just now: try again")

    content = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.encode(), unchanged)
    except OSError as err:
        raise ModelError(f"{path}: cannot be written: {err.strerror or err}") from err


def _standing(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [one for one in choices if "rolled_back_at" not in one]


def _choice(values: dict[str, Any]) -> Choice:
    return Choice(
        values["reference"],
        values["sha256"],
        str(values.get("asked", values["reference"])),
        str(values.get("by", "")),
        str(values.get("at", "")),
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
