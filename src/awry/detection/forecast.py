"""What a series will be over the next hours, from the state that its detector keeps anyway; for the API, the pages and the library.

Three forecasts meet: the value stays; it follows the time of day, with the present offset fading over hours; it goes on at its
lasting slope. Each weighs error^-8, with its error at that distance taken from `horizon.py`'s tests (log-log between one, 48 and
380 samples, and on beyond them). Near now all of them begin at the one-step forecast of `expected.py`. The band is the weighted
error times a factor per confidence, which `benchmarks/band.py` holds against real series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch
from awry.core.errors import Conflict, InvalidInput
from awry.detection import lean_records
from awry.detection.calendar import Calendar
from awry.detection.default import DefaultDetector
from awry.detection.expected import FAST_LEAST, forecast, shown
from awry.detection.lean import LeanDetector
from awry.detection.profile import KNOWN_VISITS
from awry.detection.state import (
    ANCHOR,
    BAND_HIGH,
    BAND_LOW,
    BAND_NOW,
    BAND_SCALE,
    DAY,
    DAY_BUCKETS,
    DAY_VISITS,
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
LEAST_SAMPLES = 16
"""A younger series is not forecast."""
NEAR, FAR = 48.0, 384.0
"""Samples ahead at which errors are known."""
POWER = 8.0
DAY_MUST, RAMP_MUST = 0.9, 0.8
"""The day and a ramp are believed where their error is at most this share of staying's."""
HALF_LIFE_MS, OFFSET_LEFT = 6 * 3_600_000, 0.25
"""In which time the fading part of the offset from the time of day halves, and the part that does not fade."""
TINY_ERROR = 1e-12
MOST_GROWTH = 7.0
"""By how much the one-step band is widened at most, on its way into the band further ahead."""
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
        """When expected gets to the limit, and the earliest and latest that the band allows, in Unix ms; None: not in this time.

        From below when the first point is below it, else from above; straight lines between points.
        """
        below = bool(self.expected[0] < limit)
        near, far = (self.high, self.low) if below else (self.low, self.high)

        def first(column: NDArray[np.float64]) -> int | None:
            over = np.flatnonzero(column >= limit if below else column <= limit)
            if not over.size:
                return None
            i = int(over[0])
            if i == 0 or column[i] == column[i - 1]:
                return int(self.time[i])
            part = (limit - column[i - 1]) / (column[i] - column[i - 1])
            return int(self.time[i - 1] + round(part * float(self.time[i] - self.time[i - 1])))

        return {"time": first(self.expected), "earliest": first(near), "latest": first(far)}


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """A copy of one series' state, from which any thread may forecast.

    state: rows f and d of one slot. profile, visits: (buckets,), the day's means and how often each was met. calendar, zone: give
    profile time (None: UTC). last: time of the newest sample, Unix ms. interval: ms between samples.
    """

    state: Arrays
    profile: NDArray[np.float32]
    visits: NDArray[np.uint8]
    last: int
    interval: float
    calendar: Calendar | None = None
    zone: int = 1

    def forecast(self, time: NDArray[np.int64], confidence: int = 99) -> Forecast:
        """Forecast at these times (Unix ms, ascending, after `last`). confidence: percent that the band is to hold.

        Raises Conflict for a series that is too young, InvalidInput for a confidence that is not offered.
        """
        if confidence not in CONFIDENCES:
            raise InvalidInput(f"cannot forecast with a confidence of {confidence} %", hint="90 and 99 are offered")
        return _forecast(self, time, self._profile_time(time), self._profile_time(np.array([self.last], np.int64)), confidence)

    def next(self, confidence: int = 99) -> Forecast:
        """The one-step forecast: of the next sample, one interval after the newest."""
        return self.forecast(np.array([self.last + max(1, round(self.interval))], np.int64), confidence)

    def _profile_time(self, time: NDArray[np.int64]) -> NDArray[np.int64]:
        if self.calendar is None:
            return time
        entry = np.array([self.zone], np.uint16)
        return self.calendar.times(entry, Batch.of(np.zeros(len(time), np.int32), time, np.zeros(len(time))))


def outlook(judge: Any, slot: int, last: int, interval: float) -> Outlook:
    """What is needed to forecast one series: a copy, made while nobody steps the judge (a Router, a Scorer or a detector).

    last: time of the newest sample, Unix ms. interval: ms between samples. Raises Conflict for a series that is too young or
    whose detector keeps no state to forecast from.
    """
    seat = getattr(judge, "seat", None)
    if seat is not None:
        found = seat(slot)
        if found is None:
            raise Conflict("cannot forecast yet: no sample was learned", hint="ask again when it has more samples")
        judge, slot = found
    detector = getattr(judge, "detector", judge)
    if isinstance(detector, DefaultDetector):
        at, visits_at, buckets = DAY, DAY_VISITS, DAY_BUCKETS
    elif isinstance(detector, LeanDetector):
        at, visits_at, buckets = lean_records.DAY, lean_records.DAY_VISITS, lean_records.DAY_BUCKETS
    else:
        raise Conflict(
            "cannot forecast this series: its detector keeps no state to forecast from",
            hint="the detectors default, records, shape and lean do",
        )
    state = detector.dump(slot, slot + 1)
    known = int(state["c"][0, N]) if len(state["c"]) else 0
    if known < LEAST_SAMPLES:
        raise Conflict(
            f"cannot forecast yet: {known} samples are known, and {LEAST_SAMPLES} are needed", hint="ask again when it has more"
        )
    if not interval > 0:
        raise Conflict("cannot forecast yet: the interval between samples is not known", hint="ask again when it has more samples")
    # Asked and not read from the state, which knows a zone only from the first sample after a restart on.
    zone = 1 + (0 if detector.zone_of is None else detector.zone_of(slot))
    profile = state["f"][0, at : at + buckets].copy()
    visits = state["b"][0, visits_at : visits_at + buckets].copy()
    return Outlook({k: state[k] for k in "fd"}, profile, visits, last, interval, detector.calendar, zone)


