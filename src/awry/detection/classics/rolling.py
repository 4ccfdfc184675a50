"""Distance from the rolling median in robust deviations (MAD): a baseline that outliers and bursts do not widen."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import kernel
from awry.detection.classics.rows import USABLE, Rows, blank, check_options, printable, strength_of

HELD, NEXT = 0, 1
"""Values held, and where in the ring the next one goes."""
RING = 2
"""The ring of `window` values in order of arrival, followed by the same values in order of size."""
NORMAL_FROM_MAD = 1.4826022185056018
"""Standard deviation of a normal distribution over its median absolute deviation."""
WIDE, NORMAL_FROM_WIDE = 0.9, 1.0 / 1.6448536269514722
"""Share of the values within the wider distance, and the standard deviation of a normal distribution over it."""
NONE, BELOW, ABOVE = 0, 1, 2


@kernel
def first_at_least(ordered: NDArray[np.float64], count: int, x: float) -> int:
    """Index of the first of ordered[:count] that is not below x; `count` if there is none."""
    a, b = 0, count
    while a < b:
        middle = (a + b) // 2
        if ordered[middle] < x:
            a = middle + 1
        else:
            b = middle
    return a


@kernel
def learn(row: NDArray[np.float64], x: float, window: int) -> None:
    """Put x in place of the oldest value: a binary search in the ordered half, and a move of what lies between."""
    held, at = int(row[HELD]), int(row[NEXT])
    ordered = row[RING + window :]
    place = first_at_least(ordered, held, x)
    if held < window:
        for k in range(held, place, -1):
            ordered[k] = ordered[k - 1]
        ordered[place] = x
        row[HELD] = held + 1
    else:
        gone = first_at_least(ordered, held, row[RING + at])
        if gone < place:
            place -= 1
            for k in range(gone, place):
                ordered[k] = ordered[k + 1]
        else:
            for k in range(gone, place, -1):
                ordered[k] = ordered[k - 1]
        ordered[place] = x
    row[RING + at] = x
    row[NEXT] = at + 1 if at + 1 < window else 0


@kernel
def kth_distance(ordered: NDArray[np.float64], count: int, centre: float, k: int) -> float:
    """The k-th smallest |v - centre| (k from 1) of ordered[:count]: those k values lie side by side, so search where they begin."""
    a, b = 0, count - k
    while a < b:
        middle = (a + b) // 2
        if centre - ordered[middle] > ordered[middle + k] - centre:
            a = middle + 1
        else:
            b = middle
    return float(max(centre - ordered[a], ordered[a + k - 1] - centre))


@kernel
def centre_and_spread(ordered: NDArray[np.float64], count: int) -> tuple[float, float]:
    """Median; the larger of 1.4826 MAD and the distance within which 90 % lie over 1.645, or the root mean square if both are 0."""
    below, above = ordered[(count - 1) // 2], ordered[count // 2]
    centre = below + 0.5 * (above - below)
    mad = 0.5 * (kth_distance(ordered, count, centre, (count + 1) // 2) + kth_distance(ordered, count, centre, count // 2 + 1))
    wide = kth_distance(ordered, count, centre, math.ceil(WIDE * count))
    if wide > 0.0:
        return centre, max(NORMAL_FROM_MAD * mad, NORMAL_FROM_WIDE * wide)
    squares = 0.0
    for k in range(count):
        squares += (ordered[k] - centre) * (ordered[k] - centre)
    return centre, math.sqrt(squares / count)


@kernel
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], window: int, warmup: int,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 2 + 2 window); the other arrays: one row per sample."""
    for i in range(slot.shape[0]):
        row, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        held = int(row[HELD])
        if held >= warmup:
            centre, spread = centre_and_spread(row[RING + window :], held)
            strength[i, 0] = strength_of(x - centre, spread)
            part[i] = NONE if x == centre else (ABOVE if x > centre else BELOW)
            expected[i] = printable(centre)
            low[i], high[i] = printable(centre - 3.0 * spread), printable(centre + 3.0 * spread)
        learn(row, x, window)


@dataclass
class Rolling:
    """Robust rolling z; 4.1 KB a series (16 bytes times window + 1). Choose it for noise with outliers and level shifts.

    Over the last `window` values: m their median, s the larger of 1.4826 median |v - m| (Hampel,
    doi:10.1080/01621459.1974.10482962; Leys et al., doi:10.1016/j.jesp.2013.03.013) and q / 1.645, q the distance within which
    90 % of them lie: for real series, which idle at one level and visit others, the median distance alone is far too small.
    Where over 90 % are equal, s is the root mean square distance.
    Strength 2 ln(1 + |x - m| / s), band m -+ 3 s. The window is kept in order of size too, so a sample costs binary searches
    and one move, not a sort. A new level is accepted after half a window, and a cycle is followed when it is much
    longer than the window.
    """

    window: int = 256
    """Values that median and spread are taken over."""
    warmup: int = 32
    heads: tuple[str, ...] = ("distance",)
    parts: tuple[str, ...] = ("none", "below", "above")
    _rows: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_options("rolling", window=2 <= self.window <= 100_000, warmup=1 <= self.warmup <= self.window)
        self._rows = Rows(RING + 2 * self.window)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 2 ln(1 + robust deviations from the median), the median, and three deviations about it."""
        raw = blank(len(batch))
        step_rows(
            self._rows.state, batch.slot, batch.value, self.window, self.warmup,
            raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
