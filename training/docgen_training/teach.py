"""The teacher stage: seeds -> documented tables, by an OpenAI-compatible endpoint, a local GGUF or prepared files.

    docgen-train teach training/runs/seeds.jsonl --teacher https://host/v1 --model NAME --out training/runs/teacher.jsonl.xz
    docgen-train teach training/runs/seeds.jsonl --teacher answers/ --out training/runs/teacher.jsonl.xz

What a teacher said is kept beside the output, answer by answer: a run that is stopped goes on where it was.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol

from docgen_plugin.errors import DocgenError, ModelError
from docgen_training.answers import Answer, read_answers
from docgen_training.seeds import Seed

__all__ = ["Endpoint", "LocalModel", "Prepared", "Teacher", "open_teacher", "rules", "teach"]

KEY_VARIABLE = "DOCGEN_TEACHER_KEY"
_TIMEOUT_S = 600.0
_WAITS_S = (2.0, 8.0, 30.0)  # before the next try, when a server is busy or gone
_BUSY = {408, 409, 429, 500, 502, 503, 504}
_TOKENS_A_TABLE = 900


@cache
def rules() -> str:
    """Return the instructions that every teacher gets: the form of an answer and the rules of a good description."""
    return files("docgen_training").joinpath("data", "teach_prompt.md").read_text("utf-8")


class Teacher(Protocol):
    """Whoever documents tables for us."""

    name: str  # stands in the records' lineage

    def answer(self, seeds: Sequence[Seed]) -> str:
        """Return one text with an answer to every seed, in the form of `rules()`.

        Raises:
            ModelError: when nothing can be had from it.
        """


def _asked(seeds: Sequence[Seed]) -> str:
    return "Seeds:\n" + "\n".join(seed.line() for seed in seeds)


class Endpoint:
    """A chat model behind an OpenAI-compatible server."""

    def __init__(
        self, url: str, model: str, key: str = "", wait: Callable[[float], None] = time.sleep
    ) -> None:
        """Take the server's base address (".../v1"), the model's name there and the key, "" for none.

        Raises:
            ModelError: when the key cannot be sent.
        """
        import httpx

        if not (key.isascii() and key.isprintable()):
            raise ModelError(
                f"the key in {KEY_VARIABLE} holds a line break or a letter no key has: set it again"
            )
        self.name = model
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._model = model
        self._wait = wait
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(timeout=_TIMEOUT_S, headers=headers)

    def answer(self, seeds: Sequence[Seed]) -> str:
        """Return the server's answer; a busy server is asked again three times.

        Raises:
            ModelError: when it cannot be reached, refuses, or answers something else.
        """
        messages = [{"role": "system", "content": rules()}, {"role": "user", "content": _asked(seeds)}]
        body = {"model": self._model, "messages": messages, "max_tokens": _TOKENS_A_TABLE * len(seeds)}
        reply = self._post(body)
        try:
            text = reply["choices"][0]["message"]["content"] or ""
            if not isinstance(text, str):
                raise TypeError("its content is no text")
        except (KeyError, IndexError, TypeError) as err:
            raise ModelError(f"{self._url}: not the answer of a chat server: {str(reply)[:200]}") from err
        return text

    def _post(self, body: dict[str, Any]) -> Any:
        import httpx

        fault = ""
        for wait_s in (*_WAITS_S, None):
            try:
                response = self._client.post(self._url, json=body)
                if response.status_code not in _BUSY:
                    response.raise_for_status()
                    return response.json()
                fault = f"answers {response.status_code}"
            except httpx.HTTPStatusError as err:
                code = err.response.status_code
                raise ModelError(
                    f"{self._url}: answers {code}: {err.response.text[:200]!r}; check --model, and the key in {KEY_VARIABLE}"
                ) from err
            except httpx.HTTPError as err:
                fault = f"cannot be reached: {err}"
            except httpx.InvalidURL as err:
                raise ModelError(f"{self._url}: is no address: {err}; check --teacher") from err
            except ValueError as err:
                raise ModelError(f"{self._url}: does not answer JSON: {err}") from err
            if wait_s is not None:
                self._wait(wait_s)
        raise ModelError(
            f"{self._url}: {fault}, after {len(_WAITS_S) + 1} tries; run the same command later to go on"
        )


class LocalModel:
    """A general instruct model in this process, by llama.cpp and its own chat template."""

    def __init__(self, path: Path, threads: int = 0) -> None:
        """Load the model.

        Raises:
            ModelError: when llama.cpp cannot load the file.
        """
        from llama_cpp import Llama

        self.name = path.stem
        try:
            self._llama = Llama(str(path), n_ctx=0, n_threads=threads or None, n_gpu_layers=-1, verbose=False)
        except (ValueError, OSError) as err:
            raise ModelError(f"{path}: cannot be loaded by llama.cpp: {err}") from err

    def answer(self, seeds: Sequence[Seed]) -> str:
        """Return the model's answer, greedy.

        Raises:
            ModelError: when the seeds do not fit its context.
        """
        messages: Any = [{"role": "system", "content": rules()}, {"role": "user", "content": _asked(seeds)}]
        try:
            reply: Any = self._llama.create_chat_completion(
                messages, max_tokens=_TOKENS_A_TABLE * len(seeds), temperature=0.0
            )
        except ValueError as err:
            raise ModelError(f"{self.name}: {err}; ask for fewer tables at once with --batch") from err
        text: str = reply["choices"][0]["message"]["content"] or ""
        return text


class Prepared:
    """Answers that stand in files already, written by whoever could not be called from here."""

    def __init__(self, path: Path) -> None:
        """Read a file, or every .sql file of a folder.

        Raises:
            ModelError: when there is nothing to read.
        """
        self.name = path.name
        paths = sorted(path.glob("*.sql")) if path.is_dir() else [path]
        if not paths:
            raise ModelError(f"{path}: has no .sql file with answers")
        try:
            self.text = "\n\n".join(one.read_text("utf-8") for one in paths)
        except (OSError, UnicodeDecodeError) as err:
            raise ModelError(f"{path}: cannot be read: {err}") from err

    def answer(self, seeds: Sequence[Seed]) -> str:
        """Return everything that stands there: `teach` takes what belongs to the seeds."""
        return self.text


def open_teacher(uri: str, model: str, threads: int = 0) -> Teacher:
    """Return the teacher that a uri names: an address, a GGUF file, or prepared answers in a file or folder.

    Raises:
        ModelError: when it cannot be opened.
        DocgenError: when the uri names nothing.
    """
    if uri.startswith(("http://", "https://")):
        if not model:
            raise DocgenError(f"--teacher {uri}: wants the name of the model there: add --model NAME")
        return Endpoint(uri, model, os.environ.get(KEY_VARIABLE, ""))
    path = Path(uri).expanduser()
    if not path.exists():
        raise DocgenError(
            f"--teacher {uri}: is neither an address nor a file; give https://.../v1, a GGUF or a folder"
        )
    return LocalModel(path, threads) if path.suffix == ".gguf" else Prepared(path)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The raw answers of earlier runs, appended to as they come."""

    path: Path

    def text(self) -> str:
        return self.path.read_text("utf-8") if self.path.exists() else ""

    def add(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(text.rstrip() + "\n\n")


def teach(
    seeds: Sequence[Seed],
    teacher: Teacher,
    kept: Path,
    batch: int = 8,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Answer]:
    """Yield the best answer to every seed, in the seeds' order; what the teacher says is appended to `kept`.

    Seeds that `kept` answers already are not asked again; one whose answer cannot be read is asked once more.

    Raises:
        ModelError: when the teacher fails; what it said until then is kept.
    """
    by_number = {seed.number: seed for seed in seeds}
    store = _Kept(kept)
    found: dict[int, Answer] = {}
    _take(found, read_answers(store.text(), by_number))
    prepared = isinstance(teacher, Prepared)
    if prepared:
        _take(found, read_answers(teacher.answer(seeds), by_number))
    for _ in range(0 if prepared else 2):
        open_ = [seed for seed in seeds if seed.number not in found or found[seed.number].record is None]
        for start in range(0, len(open_), batch):
            asked = open_[start : start + batch]
            text = teacher.answer(asked)
            store.add(text)
            _take(found, read_answers(text, {seed.number: seed for seed in asked}))
            progress(sum(one.record is not None for one in found.values()), len(seeds))
    for seed in seeds:
        yield found.get(seed.number) or Answer(seed.number, None, "the teacher did not answer it")


def _take(found: dict[int, Answer], answers: Iterator[Answer]) -> None:
    """Keep an answer that could be read; never let one that could not replace it."""
    for answer in answers:
        if answer.record is not None or answer.number not in found:
            found[answer.number] = answer
