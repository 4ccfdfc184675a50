"""The engine as the server knows it: samples and commands in on the event loop, committed ticks and a snapshot out.

Threads: the event loop fills the intake; `awry-engine` decides ticks (its pool computes detector rows); `awry-writer` commits
them. Answers go back to the event loop after the commit. Both queues are bounded: see IntakeQueue and Writer.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch
from awry.core.clock import Clock
from awry.core.errors import Overloaded, StoreUnavailable
from awry.core.incident import Change
from awry.core.protocols import Judge, Store
from awry.core.rule import Rule
from awry.core.series_table import SeriesTable
from awry.core.tick import REASONS, Receipt, Tick
from awry.engine import blocks
from awry.engine.commands import Command, DeleteSeries, PutKind, PutRule, changed_kinds
from awry.engine.configured import configured
from awry.engine.counters import Counters
from awry.engine.departed import Departed, patient, reusable
from awry.engine.intake import Intake, IntakeQueue, resolve, seen
from awry.engine.pipeline import Pipeline
from awry.engine.publish import Publisher
from awry.engine.settings import DEFAULT_RULE, EngineSettings
from awry.engine.snapshot import Snapshot
from awry.engine.threshold import check_rule
from awry.engine.writer import Work, Writer

log = logging.getLogger("awry.engine")
T = TypeVar("T")

TIMER_SECONDS = 1.0
SUBSCRIBER_CHANGES = 10_000
"""A subscriber that is this far behind loses the oldest changes; it can read them from the archive."""
WILD_MS = 86_400_000
"""A restart does not wait for the clock to reach a last tick that is further ahead than this: that clock was wrong."""
QUESTIONS = 100
"""Questions that may wait for the engine's thread; a further one is refused."""
STOP_SECONDS, AWAY_SECONDS = 7.0, 2.0
"""How long leaving waits for the last commit and checkpoint; and when the store was away already, for it to come back."""
SAVE_SECONDS = 3.0
"""How long leaving goes on saving blocks."""


