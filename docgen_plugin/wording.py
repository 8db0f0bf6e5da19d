"""The words an answer may be made of, as trees over token ids: which token may follow what has been said, and which should.

A small model that may say any word says wrong ones fluently; held to the words of its input and the plain voice of the
dictionary it has to choose among words that can be right. A word is its one tokenization; marks stand between words.
The words that the name itself is made of are wanted: until they are said they weigh more, and a word of the subject
that was said weighs less.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Marks", "Said", "Weights", "WordTree", "Wording"]


_NEVER = -100.0


@dataclass(slots=True)
class _Node:
    """What may follow inside a word; `ends` where a word is complete."""

    children: dict[int, _Node] = field(default_factory=dict)
    ends: bool = False


class WordTree:
    """Words as the sequences of their token ids, put together by their beginnings.

    >>> tree = WordTree([(5, 6), (5,), (7, 8)])
    >>> sorted(tree.root.children), tree.root.children[5].ends, tree.root.children[7].ends
    ([5, 7], True, False)
    """

    def __init__(self, words: Iterable[Sequence[int]]) -> None:
        """Take the token ids of every word."""
        self.root = _Node()
        for ids in words:
            node = self.root
            for one in ids:
                node = node.children.setdefault(one, _Node())
            node.ends = True


@dataclass(frozen=True, slots=True, eq=False)
class Marks:
    """The ids that stand between words."""

    pauses: frozenset[int]  # comma, colon: a word must follow
    stops: frozenset[int]  # full stop: a word or the end may follow
    possessive: tuple[int, ...]  # the tokens of "'s"
    ends: frozenset[int]
    vocabulary: int  # how many ids there are


@dataclass(frozen=True, slots=True)
class Weights:
    """What is added to a token's logit, in nats; found by measurement (training/LOG.md)."""

    wanted: float = 0.0  # a word of the name that was not said yet
    again: float = 0.0  # a word of the subject that was said already, negative
    early: float = 0.0  # an end while words of the name are missing, negative


class Wording:
    """The words for one question: trees that may be shared with other questions, and the words that are wanted.

    The first tree holds the plain voice, whose words may come again; `openers` hold the words that a sentence may begin
    with; `wanted` holds a tree for each word of the name.
    """

    def __init__(
        self,
        trees: Sequence[WordTree],
        openers: Sequence[WordTree],
        marks: Marks,
        wanted: Sequence[WordTree] = (),
        weights: Weights = Weights(),
    ) -> None:
        """Take what to choose from."""
        import numpy as np

        self.trees = tuple(trees)
        # a vocabulary may lack the letters of an opener: then any word may open
        self.openers = tuple(openers) if any(tree.root.children for tree in openers) else self.trees
        self.marks = marks
        self.wanted = tuple(wanted)
        self.weights = weights
        begins = any(tree.root.children for tree in self.openers)
        self.first = self._ids(self.openers, set() if begins else set(marks.ends))
        self.after_pause = self._ids(self.trees, set() if begins else set(marks.ends))
        self.after_word = self._ids(
            self.trees, {*marks.pauses, *marks.stops, *marks.possessive[:1], *marks.ends}
        )
        self.after_stop = self._ids(self.openers, set(marks.ends))
        self.possessive_rest = np.array(marks.possessive[1:2], np.intp)

    def _ids(self, trees: Sequence[WordTree], others: set[int]) -> NDArray[np.intp]:
        import numpy as np

        allowed = np.zeros(self.marks.vocabulary, np.bool_)
        for tree in trees:
            allowed[list(tree.root.children)] = True
        allowed[list(others)] = True
        return np.flatnonzero(allowed)


def _joined(ids: NDArray[np.intp], others: Iterable[int]) -> NDArray[np.intp]:
    """Return ascending ids with a few others put among them."""
    import numpy as np

    new = np.array(sorted(others), np.intp)
    places = ids.searchsorted(new)
    fresh = ids[np.minimum(places, len(ids) - 1)] != new
    return np.insert(ids, places[fresh], new[fresh])