def interpolated(step: NDArray[np.float64], one: float, near: float, far: float, cap: float, most: float) -> NDArray[np.float64]:
    """An error `step` samples ahead, log-log through its values after 1, NEAR and FAR samples; beyond, at the last slope.

    near, far: 0 when unknown. cap: what unmeasured growth ends at. most: largest exponent of that growth.
    """
    one = max(one, TINY_ERROR)
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


def _forecast(of: Outlook, time: NDArray[np.int64], local: NDArray[np.int64], here: NDArray[np.int64], confidence: int) -> Forecast:
    """local, here: profile times of the points and of the newest sample."""
    row, d = of.state["f"][0], of.state["d"][0]
    f, profile, known = row.astype(np.float64), of.profile, of.visits >= KNOWN_VISITS
    step = np.maximum((time - of.last) / of.interval, 1.0)
    width = DAY_MS // len(profile)
    bucket, then = local // width % len(profile), int((here[0] + int(of.interval)) // width % len(profile))
    now = (float(d[LAST]) - float(d[ANCHOR])) / float(d[UNIT]) if d[UNIT] != 0.0 else 0.0
    one, error = forecast(row, now, float(profile[then]), bool(known[then]))
    spread = math.sqrt(max(f[VAR], 0.0))

    stays = np.full(len(time), float(one))
    ramp = one + (step - 1.0) * f[DRIFT]
    fading = OFFSET_LEFT + (1.0 - OFFSET_LEFT) * 0.5 ** ((time - of.last) / HALF_LIFE_MS)
    day = _between(profile.astype(np.float64), known, local / width) + f[OFFSET] * fading
    tail = min(max(f[BAND_SCALE] / error, 1.0), TAIL_MOST) if error > 0.0 else 1.0
    e_stay = interpolated(step, error, f[NEAR_STAY], f[FAR_STAY], spread, 0.5)
    e_ramp = interpolated(step, error, f[NEAR_RAMP], f[FAR_RAMP], math.inf, 1.0)
    e_day = interpolated(step, error, f[NEAR_DAY], f[FAR_DAY], spread, 0.5)
    w_stay, w_day = np.ones(len(time)), (DAY_MUST * e_stay / e_day) ** POWER
    if f[NEAR_DAY] == 0.0 or not known[int(here[0] // width % len(profile))]:
        w_day[:] = 0.0
    w_day[~known[bucket]] = 0.0
    # Beyond the tests there is nothing new to choose a ramp by: what was measured to be one goes on.
    tested = np.minimum(step, FAR)
    better = RAMP_MUST * interpolated(tested, error, f[NEAR_STAY], f[FAR_STAY], spread, 0.5)
    better = better / interpolated(tested, error, f[NEAR_RAMP], f[FAR_RAMP], math.inf, 1.0)
    w_ramp = np.where((better >= 1.0) & (f[NEAR_RAMP] > 0.0), better**POWER, 0.0)
    total = w_stay + w_day + w_ramp
    ahead = (w_stay * stays + w_day * day + w_ramp * ramp) / total
    wrong = (w_stay * e_stay + w_day * e_day + w_ramp * e_ramp) / total
    soon = np.exp(-(step - 1.0) / BLEND)
    best = soon * one + (1.0 - soon) * ahead

    slow = f[BAND_SCALE]
    scale = math.sqrt(slow * max(f[BAND_NOW], FAST_LEAST * slow))
    inner = NARROWER[confidence] * scale * np.minimum(wrong / max(error, TINY_ERROR), MOST_GROWTH)
    least, most, share = LEAST_FACTOR[confidence], FACTOR[confidence], HEAVIER * NARROWER[confidence] / max(error, TINY_ERROR)
    above, below = (min(max(share * q * slow, least), most) * wrong * tail for q in (f[BAND_HIGH], -f[BAND_LOW]))
    high = soon * f[BAND_HIGH] * inner + (1.0 - soon) * above
    low = soon * f[BAND_LOW] * inner - (1.0 - soon) * below
    columns = np.array([shown(row, d, b, b + lo, b + hi) for b, lo, hi in zip(best, low, high, strict=True)])
    how = ("stay", "day", "ramp")[int(np.argmax([w_stay[-1], w_day[-1], w_ramp[-1]]))]
    return Forecast(time, columns[:, 0], columns[:, 1], columns[:, 2], how)


def _between(profile: NDArray[np.float64], known: NDArray[np.bool_], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """The profile at `at` (in buckets since 1970): straight lines between the middles of buckets, where both are known."""
    here = np.floor(at).astype(np.int64)
    from_middle = at - here - 0.5
    own, other = here % len(profile), (here + np.where(from_middle < 0.0, -1, 1)) % len(profile)
    part = np.where(known[other], np.abs(from_middle), 0.0)
    return (1.0 - part) * profile[own] + part * profile[other]
