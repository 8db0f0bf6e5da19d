"""The local engine: any GGUF file through llama.cpp, the bespoke grammar where the file says that it speaks it."""

from __future__ import annotations

from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING

from docgen_plugin import prompt
from docgen_plugin.errors import ModelError
from docgen_plugin.generate import Answer
from docgen_plugin.hookspecs import hookimpl
from docgen_plugin.model_files import ModelFiles, default_model, model_files

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from docgen_plugin.config import Config
    from docgen_plugin.dialect import Dialect
    from docgen_plugin.generate import Generator, TableRequest
    from docgen_plugin.llama_batch import Rules
    from docgen_plugin.llama_native import NativeAdapter, NativeContext, NativeModel
    from docgen_plugin.model import ColumnRef

__all__ = ["LlamaGenerator", "default_model", "dialect_of", "load_generator"]

# Leads of the best token over the second that a batch's arithmetic can turn, in nats. On the CPU, each
# sequence with a memory part of its own: quantised weights gave the same numbers in every batch within 1e-6,
# F16 and BF16 differ between one row and several. tests/benchmarks/engine.py measures the answers that differ.
_NOISE_QUANTISED = 1e-4
_NOISE_FLOAT = 0.005
_GPU_FACTOR = 4  # a GPU has room for more at once
# general.file_type F32, F16, BF16, or none said: ggml-org/llama.cpp, llama.h, enum llama_ftype
_FLOAT_TYPES = ("", "0", "1", "32")


class LlamaGenerator:
    """A GGUF model in this process."""

    def __init__(self, path: Path, config: Config) -> None:
        """Load the model.

        Raises:
            ModelError: when it cannot be loaded or speaks another version of the grammar.
        """
        from docgen_plugin.llama_native import shared_model
        from docgen_plugin.threads import default_threads

        files = model_files(path)
        threads = config.threads if config.threads > 0 else default_threads()
        with ExitStack() as held:
            model = held.enter_context(shared_model(files.base, config.n_gpu_layers))
            # an adapter says it of itself, a merged model among its metadata
            self.words = files.words or frozenset(model.metadata("docgen.words").split())
            self._model = model
            self._dialect = dialect_of(model, self.words)
            adapter = None
            if files.adapter is not None:
                adapter = held.enter_context(closing(model.adapter(files.adapter)))
            self._contexts = _contexts(model, self._dialect, threads, adapter, held)
            self._rules = _rules(model, self._dialect, adapter is not None)
            self.name = f"{_named(model, files)}@{files.version}"
            self._held = held.pop_all()
        self.bespoke = model.metadata("docgen.grammar") == prompt.GRAMMAR
        self.weighs = self._dialect.weighed > 0
        self.tuned = files.adapter is not None or bool(model.metadata("docgen.base_sha256"))
        self.device = _device(model, config.n_gpu_layers, threads)

    def describe(self, requests: Iterable[TableRequest]) -> Iterator[Answer]:
        """Yield one Answer for every place asked, as they are ready; its text is "" where none came out.

        Raises:
            ModelError: when llama.cpp fails.
        """
        from docgen_plugin.llama_workers import answer_all

        units = (unit for request in requests for unit in self._dialect.units(request))
        for reply in answer_all(self._contexts, self._rules, units):
            text = self._dialect.text(reply)
            yield Answer(reply.ref, text, reply.logprob, len(reply.ids) + reply.ended, reply.weighed)

    def prompts(self, request: TableRequest) -> dict[ColumnRef, str]:
        """Return what the model reads for every place asked: the decoded token ids, control tokens as they are spelled."""
        return {
            question.ref: self._spelled((*unit.prefix, *question.ids))
            for unit in self._dialect.units(request)
            for question in unit.questions
            if not question.given
        }

    def _spelled(self, ids: Iterable[int]) -> str:
        return b"".join(self._model.piece(one, True) for one in ids).decode("utf-8", "replace")

    def close(self) -> None:
        """Free the model's memory, where no other generator uses it; may be called twice."""
        self._held.close()


def _named(model: NativeModel, files: ModelFiles) -> str:
    base = model.metadata("general.name") or files.base_name or files.base.stem
    return base if files.adapter is None else f"{base}+{files.name}"


def dialect_of(model: NativeModel, words: frozenset[str] = frozenset()) -> Dialect:
    """Return how a model is asked, by the grammar that its file names; `words` are those that its team says.

    Raises:
        ModelError: when it was made for another version of the grammar.
    """
    from docgen_plugin import compact
    from docgen_plugin.bespoke import Bespoke
    from docgen_plugin.instruct import Instruct

    grammar = model.metadata("docgen.grammar")
    if grammar == prompt.GRAMMAR:
        return Bespoke(model, words)
    if grammar == compact.GRAMMAR:
        return compact.Compact(model)
    if grammar:
        raise ModelError(
            f"{model.path}: made for the grammar {grammar}, this version of docgen speaks {prompt.GRAMMAR} and "
            f"{compact.GRAMMAR}: use the model that comes with it, or the docgen version the model was made for"
        )
    return Instruct(model)


def _contexts(
    model: NativeModel, dialect: Dialect, threads: int, adapter: NativeAdapter | None, held: ExitStack
) -> list[NativeContext]:
    """Return one context with all threads, or for a small model on the CPU one context a thread."""

    def opened(factor: int, threads: int) -> NativeContext:
        cells, sequences = dialect.cells * factor, dialect.sequences * factor
        weighed = dialect.weighed * factor
        context = model.open(cells, sequences, threads, dialect.shared, adapter, weighed)
        held.callback(model.shut, context)
        return context

    if dialect.shared:
        return [opened(1, threads)]
    if model.offload:
        return [opened(_GPU_FACTOR, threads)]
    return [opened(1, 1) for _ in range(threads)]


def _rules(model: NativeModel, dialect: Dialect, adapted: bool) -> Rules:
    import numpy as np

    from docgen_plugin.llama_batch import Rules

    ends = model.ends()
    banned = [one for one in model.unspeakable(not dialect.byte_pieces) if one not in ends]
    is_float = adapted or model.metadata("general.file_type") in _FLOAT_TYPES
    return Rules(
        banned=np.array(banned, np.intp),
        ends=ends,
        most_tokens=dialect.answer_tokens,
        margin=_NOISE_FLOAT if is_float else _NOISE_QUANTISED,
    )


def _device(model: NativeModel, layers: int, threads: int) -> str:
    if model.offload:
        return f"GPU ({model.backends()}), {'all' if layers < 0 else layers} layers"
    return f"CPU, {threads} thread{'' if threads == 1 else 's'}"


@hookimpl
def load_generator(uri: str, config: Config) -> Generator | None:
    """Load the embedded model for "", or the GGUF, a model or an adapter, that a path, the hub or the registry has."""
    from docgen_plugin.registry import locate

    found = locate(uri or str(default_model()), config)
    return LlamaGenerator(found.path, config) if found is not None and found.path is not None else None
