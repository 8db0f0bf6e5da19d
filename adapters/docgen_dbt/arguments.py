"""The arguments of an operation, as `dbt run-operation --args` gives them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, get_type_hints

from docgen_plugin.errors import ConfigError

__all__ = ["Arguments", "read_arguments"]

_TARGETS = ("yaml", "database", "both")


@dataclass(frozen=True, slots=True)
class Arguments:
    """Every argument of any operation, with its default."""

    # dbt's node selection: "orders+", "tag:nightly path:models/marts", or a list of such
    select: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    # a selector of selectors.yml, instead of the two above
    selector: str = ""
    # accept what was suggested, but for what is unclear, and write it
    write: bool = False
    # accept or not whatever `write` says: true without `write` only decides, false with it writes what was accepted before
    accept: bool | None = None
    # accept only suggestions of at least this confidence, 0 to 1
    min_confidence: float = 0.0
    # make open suggestions of another model, or an older glossary, anew
    again: bool = False
    # the GGUF to use: a path or a plugin's uri
    model: str = ""
    # where texts are written: "yaml", "database" (comments) or "both"
    to: str = "yaml"
    # accept and write nothing, and show what would be written
    dry_run: bool = False


def read_arguments(operation: str, known: Sequence[str], given: Mapping[str, Any]) -> Arguments:
    """Return the arguments of an operation that takes those that are `known`.

    Raises:
        ConfigError: for an argument that it does not take, or a value of the wrong kind.

    >>> read_arguments("document_models", ["select", "write"], {"select": "orders+ tag:a", "write": True}).select
    ('orders+', 'tag:a')
    """
    arguments = Arguments()
    types = get_type_hints(Arguments)
    for name, value in given.items():
        if name not in known:
            close = get_close_matches(str(name), known, 1)
            meant = f" (did you mean {close[0]}?)" if close else ""
            raise ConfigError(
                f"{operation}: unknown argument {str(name)!r}{meant}; it takes {', '.join(known) or 'none'}"
            )
        if value is not None:
            arguments = replace(arguments, **{name: _read(operation, name, value, types[name])})
    assert set(known) <= {spec.name for spec in fields(Arguments)}
    return arguments


def _read(operation: str, name: str, value: Any, kind: Any) -> Any:
    where = f"{operation}: {name}"
    if kind == tuple[str, ...]:
        parts = [value] if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or not all(isinstance(part, str) for part in parts):
            raise ConfigError(f"{where} wants a text or a list of texts, found {value!r}")
        return tuple(word for part in parts for word in part.split())
    if kind is float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ConfigError(f"{where} wants a number from 0 to 1, found {value!r}")
        return float(value)
    if kind is str:
        if not isinstance(value, str) or (name == "to" and value not in _TARGETS):
            wanted = "yaml, database or both" if name == "to" else "a text"
            raise ConfigError(f"{where} wants {wanted}, found {value!r}")
        return value
    if not isinstance(value, bool):
        raise ConfigError(f"{where} wants true or false, found {value!r}")
    return value
