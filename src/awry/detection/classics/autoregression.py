"""How far a value is from what the last eight say it should be: a linear model learned by recursive least squares."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import allocating, kernel
from awry.detection.classics.rows import MOST, NORMAL_FROM_MEAN, USABLE, Rows, blank, check_options, printable, strength_of

LAGS = 8
SEEN, MEAN, VARIANCE, ERROR = 0, 1, 2, 3
"""Samples; mean and variance over MEMORY samples; mean |residual| in deviations of the series."""
LAST = 4
"""The last eight values, newest first."""
WEIGHT = LAST + LAGS
COVARIANCE = WEIGHT + LAGS
"""The inverse correlation matrix P of the least squares, 8 x 8."""
WIDTH = COVARIANCE + LAGS * LAGS
MEMORY = 2000.0
REACH = 8.0
"""Values are learned from up to so many deviations of the series."""
CUT = 5.0
"""Residuals are learned up to so many of their own deviations."""
LEAST_ERROR = 1e-6
"""Smallest mean |residual|, in deviations of the series: below it is rounding."""
START, LARGEST_TRACE = 10.0, 1e5
"""Diagonal that P starts from, and the trace from which it starts again: without news, forgetting makes P grow for ever."""


@kernel
def reset(row: NDArray[np.float64]) -> None:
    """Let P start again; the weights stay."""
    for j in range(LAGS * LAGS):
        row[COVARIANCE + j] = 0.0
    for j in range(LAGS):
        row[COVARIANCE + j * (LAGS + 1)] = START


@kernel
def learn_weights(row: NDArray[np.float64], h: NDArray[np.float64], ph: NDArray[np.float64], residual: float, keep: float) -> None:
    """One step of recursive least squares with forgetting factor `keep`. h: (8,), the lagged values; ph: (8,), scratch."""
    gain = keep
    for j in range(LAGS):
        total = 0.0
        for k in range(LAGS):
            total += row[COVARIANCE + j * LAGS + k] * h[k]
        ph[j] = total
        gain += total * h[j]
    if not gain > 0.5 * keep:
        reset(row)
        return
    trace = 0.0
    for j in range(LAGS):
        row[WEIGHT + j] += ph[j] / gain * residual
        for k in range(j + 1):
            entry = (row[COVARIANCE + j * LAGS + k] - ph[j] * ph[k] / gain) / keep
            row[COVARIANCE + j * LAGS + k] = row[COVARIANCE + k * LAGS + j] = entry
        trace += row[COVARIANCE + j * (LAGS + 1)]
        if not row[COVARIANCE + j * (LAGS + 1)] > 0.0:
            trace = math.inf
    if not trace < LARGEST_TRACE:
        reset(row)
    size = 0.0
    for j in range(LAGS):
        size += abs(row[WEIGHT + j])
    if not size < 1e6:
        for j in range(LAGS):
            row[WEIGHT + j] = 0.0


@kernel
def learn(row: NDArray[np.float64], x: float) -> None:
    """Mean, variance and the last values, after everything else was learned."""
    n = row[SEEN]
    rate = max(1.0 / (n + 1.0), 1.0 / MEMORY)
    away = x - row[MEAN]
    row[MEAN] += rate * away
    row[VARIANCE] = (1.0 - rate) * (row[VARIANCE] + rate * away * away)
    for j in range(LAGS - 1, 0, -1):
        row[LAST + j] = row[LAST + j - 1]
    row[LAST] = x
    row[SEEN] = n + 1.0


@allocating
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], keep: float, memory: float, warmup: int,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, WIDTH); the other arrays: one row per sample."""
    h, ph = np.empty(LAGS), np.empty(LAGS)
    for i in range(slot.shape[0]):
        row, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        n = row[SEEN]
        mean, deviation = row[MEAN], math.sqrt(row[VARIANCE])
        if n == 0.0:
            reset(row)
        if deviation == 0.0:
            if n >= warmup:
                strength[i, 0] = 0.0 if x == mean else MOST
                part[i] = 0 if x == mean else 1
                expected[i] = low[i] = high[i] = printable(mean)
            learn(row, x)
            continue
        guess = 0.0
        for j in range(LAGS):
            h[j] = min(max((row[LAST + j] - mean) / deviation, -REACH), REACH) if j < n else 0.0
            guess += row[WEIGHT + j] * h[j]
        y = (x - mean) / deviation
        spread = NORMAL_FROM_MEAN * max(row[ERROR], LEAST_ERROR)
        if n >= warmup:
            strength[i, 0] = strength_of(y - guess, spread)
            part[i] = 1
            expected[i] = printable(mean + deviation * guess)
            low[i] = printable(mean + deviation * (guess - 3.0 * spread))
            high[i] = printable(mean + deviation * (guess + 3.0 * spread))
        residual = min(max(y, -REACH), REACH) - guess
        if n >= warmup and row[ERROR] > 0.0:
            residual = min(max(residual, -CUT * spread), CUT * spread)
        if n >= LAGS:
            learn_weights(row, h, ph, residual, keep)
            row[ERROR] += max(1.0 / (n + 1.0 - LAGS), 1.0 / memory) * (abs(residual) - row[ERROR])
        learn(row, x)


@dataclass
class Autoregression:
    """AR(8) by recursive least squares; 672 bytes a series. Choose it for smooth or oscillating series.

    y and h: the value and the eight before it, less mean and over deviation of about 2,000 samples. With weights w and matrix P:
    r = y - w.h; g = P h / (k + h.P h); w += g r; P = (P - g (P h)') / k (Plackett, doi:10.1093/biomet/37.1-2.149; forgetting k
    after Fortescue, Kershenbaum, Ydstie, doi:10.1016/0005-1098(81)90070-4). Strength 2 ln(1 + |r| / s), s = 1.2533 mean |r|; the
    band is three s about w.h. Learned are values up to 8 deviations of the series and residuals up to 5 s. P starts
    again from 10 I when its trace passes 1e5, when it is not positive, or when its gain is: a flat line would let it grow for ever.
    """

    keep: float = 0.999
    """k, forgetting factor: what a sample's weight keeps with every further one."""
    memory: float = 500.0
    """Samples over which the size of residuals is averaged."""
    warmup: int = 32
    heads: tuple[str, ...] = ("residual",)
    parts: tuple[str, ...] = ("none", "residual")
    _rows: Rows = field(default_factory=lambda: Rows(WIDTH), init=False, repr=False)

    def __post_init__(self) -> None:
        check_options("autoregression", keep=0.9 <= self.keep <= 1.0, memory=self.memory >= 1.0, warmup=self.warmup >= 2 * LAGS)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 2 ln(1 + residual in its own deviations), the linear forecast, and three deviations about it."""
        raw = blank(len(batch))
        step_rows(
            self._rows.state, batch.slot, batch.value, float(self.keep), float(self.memory), self.warmup,
            raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
