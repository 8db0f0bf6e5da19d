"""The page of a selection: one table and one plot, as Markdown, as a self-contained HTML file and as a picture."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_training.selection_table import (
    ABOUT_VOCABULARIES,
    ROWS,
    VOCABULARY_TITLES,
    table_lines,
    vocabulary_cells,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["summary", "write_selection"]

_HALF = 20  # pixels, half of the largest marker
# where a name may stand, in points from its marker: right, left, then above and below, nearer first
_PLACES = tuple(
    ((x, y), "left" if x > 0 else "right") for y in (0, 26, -26, 52, -52, 78, -78) for x in (18, -18)
)


def write_selection(found: Mapping[str, Any], out: Path) -> list[Path]:
    """Write selection.json, .md, .html and .png into a folder; return their paths."""
    from jinja2 import Environment

    out.mkdir(parents=True, exist_ok=True)
    picture = _plot(found["candidates"])
    template = files("docgen_training").joinpath("data", "selection.html").read_text("utf-8")
    page = (
        Environment(autoescape=True, trim_blocks=True)
        .from_string(template)
        .render(
            found=found,
            groups=table_lines(found["candidates"]),
            notes=[f"{row.title}: {row.note}." for row in ROWS],
            intro=_intro(found),
            vocabularies=vocabulary_cells(found.get("vocabularies", ())),
            vocabulary_titles=VOCABULARY_TITLES,
            about_vocabularies=ABOUT_VOCABULARIES,
            picture=base64.b64encode(picture).decode("ascii"),
        )
    )
    paths = [out / f"selection.{kind}" for kind in ("json", "md", "html", "png")]
    paths[0].write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    paths[1].write_text("\n".join(_markdown(found)) + "\n", encoding="utf-8")
    paths[2].write_text(page, encoding="utf-8")
    paths[3].write_bytes(picture)
    return paths


def summary(one: Mapping[str, Any]) -> str:
    """Return a line on a candidate of the selection, one that failed too, for the terminal."""
    if "reason" in one:
        return f"{one['label']}: failed: {one['reason']}"
    return (
        f"{one['label']}: back-identification {one['served']['back_identification']:.3f} served, "
        f"{one['alone']['back_identification']:.3f} alone; {one['columns_per_second']:.0f} columns/s; "
        f"{one['peak_mb']:.0f} MB; {one['license'] or 'licence not stated'}"
    )


def _intro(found: Mapping[str, Any]) -> list[str]:
    """Return what the page says before its table, a sentence or two each."""
    devices = list(dict.fromkeys(one["device"] for one in found["candidates"]))
    lines = [
        f"{found['tables']} documented tables of {found['data']} with {found['columns']:,} described columns, seed "
        f"{found['seed']}; a price of {found['price_per_hour']:.2f} per hour, in its own currency, for training and "
        "for generating alike.",
    ]
    if devices:
        lines.append(f"Measured one after the other on {'; '.join(devices)}; each in a process of its own.")
    better = [one["label"] for one in found["candidates"] if one["front"]]
    if len(found["candidates"]) > 1:
        lines.append(
            f"No other candidate is at least as good in served back-identification, columns/s and peak memory as: "
            f"{', '.join(better)}."
        )
    return lines


def _markdown(found: Mapping[str, Any]) -> list[str]:
    candidates = found["candidates"]
    lines = ["# Selection", "", *_intro(found), ""]
    if candidates:
        names = [_escaped(one["label"]) for one in candidates]
        lines += ["| | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
        for group, rows in table_lines(candidates).items():
            lines.append(f"| **{group}** |" + " |" * len(names))
            for row in rows:
                cells = [
                    f"**{_escaped(cell.text)}**" if cell.best else _escaped(cell.text) for cell in row.cells
                ]
                lines.append(f"| {row.title} [{row.note}] | " + " | ".join(cells) + " |")
        lines += ["", "![Quality against columns a second](selection.png)", ""]
    if found["failed"]:
        lines += ["## Failed", "", *(f"- {one['label']}: {one['reason']}" for one in found["failed"]), ""]
    if found.get("vocabularies"):
        lines += ["## Prompt tokens in other vocabularies", "", ABOUT_VOCABULARIES, ""]
        lines += ["| " + " | ".join(VOCABULARY_TITLES) + " |", "|---|" + "---:|" * len(VOCABULARY_TITLES[1:])]
        lines += ["| " + " | ".join(cells) + " |" for cells in vocabulary_cells(found["vocabularies"])]
        lines.append("")
    notes = (f"{number}. {row.title}: {row.note}." for number, row in enumerate(ROWS, 1))
    return [*lines, "## How each figure comes about", "", *notes]


def _escaped(text: str) -> str:
    return text.replace("|", "/")


def _plot(candidates: Sequence[Mapping[str, Any]]) -> bytes:
    """Return a PNG: served back-identification with its interval against columns/s; a marker's area is the memory."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5), dpi=110, layout="constrained")
    axes = figure.add_subplot()
    most = max((one["peak_mb"] for one in candidates), default=1.0)
    for one in candidates:
        x, y = one["columns_per_second"], one["served"]["back_identification"]
        low, high = one["served"]["interval"]
        axes.errorbar(x, y, yerr=[[y - low], [high - y]], color="#9aa4b2", capsize=3, linewidth=1, zorder=1)
        color = "#2a6fdb" if one["front"] else "#9aa4b2"
        size = 700 * one["peak_mb"] / most
        axes.scatter(x, y, s=size, color=color, edgecolors="white", zorder=2)
    rates = [one["columns_per_second"] for one in candidates if one["columns_per_second"] > 0]
    if rates and max(rates) > 5 * min(rates):
        axes.set_xscale("log")
    axes.margins(x=0.25, y=0.15)
    axes.set_xlabel("columns a second, the model alone")
    axes.set_ylabel("back-identification, as served (95 % interval)")
    axes.grid(alpha=0.25)
    _label(figure, axes, candidates)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()


def _label(figure: Figure, axes: Axes, candidates: Sequence[Mapping[str, Any]]) -> None:
    """Write each candidate's name beside its marker, at the first place where it covers neither marker nor name."""
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    points = [(one["columns_per_second"], one["served"]["back_identification"]) for one in candidates]
    centres = [axes.transData.transform(point) for point in points]
    taken = [Bbox.from_bounds(x - _HALF, y - _HALF, 2 * _HALF, 2 * _HALF) for x, y in centres]
    for one, point in zip(candidates, points, strict=True):
        shown = f"{one['label']}\n{one['peak_mb']:.0f} MB"
        for offset, side in _PLACES:
            text = axes.annotate(
                shown, point, xytext=offset, textcoords="offset points", fontsize=9, ha=side, va="center"
            )
            box = text.get_window_extent()
            # the last place is taken whatever is there
            inside = axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1
            if offset == _PLACES[-1][0] or (inside and not any(map(box.overlaps, taken))):
                taken.append(box)
                break
            text.remove()
