"""What became of the suggestions: the ledger's events -> shares with intervals, by model, origin, confidence, folder.

A suggestion counts with the last decision on it that still stands; one that was taken back counts as open again.
Decisions on one place and bulk actions are counted apart, since in bulk nobody need have looked. An 'unclear' is
no proposal: it is numbered, and left out of every share.
"""

from __future__ import annotations

import bisect
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from docgen_plugin.freshness import WRITTEN_OVER
from docgen_plugin.ledger_rows import UNDONE, Counted, Event
from docgen_plugin.model import ColumnRef
from docgen_plugin.proportions import LEAST, Share, is_lower, newcombe

__all__ = [
    "BANDS",
    "Drop",
    "Fate",
    "GROUPS",
    "Group",
    "Measures",
    "Taken",
    "Trial",
    "Versus",
    "fates",
    "measure",
    "trial",
]

GROUPS = ("model", "origin", "confidence", "folder")
BANDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)  # of confidence, each from here up to the next
_DECIDED = ("accepted", "edited", "rejected")
_TAKEN = ("accepted", "edited")
_REVERSED_WITHIN = timedelta(days=30)
_LATELY = timedelta(days=30)  # what is compared with everything before it
_NO_REASON = "(no reason)"


@dataclass(slots=True)
class Taken:
    """One decision as it was taken, and when it was taken back or changed."""

    at: datetime
    state: str  # accepted, edited, rejected
    text: str  # that was decided on; of an edit, the person's
    why: str = ""
    batch: str = ""  # "" is a decision on this place alone
    reversed_at: datetime | None = None

    @property
    def is_reversed(self) -> bool:
        """Whether it held for less than 30 days."""
        return self.reversed_at is not None and self.reversed_at - self.at <= _REVERSED_WITHIN


@dataclass(slots=True)
class Fate:
    """One suggestion and every decision on it, in order."""

    ref: ColumnRef
    folder: str
    origin: str
    model: str
    confidence: float  # as it was shown, 0 to 1
    logprob: float  # nats a token
    text: str
    at: datetime
    asked: str = ""  # the model that was asked, "" in an older ledger or where none was
    weighed_by: str = ""  # the model whose log-probability this is, where it did not write the text
    taken: list[Taken] = field(default_factory=list)
    standing: Taken | None = None  # the decision that holds, None while it is open

    @property
    def is_unchanged(self) -> bool:
        """Whether the text was taken as it was."""
        one = self.standing
        return one is not None and one.state in _TAKEN and one.text == self.text


@dataclass(frozen=True, slots=True)
class Group:
    """What became of some suggestions; all shares are higher the better, but `reversals`."""

    name: str
    suggested: int
    unclear: int  # of them, left out of all that follows
    open: int
    individual: Share  # accepted or edited, of those decided one by one
    bulk: Share  # the same of those decided in bulk
    unchanged: Share  # accepted as they were, of those decided one by one
    edits: int
    edit_distance: float | None  # median: Levenshtein over characters / the longer text, 0 to 1
    rejections: tuple[tuple[str, int], ...]  # reason, number; the most frequent first
    seconds: tuple[float, float] | None  # from suggestion to decision: median and 90th percentile
    reversals: Share  # decisions undone, changed or written over within 30 days, of all that were taken
    confidence: float | None  # mean, of those decided one by one


@dataclass(frozen=True, slots=True)
class Drop:
    """Acceptance, one by one, that is lower than before by more than chance would have it."""

    kind: str  # "model" or "time"
    name: str
    before_name: str
    now: Share
    before: Share


