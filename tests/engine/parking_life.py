"""A life of a few hundred ticks in which series stop, are parked, come back, die and give their slots away; with crashes in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from awry.core.batch import Batch
from awry.core.incident import Incident
from awry.core.rule import Rule
from awry.core.series_table import SeriesTable
from awry.core.tick import Tick
from awry.detection.router import Router
from awry.engine.commands import Command, DeleteSeries, PutRule
from awry.engine.departed import Departed
from awry.engine.parking import AWAY, GONE
from awry.engine.pipeline import Pipeline
from awry.engine.settings import EngineSettings
from awry.stores import open_store
from awry.stores.sql import SqlStore

T0 = 1_760_000_000_000
STEP = 10_000
PARKED, FORGOTTEN = 12 * STEP, 60 * STEP
SETTINGS = EngineSettings(shards=1, silent_ms=PARKED, forget_ms=FORGOTTEN)
OPTIONS = {"seal_samples": 400, "journal_keep_ms": 20 * STEP, "retention_ms": 2 * FORGOTTEN, "synchronous": "NORMAL"}


class CrashError(BaseException):
    """The process dies here; not an Exception, so that nothing handles it."""


def stream(seed: int, ticks: int, names: int) -> list[tuple[int, list[str], np.ndarray]]:
    """(tick, keys, values): series come, stop for less and more than it takes to be parked or forgotten, and send again."""
    rng = np.random.default_rng(seed)
    sending = rng.random(names) < 0.5
    until = rng.integers(5, 60, names)
    out = []
    for i in range(ticks):
        turn = until == i
        sending ^= turn
        until[turn] += np.where(sending[turn], rng.integers(20, 80, turn.sum()), rng.integers(5, 110, turn.sum()))
        mine = np.flatnonzero(sending & (np.arange(names) <= i // 2))
        values = rng.normal(5, 1, len(mine)) + 20 * (rng.random(len(mine)) < 0.02)
        out.append((T0 + STEP * i + 3, [f"s{k}" for k in mine], values))
    return out


class Life:
    """One process: recovers from the store, then decides and commits as the engine does, until the stream ends or it dies."""

    def __init__(
        self, path: Path | str, fault: Callable[[str], None] = lambda _: None, *, reuse: bool, group: int = 3,
        settings: EngineSettings = SETTINGS, **options: Any,
    ) -> None:  # fmt: skip
        self.store: SqlStore = open_store(path, fault=fault, **(OPTIONS | options))
        self.table = SeriesTable()
        self.judge = Router()
        self._reuse, self._group, self._settings = reuse, group, settings
        found = self.store.recover()
        keys = list(found.keys)
        self.pipeline = Pipeline(self.judge, keys, settings, fetch=self.store.parked)
        marks = self.pipeline.load(found.blocks)
        self.pipeline.replay(found.ticks, marks)
        self.pipeline.seq = max(self.pipeline.seq, found.last_seq)
        self.pipeline.incidents.number_after(found.last_incident, found.last_change)
        self.table.restore(keys)
        self.pipeline.use_keys(self.table.keys, self.table.kinds)
        self.pipeline.grow(len(self.table))
        if reuse:
            self.table.free(self.store.reusable())
        self.done = int(found.positions.get("at", b"0"))
        self.parked = self.returned = self.died = 0
        self.kept_from = 0
        """Nothing after this can have been deleted for its age."""

    def run(self, steps: Iterable[tuple[int, list[str], np.ndarray]]) -> Life:
        waiting: list[Tick] = []
        departed = Departed(self.pipeline, self._settings.forget_ms)
        for i, (now, keys, values) in enumerate(steps):
            if now <= self.done:
                continue
            commands: list[Command] = [PutRule(Rule(name="r", threshold=0.35, absent=True))] if i == 0 else []
            dead = departed.still(departed.find(now - STEP))
            if dead:
                self.table.forget(dead)
                commands.append(DeleteSeries(dead))
                self.died += len(dead)
            batch = Batch.of([self.table.intern(key) for key in keys], [now - 3] * len(keys), values)
            tick, _ = self.pipeline.step(now, batch, commands, {"at": str(now).encode()})
            timer = self.pipeline.timers(now + 1)
            waiting += [tick, timer] if timer else [tick]
            self.returned += len(tick.back)
            self.parked += len(timer.parked) if timer else 0
            if i % self._group == 0:
                self._commit(waiting, now)
                waiting = []
        self._commit(waiting, now)
        self.kept_from = now - FORGOTTEN
        return self

    def _commit(self, waiting: list[Tick], now: int) -> None:
        self.store.commit(waiting)
        self.pipeline.parking.committed = self.pipeline.seq
        self.store.save(self.pipeline.next_block())
        for _ in range(10):
            if not self.store.upkeep(now):
                break
        freed = self.store.reusable()
        if self._reuse:
            self.table.free(freed)

    def by_key(self) -> dict[str, tuple[object, ...]]:
        """Of each series that exists: its samples with scores, and its detector's state, in memory or parked."""
        seen: dict[str, tuple[object, ...]] = {}
        for slot, key in enumerate(self.table.keys):
            where = self.pipeline.parking.where[slot] if slot < self.pipeline.slots else GONE
            if not key or where == GONE:
                continue
            r = self.store.samples(slot, self.kept_from, 1 << 60)
            blob = self.store.parked([slot], 1 << 60)[slot] if where == AWAY else self.judge.park([slot])[0]
            if where != AWAY:
                self.judge.unpark([slot], [blob])
            arrivals = [float(column[slot]) for column in self.pipeline.arrivals.columns.values()]
            seen[key] = (r.time.tolist(), r.value.tolist(), r.scored.score.tobytes(), r.scored.raw.tobytes(), blob, arrivals)
        return seen

    def told(self) -> tuple[object, ...]:
        """What people were told, whatever the slots."""
        incidents = [_without_slots(i) for i in self.store.incidents(limit=1000, start=self.kept_from)[0]]
        changes = [c for c in self.store.changes(limit=100_000) if c.time >= self.kept_from]
        changes = [replace(c, incident=_without_slots(c.incident)) for c in changes]
        return incidents, changes


def _without_slots(incident: Incident) -> Incident:
    return replace(incident, series=tuple(replace(s, slot=0) for s in incident.series))
