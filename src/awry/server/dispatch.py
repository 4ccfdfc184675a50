"""Hands committed changes to the notifiers, each at its own pace, so that nothing is lost and a dead one holds up nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Protocol, Self

from awry.core.clock import Clock, SystemClock
from awry.core.errors import AwryError, Retry, StoreError
from awry.core.incident import Change
from awry.core.protocols import Notifier

PAGE = 100
"""Changes a notifier's task holds at most; the rest wait in the store, which is the queue."""
FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 300.0


class ChangeStream(Protocol):
    """What the dispatcher needs of the engine."""

    @property
    def positions(self) -> Mapping[str, bytes]: ...

    def mark(self, name: str, position: bytes) -> None: ...

    def subscribe(self) -> asyncio.Queue[Change]: ...

    def unsubscribe(self, queue: asyncio.Queue[Change]) -> None: ...


ReadChanges = Callable[[int, int], Awaitable[list[Change]]]
"""(after, limit) -> committed changes with a higher number, oldest first."""


@dataclass(slots=True)
class NotifierStatus:
    """How one notifier is doing, without secrets."""

    name: str
    delivered: int = 0
    failed: int = 0
    """Changes given up: refused for good, or not deliverable for a day."""
    silenced: int = 0
    """Changes a silence held back."""
    retries: int = 0
    waiting: int = 0
    """Committed changes it has not dealt with yet."""
    last_error: str = ""
    """Empty while the latest attempt worked."""
    last_delivered: int | None = None
    """Unix ms of the latest delivery."""
    position: int = 0
    """Number of the latest change dealt with."""


def backoff(attempt: int) -> float:
    """Seconds to wait after the given failed attempt (1, 2, 3…): 1, 2, 4… at most five minutes, the same every time."""
    return float(min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(attempt - 1, 16)))


class Dispatcher:
    """One task per notifier reads committed changes after its own position, delivers them in order, and marks them.

    The store is the queue: a live change only wakes the tasks, so a full subscription loses nothing, a restart goes on
    where the mark says (delivery is at least once), and memory does not grow while a receiver is away.
    """

    def __init__(
        self,
        *,
        stream: ChangeStream,
        read: ReadChanges,
        notifiers: Mapping[str, Notifier],
        clock: Clock | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        give_up_seconds: float = 86_400.0,
    ) -> None:
        self.status = {name: NotifierStatus(name) for name in notifiers}
        self._stream, self._read, self._notifiers = stream, read, dict(notifiers)
        self._clock, self._sleep = clock or SystemClock(), sleep
        self._give_up_ms = give_up_seconds * 1000
        self._wake = {name: asyncio.Event() for name in notifiers}
        self._newest = 0
        self._queue: asyncio.Queue[Change] | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        if not self._notifiers:
            return self
        self._queue = self._stream.subscribe()
        newest: int | None = None
        for name, status in self.status.items():
            position = self._stream.positions.get(_mark(name))
            if position is None:
                # a notifier new to this store is told what happens from now on, not years of history
                newest = await self._last_number() if newest is None else newest
                status.position = newest
                self._stream.mark(_mark(name), str(newest).encode())
            else:
                status.position = int(position)
            self._wake[name].set()
        self._tasks = [asyncio.create_task(self._watch(self._queue), name="dispatch")]
        self._tasks += [asyncio.create_task(self._run(name), name=f"notifier {name}") for name in self._notifiers]
        return self

    async def __aexit__(self, *exc: object) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        queue, self._queue = self._queue, None
        if queue is not None:
            self._stream.unsubscribe(queue)

    async def _last_number(self) -> int:
        last = 0
        while page := await self._read(last, 1000):
            last = page[-1].number
        return last

    async def _watch(self, queue: asyncio.Queue[Change]) -> None:
        while True:
            change = await queue.get()
            self._newest = max(self._newest, change.number)
            for name, status in self.status.items():
                status.waiting = max(0, self._newest - status.position)
                self._wake[name].set()

    async def _run(self, name: str) -> None:
        notifier, status, wake = self._notifiers[name], self.status[name], self._wake[name]
        async with AsyncExitStack() as stack:
            attempt = 0
            while True:
                try:
                    await stack.enter_async_context(notifier)
                    break
                except Exception as error:
                    # a notifier may be someone else's: whatever it raises is its own trouble, shown on the status page
                    attempt += 1
                    status.last_error = describe(error)
                    await self._sleep(backoff(attempt))
            while True:
                await wake.wait()
                wake.clear()
                while page := await self._page(status):
                    for change in page:
                        await self._deal(notifier, status, change)

    async def _page(self, status: NotifierStatus) -> list[Change]:
        attempt = 0
        while True:
            try:
                page = await self._read(status.position, PAGE)
            except StoreError as error:
                attempt += 1
                status.last_error = error.message
                await self._sleep(backoff(attempt))
                continue
            if page:
                self._newest = max(self._newest, page[-1].number)
            status.waiting = max(0, self._newest - status.position)
            return page

    async def _deal(self, notifier: Notifier, status: NotifierStatus, change: Change) -> None:
        if change.silenced:
            status.silenced += 1
        elif not change.notify or status.name in change.notify:
            await self._deliver(notifier, status, change)
        status.position = change.number
        status.waiting = max(0, self._newest - change.number)
        self._stream.mark(_mark(status.name), str(change.number).encode())

    async def _deliver(self, notifier: Notifier, status: NotifierStatus, change: Change) -> None:
        attempt = 0
        while True:
            try:
                await notifier.notify(change)
            except Retry as error:
                attempt += 1
                status.last_error = error.message
                if self._clock.now_ms() - change.time > self._give_up_ms:
                    status.failed += 1
                    return
                status.retries += 1
                await self._sleep(max(backoff(attempt), error.after_seconds))
            except Exception as error:
                # as above; trying again what it did not ask to have again would only repeat the failure
                status.failed += 1
                status.last_error = describe(error)
                return
            else:
                status.delivered += 1
                status.last_error = ""
                status.last_delivered = self._clock.now_ms()
                return


def describe(error: Exception) -> str:
    """An error in words that hold no secret: ours are written so, of others only the kind is told."""
    return error.message if isinstance(error, AwryError) else type(error).__name__


def _mark(name: str) -> str:
    return f"notifier:{name}"
