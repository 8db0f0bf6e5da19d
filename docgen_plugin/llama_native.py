"""One GGUF file in memory: llama.cpp through the low-level calls of llama-cpp-python, its errors as ours."""

from __future__ import annotations

import ctypes
import os
import re
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from docgen_plugin.errors import ModelError
from docgen_plugin.gguf_header import check_file

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Logits = NDArray[np.float32]

__all__ = ["NativeAdapter", "NativeContext", "NativeModel", "Token", "shared_model"]

Token = tuple[int, int, int, bool]  # id, position, sequence, whether its logits are wanted

_BATCH_TOKENS = 512  # what llama.cpp computes at once
_METADATA_BYTES = 1 << 20

# llama.cpp, include/llama.h, enum llama_token_attr
_ATTR_UNKNOWN, _ATTR_UNUSED, _ATTR_CONTROL, _ATTR_BYTE = 1, 2, 8, 32
_LOG_ERROR = 4  # ggml.h, enum ggml_log_level; 3 is a warning


class _Log:
    """Keeps the library quiet and remembers its last complaints."""

    def __init__(self) -> None:
        try:
            import llama_cpp
        except ImportError as err:
            raise ModelError(
                "llama-cpp-python is not installed: pip install 'docgen-plugin[llama]', or name a model that "
                "a plugin serves"
            ) from err

        self.complaints: deque[str] = deque(maxlen=20)
        # NOTE: the library keeps the bare pointer: this object must live as long as the process
        self._callback = llama_cpp.llama_log_callback(self._note)
        llama_cpp.llama_backend_init()

    def install(self) -> None:
        import llama_cpp

        self.complaints.clear()
        llama_cpp.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _note(self, level: int, text: bytes, _data: object) -> None:
        if level == _LOG_ERROR:
            self.complaints.append(text.decode("utf-8", "replace").strip())

    def reason(self) -> str:
        """Return the most telling of the remembered lines, without the name of the C++ function."""
        lines = [line for line in self.complaints if line]
        telling = [line for line in lines if "failed to load model" not in line] or lines
        line = telling[-1] if telling else "no reason given by llama.cpp"
        return re.sub(r"^(\w+: )?(error loading model: )?(error loading model \w+: )?", "", line)


@lru_cache(maxsize=1)
def _log() -> _Log:
    return _Log()


