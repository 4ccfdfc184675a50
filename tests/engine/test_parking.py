"""Parking changes where a series' state is, and nothing else: not a score, not an incident, wherever the process dies."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from awry.engine import blocks, parking
from tests.engine.parking_life import CrashError, Life, stream


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


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_many_rounds(tmp_path: Path) -> None:
    """Both, with many other seeds."""
    rounds(1000, 30, tmp_path, reuse=False)
    rounds(2000, 30, tmp_path, reuse=True)
