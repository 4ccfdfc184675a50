"""The way of a batch through the engine, as a pure function of the stream: admit, rate, score, paint, judge by rules, gather.

No clock and no disk: `step` is told the tick's time, and replaying the ticks it returned gives the same state bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableSequence, Sequence
from concurrent.futures import Executor

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Batch, Scored
from awry.core.incident import Change, Incident
from awry.core.protocols import Judge, Keyed, Laned
from awry.core.tick import Block, Tick
from awry.detection.calibration import score_of
from awry.engine import blocks
from awry.engine.arrivals import LATE, Arrivals
from awry.engine.backlog import Backlog
from awry.engine.commands import (
    Command,
    DeleteRule,
    DeleteSeries,
    DeleteSilence,
    PutKind,
    PutRule,
    PutSilence,
    decode_command,
    encode_command,
)
from awry.engine.heat import Heat
from awry.engine.incidents import IncidentStage
from awry.engine.parking import GONE, Fetch, Parking
from awry.engine.rates import Rates
from awry.engine.rules import Event, RuleStage
from awry.engine.settings import EngineSettings

TIMERS = b'{"kind":"Timers"}'
"""The journal's mark of a tick at which time alone changed something."""
ABSENT_AT_ONCE = 1000
"""Series that are told to be absent in one tick, which takes some ten milliseconds; the others in the next ones."""
PARALLEL_ROWS = 2048
"""Smaller batches are not worth handing to several threads."""


