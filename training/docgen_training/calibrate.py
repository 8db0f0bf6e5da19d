"""Confidence that means something: the share of texts accepted unchanged, fitted on a ledger's decisions.

Right is a text that was accepted as it was; an edited or a rejected one is wrong, since a bulk accept would have
written it as it stood. Decisions in bulk are left out: nobody need have looked. Half of the places, chosen by a hash
of their names, is held out to measure what a confidence is worth; the curve that is kept is fitted on all.

docgen-train calibrate --ledger .docgen/ledger.db
"""

from __future__ import annotations

import hashlib
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from docgen_plugin.calibration import Curve, curve_key
from docgen_plugin.errors import DocgenError
from docgen_plugin.measures import BANDS, Fate, fates
from docgen_plugin.proportions import Share
from docgen_plugin.store import Ledger

__all__ = ["METHODS", "Fitted", "Judged", "fit", "fit_all", "judged", "plot"]

METHODS = ("platt", "isotonic")
_LEAST = 30  # decisions for a curve
_GRID = 33  # points of Platt's curve
_BIN = 20  # neighbours that an isotonic step is made of
_BARELY = 1e-6  # nats between two points


@dataclass(frozen=True, slots=True)
class Judged:
    """One suggestion that somebody looked at: how sure the model was, what was shown, whether it was right."""

    model: str  # as `curve_key` names them
    origin: str
    logprob: float  # nats a token
    confidence: float  # that was shown, 0 to 1
    right: bool
    place: str


@dataclass(frozen=True, slots=True)
class Fitted:
    """A curve, and how it does on the half that its trial fit did not see."""

    curve: Curve
    brier_before: float  # mean squared error of the confidence shown, 0 to 1, lower is better
    brier_after: float
    bands: tuple[tuple[float, Share], ...]  # of the new confidence on the held-out half: mean, right of all


def judged(ledger: Ledger, sources: Iterable[str]) -> list[Judged]:
    """Return the suggestions of some sources that were decided on one by one, 'unclear' left out.

    Raises:
        LedgerError: when the ledger cannot be read.
    """
    return [
        Judged(
            *curve_key(fate.ref, fate.origin, fate.model, fate.weighed_by),
            fate.logprob,
            fate.confidence,
            fate.is_unchanged,
            f"{source}/{fate.ref}",
        )
        for source in sources
        for place, events in ledger.histories(source)
        for fate in fates(place, events)
        if _is_looked_at(fate)
    ]


def _is_looked_at(fate: Fate) -> bool:
    return fate.standing is not None and not fate.standing.batch and fate.origin != "unclear"


