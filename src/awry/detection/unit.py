"""From a series' own numbers to float32 in its unit, guarded against glitches; the first step of the default detector.

The unit is the power of two just below the first change seen. A value may lie at most 2^40 units from the anchor, and at most
REACH standard deviations from the mean once the series is known: what lies further is taken at that distance, so that one
reading of 1e308 is strange and then forgotten. When OUT_OF_RANGE samples in a row are over 2^40 units away, or change by less
than 2^-40 of one, the unit was chosen from a glitch: the series starts afresh, with a new anchor and unit.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import ANCHOR, LAST, LEAST, MU, ODD, UNIT, VAR, N

RANGE = 2.0**40
"""Furthest distance from the anchor, in units."""
REACH = 100.0
"""Furthest distance from the mean, in standard deviations."""
OUT_OF_RANGE = 32
"""Samples in a row after which a unit that does not fit is given up."""
KNOWN = 2
"""Samples after which REACH applies."""


@kernel
def forget(f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32]) -> None:
    """Make a series' rows those of a series never seen."""
    for i in range(f.shape[0]):
        f[i] = np.float32(0.0)
    for i in range(u.shape[0]):
        u[i] = 0
    for i in range(b.shape[0]):
        b[i] = 0
    for i in range(c.shape[0]):
        c[i] = 0


@kernel
def power_below(change: float) -> float:
    """The power of two at or below a positive finite number, kept within 2^-900 and 2^900."""
    exponent = math.floor(math.log2(change))
    return math.pow(2.0, float(min(max(exponent, -900), 900)))


@kernel
def enter(
    f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32], d: NDArray[np.float64], x: float
) -> np.float32:
    """The value in the series' unit. f, u, b, c, d: the series' rows; x: finite."""
    x = min(max(x, -8.0e307), 8.0e307)
    if c[N] == 0:
        d[ANCHOR], d[UNIT], d[LAST], d[LEAST] = x, 0.0, x, x
    d[LEAST] = min(d[LEAST], x)
    change = abs(x - d[LAST])
    if d[UNIT] == 0.0:
        if change == 0.0:
            return np.float32(0.0)
        d[UNIT] = power_below(change)
    y = (x - d[ANCHOR]) / d[UNIT]
    if abs(y) > RANGE or (change != 0.0 and change < d[UNIT] / RANGE):
        c[ODD] += 1
        if c[ODD] >= OUT_OF_RANGE:
            forget(f, u, b, c)
            d[ANCHOR], d[UNIT], d[LEAST] = x, 0.0, x
            d[LAST] = x
            return np.float32(0.0)
    elif change != 0.0:
        c[ODD] = 0
    y = min(max(y, -RANGE), RANGE)
    if c[N] >= KNOWN and f[VAR] > 0.0:
        reach = REACH * math.sqrt(f[VAR])
        y = min(max(y, f[MU] - reach), f[MU] + reach)
    return np.float32(y)
