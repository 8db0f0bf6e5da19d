"""The votes of a study: read, checked against its key, counted; win, tie and loss with intervals, and agreement."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from docgen_plugin.errors import DocgenError
from docgen_training.study import Pair, Study

__all__ = ["Vote", "count_votes", "fleiss_kappa", "read_votes", "report_lines"]

_CHOICES = {"a": "A", "b": "B", "tie": "tie", "t": "tie", "=": "tie"}
_DRAWS = 2000  # bootstrap samples of the tables
_OUTCOMES = ("win", "tie", "loss")


@dataclass(frozen=True, slots=True)
class Vote:
    """What one rater said of one row."""

    rater: str
    row: int
    choice: str  # A, B or tie
    reason: str = ""


def read_votes(path: Path, study: Study) -> list[Vote]:
    """Return the votes of a filled sheet; the rater is the file's name.

    Raises:
        DocgenError: naming file and line, for a row that the study does not have, a double one, or another vote than A, B, tie.
    """
    rows = {pair.row for pair in study.pairs if not pair.same}
    votes: dict[int, Vote] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:  # spreadsheets put a mark before UTF-8
            reader = csv.DictReader(file)
            for row in reader:
                line = reader.line_num
                votes_row = _vote(path, line, row, rows)
                if votes_row is None:
                    continue
                if votes_row.row in votes:
                    raise DocgenError(f"{path}:{line}: row {votes_row.row} has a vote already")
                votes[votes_row.row] = votes_row
    except (OSError, UnicodeDecodeError, csv.Error) as err:
        raise DocgenError(f"{path}: cannot be read: {err}") from err
    if not votes:
        raise DocgenError(f"{path}: holds no vote; fill in the column vote with A, B or tie")
    return list(votes.values())


def _vote(path: Path, line: int, row: Mapping[str, Any], rows: set[int]) -> Vote | None:
    if "row" not in row or "vote" not in row:
        raise DocgenError(f"{path}: wants the columns row and vote, as in sheet.csv")
    choice = (row["vote"] or "").strip().lower()
    if not choice:
        return None
    try:
        number = int(row["row"])
    except (TypeError, ValueError):
        number = -1
    if number not in rows:
        raise DocgenError(f"{path}:{line}: the study has no row {row['row']!r}")
    if choice not in _CHOICES:
        raise DocgenError(f"{path}:{line}: {row['vote']!r} is no vote: write A, B or tie")
    return Vote(path.stem, number, _CHOICES[choice], (row.get("reason") or "").strip())


def count_votes(study: Study, votes: Sequence[Vote], seed: int = 1) -> dict[str, Any]:
    """Return, for each rival of the first system: counts, shares of decided votes with intervals, by rater, agreement.

    A row where both systems say the same counts as a tie of every rater, and is left out of agreement. `decided` is
    wins / (wins + losses) of the first system, 0 to 1; its interval is the middle 95 % of a bootstrap over tables.

    Raises:
        DocgenError: when a rater votes on a row twice, as two sheets of one name do.
    """
    pairs, first = study.pairs, study.system
    for (rater, row), times in Counter((vote.rater, vote.row) for vote in votes).items():
        if times > 1:
            raise DocgenError(
                f"{rater}: two sheets of this name vote on row {row}: name each after its rater"
            )
    by_row = {pair.row: pair for pair in pairs}
    raters = sorted({vote.rater for vote in votes})
    report: dict[str, Any] = {"system": first, "raters": raters, "rivals": {}}
    for rival in sorted({name for pair in pairs for name in (pair.left_system, pair.right_system)} - {first}):
        own = [pair for pair in pairs if rival in (pair.left_system, pair.right_system)]
        numbers = {pair.row for pair in own}
        cast = [vote for vote in votes if vote.row in numbers]
        outcomes = [
            (by_row[vote.row].table, vote.rater, _outcome(by_row[vote.row], vote, first)) for vote in cast
        ]
        same = [pair.table for pair in own if pair.same]
        tied = [(table, rater, "tie") for table in same for rater in raters]
        report["rivals"][rival] = {
            "rows": len(own),
            "same_text": len(same),
            "votes": _counts(outcomes + tied),
            "decided": _share(outcomes),
            "interval": _interval(outcomes, seed),
            "by_rater": {
                rater: {
                    **_counts([one for one in outcomes + tied if one[1] == rater]),
                    "decided": _share([one for one in outcomes if one[1] == rater]),
                }
                for rater in raters
            },
            "agreement": _agreement(cast, raters),
            "reasons": _reasons(cast, by_row, first),
        }
    return report


def _outcome(pair: Pair, vote: Vote, first: str) -> str:
    if vote.choice == "tie":
        return "tie"
    chosen = pair.left_system if vote.choice == "A" else pair.right_system
    return "win" if chosen == first else "loss"


def _counts(outcomes: Sequence[tuple[str, str, str]]) -> dict[str, int]:
    found = Counter(outcome for _, _, outcome in outcomes)
    return {name: found[name] for name in _OUTCOMES}


def _share(outcomes: Sequence[tuple[str, str, str]]) -> float | None:
    found = _counts(outcomes)
    decided = found["win"] + found["loss"]
    return round(found["win"] / decided, 4) if decided else None


def _interval(outcomes: Sequence[tuple[str, str, str]], seed: int) -> tuple[float, float] | None:
    """Return the middle 95 % of the decided share over tables drawn again with replacement, None without decided votes."""
    tables = sorted({table for table, _, _ in outcomes})
    tally = np.array(
        [
            [sum(one[0] == table and one[2] == outcome for one in outcomes) for outcome in ("win", "loss")]
            for table in tables
        ]
    )  # (tables, 2)
    if not len(tables) or not tally.sum():
        return None
    drawn = np.random.default_rng(seed).integers(0, len(tables), (_DRAWS, len(tables)))
    sums = tally[drawn].sum(axis=1)  # (draws, 2)
    decided = sums.sum(axis=1)
    shares = sums[decided > 0, 0] / decided[decided > 0]
    low, high = np.quantile(shares, (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)


def fleiss_kappa(counts: np.ndarray[Any, Any]) -> float:
    """Return Fleiss' kappa of (items, categories) counts, every item judged by the same number of raters; nan if all agree by chance.

    Source: Fleiss, Measuring nominal scale agreement among many raters, 1971.

    >>> round(fleiss_kappa(np.array([[5, 0], [0, 5], [3, 2]])), 3)
    0.598
    """
    raters = counts[0].sum()
    agreed = ((counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))).mean()
    chance = ((counts.sum(axis=0) / counts.sum()) ** 2).sum()
    return float((agreed - chance) / (1 - chance)) if chance < 1 else float("nan")


def _agreement(votes: Sequence[Vote], raters: Sequence[str]) -> dict[str, float | int | None]:
    """Return Fleiss' kappa over the rows that every rater judged, and Krippendorff's alpha (nominal) over all."""
    import krippendorff

    if len(raters) < 2:
        return {"fleiss_kappa": None, "krippendorff_alpha": None, "rows_of_all": 0}
    choices = ["A", "B", "tie"]
    by_row: dict[int, dict[str, str]] = {}
    for vote in votes:
        by_row.setdefault(vote.row, {})[vote.rater] = vote.choice
    whole = [list(found.values()) for found in by_row.values() if len(found) == len(raters)]
    paired = [found for found in by_row.values() if len(found) > 1]  # alpha looks at no others
    table = np.array([[row.count(choice) for choice in choices] for row in whole])
    grid = np.array(
        [[choices.index(found[rater]) if rater in found else np.nan for found in paired] for rater in raters],
        dtype=float,
    )
    kappa = fleiss_kappa(table) if len(table) else float("nan")
    varied = len({value for value in grid.ravel() if value == value}) > 1
    alpha = krippendorff.alpha(grid, level_of_measurement="nominal") if varied else float("nan")
    return {
        "fleiss_kappa": None if np.isnan(kappa) else round(kappa, 4),
        "krippendorff_alpha": None if np.isnan(alpha) else round(float(alpha), 4),
        "rows_of_all": len(whole),
    }


def _reasons(votes: Sequence[Vote], pairs: Mapping[int, Pair], first: str) -> dict[str, list[str]]:
    """Return up to twelve reasons given for the first system and against it."""
    found: dict[str, list[str]] = {name: [] for name in _OUTCOMES}
    for vote in votes:
        if vote.reason:
            found[_outcome(pairs[vote.row], vote, first)].append(vote.reason)
    return {name: reasons[:12] for name, reasons in found.items() if reasons}


def report_lines(report: Mapping[str, Any]) -> list[str]:
    """Return the report as Markdown."""
    lines = [f"# {report['system']} in a blind study of {len(report['raters'])} raters", ""]
    lines += [
        "| against | rows | same text | win | tie | loss | decided for it | 95 % | kappa | alpha |",
        "|" + "---|" * 10,
    ]
    for rival, one in report["rivals"].items():
        votes, agreement = one["votes"], one["agreement"]
        low, high = one["interval"] or (float("nan"), float("nan"))
        share = "" if one["decided"] is None else f"{one['decided']:.1%}"
        lines.append(
            f"| {rival} | {one['rows']} | {one['same_text']} | {votes['win']} | {votes['tie']} | {votes['loss']} | {share} | "
            f"{low:.1%} to {high:.1%} | {agreement['fleiss_kappa']} | {agreement['krippendorff_alpha']} |"
        )
    lines += [
        "",
        "Votes of all raters together; rows with the same text count as ties. The interval is a bootstrap over tables.",
        "",
    ]
    for rival, one in report["rivals"].items():
        lines += [
            f"## Against {rival}, by rater",
            "",
            "| rater | win | tie | loss | decided for it |",
            "|---|---|---|---|---|",
        ]
        for rater, own in one["by_rater"].items():
            share = "" if own["decided"] is None else f"{own['decided']:.1%}"
            lines.append(f"| {rater} | {own['win']} | {own['tie']} | {own['loss']} | {share} |")
        lines.append("")
    return lines