@dataclass(frozen=True, slots=True)
class Versus:
    """A model's own texts, decided one by one, beside those of the model that came before it."""

    name: str
    before_name: str
    now: Share
    before: Share

    @property
    def verdict(self) -> str:
        """Which is accepted more: "better", "worse", or "cannot tell yet" by the test at 95 %."""
        if is_lower(self.now, self.before):
            return "worse"
        return "better" if is_lower(self.before, self.now) else "cannot tell yet"


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of the places that a candidate was asked about, beside the standing model's, while the candidate answers.

    Decisions one by one, on a model's own text or on the dictionary's where the model was not sure: a model that writes
    little, but only what it is sure of, must not look better by that. What is unclear is left out.

    NOTE: one person often decides a whole table at once, so the decisions are less independent than the interval takes
    them for: the tables are told beside them, and few tables say less than the interval promises.
    """

    name: str
    standing_name: str
    candidate: Share
    standing: Share
    tables: tuple[int, int]  # that the decisions are on: the candidate's, the standing model's
    own: tuple[int, int]  # decisions on a text that the model wrote itself

    @property
    def difference(self) -> float | None:
        """The candidate's share less the standing model's, -1 to 1; None while one of them has no decision."""
        one, other = self.candidate.value, self.standing.value
        return None if one is None or other is None else one - other

    @property
    def interval(self) -> tuple[float, float]:
        """The difference's interval at 95 %, see `newcombe`."""
        return newcombe(self.candidate, self.standing)

    @property
    def is_small(self) -> bool:
        """Whether there are too few decisions to say anything."""
        return min(self.candidate.of, self.standing.of) < LEAST

    @property
    def verdict(self) -> str:
        """Which is accepted more: "better" or "worse" where the interval leaves 0 out, else "cannot tell yet"."""
        low, high = self.interval
        if self.is_small or low <= 0 <= high:
            return "cannot tell yet"
        return "better" if low > 0 else "worse"

    @property
    def told(self) -> str:
        """The verdict in words."""
        if self.is_small:
            small = f"{self.candidate.of:,} and {self.standing.of:,} one by one"
            return f"cannot tell yet: too few decisions, {small}; {LEAST} each are the least"
        if self.verdict == "cannot tell yet":
            return "cannot tell yet: a difference like this comes by chance"
        return f"the candidate is {self.verdict}, by more than chance"


@dataclass(frozen=True, slots=True)
class Measures:
    """Everything that `docgen metrics` shows of one source."""

    total: Group
    groups: dict[str, tuple[Group, ...]]  # by each of GROUPS
    weeks: tuple[Group, ...]  # by the Monday of the decision
    versions: tuple[Versus, ...]  # each model beside the one before it, all that was ever decided
    drops: tuple[Drop, ...]
    trial: Trial | None = None  # while a candidate answers a share of the tables


def fates(place: Counted, events: Iterable[Event]) -> Iterator[Fate]:
    """Yield every suggestion that a place ever had, with what became of it; `events` in order, the oldest first."""
    fate: Fate | None = None
    stack: list[Taken] = []
    for event in events:
        if event.new_state == "suggested" and event.why != UNDONE:
            if fate is not None:
                yield fate
            fate, stack = _begun(place, event), []
        elif fate is not None:
            _follow(fate, stack, event)
            fate.standing = stack[-1] if stack else None
    if fate is not None:
        yield fate


def _begun(place: Counted, event: Event) -> Fate:
    # an event of an older ledger does not tell of its suggestion: then the row does
    told = event if event.origin else place
    return Fate(
        place.ref,
        _folder(place.path),
        told.origin,
        told.model,
        told.confidence or 0.0,
        told.logprob or 0.0,
        event.new_text or "",
        event.happened_at,
        told.asked,
        told.weighed_by,
    )


def _follow(fate: Fate, stack: list[Taken], event: Event) -> None:
    """Take one event into a suggestion's decisions; `stack` holds those that were not taken back."""
    if event.why == UNDONE:
        if stack:
            stack.pop().reversed_at = event.happened_at
    elif event.new_state in _DECIDED and (event.old_state != event.new_state or event.new_text is not None):
        if stack and stack[-1].state != event.new_state:
            stack[-1].reversed_at = event.happened_at
        text = event.new_text if event.new_text is not None else stack[-1].text if stack else fate.text
        stack.append(Taken(event.happened_at, event.new_state, text, event.why, event.batch))
        fate.taken.append(stack[-1])
    elif event.new_state == "stale" and stack and event.why in WRITTEN_OVER:
        stack[-1].reversed_at = event.happened_at


