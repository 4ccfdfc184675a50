"""One life of an engine and its store between two deaths, driven step by step in one thread; for the chaos harness.

It is the real engine, writer and SQL store, with their threads left out: what they would do in turn is done in turn here, so that a
round is decided by its seed alone and takes milliseconds.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from sqlalchemy import URL, create_engine, event
from sqlalchemy import Engine as Engine_

from awry.core.batch import Batch, Scored, Times, Values
from awry.core.clock import ManualClock
from awry.core.incident import Change, Incident
from awry.core.protocols import Store
from awry.core.series_table import SeriesTable
from awry.core.tick import Block, Recovery, Tick
from awry.detection.calibration import Prior
from awry.detection.router import Router
from awry.engine import blocks, writer
from awry.engine.commands import Command, DeleteSeries, PutKind
from awry.engine.departed import reusable
from awry.engine.engine import Engine
from awry.engine.intake import Intake
from awry.engine.settings import EngineSettings
from awry.engine.writer import Work
from awry.stores import connect, rewrite, seal
from awry.stores.connect import FILE_NAME
from awry.stores.sql import SqlStore, open_store
from benchmarks.chaos_stream import T0, Forget, Retype, Step

OPTIONS: dict[str, Any] = {
    "seal_samples": 150, "seal_rows_each": 1, "slice_ms": 0.0, "journal_keep_ms": 60_000, "merge_rows": 400, "seal_age_ms": 60_000,
}  # fmt: skip
"""Everything that upkeep does within hours happens within a minute."""
SOURCE = "chaos"


@contextmanager
def small() -> Iterator[None]:
    """Blocks of four series and chunks of fifty samples, so that a round has many of each; and no waiting for a broken store."""
    with (
        patch.object(connect, "create_engine", _create_engine),
        patch.object(Prior, "shipped", lru_cache(Prior.shipped)),
        patch.object(blocks, "BLOCK_SLOTS", 4),
        patch.object(seal, "_PIECE_ROWS", 50),
        patch.object(rewrite, "_MANY", 3),
        patch.object(writer, "RETRY_SECONDS", 0.0),
    ):
        yield


_first_of_all: dict[str, Engine_] = {}


def _create_engine(url: URL, **options: Any) -> Engine_:
    """As SQLAlchemy's, but statements are compiled once a process instead of once a life: that took most of the time of a round."""
    made = create_engine(url, **options)
    first = _first_of_all.setdefault(url.drivername, made)
    made.dialect, made._compiled_cache = first.dialect, first._compiled_cache
    return made


class Death(BaseException):
    """The process ends here; not an Exception, so that nothing handles it."""


@dataclass
class Trouble:
    """A store's fault hook: a disk that fills up now and then, and one death after so many points.

    At a death `last_words` runs first: it keeps the files as they are at that moment, or kills the process for good.
    """

    rng: random.Random
    counts: Counter[str]
    left: int
    full: float
    """Chance of a full disk at each point."""
    last_words: Callable[[], None]
    _full_for: int = 0

    def passed(self, point: str) -> None:
        """One more point, where life may end."""
        self.left -= 1
        if self.left <= 0:
            self.counts[f"died at {point}"] += 1
            self.last_words()
            raise Death(point)

    def __call__(self, point: str) -> None:
        self.passed(point)
        if self._full_for:
            self._full_for -= 1
        elif self.rng.random() < self.full:
            self._full_for = self.rng.randrange(4)
            self.counts["full disk"] += 1
        else:
            return
        if self.rng.random() < 0.5:
            raise OSError(28, "No space left on device")
        raise sqlite3.OperationalError("database or disk is full")


@dataclass(slots=True)
class MortalClock(ManualClock):
    """A clock at each reading of which the process may die: before a tick is decided, or after and before it is written."""

    trouble: Trouble | None = None

    def now_ms(self) -> int:
        """The time last set."""
        if self.trouble is not None:
            self.trouble.passed("clock")
        return self.ms


