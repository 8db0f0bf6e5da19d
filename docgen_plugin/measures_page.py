"""The measures as one HTML page that needs nothing else: tables, and plots as inline SVG."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from docgen_plugin.measures import GROUPS, Group, Measures
from docgen_plugin.proportions import Share

__all__ = ["as_page"]

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 640, 220, 44, 28, 12  # of a plot, pixels
_SIDE = 300  # of the square reliability plot
_WEEKS = 26  # shown of the weeks
_LABELS = 7  # dates under the weeks that do not touch
_ROWS = 30  # of a group's table

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2126; --soft: #59636e; --line: #d4dae0; --page: #fff; --bar: #1f6feb; --bad: #b3261e; --warn: #fff1ef; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ec; --soft: #9aa5b1; --line: #39424c; --page: #14181c; --bar: #6cb0ff; --bad: #ff8a80; --warn: #35201e; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--page); max-width: 68rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; overflow-wrap: anywhere; } h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
p { color: var(--soft); margin: .2rem 0 1rem; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(13rem, 1fr)); gap: .75rem; margin: 1rem 0; }
.tile { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; } .tile b { display: block; font-size: 1.5rem; }
.tile span { color: var(--soft); font-size: .85rem; display: block; }
.drop { border-left: 4px solid var(--bad); background: var(--warn); padding: .6rem 1rem; margin: .5rem 0; overflow-wrap: anywhere; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: right; padding: .3rem .45rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { color: var(--soft); font-weight: 600; } th:first-child, td:first-child { text-align: left; min-width: 7.5rem; white-space: normal; overflow-wrap: anywhere; }
small { color: var(--soft); } svg { max-width: 100%; height: auto; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg .grid { stroke: var(--line); } svg .mark { fill: var(--bar); } svg .range { stroke: var(--bar); stroke-width: 2; opacity: .45; }
"""


def as_page(source: str, found: Measures, made: str) -> str:
    """Return the page; `made` says when it was made and of which time, in words."""
    title = f"Suggestions for {escape(source)}"
    drops = "".join(f'<div class="drop" role="status">{escape(told)}</div>' for told in _drops(found))
    parts = [
        f"<h1>{title}</h1><p>{escape(made)} Shares in brackets are 95 % Wilson intervals.</p>",
        drops,
        _tiles(found.total),
        "<h2>Acceptance by week</h2><p>Accepted or edited, of what was decided one by one; lines are intervals.</p>",
        _weeks_plot(found.weeks[-_WEEKS:]),
        "<h2>What a confidence is worth</h2><p>Accepted unchanged, one by one, against the confidence shown: "
        "on the line it means what it says, below it promises too much.</p>",
        _reliability(found.groups["confidence"]),
        _trial(found),
        _versions(found),
        *(_table(name, found.groups[name]) for name in GROUPS),
        _reasons(found.total),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style></head><body><main>{''.join(parts)}</main></body></html>\n"
    )


def _drops(found: Measures) -> list[str]:
    return [
        f"Acceptance fell: {one.name} {_percent(one.now)}, {one.before_name} {_percent(one.before)}."
        for one in found.drops
    ]


def _trial(found: Measures) -> str:
    one = found.trial
    if one is None:
        return ""
    low, high = one.interval
    known = (
        "–"
        if one.difference is None
        else f"{one.difference * 100:+.0f} ({low * 100:+.0f} to {high * 100:+.0f})"
    )
    cells = (
        (one.name, one.candidate, one.tables[0], one.own[0]),
        (one.standing_name, one.standing, one.tables[1], one.own[1]),
    )
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{_cell(share)}</td><td>{tables:,}</td><td>{own:,}</td></tr>"
        for name, share, tables, own in cells
    )
    heads = "".join(f'<th scope="col">{name}</th>' for name in ("model", "one by one", "tables", "own texts"))
    return (
        '<h2>The candidate beside the standing model</h2><div class="wide" tabindex="0" role="region" aria-label="Candidate">'
        f"<table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div><p>Difference in points: {known}. {escape(one.told).capitalize()}.</p>"
    )


