"""The slow, obvious twin of the kernel that turns counters into rates, written from its definition."""

from __future__ import annotations

import math
from collections.abc import Sequence


def rates(samples: Sequence[tuple[int, float]]) -> list[float]:
    """Of one counter's (Unix ms, value), the rate per second of each: NaN for the first value, and for NaN."""
    found: list[float] = []
    known: list[tuple[int, float]] = []
    for time, value in samples:
        rate = math.nan
        if not math.isnan(value):
            if known:
                before, last = known[-1]
                risen = value - last if value >= last else value  # below the last one it began at zero again
                rate = risen / ((time - before) / 1000)
            known.append((time, value))
        found.append(math.nan if math.isinf(rate) else rate)
    return found
