"""Samples that a replay has still to give to the judge: gathered over many ticks, and learned while the next ones are read."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from itertools import pairwise

import numpy as np

from awry.core.batch import Batch, Scored
from awry.core.protocols import Judge, Laned

LEAST, MOST = 100_000, 500_000
"""Samples learned in one go: when the judge is idle, and at most. Of many each series has several, one after the other; they take
a hundred MB or so."""


class Backlog:
    """Steps a judge as the ticks did, one after the other, for the state that it leaves; what was said of the samples is stored.

    How the stream is cut is nothing to a judge, so ticks need not be stepped one by one. One thread calls this. The judge may be
    at work until `settle` returns: whoever does anything else to it settles first.
    """

    def __init__(self, judge: Judge, shards: int, pool: Executor | None) -> None:
        self._judge, self._shards, self._pool = judge, shards, pool
        self._waiting: list[Batch] = []
        self._rows = 0
        self._running: list[Future[Scored]] = []

    def add(self, batch: Batch) -> None:
        """These samples come next."""
        if not len(batch):
            return
        self._waiting.append(batch)
        self._rows += len(batch)
        if self._rows >= MOST or (self._rows >= LEAST and all(step.done() for step in self._running)):
            self._begin()

    def settle(self) -> None:
        """Return when everything added is learned. Raises what the judge raised."""
        self._begin()
        self._wait()

    def _begin(self) -> None:
        """Hand over what waits, once what was handed over before is learned: series stay in order."""
        if not self._waiting:
            return
        batch, self._waiting, self._rows = Batch.concat(self._waiting), [], 0
        if self._pool is None or self._shards == 1:
            self._judge.step(batch)
            return
        self._wait()
        self._running = [self._pool.submit(self._judge.step, part) for part in self._parts(batch)]

    def _wait(self) -> None:
        running, self._running = self._running, []
        for step in running:
            step.result()

    def _parts(self, batch: Batch) -> list[Batch]:
        """The batch for each shard, the samples of a series one after the other: its state is fetched from memory once."""
        lane = self._judge.lanes(batch.slot) if isinstance(self._judge, Laned) else batch.slot
        order = np.argsort(lane, kind="stable")
        lane = lane[order]
        cuts = [int(np.searchsorted(lane, lane[len(lane) * k // self._shards])) for k in range(self._shards)] + [len(lane)]
        return [batch.take(order[begin:end]) for begin, end in pairwise(cuts) if begin < end]
