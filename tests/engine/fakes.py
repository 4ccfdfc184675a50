"""A store in memory and a judge of ten lines, so that engine tests are about the engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np

from awry.core.batch import Arrays, Batch, Scored
from awry.core.errors import StoreUnavailable
from awry.core.tick import Block, Recovery, Tick


class MemoryStore:
    """Keeps everything it is told; `down` makes it refuse."""

    def __init__(self) -> None:
        self.ticks: list[Tick] = []
        self.saved: dict[tuple[str, int], Block] = {}
        self.down = threading.Event()

    def recover(self) -> Recovery:
        keys: list[str] = []
        kinds = bytearray()
        positions: dict[str, bytes] = {}
        for tick in self.ticks:
            for slot, key in tick.series:
                assert slot == len(keys)
                keys.append(key)
                kinds.append(slot in tick.counters)
            for slot, kind in tick.kinds:
                kinds[slot] = kind
            positions.update(tick.positions)
        last = max([t.seq for t in self.ticks] + [b.seq for b in self.saved.values()], default=0)
        return Recovery(keys, list(self.saved.values()), iter(list(self.ticks)), last, positions, kinds=bytes(kinds))

    def commit(self, ticks: Sequence[Tick]) -> None:
        if self.down.is_set():
            raise StoreUnavailable("the disk is full")
        self.ticks.extend(ticks)

    def save(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            self.saved[(block.name, block.index)] = block

    def upkeep(self, now_ms: int) -> bool:
        return False

    def close(self) -> None:
        pass


class StepJudge:
    """Score is the distance to the running mean, in tenths; judged from the fifth sample on."""

    parts = ("level",)

    def __init__(self) -> None:
        self.mean = np.zeros(0)
        self.n = np.zeros(0, np.int64)

    def grow(self, slots: int) -> None:
        if slots > self.n.shape[0]:
            self.mean = np.concatenate([self.mean, np.zeros(slots - self.n.shape[0])])
            self.n = np.concatenate([self.n, np.zeros(slots - self.n.shape[0], np.int64)])

    def step(self, batch: Batch) -> Scored:
        out = Scored.blank(len(batch))
        for i in range(len(batch)):
            s, v = batch.slot[i], batch.value[i]
            if np.isnan(v):
                continue
            if self.n[s] >= 5:
                far = min(1.0, round(abs(v - self.mean[s]) / 10, 4))
                out.raw[i] = out.score[i] = out.segment[i] = far
                out.expected[i], out.low[i], out.high[i] = self.mean[s], self.mean[s] - 1, self.mean[s] + 1
            self.n[s] += 1
            self.mean[s] += (v - self.mean[s]) / min(self.n[s], 50)
        return out

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        return {"mean": self.mean[start:stop].copy(), "n": self.n[start:stop].copy()}

    def load(self, state: Arrays, start: int = 0) -> None:
        stop = start + state["n"].shape[0]
        self.grow(stop)
        self.mean[start:stop], self.n[start:stop] = state["mean"], state["n"]
