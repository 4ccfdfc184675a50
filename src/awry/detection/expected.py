"""What the next value should be, and the band it should lie in; what people see beside the value.

Expected: the last value, moved towards three other forecasts: a level over 24 samples, a level with a damped trend (Holt,
doi:10.1016/j.ijforecast.2003.09.015; Gardner & McKenzie, doi:10.1287/mnsc.31.10.1237), and the time of day's mean with the present
offset from it. How far towards each is learned by normalised least mean squares with the error cut at three usual ones (Haykin,
Adaptive Filter Theory, chapter 6). Where the last value alone has been nearer of late, it is the last value alone.

Band: expected + q x scale for each edge, scale = sqrt(S max(F, 0.2 S)) with the mean absolute error over 1,000 samples S and over
5 samples F, so that it widens in a rough hour and is narrow again minutes after. Each q tracks the 0.5 % quantile of error / scale
(stochastic approximation, Robbins & Monro, doi:10.1214/aoms/1177729586, in steps relative to q). No band goes below zero for a
series that never did, nor beyond a value that was reached REACHED times and never passed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.horizon import learn_horizon
from awry.detection.state import (
    ANCHOR,
    BAND_HIGH,
    BAND_LOW,
    BAND_NOW,
    BAND_SCALE,
    CEILING,
    CEILING_HITS,
    ERR_LAST,
    ERR_MIX,
    FLOOR,
    FLOOR_HITS,
    LEAST,
    LEVEL,
    OFFSET,
    SLOPE,
    TO_DAY,
    TO_LEVEL,
    TO_TREND,
    TREND,
    UNIT,
    N,
)

LEVEL_RATE, OFFSET_RATE, ERROR_RATE = 1 / 24, 1 / 24, 1 / 200
TREND_RATE, SLOPE_RATE, SLOPE_KEEP = 0.5, 0.05, 0.98
MIX_RATE, MIX_LEAST, MIX_CUT = 0.03, -0.5, 3.0
"""Step of the shares of the mixture, their lower bound (the upper is 1), and where its error is cut, in usual errors."""
TAIL = 0.005
"""Share of samples beyond each edge of the band."""
START_BAND, LEAST_BAND, MOST_BAND = 4.0, 0.05, 60.0
"""First q, and its bounds."""
BAND_RATE, SLOW_RATE, FAST_RATE, FAST_LEAST = 0.15, 1 / 1000, 0.2, 0.2
ERROR_CUT = 50.0
"""Errors are learned by the scale up to so many scales: of a glitch little is left after minutes."""
TINY = 1e-30
"""A scale below this is none (in the series' unit): float32 has no precision left there."""
REACHED = 8
"""Times that an extreme must have been reached from within, and not passed, to be taken for a natural limit."""
LARGEST, ROUNDING = 3.4e38, 1.2e-7


@kernel
def forecast(f: NDArray[np.float32], previous: float, day: float, day_known: bool) -> tuple[float, float]:
    """The expected value in the series' unit, and the mean absolute error that it has had lately."""
    if f[ERR_LAST] < f[ERR_MIX]:
        return previous, float(f[ERR_LAST])
    best: float = mixture(f, previous, day, day_known)
    return best, float(f[ERR_MIX])


@kernel
def mixture(f: NDArray[np.float32], previous: float, day: float, day_known: bool) -> float:
    """The last value, moved by its learned share towards each of the other forecasts."""
    best: float = previous + f[TO_LEVEL] * (f[LEVEL] - previous) + f[TO_TREND] * (f[TREND] + f[SLOPE] - previous)
    if day_known:
        best += f[TO_DAY] * (day + f[OFFSET] - previous)
    return best


@kernel
def learn_error(f: NDArray[np.float32], at: int, error: float, rate: float) -> None:
    """Take an absolute error into a mean, cut at six times the mean so that one glitch is forgotten soon."""
    mean = f[at]
    f[at] += rate * ((min(error, 6.0 * mean) if mean > 0.0 else error) - mean)


@kernel
def share(f: NDArray[np.float32], at: int, step: float) -> None:
    """Move a share of the mixture within its bounds."""
    f[at] = min(max(f[at] + step, MIX_LEAST), 1.0)


@kernel
def learn_mixture(f: NDArray[np.float32], x: float, previous: float, day: float, day_known: bool, slow: float, damp: float) -> None:
    """Learn the shares of the mixture and the errors that choose between it and the last value."""
    error = x - mixture(f, previous, day, day_known)
    usual = float(f[ERR_MIX])
    learn_error(f, ERR_LAST, abs(x - previous), slow)
    learn_error(f, ERR_MIX, abs(error), slow)
    to_level, to_trend = f[LEVEL] - previous, f[TREND] + f[SLOPE] - previous
    to_day = day + f[OFFSET] - previous if day_known else 0.0
    power = usual * usual + to_level * to_level + to_trend * to_trend + to_day * to_day
    if power > 0.0:
        if usual > 0.0:
            error = min(max(error, -MIX_CUT * usual), MIX_CUT * usual)
        step = MIX_RATE * damp * error / power
        share(f, TO_LEVEL, step * to_level)
        share(f, TO_TREND, step * to_trend)
        share(f, TO_DAY, step * to_day)


@kernel
def band_scale(f: NDArray[np.float32]) -> float:
    """How far from expected values lie just now, in the series' unit: between the long and the short memory of errors."""
    slow = float(f[BAND_SCALE])
    return math.sqrt(slow * max(float(f[BAND_NOW]), FAST_LEAST * slow))


@kernel
def learn_band(f: NDArray[np.float32], n: int, young: float, away: float, damp: float) -> None:
    """Learn the scale and both edges from value - expected. young: 1 / (n + 1), the rate of a plain mean."""
    scale, size = band_scale(f), abs(away)
    cap = ERROR_CUT * max(f[BAND_SCALE], f[BAND_NOW])
    size = min(size, cap) if cap > 0.0 else size
    f[BAND_SCALE] += max(young, SLOW_RATE) * damp * (size - f[BAND_SCALE])
    f[BAND_NOW] += max(young, FAST_RATE) * (size - f[BAND_NOW])
    if f[BAND_SCALE] < TINY:
        f[BAND_SCALE] = 0.0
    if f[BAND_NOW] < TINY:
        f[BAND_NOW] = 0.0
    if n < 32 or scale == 0.0:
        return
    out, back = 1.0 + BAND_RATE * damp * (1.0 - TAIL), 1.0 - BAND_RATE * damp * TAIL
    f[BAND_HIGH] = min(max(f[BAND_HIGH] * (out if away > f[BAND_HIGH] * scale else back), LEAST_BAND), MOST_BAND)
    f[BAND_LOW] = max(min(f[BAND_LOW] * (out if away < f[BAND_LOW] * scale else back), -LEAST_BAND), -MOST_BAND)


@kernel
def learn_limits(f: NDArray[np.float32], x: float, previous: float) -> None:
    """Count how often each extreme was reached from within; passing it begins anew."""
    if x > f[CEILING]:
        f[CEILING], f[CEILING_HITS] = x, 0.0
    elif x == f[CEILING] and previous < x:
        f[CEILING_HITS] = min(f[CEILING_HITS] + 1.0, 1e6)
    if x < f[FLOOR]:
        f[FLOOR], f[FLOOR_HITS] = x, 0.0
    elif x == f[FLOOR] and previous > x:
        f[FLOOR_HITS] = min(f[FLOOR_HITS] + 1.0, 1e6)


@kernel
def learn_expected(
    f: NDArray[np.float32], c: NDArray[np.int32], x: float, previous: float, day: float, day_known: bool, best: float, damp: float
) -> None:
    """Learn forecasts, their mixture, the band and limits from this sample; damp: 1, or less while an episode is open."""
    n = c[N]
    if n == 0:
        f[LEVEL] = f[TREND] = f[CEILING] = f[FLOOR] = x
        f[BAND_LOW], f[BAND_HIGH] = -START_BAND, START_BAND
        return
    young = 1.0 / (n + 1)
    learn_mixture(f, x, previous, day, day_known, max(young, ERROR_RATE) * damp, damp)
    learn_band(f, n, young, x - best, damp)
    learn_limits(f, x, previous)
    learn_horizon(f, n, young, x, x if f[ERR_LAST] < f[ERR_MIX] else best, day, day_known, damp)
    if day_known:
        f[OFFSET] += OFFSET_RATE * damp * (x - day - f[OFFSET])
    f[LEVEL] += max(young, LEVEL_RATE) * damp * (x - f[LEVEL])
    ahead = f[TREND] + f[SLOPE]
    f[TREND] = ahead + TREND_RATE * damp * (x - ahead)
    f[SLOPE] = SLOPE_KEEP * (f[SLOPE] + SLOPE_RATE * damp * (x - ahead))


@kernel
def band(f: NDArray[np.float32], d: NDArray[np.float64], best: float) -> tuple[float, float, float]:
    """expected, low, high in the series' own numbers, finite in float32, low <= expected <= high."""
    scale = band_scale(f)
    low, high = best + f[BAND_LOW] * scale, best + f[BAND_HIGH] * scale
    numbers: tuple[float, float, float] = shown(f, d, best, low, high)
    return numbers


@kernel
def shown(f: NDArray[np.float32], d: NDArray[np.float64], best: float, low: float, high: float) -> tuple[float, float, float]:
    """From the series' unit to its own numbers, within its limits, with room for float32's rounding."""
    if f[CEILING_HITS] >= REACHED:
        best, high = min(best, float(f[CEILING])), min(high, float(f[CEILING]))
    if f[FLOOR_HITS] >= REACHED:
        best, low = max(best, float(f[FLOOR])), max(low, float(f[FLOOR]))
    expected, low, high = d[ANCHOR] + d[UNIT] * best, d[ANCHOR] + d[UNIT] * low, d[ANCHOR] + d[UNIT] * high
    low -= ROUNDING * (abs(low) + abs(low - d[ANCHOR]))
    high += ROUNDING * (abs(high) + abs(high - d[ANCHOR]))
    if d[LEAST] >= 0.0:
        expected, low = max(expected, 0.0), max(low, 0.0)
    expected = min(max(expected, -LARGEST), LARGEST)
    low, high = min(max(low, -LARGEST), expected), max(min(high, LARGEST), expected)
    if math.isnan(expected):
        return 0.0, 0.0, 0.0
    return expected, low, high
