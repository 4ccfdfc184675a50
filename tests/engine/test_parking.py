"""Parking changes where a series' state is, and nothing else: not a score, not an incident, wherever the process dies."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from awry.engine import blocks, parking
from awry.engine.parking import AWAY
from awry.engine.settings import EngineSettings
from tests.engine.parking_life import T0, CrashError, Life, stream

HOUR, DAY = 3_600_000, 86_400_000


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many blocks of few series, and few series parked at once."""
    monkeypatch.setattr(blocks, "BLOCK_SLOTS", 4)
    monkeypatch.setattr(blocks, "RENEW_COLUMNS", 1)
    monkeypatch.setattr(parking, "AT_ONCE", 3)


def crashing(seed: int, path: Path, ticks: int, names: int, *, reuse: bool) -> tuple[Life, int]:
    """Run with crashes at random fault points until it comes through; and how often it died."""
    rng, deaths = random.Random(seed), 0
    running: list[Life] = []

    def fault(point: str) -> None:
        if deaths < 15 and rng.random() < 0.02:
            raise CrashError(point)

    while True:
        try:
            running.append(Life(path, fault, reuse=reuse, group=rng.choice([1, 3, 7])))
            return running[-1].run(stream(seed, ticks, names)), deaths
        except CrashError:
            deaths += 1
            running[-1].store.close()


def rounds(first: int, count: int, tmp_path: Path, *, reuse: bool) -> None:
    for seed in range(first, first + count):
        ticks, names = 400, 10
        calm = Life(tmp_path / f"calm{seed}", reuse=False).run(stream(seed, ticks, names))
        assert min(calm.parked, calm.returned, calm.died) > 0
        rough, deaths = crashing(seed, tmp_path / f"rough{seed}", ticks, names, reuse=reuse)
        assert deaths > 0
        assert calm.by_key() == rough.by_key()
        if reuse:
            assert len(calm.table) > len(rough.table)
        else:  # the order of series within an incident goes by slot
            assert calm.told() == rough.told()
        calm.store.close()
        rough.store.close()


@pytest.mark.slow
def test_crashes_change_nothing_when_series_are_parked(tmp_path: Path) -> None:
    """Runs with a dozen crashes each, between any two writes, equal the calm run: samples, scores, state, incidents."""
    rounds(0, 1, tmp_path, reuse=False)


@pytest.mark.slow
def test_crashes_change_nothing_when_slots_are_reused(tmp_path: Path) -> None:
    """The same where new series get the slots of deleted ones: a series is the same in whatever slot it is."""
    rounds(100, 1, tmp_path, reuse=True)


def churn(first: int, days: int) -> list[tuple[int, list[str], np.ndarray]]:
    """A thousand series, one sample in four hours each; a twentieth of them are replaced by new ones every day."""
    rng = np.random.default_rng(7)
    steps = []
    for i in range(first * 6, (first + days) * 6):
        oldest = 50 * (i // 6)
        steps.append((T0 + i * 4 * HOUR + 3, [f"pod{k}" for k in range(oldest, oldest + 1000)], rng.normal(5, 1, 1000)))
    return steps


@pytest.mark.slow
def test_churn_keeps_memory_and_slots_flat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixty days of a twentieth new series a day, a restart in every ten: rows of state follow the series that live, slots
    those that have samples."""
    monkeypatch.undo()
    settings = EngineSettings(shards=1, silent_ms=DAY, forget_ms=10 * DAY)
    rows, slots, waiting = [], [], []
    options: dict[str, Any] = {"retention_ms": 10 * DAY, "seal_samples": 20_000, "journal_keep_ms": HOUR}
    for part in range(6):
        life = Life(tmp_path, reuse=True, group=1, settings=settings, **options).run(churn(10 * part, 10))
        rows.append(life.judge._benches[0].used)
        slots.append(len(life.table))
        waiting.append(life.pipeline.parking.where[: life.pipeline.slots].tolist().count(AWAY))
        life.store.close()
    assert life.table.reused > 0
    assert max(rows) < 1500
    assert max(slots) < 1700
    assert max(waiting) < 600


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_many_rounds(tmp_path: Path) -> None:
    """Both, with many other seeds."""
    rounds(1000, 30, tmp_path, reuse=False)
    rounds(2000, 30, tmp_path, reuse=True)
