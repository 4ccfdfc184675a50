"""Runs each source: rows into the engine, commits back to it, retries with back-off; a crashed source never ends the process."""

from __future__ import annotations

import asyncio
import logging
from collections import deque

from awry.core.clock import Clock
from awry.core.errors import AwryError, CannotListen, Retry, StoreUnavailable
from awry.core.protocols import Finishing, Source
from awry.core.tick import Receipt, Rows
from awry.engine.engine import Engine

log = logging.getLogger("awry.sources")

FIRST_WAIT_SECONDS = 1.0
LONGEST_WAIT_SECONDS = 60.0
STORE_WAIT_SECONDS = 0.5
FINISH_SECONDS = 2.0
"""Time that a source gets to hand over what it holds when the server stops."""
IN_FLIGHT = 64
"""Batches of one source that may wait for their commit; then it is not asked for more."""


class Pump:
    """One source from its start to its end. `state` is starting, running, waiting (to be tried again) or ended."""

    def __init__(self, source: Source, engine: Engine, clock: Clock) -> None:
        self.source = source
        self.state = "starting"
        self.restarts = 0
        self._engine, self._clock = engine, clock
        self._flying: deque[tuple[asyncio.Future[Receipt], bytes | None]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._entered = False

    @property
    def error(self) -> str:
        """Why it does not run now, or ""."""
        return self._engine.counters.of(self.source.name).error

    async def start(self) -> None:
        """Enter the source and begin to pump. Raises CannotListen; other failures are tried again later."""
        try:
            await self._enter()
        except CannotListen:
            raise
        except Exception as error:
            # Another system is away at our start: that is its trouble, shown in the status, and no reason not to serve.
            self._failed(error)
        self._task = asyncio.create_task(self._run(), name=f"source {self.source.name}")

    async def stop(self) -> None:
        """Stop asking for rows and leave the source; what it gave is in the engine's queue and gets committed."""
        if self._task is not None:
            if self.state == "running" and isinstance(self.source, Finishing):
                await self._finish(self.source, self._task)
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self._leave()
        self.state = "ended"

    async def _finish(self, source: Finishing, task: asyncio.Task[None]) -> None:
        """Let it hand over what it holds, for a moment: a store that cannot write must not hold up the end."""
        try:
            await source.finish()
            await asyncio.wait([task], timeout=FINISH_SECONDS)
        except Exception as error:
            # We stop all the same, and what it held is lost with it.
            log.warning("source %s: cannot finish: %r", self.source.name, error)

    async def _run(self) -> None:
        attempt = 0
        while True:
            wait = 0.0
            try:
                await self._enter()
                accepted = self._engine.counters.of(self.source.name).accepted
                try:
                    await self._drain()
                finally:
                    if self._engine.counters.of(self.source.name).accepted > accepted:
                        attempt = 0
                self.state = "ended"
                return
            except Retry as error:
                wait = error.after_seconds
                self._failed(error)
            except Exception as error:
                # Whatever a source does wrong concerns that source alone: said in the status, and begun anew.
                wait = min(LONGEST_WAIT_SECONDS, FIRST_WAIT_SECONDS * 2 ** min(attempt, 10))
                self._failed(error)
            finally:
                if self.state != "running":
                    await self._leave()
            attempt += 1
            self.restarts += 1
            await asyncio.sleep(wait)

    async def _drain(self) -> None:
        resume = self._engine.positions.get(self.source.name)
        async for rows in self.source.rows(self._engine.table, resume):
            self._flying.append((await self._put(rows), rows.position))
            while self._flying and (self._flying[0][0].done() or len(self._flying) > IN_FLIGHT):
                await self._land()
        while self._flying:
            await self._land()

    async def _put(self, rows: Rows) -> asyncio.Future[Receipt]:
        """Into the engine, waiting as long as the store cannot write: meanwhile the source waits too."""
        name = self.source.name
        while True:
            try:
                return await self._engine.put(
                    rows.batch, source=name, received=rows.received, refused=rows.refused, position=rows.position
                )
            except StoreUnavailable as error:
                self._engine.counters.fail(name, error.message)
                await asyncio.sleep(STORE_WAIT_SECONDS)

    async def _land(self) -> None:
        answer, position = self._flying.popleft()
        try:
            await answer
        except StoreUnavailable:
            # The rows stay queued and are written when the store works again; the source hears of a later position then.
            return
        if self._engine.counters.of(self.source.name).error:
            self._engine.counters.fail(self.source.name, "")
        if position is not None:
            await self.source.commit(position)

    async def _enter(self) -> None:
        if not self._entered:
            await self.source.__aenter__()
            self._entered = True
        counter = self._engine.counters.of(self.source.name)
        counter.error, counter.connected, self.state = "", True, "running"

    async def _leave(self) -> None:
        self._flying.clear()
        if not self._entered:
            return
        self._entered = False
        self._engine.counters.of(self.source.name).connected = False
        try:
            await self.source.__aexit__(None, None, None)
        except Exception as error:
            # It is being left because it broke or because we stop; a second failure changes nothing but is said.
            log.warning("source %s: cannot close: %r", self.source.name, error)

    def _failed(self, error: Exception) -> None:
        message = error.message if isinstance(error, AwryError) else f"{type(error).__name__}: {error}"
        self.state = "waiting"
        counter = self._engine.counters.of(self.source.name)
        counter.connected, counter.error = False, message
        if isinstance(error, AwryError):
            log.warning("source %s: %s", self.source.name, message)
        else:
            log.error("source %s broke", self.source.name, exc_info=error)
