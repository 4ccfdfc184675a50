"""Kills the server at random moments and shows that nothing acknowledged is lost, nothing counts twice, and scores stay exact."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from awry.core.series_table import SeriesTable
from awry.stores.sql import SqlStore, open_store
from tests.chaos.journal import replayed, state_differences
from tests.chaos.senders import PARTS, HttpSender, TcpSender
from tests.serving import Served

CONFIG = """
[engine]
checkpoint_interval = "1s"
queue_samples = 50000
"""
DAY_MS = 86_400_000
COUNTER = "jobs_total"
"""A sender whose series are counters: sample n has value n, a second after the one before, so that each rises by 1 per second."""


@contextmanager
def running(*jobs: threading.Thread) -> Iterator[None]:
    """Start threads; wait for their end when leaving."""
    for job in jobs:
        job.start()
    yield
    for job in jobs:
        job.join(120)
        assert not job.is_alive()


def stored_numbers(store: SqlStore, table: SeriesTable, sender: HttpSender | TcpSender) -> list[int]:
    """Numbers of a sender's stored samples in order; a number stored twice is there twice."""
    found: list[int] = []
    for part in range(PARTS):
        slot = table.find(sender.key(part))
        if slot >= 0:
            samples = store.samples(slot, 0, 4_000_000_000_000)
            if sender.name == COUNTER:
                rates = samples.value.tolist()
                assert all(np.isnan(rate) for rate in rates[:1]), "a counter's first sample has no rate"
                assert [1.0] * len(rates[1:]) == rates[1:], f"a rate of {sender.key(part)} is not exact"
                found += [(time - sender.began_ms) // 1000 for time in samples.time.tolist()]
            else:
                found += [int(value) for value in samples.value]
    return sorted(found)


def torment(data: Path, *, kills: int, seed: int) -> tuple[list[HttpSender], list[TcpSender]]:
    """Senders against a server that is killed so many times, then stopped as it should be."""
    rng = random.Random(seed)
    began = (int(time.time()) * 1000 // DAY_MS - 20) * DAY_MS
    https = [*(HttpSender(f"http_{i}", began) for i in range(2)), HttpSender(COUNTER, began)]
    again = TcpSender("tcp.again", began, random.Random(seed))
    tcps = [again]
    for kill in range(kills + 1):
        with Served.start(data, config=CONFIG) as served:
            stop = threading.Event()
            fresh = [TcpSender(f"tcp.connection{kill}_{i}", began, random.Random(seed + kill)) for i in range(2)]
            tcps += fresh
            jobs = [threading.Thread(target=sender.run, args=(served.url, stop), daemon=True) for sender in https]
            jobs += [threading.Thread(target=sender.run, args=(served.graphite, stop), daemon=True) for sender in [again, *fresh]]
            with running(*jobs):
                time.sleep(rng.uniform(0.02, 1.5))
                if kill < kills:
                    served.kill()
                else:
                    stop.set()
            if kill == kills:
                assert 0 == served.stop(), served.text()[-4000:]
        if kill < kills and rng.random() < 0.3:
            # Once more while it is starting, wherever that happens to be.
            with Served.spawn(data, config=CONFIG):
                time.sleep(rng.uniform(0.2, 3.0))
    return https, tcps


def check(data: Path, https: list[HttpSender], tcps: list[TcpSender]) -> None:
    """The promises of docs/explanation/durability.md, one by one."""
    assert [] == [problem for sender in https for problem in sender.problems]

    table = SeriesTable()
    store = open_store(data)
    try:
        table.restore(store.recover().keys)
        for sender in https:
            numbers = stored_numbers(store, table, sender)
            assert list(range(len(numbers))) == numbers, f"{sender.name}: a sample is missing or there twice"
            assert sender.next <= len(numbers), f"{sender.name}: an acknowledged sample is lost"
            assert sender.next > 0
        for line in tcps:
            numbers = stored_numbers(store, table, line)
            assert list(range(len(numbers))) == numbers, f"{line.name}: not a gapless prefix with each line once"
            assert len(numbers) <= line.sent
    finally:
        store.close()

    pipeline, samples, differences = replayed(data / "awry.db")
    assert [] == differences[:5]
    assert samples > 1000
    assert [] == state_differences(data, pipeline)


@pytest.mark.slow
def test_three_kills(tmp_path: Path) -> None:
    """After three kills, everything acknowledged is stored once, connections are gapless prefixes, and a replay is bit-equal."""
    check(tmp_path / "data", *torment(tmp_path / "data", kills=3, seed=3))


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_twenty_kills(tmp_path: Path) -> None:
    """After twenty kills, everything acknowledged is stored once, connections are gapless prefixes, and a replay is bit-equal."""
    check(tmp_path / "data", *torment(tmp_path / "data", kills=20, seed=20))
