"""The measures for machines: plain values for JSON, and OpenMetrics text for Prometheus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from docgen_plugin.measures import Drop, Group, Measures, Trial, Versus
from docgen_plugin.proportions import Share

__all__ = ["as_json", "as_openmetrics", "trial_json"]

_REASONS = 10  # reasons with a series of their own: what people type has no end
_BOUNDS = ("value", "low", "high")

# name, help; all are gauges, since an undone decision lowers what was counted
_FAMILIES = (
    ("docgen_suggestions", "Suggestions ever made, unclear ones among them."),
    ("docgen_unclear", "Suggestions that say no more than that the place is unclear."),
    ("docgen_open", "Suggestions without a decision."),
    ("docgen_decisions", "Suggestions with a decision that stands."),
    ("docgen_acceptance_ratio", "Accepted or edited, of those decided, with its 95 percent Wilson interval."),
    (
        "docgen_unchanged_ratio",
        "Accepted as they were, of those decided one by one, with its 95 percent Wilson interval.",
    ),
    ("docgen_edit_distance_ratio", "Median edit distance of edited texts over the longer text."),
    ("docgen_decision_seconds", "Seconds from suggestion to decision."),
    ("docgen_reversals_ratio", "Decisions undone, changed or written over within 30 days, of all taken."),
    ("docgen_rejections", "Rejected suggestions by reason."),
    (
        "docgen_acceptance_drop",
        "1 where acceptance fell by more than chance: a model version, or the last 30 days.",
    ),
    (
        "docgen_candidate_difference",
        "Acceptance of the candidate less that of the standing model, -1 to 1, with its 95 percent Newcombe interval.",
    ),
)


def as_json(source: str, found: Measures) -> dict[str, Any]:
    """Return measures as plain values; times in seconds, shares 0 to 1."""
    return {
        "source": source,
        "total": _group_json(found.total),
        "by": {name: [_group_json(one) for one in groups] for name, groups in found.groups.items()},
        "weeks": [_group_json(one) for one in found.weeks],
        "versions": [_compared(one) | {"verdict": one.verdict} for one in found.versions],
        "drops": [_drop_json(one) for one in found.drops],
        "trial": trial_json(found.trial) if found.trial else None,
    }


def trial_json(one: Trial) -> dict[str, Any]:
    """Return a candidate beside the standing model as plain values; shares and their difference as parts of 1."""
    low, high = one.interval
    return {
        "name": one.name,
        "standing_name": one.standing_name,
        "candidate": {**_share_json(one.candidate), "tables": one.tables[0], "own": one.own[0]},
        "standing": {**_share_json(one.standing), "tables": one.tables[1], "own": one.own[1]},
        "difference": one.difference,
        "low": low,
        "high": high,
        "verdict": one.verdict,
        "told": one.told,
    }


def _group_json(group: Group) -> dict[str, Any]:
    median, late = group.seconds or (None, None)
    return {
        "name": group.name,
        "suggested": group.suggested,
        "unclear": group.unclear,
        "open": group.open,
        "individual": _share_json(group.individual),
        "bulk": _share_json(group.bulk),
        "unchanged": _share_json(group.unchanged),
        "edits": group.edits,
        "edit_distance": group.edit_distance,
        "rejections": dict(group.rejections),
        "seconds_median": median,
        "seconds_90": late,
        "reversals": _share_json(group.reversals),
        "confidence": group.confidence,
    }


def _share_json(share: Share) -> dict[str, Any]:
    low, high = share.interval
    return {"count": share.count, "of": share.of, "share": share.value, "low": low, "high": high}


def _drop_json(drop: Drop) -> dict[str, Any]:
    return {"kind": drop.kind, **_compared(drop)}


def _compared(one: Drop | Versus) -> dict[str, Any]:
    return {
        "name": one.name,
        "before_name": one.before_name,
        "now": _share_json(one.now),
        "before": _share_json(one.before),
    }


def as_openmetrics(source: str, found: Measures) -> str:
    """Return measures as text in the OpenMetrics format 1.0, one gauge family after another, `# EOF` at the end.

    Source: https://prometheus.io/docs/specs/om/open_metrics_spec/
    """
    samples: dict[str, list[str]] = {name: [] for name, _ in _FAMILIES}
    groups = [("all", found.total), *((by, one) for by, listed in found.groups.items() for one in listed)]
    for by, group in groups:
        for name, more, value in _samples(group):
            labels = {"source": source, "by": by, "group": group.name, **more}
            samples[name].append(_line(name, labels, value))
    for drop in found.drops:
        labels = {"source": source, "kind": drop.kind, "group": drop.name, "before": drop.before_name}
        samples["docgen_acceptance_drop"].append(_line("docgen_acceptance_drop", labels, 1))
    one = found.trial
    if one is not None and one.difference is not None:
        for bound, value in zip(_BOUNDS, (one.difference, *one.interval), strict=True):
            labels = {"source": source, "group": one.name, "standing": one.standing_name, "bound": bound}
            samples["docgen_candidate_difference"].append(_line("docgen_candidate_difference", labels, value))
    lines = []
    for name, told in _FAMILIES:
        lines += [f"# TYPE {name} gauge", f"# HELP {name} {told}", *samples[name]]
    return "\n".join([*lines, "# EOF"]) + "\n"


def _samples(group: Group) -> Iterator[tuple[str, dict[str, str], float]]:
    """Yield (family, labels, value) of one group; what is a share of nothing has no sample."""
    yield "docgen_suggestions", {}, group.suggested
    yield "docgen_unclear", {}, group.unclear
    yield "docgen_open", {}, group.open
    for kind, share in (("individual", group.individual), ("bulk", group.bulk)):
        yield "docgen_decisions", {"kind": kind}, share.of
        yield from _bounds("docgen_acceptance_ratio", share, {"kind": kind})
    yield from _bounds("docgen_unchanged_ratio", group.unchanged, {})
    yield from _bounds("docgen_reversals_ratio", group.reversals, {})
    if group.edit_distance is not None:
        yield "docgen_edit_distance_ratio", {}, group.edit_distance
    for quantile, seconds in zip(("0.5", "0.9"), group.seconds or (), strict=False):
        yield "docgen_decision_seconds", {"quantile": quantile}, seconds
    for reason, number in group.rejections[:_REASONS]:
        yield "docgen_rejections", {"reason": reason}, number
    others = sum(number for _, number in group.rejections[_REASONS:])
    if others:
        yield "docgen_rejections", {"reason": "(all others)"}, others


def _bounds(name: str, share: Share, labels: dict[str, str]) -> Iterator[tuple[str, dict[str, str], float]]:
    if share.value is not None:
        for bound, value in zip(_BOUNDS, (share.value, *share.interval), strict=True):
            yield name, {**labels, "bound": bound}, value


def _line(name: str, labels: dict[str, str], value: float) -> str:
    told = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
    return f"{name}{{{told}}} {value:g}"


def _escaped(text: str) -> str:
    r"""Return a label's value as the format wants it.

    >>> print(_escaped('a"b\\c'))
    a\"b\\c
    """
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
