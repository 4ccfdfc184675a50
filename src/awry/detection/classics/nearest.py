"""Has this shape been seen lately: exact distance to the nearest of the last 512 windows; the strongest simple baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import allocating, kernel
from awry.detection.classics.rows import NORMAL_FROM_MEAN, USABLE, Rows, blank, check_options, printable, strength_of
from awry.detection.shape import least

LENGTH = 8
"""Values in a window."""
SPARE = 64
"""Values that are appended before the kept ones are moved to the front."""
SEEN, END, MEAN, VARIANCE, NEXT, ERROR = 0, 1, 2, 3, 4, 5
"""Samples; values in the ring; mean and variance over `memory` samples; the forecast of the next value and its mean |error|."""
RING = 6
ERROR_RATE = 1.0 / 200.0


@kernel
def remember(row: NDArray[np.float64], x: float, keep: int) -> None:
    """Append a value; when the ring of `keep` + SPARE is full, the last keep - 1 move to the front first."""
    end = int(row[END])
    if end == keep + SPARE:
        for k in range(keep - 1):
            row[RING + k] = row[RING + SPARE + 1 + k]
        end = keep - 1
    row[RING + end] = x
    row[END] = end + 1


@kernel
def nearest_window(ring: NDArray[np.float64], distance: NDArray[np.float64], work: NDArray[np.float64]) -> tuple[float, int]:
    """Root mean square distance of the last 8 values to the nearest window of ring, and where that window begins.

    ring: values, oldest first, at least 16; windows that overlap the last 8 are left out. distance, work: scratch, as long.
    """
    count = ring.shape[0] - 2 * LENGTH + 1
    now = ring[ring.shape[0] - LENGTH :]
    n0, n1, n2, n3, n4, n5, n6, n7 = now[0], now[1], now[2], now[3], now[4], now[5], now[6], now[7]
    r0, r1, r2, r3 = ring[0:count], ring[1 : 1 + count], ring[2 : 2 + count], ring[3 : 3 + count]
    r4, r5, r6, r7 = ring[4 : 4 + count], ring[5 : 5 + count], ring[6 : 6 + count], ring[7 : 7 + count]
    for k in range(count):
        d0, d1, d2, d3 = r0[k] - n0, r1[k] - n1, r2[k] - n2, r3[k] - n3
        d4, d5, d6, d7 = r4[k] - n4, r5[k] - n5, r6[k] - n6, r7[k] - n7
        squares = (d0 * d0 + d1 * d1) + (d2 * d2 + d3 * d3) + (d4 * d4 + d5 * d5) + (d6 * d6 + d7 * d7)
        distance[k] = squares
        work[k] = squares
    smallest = least(work, count)
    at = count - 1
    while at > 0 and distance[at] != smallest:
        at -= 1
    return math.sqrt(smallest / LENGTH), at


@allocating
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], windows: int, memory: float, warmup: int,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 6 + windows + 8 + 64); the other arrays: one row per sample."""
    distance, work = np.empty(windows), np.empty(windows)
    keep = windows + LENGTH
    for i in range(slot.shape[0]):
        row, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        n = row[SEEN]
        forecast = row[NEXT] if n > 0.0 else x
        row[NEXT] = x
        remember(row, x, keep)
        end = int(row[END])
        held = int(min(n + 1.0, float(keep)))
        if held >= 2 * LENGTH:
            ring = row[RING + end - held : RING + end]
            away, at = nearest_window(ring, distance, work)
            row[NEXT] = ring[at + LENGTH]
            if n >= warmup:
                strength[i, 0] = strength_of(away, math.sqrt(row[VARIANCE]))
                part[i] = 1 if away > 0.0 else 0
                spread = NORMAL_FROM_MEAN * row[ERROR]
                expected[i] = printable(forecast)
                low[i], high[i] = printable(forecast - 3.0 * spread), printable(forecast + 3.0 * spread)
        row[ERROR] += max(1.0 / (n + 1.0), ERROR_RATE) * (abs(x - forecast) - row[ERROR])
        rate = max(1.0 / (n + 1.0), 1.0 / memory)
        move = x - row[MEAN]
        row[MEAN] += rate * move
        row[VARIANCE] = (1.0 - rate) * (row[VARIANCE] + rate * move * move)
        row[SEEN] = n + 1.0


@dataclass
class Nearest:
    """Nearest window; 4.7 KB a series (8 bytes times windows + 78). Choose it for series that repeat shapes, whatever they are.

    d: root mean square distance of the last 8 values to any 8 of the last `windows` + 8 that do not overlap them, s:
    exponentially weighted standard deviation of the series; strength 2 ln(1 + d / s). Discords (Keogh, Lin, Fu,
    doi:10.1109/ICDM.2005.79) in a stream, without z-normalising the windows, so that a level is part of a shape. Every distance
    is computed anew from the values: kept up by adding and taking away terms, as the matrix profile does
    (doi:10.1109/ICDM.2016.0179), a newly opened lag is nearly silent and rounding adds up. The expected value is the one that
    followed the window nearest to the last 8 (Farmer and Sidorowich, doi:10.1103/PhysRevLett.59.845), the band three deviations
    of that forecast's error. A fault that lasts explains itself after 8 samples: it marks beginnings.
    """

    windows: int = 512
    """How far back a window may begin, in samples before the last one begins."""
    memory: float = 2000.0
    """Samples over which the standard deviation is taken."""
    warmup: int = 32
    heads: tuple[str, ...] = ("shape",)
    parts: tuple[str, ...] = ("none", "shape")
    _rows: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(
            "nearest",
            windows=2 * LENGTH <= self.windows <= 100_000,
            memory=self.memory >= 1.0,
            warmup=2 * LENGTH <= self.warmup <= self.windows,
        )
        self._rows = Rows(RING + self.windows + LENGTH + SPARE)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 2 ln(1 + distance in deviations), what followed the nearest window last time, and its band."""
        raw = blank(len(batch))
        step_rows(
            self._rows.state, batch.slot, batch.value, self.windows, float(self.memory), self.warmup,
            raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
