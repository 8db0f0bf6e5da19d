"""The models that a reviewer may ask again: loaded when first asked for, one at a time, in a thread of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from docgen_plugin.alternatives import Alternative, Given, alternative, given
from docgen_plugin.config import Config
from docgen_plugin.errors import ConfigError
from docgen_plugin.generate import Generator
from docgen_plugin.model import Catalog, ColumnRef

__all__ = ["Models"]


class Models:
    """Holds the model that was asked last; another one takes its place in memory."""

    def __init__(
        self,
        load: Callable[[str], Generator],
        config: Config,
        references: Sequence[str] = (),
        owner: Callable[[str], str] = lambda table: "",
    ) -> None:
        """Take what loads a reference ("" is the project's own model), the references to choose from, and whose a table is.

        `owner` returns the reference of the model that `suggest` asks about the table with this key.
        """
        self._owner = owner
        self.references = tuple(dict.fromkeys(("", *references)))
        self._load = load
        self._config = config
        self._worker = ThreadPoolExecutor(1, "docgen-model")
        self._loaded: tuple[str, Generator] | None = None

    def alternative(self, catalog: Catalog, ref: ColumnRef, reference: str, hint: str) -> Alternative:
        """Return what a model says of a place; waits for others' questions first.

        Raises:
            DocgenError: when the model is none to choose from or fails, or the place is gone.
        """
        self._check(reference)
        return self._worker.submit(
            lambda: alternative(catalog, ref, self._config, self._generator(reference), hint)
        ).result()

    def given(self, catalog: Catalog, ref: ColumnRef) -> Given:
        """Return what the model that `suggest` asks is given about a place.

        Raises:
            DocgenError: when the model fails, or the place is gone.
        """
        return self._worker.submit(
            lambda: given(catalog, ref, self._config, self._generator(self._owner(ref.table)))
        ).result()

    def close(self) -> None:
        """Free the model, after what it is doing."""
        self._worker.submit(self._dropped)
        self._worker.shutdown(cancel_futures=False)

    def _check(self, reference: str) -> None:
        # NOTE: a reviewer elsewhere must not name files of this machine
        if reference not in self.references:
            raise ConfigError("that model is not offered here: name it with --model when starting the review")

    def _generator(self, reference: str) -> Generator:
        if self._loaded is not None and self._loaded[0] == reference:
            return self._loaded[1]
        self._dropped()
        generator = self._load(reference)
        self._loaded = (reference, generator)
        return generator

    def _dropped(self) -> None:
        if self._loaded is not None:
            self._loaded[1].close()
            self._loaded = None
