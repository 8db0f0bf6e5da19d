"""The double-blind study: which of two texts describes a column better, without knowing who wrote them.

    docgen-train study make --data valid.jsonl.xz --tables 62 --system docgen=docgen-base.gguf --system template \\
        --key training/runs/study/key.json --out training/runs/study/sheet
    docgen-train study count training/runs/study/key.json VOTES.csv... --out training/runs/study/report

The first system is compared with each of the others. Which text stands left is drawn for every row. The raters' folder
holds a page and a CSV with the same rows; the key, which tells who wrote what, is written somewhere else.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path

from docgen_plugin.errors import DocgenError
from docgen_plugin.model import Column, Table
from docgen_training.systems import Texts

__all__ = ["FIELDS", "Pair", "Study", "listed", "make_study", "out_of_sight", "read_key", "write_study"]

FIELDS = ("row", "table", "column", "type", "A", "B", "vote", "reason")
_COLUMNS_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Pair:
    """One row of the sheet with what only the key knows."""

    row: int
    table: str
    column: str
    type: str
    left: str  # the text shown as A
    right: str  # the text shown as B
    left_system: str
    right_system: str

    @property
    def same(self) -> bool:
        """Whether both systems say the same: a tie that nobody has to look at."""
        return self.left == self.right


@dataclass(frozen=True, slots=True)
class Study:
    """The rows of a study and the system that stands in every one of them."""

    system: str
    pairs: tuple[Pair, ...]


def make_study(tables: Sequence[Table], systems: Mapping[str, Texts], per_table: int, seed: int) -> Study:
    """Return a study: for every table up to `per_table` columns, the first system against each other one.

    Columns, order of the rivals and sides are drawn by the seed; rows of a table stand together.

    Raises:
        DocgenError: with fewer than two systems.
    """
    if len(systems) < 2:
        raise DocgenError("--system: a study compares at least two systems; name a second one")
    first, *others = systems
    draw = random.Random(seed)
    pairs: list[Pair] = []
    for table in tables:
        columns = [column for column in table.columns if column.description]
        chosen = draw.sample(columns, min(per_table, len(columns)))
        asked = [(column, other) for column in chosen for other in others]
        draw.shuffle(asked)
        for column, other in asked:
            pairs.append(_pair(len(pairs) + 1, table, column, (first, other), systems, draw))
    return Study(first, tuple(pairs))


def _pair(
    row: int,
    table: Table,
    column: Column,
    names: tuple[str, str],
    systems: Mapping[str, Texts],
    draw: random.Random,
) -> Pair:
    left, right = names if draw.random() < 0.5 else names[::-1]
    place = (table.key, column.name)
    return Pair(
        row, table.key, column.name, column.type, systems[left][place], systems[right][place], left, right
    )


def write_study(out: Path, key: Path, tables: Sequence[Table], study: Study) -> int:
    """Write the page and the CSV for the raters, and the key; return how many rows are to be judged.

    Raises:
        DocgenError: when the key would lie where the raters look.
    """
    out_of_sight(key, out)
    out.mkdir(parents=True, exist_ok=True)
    key.parent.mkdir(parents=True, exist_ok=True)
    shown = [pair for pair in study.pairs if not pair.same]
    by_key = {table.key: table for table in tables}
    (out / "sheet.csv").write_text(_csv(shown, by_key), encoding="utf-8")
    (out / "sheet.html").write_text(_page(shown, by_key), encoding="utf-8")
    (out / "tables.md").write_text(_context(shown, by_key), encoding="utf-8")
    key.write_text(json.dumps(asdict(study), ensure_ascii=False, indent=0), encoding="utf-8")
    return len(shown)


def out_of_sight(key: Path, out: Path) -> None:
    """Refuse a key that would lie where the raters look.

    Raises:
        DocgenError: when it would.
    """
    if out.resolve() in (key.resolve(), *key.resolve().parents):
        raise DocgenError(f"--key {key}: lies in the raters' folder {out}: put it somewhere else")


def _csv(pairs: Sequence[Pair], tables: Mapping[str, Table]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for pair in pairs:
        name = tables[pair.table].name
        writer.writerow((pair.row, name, pair.column, pair.type, pair.left, pair.right, "", ""))
    return text.getvalue()


def listed(table: Table) -> str:
    """Return a table's columns in one line, with types and keys."""
    parts = []
    for column in table.columns[:_COLUMNS_SHOWN]:
        key = (
            f" -> {column.foreign_key.table}" if column.foreign_key else " key" if column.primary_key else ""
        )
        parts.append(f"{column.name} {column.type}{key}".strip())
    rest = len(table.columns) - _COLUMNS_SHOWN
    return ", ".join(parts) + (f", and {rest} more" if rest > 0 else "")


def _context(pairs: Sequence[Pair], tables: Mapping[str, Table]) -> str:
    """Return what raters who work on the CSV need of the tables: each with its rows' numbers and its columns."""
    lines = ["# Tables", ""]
    for key in dict.fromkeys(pair.table for pair in pairs):
        rows = [pair.row for pair in pairs if pair.table == key]
        lines += [f"- `{tables[key].name}` (rows {rows[0]} to {rows[-1]}): {listed(tables[key])}"]
    return "\n".join(lines) + "\n"


def _page(pairs: Sequence[Pair], tables: Mapping[str, Table]) -> str:
    from jinja2 import Environment

    template = files("docgen_training").joinpath("data", "study.html").read_text("utf-8")
    groups = [
        {
            "name": tables[key].name,
            "columns": listed(tables[key]),
            "pairs": [p for p in pairs if p.table == key],
        }
        for key in dict.fromkeys(pair.table for pair in pairs)
    ]
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(groups=groups, total=len(pairs), fields=FIELDS)
    )


def read_key(path: Path) -> Study:
    """Return a study with who wrote what.

    Raises:
        DocgenError: when the file is no key.
    """
    try:
        found = json.loads(path.read_text("utf-8"))
        return Study(found["system"], tuple(Pair(**row) for row in found["pairs"]))
    except (OSError, ValueError, TypeError, KeyError) as err:
        raise DocgenError(f"{path}: is not the key of a study: {err}") from err
