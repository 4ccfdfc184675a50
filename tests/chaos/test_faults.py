"""Crashes at every named point of the store, in one process: what was answered is stored once, and a replay is bit-equal."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import numpy as np
import pytest

from awry.core.batch import Batch
from awry.core.clock import ManualClock
from awry.core.errors import StoreUnavailable
from awry.core.series_table import SeriesTable
from awry.detection.router import Router
from awry.engine.engine import Engine
from awry.engine.settings import EngineSettings
from awry.stores.sql import open_store
from tests.chaos.journal import replayed, state_differences

BEGAN = 1_700_000_000_000
SERIES = 40
POINTS = ("commit.begin", "commit.before", "commit.after", "save.before")


class Crash:
    """Lets the chosen point be reached so many times, then fails it and every later one: the process is as good as dead."""

    def __init__(self, point: str, after: int) -> None:
        self.point, self.left, self.dead = point, after, False

    def __call__(self, point: str) -> None:
        if point == self.point:
            self.left -= 1
        self.dead = self.dead or self.left < 0
        if self.dead:
            raise StoreUnavailable(f"cannot go on: crash at {point}")


async def life(data: Path, clock: ManualClock, crash: Crash, acknowledged: int) -> int:
    """One run of the engine, from recovery until the crash (or for 40 steps); tells up to which step samples were acknowledged."""
    store = open_store(data, fault=crash)
    table = SeriesTable(clock=clock)
    engine = Engine(judge=Router(), store=store, table=table, clock=clock, settings=EngineSettings(shards=1, checkpoint_ms=1))
    try:
        async with engine:
            slots = np.array([table.intern(f'load{{host="{i}"}}') for i in range(SERIES)], np.int32)
            for step in range(acknowledged, acknowledged + 40):
                clock.ms = BEGAN + (step + 1) * 10_000
                values = np.sin(np.arange(SERIES) + step / 7) + step % 5
                batch = Batch.of(slots, np.full(SERIES, BEGAN + step * 10_000), values)
                receipt = await (await engine.put(batch, source="test"))
                assert receipt.accepted + len(receipt.rows) == SERIES
                acknowledged = step + 1
            return acknowledged
    except StoreUnavailable:
        return acknowledged
    finally:
        store.close()


@pytest.mark.slow
@pytest.mark.parametrize("point", POINTS)
def test_crash_at(point: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight crashes at this point lose nothing that was answered, store nothing twice, and leave scores and state exact."""
    monkeypatch.setattr("awry.engine.engine.STOP_SECONDS", 0.3)
    rng, clock, acknowledged = random.Random(point), ManualClock(BEGAN), 0
    for _ in range(8):
        acknowledged = max(acknowledged, asyncio.run(life(tmp_path, clock, Crash(point, rng.randrange(1, 30)), acknowledged)))
    last = asyncio.run(life(tmp_path, clock, Crash("nowhere", 1_000_000), acknowledged))
    assert acknowledged + 40 == last

    store = open_store(tmp_path)
    for slot in range(SERIES):
        assert [BEGAN + step * 10_000 for step in range(last)] == store.samples(slot, 0, 4_000_000_000_000).time.tolist()
    store.close()
    pipeline, samples, differences = replayed(tmp_path / "awry.db")
    assert [] == differences[:5]
    assert SERIES * last == samples
    assert [] == state_differences(tmp_path, pipeline)
