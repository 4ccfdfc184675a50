"""A simulated month in minutes tells whether all stays flat: series come and go, restarts, retention, daylight saving, silences.

`python -m benchmarks.soak --json` drives the engine and an SQLite store by a manual clock, and samples memory, file size, slots and
processor time per tick (upkeep included; files lie in memory, and other work on the machine does not count) each simulated day.
Flat means: the mean of the last third is within a tenth of the middle third's. Writes results/soak.json.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import psutil

from awry.core.batch import Batch
from awry.core.clock import ManualClock
from awry.core.placement import Place, Placement
from awry.core.rule import Rule, Silence
from awry.core.series_table import SeriesTable
from awry.detection.router import Router
from awry.engine.commands import Command, DeleteSeries, PutRule, PutSilence
from awry.engine.engine import Engine
from awry.engine.intake import Intake
from awry.engine.settings import EngineSettings
from awry.engine.writer import Work
from awry.stores.sql import SqlStore, open_store
from benchmarks.chaos import scratch
from benchmarks.machine import machine

RESULTS = Path(__file__).parent / "results" / "soak.json"
BEGAN = int(datetime(2025, 10, 10, tzinfo=UTC).timestamp() * 1000)
"""Clocks in Berlin go back on the 26th, in the middle of the month."""
MINUTE_MS, DAY_MS = 60_000, 86_400_000
CHURN = 0.05
"""Share of the series that are replaced each day."""
RETENTION_DAYS, RESTART_DAYS = 7, 4
PARKED_MS = DAY_MS
FLAT = 0.1
MEASURES = ("memory_mib", "file_mib", "slots", "p50_ms", "p99_ms", "mean_ms")


@dataclass
class Day:
    """What one simulated day came to."""

    day: int
    memory_mib: float
    file_mib: float
    p50_ms: float
    """Processor time of a tick: deciding, storing, checkpoints and upkeep."""
    p99_ms: float
    mean_ms: float
    slots: int
    """Rows of state: of series that send, are parked, or were deleted and wait for another."""
    incidents: int
    silences: int


@dataclass
class Soak:
    """One run: the world outside, and the server between two restarts."""

    folder: Path
    series: int
    step_ms: int = MINUTE_MS
    days: list[Day] = field(default_factory=list)
    changes: int = 0
    """What a notifier would have been told."""

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(1)
        self.clock = ManualClock(BEGAN)
        self.names = list(range(self.series))
        self.next_name = self.series
        self.levels = self.rng.uniform(10, 100, self.series)
        self.start()

    def start(self) -> None:
        """Open the store and recover, as a server does."""
        self.store: SqlStore = open_store(self.folder, retention_ms=RETENTION_DAYS * DAY_MS)
        self.table = SeriesTable(clock=self.clock)
        settings = EngineSettings(shards=1, silent_ms=PARKED_MS, forget_ms=RETENTION_DAYS * DAY_MS)
        placement = Placement(default=Place(time_zone="Europe/Berlin"))
        judge = Router(placement)
        self.engine = Engine(judge=judge, store=self.store, table=self.table, clock=self.clock, settings=settings)
        self.table.restore(*self.engine._recover())
        self.table.free(self.store.reusable())
        self.engine._writer._freed = self.table.free
        self.pipeline = self.engine._pipeline
        self.pipeline.grow(len(self.table))
        self.slots = self.find()

    def stop(self) -> None:
        """A clean stop: the last checkpoint, and the store is closed."""
        self.engine._writer.put(Work(blocks=tuple(self.pipeline.changed_blocks())))
        self.write()
        self.store.close()
        del self.engine, self.pipeline, self.table, self.store
        gc.collect()  # a server's memory ends with its process

    def find(self) -> np.ndarray:
        """Slots of the series that send now."""
        return np.array([self.table.intern(f'load{{host="h{n % 40}",n="{n}"}}') for n in self.names], np.int32)

    def write(self) -> None:
        """What the writer's thread does with everything that waits."""
        waiting = self.engine._writer._queue
        while not waiting.empty():
            batch, _ = self.engine._writer._gather(waiting.get_nowait())  # type: ignore[arg-type]  # nobody stops it
            self.engine._writer._write(batch)
            self.changes += sum(len(work.tick.changes) for work in batch if work.tick is not None)

    def command(self, command: Command) -> None:
        """A person does something."""
        self.engine._decide([Intake(Batch.empty(), "", 0, None, command)], {})
        self.write()

    def forget(self, slots: Sequence[int]) -> None:
        """Series are deleted: a person says so, or no sample of them is kept any more."""
        if slots:
            self.table.forget(slots)
            self.command(DeleteSeries(tuple(slots)))

    def run_day(self, number: int) -> None:
        """One day of samples; some series are replaced, some are deleted, a silence is made, some values are strange."""
        self._churn(number)
        start, took = BEGAN + number * DAY_MS, []
        strange = self.rng.integers(0, DAY_MS // self.step_ms - 10, 12)
        for at in range(DAY_MS // self.step_ms):
            now = start + at * self.step_ms
            self.clock.ms = now + 500
            hours = (now % DAY_MS) / DAY_MS * 2 * np.pi
            values = self.levels * (1 + 0.3 * np.sin(hours)) + self.rng.normal(0, 1, self.series)
            for k, begin in enumerate(strange):
                if begin <= at < begin + 8:
                    values[k * 7 : k * 7 + 3] *= 4
            began = time.process_time()
            self.engine._decide([Intake(Batch.of(self.slots, np.full(self.series, now), values), "soak", 0, b"%d" % now)], {})
            tick = self.pipeline.timers(self.engine._tick_time())
            if tick is not None:
                self.engine._writer.put(Work(tick))
            if at % 5 == 0:
                self.engine._writer.put(Work(blocks=tuple(self.pipeline.next_block())))
                self.forget(self.engine._departed.find(self.engine._now))
            self.write()
            while at % 5 == 0 and self.store.upkeep(self.clock.ms):
                pass
            took.append(1000 * (time.process_time() - began))
        self.days.append(self._measured(number, took))

    def _churn(self, number: int) -> None:
        gone = self.rng.choice(self.series, max(1, int(CHURN * self.series)), replace=False)
        old = self.slots[gone]
        for place in gone:
            self.names[place], self.next_name = self.next_name, self.next_name + 1
        if number % 2:  # every other day a person deletes what is gone; otherwise it falls silent and is parked
            self.forget(old.tolist())
        if number == 0:
            self.command(PutRule(Rule(name="strange", threshold=0.4, keep_for_ms=300_000, group_by=("host",))))
        now = self.clock.ms
        self.command(PutSilence(Silence(id=f"s{number}", selector='{host="h1"}', start=now, end=now + 3_600_000)))
        self.slots = self.find()

    def _measured(self, number: int, took: Sequence[float]) -> Day:
        stats = self.store.stats()
        p50, p99 = np.percentile(took, [50, 99]).tolist()
        memory = psutil.Process().memory_info().rss
        return Day(
            number, round(memory / 2**20, 1), round(stats["bytes"] / 2**20, 2), round(p50, 3), round(p99, 3),
            round(float(np.mean(took)), 3), len(self.table),
            len(self.pipeline.incidents.open), len(self.pipeline.incidents.silences),
        )  # fmt: skip


def thirds(days: Sequence[Day], measure: str) -> tuple[float, float]:
    """Means of the middle and of the last third, of as many days each: days are of two kinds, in turn, so a median would jump."""
    values, third = [getattr(day, measure) for day in days], len(days) // 3
    return statistics.fmean(values[-2 * third : -third]), statistics.fmean(values[-third:])


def soak(folder: Path, *, series: int, days: int, step_ms: int = MINUTE_MS) -> Soak:
    """Run so many days, with a restart every few."""
    run = Soak(folder, series, step_ms)
    for number in range(days):
        if number and number % RESTART_DAYS == 0:
            run.stop()
            run.start()
        run.run_day(number)
        print(asdict(run.days[-1]), file=sys.stderr, flush=True)
    run.stop()
    return run


def main() -> None:
    """Run, print the thirds, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=1000)
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--step-seconds", type=int, default=60)
    parser.add_argument("--json", action="store_true", help=f"write {RESULTS.name}")
    arguments = parser.parse_args()
    named, began = machine(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="awry-soak-", dir=scratch()) as folder:
        run = soak(Path(folder), series=arguments.series, days=arguments.days, step_ms=1000 * arguments.step_seconds)
    found: dict[str, object] = {
        "machine": named,
        "series": arguments.series,
        "days": arguments.days,
        "step_seconds": arguments.step_seconds,
    }
    found |= {"seconds": round(time.monotonic() - began, 1), "changes": run.changes}
    for measure in MEASURES:
        middle, last = thirds(run.days, measure)
        found[measure] = {
            "middle": round(middle, 3),
            "last": round(last, 3),
            "ratio": round(last / middle, 3),
            "flat": abs(last / middle - 1) <= FLAT,
        }
        print(f"{measure:>12}: middle third {middle:10.3f}, last third {last:10.3f}, ratio {last / middle:.3f}")
    if arguments.json:
        RESULTS.write_text(json.dumps({**found, "by_day": [asdict(day) for day in run.days]}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