class NativeModel:
    """A loaded model with its vocabulary; `open` gives contexts to compute in."""

    def __init__(self, path: Path, n_gpu_layers: int, vocabulary_only: bool = False) -> None:
        """Load the file, or its vocabulary alone: enough to cut texts into tokens.

        Raises:
            ModelError: when it is missing, no GGUF, truncated, or of a kind that cannot write text.
        """
        check_file(path)
        import llama_cpp

        self._api: Any = llama_cpp.llama_cpp
        self.path = path
        self._model: Any = None
        self._contexts: list[NativeContext] = []
        _log().install()
        params = self._api.llama_model_default_params()
        self.offload: bool = n_gpu_layers != 0 and self._api.llama_supports_gpu_offload()
        # -1 has not always meant all
        params.n_gpu_layers = (n_gpu_layers if n_gpu_layers > 0 else 9999) if self.offload else 0
        params.vocab_only = vocabulary_only
        self._model = self._api.llama_model_load_from_file(os.fsencode(path), params)
        if not self._model:
            raise ModelError(_load_error(path, _log().reason()))
        self._vocabulary = self._api.llama_model_get_vocab(self._model)
        self.vocabulary_size: int = self._api.llama_vocab_n_tokens(self._vocabulary)
        self.trained_context: int = self._api.llama_model_n_ctx_train(self._model)
        if self._api.llama_model_has_encoder(self._model) or not self._api.llama_model_has_decoder(
            self._model
        ):
            self.close()
            raise ModelError(
                f"{path}: not a model that continues a text: choose a decoder model (Llama, Qwen, ...)"
            )
        self.tokenize = lru_cache(maxsize=20_000)(self._tokenize)

    def open(
        self,
        cells: int,
        sequences: int,
        threads: int,
        shared: bool,
        adapter: NativeAdapter | None = None,
        weighed: int = 0,
    ) -> NativeContext:
        """Return a context of its own: `cells` tokens of memory for `sequences` sequences.

        One step gives logits for a token of each sequence, and for `weighed` tokens of given answers beside them.

        Shared, the sequences take cells from one pool and a fork costs nothing, but attention passes over
        the cells of all of them. Otherwise each has its own equal part and a fork copies it. With an adapter
        of this model it computes as the adapted one; other contexts do not see that.

        Raises:
            ModelError: when there is not enough memory.
        """
        context = NativeContext(self._api, self._model, self, cells, sequences, threads, shared, weighed)
        if adapter is not None:
            try:
                context.adapt(adapter)
            except ModelError:
                context.close()
                raise
        self._contexts.append(context)
        return context

    def adapter(self, path: Path) -> NativeAdapter:
        """Return a LoRA adapter, loaded beside this model.

        Raises:
            ModelError: when llama.cpp cannot read it, or it was made for a model of other shapes.
        """
        check_file(path)
        _log().install()
        loaded = self._api.llama_adapter_lora_init(self._model, os.fsencode(path))
        if not loaded:
            raise ModelError(_adapter_error(path, self.path, _log().reason()))
        return NativeAdapter(self._api, loaded, path)

    def backends(self) -> str:
        """Return what the build can compute on beside the CPU, e.g. "CUDA"."""
        said = self._api.llama_print_system_info().decode("utf-8", "replace")
        return ", ".join(name for name in re.findall(r"(\w+) : ", said) if name != "CPU") or "unnamed"

    def metadata(self, key: str) -> str:
        """Return the text of a metadata key, "" where the file has none."""
        buffer = ctypes.create_string_buffer(_METADATA_BYTES)
        length = self._api.llama_model_meta_val_str(self._model, key.encode(), buffer, _METADATA_BYTES)
        return buffer.value.decode("utf-8", "replace") if length >= 0 else ""

    def template(self) -> str:
        """Return the chat template, "" where the file has none."""
        found: bytes | None = self._api.llama_model_chat_template(self._model, None)
        return (found or b"").decode("utf-8", "replace")

    def opening(self) -> int:
        """Return the id of the token that opens a text, -1 for none."""
        return int(self._api.llama_vocab_bos(self._vocabulary))

    def wants_opening(self) -> bool:
        """Return whether the vocabulary puts the opening token before every text."""
        return bool(self._api.llama_vocab_get_add_bos(self._vocabulary))

    def ending(self) -> int:
        """Return the id of the token that ends a text, -1 for none."""
        return int(self._api.llama_vocab_eos(self._vocabulary))

    def ends(self) -> frozenset[int]:
        """Return the ids of all tokens that end an answer."""
        every = range(self.vocabulary_size)
        return frozenset(one for one in every if self._api.llama_vocab_is_eog(self._vocabulary, one))

    def unspeakable(self, byte_pieces: bool) -> list[int]:
        """Return the ids that no answer may hold: control, unknown and unused tokens, byte pieces if asked."""
        banned = _ATTR_UNKNOWN | _ATTR_UNUSED | _ATTR_CONTROL | (_ATTR_BYTE if byte_pieces else 0)
        get = self._api.llama_vocab_get_attr
        return [one for one in range(self.vocabulary_size) if get(self._vocabulary, one) & banned]

    def _tokenize(self, text: str, specials: bool = False) -> tuple[int, ...]:
        """Return the ids of a text; control tokens are recognised in it only with `specials`."""
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        ids = (ctypes.c_int32 * room)()
        count = self._api.llama_tokenize(self._vocabulary, data, len(data), ids, room, False, specials)
        assert count >= 0, "a text cannot have more tokens than bytes"
        return tuple(ids[:count])

    def mark(self, piece: str) -> int | None:
        """Return the id of a control token by its piece, None when the vocabulary has no such token."""
        ids = self._tokenize(piece, specials=True)
        is_control = self._api.llama_vocab_is_control
        return ids[0] if len(ids) == 1 and is_control(self._vocabulary, ids[0]) else None

    def piece(self, token: int, specials: bool = False) -> bytes:
        """Return the bytes a token stands for; a control token's are empty without `specials`."""
        size = 256
        buffer = ctypes.create_string_buffer(size)
        length = self._api.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, specials)
        return buffer.raw[:length] if length > 0 else b""

    def text(self, ids: Sequence[int]) -> str:
        """Return the text of token ids, control tokens left out."""
        return b"".join(map(self.piece, ids)).decode("utf-8", "replace")

    def shut(self, context: NativeContext) -> None:
        """Free one of the model's contexts."""
        context.close()
        self._contexts.remove(context)

    def close(self) -> None:
        """Free the contexts and the model; may be called twice."""
        for context in self._contexts:
            context.close()
        self._contexts = []
        if self._model:
            self._api.llama_model_free(self._model)
            self._model = None


