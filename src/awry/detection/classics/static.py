"""Fixed limits: strange is what lies outside them; for values whose bounds are known beforehand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import kernel
from awry.detection.classics.rows import MOST, MOST_Z, USABLE, Rows, blank, check_options, printable

MEAN, VARIANCE, INSIDE = 0, 1, 2
WIDTH = 3
MEMORY = 2000.0
"""Samples over which the spread inside the limits is learned."""
CROSSING = 3.0
"""A value just outside counts as strange as one so many deviations from a mean."""
NONE, BELOW, ABOVE = 0, 1, 2


@kernel
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], least: float, most: float,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order; learn the spread of values inside. least, most: limits, -inf and inf where there is none."""
    bounded = least > -math.inf or most < math.inf
    for i in range(slot.shape[0]):
        row, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        nearest = min(max(x, least), most)
        expected[i] = printable(nearest)
        low[i] = printable(least if least > -math.inf else nearest)
        high[i] = printable(most if most < math.inf else nearest)
        away = abs(x - nearest)
        if away > 0.0:
            scale = math.sqrt(row[VARIANCE])
            if most - least < math.inf:
                scale = max(scale, most - least)
            z = away / scale if away < MOST_Z * scale else MOST_Z
            strength[i, 0] = min(2.0 * math.log1p(CROSSING + z), MOST)
            part[i] = ABOVE if x > most else BELOW
            continue
        strength[i, 0] = 0.0
        if bounded:
            rate = max(1.0 / (row[INSIDE] + 1.0), 1.0 / MEMORY)
            move = x - row[MEAN]
            row[MEAN] += rate * move
            row[VARIANCE] = (1.0 - rate) * (row[VARIANCE] + rate * move * move)
            row[INSIDE] += 1.0


@dataclass
class Static:
    """Fixed limits, the same for every series; 24 bytes a series. Choose it when the bounds are known: a percentage, a queue limit.

    Strength is 0 inside, and 2 ln(1 + 3 + d / s) at a distance d outside: s is the distance between the limits or the standard
    deviation of the series inside them, whichever is larger (with one limit, the deviation). So a crossing is as strange
    as three deviations elsewhere, and it is strange from the first sample. The expected value is the nearest one
    inside; a side without limit shows the value itself. Without any limit nothing is ever strange and nothing is learned.
    """

    low: float | None = None
    """Values below are strange; None: no such limit."""
    high: float | None = None
    """Values above are strange; None: no such limit."""
    warmup: int = 0
    heads: tuple[str, ...] = ("distance",)
    parts: tuple[str, ...] = ("none", "below", "above")
    _rows: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        least, most = self._limits()
        check_options("static", low=abs(least) < USABLE or self.low is None, high=abs(most) < USABLE or self.high is None)
        check_options("static", low=least <= most)
        self._rows = Rows(WIDTH)

    def _limits(self) -> tuple[float, float]:
        return (-math.inf if self.low is None else float(self.low), math.inf if self.high is None else float(self.high))

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 0 inside the limits; part says which one was crossed."""
        raw = blank(len(batch))
        least, most = self._limits()
        step_rows(self._rows.state, batch.slot, batch.value, least, most, raw.strength, raw.expected, raw.low, raw.high, raw.part)
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
