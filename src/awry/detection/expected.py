"""What the next value should be, and the band it should lie in; what people see beside the value.

Three forecasts run side by side: the last value, a level over 24 samples, and the time of day's mean plus the present offset from
it. The one with the smallest recent error is shown. The band's edges are two quantile trackers of its error (0.5 % and 99.5 %;
stochastic approximation, Robbins & Monro, doi:10.1214/aoms/1177729586). A series never negative gets no negative band.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.detection.state import (
    ANCHOR,
    BAND_HIGH,
    BAND_LOW,
    BAND_SCALE,
    ERR_DAY,
    ERR_LAST,
    ERR_LEVEL,
    LEAST,
    LEVEL,
    OFFSET,
    UNIT,
    N,
    kernel,
)

LEVEL_RATE, OFFSET_RATE, ERROR_RATE, BAND_RATE = 1 / 24, 1 / 12, 1 / 200, 0.5
TAIL = 0.005
"""Share of samples beyond each edge of the band."""
START_BAND = 4.0
"""Half width of the first band, in mean absolute errors."""
LARGEST = 3.4e38


@kernel
def forecast(f: NDArray[np.float32], previous: float, day: float, day_known: bool) -> tuple[float, float]:
    """The chosen forecast in the series' unit, and the mean absolute error it has had lately."""
    best, error = previous, f[ERR_LAST]
    if f[ERR_LEVEL] <= 1.05 * error:
        best, error = f[LEVEL], f[ERR_LEVEL]
    if day_known and 0.0 < f[ERR_DAY] < 1.02 * error:
        best, error = day + f[OFFSET], f[ERR_DAY]
    return best, error


@kernel
def learn_error(f: NDArray[np.float32], at: int, error: float, rate: float) -> None:
    """Take an absolute error into a mean, cut at six times the mean so that one glitch is forgotten soon."""
    mean = f[at]
    f[at] += rate * ((min(error, 6.0 * mean) if mean > 0.0 else error) - mean)


@kernel
def learn_expected(
    f: NDArray[np.float32], c: NDArray[np.int32], x: float, previous: float, day: float, day_known: bool, best: float, damp: float
) -> None:
    """Learn levels, errors and band edges from this sample; damp: 1, or less while the detector's own episode is open."""
    n = c[N]
    if n == 0:
        f[LEVEL] = x
        return
    slow = max(1.0 / (n + 1), ERROR_RATE) * damp
    learn_error(f, ERR_LAST, abs(x - previous), slow)
    learn_error(f, ERR_LEVEL, abs(x - f[LEVEL]), slow)
    if day_known:
        if f[ERR_DAY] == 0.0:
            f[ERR_DAY] = max(f[ERR_LAST], abs(x - day - f[OFFSET]))
        learn_error(f, ERR_DAY, abs(x - day - f[OFFSET]), slow)
        f[OFFSET] += OFFSET_RATE * damp * (x - day - f[OFFSET])
    f[LEVEL] += max(1.0 / (n + 1), LEVEL_RATE) * damp * (x - f[LEVEL])
    away = x - best
    learn_error(f, BAND_SCALE, abs(away), slow)
    if n < 32:
        f[BAND_LOW], f[BAND_HIGH] = -START_BAND * f[BAND_SCALE], START_BAND * f[BAND_SCALE]
        return
    step = BAND_RATE * f[BAND_SCALE] * damp
    f[BAND_HIGH] += step * (1.0 - TAIL) if away > f[BAND_HIGH] else -step * TAIL
    f[BAND_LOW] += -step * (1.0 - TAIL) if away < f[BAND_LOW] else step * TAIL
    f[BAND_HIGH] = max(f[BAND_HIGH], np.float32(0.0))
    f[BAND_LOW] = min(f[BAND_LOW], np.float32(0.0))


@kernel
def band(f: NDArray[np.float32], d: NDArray[np.float64], best: float) -> tuple[float, float, float]:
    """expected, low, high in the series' own numbers, finite in float32, low <= expected <= high."""
    expected = d[ANCHOR] + d[UNIT] * best
    low = d[ANCHOR] + d[UNIT] * (best + f[BAND_LOW])
    high = d[ANCHOR] + d[UNIT] * (best + f[BAND_HIGH])
    if d[LEAST] >= 0.0:
        expected, low = max(expected, 0.0), max(low, 0.0)
    expected = min(max(expected, -LARGEST), LARGEST)
    low, high = min(max(low, -LARGEST), expected), max(min(high, LARGEST), expected)
    if math.isnan(expected):
        return 0.0, 0.0, 0.0
    return expected, low, high