def _folder(path: str) -> str:
    """Return the first two levels of a file's folder.

    >>> _folder("models/marts/core/_core.yml"), _folder("schema.yml"), _folder("")
    ('models/marts', '(none)', '(none)')
    """
    return "/".join(path.replace("\\", "/").split("/")[:-1][:2]) or "(none)"


def measure(
    found: Iterable[Fate],
    now: datetime,
    since: datetime | None = None,
    pair: tuple[tuple[str, str], datetime] | None = None,
) -> Measures:
    """Return the measures of suggestions; with `since` of those decided, or while open suggested, from then on.

    `pair` is a candidate that answers now, as `trial` takes it.

    What happened lately is compared with what was before, whatever `since` says.
    """
    all_of_them = list(found)
    listed = [_case(one) for one in all_of_them if since is None or _moment(one) >= since]
    groups = {name: _grouped(listed, _KEYS[name]) for name in GROUPS}
    weeks = _grouped((one for one in listed if one.state), _monday)
    compared = trial(all_of_them, *pair) if pair is not None else None
    # of a candidate and the standing model neither is the one before
    beside = {compared.name, compared.standing_name} if compared is not None else None
    versions = tuple(one for one in _versions(all_of_them) if {one.name, one.before_name} != beside)
    drops = tuple(_drops(all_of_them, versions, now))
    return Measures(_group("all", listed), groups, weeks, versions, drops, compared)


def trial(found: Iterable[Fate], names: tuple[str, str], since: datetime) -> Trial:
    """Return how a candidate's texts did beside those of the standing model.

    Args:
        found: suggestions and what became of them, of any models.
        names: of the candidate and of the standing model, as the ledger has them or, each, just what is behind the "@".
        since: when the candidate began to answer.
    """
    sides: list[list[Fate]] = [[], []]
    shown = list(names)
    for one in found:
        writer = one.asked or one.model
        version = writer.rpartition("@")[2]
        for number, name in enumerate(names):
            if one.origin != "unclear" and version == name.rpartition("@")[2]:
                shown[number] = writer
                if one.standing is not None and not one.standing.batch and one.standing.at >= since:
                    sides[number].append(one)
    ours, theirs = sides
    tables = (len({one.ref.table for one in ours}), len({one.ref.table for one in theirs}))
    own = (sum(one.origin == "generated" for one in ours), sum(one.origin == "generated" for one in theirs))
    return Trial(shown[0], shown[1], _accepted(ours), _accepted(theirs), tables, own)


@dataclass(frozen=True, slots=True)
class _Case:
    """A suggestion as all the groups that it is in count it, worked out once."""

    fate: Fate
    is_unclear: bool
    state: str  # accepted, edited or rejected, "" while it is open
    in_bulk: bool
    is_taken: bool
    is_unchanged: bool
    distance: float | None  # of an edit, None where there is none
    wait: float  # seconds from suggestion to decision
    why: str
    decisions: int
    reversals: int


def _case(fate: Fate) -> _Case:
    one, unclear = fate.standing, fate.origin == "unclear"
    decisions, reversals = len(fate.taken), sum([each.is_reversed for each in fate.taken])
    if one is None:
        return _Case(fate, unclear, "", False, False, False, None, 0.0, "", decisions, reversals)
    taken = one.state in _TAKEN
    edited = taken and one.text != fate.text
    return _Case(
        fate,
        unclear,
        one.state,
        bool(one.batch),
        taken,
        taken and not edited,
        _distance(fate.text, one.text) if edited else None,
        (one.at - fate.at).total_seconds(),
        one.why or _NO_REASON,
        decisions,
        reversals,
    )


def _moment(fate: Fate) -> datetime:
    return fate.standing.at if fate.standing is not None else fate.at


def _monday(case: _Case) -> str:
    moment = _moment(case.fate)
    return (moment - timedelta(days=moment.weekday())).date().isoformat()


