"""The words an answer may be made of, as trees over token ids: which token may follow what has been said.

A small model that may say any word says wrong ones fluently; held to the words of its input and the plain voice of the
dictionary it has to choose among words that can be right. A word is its one tokenization; marks stand between words.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Marks", "Said", "Wording", "WordTree"]


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


class Wording:
    """The words for one question: trees that may be shared with other questions."""

    def __init__(self, trees: Sequence[WordTree], marks: Marks) -> None:
        """Take the trees to choose from."""
        import numpy as np

        self.trees = tuple(trees)
        self.marks = marks
        self.first = self._ids(set())
        self.after_word = self._ids({*marks.pauses, *marks.stops, *marks.possessive[:1], *marks.ends})
        self.after_stop = self._ids(set(marks.ends))
        self.possessive_rest = np.array(marks.possessive[1:2], np.intp)

    def _ids(self, others: set[int]) -> NDArray[np.intp]:
        import numpy as np

        allowed = np.zeros(self.marks.vocabulary, np.bool_)
        for tree in self.trees:
            allowed[list(tree.root.children)] = True
        allowed[list(others)] = True
        return np.flatnonzero(allowed)


class Said:
    """How far one answer has come: asked for what may follow, told what followed."""

    def __init__(self, wording: Wording) -> None:
        """Begin an answer."""
        self._wording = wording
        self._nodes: list[_Node] = []  # where inside a word, one for each tree that holds it
        self._allowed = wording.first
        self._owner = False  # inside "'s"

    def allowed(self) -> NDArray[np.intp]:
        """Return the ids that may come next, ascending; never empty."""
        return self._allowed

    def say(self, one: int) -> None:
        """Go on with an id that was allowed."""
        import numpy as np

        wording, marks = self._wording, self._wording.marks
        if self._owner:
            self._owner = False
            self._allowed = wording.after_word
            return
        nodes = [node.children[one] for node in self._nodes if one in node.children]
        if not nodes and one in marks.pauses:
            self._nodes, self._allowed = [], wording.first
            return
        if not nodes and one in marks.stops:
            self._nodes, self._allowed = [], wording.after_stop
            return
        if not nodes and one == marks.possessive[0]:
            self._nodes, self._allowed, self._owner = [], wording.possessive_rest, True
            return
        nodes = nodes or [tree.root.children[one] for tree in wording.trees if one in tree.root.children]
        self._nodes = nodes
        inside = {id_ for node in nodes for id_ in node.children}
        if not any(node.ends for node in nodes):
            self._allowed = np.array(sorted(inside), np.intp)
        elif inside:
            self._allowed = np.union1d(wording.after_word, np.array(sorted(inside), np.intp))
        else:
            self._allowed = wording.after_word