def _versions(found: Measures) -> str:
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{_cell(one.now)}</td><td>{escape(one.before_name)}</td>"
        f"<td>{_cell(one.before)}</td><td>{one.verdict}</td></tr>"
        for one in found.versions
    )
    if not rows:
        return ""
    heads = "".join(
        f'<th scope="col">{one}</th>'
        for one in ("model", "one by one", "before it", "one by one", "so it is")
    )
    return (
        '<h2>Models against the one before</h2><div class="wide" tabindex="0" role="region" aria-label="Models">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _tiles(total: Group) -> str:
    median = "–" if total.seconds is None else _time(total.seconds[0])
    late = "" if total.seconds is None else f"nine in ten within {_time(total.seconds[1])}"
    distance = "–" if total.edit_distance is None else f"{total.edit_distance:.0%}"
    tiles = (
        ("accepted, one by one", _short(total.individual), _range(total.individual)),
        ("of them unchanged", _short(total.unchanged), _range(total.unchanged)),
        ("accepted in bulk", _short(total.bulk), _range(total.bulk)),
        ("of a text that edits change", distance, f"median of {total.edits:,} edits"),
        ("until a decision, median", median, late),
        ("taken back in 30 days", _short(total.reversals), _range(total.reversals)),
        ("open", f"{total.open:,}", f"of {total.suggested:,}; {total.unclear:,} unclear"),
    )
    inner = "".join(
        f'<div class="tile"><span>{name}</span><b>{value}</b><span>{more}</span></div>'
        for name, value, more in tiles
    )
    return f'<div class="tiles">{inner}</div>'


def _table(name: str, groups: Sequence[Group]) -> str:
    shown = sorted(groups, key=lambda one: -one.suggested)[:_ROWS] if name == "folder" else groups
    head = ("suggested", "open", "one by one", "unchanged", "in bulk", "edit", "taken back", "wait")
    rows = "".join(
        f"<tr><td>{escape(one.name)}</td><td>{one.suggested:,}</td><td>{one.open:,}</td>"
        + "".join(f"<td>{_cell(share)}</td>" for share in (one.individual, one.unchanged, one.bulk))
        + f"<td>{'–' if one.edit_distance is None else f'{one.edit_distance:.0%}'}</td><td>{_short(one.reversals)}</td>"
        f"<td>{'–' if one.seconds is None else _time(one.seconds[0])}</td></tr>"
        for one in shown
    )
    heads = "".join(f'<th scope="col">{one}</th>' for one in (name, *head))
    return (
        f'<h2>By {name}</h2><div class="wide" tabindex="0" role="region" aria-label="By {name}">'
        f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _reasons(total: Group) -> str:
    if not total.rejections:
        return ""
    rows = "".join(
        f"<tr><td>{escape(why)}</td><td>{number:,}</td></tr>" for why, number in total.rejections[:_ROWS]
    )
    return f'<h2>Why texts were rejected</h2><table><thead><tr><th scope="col">reason</th><th scope="col">texts</th></tr></thead><tbody>{rows}</tbody></table>'


def _weeks_plot(weeks: Sequence[Group]) -> str:
    shown = [one for one in weeks if one.individual.of]
    if not shown:
        return "<p>No decision yet that was taken one by one.</p>"
    step = (_WIDTH - _LEFT) / len(shown)
    marks, every = [], -(-len(shown) // _LABELS)
    for number, one in enumerate(shown):
        x = _LEFT + step * (number + 0.5)
        marks.append(_mark(x, one.individual, _HEIGHT, f"week of {one.name}"))
        if number % every == 0:
            marks.append(
                f'<text x="{x:.1f}" y="{_HEIGHT - 8}" text-anchor="middle">{escape(one.name)}</text>'
            )
    return _plot(_WIDTH, _HEIGHT, "Acceptance by week", "".join(marks))


def _reliability(bands: Sequence[Group]) -> str:
    shown = [one for one in bands if one.unchanged.of]
    if not shown:
        return "<p>No decision yet that was taken one by one.</p>"
    room = _SIDE - _LEFT - _TOP
    start, end = (_LEFT, _y(0.0, _SIDE)), (_LEFT + room, _y(1.0, _SIDE))
    line = f'<line class="grid" x1="{start[0]}" y1="{start[1]:.1f}" x2="{end[0]}" y2="{end[1]:.1f}" stroke-dasharray="4 4"/>'
    marks = [
        _mark(_LEFT + room * (one.confidence or 0.0), one.unchanged, _SIDE, f"confidence {one.name}")
        for one in shown
    ]
    labels = "".join(
        f'<text x="{_LEFT + room * share:.1f}" y="{_SIDE - 8}" text-anchor="middle">{share:g}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    )
    return _plot(_SIDE, _SIDE, "Accepted unchanged by confidence", line + labels + "".join(marks))


def _plot(width: int, height: int, name: str, inner: str) -> str:
    grid = "".join(
        f'<line class="grid" x1="{_LEFT}" x2="{width}" y1="{_y(share, height):.1f}" y2="{_y(share, height):.1f}"/>'
        f'<text x="{_LEFT - 8}" y="{_y(share, height) + 4:.1f}" text-anchor="end">{share:.0%}</text>'
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
    )
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" aria-label="{name}">'
        f"{grid}{inner}</svg>"
    )


def _mark(x: float, share: Share, height: int, name: str) -> str:
    """Return a point with its interval, which a screen reader and the mouse can ask for."""
    low, high = share.interval
    middle = _y(share.value or 0.0, height)
    return (
        f"<g><title>{escape(name)}: {_percent(share)}</title>"
        f'<line class="range" x1="{x:.1f}" x2="{x:.1f}" y1="{_y(low, height):.1f}" y2="{_y(high, height):.1f}"/>'
        f'<circle class="mark" cx="{x:.1f}" cy="{middle:.1f}" r="4.5"/></g>'
    )


def _y(share: float, height: int) -> float:
    return _TOP + (height - _TOP - _BOTTOM) * (1 - share)


def _short(share: Share) -> str:
    return "–" if share.value is None else f"{share.value:.0%}"


def _range(share: Share) -> str:
    low, high = share.interval
    return f"{share.count:,} of {share.of:,}" + (f" ({low:.0%} to {high:.0%})" if share.of else "")


def _percent(share: Share) -> str:
    return f"{_short(share)}, {_range(share)}"


def _cell(share: Share) -> str:
    if share.value is None:
        return "–"
    low, high = share.interval
    return f"{share.value:.0%} <small>of {share.of:,} ({low * 100:.0f}–{high * 100:.0f})</small>"


def _time(seconds: float) -> str:
    """Return a time in its largest unit.

    >>> [_time(seconds) for seconds in (20, 90, 7200, 259200)]
    ['20 s', '1.5 min', '2 h', '3 days']
    """
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds / size:.1f}".removesuffix(".0") + f" {unit}"
    return f"{seconds:.0f} s"
