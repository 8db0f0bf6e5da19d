"""The model that a project uses: what `docgen model use` chose, kept in `.docgen/model.json` beside the ledger.

See `model_record` for the file, and `canary` for a second model that answers a share of the tables.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from docgen_plugin import generate, model_record, prompt, registry
from docgen_plugin.config import Config
from docgen_plugin.errors import ModelError
from docgen_plugin.generate import Generator
from docgen_plugin.model_record import Values
from docgen_plugin.registry import Located

__all__ = [
    "Choice",
    "chosen_values",
    "current",
    "is_chosen",
    "load",
    "located",
    "pinned",
    "require_spoken",
    "rollback",
    "use",
]


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
    standing = model_record.standing(model_record.read(folder))
    return _choice(standing[-1]) if standing else None


def is_chosen(folder: Path, config: Config) -> bool:
    """Return whether a person chose a model for this project, by the setting or by `docgen model use`.

    Raises:
        ModelError: when the record of the choice cannot be read.
    """
    return bool(config.model) or current(folder) is not None


def use(folder: Path, asked: str, found: Located, by: str) -> Choice:
    """Record a model as the one that the project uses, and return the choice; the same one again changes nothing.

    A candidate of the same file ends: it is promoted.

    Raises:
        ModelError: when it speaks another version of the grammar, or the file cannot be read or written.
    """
    require_spoken(found.reference, found.manifest.grammar if found.manifest else "")
    values = model_record.read(folder)
    standing = model_record.standing(values)
    made = chosen_values(folder, asked, found, by)
    if standing and _is_same(standing[-1], made):
        return _choice(standing[-1])
    candidate = model_record.running(values)
    promoted = candidate is not None and candidate["sha256"] == found.sha256
    left = model_record.ended(values, "promoted", by) if promoted else values
    model_record.write(folder, {**left, "choices": [*values["choices"], made]}, values)
    return _choice(made)


def chosen_values(folder: Path, asked: str, found: Located, by: str) -> Values:
    """Return what is recorded of a model that a person chose."""
    return {
        "reference": _portable(found, folder),
        "sha256": found.sha256,
        "asked": asked,
        "name": found.manifest.name if found.manifest else "",
        "version": found.manifest.version if found.manifest else "",
        "by": by,
        "at": model_record.moment(),
    }


def require_spoken(reference: str, grammar: str) -> None:
    """Check that this docgen can ask a model that states this grammar, "" for one without.

    Raises:
        ModelError: when it cannot.
    """
    if grammar not in ("", prompt.GRAMMAR, prompt.COMPACT_GRAMMAR):
        raise ModelError(
            f"{reference}: made for the grammar {grammar}, this version of docgen speaks {prompt.GRAMMAR} and "
            f"{prompt.COMPACT_GRAMMAR}: use the docgen version the model was made for"
        )


def rollback(folder: Path, by: str) -> Choice | None:
    """Go back to the choice before, and return it; None is the model in the package.

    Raises:
        ModelError: when nothing is chosen, or the file cannot be read or written.
    """
    values = model_record.read(folder)
    standing = model_record.standing(values)
    if not standing:
        path = model_record.path_of(folder)
        raise ModelError(f"{path}: nothing to go back from: the project uses the model in the package")
    last = standing[-1]
    back = [
        {**one, "rolled_back_at": model_record.moment(), "rolled_back_by": by} if one is last else one
        for one in values["choices"]
    ]
    model_record.write(folder, {**values, "choices": back}, values)
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
    remedy = "docgen model use, or go back with docgen model rollback"
    return pinned(chosen.reference, chosen.sha256, folder, config, remedy)


def pinned(reference: str, sha256: str, folder: Path, config: Config, remedy: str) -> Located:
    """Return the file that was recorded for a project; `remedy` is how another is chosen, in words.

    Raises:
        ModelError: when it cannot be had, or is not the file that was recorded.
    """
    found = registry.locate(_absolute(reference, folder), config)
    if found is None:
        raise ModelError(
            f"{reference}: chosen for this project, but neither the registry nor the cache has it: "
            f"set `registry`, choose another with {remedy}"
        )
    if found.sha256 != sha256:
        raise ModelError(
            f"{found.path}: refused: its sha256 is {found.sha256[:12]}..., {sha256[:12]}... was chosen "
            f"as {reference}: choose it anew with {remedy}"
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


def _is_same(one: Values, other: Values) -> bool:
    return (one["reference"], one["sha256"]) == (other["reference"], other["sha256"])


def _choice(values: Values) -> Choice:
    return Choice(
        values["reference"],
        values["sha256"],
        str(values.get("asked", values["reference"])),
        str(values.get("by", "")),
        str(values.get("at", "")),
    )
