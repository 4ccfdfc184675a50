"""What the classics share: a row of doubles per series, usable values, and strengths on one logarithmic scale."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Raw
from awry.core.errors import InvalidInput
from awry.core.growth import grown
from awry.core.kernel import kernel

USABLE = 1e150
"""Values from here on are taken as missing: their squares would not be finite."""
MOST_Z = 120.0
"""Deviations beyond which strangeness is not told apart."""
MOST = 2.0 * math.log1p(MOST_Z)
"""Largest strength, 9.6."""
LARGEST = 3e38
"""Largest number given out; float32 ends just above."""
NORMAL_FROM_MEAN = 1.2533141373155003
"""Standard deviation of a normal distribution over its mean absolute deviation, sqrt(pi / 2)."""


@kernel
def strength_of(away: float, scale: float) -> float:
    """2 ln(1 + |away| / scale), at most MOST, which it also is when the scale is 0 and something is away."""
    away = abs(away)
    if away == 0.0:
        return 0.0
    if away >= MOST_Z * scale:
        return MOST
    return 2.0 * math.log1p(away / scale)


@kernel
def printable(x: float) -> float:
    """x within what float32 holds."""
    return min(max(x, -LARGEST), LARGEST)


def check_options(detector: str, **allowed: bool) -> None:
    """Raise InvalidInput naming the first option whose test is false."""
    for name, holds in allowed.items():
        if not holds:
            raise InvalidInput(f"cannot make the detector {detector!r}: {name} is out of range", hint="see its page")


def blank(n: int) -> Raw:
    """An answer of one head with n rows of NaN, for a kernel to fill."""

    def nan() -> NDArray[np.float32]:
        return np.full(n, np.nan, np.float32)

    return Raw(np.full((n, 1), np.nan, np.float32), nan(), nan(), nan(), np.zeros(n, np.uint8))


class Rows:
    """State of many series: one contiguous row of `width` doubles each. A row of zeros is a series never seen."""

    def __init__(self, width: int) -> None:
        self.state: NDArray[np.float64] = np.zeros((0, width))
        self.slots = 0

    def grow(self, slots: int) -> None:
        """Have rows for at least this many slots."""
        self.slots = max(self.slots, slots)
        self.state = grown(self.state, slots)

    def dump(self, start: int, stop: int | None) -> Arrays:
        """Copies of the rows of slots [start, stop)."""
        return {"state": self.state[start : self.slots if stop is None else min(stop, self.slots)].copy()}

    def load(self, state: Arrays, start: int) -> None:
        """Take over dumped rows from slot `start` on."""
        rows = state["state"]
        self.grow(start + rows.shape[0])
        self.state[start : start + rows.shape[0]] = rows