def _band(case: _Case) -> str:
    number = max(0, bisect.bisect_right(BANDS, case.fate.confidence) - 1)
    high = BANDS[number + 1] if number + 1 < len(BANDS) else 1.0
    return f"{BANDS[number]:.1f}-{high:.1f}"


_KEYS: dict[str, Callable[[_Case], str]] = {
    "model": lambda one: one.fate.model or "(none)",
    "origin": lambda one: one.fate.origin,
    "confidence": _band,
    "folder": lambda one: one.fate.folder,
}


def _grouped(listed: Iterable[_Case], key: Callable[[_Case], str]) -> tuple[Group, ...]:
    parts: dict[str, list[_Case]] = {}
    for one in listed:
        parts.setdefault(key(one), []).append(one)
    return tuple(_group(name, parts[name]) for name in sorted(parts))


def _group(name: str, listed: Sequence[_Case]) -> Group:
    proposed = [one for one in listed if not one.is_unclear]
    decided = [one for one in proposed if one.state]
    single = [one for one in decided if not one.in_bulk]
    bulk = [one for one in decided if one.in_bulk]
    edits = [one.distance for one in decided if one.distance is not None]
    reasons = Counter([one.why for one in decided if one.state == "rejected"])
    waits = sorted([one.wait for one in decided])
    return Group(
        name,
        len(listed),
        len(listed) - len(proposed),
        len(proposed) - len(decided),
        Share(sum([one.is_taken for one in single]), len(single)),
        Share(sum([one.is_taken for one in bulk]), len(bulk)),
        Share(sum([one.is_unchanged for one in single]), len(single)),
        len(edits),
        statistics.median(edits) if edits else None,
        tuple(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        (statistics.median(waits), waits[math.ceil(0.9 * len(waits)) - 1]) if waits else None,
        Share(sum([one.reversals for one in proposed]), sum([one.decisions for one in proposed])),
        statistics.fmean([one.fate.confidence for one in single]) if single else None,
    )


def _accepted(listed: Sequence[Fate]) -> Share:
    taken = sum(one.standing is not None and one.standing.state in _TAKEN for one in listed)
    return Share(taken, len(listed))


def _distance(one: str, other: str) -> float:
    """Return the Levenshtein distance of two texts over the length of the longer, 0 to 1.

    NOTE: difflib's ratio is no distance: it depends on the order of its arguments, and is quadratic at its worst.
    """
    from rapidfuzz.distance import Levenshtein

    return float(Levenshtein.normalized_distance(one, other))


def _versions(listed: Sequence[Fate]) -> Iterator[Versus]:
    """Yield each model but the first beside the one before it, in the order of their first suggestions."""
    made = [one for one in listed if one.origin == "generated"]
    first: dict[str, datetime] = {}
    by_model: dict[str, list[Fate]] = {}
    for one in made:
        first[one.model] = min(one.at, first.get(one.model, one.at))
        by_model.setdefault(one.model, []).append(one)
    for older, newer in pairwise(sorted(first, key=lambda name: (first[name], name))):
        yield Versus(newer, older, _single(by_model[newer]), _single(by_model[older]))


def _drops(listed: Sequence[Fate], versions: Iterable[Versus], now: datetime) -> Iterator[Drop]:
    """Yield where acceptance fell: a model against the one before it, the last 30 days against all before."""
    for one in versions:
        if one.verdict == "worse":
            yield Drop("model", one.name, one.before_name, one.now, one.before)
    decided = [one for one in listed if one.standing is not None and one.origin != "unclear"]
    lately = _single([one for one in decided if _moment(one) > now - _LATELY])
    earlier = _single([one for one in decided if _moment(one) <= now - _LATELY])
    if is_lower(lately, earlier):
        yield Drop("time", f"the last {_LATELY.days} days", "before", lately, earlier)


def _single(listed: Sequence[Fate]) -> Share:
    return _accepted([one for one in listed if one.standing is not None and not one.standing.batch])
