"""Kinds of argument that several commands of `docgen-train` take."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

__all__ = ["FILE", "FOLDER", "OLD_FOLDER", "OUT", "Span"]

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
OUT = click.Path(dir_okay=False, path_type=Path)
FOLDER = click.Path(file_okay=False, path_type=Path)
OLD_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)

_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?")


class Span(click.ParamType):  # type: ignore[type-arg]  # generic from click 8.2 on
    """A length of time such as 90m, 1h30m or 45s; the value is in minutes."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the minutes."""
        if isinstance(value, float | int):
            return float(value)
        found = _SPAN.fullmatch(value.strip())
        if not value.strip() or found is None:
            self.fail(f"{value!r} is no length of time: write 90m, 1h30m or 45s", param, ctx)
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return hours * 60 + minutes + seconds / 60
