"""Which samples no series ever takes, whatever came before: for the doors, which ask before they begin a series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.tick import REASONS

OLDEST_MS = 946_684_800_000
"""1 January 2000: an older sample is taken for a mistake of units, and refused as "out_of_range"."""
FUTURE, INFINITE, RANGE = (REASONS.index(r) for r in ("future", "infinite", "out_of_range"))


def inadmissible(time: NDArray[np.int64], value: NDArray[np.float64], newest_ms: int) -> NDArray[np.uint8]:
    """For each sample 0, or an index into REASONS: infinite, out of range, or later than `newest_ms` (Unix ms)."""
    codes = np.zeros(len(time), np.uint8)
    codes[time > newest_ms] = FUTURE
    codes[time < OLDEST_MS] = RANGE
    codes[np.isinf(value)] = INFINITE
    return codes
