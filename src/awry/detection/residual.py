"""How far a value lies from what its time of day lets expect, in the errors usual at that time; a head of the default detector.

The forecast is the day profile's mean plus an offset that follows the level (once the time of day is known; before that, the
level alone), the scale half the usual error of all times and half that of this quarter hour (heteroscedastic errors as in
Brutlag, Aberrant behavior detection in time series for network monitoring, USENIX LISA 2000). Level, offset and errors learn from
errors cut at CUT scales, so that one glitch is no new level (after Gelper, Fried, Croux, doi:10.1002/for.1125). The level is slow
on purpose: a forecast that follows an anomaly at once would excuse it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import DAY_ERRORS, RES_COUNT, RES_LEVEL, RES_NOW, RES_OFFSET, RES_SCALE, RES_SUM, N

LEVEL_RATE, SCALE_RATE, DAY_RATE = 0.1, 1.0 / 200.0, 0.2
"""Shares of a new sample in level, offset and scale; of a visit's mean error in that of its quarter hour."""
SIGMA_PER_MEAN = 1.2533
CUT = 5.0
"""Scales at which an error is cut before it is learned."""
FIRST = 16
"""Samples before which there is no residual."""
MOST = 120.0
"""Largest residual told, in scales."""
STEPS, SHIFT = 512.0, 48.0
"""Usual errors by quarter hour are kept as 1 + 512 (log2 + 48) in 16 bits: steps of 0.14 %; 0 is "not known"."""


@kernel
def packed(size: float) -> int:
    """A usual error as 16 bits."""
    return int(min(max((math.log2(max(size, 2.0**-SHIFT)) + SHIFT) * STEPS + 1.5, 1.0), 65_535.0))


@kernel
def unpacked(code: int) -> float:
    """The usual error of 16 bits."""
    return math.pow(2.0, (code - 1.0) / STEPS - SHIFT)


@kernel
def change_quarter(
    f: NDArray[np.float32], u: NDArray[np.uint16], c: NDArray[np.int32], left: int, bucket: int, visits: int
) -> None:
    """Take the visit that ended into its quarter hour's usual error (left: that bucket, -1 for none), and look up the new one's.

    visits: earlier visits of the new bucket.
    """
    if left >= 0 and c[RES_COUNT] > 0:
        usual = unpacked(u[DAY_ERRORS + left]) if u[DAY_ERRORS + left] > 0 else float(f[RES_SCALE])
        rate = max(1.0 / max(visits, 1), DAY_RATE)
        u[DAY_ERRORS + left] = packed(usual + rate * (f[RES_SUM] / c[RES_COUNT] - usual))
    f[RES_SUM] = 0.0
    c[RES_COUNT] = 0
    f[RES_NOW] = unpacked(u[DAY_ERRORS + bucket]) if u[DAY_ERRORS + bucket] > 0 else f[RES_SCALE]


@kernel
def residual(f: NDArray[np.float32], c: NDArray[np.int32], x: float, day: float, day_known: bool) -> float:
    """|x - forecast| in scales, 0 to 120; learns x. day: the profile's mean of this quarter hour. All in the series' unit."""
    n = c[N]
    if n == 0:
        f[RES_LEVEL] = x
    error = x - (day + f[RES_OFFSET] if day_known else f[RES_LEVEL])
    size = abs(error)
    scale = SIGMA_PER_MEAN * (0.5 * (f[RES_SCALE] + f[RES_NOW]) if day_known else f[RES_SCALE])
    ratio, limit = 0.0, np.inf
    if n >= FIRST:
        if scale > 0.0:
            ratio, limit = min(size / scale, MOST), CUT * scale
        elif size > 0.0:
            ratio = MOST
    error = min(max(error, -limit), limit)
    away = min(max(x - f[RES_LEVEL], -limit), limit)
    young = 1.0 / (n + 1.0)
    rate = max(young, LEVEL_RATE)
    f[RES_LEVEL] += rate * away
    f[RES_OFFSET] += rate * (error if day_known else -f[RES_OFFSET])
    f[RES_SCALE] += max(young, SCALE_RATE) * (abs(error) - f[RES_SCALE])
    if day_known:
        f[RES_SUM] += abs(error)
        c[RES_COUNT] += 1
    return ratio
