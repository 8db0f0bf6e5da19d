"""Many questions at once: a table's prefix is computed once, forked for each question, all answered as one batch.

Questions join the running batch as soon as a sequence and enough memory cells are free, across tables, so the
batch stays full to the end of a run. In a shared memory cells are reserved for the longest answer before a
question joins, so it cannot overflow; where each sequence has its own part, a unit must fit into one part.

Arithmetic in a batch can differ in the last digits with whatever else is in it. Where the two best tokens are
closer than that noise (`margin`), the question leaves the batch and is answered alone from an empty memory,
where every run computes the same numbers: the text does not depend on its neighbours.

A question that comes with an answer is weighed: what the model thinks of it costs one step, no word is chosen.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from docgen_plugin.model import ColumnRef
from docgen_plugin.wording import Said, Wording

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from docgen_plugin.llama_native import Logits, NativeContext, Token

__all__ = ["Question", "Reply", "Rules", "Unit", "answer"]

_MOST_CLOSE = 64  # questions to answer alone are collected up to this number
_ALONE = 0  # the sequence used for them


@dataclass(frozen=True, slots=True)
class Question:
    """The token ids of one question, the place it asks about and the words its answer is held to, None for any.

    With `given` ids, the end mark among them unless they are cut, nothing is generated: these are weighed.
    """

    ref: ColumnRef
    ids: tuple[int, ...]
    wording: Wording | None = None
    given: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Unit:
    """Questions that follow the same prefix."""

    prefix: tuple[int, ...]
    questions: tuple[Question, ...]


@dataclass(frozen=True, slots=True)
class Reply:
    """The token ids of one answer, the end mark left out; `ended` is False when it ran into the limit.

    `weighed` says that the answer was given with the question.
    """

    ref: ColumnRef
    ids: tuple[int, ...]
    logprob: float  # mean over the tokens, the end mark included, nats
    ended: bool
    weighed: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """What an answer may hold: `banned` ids never, an id of `ends` closes it, at most `most_tokens`."""

    banned: NDArray[np.intp]
    ends: frozenset[int]
    most_tokens: int
    margin: float  # logits closer than this, in nats, are decided alone


@dataclass(slots=True)
class _Trunk:
    """A prefix in memory and the number of running questions that hold on to it."""

    unit: Unit
    sequence: int
    asked: int = 0
    holders: int = 0


@dataclass(slots=True)
class _Running:
    """A question on its sequence: what is still to be computed, what came out so far."""

    question: Question
    trunk: _Trunk
    sequence: int
    position: int
    pending: tuple[int, ...]
    said: Said | None
    ids: list[int] = field(default_factory=list)
    logprob: float = 0.0


def answer(context: NativeContext, rules: Rules, units: Iterable[Unit]) -> Generator[Reply]:
    """Yield one reply for every question, as they are ready; units are taken as room becomes free.

    Raises:
        ModelError: when llama.cpp fails.
    """
    run = _Run(context, rules, iter(units))
    try:
        yield from run.replies()
    finally:  # also when the user stops in the middle
        context.clear()


class _Run:
    def __init__(self, context: NativeContext, rules: Rules, units: Iterator[Unit]) -> None:
        self.context = context
        self.rules = rules
        self.units = units
        self.next_unit: Unit | None = next(units, None)
        self.trunk: _Trunk | None = None  # whose questions are joining
        self.running: list[_Running] = []
        self.close: dict[Unit, list[Question]] = {}
        self.free_sequences = list(range(context.sequences))  # sorted
        self.free_cells = context.cells
        self.free_rows = context.weighed  # of logits, for answers that are given
        self.cell_price = 1 if context.shared else 0  # parts of their own need no account
        context.clear()

    def replies(self) -> Iterator[Reply]:
        while True:
            self._admit()
            if self.running:
                if not self.context.shared:
                    self._close_ranks()
                yield from self._step()
            elif self.close:
                yield from self._answer_alone()
            elif not self.next_unit:
                return

    def _admit(self) -> None:
        """Let questions join while there is room; no new unit while a pile waits to be answered alone."""
        while self.trunk or self._plant():
            trunk = self.trunk
            assert trunk is not None
            while trunk.asked < len(trunk.unit.questions):
                if not self._join(trunk, trunk.unit.questions[trunk.asked]):
                    return
            self._uproot(trunk)

    def _plant(self) -> bool:
        """Compute the next unit's prefix, if it and one of its questions find room."""
        unit = self.next_unit
        piled = sum(map(len, self.close.values()))
        if unit is None or piled >= _MOST_CLOSE or len(self.free_sequences) < 2:
            return False
        need = len(unit.prefix) + max(len(one.ids) for one in unit.questions) + self.rules.most_tokens
        assert self.context.shared or need <= self.context.cells // self.context.sequences
        if need * self.cell_price > self.free_cells:
            assert self.running, "a unit must fit into an empty memory"
            return False
        self.trunk = _Trunk(unit, self.free_sequences.pop())
        self.free_cells -= len(unit.prefix) * self.cell_price
        self._read(unit, self.trunk.sequence)
        self.next_unit = next(self.units, None)
        return True

    def _read(self, unit: Unit, sequence: int) -> None:
        self.context.decode([(one, at, sequence, False) for at, one in enumerate(unit.prefix)])

    def _join(self, trunk: _Trunk, question: Question) -> bool:
        need = (len(question.ids) + self.rules.most_tokens) * self.cell_price
        if not self.free_sequences or need > self.free_cells or len(question.given) > self.free_rows:
            return False
        self.free_rows -= len(question.given)
        sequence = self.free_sequences.pop(0)
        self.free_cells -= need
        self.context.fork(trunk.sequence, sequence)
        trunk.asked += 1
        trunk.holders += 1
        start = len(trunk.unit.prefix)
        pending = question.ids + question.given[:-1]
        self.running.append(_Running(question, trunk, sequence, start, pending, _begun(question)))
        return True

    def _uproot(self, trunk: _Trunk) -> None:
        """Give the trunk's own sequence back; its cells live on in the questions forked from it."""
        self._give_back(trunk.sequence)
        self.trunk = None
        self._release(trunk)

    def _release(self, trunk: _Trunk) -> None:
        if not trunk.holders and trunk is not self.trunk:
            self.free_cells += len(trunk.unit.prefix) * self.cell_price

    def _give_back(self, sequence: int) -> None:
        self.context.drop(sequence)
        insort(self.free_sequences, sequence)

    def _close_ranks(self) -> None:
        """Move running questions down into gaps: llama.cpp computes only neighbouring parts as one batch."""
        self.running.sort(key=lambda one: one.sequence)
        while self.free_sequences and self.free_sequences[0] < self.running[-1].sequence:
            one = self.running.pop()
            gap = self.free_sequences.pop(0)
            self.context.fork(one.sequence, gap)
            self._give_back(one.sequence)
            one.sequence = gap
            insort(self.running, one, key=lambda other: other.sequence)

    def _step(self) -> Iterator[Reply]:
        """Compute what is pending on every sequence; choose one token for each, or weigh the answer that is given."""
        tokens: list[Token] = []
        for one in self.running:
            first = len(one.pending) - max(1, len(one.question.given))
            tokens += [
                (id_, one.position + at, one.sequence, at >= first) for at, id_ in enumerate(one.pending)
            ]
        logits = self.context.decode(tokens)
        if any(one.question.given for one in self.running):
            logits = yield from self._weigh(logits)
            if not self.running:
                return
        said = [one.said for one in self.running]
        chosen, logprobs, margins = _choose(logits, self.rules, said)
        going, self.running = self.running, []
        for one, id_, logprob, margin in zip(going, chosen, logprobs, margins, strict=True):
            one.position += len(one.pending)
            if margin < self.rules.margin:
                self._leave(one)
                self.close.setdefault(one.trunk.unit, []).append(one.question)
                continue
            one.logprob += logprob
            ended = id_ in self.rules.ends
            if not ended:
                one.ids.append(id_)
                one.pending = (id_,)
            if ended or len(one.ids) == self.rules.most_tokens:
                self._leave(one)
                yield _reply(one.question, one.ids, one.logprob, ended)
            else:
                self.running.append(one)

    def _weigh(self, logits: Logits) -> Generator[Reply, None, Logits]:
        """Reply for the running questions that have a given answer; return the rows of logits of the others."""
        import numpy as np

        going, self.running = self.running, []
        kept: list[int] = []
        at = 0
        for one in going:
            given = one.question.given
            if not given:
                kept.append(at)
                self.running.append(one)
                at += 1
                continue
            logprobs = _logprobs(logits[at : at + len(given)], given, self.rules)
            at += len(given)
            self._leave(one)
            ended = given[-1] in self.rules.ends
            ids = given[:-1] if ended else given
            yield Reply(one.question.ref, ids, float(np.mean(logprobs)), ended, weighed=True)
        return logits[kept]

    def _leave(self, one: _Running) -> None:
        self._give_back(one.sequence)
        self.free_cells += (len(one.question.ids) + self.rules.most_tokens) * self.cell_price
        self.free_rows += len(one.question.given)
        one.trunk.holders -= 1
        self._release(one.trunk)

    def _answer_alone(self) -> Iterator[Reply]:
        """Answer the close questions one by one, each from the same state of the memory in every run."""
        assert self.trunk is None, "with nothing running every question finds room"
        for unit, questions in self.close.items():
            start = len(unit.prefix)
            self.context.clear()
            self._read(unit, _ALONE)
            for question in questions:
                if not self.context.drop(_ALONE, start):
                    self.context.clear()
                    self._read(unit, _ALONE)
                yield self._greedy(start, question)
        self.close = {}
        self.context.clear()

    def _greedy(self, start: int, question: Question) -> Reply:
        pending, position, total, said = question.ids, start, 0.0, _begun(question)
        ids: list[int] = []
        while len(ids) < self.rules.most_tokens:
            last = len(pending) - 1
            logits = self.context.decode(
                [(one, position + at, _ALONE, at == last) for at, one in enumerate(pending)]
            )
            chosen, logprobs, _ = _choose(logits, self.rules, [said])
            total += logprobs[0]
            if chosen[0] in self.rules.ends:
                return _reply(question, ids, total, True)
            position += len(pending)
            pending = (chosen[0],)
            ids.append(chosen[0])
        return _reply(question, ids, total, False)