class Said:
    """How far one answer has come: asked for what may follow, told what followed."""

    def __init__(self, wording: Wording) -> None:
        """Begin an answer."""
        self._wording = wording
        self._nodes: list[tuple[int, _Node]] = []  # where inside a word: number of the tree, node in it
        self._reached: list[tuple[int, _Node]] = []  # the same in the trees of wanted words
        self._open = set(range(len(wording.wanted)))  # wanted words that were not said yet
        self._opening = True  # a sentence begins with the next word
        self._begun = -1  # the first token of the word that is being said
        self._last: set[int] = set()  # wanted words that the word before was
        self._again: set[int] = set()  # first tokens of the subject's words that were said
        self._allowed = wording.first
        self._owner = False  # inside "'s"

    def allowed(self) -> NDArray[np.intp]:
        """Return the ids that may come next, ascending; never empty."""
        return self._allowed

    def weigh(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the logits of the allowed ids, in their order, with the weights added; changes `scores` in place."""
        weights = self._wording.weights
        added: dict[int, float] = {}
        if self._at_start():
            added.update(dict.fromkeys(self._again, weights.again))
            for number, tree in enumerate(self._wording.wanted):
                value = weights.wanted if number in self._open else weights.again
                added.update(dict.fromkeys(tree.root.children, value))
            # no word twice in a row, whatever its case
            ended = {number for number, node in self._reached if node.ends} if self._nodes else self._last
            for number in ended:
                added.update(dict.fromkeys(self._wording.wanted[number].root.children, _NEVER))
            added[self._begun] = _NEVER
            if self._open and len(self._open) * 3 > len(self._wording.wanted):
                marks = self._wording.marks
                added.update(dict.fromkeys((*marks.ends, *marks.stops), weights.early))
        for number, node in self._reached:
            if number in self._open:
                added.update(dict.fromkeys(node.children, weights.wanted))
        for one, value in added.items():
            at = int(self._allowed.searchsorted(one))
            if at < len(self._allowed) and self._allowed[at] == one:
                scores[at] += value
        return scores

    def _at_start(self) -> bool:
        """Return whether a new word may begin here."""
        return not self._owner and (not self._nodes or any(node.ends for _, node in self._nodes))

    def say(self, one: int) -> None:
        """Go on with an id that was allowed."""
        import numpy as np

        wording, marks = self._wording, self._wording.marks
        if self._owner:
            self._owner = False
            self._allowed = wording.after_word
            return
        inside = [(number, node.children[one]) for number, node in self._nodes if one in node.children]
        if inside:
            self._nodes = inside
            self._reached = [
                (number, node.children[one]) for number, node in self._reached if one in node.children
            ]
        else:
            self._word_ends()
            if one in marks.pauses or one in marks.stops or one == marks.possessive[0]:
                self._owner = one == marks.possessive[0]
                self._opening = one in marks.stops
                after = wording.after_stop if self._opening else wording.after_pause
                self._allowed = wording.possessive_rest if self._owner else after
                return
            self._begin(one)
        following = {id_ for _, node in self._nodes for id_ in node.children}
        if not any(node.ends for _, node in self._nodes):
            self._allowed = np.array(sorted(following), np.intp)
        elif following:
            self._allowed = _joined(wording.after_word, following)
        else:
            self._allowed = wording.after_word

    def _begin(self, one: int) -> None:
        self._begun = one
        self._nodes = [
            (number, tree.root.children[one])
            for number, tree in enumerate(self._wording.openers if self._opening else self._wording.trees)
            if one in tree.root.children
        ]
        self._opening = False
        self._reached = [
            (number, tree.root.children[one])
            for number, tree in enumerate(self._wording.wanted)
            if one in tree.root.children
        ]

    def _word_ends(self) -> None:
        """Note what the word that is over was: a wanted one, one of the subject."""
        if not self._nodes:
            return
        self._last = {number for number, node in self._reached if node.ends}
        self._open -= self._last
        plain = any(number == 0 and node.ends for number, node in self._nodes)
        if not plain:
            self._again.add(self._begun)
        self._nodes, self._reached = [], []
