"""The file `.docgen/model.json`: which models people chose for a project, and which ran beside them as candidates.

`choices` holds every choice that was ever made, in order; the last one that was not rolled back counts. `canaries`
holds every candidate that ever answered a share of the tables; the last one counts while it has no end. Keys that this
version does not know are kept as they are.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from docgen_plugin.errors import ModelError
from docgen_plugin.files import replace_file

__all__ = ["Values", "ended", "moment", "path_of", "read", "running", "standing", "write"]

Values = dict[str, Any]

_FORMAT = 1


def path_of(folder: Path) -> Path:
    """Return where the record of the project in a folder is, be it there or not."""
    return folder / ".docgen" / "model.json"


def read(folder: Path) -> Values:
    """Return the record of the project in a folder; an empty one where there is none.

    Raises:
        ModelError: when the file cannot be read or is of a newer docgen.
    """
    path = path_of(folder)
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
    if version != _FORMAT or not isinstance(choices, list) or not all(map(_is_choice, choices)):
        raise ModelError(f"{path}: is no list of choices: remove it to use the model in the package")
    canaries = values.get("canaries", [])
    if not isinstance(canaries, list) or not all(map(_is_canary, canaries)):
        raise ModelError(f"{path}: what it says of a candidate cannot be read: take `canaries` out of it")
    return dict(values)


def write(folder: Path, values: Values, before: Values) -> None:
    """Replace the record, if it is still what was read as `before`.

    Raises:
        ModelError: when somebody else changed it, or it cannot be written.
    """
    path = path_of(folder)

    def unchanged(_: Path) -> None:
        if read(folder) != before:
            raise ModelError(f"{path}: was changed by somebody else just now: try again")

    content = json.dumps(values, ensure_ascii=False, indent=2) + "\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, content.encode(), unchanged)
    except OSError as err:
        raise ModelError(f"{path}: cannot be written: {err.strerror or err}") from err


def standing(values: Values) -> list[Values]:
    """Return the choices that were not rolled back, the one that counts last."""
    return [one for one in values["choices"] if "rolled_back_at" not in one]


def running(values: Values) -> Values | None:
    """Return the candidate that answers a share of the tables, None when there is none."""
    last = next(reversed(values.get("canaries", [])), None)
    return None if last is None or "ended_at" in last else last


def ended(values: Values, how: str, by: str) -> Values:
    """Return the record with the candidate that runs at its end: promoted, dropped or replaced."""
    now = running(values)
    if now is None:
        return values
    done = {**now, "ended": how, "ended_at": moment(), "ended_by": by}
    return {**values, "canaries": [*values["canaries"][:-1], done]}


def moment() -> str:
    """Return the time now as it is recorded: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _is_choice(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(value.get(key), str) for key in ("reference", "sha256"))


def _is_canary(value: Any) -> bool:
    if not _is_choice(value) or not all(isinstance(value.get(key), str) for key in ("salt", "began_at")):
        return False
    try:
        began = datetime.fromisoformat(value["began_at"])
    except ValueError:
        return False
    share = value.get("share")
    is_share = isinstance(share, int | float) and not isinstance(share, bool) and 0 < share <= 1
    return is_share and began.tzinfo is not None
