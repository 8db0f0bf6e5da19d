"""Several contexts over one model, each computed by a thread of its own.

llama.cpp's own threads wait for each other hundreds of times a batch, by spinning: a small model gains little
from them, and where another process is busy it runs ten times slower than on one thread. Contexts of one thread
each never wait. Requests are still taken in the caller's thread, whose databases may allow no other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING

from docgen_plugin.llama_batch import Reply, Rules, Unit, answer

if TYPE_CHECKING:
    from docgen_plugin.llama_native import NativeContext

__all__ = ["answer_all"]

_WAKE_S = 0.2  # a wait without an end cannot be interrupted on every system


class _Want:
    """A worker asks for a unit."""


class _Done:
    """A worker has ended."""


_Message = tuple[int, Reply | _Want | _Done | BaseException]


def answer_all(contexts: Sequence[NativeContext], rules: Rules, units: Iterator[Unit]) -> Iterator[Reply]:
    """Yield one reply for every question, as they are ready, computed in all contexts side by side.

    Raises:
        ModelError: when llama.cpp fails.
    """
    if len(contexts) == 1:
        yield from answer(contexts[0], rules, units)
        return
    messages: SimpleQueue[_Message] = SimpleQueue()
    workers = [_Worker(number, context, rules, messages) for number, context in enumerate(contexts)]
    for worker in workers:
        worker.start()
    busy = len(workers)
    try:
        while busy:
            number, message = _next(messages)
            if isinstance(message, Reply):
                yield message
            elif isinstance(message, _Want):
                workers[number].inbox.put(next(units, None))
            elif isinstance(message, _Done):
                busy -= 1
            else:
                raise message
    finally:  # also when the user stops in the middle
        for worker in workers:
            worker.stop()
        for worker in workers:
            worker.join()


def _next(messages: SimpleQueue[_Message]) -> _Message:
    while True:
        try:
            return messages.get(timeout=_WAKE_S)
        except Empty:
            continue


class _Worker(threading.Thread):
    def __init__(
        self, number: int, context: NativeContext, rules: Rules, messages: SimpleQueue[_Message]
    ) -> None:
        super().__init__(name=f"docgen-model-{number}", daemon=True)
        self.inbox: SimpleQueue[Unit | None] = SimpleQueue()
        self._number = number
        self._context = context
        self._rules = rules
        self._messages = messages
        self._stopped = threading.Event()

    def stop(self) -> None:
        self._stopped.set()
        self.inbox.put(None)

    def run(self) -> None:
        try:
            for reply in answer(self._context, self._rules, self._units()):
                if self._stopped.is_set():
                    break
                self._messages.put((self._number, reply))
        except BaseException as err:  # noqa: BLE001  raised again in the caller's thread
            self._messages.put((self._number, err))
        self._messages.put((self._number, _Done()))

    def _units(self) -> Iterator[Unit]:
        while not self._stopped.is_set():
            self._messages.put((self._number, _Want()))
            unit = self.inbox.get()
            if unit is None:
                return
            yield unit
