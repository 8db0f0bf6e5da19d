"""Whether what a suggestion was made from still holds: fingerprints, and the state a ledger row should have."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from docgen_plugin.model import Column, Suggestion, Table
from docgen_plugin.words import family

__all__ = ["Turn", "WRITTEN_OVER", "fingerprint", "judge", "same_evidence", "same_text"]

_OPEN = ("suggested", "accepted", "edited")
_APPROVED = ("accepted", "edited", "applied")
_INHERITING = ("suggested", "accepted", "applied")
_DBT_KINDS = ("model", "source", "seed", "snapshot")
_UNKNOWN = "-"
_WRITTEN_MEANWHILE = "someone wrote a text there meanwhile"
_CHANGED_THERE = "the text was changed or removed there"
WRITTEN_OVER = (_WRITTEN_MEANWHILE, _CHANGED_THERE)  # whys of a person's hand in the source


@dataclass(frozen=True, slots=True)
class Turn:
    """A state that a ledger row should change to, and why, in a few words."""

    state: str
    why: str


def fingerprint(table: Table, column: Column | None) -> str:
    """Return what a description rests on, as hashes of its parts joined by dots; "-" where nothing is known.

    A column: name, type family, keys, allowed values. A table: name, the set of its columns. The parts stay
    apart because catalogs learn: a type that was unknown before is no change of the column, nor are the
    columns of a table that had none. dbt's keys count as unknown: they are inferred from tests, and a new
    test does not change the column.

    >>> fingerprint(Table("t", "t"), Column("id", "int")) == fingerprint(Table("t", "t"), Column("ID", "bigint"))
    True
    """
    if column is None:
        names = "\n".join(sorted(one.name.lower() for one in table.columns))
        return f"{_short(_letters(table.name))}.{_short(names)}"
    kind = family(column.type) or column.type.split("(")[0].strip().lower()
    key = column.foreign_key
    keys = (
        f"{column.primary_key}/{key.table.lower()}.{key.column.lower()}" if key else f"{column.primary_key}/"
    )
    if table.kind in _DBT_KINDS:
        keys = ""
    values = f"{len(column.values)}:" + "\n".join(sorted(column.values))
    return ".".join((_short(_letters(column.name)), _short(kind), _short(keys), _short(values)))


def _letters(name: str) -> str:
    # not the words: how names are read changes with the dictionary and between versions, the column does not
    return "".join(char for char in name.lower() if char.isalnum()) or name


def _short(part: str) -> str:
    return hashlib.sha256(part.encode("utf-8", "surrogatepass")).hexdigest()[:10] if part else _UNKNOWN


def same_evidence(old: str, new: str) -> bool:
    """Return whether two fingerprints agree in every part that both of them know.

    >>> same_evidence("a.-.c.-", "a.b.c.-"), same_evidence("a.b.c.-", "a.x.c.-")
    (True, False)
    """
    before, after = old.split("."), new.split(".")
    return len(before) == len(after) and all(
        one == other or _UNKNOWN in (one, other) for one, other in zip(before, after, strict=True)
    )


def same_text(one: str, other: str) -> bool:
    """Return whether two texts are the same but for white space, which YAML and databases fold.

    >>> same_text("One row\\n per order. ", "One row per order.")
    True
    """
    return one == other or one.split() == other.split()


def judge(row: Suggestion, now: str | None, current: str, parent: str | None = None) -> Turn | None:
    """Return the state that a row of a table that is still there should turn to, None when it is right.

    Args:
        row: the ledger's row.
        now: the description that stands there now, None when the column is gone.
        current: the place's fingerprint now.
        parent: the text that the place would inherit now, None where the row's text was not inherited.
    """
    outdated = parent is not None and not same_text(parent, row.text)
    same = same_evidence(row.fingerprint, current) if now is not None else False
    if row.state == "stale":
        again = now is not None and now.strip() and same_text(now, row.text) and same and not outdated
        return Turn("applied", "the text stands there again") if again else None
    if now is None:
        return Turn("stale", "the column is gone")
    if row.state in ("accepted", "edited") and now.strip() and same_text(now, row.text):
        return Turn("applied", "the text stands there already")
    if row.state in _OPEN and not same_text(now, row.before):
        return Turn("stale", _WRITTEN_MEANWHILE)
    if row.state == "applied" and not same_text(now, row.text):
        if parent is not None and same_text(now, parent):
            return None  # it stands there as a reference, which follows the parent
        return Turn("stale", _CHANGED_THERE)
    if outdated and row.state in _INHERITING:
        return Turn("stale", "its parent's text changed")
    if not row.ref.column and row.state in _APPROVED:
        return None  # what a row of the table is stays true when a column comes or goes
    if not same:
        return Turn("stale", "its columns changed" if not row.ref.column else "the column changed")
    return None
