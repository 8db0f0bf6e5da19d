"""Coverage for others to read: JSON for machines, a table for a pull request, a badge for a README."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from docgen_plugin.coverage import Coverage, Group, percent
from docgen_plugin.model import ColumnRef
from docgen_plugin.text_quality import FAULTS, Fault

__all__ = ["as_badge", "as_json", "as_markdown", "fault_json"]

_SHOWN = 50  # places that a comment lists
_COLOURS = (
    (90.0, "#2c7a2c"),
    (70.0, "#6b7a12"),
    (40.0, "#9a5b00"),
    (0.0, "#b3261e"),
)  # white text on each: AA contrast
_CHAR, _PADDING = 6.6, 12  # width of a character of Verdana 11 and the space beside a text, pixels


def as_json(source: str, found: Coverage) -> dict[str, Any]:
    """Return a coverage as plain values."""
    return {
        "source": source,
        "percent": found.percent,
        "good_percent": found.good_percent,
        "places": found.places,
        "missing": found.missing,
        "good": found.good,
        "faults": {kind: found.faults.get(kind, 0) for kind in FAULTS},
        "folders": [_group(group) for group in found.groups(lambda table: table.folder)],
        "owners": [_group(group) for group in found.groups(lambda table: table.owner)],
        "tables": [
            {
                "table": table.key,
                "documented": table.documented,
                "columns": table.columns,
                "documented_columns": table.documented_columns,
                "good": table.good,
                "faults": [fault_json(ref, fault) for ref, fault in table.faults if fault.kind != "missing"],
            }
            for table in found.tables
        ],
    }


def fault_json(ref: ColumnRef, fault: Fault) -> dict[str, str]:
    """Return a place with its fault as plain values."""
    return {"table": ref.table, "column": ref.column, "kind": fault.kind, "reason": fault.reason}


def _group(group: Group) -> dict[str, Any]:
    return {"name": group.name, "places": group.places, "documented": group.documented, "good": group.good}


def as_markdown(
    found: Coverage, before: Coverage | None = None, worse: Sequence[tuple[ColumnRef, Fault]] = ()
) -> str:
    """Return a coverage as a comment for a pull request, beside what it was before where that is given."""
    rows = [
        ("documented", found.places - found.missing, found.percent, before and before.percent),
        ("well documented", found.good, found.good_percent, before and before.good_percent),
    ]
    then = " | before" if before is not None else ""
    lines = [
        "### Documentation",
        "",
        f"| | places | of | percent{then} |",
        "|---|--:|--:|--:|" + ("--:|" if then else ""),
    ]
    for name, number, share, was in rows:
        told = f" | {was:.1f}%" if was is not None else ""
        lines.append(f"| {name} | {number:,} | {found.places:,} | {share:.1f}%{told} |")
    faults = [f"{found.faults[kind]:,} {kind}" for kind in FAULTS if found.faults[kind]]
    if faults:
        lines += ["", "Faults: " + ", ".join(faults) + "."]
    for title, groups in (
        ("folder", found.groups(lambda table: table.folder)),
        ("owner", found.groups(lambda table: table.owner)),
    ):
        if len(groups) > 1:
            lines += ["", f"| {title} | documented | well | places |", "|---|--:|--:|--:|"]
            lines += [
                f"| {_cell(one.name or '(none)')} | {percent(one.documented, one.places):.1f}% "
                f"| {percent(one.good, one.places):.1f}% | {one.places:,} |"
                for one in groups
            ]
    if before is not None:
        lines += [
            "",
            f"{len(worse):,} places of this change want a text:" if worse else "No place got worse.",
        ]
        lines += [f"- `{_code(str(ref))}` {_cell(fault.reason)}" for ref, fault in worse[:_SHOWN]]
        if len(worse) > _SHOWN:
            lines.append(f"- and {len(worse) - _SHOWN:,} more")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Return a text that markdown shows as it is.

    >>> _cell("a|b <b>x</b>")
    'a\\\\|b &lt;b&gt;x&lt;/b&gt;'
    """
    plain = escape(" ".join(text.split()), quote=False)
    for sign in "\\|`*_[]":
        plain = plain.replace(sign, f"\\{sign}")
    return plain


def _code(text: str) -> str:
    return " ".join(text.replace("`", "'").split())


def as_badge(share: float, label: str = "documented") -> str:
    """Return a badge as SVG: a label and a percentage, 0 to 100, coloured by it."""
    value = f"{share:.0f}%" if share in (0.0, 100.0) else f"{min(share, 99.9):.1f}%"
    colour = next(colour for least, colour in _COLOURS if share >= least)
    left, right = (round(len(text) * _CHAR) + _PADDING for text in (label, value))
    said = escape(f"{label}: {value}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + right}" height="20" role="img" aria-label="{said}">'
        f"<title>{said}</title>"
        f'<clipPath id="round"><rect width="{left + right}" height="20" rx="3"/></clipPath><g clip-path="url(#round)">'
        f'<rect width="{left}" height="20" fill="#444"/><rect x="{left}" width="{right}" height="20" fill="{colour}"/></g>'
        '<g fill="#fff" text-anchor="middle" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">'
        f'<text x="{left / 2:g}" y="14">{escape(label)}</text><text x="{left + right / 2:g}" y="14">{value}</text>'
        "</g></svg>\n"
    )
