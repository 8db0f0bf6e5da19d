"""A candidate model that answers a share of a project's tables while the standing one answers the others.

A table is drawn by a hash of its key and of a salt that is recorded with the candidate: always to the same side, whatever
else is in the run, and to others with another candidate. A wider share keeps the tables of the narrower one.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from docgen_plugin import generate, model_choice, model_record
from docgen_plugin.config import Config
from docgen_plugin.errors import ConfigError, ModelError
from docgen_plugin.generate import Generator
from docgen_plugin.model_choice import Choice
from docgen_plugin.model_files import model_files
from docgen_plugin.model_record import Values
from docgen_plugin.registry import Located
from docgen_plugin.writers import Candidate

__all__ = [
    "Canary",
    "begin",
    "candidate",
    "drop",
    "load",
    "located",
    "owner",
    "parse_share",
    "promote",
    "running",
    "standing_name",
    "told_share",
]

_MOST = 0.5  # a candidate that answers more than the standing model is none
_SHARE = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(%?)", re.ASCII)
_REMEDY = "docgen model use REF --canary, or end it with docgen model drop"


@dataclass(frozen=True, slots=True)
class Canary:
    """A candidate as it was recorded."""

    reference: str  # exact: a version, a commit or a path
    sha256: str
    model: str  # as the ledger names it
    share: float  # of the tables, above 0 and at most 0.5
    salt: str
    by: str
    at: str  # since when this share holds; ISO 8601, UTC
    began: datetime  # since when the candidate answers

    def draws(self, table: str) -> bool:
        """Return whether the candidate answers the table with this key.

        >>> one = Canary("shop@2", "", "", 0.25, "salt", "", "", datetime.min)
        >>> [name for name in "abcdefgh" if one.draws(name)]
        ['b', 'e']
        """
        drawn = hashlib.sha256(f"{self.salt}\0{table}".encode("utf-8", "surrogatepass")).digest()
        return int.from_bytes(drawn[:8]) / 2**64 < self.share


def parse_share(text: str) -> float:
    """Return the share that a person typed, 0 to 1.

    >>> parse_share("10%"), parse_share("0.1"), parse_share("12.5 %")
    (0.1, 0.1, 0.125)

    Raises:
        ConfigError: when it is none, or not above 0 and at most a half.
    """
    found = _SHARE.fullmatch(text.strip())
    share = (float(found[1]) / (100 if found[2] else 1)) if found else 0.0
    if not 0 < share <= _MOST:
        raise ConfigError(
            f"--canary {text!r}: wants a share of the tables above 0 and at most 50 %, such as 10% or 0.1"
        )
    return share


def told_share(share: float) -> str:
    """Return a share in words.

    >>> told_share(0.1), told_share(0.125)
    ('10 %', '12.5 %')
    """
    return f"{100 * share:.6g} %"


def running(folder: Path) -> Canary | None:
    """Return the candidate of the project in a folder, None when there is none.

    Raises:
        ModelError: when the record cannot be read.
    """
    values = model_record.running(model_record.read(folder))
    return _canary(values) if values is not None else None


def begin(folder: Path, config: Config, asked: str, found: Located, share: float, by: str) -> Canary:
    """Record a candidate, and return it; one that answers already ends, the same one with the same share stays.

    The same model with another share keeps its salt, so that its tables stay its own.

    Raises:
        ModelError: when it cannot be used, is the standing model, or the record cannot be read or written.
    """
    model_choice.require_spoken(found.reference, found.manifest.grammar if found.manifest else "")
    standing = model_choice.located(folder, _unset(config))
    if standing is not None and standing.sha256 == found.sha256:
        raise ModelError(
            f"{found.reference}: is the model that the project uses already: name another as the candidate"
        )
    with closing(generate.load(str(found.path), config)) as loaded:  # what cannot be loaded is told now
        name = loaded.name
    values = model_record.read(folder)
    before = model_record.running(values)
    is_same = before is not None and before["sha256"] == found.sha256
    if before is not None and is_same and before["share"] == share:
        return _canary(before)
    chosen = model_choice.chosen_values(folder, asked, found, by)
    made = {
        **chosen,
        "model": name,
        "share": share,
        "salt": before["salt"] if before is not None and is_same else secrets.token_hex(8),
        "began_at": before["began_at"] if before is not None and is_same else chosen["at"],
    }
    left = model_record.ended(values, "replaced", by)
    model_record.write(folder, {**left, "canaries": [*left.get("canaries", []), made]}, values)
    return _canary(made)


def promote(folder: Path, config: Config, by: str) -> Choice:
    """Make the candidate the standing choice, and return that.

    Raises:
        ModelError: when there is no candidate, its file is not what it was, or the record cannot be written.
    """
    now = _required(folder, model_record.read(folder))
    found = located(_canary(now), folder, config)
    return model_choice.use(folder, str(now.get("asked", "")), found, by)


def drop(folder: Path, by: str) -> Canary:
    """End the candidate without promoting it, and return it.

    Raises:
        ModelError: when there is no candidate, or the record cannot be read or written.
    """
    values = model_record.read(folder)
    left = _required(folder, values)
    model_record.write(folder, model_record.ended(values, "dropped", by), values)
    return _canary(left)


def located(one: Canary, folder: Path, config: Config) -> Located:
    """Return the candidate's file.

    Raises:
        ModelError: when it cannot be had, or is not the file that was recorded.
    """
    return model_choice.pinned(one.reference, one.sha256, folder, config, _REMEDY)


def standing_name(folder: Path, config: Config) -> str:
    """Return a name for the model beside the candidate, whatever the setting `model` says; it ends as in the ledger.

    Raises:
        ModelError: when its file cannot be had, or is not what was chosen.
    """
    found = model_choice.located(folder, _unset(config))
    if found is None or found.path is None:
        raise ModelError("this installation has no embedded model, and the project has chosen none")
    name = found.manifest.name if found.manifest else found.path.stem
    return f"{name}@{model_files(found.path).version}"


def candidate(folder: Path, config: Config, tell: Callable[[str], None]) -> Candidate | None:
    """Return the candidate for a run, None when there is none or a model was named by hand, which is told.

    The files of both models are looked at now: a run must not find out half-way that one is gone.

    Raises:
        ModelError: when one of them cannot be had, or is not what was chosen.
    """
    one = running(folder)
    if one is None:
        return None
    if config.model:
        tell(
            f"note: {config.model} was named (--model or the setting `model`): the candidate {one.reference} answers "
            "no table in this run"
        )
        return None
    path = located(one, folder, config).path
    model_choice.located(folder, config)

    def loaded() -> Generator:
        generator = generate.load(str(path), config)
        tell(f"candidate: {generator.name} on {generator.device}, for {told_share(one.share)} of the tables")
        return generator

    return Candidate(loaded, one.draws)


def owner(folder: Path, config: Config) -> Callable[[str], str]:
    """Return what says whose a table is, by its key: the candidate's reference, or "" for the standing model.

    Raises:
        ModelError: when the record cannot be read.
    """
    one = None if config.model else running(folder)
    return lambda table: one.reference if one is not None and one.draws(table) else ""


def load(folder: Path, config: Config) -> Generator:
    """Return the generator that a project uses, or the one that the setting `model` names; that may be the candidate.

    Raises:
        ModelError: when it cannot be had or loaded.
    """
    one = running(folder)
    if one is not None and config.model == one.reference:
        return generate.load(str(located(one, folder, config).path), config)
    return model_choice.load(folder, config)


def _required(folder: Path, values: Values) -> Values:
    one = model_record.running(values)
    if one is None:
        raise ModelError(
            f"{model_record.path_of(folder)}: no candidate: docgen model use REF --canary 10% begins with one"
        )
    return one


def _unset(config: Config) -> Config:
    return replace(config, model="")


def _canary(values: Values) -> Canary:
    return Canary(
        values["reference"],
        values["sha256"],
        str(values.get("model", "")),
        float(values["share"]),
        values["salt"],
        str(values.get("by", "")),
        str(values.get("at", "")),
        datetime.fromisoformat(values["began_at"]),
    )
