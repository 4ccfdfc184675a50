"""The one thread that writes: commits every waiting tick in one transaction, and keeps trying while the store cannot."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from awry.core.clock import Clock
from awry.core.errors import StoreUnavailable
from awry.core.protocols import ParkingPlace, Store
from awry.core.tick import Block, Tick
from awry.engine.intake import Intake

log = logging.getLogger("awry.store")
WAITING_TICKS = 16
"""Ticks decided but not yet committed; beyond it the engine's thread waits, and batches grow instead."""
RETRY_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Work:
    """A tick with the intakes it answers, or checkpoint blocks."""

    tick: Tick | None = None
    intakes: tuple[Intake, ...] = ()
    reasons: tuple[object, ...] = ()
    blocks: tuple[Block, ...] = ()


class Writer:
    """Runs until `stop`. `committed`, `failed` and `freed` (slots that new series may have) are called in its thread."""

    def __init__(
        self, store: Store, clock: Clock, committed: Callable[[Sequence[Work]], None], failed: Callable[[str], None],
        freed: Callable[[tuple[int, ...]], None],
    ) -> None:  # fmt: skip
        self.error = ""
        """Why the store cannot write now, or ""."""
        self._upkeep_error = ""
        self.broken: BaseException | None = None
        """What ended the thread, if anything did."""
        self._store, self._clock, self._committed, self._failed, self._freed = store, clock, committed, failed, freed
        self._queue: queue.Queue[Work | None] = queue.Queue(WAITING_TICKS)
        self._given_up = threading.Event()
        self._thread = threading.Thread(target=self._run, name="awry-writer", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def put(self, work: Work) -> None:
        """Hand over; waits while WAITING_TICKS are outstanding. Order is kept."""
        while True:
            if self.broken is not None:
                raise StoreUnavailable(f"cannot write: the writer ended: {self.broken}") from self.broken
            try:
                return self._queue.put(work, timeout=0.5)
            except queue.Full:
                continue

    def stop(self, timeout: float) -> bool:
        """Write what is outstanding, then end; False when the store did not take it within `timeout` seconds."""
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            self._given_up.set()
        self._thread.join(timeout)
        self._given_up.set()
        self._thread.join(2 * RETRY_SECONDS)
        return not self._thread.is_alive() and not self.error

    def _run(self) -> None:
        try:
            while (work := self._next()) is not None:
                batch, ended = self._gather(work)
                self._write(batch)
                if ended:
                    return
        except StoreUnavailable as error:
            self.broken = error
        except BaseException as error:
            self.broken = error
            self.error = f"the writer ended: {error}"
            self._failed(self.error)
            raise

    def _next(self) -> Work | None:
        """The next work; while there is none, upkeep in small slices."""
        while True:
            try:
                return self._queue.get(timeout=0.2)
            except queue.Empty:
                while self._queue.empty() and self._upkeep():
                    pass

    def _gather(self, first: Work) -> tuple[list[Work], bool]:
        """All that waits, for one transaction."""
        batch = [first]
        while True:
            try:
                work = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
            if work is None:
                return batch, True
            batch.append(work)

    def _write(self, batch: list[Work]) -> None:
        ticks = [w.tick for w in batch if w.tick is not None]
        blocks = [b for w in batch for b in w.blocks]
        if ticks:
            self._until_done(lambda: self._store.commit(ticks))
            self._committed([w for w in batch if w.tick is not None])
        if blocks:
            self._until_done(lambda: self._store.save(blocks))
        if len(batch) < WAITING_TICKS:
            self._upkeep()

    def _until_done(self, action: Callable[[], None]) -> None:
        while True:
            try:
                action()
            except StoreUnavailable as error:
                first, self.error = not self.error, error.message
                if first:
                    log.warning("%s; trying again until it works", error.message)
                    self._failed(error.message)
                if self._given_up.wait(RETRY_SECONDS):
                    raise
            else:
                if self.error:
                    log.warning("the store works again")
                self.error = ""
                return

    def _upkeep(self) -> bool:
        try:
            more = self._store.upkeep(self._clock.now_ms())
            self._upkeep_error = ""
            if isinstance(self._store, ParkingPlace) and (slots := self._store.reusable()):
                self._freed(slots)
            return more
        except StoreUnavailable as error:
            # Put off, not lost: the next slice begins where this one did. A commit will say whether writing works.
            if error.message != self._upkeep_error:
                log.warning("%s; sealing and retention are tried again", error.message)
            self._upkeep_error = error.message
            return False
