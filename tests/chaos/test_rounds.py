"""Rounds of benchmarks/chaos.py: whatever befalls a server, what comes out is what an uninterrupted run gives."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from awry.core.tick import Tick
from awry.stores.sql import SqlStore
from benchmarks.chaos import Report, run
from benchmarks.chaos_life import opened
from benchmarks.chaos_wal import commits, tear
from tests.stores.ticks import tick_of


def told(report: Report) -> str:
    """Which seeds to repeat, and how."""
    return "\n".join(f"python -m benchmarks.chaos --seed {seed}: {wrong}" for seed, wrong in report.failures.items())


@pytest.mark.slow
def test_a_few_rounds_are_exact() -> None:
    """Eight rounds over two streams end in the samples, scores, incidents, changes and state of the calm runs."""
    report = run(range(8), Report())
    assert {} == report.failures, told(report)
    assert report.deaths > 8


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_hundred_rounds_are_exact() -> None:
    """A hundred rounds with other seeds; every kind of trouble occurs in them."""
    report = run(range(1000, 1100), Report())
    assert {} == report.failures, told(report)
    kinds = {"SIGKILL", "full disk", "torn log", "connection dropped", "repeated", "answer lost", "stopped", "died at clock"}
    assert kinds <= set(report.counts)


@pytest.mark.slow
def test_a_round_sees_a_lost_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that forgets one tick of several is found out."""
    whole = SqlStore.commit

    def forgetful(store: SqlStore, ticks: Sequence[Tick]) -> None:
        whole(store, [t for t in ticks if len(ticks) < 3 or t is not ticks[1]])

    monkeypatch.setattr(SqlStore, "commit", forgetful)
    assert [0] == list(run([0], Report()).failures)


def test_a_torn_log_leaves_a_prefix(tmp_path: Path) -> None:
    """Damage to the last transactions of a write-ahead log costs those and nothing before them."""
    store = opened(tmp_path / "a")
    for seq in range(1, 7):
        store.commit([tick_of(seq, 5)])
    log = (tmp_path / "a" / "awry.db-wal").read_bytes()
    file = (tmp_path / "a" / "awry.db").read_bytes()
    store.close()
    assert len(commits(log)) >= 6
    for seed in range(20):
        folder = tmp_path / f"torn{seed}"
        folder.mkdir()
        (folder / "awry.db").write_bytes(file)
        (folder / "awry.db-wal").write_bytes(log)
        assert tear(folder / "awry.db-wal", random.Random(seed))
        store = opened(folder)
        found = [tick.seq for tick in store.recover().ticks]
        store.close()
        assert list(range(1, len(found) + 1)) == found
        assert 3 <= len(found) < 6