@dataclass(slots=True)
class _Shared:
    """A model in memory and how many hold on to it."""

    model: NativeModel
    holders: int = 0


_shared: dict[tuple[object, ...], _Shared] = {}
_sharing = threading.Lock()


@contextmanager
def shared_model(path: Path, n_gpu_layers: int) -> Iterator[NativeModel]:
    """Yield the model of a file, in memory once however many hold it: a machine serves many teams from one base.

    Raises:
        ModelError: when it cannot be loaded.
    """
    try:
        state = path.stat()
        key: tuple[object, ...] = (path.resolve(), state.st_mtime_ns, state.st_size, n_gpu_layers)
    except OSError:
        key = (path, n_gpu_layers)  # loading it says why
    with _sharing:
        held = _shared.get(key)
        if held is None:
            held = _shared[key] = _Shared(NativeModel(path, n_gpu_layers))
        held.holders += 1
    try:
        yield held.model
    finally:
        with _sharing:
            held.holders -= 1
            if not held.holders:
                del _shared[key]
                held.model.close()


class NativeAdapter:
    """What one team's LoRA adapter adds to a loaded model; made by `NativeModel.adapter`."""

    def __init__(self, api: Any, loaded: Any, path: Path) -> None:
        self._api = api
        self.loaded: Any = loaded
        self.path = path

    def close(self) -> None:
        """Free it, after the contexts that use it and before its model; may be called twice."""
        if self.loaded:
            self._api.llama_adapter_lora_free(self.loaded)
            self.loaded = None


