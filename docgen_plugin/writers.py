"""The models of one run of suggest: the standing one and, beside it, a candidate for some of the tables.

Each is loaded when it is first asked, and asked for all of its tables in one go, so that its batches stay full; with a
candidate both are loaded before anything is recorded. All texts of a table come from one model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from docgen_plugin.generate import Answer, Generator, TableRequest

__all__ = ["Candidate", "Load", "Writer", "Writers"]

Load = Callable[[], Generator]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A second model, and which tables are its."""

    load: Load
    draws: Callable[[str], bool]  # the table's key


@dataclass(slots=True, eq=False)
class Writer:
    """A model of this run: loaded when it is first asked for; what its texts are held to is known from then on."""

    load: Load
    is_chosen: bool  # by a person, rather than the package's
    is_candidate: bool = False
    name: str = ""
    device: str = ""
    strict: bool = False  # knows little beyond the dictionary: every word is held to the schema
    tuned: bool = False  # to the team's own texts: then it is asked although the dictionary has a text
    voice: frozenset[str] = frozenset()  # words that the team says, in lower case
    was_asked: bool = False
    tables: set[str] = field(default_factory=set)  # keys of those that it answered
    _loaded: Generator | None = None

    def generator(self) -> Generator:
        """Return the model."""
        if self._loaded is None:
            self._loaded = generator = self.load()
            self.name, self.device = generator.name, generator.device
            self.strict = getattr(generator, "bespoke", False)
            self.tuned = self.is_chosen and getattr(generator, "tuned", False)
            self.voice = frozenset(word.lower() for word in getattr(generator, "words", ()))
        return self._loaded

    def answers(self, requests: Iterable[TableRequest]) -> Iterator[Answer]:
        """Yield the model's answers, which count it in for their tables."""
        self.was_asked = True
        for answer in self.generator().describe(requests):
            self.tables.add(answer.ref.table)
            yield answer

    def close(self) -> None:
        """Free the model's memory."""
        if self._loaded is not None:
            self._loaded.close()


class Writers:
    """The models of a run, freed at its end."""

    def __init__(self, load: Load, is_chosen: bool, candidate: Candidate | None = None) -> None:
        """Take what loads the standing model, whether a person chose that, and the candidate."""
        self.standing = Writer(load, is_chosen)
        self._candidate = candidate
        self.all = [self.standing]
        if candidate is not None:
            self.all.append(Writer(candidate.load, True, True))

    def __enter__(self) -> Writers:
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self.all:
            writer.close()

    def of(self, table: str) -> Writer:
        """Return the model whose table this is, by its key."""
        return self.all[int(self._candidate is not None and self._candidate.draws(table))]

    def prepare(self) -> None:
        """Load what must be known before the first place is looked at."""
        for writer in self.all:
            if writer.is_chosen or len(self.all) > 1:
                writer.generator()
