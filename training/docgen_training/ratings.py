"""What a served text is worth: a sheet of suggestions for raters who know the owner's words, and the count of what they say.

    docgen-train rate make --data valid.jsonl.xz --rows 480 --key training/runs/rate/key.json --out training/runs/rate/sheet
    docgen-train rate count training/runs/rate/key.json ALICE.csv BOB.csv --out training/runs/rate/report

The sheet shows table, columns, the owner's description and the text that `docgen suggest` serves, never its origin or
confidence. A rater says accept (stands as it is), edit (true, but somebody would change it) or reject.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from docgen_plugin.calibration import curve_key
from docgen_plugin.errors import DocgenError
from docgen_plugin.model import ColumnRef, Suggestion, Table
from docgen_plugin.proportions import Share
from docgen_training.calibrate import Judged
from docgen_training.study import listed, out_of_sight
from docgen_training.votes import fleiss_kappa

__all__ = [
    "VERDICTS",
    "Rating",
    "Row",
    "draw_rows",
    "judged_rows",
    "read_ratings",
    "read_rows",
    "write_sheet",
]

VERDICTS = ("accept", "edit", "reject")
_FIELDS = ("row", "table", "column", "type", "owner", "text", "verdict", "reason")
_BANDS = 10  # of confidence, for the strata


@dataclass(frozen=True, slots=True)
class Row:
    """A suggestion on the sheet with what only the key knows."""

    row: int
    table: str  # key
    column: str  # "" for the table itself
    text: str
    origin: str
    model: str
    logprob: float  # nats a token
    confidence: float  # 0 to 1
    weight: float  # how many of all served suggestions this row stands for
    weighed_by: str = ""  # the model whose log-probability this is, where it did not write the text


@dataclass(frozen=True, slots=True)
class Rating:
    """What one rater said of one row."""

    rater: str
    row: int
    verdict: str
    reason: str = ""


def draw_rows(tables: Sequence[Table], served: Iterable[Suggestion], number: int, seed: int) -> list[Row]:
    """Return up to `number` rows of the documented places, equally many of every origin and tenth of confidence.

    Strata that have fewer give what they have. Rows stand in the order of the tables; an 'unclear' is no proposal and
    is left out, and so is a place that its owner left without a text.
    """
    owners = {ref: text for table in tables for ref, text in _owned(table)}
    strata: dict[tuple[str, bool, int], list[Suggestion]] = {}
    for one in served:
        if one.origin != "unclear" and owners.get(one.ref):
            band = min(int(one.confidence * _BANDS), _BANDS - 1)
            strata.setdefault((one.origin, not one.ref.column, band), []).append(one)
    draw = random.Random(seed)
    left = number
    rows: list[tuple[Suggestion, float]] = []
    for index, name in enumerate(sorted(strata, key=lambda name: (len(strata[name]), name))):
        stratum = strata[name]
        taken = draw.sample(stratum, min(len(stratum), left // (len(strata) - index)))
        left -= len(taken)
        rows += [(one, len(stratum) / len(taken)) for one in taken]
    places = {table.key: index for index, table in enumerate(tables)}
    rows.sort(key=lambda row: (places[row[0].ref.table], row[0].position))
    return [
        Row(
            number,
            one.ref.table,
            one.ref.column,
            one.text,
            one.origin,
            one.model,
            one.logprob,
            one.confidence,
            round(weight, 4),
            one.weighed_by,
        )
        for number, (one, weight) in enumerate(rows, start=1)
    ]


def _owned(table: Table) -> Iterable[tuple[ColumnRef, str]]:
    yield ColumnRef(table.key, ""), table.description
    for column in table.columns:
        yield ColumnRef(table.key, column.name), column.description


def write_sheet(out: Path, key: Path, tables: Sequence[Table], rows: Sequence[Row]) -> None:
    """Write ratings.csv and tables.md for the raters, and the key.

    Raises:
        DocgenError: when the key would lie where the raters look.
    """
    out_of_sight(key, out)
    out.mkdir(parents=True, exist_ok=True)
    key.parent.mkdir(parents=True, exist_ok=True)
    by_key = {table.key: table for table in tables}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_FIELDS)
    for row in rows:
        table = by_key[row.table]
        column = table.column(row.column) if row.column else None
        kind, owner = (column.type, column.description) if column else ("", table.description)
        writer.writerow((row.row, table.name, row.column, kind, owner, row.text, "", ""))
    (out / "ratings.csv").write_text(text.getvalue(), encoding="utf-8")
    (out / "tables.md").write_text(_context(rows, by_key), encoding="utf-8")
    key.write_text(json.dumps([asdict(row) for row in rows], ensure_ascii=False, indent=0), encoding="utf-8")


def _context(rows: Sequence[Row], tables: Mapping[str, Table]) -> str:
    lines = ["# Tables", ""]
    for key in dict.fromkeys(row.table for row in rows):
        numbers = [row.row for row in rows if row.table == key]
        table = tables[key]
        told = f" {table.description}" if table.description else ""
        lines.append(f"- rows {numbers[0]} to {numbers[-1]}, `{table.name}`:{told} ({listed(table)})")
    return "\n".join(lines) + "\n"


def read_rows(path: Path) -> list[Row]:
    """Return the rows of a sheet with what only the key knows.

    Raises:
        DocgenError: when the file is no key.
    """
    try:
        return [Row(**one) for one in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError) as err:
        raise DocgenError(f"{path}: is not the key of a rating sheet: {err}") from err


def read_ratings(path: Path, rows: Sequence[Row]) -> list[Rating]:
    """Return the ratings of a filled sheet; the rater is the file's name, empty verdicts are passed over.

    Raises:
        DocgenError: naming file and line, for a row that the sheet does not have, a double one, or another verdict.
    """
    known = {row.row for row in rows}
    found: dict[int, Rating] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark before UTF-8
            reader = csv.DictReader(file)
            if not {"row", "verdict"} <= set(reader.fieldnames or ()):
                raise DocgenError(f"{path}: wants the columns row and verdict, as in ratings.csv")
            for line in reader:
                rating = _rating(f"{path}:{reader.line_num}", path.stem, line, known)
                if rating is not None and rating.row in found:
                    raise DocgenError(f"{path}:{reader.line_num}: row {rating.row} has a verdict already")
                if rating is not None:
                    found[rating.row] = rating
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DocgenError(f"{path}: cannot be read: {err}") from err
    if not found:
        raise DocgenError(f"{path}: holds no verdict; fill in the column verdict with {', '.join(VERDICTS)}")
    return list(found.values())


def _rating(where: str, rater: str, line: Mapping[str, Any], known: set[int]) -> Rating | None:
    verdict = (line["verdict"] or "").strip().lower()
    if not verdict:
        return None
    number = int(line["row"]) if (line["row"] or "").strip().isdecimal() else -1
    if number not in known:
        raise DocgenError(f"{where}: the sheet has no row {line['row']!r}")
    if verdict not in VERDICTS:
        raise DocgenError(f"{where}: {line['verdict']!r} is no verdict: write {', '.join(VERDICTS)}")
    return Rating(rater, number, verdict, (line.get("reason") or "").strip())


def judged_rows(rows: Sequence[Row], ratings: Sequence[Rating]) -> list[tuple[Row, Judged]]:
    """Return the rated rows as decisions: right is what more than half of its raters accept as it is.

    Raises:
        DocgenError: when a rater rates a row twice, as two sheets of one name do.
    """
    verdicts: dict[int, list[str]] = {}
    for (rater, row), times in Counter((one.rater, one.row) for one in ratings).items():
        if times > 1:
            raise DocgenError(f"{rater}: two sheets of this name rate row {row}: name each after its rater")
    for one in ratings:
        verdicts.setdefault(one.row, []).append(one.verdict)
    return [
        (row, _judged(row, verdicts[row.row].count("accept") * 2 > len(verdicts[row.row])))
        for row in rows
        if row.row in verdicts
    ]


def _judged(row: Row, right: bool) -> Judged:
    ref = ColumnRef(row.table, row.column)
    key = curve_key(ref, row.origin, row.model, row.weighed_by)
    return Judged(*key, row.logprob, row.confidence, right, str(ref))


def rating_report(rows: Sequence[Row], ratings: Sequence[Rating]) -> dict[str, Any]:
    """Return the verdicts by rater, their agreement, and the shares accepted by origin and by tenth of confidence.

    A share is of rows, with a Wilson interval at 95 %; `as_served` weighs each row by how many it stands for.

    Raises:
        DocgenError: as `judged_rows` does.
    """
    judged = judged_rows(rows, ratings)
    by_rater: dict[str, Counter[str]] = {}
    by_row: dict[int, Counter[str]] = {}
    for one in ratings:
        by_rater.setdefault(one.rater, Counter())[one.verdict] += 1
        by_row.setdefault(one.row, Counter())[one.verdict] += 1
    whole = [count for count in by_row.values() if count.total() == len(by_rater) > 1]
    kappa = {
        "verdicts": _kappa([[count[verdict] for verdict in VERDICTS] for count in whole]),
        "accept or not": _kappa([[count["accept"], count.total() - count["accept"]] for count in whole]),
    }
    groups: dict[str, list[tuple[Row, Judged]]] = {}
    for row, decision in judged:
        kind = f"{row.origin}, {'columns' if row.column else 'tables'}"
        tenth = min(int(row.confidence * _BANDS), _BANDS - 1) / _BANDS
        for name in ("all", kind, f"{kind}, confidence from {tenth:.1f}"):
            groups.setdefault(name, []).append((row, decision))
    return {
        "raters": {
            name: {verdict: by_rater[name][verdict] for verdict in VERDICTS} for name in sorted(by_rater)
        },
        "fleiss_kappa": kappa,
        "groups": {name: _group(groups[name]) for name in sorted(groups)},
    }


def _kappa(counts: Sequence[Sequence[int]]) -> float | None:
    value = fleiss_kappa(np.array(counts)) if counts else float("nan")
    return None if np.isnan(value) else round(value, 4)


def _group(judged: Sequence[tuple[Row, Judged]]) -> dict[str, Any]:
    share = Share(sum(one.right for _, one in judged), len(judged))
    low, high = share.interval
    weight = sum(row.weight for row, _ in judged)
    return {
        "rows": share.of,
        "accepted": round(share.value or 0.0, 4),
        "interval": [round(low, 4), round(high, 4)],
        "as_served": round(sum(row.weight * one.right for row, one in judged) / weight, 4),
        "stands_for": round(weight),
    }
