"""Has a series stopped sending: its usual distance between samples, learned from arrivals, and a test against the clock.

Pure kernels over arrays by slot; who owns the arrays (the engine) says when. A series is absent when it was steady for at least
STEADY arrivals and nothing came for longer than five usual intervals, twice its longest gap and a minute.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating, kernel

STEADY = 30
"""Arrivals before a series' cadence is believed."""
INTERVALS, GAPS, LEAST_MS = 5.0, 2.0, 60_000.0
GAP_FADE = 0.99
"""Decay of the longest gap per arrival: to 1/e in 100."""
STEP, STEP_FIRST = 0.05, 0.5
"""Most that the usual interval moves at one arrival, as a share of it; while fewer than ten are known."""


@kernel
def learn_gap(
    gap: float, s: int, interval_ms: NDArray[np.float32], gap_max: NDArray[np.float32], count: NDArray[np.uint32]
) -> None:
    """Learn that series s, seen count[s] > 0 times, came again after `gap` ms. All arrays by slot, zero at first.

    interval_ms approaches the median distance: it moves towards each by at most STEP of itself. gap_max: the longest distance
    lately, fading towards the usual interval.
    """
    usual = float(interval_ms[s])
    if count[s] == 1:
        interval_ms[s] = gap
        gap_max[s] = gap
    else:
        most = usual * (STEP_FIRST if count[s] < 10 else STEP)
        interval_ms[s] = usual + min(max(gap - usual, -most), most)
        gap_max[s] = max(gap, usual + GAP_FADE * (gap_max[s] - usual))


@allocating
def absent(
    now_ms: int, last_seen: NDArray[np.int64], interval_ms: NDArray[np.float32], gap_max: NDArray[np.float32],
    count: NDArray[np.uint32],
) -> NDArray[np.bool_]:  # fmt: skip
    """Which series have stopped by now_ms: bool by slot; steady cadence, and silent for longer than it allows."""
    gone = np.zeros(last_seen.shape[0], np.bool_)
    for s in range(last_seen.shape[0]):
        if count[s] >= STEADY:
            allowed = max(max(INTERVALS * interval_ms[s], GAPS * gap_max[s]), LEAST_MS)
            gone[s] = now_ms - last_seen[s] > allowed
    return gone