def fit_all(
    found: Sequence[Judged], method: str = "platt"
) -> tuple[list[Fitted], list[tuple[str, str, int]]]:
    """Return a curve for each model and origin, and (model, origin, decisions) of those with too few for one."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for one in found:
        groups.setdefault((one.model, one.origin), []).append(one)
    enough = [groups[key] for key in sorted(groups) if len(groups[key]) >= _LEAST]
    few = [(*key, len(groups[key])) for key in sorted(groups) if len(groups[key]) < _LEAST]
    return [_fitted(group, method) for group in enough], few


def _fitted(group: Sequence[Judged], method: str) -> Fitted:
    seen = [one for one in group if not _is_held_out(one)]
    unseen = [one for one in group if _is_held_out(one)]
    trial = fit(seen, method) if seen else fit(group, method)
    told = [(trial.at(one.logprob), one) for one in unseen]
    return Fitted(
        fit(group, method),
        _brier([(one.confidence, one) for one in unseen]),
        _brier(told),
        tuple(_bands(told)),
    )


def _is_held_out(one: Judged) -> bool:
    return hashlib.sha256(one.place.encode("utf-8", "surrogatepass")).digest()[0] % 2 == 1


def _brier(told: Sequence[tuple[float, Judged]]) -> float:
    return statistics.fmean((share - one.right) ** 2 for share, one in told) if told else 0.0


def _bands(told: Sequence[tuple[float, Judged]]) -> Iterable[tuple[float, Share]]:
    for low, high in zip(BANDS, (*BANDS[1:], 1.01), strict=True):
        inside = [(share, one) for share, one in told if low <= share < high]
        if inside:
            mean = statistics.fmean(share for share, _ in inside)
            yield mean, Share(sum(one.right for _, one in inside), len(inside))


def fit(group: Sequence[Judged], method: str) -> Curve:
    """Return the curve of suggestions that all have one model and origin, at least one of them.

    Platt's sigmoid for some hundred decisions; isotonic steps only pay from about a thousand on (Niculescu-Mizil and
    Caruana, ICML 2005). Where the log-probability tells nothing, the curve is level.
    """
    points = (_isotonic if method == "isotonic" else _platt)(group)
    return Curve(group[0].model, group[0].origin, points, len(group), method, datetime.now(UTC))


def _level(group: Sequence[Judged]) -> tuple[tuple[float, float], ...]:
    return ((0.0, (sum(one.right for one in group) + 1) / (len(group) + 2)),)


def _platt(group: Sequence[Judged]) -> tuple[tuple[float, float], ...]:
    """Return points of a sigmoid over log-probability, with Platt's targets (J. Platt, 1999, section 2.2)."""
    import numpy
    from sklearn.linear_model import LogisticRegression

    xs = numpy.array([one.logprob for one in group])
    right = sum(one.right for one in group)
    if len(set(xs.tolist())) < 2 or right in (0, len(group)):
        return _level(group)
    # a target t between 0 and 1 is one case of right with weight t, and one of wrong with 1 - t
    high, low = (right + 1) / (right + 2), 1 / (len(group) - right + 2)
    targets = numpy.array([high if one.right else low for one in group])
    features = numpy.concatenate([xs, xs]).reshape(-1, 1)
    labels = numpy.concatenate([numpy.ones(len(group)), numpy.zeros(len(group))])
    model = LogisticRegression(C=1e6).fit(features, labels, numpy.concatenate([targets, 1 - targets]))
    if model.coef_[0, 0] <= 0:
        return _level(group)
    grid = numpy.linspace(xs.min(), xs.max(), _GRID)
    shares = model.predict_proba(grid.reshape(-1, 1))[:, 1]
    return tuple(zip(grid.tolist(), shares.tolist(), strict=True))


def _isotonic(group: Sequence[Judged]) -> tuple[tuple[float, float], ...]:
    """Return steps that rise, fitted on bins of at least 20 neighbours.

    Each bin is drawn to the share of all by two cases: a bin in which everything was right is not certain.
    """
    import numpy
    from sklearn.isotonic import IsotonicRegression

    ordered = sorted(group, key=lambda one: one.logprob)
    overall = (sum(one.right for one in group) + 1) / (len(group) + 2)
    bins = numpy.array_split(numpy.arange(len(ordered)), max(1, len(ordered) // _BIN))
    xs = [statistics.fmean(ordered[index].logprob for index in one) for one in bins]
    shares = [(sum(ordered[index].right for index in one) + 2 * overall) / (len(one) + 2) for one in bins]
    fitted = IsotonicRegression().fit_transform(xs, shares, sample_weight=[len(one) for one in bins])
    points: list[tuple[float, float]] = []
    for x, share in zip(xs, fitted.tolist(), strict=True):
        if not points or x - points[-1][0] > _BARELY:
            points.append((x, share))
    return tuple(points)


def plot(path: Path, fitted: Sequence[Fitted]) -> None:
    """Draw what the new confidences are worth on the held-out halves, with intervals, as a PNG.

    Raises:
        DocgenError: when the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.5, 6.5), layout="constrained")
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color="0.7", linestyle="--", label="means what it says")
    for one in fitted:
        means = [mean for mean, _ in one.bands]
        shares = [share.value or 0.0 for _, share in one.bands]
        bounds = [share.interval for _, share in one.bands]
        below = [max(0.0, value - low) for value, (low, _) in zip(shares, bounds, strict=True)]
        above = [max(0.0, high - value) for value, (_, high) in zip(shares, bounds, strict=True)]
        label = f"{one.curve.model or 'no model'}, {one.curve.origin} ({one.curve.decisions:,})"
        axes.errorbar(means, shares, yerr=[below, above], fmt="o-", capsize=3, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accepted unchanged, held-out half")
    figure.legend(loc="outside lower center", fontsize="small")
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as err:
        raise DocgenError(f"{path}: the plot cannot be written: {err.strerror or err}") from err