class CalmStore:
    """Keeps every tick in memory and never fails: what an uninterrupted run would have stored."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []

    def recover(self) -> Recovery:
        """Nothing was stored."""
        return Recovery([], [], iter(()), 0, {})

    def commit(self, ticks: Sequence[Tick]) -> None:
        """Remember them."""
        self.ticks += ticks

    def save(self, blocks: Sequence[Block]) -> None:
        """Not needed."""

    def upkeep(self, now_ms: int) -> bool:
        """Nothing to do."""
        return False

    def parked(self, slots: Sequence[int], seq: int) -> dict[int, bytes]:
        """Of these slots, the state that was parked last before tick seq."""
        return {slot: data for tick in self.ticks if tick.seq < seq for slot, data in tick.parked if slot in slots}

    def reusable(self) -> tuple[int, ...]:
        """None: which slots are free depends on how far the store has come with its chores."""
        return ()

    def close(self) -> None:
        """Nothing to close."""


@dataclass
class Life:
    """An engine over a store, from recovery on."""

    store: Store
    clock: ManualClock = field(default_factory=lambda: ManualClock(T0))
    reached: int = -1
    """The last step whose rows are stored, by the source's position; -1: none."""
    reuse: bool = False
    """Whether slots of deleted series go to new ones, as on a server."""

    def __post_init__(self) -> None:
        self.table = SeriesTable(clock=self.clock)
        settings = EngineSettings(shards=1)
        self.engine = Engine(judge=Router(), store=self.store, table=self.table, clock=self.clock, settings=settings)
        self.table.restore(*self.engine._recover())
        self.pipeline = self.engine._pipeline
        if self.reuse:
            self.table.free(reusable(self.store))
            self.engine._writer._freed = self.table.free
        self.pipeline.grow(len(self.table))
        self.reached = int(self.engine.positions.get(SOURCE, b"-1"))

    def decide(self, number: int, step: Step, *, again: bool = False, cut: int | None = None) -> None:
        """Take in one step and decide its tick. `again`: its rows only, as a sender repeats what was stored long ago.

        Rows too far ahead of the clock then are not repeated: a clock that was put right since would let them in. `cut`: only so
        many of its rows came before the connection broke off.
        """
        self.clock.ms = step.clock
        command = None if again or cut is not None else self._command(step)
        most = step.clock + self.engine.settings.future_ms if again else 1 << 62
        rows = [(self.table.intern_text(key), time, value) for key, time, value in step.rows[:cut] if time <= most]
        batch = Batch.of([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
        position = None if again or cut is not None else str(number).encode()
        self.engine._decide([Intake(batch, SOURCE, 0, position, command)], {})

    def timers(self, step: Step) -> None:
        """What time alone changes a moment after a step."""
        self.clock.ms = step.clock + 1
        tick = self.pipeline.timers(self.engine._tick_time())
        if tick is not None:
            self.engine._writer.put(Work(tick))

    def checkpoint(self, *, whole: bool = False) -> None:
        """Save the next block, or all that changed, as at a stop."""
        found = self.pipeline.changed_blocks() if whole else self.pipeline.next_block()
        self.engine._writer.put(Work(blocks=tuple(found)))

    def write(self) -> None:
        """What the writer's thread does: everything that waits in one transaction, however often it takes, and some upkeep."""
        waiting = self.engine._writer._queue
        if not waiting.empty():
            batch, _ = self.engine._writer._gather(waiting.get_nowait())  # type: ignore[arg-type]  # nobody stops it
            self.engine._writer._write(batch)

    @property
    def now(self) -> int:
        """Time of the last tick, in Unix ms."""
        return self.engine._now

    @property
    def waiting(self) -> int:
        """Ticks and blocks not yet written."""
        return self.engine._writer._queue.qsize()

    def _command(self, step: Step) -> Command | None:
        if isinstance(step.command, Forget):
            slot = self.table.find(step.command.key)
            self.table.forget([slot] if slot >= 0 else [])
            return DeleteSeries((slot,) if slot >= 0 else ())
        if isinstance(step.command, Retype):
            slot = self.table.find(step.command.key)
            slots = (slot,) if slot >= 0 else ()
            self.table.put_kind(slots, step.command.counter)
            return PutKind(step.command.counter, slots)
        return step.command


@dataclass(frozen=True)
class Outcome:
    """What is left at the end: samples with scores by slot (or key), incidents, changes, and the engine's whole state."""

    keys: list[str]
    samples: Mapping[int | str, Mapping[str, bytes]]
    incidents: list[Incident]
    changes: list[Change]
    state: dict[str, bytes]

    @property
    def rows(self) -> int:
        """How many samples there are."""
        return sum(len(columns["time"]) // 8 for columns in self.samples.values())

    def by_key(self) -> Outcome:
        """The same without slots and the state that is kept by slot: which slot a series gets depends on the store's chores."""
        samples = {self.keys[slot]: columns for slot, columns in self.samples.items() if isinstance(slot, int)}
        incidents = [_without_slots(incident) for incident in self.incidents]
        changes = [replace(change, incident=_without_slots(change.incident)) for change in self.changes]
        return Outcome(sorted(filter(None, self.keys)), samples, incidents, changes, {})

    def differences(self, other: Outcome) -> list[str]:
        """Names of what is not equal; bit for bit."""
        found = [] if self.keys == other.keys else ["keys"]
        for series in sorted(self.samples.keys() | other.samples.keys(), key=str):
            mine, theirs = self.samples.get(series, {}), other.samples.get(series, {})
            found += [
                f"series {series} {name}" for name in sorted(mine.keys() | theirs.keys()) if mine.get(name) != theirs.get(name)
            ]
        found += [f"incident {a and a.id} {b and b.id}" for a, b in _pairs(self.incidents, other.incidents) if a != b]
        found += [f"change {a and a.number} {b and b.number}" for a, b in _pairs(self.changes, other.changes) if a != b]
        names = sorted(self.state.keys() | other.state.keys())
        return found + [f"state {name}" for name in names if self.state.get(name) != other.state.get(name)]


def _without_slots(incident: Incident) -> Incident:
    return replace(incident, series=tuple(replace(one, slot=0) for one in incident.series))


def _pairs(mine: Sequence[Any], theirs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    return zip_longest(mine, theirs)


_SCORES = ("raw", "score", "segment", "expected", "low", "high", "part")


def _columns(time: Times, value: Values, scored: Scored) -> dict[str, bytes]:
    found = {"time": time.tobytes(), "value": value.tobytes()}
    return found | {name: getattr(scored, name).tobytes() for name in _SCORES}


def _state(life: Life) -> dict[str, bytes]:
    pipeline = life.pipeline
    wanted = range(-(-pipeline.slots // blocks.BLOCK_SLOTS))
    found = [b for b in blocks.collect(pipeline, wanted) if b.name == "series" and b.arrays]
    found.append(blocks.stages(pipeline))
    return {f"{b.name} {b.index} {name}": np.ascontiguousarray(a).tobytes() for b in found for name, a in b.arrays.items()}


def calm_outcome(life: Life, store: CalmStore) -> Outcome:
    """From the ticks of a run that nothing interrupted."""
    rows: dict[int, list[tuple[Batch, Scored]]] = {}
    incidents: dict[str, Incident] = {}
    for tick in store.ticks:
        for slot in np.unique(tick.batch.slot).tolist():
            mine = tick.batch.slot == slot
            rows.setdefault(slot, []).append((tick.batch.take(mine), tick.scored.take(mine)))
        for slot in tick.deleted:
            rows.pop(slot, None)
        incidents |= {incident.id: incident for incident in tick.incidents}
    samples: dict[int | str, dict[str, bytes]] = {}
    for slot, parts in rows.items():
        batch, scored = Batch.concat([p[0] for p in parts]), Scored.concat([p[1] for p in parts])
        samples[slot] = _columns(batch.time, batch.value, scored)
    changes = [change for tick in store.ticks for change in tick.changes]
    return Outcome(list(life.table.keys), samples, sorted(incidents.values(), key=lambda i: i.id), changes, _state(life))


def stored_outcome(life: Life, store: SqlStore, state: dict[str, bytes] | None = None) -> Outcome:
    """What a reader of the store finds. state: the engine's, where it is known."""
    samples: dict[int | str, dict[str, bytes]] = {}
    for slot in range(len(life.table)):
        found = store.samples(slot, 0, 1 << 60)
        if len(found):
            samples[slot] = _columns(found.time, found.value, found.scored)
    incidents = sorted(store.incidents(limit=100_000)[0], key=lambda i: i.id)
    return Outcome(list(life.table.keys), samples, incidents, store.changes(limit=1_000_000), state or _state(life))


def opened(folder: Path, trouble: Trouble | None = None) -> SqlStore:
    """A store in a folder, with every statement of its writer a point of the fault hook too."""
    if trouble is None:
        return open_store(folder, **OPTIONS)
    store = open_store(folder, fault=trouble, synchronous="NORMAL", **OPTIONS)

    def statement(connection: object, cursor: object, text: str, *rest: object) -> None:
        words = text.split()
        trouble("statement " + " ".join(words[:3] if words[0] in ("INSERT", "DELETE") else words[:2]).lower())

    event.listen(store._database._write_engine, "before_cursor_execute", statement)
    return store


def keep_files(folder: Path, kept: Path) -> None:
    """What another process would find if this one died now: its transaction unfinished, the log as it is."""
    kept.mkdir()
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        if (folder / name).exists():
            shutil.copyfile(folder / name, kept / name)


def kill_self() -> None:
    """SIGKILL."""
    os.kill(os.getpid(), signal.SIGKILL)
