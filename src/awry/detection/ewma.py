"""The simplest detector: distance from an exponentially weighted mean, in standard deviations; the example to read first."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.growth import grown
from awry.core.kernel import kernel

MEAN, VARIANCE, SEEN = 0, 1, 2


@kernel
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], memory: float, warmup: int,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 3) mean, variance, samples; the other arrays: one row per sample."""
    for i in range(slot.shape[0]):
        s, x = slot[i], value[i]
        strength[i, 0] = expected[i] = low[i] = high[i] = math.nan
        if not abs(x) < 1e150:
            continue
        mean, deviation, n = state[s, MEAN], math.sqrt(state[s, VARIANCE]), state[s, SEEN]
        away = x - mean
        if n >= warmup:
            if away != 0.0:
                strength[i, 0] = 2.0 * math.log1p(abs(away) / deviation) if deviation > abs(away) * 1e-9 else 2.0 * math.log1p(1e9)
            else:
                strength[i, 0] = 0.0
            expected[i] = min(max(mean, -3e38), 3e38)
            low[i], high[i] = max(mean - 3.0 * deviation, -3e38), min(mean + 3.0 * deviation, 3e38)
        rate = max(1.0 / (n + 1.0), 1.0 / memory)
        state[s, MEAN] += rate * away
        state[s, VARIANCE] = (1.0 - rate) * (state[s, VARIANCE] + rate * away * away)
        state[s, SEEN] = n + 1.0


@dataclass
class Ewma:
    """Mean and variance over the last `memory` samples; 24 bytes a series. Values beyond 1e150 are taken as missing."""

    memory: float = 100.0
    """Samples over which a sample's weight falls to 1/e."""
    warmup: int = 32
    heads: tuple[str, ...] = ("distance",)
    parts: tuple[str, ...] = ("none", "distance")
    _state: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 3)), repr=False)
    _slots: int = 0

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._slots = max(self._slots, slots)
        self._state = grown(self._state, slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 2 ln(1 + |x - mean| / deviation), mean, and three deviations about it."""
        n = len(batch)
        strength = np.empty((n, 1), np.float32)
        expected, low, high = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
        step_rows(self._state, batch.slot, batch.value, self.memory, self.warmup, strength, expected, low, high)
        return Raw(strength, expected, low, high, (~np.isnan(strength[:, 0])).astype(np.uint8))

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return {"state": self._state[start : self._slots if stop is None else min(stop, self._slots)].copy()}

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        rows = state["state"]
        self.grow(start + rows.shape[0])
        self._state[start : start + rows.shape[0]] = rows
