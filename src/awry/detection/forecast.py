"""What a series will be over the next hours, from the state that its detector keeps anyway; for the API, the pages and the library.

Three forecasts meet: the value stays; it follows the time of day, with the present offset fading over hours; it goes on at its
lasting slope. Each weighs error^-8, with its error at that distance taken from `horizon.py`'s tests (log-log between one, 48 and
380 samples, and on beyond them). Near now all of them begin at the one-step forecast of `expected.py`. The band is the weighted
error times a factor per confidence, which `benchmarks/band.py` holds against real series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays
from awry.core.errors import Conflict, InvalidInput
from awry.detection.expected import FAST_LEAST, forecast, shown
from awry.detection.profile import KNOWN_VISITS
from awry.detection.state import (
    ANCHOR,
    BAND_HIGH,
    BAND_LOW,
    BAND_NOW,
    BAND_SCALE,
    DRIFT,
    FAR_DAY,
    FAR_RAMP,
    FAR_STAY,
    LAST,
    NEAR_DAY,
    NEAR_RAMP,
    NEAR_STAY,
    OFFSET,
    UNIT,
    VAR,
    N,
)

DAY_MS = 86_400_000
LEAST_SAMPLES = 32
"""A younger series is not forecast."""
NEAR, FAR = 48.0, 384.0
"""Samples ahead at which errors are known."""
POWER = 8.0
DAY_MUST, RAMP_MUST = 0.9, 0.8
"""The day and a ramp are believed where their error is at most this share of staying's."""
HALF_LIFE_MS, OFFSET_LEFT = 6 * 3_600_000, 0.25
"""In which time the fading part of the offset from the time of day halves, and the part that does not fade."""
BLEND = 8.0
"""Samples over which the one-step forecast's weight falls to 1/e."""
CONFIDENCES = (90, 99)
TAIL_MOST = 2.0
"""Errors are learned cut; where the uncut ones are larger, the band is wider by as much, up to this."""
FACTOR = {90: 2.3, 99: 6.0}
"""Half width of the band in mean absolute errors of the forecast, well ahead, at most."""
LEAST_FACTOR = {90: 2.0, 99: 3.2}
"""The same, at least: normal errors."""
HEAVIER = 1.3
NARROWER = {90: 0.55, 99: 1.0}
"""Half width of the one-step band, in the 99 % band's."""


@dataclass(frozen=True, slots=True, eq=False)
class Forecast:
    """Columns of equal length: time (Unix ms), expected, low, high in the series' own numbers."""

    time: NDArray[np.int64]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    how: str
    """What it mostly follows at its end: stay, day or ramp."""

    def reaches(self, limit: float) -> dict[str, int | None]:
        """When expected gets to the limit, and the earliest and latest that the band allows; None: not within the forecast."""
        below = self.expected[0] < limit
        near, far = (self.high, self.low) if below else (self.low, self.high)

        def first(column: NDArray[np.float64]) -> int | None:
            over = np.flatnonzero(column >= limit if below else column <= limit)
            return int(self.time[over[0]]) if over.size else None

        return {"time": first(self.expected), "earliest": first(near), "latest": first(far)}


def interpolated(step: NDArray[np.float64], one: float, near: float, far: float, cap: float, most: float) -> NDArray[np.float64]:
    """An error `step` samples ahead, log-log through its values after 1, NEAR and FAR samples; beyond, at the last slope.

    near, far: 0 when unknown. cap: what unmeasured growth ends at. most: largest exponent of that growth.
    """
    one = max(one, 1e-12)
    if near <= 0.0:
        near = min(one * NEAR**0.5, max(cap, one))
    if far <= 0.0:
        far = max(near, min(near * (FAR / NEAR) ** 0.5, cap))
    near, far = max(near, one), max(far, one)
    slope = min(max(math.log(far / near) / math.log(FAR / NEAR), 0.0), most)
    x, y = np.log([1.0, NEAR, FAR]), np.log([one, near, far])
    error = np.exp(np.interp(np.log(step), x, y))
    beyond = far * (np.maximum(step, FAR) / FAR) ** slope
    return np.where(step > FAR, np.minimum(beyond, max(cap, far)) if most <= 0.5 else beyond, error)


