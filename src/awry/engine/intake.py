"""The bounded queue between the event loop and the engine's thread: what waits, what is answered, what is refused."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from awry.core.batch import Batch
from awry.core.tick import Receipt
from awry.engine.commands import Command


@dataclass(slots=True)
class Intake:
    """Samples (or one command) on their way to a commit. `answer` resolves on the event loop after it."""

    batch: Batch
    source: str
    received_ns: int
    """time.perf_counter_ns at arrival, for the delay only."""
    position: bytes | None = None
    command: Command | None = None
    answer: asyncio.Future[Receipt] | None = None


class IntakeQueue:
    """Filled on the event loop, emptied by the engine's thread. The bound is kept by the engine, in samples not yet committed."""

    def __init__(self) -> None:
        self._items: deque[Intake] = deque()
        self._questions: deque[Callable[[], None]] = deque()
        self._ready = threading.Condition()
        self._marks: dict[str, bytes] = {}
        self._closed = False

    def add(self, item: Intake) -> None:
        """Append; never blocks."""
        with self._ready:
            self._items.append(item)
            self._ready.notify()

    def ask(self, question: Callable[[], None], most: int) -> bool:
        """Let the engine's thread call this between two ticks; False when it is closed, or so many wait already."""
        with self._ready:
            if self._closed or len(self._questions) >= most:
                return False
            self._questions.append(question)
            self._ready.notify()
            return True

    def questions(self) -> list[Callable[[], None]]:
        """What `ask` was given since the last call."""
        with self._ready:
            waiting = list(self._questions)
            self._questions.clear()
            return waiting

    def mark(self, name: str, position: bytes) -> None:
        """A position to store with the next tick."""
        with self._ready:
            self._marks[name] = position

    def close(self) -> None:
        """No more will come; `take` empties the queue and then tells so."""
        with self._ready:
            self._closed = True
            self._ready.notify()

    def take(self, most_samples: int, timeout: float) -> tuple[list[Intake], Mapping[str, bytes], bool]:
        """Intakes up to so many samples (a single larger one comes alone), marks, and whether the queue is closed and empty.

        A command ends a run: it comes alone, so that it stands between the ticks before and after it.
        """
        with self._ready:
            if not self._items and not self._closed and not self._questions:
                self._ready.wait(timeout)
            taken: list[Intake] = []
            samples = 0
            while self._items:
                item = self._items[0]
                if taken and (item.command is not None or samples + len(item.batch) > most_samples):
                    break
                taken.append(self._items.popleft())
                samples += len(item.batch)
                if item.command is not None:
                    break
            marks, self._marks = self._marks, {}
            return taken, marks, self._closed and not self._items and not taken


def seen(future: asyncio.Future[Receipt]) -> None:
    """A client that went away leaves its future unread; that is not an error worth a warning."""
    if not future.cancelled():
        future.exception()


def resolve(answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    """Give an answer to whoever still waits for it."""
    if answer.done():
        return
    if error is not None:
        answer.set_exception(error)
    else:
        answer.set_result(result)