class Engine:
    """Entering recovers state and starts the threads; leaving commits what was taken in, and saves a checkpoint."""

    def __init__(
        self, *, judge: Judge, store: Store, table: SeriesTable, clock: Clock, settings: EngineSettings | None = None,
        rules: Sequence[Rule] = (DEFAULT_RULE,),
    ) -> None:  # fmt: skip
        self.table = table
        self.counters = Counters()
        self.positions: dict[str, bytes] = {}
        self.settings = settings or EngineSettings()
        self._store, self._clock, self._rules = store, clock, tuple(rules)
        self._pool = ThreadPoolExecutor(self.settings.shards, "awry-shard") if self.settings.shards > 1 else None
        self._pipeline = Pipeline(judge, table.keys, self.settings, self._pool, table.kinds, patient(store, lambda: self._closed))
        self._departed = Departed(self._pipeline, self.settings.forget_ms)
        self._publisher = Publisher(self._pipeline)
        self._intake = IntakeQueue()
        self._writer = Writer(store, clock, self._on_committed, self._on_failed, lambda slots: self._soon(table.free, slots))
        self._thread = threading.Thread(target=self._run, name="awry-engine", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._uncommitted = 0
        self._unanswered: set[asyncio.Future[Receipt]] = set()
        self._asked: set[asyncio.Future[Any]] = set()
        self._room: asyncio.Event = asyncio.Event()
        self._subscribers: set[asyncio.Queue[Change]] = set()
        self._now = 0
        self._broken = ""
        self._closed = False

    @property
    def snapshot(self) -> Snapshot:
        """The latest picture; a new object each time something is published."""
        return self._publisher.snapshot

    @property
    def ended(self) -> str:
        """The defect that ended one of its threads, or "": only a restart helps then."""
        return self._broken or (f"the writer ended: {self._writer.broken!r}" if self._writer.broken is not None else "")

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        for rule in self._rules:
            check_rule(rule)
        keys, kinds = await asyncio.to_thread(self._recover)
        self.table.restore(keys, kinds)
        self._pipeline.grow(len(self.table))
        self.table.free(reusable(self._store))
        await asyncio.to_thread(self._publisher.publish, self._clock.now_ms(), "")
        self._writer.start()
        self._thread.start()
        for command in [*configured(self._pipeline.rules.rules, self._rules), *changed_kinds(self.table)]:
            await self.command(command)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._closed:
            return
        self._closed = True
        self._intake.close()
        self._room.set()
        until = time.monotonic() + (AWAY_SECONDS if self._writer.error else STOP_SECONDS)
        await asyncio.to_thread(self._thread.join, until - time.monotonic())
        await asyncio.to_thread(self._writer.stop, max(1.0, until - time.monotonic()))
        if self._pool is not None:
            self._pool.shutdown(wait=False)
        self._fail_all("the engine stopped")
        self._fail_asked()

    async def put(
        self,
        batch: Batch,
        *,
        source: str,
        received: int = 0,
        refused: Mapping[str, int] | None = None,
        position: bytes | None = None,
    ) -> asyncio.Future[Receipt]:
        """Queue samples, waiting for room; the future resolves after their commit.

        Raises StoreUnavailable while the store cannot write: nothing was queued, send the same rows again later. When the
        store fails after they were queued, the future raises StoreUnavailable: they are written as soon as it works again.
        """
        while self._full(len(batch)):
            self._refuse_broken()
            self._room.clear()
            await self._room.wait()
        return self.put_nowait(batch, source=source, received=received, refused=refused, position=position)

    def put_nowait(
        self,
        batch: Batch,
        *,
        source: str,
        received: int = 0,
        refused: Mapping[str, int] | None = None,
        position: bytes | None = None,
    ) -> asyncio.Future[Receipt]:
        """As `put`, but raises Overloaded when there is no room."""
        self._refuse_broken()
        if self._full(len(batch)):
            raise Overloaded(
                f"cannot take {len(batch)} samples: {self._uncommitted} wait to be committed",
                after_seconds=1,
                hint="send again after the stated time",
            )
        self.counters.receive(source, received or len(batch))
        if refused:
            self.counters.refuse_all(source, refused)
        return self._add(Intake(batch, source, time.perf_counter_ns(), position))

    async def command(self, command: Command) -> None:
        """Apply a change in the order of the stream; returns after its commit. Raises InvalidInput for a rule that cannot work."""
        self._refuse_broken()
        if isinstance(command, PutRule):
            check_rule(command.rule)
        if isinstance(command, DeleteSeries):
            self.table.forget(command.slots)
        if isinstance(command, PutKind):
            self.table.put_kind(command.slots, command.counter)
        await self._add(Intake(Batch.empty(), "", time.perf_counter_ns(), None, command))

    async def ask(self, question: Callable[[Pipeline], T]) -> T:
        """What `question` says of the live state, asked between two ticks on the thread that owns it.

        It must be quick, change nothing and keep nothing of what it is shown: it returns copies. Raises what it raises, Overloaded
        when too many wait, StoreUnavailable when the engine ends first.
        """
        if self._loop is None or self._closed or self._broken:
            raise StoreUnavailable("cannot ask the engine: it is not running")
        loop, answer = self._loop, self._loop.create_future()

        def put() -> None:
            result, error = None, None
            try:
                result = question(self._pipeline)
            except Exception as raised:  # of the question, for who asked it; the engine goes on
                error = raised
            if not loop.is_closed():
                loop.call_soon_threadsafe(resolve, answer, result, error)

        if not self._intake.ask(put, QUESTIONS):
            raise Overloaded("cannot ask the engine: too many questions wait", after_seconds=1, hint="ask again")
        self._asked.add(answer)
        answer.add_done_callback(self._asked.discard)
        found: T = await answer
        return found

    def mark(self, name: str, position: bytes) -> None:
        """Store a position with the next tick."""
        self.positions[name] = position
        self._intake.mark(name, position)

    def subscribe(self) -> asyncio.Queue[Change]:
        """A bounded queue of committed changes from now on; when full, its oldest change is dropped."""
        queue: asyncio.Queue[Change] = asyncio.Queue(SUBSCRIBER_CHANGES)
        self._subscribers.add(queue)
        return queue

    def unsubscribe(self, queue: asyncio.Queue[Change]) -> None:
        """No more changes for this queue."""
        self._subscribers.discard(queue)

    def _add(self, item: Intake) -> asyncio.Future[Receipt]:
        if self._loop is None or self._closed:
            raise StoreUnavailable("cannot take samples: the engine is not running")
        item.answer = self._loop.create_future()
        self._unanswered.add(item.answer)
        item.answer.add_done_callback(seen)
        item.answer.add_done_callback(self._unanswered.discard)
        self._uncommitted += len(item.batch)
        self._intake.add(item)
        return item.answer

    def _full(self, samples: int) -> bool:
        """Whether so many more have to wait; a batch over the whole limit is taken alone."""
        return self._uncommitted > 0 and self._uncommitted + samples > self.settings.queue_samples

    def _refuse_broken(self) -> None:
        if self._closed:
            raise StoreUnavailable("cannot take samples: the engine is not running")
        error = self._broken or self._writer.error
        if error:
            raise StoreUnavailable(
                f"cannot store samples: {error}", hint="free space or repair the database; Awry goes on by itself"
            )

    def _recover(self) -> tuple[list[str], bytes]:
        found = self._store.recover()
        keys = list(found.keys)
        self._pipeline.use_keys(keys, found.kinds)
        marks = self._pipeline.load(found.blocks)
        if self._pipeline.relearning:
            log.warning(
                "detector state of %d series is of another version of Awry: they are learned anew", self._pipeline.relearning
            )
        self._pipeline.grow(len(keys))  # at once: while ticks are replayed the judge is at work
        newest = self._pipeline.replay(found.ticks, marks)
        self._go_on_from(max(newest, found.last_tick))
        self._pipeline.seq = max(self._pipeline.seq, found.last_seq)
        self._pipeline.incidents.number_after(found.last_incident, found.last_change)
        self._pipeline.rates.know(found.kinds)
        self._pipeline.use_keys(self.table.keys, self.table.kinds)
        self.positions = dict(found.positions)
        return keys, found.kinds

    def _go_on_from(self, last_tick: int) -> None:
        """Time goes on from the last tick, also when the clock was set back meanwhile; but a clock gone wild is not for ever."""
        ahead = last_tick - self._clock.now_ms()
        self._now = last_tick if ahead <= WILD_MS else 0
        if ahead > WILD_MS:
            log.warning("the last tick stored is %d hours ahead of the clock: time goes on from the clock", ahead // 3_600_000)

    def _tick_time(self) -> int:
        """The clock, never going back."""
        self._now = max(self._now, self._clock.now_ms())
        return self._now

    def _run(self) -> None:
        try:
            self._decide_until_closed()
        except BaseException as error:
            self._broken = f"the engine ended: {error!r}"
            self._publisher.ended(self._broken)
            self._soon(self._fail_asked)
            self._on_failed(self._broken)
            raise

    def _decide_until_closed(self) -> None:
        next_timer = next_block = time.monotonic()
        while True:
            taken, marks, done = self._intake.take(self.settings.tick_samples, TIMER_SECONDS / 4)
            for question in self._intake.questions():
                question()
            if done:
                if marks:  # what notifiers delivered last must not be delivered again
                    tick = self._pipeline.timers(self._tick_time(), marks)
                    if tick is not None:
                        self._writer.put(Work(tick))
                break
            if taken:
                self._decide(taken, marks)
            now = time.monotonic()
            if now >= next_timer or (marks and not taken):
                next_timer = now + TIMER_SECONDS
                tick = self._pipeline.timers(self._tick_time(), {} if taken else marks)
                if tick is not None:
                    self._writer.put(Work(tick))
                self._publisher.publish(self._now, self._writer.error)
                if dead := self._departed.find(self._now):
                    self._soon(self._delete, dead)
            if now >= next_block:
                next_block = now + self._save_next_block()
        self._save_last()

    def _decide(self, taken: Sequence[Intake], marks: Mapping[str, bytes]) -> None:
        positions = dict(marks)
        positions |= {item.source: item.position for item in taken if item.position is not None}
        commands = [item.command for item in taken if item.command is not None]
        batch = Batch.concat([item.batch for item in taken])
        tick, reason = self._pipeline.step(self._tick_time(), batch, commands, positions)
        reasons = np.split(reason, np.cumsum([len(item.batch) for item in taken])[:-1])
        self._publisher.count(tick.time, len(tick.batch))
        if tick.changes or tick.commands or tick.series:
            # Before the commit, so that whoever got the answer finds what it did.
            self._publisher.publish(tick.time, self._writer.error)
        self._writer.put(Work(tick, tuple(taken), tuple(reasons)))

    def _save_last(self) -> None:
        """Save what changed, for as long as leaving may take: the journal has the rest, which a restart then replays."""
        self._writer.put(Work(blocks=(blocks.stages(self._pipeline),)))
        until = time.monotonic() + SAVE_SECONDS
        for index in self._pipeline.dirty.changed():
            if time.monotonic() > until or self._writer.error:
                break
            self._writer.put(Work(blocks=tuple(self._pipeline.changed_blocks([index]))))

    def _save_next_block(self) -> float:
        """Queue one changed block (or, at the end of a round, the stages); seconds until the next one is due."""
        wanted = self._pipeline.next_block()
        self._writer.put(Work(blocks=tuple(wanted)))
        rounds = 1 + self._pipeline.slots // blocks.BLOCK_SLOTS
        return self.settings.checkpoint_ms / 1000 / (rounds + 1)

    def _soon(self, call: Callable[..., object], *args: object) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(call, *args)

    def _delete(self, slots: Sequence[int]) -> None:
        still = self._departed.still(slots)
        if still and not self._closed and not self._broken:
            self.table.forget(still)
            self._add(Intake(Batch.empty(), "", time.perf_counter_ns(), None, DeleteSeries(still)))

    def _on_committed(self, works: Sequence[Work]) -> None:
        self._pipeline.parking.committed = max(work.tick.seq for work in works if work.tick is not None)
        self._soon(self._answer, list(works), time.perf_counter_ns())

    def _fail_asked(self) -> None:
        for answer in list(self._asked):
            if not answer.done():
                answer.set_exception(StoreUnavailable("cannot answer: the engine ended", hint="ask again when it runs"))

    def _on_failed(self, message: str) -> None:
        self._soon(self._fail_all, message)

    def _answer(self, works: Sequence[Work], committed_ns: int) -> None:
        now = self._clock.now_ms()
        for work in works:
            for item, reason in zip(work.intakes, work.reasons, strict=True):
                self._answer_one(item, reason, now)
                self._publisher.delay(committed_ns - item.received_ns)
            if work.tick is not None:
                self._distribute(work.tick)
        self._room.set()

    def _answer_one(self, item: Intake, reason: Any, now: int) -> None:
        rows: NDArray[np.intp] = np.flatnonzero(reason)
        self._uncommitted -= len(item.batch)
        if item.source:
            kept = item.batch.time[reason == 0] if rows.size else item.batch.time
            self.counters.accept(item.source, len(kept), int(kept.max()) if len(kept) else 0, now)
            for code, n in enumerate(np.bincount(reason, minlength=len(REASONS)).tolist()):
                if code and n:
                    self.counters.refuse(item.source, REASONS[code], n)
        if item.answer is not None and not item.answer.done():
            item.answer.set_result(Receipt(len(item.batch) - int(rows.size), rows, reason[rows]))

    def _distribute(self, tick: Tick) -> None:
        for change in tick.changes:
            for queue in self._subscribers:
                if queue.full():
                    queue.get_nowait()
                queue.put_nowait(change)

    def _fail_all(self, message: str) -> None:
        """Nobody is left waiting for a commit that may take long; the samples stay queued and are written when it works."""
        for answer in list(self._unanswered):
            if not answer.done():
                answer.set_exception(
                    StoreUnavailable(f"cannot store samples: {message}", hint="they were not acknowledged; send them again")
                )
        self._room.set()