def forecast_rows(
    state: Arrays, profile: NDArray[np.float32], visits: NDArray[np.uint8], time: NDArray[np.int64], last: int, interval: float,
    confidence: int = 99,
) -> Forecast:  # fmt: skip
    """Forecast one series at future times.

    state: dumped rows f, c, d of one slot. profile, visits: (buckets,), the day's means and how often each was met.
    time: (n,) profile time of the forecast's points, ascending, after `last`; both ms. interval: ms between samples.
    """
    f, c, d = state["f"][0].astype(np.float64), state["c"][0], state["d"][0]
    if c[N] < LEAST_SAMPLES:
        raise Conflict(
            f"cannot forecast yet: {int(c[N])} samples are known, and {LEAST_SAMPLES} are needed", hint="ask again when it has more"
        )
    if confidence not in CONFIDENCES:
        raise InvalidInput(f"cannot forecast with a confidence of {confidence} %", hint="90 and 99 are offered")
    if not interval > 0:
        raise Conflict("cannot forecast: the interval between samples is not known yet", hint="ask again when it has more samples")
    step = np.maximum((time - last) / interval, 1.0)
    width = DAY_MS // len(profile)
    bucket = (time // width % len(profile)).astype(np.int64)
    here = int((last // width) % len(profile))
    now = (float(d[LAST]) - float(d[ANCHOR])) / float(d[UNIT]) if d[UNIT] != 0.0 else 0.0
    # What the kernels say of the next sample.
    row = state["f"][0]
    near_bucket = int(((last + int(interval)) // width) % len(profile))
    one, error = forecast(row, now, float(profile[near_bucket]), bool(visits[near_bucket] >= KNOWN_VISITS))
    error = max(float(error), 0.0)
    spread = math.sqrt(max(f[VAR], 0.0))

    stays = np.full(len(time), float(one))
    ramp = one + (step - 1.0) * f[DRIFT]
    fading = OFFSET_LEFT + (1.0 - OFFSET_LEFT) * 0.5 ** ((time - last) / HALF_LIFE_MS)
    day = profile[bucket] + f[OFFSET] * fading
    tail = min(max(f[BAND_SCALE] / error, 1.0), TAIL_MOST) if error > 0.0 else 1.0
    e_stay = interpolated(step, error, f[NEAR_STAY], f[FAR_STAY], spread, 0.5)
    e_ramp = interpolated(step, error, f[NEAR_RAMP], f[FAR_RAMP], math.inf, 1.0)
    e_day = interpolated(step, error, f[NEAR_DAY], f[FAR_DAY], spread, 0.5)
    w_stay, w_day, w_ramp = np.ones(len(time)), (DAY_MUST * e_stay / e_day) ** POWER, (RAMP_MUST * e_stay / e_ramp) ** POWER
    w_ramp[e_ramp > RAMP_MUST * e_stay] = 0.0
    if f[NEAR_RAMP] == 0.0:
        w_ramp[:] = 0.0
    if f[NEAR_DAY] == 0.0 or visits[here] < KNOWN_VISITS:
        w_day[:] = 0.0
    w_day[visits[bucket] < KNOWN_VISITS] = 0.0
    if w_ramp.any():  # what is measured to be a ramp stays one: without its tests, further ahead, there is nothing to choose by
        w_ramp = np.maximum(w_ramp, np.where(step > FAR, w_ramp[step <= FAR][-1] if (step <= FAR).any() else 1.0, 0.0))
    total = w_stay + w_day + w_ramp
    ahead = (w_stay * stays + w_day * day + w_ramp * ramp) / total
    wrong = (w_stay * e_stay + w_day * e_day + w_ramp * e_ramp) / total
    soon = np.exp(-(step - 1.0) / BLEND)
    best = soon * one + (1.0 - soon) * ahead

    slow = f[BAND_SCALE]
    scale = math.sqrt(slow * max(f[BAND_NOW], FAST_LEAST * slow))
    inner = NARROWER[confidence] * scale * wrong / wrong[0] if wrong[0] > 0.0 else np.zeros(len(time))
    least, most, share = LEAST_FACTOR[confidence], FACTOR[confidence], HEAVIER * NARROWER[confidence] / max(error, 1e-12)
    above, below = (min(max(share * q * slow, least), most) * wrong * tail for q in (f[BAND_HIGH], -f[BAND_LOW]))
    high = soon * f[BAND_HIGH] * inner + (1.0 - soon) * above
    low = soon * f[BAND_LOW] * inner - (1.0 - soon) * below
    columns = np.array([shown(row, d, b, b + lo, b + hi) for b, lo, hi in zip(best, low, high, strict=True)])
    how = ("stay", "day", "ramp")[int(np.argmax([w_stay[-1], w_day[-1], w_ramp[-1]]))]
    return Forecast(time, columns[:, 0], columns[:, 1], columns[:, 2], how)
