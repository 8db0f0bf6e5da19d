"""The page of an evaluation: one self-contained HTML file with the scores, two plots and random outputs."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

__all__ = ["write_report"]

_MEASURES = (
    ("chrf", "chrF", "0 to 100, higher is better; rewards repeating the name"),
    (
        "back_identification",
        "back-identification",
        "share of texts closest to their own column's human text among its siblings'",
    ),
    ("name_echo", "name echo", "share that says nothing beyond the name, lower is better"),
    ("claims_per_100", "claims per 100", "texts that claim what the schema does not give, lower is better"),
    ("unclear", "unclear", "share answered 'unclear from the schema'"),
    ("valid", "valid", "share in the form of a description"),
    ("words", "words", "mean length"),
    ("columns_per_second", "columns/s", "of generating alone"),
)
_PLOTTED = ("back_identification", "claims_per_100", "name_echo")


def write_report(scores: Mapping[str, Any], out: Path) -> list[Path]:
    """Write scores.json, report.html and report.png into a folder; return their paths."""
    from jinja2 import Environment

    out.mkdir(parents=True, exist_ok=True)
    picture = _plot(scores)
    template = files("docgen_training").joinpath("data", "report.html").read_text("utf-8")
    page = (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            scores=scores,
            measures=_MEASURES,
            picture=base64.b64encode(picture).decode("ascii"),
        )
    )
    paths = [out / "scores.json", out / "report.html", out / "report.png"]
    paths[0].write_text(json.dumps(scores, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    paths[1].write_text(page, encoding="utf-8")
    paths[2].write_bytes(picture)
    return paths


def _plot(scores: Mapping[str, Any]) -> bytes:
    """Return a PNG: three measures by system, and where the served texts come from."""
    from matplotlib.figure import Figure

    names = list(scores["systems"])
    titles = {key: title for key, title, _ in _MEASURES}
    figure = Figure(figsize=(11, 3.4), dpi=110, layout="constrained")
    axes = figure.subplots(1, len(_PLOTTED) + 1)
    for axis, key in zip(axes, _PLOTTED, strict=False):
        values = [scores["systems"][name][key] for name in names]
        colors = ["#2a6fdb" if name.startswith(("model", "docgen")) else "#9aa4b2" for name in names]
        axis.barh(names, values, color=colors)
        axis.invert_yaxis()
        axis.set_title(titles[key], fontsize=10)
        axis.tick_params(labelsize=8)
        if axis is not axes[0]:
            axis.set_yticklabels([])
    origins = scores["origins"]
    axes[-1].bar(list(origins), list(origins.values()), color="#2a6fdb")
    axes[-1].set_title("origin of served texts", fontsize=10)
    axes[-1].tick_params(labelsize=8)
    data = io.BytesIO()
    figure.savefig(data, format="png")
    return data.getvalue()