class NativeContext:
    """Memory and batch of one stream of computations over a model; made by `NativeModel.open`."""

    def __init__(
        self,
        api: Any,
        model: Any,
        owner: NativeModel,
        cells: int,
        sequences: int,
        threads: int,
        shared: bool,
        weighed: int,
    ) -> None:
        self._api = api
        self._path = owner.path
        self._width = owner.vocabulary_size
        params = api.llama_context_default_params()
        params.n_ctx = cells
        params.n_batch = cells  # every token of a batch needs a cell, so no batch is larger
        params.n_ubatch = min(cells, _BATCH_TOKENS)
        params.n_seq_max = sequences
        params.n_threads = params.n_threads_batch = threads
        params.kv_unified = shared
        params.no_perf = True
        if hasattr(params, "n_outputs_max"):
            params.n_outputs_max = (
                sequences + weighed
            )  # the default reserves logits for every token of a batch
        self._context: Any = api.llama_init_from_model(model, params)
        if not self._context:
            raise ModelError(f"{self._path}: no memory for {cells} tokens of context: {_log().reason()}")
        self._memory = api.llama_get_memory(self._context)
        self.cells: int = api.llama_n_ctx(self._context)
        self.sequences = sequences
        self.shared = shared
        self.weighed = weighed
        self._batch, self._fields = self._make_batch(self.cells)

    def _make_batch(self, size: int) -> tuple[Any, Any]:
        import numpy as np

        api = self._api
        fields: dict[str, Any] = {
            "token": np.zeros(size, np.int32),
            "pos": np.zeros(size, np.int32),
            "seq": np.zeros(size, np.int32),
            "n_seq_id": np.ones(size, np.int32),
            "logits": np.zeros(size, np.int8),
        }
        step = fields["seq"].itemsize
        fields["seq_id"] = (fields["seq"].ctypes.data + step * np.arange(size)).astype(np.uintp)
        batch = api.llama_batch()
        for name, kind in api.llama_batch._fields_:
            if name in fields:
                setattr(batch, name, ctypes.cast(fields[name].ctypes.data, kind))
        return batch, fields

    def adapt(self, adapter: NativeAdapter) -> None:
        """Compute with an adapter's additions from now on.

        Raises:
            ModelError: when llama.cpp refuses.
        """
        api = self._api
        if hasattr(api, "llama_set_adapters_lora"):
            one = (api.llama_adapter_lora_p_ctypes * 1)(adapter.loaded)
            code = api.llama_set_adapters_lora(self._context, one, 1, (ctypes.c_float * 1)(1.0))
        else:  # its name in older bindings
            code = api.llama_set_adapter_lora(self._context, adapter.loaded, 1.0)
        if code:
            raise ModelError(f"{adapter.path}: llama.cpp cannot use the adapter (code {code})")

    def decode(self, tokens: Sequence[Token]) -> Logits:
        """Compute tokens in one batch and return the logits wanted, (B, V) float32, valid until the next call.

        Raises:
            ModelError: when llama.cpp fails.
        """
        import numpy as np

        count = len(tokens)
        assert 0 < count <= self.cells
        table = np.array(tokens, np.int32)  # (B, 4)
        for name, column in (("token", 0), ("pos", 1), ("seq", 2), ("logits", 3)):
            self._fields[name][:count] = table[:, column]
        self._batch.n_tokens = count
        code = self._api.llama_decode(self._context, self._batch)
        if code:
            raise ModelError(f"{self._path}: llama.cpp stopped with code {code}: {_log().reason()}")
        wanted = int(table[:, 3].sum())
        if not wanted:
            return np.empty((0, self._width), np.float32)
        pointer = self._api.llama_get_logits(self._context)
        return np.ctypeslib.as_array(pointer, (wanted, self._width))

    def fork(self, source: int, target: int) -> None:
        """Let a sequence begin with all that another one holds."""
        self._api.llama_memory_seq_cp(self._memory, source, target, -1, -1)

    def drop(self, sequence: int, start: int = 0) -> bool:
        """Free a sequence's cells from a position on; False where the architecture cannot drop a part."""
        return bool(self._api.llama_memory_seq_rm(self._memory, sequence, start, -1))

    def clear(self) -> None:
        """Free all cells, so that the next batch finds the memory as it was at the start."""
        if self._context:
            self._api.llama_memory_clear(self._memory, False)

    def close(self) -> None:
        """Free the context; may be called twice."""
        if self._context:
            self._api.llama_free(self._context)
            self._context = None


def _load_error(path: Path, reason: str) -> str:
    unknown = re.search(r"unknown model architecture: '?([^']*)'?", reason)
    if unknown:
        return f"{path}: unknown architecture '{unknown[1]}': update llama-cpp-python or choose another model"
    if re.search(r"file bounds|corrupted|incomplete|unexpectedly|failed to read|end of file", reason):
        return f"{path}: truncated or damaged ({reason}): fetch the file again"
    return f"{path}: llama.cpp cannot load it: {reason}"


def _adapter_error(path: Path, base: Path, reason: str) -> str:
    reason = reason.removeprefix("failed to apply lora adapter: ")
    if re.search(r"incorrect shape|does not exist in base|arch mismatch", reason):
        return f"{path}: the adapter does not fit {base}: it was made for a model of another shape ({reason})"
    if re.search(r"file bounds|corrupted|incomplete|unexpectedly|failed to (read|load)|end of file", reason):
        return f"{path}: truncated or damaged ({reason}): fetch the file again"
    return f"{path}: llama.cpp cannot load the adapter: {reason}"