def _reply(question: Question, ids: list[int], logprob: float, ended: bool) -> Reply:
    return Reply(question.ref, tuple(ids), logprob / max(1, len(ids) + ended), ended)


def _begun(question: Question) -> Said | None:
    return None if question.wording is None else Said(question.wording)


def _logprobs(logits: Logits, ids: Sequence[int], rules: Rules) -> NDArray[np.float32]:
    """Return the log-probability of each row's id among all that the model may say, nats."""
    import numpy as np

    scores = logits.copy()  # (T, V) float32
    kept = scores[np.arange(len(ids)), list(ids)]
    scores[:, rules.banned] = -np.inf
    top = scores.max(axis=1)
    total: NDArray[np.float32] = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
    return kept - total


def _choose(
    logits: Logits, rules: Rules, said: Sequence[Said | None]
) -> tuple[list[int], list[float], list[float]]:
    """Return for each row the best id, its log-probability, its lead over the second; tell `said` of the choice.

    The log-probability is among all that the model may say, whatever words the answer is held to: where these are
    not what it would have said, it shows.
    """
    import numpy as np

    scores = logits.copy()  # (B, V) float32
    scores[:, rules.banned] = -np.inf
    rows = np.arange(len(scores))
    best = scores.argmax(axis=1)
    top = scores[rows, best]
    total = top + np.log(np.exp(scores - top[:, None]).sum(axis=1))
    scores[rows, best] = -np.inf
    margins = top - scores.max(axis=1)
    scores[rows, best] = top
    for row, one in enumerate(said):
        if one is not None:
            best[row], margins[row] = _best_of(scores[row], one, rules)
            one.say(int(best[row]))
    logprobs = scores[rows, best] - total
    return best.tolist(), logprobs.tolist(), margins.tolist()


def _best_of(scores: Logits, said: Said, rules: Rules) -> tuple[int, float]:
    """Return the best id that may follow and its lead over the next one, infinite where nothing else may.

    Where all that may follow is banned, the answer ends.
    """
    import numpy as np

    ids = said.allowed()
    kept = said.weigh(scores[ids])
    at = int(kept.argmax())
    top = kept[at]
    if not np.isfinite(top):
        return min(rules.ends), np.inf
    kept[at] = -np.inf
    return int(ids[at]), float(top - kept.max()) if len(ids) > 1 else np.inf