class Pipeline:
    """All state of one engine. One thread calls it; detector rows are computed by `pool`, split by slot, but series that are
    compared with each other stay together.

    keys: canonical key by slot; it grows elsewhere, and a deletion empties its entry here, in the order of the stream. kinds:
    GAUGE or COUNTER by slot; it grows with the keys, and what it does not name is a gauge. fetch: where the state of parked series
    is read; None: none is parked.
    """

    def __init__(
        self, judge: Judge, keys: MutableSequence[str], settings: EngineSettings, pool: Executor | None = None,
        kinds: bytes | bytearray = b"", fetch: Fetch | None = None,
    ) -> None:  # fmt: skip
        self.judge = judge
        self.parking = Parking(judge, settings.silent_ms, fetch)
        self.arrivals = Arrivals()
        self.rates = Rates()
        self.heat = Heat()
        self.rules = RuleStage([*judge.parts, "absent"])
        self.incidents = IncidentStage()
        self.seq = 0
        self.slots = 0
        self.relearning = 0
        """Series whose saved detector state was of another version, and is learned anew."""
        self.dirty = blocks.Dirty()
        self.latest = Scored.blank(0)
        self.use_keys(keys, kinds)
        self._next_block = 0
        self._settings = settings
        self._pool = pool
        self._backlog = Backlog(judge, settings.shards, pool)

    def grow(self, slots: int) -> None:
        """Have state for this many slots."""
        if slots <= self.slots:
            return
        self.judge.grow(slots)
        self.parking.grow(slots)
        self.arrivals.grow(slots)
        self.rates.grow(slots, bytes(self._kinds[self.slots : slots]))
        self.heat.grow(slots)
        self.rules.grow(slots)
        self.dirty.grow(slots, self.seq)
        self.latest = self.latest.grown(slots)
        self.latest.put(slice(self.slots, slots), Scored.blank(slots - self.slots))
        self.slots = slots

    def step(
        self, now: int, batch: Batch, commands: Sequence[Command] = (), positions: Mapping[str, bytes] | None = None
    ) -> tuple[Tick, NDArray[np.uint8]]:
        """Decide one tick at `now` (Unix ms): what to commit, and per row of the batch an index into REASONS.

        Every slot of the batch is below `len(keys)`.
        """
        fresh = tuple((slot, self._keys[slot]) for slot in self._begin(now, batch))
        reason, accepted = self._admit(now, batch)
        if accepted < len(batch):
            batch = batch.take(reason == 0)
        batch, sent = self.rates.of(batch)
        back = self.parking.returning(batch.slot)
        self.parking.take_back(back, self.seq + 1)
        scored = self._score(batch)
        self.seq += 1
        self._keep(now, batch, scored)
        incidents, changes = self._judge(now, batch, scored, commands)
        deleted = tuple(slot for c in commands if isinstance(c, DeleteSeries) for slot in c.slots)
        self._bury(deleted)
        self._begin_judging(kinds := _kinds(commands))
        tick = Tick(
            seq=self.seq, time=now, batch=batch, scored=scored, series=fresh,
            counters=self.rates.among([slot for slot, _ in fresh]), sent=sent, back=back,
            commands=tuple(encode_command(c) for c in commands), deleted=deleted,
            kinds=tuple(kinds.items()),
            incidents=tuple(incidents), changes=tuple(changes), positions=positions or {},
        )  # fmt: skip
        return tick, reason

    def timers(self, now: int, positions: Mapping[str, bytes] | None = None) -> Tick | None:
        """Decide what time alone changes at `now`; None when it changed nothing (then there is nothing to store)."""
        incidents, changes, changed = self._by_time(now)
        due = self.parking.due(now, self.arrivals.columns, self.slots)
        if not changed and not positions and not due:
            return None
        self.seq += 1
        self.dirty.touch(np.array(due, np.int32))
        return Tick(
            seq=self.seq, time=now, batch=Batch.empty(), scored=Scored.blank(0), commands=(TIMERS,),
            parked=self.parking.park(due, self.seq),
            incidents=tuple(incidents), changes=tuple(changes), positions=positions or {},
        )  # fmt: skip

    def replay(self, ticks: Iterable[Tick], marks: blocks.Marks) -> int:
        """Apply stored ticks to whatever state was saved before them, see `blocks.Marks`; tells their latest time (0: none)."""
        latest = 0
        for tick in ticks:
            self._replay(tick, marks)
            latest = max(latest, tick.time)
        self._backlog.settle()
        return latest

    def use_keys(self, keys: MutableSequence[str], kinds: bytes | bytearray = b"") -> None:
        """Look keys and kinds up here from now on (recovery reads them before the series table exists)."""
        self._keys, self._kinds = keys, kinds
        if isinstance(self.judge, Keyed):
            self.judge.use_keys(keys)

    def next_block(self) -> list[Block]:
        """The next piece of an incremental checkpoint: changed blocks in turn, then the stages, and round again."""
        changed = [i for i in self.dirty.changed() if i >= self._next_block]
        if changed:
            self._next_block = changed[0] + 1
            return self.changed_blocks(changed[:1])
        self._next_block = 0
        self.dirty.renew(self.heat.newest)
        return [*self.dirty.placeholders(), blocks.stages(self)]

    def changed_blocks(self, wanted: Sequence[int] | None = None) -> list[Block]:
        """Checkpoint blocks: of the wanted block numbers, or with None of all changed ones and of the stages."""
        return blocks.collect(self, wanted)

    def load(self, saved: Iterable[Block]) -> blocks.Marks:
        """Take over checkpoint blocks; what they lack is replayed."""
        marks = blocks.restore(self, saved)
        known = min(self.slots, len(self._keys))
        self._bury([slot for slot in range(known) if not self._keys[slot] and self.parking.where[slot] != GONE])
        return marks

    def _begin(self, now: int, batch: Batch) -> Sequence[int]:
        """Slots whose series are new with this batch: those beyond all known ones, and those of deleted series that others got."""
        needed = self._needed(batch)
        new = range(self.slots, needed)
        self.grow(needed)
        again = [slot for slot in self.parking.gone_among(batch.slot) if self._keys[slot]]
        self.arrivals.begin(slice(new.start, new.stop), now)
        if not again:
            return new
        self.parking.begin_again(again)
        self._begin_stages(again, now)
        for slot in again:
            self.rates.put([slot], bool(self._kinds[slot : slot + 1] == b"\x01"))
        self.dirty.touch(np.array(again, np.int32))
        return [*again, *new]

    def _replay(self, tick: Tick, marks: blocks.Marks) -> None:
        """Apply one tick. What it leaves to the judge may wait in the backlog until something else is done to the judge."""
        needed = max([self._needed(tick.batch), *(slot + 1 for slot, _ in tick.series)])
        parked, born = marks.ones_behind([s for s, _ in tick.parked], tick.seq), [slot for slot, _ in tick.series]
        commands = [] if tick.commands == (TIMERS,) else [decode_command(c) for c in tick.commands]
        kinds = marks.ones_behind([*_kinds(commands)], tick.seq)
        if needed > self.slots:
            self._backlog.settle()
            self.grow(needed)
        self.seq = max(self.seq, tick.seq)
        again = self._empty_ones(marks, marks.ones_behind(born, tick.seq))
        back = marks.ones_behind(tick.back, tick.seq)
        if again or back:
            self._backlog.settle()
        self.parking.begin_again(again)
        self.parking.take_back(back, tick.seq)
        if tick.commands != (TIMERS,):
            self.heat.advance(tick.time)
        behind = marks.behind(tick.batch.slot, tick.seq)
        if behind.any():
            rows = tick.batch.take(behind)
            self._backlog.add(rows)  # for the state it leaves; what was thought of the samples is stored
            self._keep(tick.time, rows, tick.scored.take(behind))
        if parked or tick.deleted or kinds:
            self._backlog.settle()
        if marks.stages < tick.seq:
            self._begin_stages(born, tick.time)
            self.arrivals.admit(self.rates.replay(tick.batch, tick.sent), tick.time, 1 << 62)
            if tick.commands == (TIMERS,):
                self._by_time(tick.time)
            else:
                self._judge(tick.time, tick.batch, tick.scored, commands)
        self.parking.park(parked, tick.seq, keep=False)
        self._bury(tick.deleted)  # whatever block it is in: no other series gets the slot while this tick may be replayed
        self._begin_judging(kinds)
        self._empty(tick.deleted)

    def _empty_ones(self, marks: blocks.Marks, slots: Sequence[int]) -> list[int]:
        """Those of the slots that had a series before; in a block of an older version that is not known."""
        mine = np.array(slots, np.int64)
        empty = self.parking.where[mine] == GONE
        if marks.old:
            empty |= np.isin(mine // blocks.BLOCK_SLOTS, list(marks.old))
        found: list[int] = mine[empty].tolist()
        return found

    def _begin_judging(self, slots: Iterable[int]) -> None:
        """Series whose values mean something else from now on, as their kind changed: what was learned of them is no use."""
        mine = [slot for slot in sorted(slots) if self.parking.where[slot] != GONE]
        if mine:
            self.parking.begin_again(mine)
            self.latest.put(np.array(mine, np.int64), Scored.blank(len(mine)))
            self.dirty.touch(np.array(mine, np.int32))

    def _begin_stages(self, slots: Sequence[int], now: int) -> None:
        self.arrivals.begin(np.array(slots, np.int64), now)
        self.rules.begin(slots)

    def _admit(self, now: int, batch: Batch) -> tuple[NDArray[np.uint8], int]:
        """Reason of each row (0: accepted) and how many were accepted; what comes for a deleted series comes too late."""
        gone = self.parking.gone(batch.slot)
        if not gone.any():
            return self.arrivals.admit(batch, now, self._settings.future_ms)
        reason = np.full(len(batch), LATE, np.uint8)
        reason[~gone], accepted = self.arrivals.admit(batch.take(~gone), now, self._settings.future_ms)
        return reason, accepted

    def _bury(self, slots: Sequence[int]) -> None:
        """Nothing is left of the state of these deleted series."""
        if not slots:
            return
        gone = np.array(slots, np.int64)
        self.parking.bury(slots)
        self.heat.wipe(gone)
        self.latest.put(gone, Scored.blank(len(gone)))
        self.dirty.touch(gone.astype(np.int32))

    def _judge(self, now: int, batch: Batch, scored: Scored, commands: Sequence[Command]) -> tuple[list[Incident], list[Change]]:
        events = [e for c in commands for e in self._obey(c, now)]
        columns = self.arrivals.columns
        if len(batch):
            columns["absent"][batch.slot] = 0
        events += self.rules.update(batch, scored, columns["interval"], columns["count"], self._keys)
        return self.incidents.apply(events, self.rules.rules, self._keys, now)

    def _by_time(self, now: int) -> tuple[list[Incident], list[Change], bool]:
        columns, events = self.arrivals.columns, []
        stopped = self.arrivals.newly_absent(now)[:ABSENT_AT_ONCE]
        columns["absent"][stopped] = 1
        for slot in stopped.tolist():
            if self._keys[slot]:
                # The chance of a gap longer than all n before it is at most 1 / (n + 1).
                score = score_of(1 / (1 + float(columns["count"][slot])))
                since = int(columns["last_time"][slot] + columns["interval"][slot])
                events += self.rules.stop(slot, since, score, self._keys)
        held = len(self.rules.held)
        if held:
            parked = now - columns["last_seen"][: self.slots] > self._settings.silent_ms
            events += self.rules.release_silent(parked, columns["last_time"], now)
        incidents, changes = self.incidents.apply(events, self.rules.rules, self._keys, now)
        return incidents, changes, bool(stopped.size or events or changes or len(self.rules.held) != held)

    def _obey(self, command: Command, now: int) -> list[Event]:
        match command:
            case PutRule(rule):
                return self.rules.put(rule, self._keys, now)
            case DeleteRule(name):
                return self.rules.delete(name, now)
            case PutSilence(silence):
                self.incidents.silences[silence.id] = silence
            case DeleteSilence(id):
                self.incidents.silences.pop(id, None)
            case DeleteSeries(slots):
                gone = np.array(slots, np.int64)
                self.arrivals.columns["count"][gone] = 0
                self.rates.forget(slots)
                self._empty(slots)
                return self.rules.drop(slots, now)
            case PutKind(counter, slots):
                self.rates.put(slots, counter)
        return []

    def _empty(self, slots: Sequence[int]) -> None:
        for slot in slots:
            self._keys[slot] = ""

    def _score(self, batch: Batch) -> Scored:
        shards = self._settings.shards
        if self._pool is None or shards == 1 or len(batch) < PARALLEL_ROWS:
            return self.judge.step(batch)
        lane = self.judge.lanes(batch.slot) if isinstance(self.judge, Laned) else batch.slot
        rows = [np.flatnonzero(lane % shards == k) for k in range(shards)]
        scored = Scored.concat(list(self._pool.map(self.judge.step, [batch.take(r) for r in rows])))
        back = np.empty(len(batch), np.intp)
        back[np.concatenate(rows)] = np.arange(len(batch))
        return scored.take(back)

    def _keep(self, now: int, batch: Batch, scored: Scored) -> None:
        """What a judged batch leaves per series: changed blocks, heat, and the latest judgement of an observed sample."""
        self.dirty.touch(batch.slot)
        self.heat.advance(now)
        self.heat.update(batch, scored, now)
        seen = ~np.isnan(batch.value)
        for kept, column in zip(_columns(self.latest), _columns(scored), strict=True):
            kept[batch.slot[seen]] = column[seen]

    def _needed(self, batch: Batch) -> int:
        return max(self.slots, int(batch.slot.max()) + 1) if len(batch) else self.slots


def _kinds(commands: Sequence[Command]) -> dict[int, int]:
    """Slot -> kind of the series whose kind the commands change."""
    return {slot: int(c.counter) for c in commands if isinstance(c, PutKind) for slot in c.slots}


def _columns(scored: Scored) -> tuple[NDArray[np.generic], ...]:
    return scored.raw, scored.score, scored.segment, scored.expected, scored.low, scored.high, scored.part
