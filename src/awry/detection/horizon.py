"""How wrong forecasts further ahead are for this series: three of them are made now and then, waited for, and compared.

Every CYCLE samples the state begins a test: the value stays; it follows the time of day with the present offset; it goes on at its
lasting slope. While the test is NEAR and FAR samples old, each forecast's absolute error is learned. So the state knows, with
eleven floats, which of them to believe how far ahead, and how wide a band must be; `forecast.py` reads that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import (
    DRIFT,
    FAR_DAY,
    FAR_RAMP,
    FAR_STAY,
    FROM,
    FROM_DRIFT,
    FROM_OFFSET,
    LEVEL,
    MOVE,
    NEAR_DAY,
    NEAR_RAMP,
    NEAR_STAY,
    OFFSET,
)

CYCLE = 512
"""Samples between two tests; a power of two."""
YOUNG_CYCLE = 128
"""The same for a series younger than CYCLE."""
NEAR_FIRST, NEAR_LAST, FAR_FIRST = 32, 64, 256
"""Ages of a test, in samples, at which it is compared: [32, 64) and [256, 512)."""
MEMORY = 8
"""Tests that the errors are averaged over."""
FAR_OFFSET = 0.5
"""What is left of the present offset from the time of day after FAR samples."""
DRIFT_RATE, MOVE_UP, MOVE_DOWN = 1 / 1000, 0.02, 0.0002
"""Rate of the slope, and of the largest usual move of the level, which 1 % of moves pass and are cut at: a jump is no slope."""
LEVEL_RATE = 1 / 24


@kernel
def learn_far(f: NDArray[np.float32], at: int, error: float, rate: float) -> None:
    """Take an absolute error into a mean, cut at six times the mean; the first one sets it."""
    mean = f[at]
    if mean == 0.0:
        f[at] = error
    else:
        f[at] = mean + rate * (min(error, 6.0 * mean) - mean)


@kernel
def learn_horizon(
    f: NDArray[np.float32], n: int, young: float, x: float, stays: float, day: float, day_known: bool, damp: float
) -> None:
    """Learn from sample n: the slope, and how the running test stands. young: 1 / (n + 1). stays: what is taken to stay."""
    move = (x - f[LEVEL]) * LEVEL_RATE
    size, usual = abs(move), float(f[MOVE])
    if n < 64 or usual == 0.0:
        f[MOVE] = max(usual, size)
    elif size > usual:
        move = min(max(move, -usual), usual)
        f[MOVE] = usual * (1.0 + MOVE_UP * damp)
    else:
        f[MOVE] = usual * (1.0 - MOVE_DOWN)
    f[DRIFT] += max(young, DRIFT_RATE) * damp * (move - f[DRIFT])
    age = n & ((CYCLE if n >= CYCLE else YOUNG_CYCLE) - 1)
    if age == 0:
        f[FROM], f[FROM_DRIFT], f[FROM_OFFSET] = stays, f[DRIFT], f[OFFSET] if day_known else 0.0
    elif NEAR_FIRST <= age < NEAR_LAST and n > YOUNG_CYCLE:
        rate = damp * max(1.0 / (1.0 + (n - YOUNG_CYCLE - NEAR_FIRST) / 4.0), 1.0 / (MEMORY * (NEAR_LAST - NEAR_FIRST)))
        learn_far(f, NEAR_STAY, abs(x - f[FROM]), rate)
        learn_far(f, NEAR_RAMP, abs(x - f[FROM] - age * f[FROM_DRIFT]), rate)
        if day_known:
            learn_far(f, NEAR_DAY, abs(x - day - f[FROM_OFFSET]), rate)
    elif age >= FAR_FIRST:
        rate = damp * max(1.0 / (1.0 + (n - CYCLE - FAR_FIRST) / 2.0), 1.0 / (MEMORY * (CYCLE - FAR_FIRST)))
        learn_far(f, FAR_STAY, abs(x - f[FROM]), rate)
        learn_far(f, FAR_RAMP, abs(x - f[FROM] - age * f[FROM_DRIFT]), rate)
        if day_known:
            learn_far(f, FAR_DAY, abs(x - day - FAR_OFFSET * f[FROM_OFFSET]), rate)
