"""How far a value lies beyond everything seen, in ranges of the series' own past; the default detector's head for absurd values.

The other heads compare with a spread that the odd value itself widens, and in logarithms of sums: they tell 50 deviations from 10
only by a little. The range of the past is not touched by the value, so this head does not saturate. A past whose range is wide
for its standard deviation has had bursts already, and is believed less.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import HIGH, LOW, MU, VAR

START = 32
"""Samples from which it speaks."""
LEAST = 0.5
"""Ranges beyond the past from which there is a strength."""
LEAST_STRENGTH = 2.5
"""What comes out less is none: bursty series often pass their range by a little, and the other heads judge that."""
AGE_WEIGHT, AGE_MOST = 0.5, 4000
"""A longer past makes a passing of its range rarer, up to so many samples."""
USUAL, BURST_WEIGHT = 6.0, 4.0
"""Range in standard deviations of a past without bursts, and what each factor above it takes from the strength."""
SHRINK = 1.0 / 20_000
"""Share by which an extreme further than USUAL deviations from the mean comes closer per sample, so that a glitch is forgotten."""


@kernel
def beyond(f: NDArray[np.float32], x: float, n: int) -> float:
    """ln(n / 32) / 2 + 1.4 ln(1 + 4 r) less what bursts take, r ranges beyond; learns x. f: learned before x, n samples."""
    if n == 0:
        f[HIGH] = f[LOW] = x
        return 0.0
    high, low, mean, spread = float(f[HIGH]), float(f[LOW]), float(f[MU]), math.sqrt(f[VAR])
    strength = 0.0
    width = high - low
    if n >= START and width > 0.0 and spread > 0.0:
        r = max(x - high, low - x) / width
        if r > LEAST:
            bursts = max(math.log(width / (USUAL * spread)), 0.0)
            strength = AGE_WEIGHT * math.log(min(n, AGE_MOST) / START) + 1.4 * math.log1p(4.0 * r) - BURST_WEIGHT * bursts
    if high - mean > USUAL * spread:
        high -= SHRINK * (high - mean)
    if mean - low > USUAL * spread:
        low -= SHRINK * (low - mean)
    f[HIGH], f[LOW] = max(high, x), min(low, x)
    return strength if strength >= LEAST_STRENGTH else 0.0
