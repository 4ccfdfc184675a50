"""Whatever moment the process dies at, what comes out is what an uninterrupted run gives: samples, scores, incidents, state."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from awry.core.batch import Batch
from awry.core.rule import Rule
from awry.core.tick import Tick
from awry.engine import blocks
from awry.engine.commands import Command, PutRule
from awry.engine.pipeline import Pipeline
from awry.engine.settings import EngineSettings
from awry.stores import open_store
from awry.stores.sql import SqlStore
from tests.engine.fakes import StepJudge
from tests.engine.test_pipeline import state

T0 = 1_760_000_000_000
KEYS = [f"s{i}" for i in range(40)]
TICKS = 120


class CrashError(BaseException):
    """The process dies here; not an Exception, so that nothing handles it."""


def stream(seed: int) -> list[tuple[int, Batch, list[Command]]]:
    """(tick, batch, commands) of a run: most series each time, some late rows, some giants, one rule."""
    rng = np.random.default_rng(seed)
    steps: list[tuple[int, Batch, list[Command]]] = []
    for i in range(TICKS):
        slots = np.flatnonzero(rng.random(len(KEYS)) < 0.8)
        slots = slots[slots <= i]  # series keep appearing
        values = rng.normal(5, 1, len(slots)) + 20 * (rng.random(len(slots)) < 0.02)
        times = T0 + 10_000 * i - 30_000 * (rng.random(len(slots)) < 0.05)
        steps.append(
            (T0 + 10_000 * i + 3, Batch.of(slots, times, values), [PutRule(Rule(name="r", threshold=0.5))] if i == 0 else [])
        )
    return steps


def run(path: Path, seed: int, fault: Callable[[str], None]) -> tuple[Pipeline, SqlStore]:
    """Drive the stream from wherever the store stands, saving blocks and doing upkeep as the engine would."""
    store = open_store(path, fault=fault, seal_samples=500)
    found = store.recover()
    pipeline = Pipeline(StepJudge(), KEYS, EngineSettings(shards=1))
    marks = pipeline.load(found.blocks)
    done = T0 - 1
    for tick in found.ticks:
        pipeline.replay(tick, marks)
    if "at" in found.positions:
        done = int(found.positions["at"])
    try:
        for now, batch, commands in stream(seed):
            if now <= done:
                continue
            ticks: list[Tick] = [pipeline.step(now, batch, commands, {"at": str(now).encode()})[0]]
            timer = pipeline.timers(now + 1)
            store.commit([*ticks, timer] if timer else ticks)
            store.save(pipeline.next_block())
            store.upkeep(now)
    except CrashError:
        store.close()
        raise
    return pipeline, store


def outcome(pipeline: Pipeline, store: SqlStore) -> tuple[object, ...]:
    rows = [store.samples(slot, 0, 1 << 60) for slot in range(len(KEYS))]
    columns = [(r.time.tolist(), r.value.tolist(), r.scored.score.tobytes(), r.scored.raw.tobytes()) for r in rows]
    incidents = store.incidents(limit=1000)[0]
    changes = store.changes(limit=100_000)
    store.close()
    return columns, incidents, changes, state(pipeline)


def crashing(seed: int, directory: Path) -> tuple[tuple[object, ...], int]:
    """Run with crashes at random fault points until it comes through; the outcome and how often it died."""
    rng, deaths = random.Random(seed), 0

    def fault(point: str) -> None:
        if deaths < 12 and rng.random() < 0.02:
            raise CrashError(point)

    while True:
        try:
            return outcome(*run(directory / "awry.db", seed, fault)), deaths
        except CrashError:
            deaths += 1


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forty series are ten blocks, so that blocks of every age are replayed."""
    monkeypatch.setattr(blocks, "BLOCK_SLOTS", 4)


def rounds(count: int, first: int, tmp_path: Path) -> None:
    for seed in range(first, first + count):
        calm, rough = tmp_path / f"calm{seed}", tmp_path / f"rough{seed}"
        calm.mkdir()
        rough.mkdir()
        expected = outcome(*run(calm / "awry.db", seed, lambda point: None))
        actual, deaths = crashing(seed, rough)
        assert deaths > 0
        assert expected == actual


@pytest.mark.slow
def test_crashes_change_nothing(tmp_path: Path) -> None:
    """Five runs with up to a dozen crashes each between any two writes equal the calm run."""
    rounds(5, 0, tmp_path)


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_hundred_rounds_of_crashes(tmp_path: Path) -> None:
    """The same, a hundred times with other seeds."""
    rounds(100, 1000, tmp_path)
