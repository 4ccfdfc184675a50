"""The default detector: one state per series, four heads, a few microseconds a sample.

Heads, in natural or binary logarithms so that steps compare: `shape` is severity, the product of nearest-window distance, day
profile ratio and PCA residual, square-root weighted by the records, with a plain z in the first 255 samples; `records` is how far
44 statistics passed their own extremes, best for small faults; `heartbeat` a missing burst or a flat line; `beyond` how many
ranges of its past a value lies outside of it. Design 2 of our study, and `beyond`, which lets calibration tell odd from absurd.

While its own episode is open (severity's decaying maximum at HELD_ABOVE or more) the mean, the spread, the day and week profiles
and the expected value learn at a tenth of their speed, for at most HELD_MOST = 240 samples; a lasting change is learned at full
speed from then on, so that after about 240 + 3 x 24 samples it is what the detector expects.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.detection.beyond import beyond
from awry.detection.calendar import Calendar
from awry.detection.calibration import FADE
from awry.detection.expected import band, forecast, learn_expected
from awry.detection.heartbeat import heartbeat
from awry.detection.profile import HOUR_MS, KNOWN_VISITS, QUARTER_MS, bucket_of, learn_profile
from awry.detection.records import record_group
from awry.detection.shape import START, begin_pca, nearest, pca_residual, remember
from awry.detection.start import start_strength
from awry.detection.state import (
    A3,
    A12,
    A48,
    AGES,
    BYTES,
    COUNTERS,
    DAY,
    DAY3,
    DAY12,
    DAY_BUCKET,
    DAY_BUCKETS,
    DAY_N,
    DAY_SCALE,
    DAY_VISITS,
    DOUBLES,
    E3,
    E4,
    E12,
    E48,
    E96,
    E400,
    FLOATS,
    HELD,
    LAGS,
    LAST,
    MU,
    PCA_LAGS,
    RING,
    RING_END,
    RING_KEEP,
    SEGMENT,
    STREAMS,
    VAR,
    WEEK,
    WEEK3,
    WEEK12,
    WEEK_BUCKET,
    WEEK_BUCKETS,
    WEEK_N,
    WEEK_VISITS,
    N,
    grown,
    kernel,
)
from awry.detection.unit import enter

WARMUP = 32
LONG = 2000
"""Samples over which mean and spread are kept."""
HELD_ABOVE, HELD_MOST, HELD_DAMP = 4.0, 240, 0.1
NONE, SHAPE_PART, DAY_PART, PCA_PART, RECORDS_PART, START_PART, HEARTBEAT_PART = 0, 1, 2, 3, 4, 5, 6


@kernel
def mean_of(f: NDArray[np.float32], at: int, n: int, k: int, x: float) -> None:
    """Move an exponentially weighted mean over k samples towards x; a plain mean while n < k."""
    f[at] += max(1.0 / (n + 1), 1.0 / k) * (x - f[at])


@kernel
def both(z: NDArray[np.float32], at: int, x: float) -> None:
    """A statistic and its negative, as two one-sided streams."""
    z[at] = x
    z[at + 1] = -x


@kernel
def fill_streams(f: NDArray[np.float32], c: NDArray[np.int32], z: NDArray[np.float32], x: float, change: float) -> None:
    """The 32 streams that are always valid, and their means; the ring already holds x."""
    n = c[N]
    old4, old12 = f[E4], f[E12]
    mean_of(f, E3, n, 3, x)
    mean_of(f, E4, n, 4, x)
    mean_of(f, E12, n, 12, x)
    mean_of(f, E48, n, 48, x)
    mean_of(f, E96, n, 96, x)
    mean_of(f, E400, n, 400, x)
    size = abs(change)
    mean_of(f, A3, n, 3, size)
    mean_of(f, A12, n, 12, size)
    mean_of(f, A48, n, 48, size)
    both(z, 0, x)
    both(z, 2, f[E3])
    both(z, 4, f[E12])
    both(z, 6, f[E48])
    end = RING + c[RING_END]
    low, high = f[end - 1], f[end - 1]
    for back in range(2, min(n + 1, 24) + 1):
        low, high = min(low, f[end - back]), max(high, f[end - back])
        if back == 3:
            z[8], z[9] = low, -high
        elif back == 8:
            z[10], z[11] = low, -high
    z[12], z[13] = low, -high
    if n + 1 < 8:
        z[10], z[11] = low, -high
        if n + 1 < 3:
            z[8], z[9] = low, -high
    z[14], z[15], z[16], z[17] = size, f[A3], f[A12], f[A48]
    z[18] = -math.log(1e-9 + f[A12])
    z[19] = -math.log(1e-9 + f[A48])
    both(z, 20, f[E3] - f[E48])
    both(z, 22, f[E12] - f[E96])
    both(z, 24, f[E48] - f[E400])
    both(z, 26, change)
    both(z, 28, x - old4 if n > 0 else 0.0)
    both(z, 30, x - old12 if n > 0 else 0.0)


@kernel
def fill_profile(f: NDArray[np.float32], z: NDArray[np.float32], at: int, mean3: int, mean12: int, n: int, r: float) -> None:
    """The six streams of a profile's residual r, at z[at:at + 6]; n: residuals seen before."""
    mean_of(f, mean3, n, 3, r)
    mean_of(f, mean12, n, 12, r)
    both(z, at, r)
    both(z, at + 2, f[mean3])
    both(z, at + 4, f[mean12])


@kernel
def judge(
    f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32], d: NDArray[np.float64],
    time: int, raw: float, z: NDArray[np.float32], distance: NDArray[np.float32], h: NDArray[np.float32],
    out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Judge one finite sample, then learn it. time: ms since 1970 in local time, holidays moved to the week's rest day.

    out: shape, records, heartbeat, expected, low, high, part, beyond. z, distance, h: scratch.
    """
    x = float(enter(f, u, b, c, d, raw))
    n = c[N]
    if n == 0:
        begin_pca(f)
    previous = float(f[RING + c[RING_END] - 1]) if n > 0 else x
    change = x - previous
    damp = HELD_DAMP if f[SEGMENT] >= HELD_ABOVE and c[HELD] < HELD_MOST else 1.0

    day_bucket = bucket_of(time, QUARTER_MS, DAY_BUCKETS)
    week_bucket = bucket_of(time, HOUR_MS, WEEK_BUCKETS)
    day_known = b[DAY_VISITS + day_bucket] >= KNOWN_VISITS
    week_known = b[WEEK_VISITS + week_bucket] >= KNOWN_VISITS
    day, week = float(f[DAY + day_bucket]), float(f[WEEK + week_bucket])

    best, _ = forecast(f, previous, day, day_known)
    out[3], out[4], out[5] = band(f, d, best)
    learn_expected(f, c, x, previous, day, day_known, best, damp)

    out[7] = beyond(f, x, n)
    plain = start_strength(x, f[MU], f[VAR], n)
    rate = max(1.0 / (n + 1), 1.0 / LONG) * (damp if n >= LONG // 8 else 1.0)
    away = x - f[MU]
    f[MU] += rate * away
    f[VAR] = (1.0 - rate) * (f[VAR] + rate * away * away)
    remember(f, c, x)

    fill_streams(f, c, z, x, change)
    rec = record_group(f, u, c, z, 0, 0, 32)
    ratio = 0.0
    if day_known:
        r = x - day
        fill_profile(f, z, 32, DAY3, DAY12, c[DAY_N], r)
        rec += record_group(f, u, c, z, 1, 32, 38)
        usual = f[DAY_SCALE]
        if c[DAY_N] >= 16 and usual > 0.0:
            ratio = min(abs(r) / usual, 1000.0)
        cut = min(abs(r), 6.0 * usual) if c[DAY_N] >= 32 and usual > 0.0 else abs(r)
        mean_of(f, DAY_SCALE, c[DAY_N], 1000, cut)
        c[DAY_N] += 1
    if week_known:
        fill_profile(f, z, 38, WEEK3, WEEK12, c[WEEK_N], x - week)
        rec += record_group(f, u, c, z, 2, 38, 44)
        c[WEEK_N] += 1
    learn_profile(f, DAY, b, DAY_VISITS, day_bucket, c[DAY_BUCKET] != day_bucket + 1, x, damp)
    learn_profile(f, WEEK, b, WEEK_VISITS, week_bucket, c[WEEK_BUCKET] != week_bucket + 1, x, damp)
    c[DAY_BUCKET], c[WEEK_BUCKET] = day_bucket + 1, week_bucket + 1

    q = far = 0.0
    if n + 1 >= START:
        end = RING + c[RING_END]
        known = min(n + 1, RING_KEEP)
        q, far = nearest(f[end - known : end], distance)
        spread = math.sqrt(f[VAR]) + 1e-9
        q, far = q / spread, far / spread
    usual_move = math.log1p(pca_residual(f, c, h) if n + 1 >= START else 1.0)
    novelty = (n / (n + 100.0)) * (q + 0.2 * far)
    by_day = 1.0 + math.log1p(ratio)
    by_records = 0.5 * math.log1p(rec * n / (n + 300.0))
    shape = math.log1p(10.0 * novelty * by_day * usual_move) + by_records
    part = RECORDS_PART
    most = by_records
    if math.log1p(q + 0.2 * far) > most:
        part, most = SHAPE_PART, math.log1p(q + 0.2 * far)
    if math.log(by_day) > most:
        part, most = DAY_PART, math.log(by_day)
    if math.log(usual_move / math.log(2.0) + 1e-9) > most:
        part = PCA_PART
    if plain > shape:
        shape, part = plain, START_PART
    beat = heartbeat(f, c, x, change, day_known)
    if beat >= 1.0 and beat > shape - 3.0:
        part = HEARTBEAT_PART
    f[SEGMENT] = max(FADE * f[SEGMENT], shape)
    c[HELD] = min(c[HELD] + 1, HELD_MOST) if f[SEGMENT] >= HELD_ABOVE else 0
    c[N] = min(n + 1, 2_000_000_000)
    d[LAST] = min(max(raw, -8.0e307), 8.0e307)
    out[0], out[1], out[2] = shape, math.log1p(rec) + math.log(1.0 + math.log1p(q)), beat
    out[6] = part


@kernel
def step_rows(
    f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32], d: NDArray[np.float64],
    slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64],
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order into strength (n, 4), expected, low, high and part (n,); f, u, b, c, d: one row per slot."""
    z = np.zeros(STREAMS, np.float32)
    distance = np.empty(LAGS, np.float32)
    h = np.empty(PCA_LAGS, np.float32)
    out = np.empty(8, np.float64)
    for i in range(slot.shape[0]):
        s = slot[i]
        known = c[s, N] >= WARMUP
        if math.isfinite(value[i]):
            judge(f[s], u[s], b[s], c[s], d[s], time[i], value[i], z, distance, h, out)
        if math.isfinite(value[i]) and known:
            strength[i, 0], strength[i, 1], strength[i, 2], strength[i, 3] = out[0], out[1], out[2], out[7]
            expected[i], low[i], high[i] = out[3], out[4], out[5]
            part[i] = int(out[6])
        else:
            strength[i, :] = math.nan
            expected[i], low[i], high[i] = math.nan, math.nan, math.nan
            part[i] = NONE


@dataclass
class DefaultDetector:
    """Heads shape, records, heartbeat and beyond from one state of about 5.1 KB per series; hours and weekdays by `calendar`."""

    heads: tuple[str, ...] = ("shape", "records", "heartbeat", "beyond")
    parts: tuple[str, ...] = ("none", "shape", "day", "pca", "records", "start", "heartbeat")
    warmup: int = WARMUP
    mix: tuple[float, ...] = (1.0, 0.5, 0.0, 0.0)
    """Weight of each head in the combined strength `raw`. On NAB (standard) records alone reach 69, shape alone 59, this 62; on
    WSD (best event F1) records .45, shape .63, this .60."""
    fades: tuple[float, ...] = (FADE, FADE, FADE, 0.8)
    """What each head's segment keeps of itself: a value beyond all others is over sooner than an odd shape."""
    prior: str = "default"
    """Name of the pooled curves that calibrate it."""
    calendar: Calendar | None = field(default=None, repr=False)
    """Time zones and holidays; None: UTC, no holidays."""
    zone_of: Callable[[int], int] | None = field(default=None, repr=False)
    """Slot -> entry of the calendar, asked once, at a slot's first sample; not dumped, so a restart asks anew. None: entry 0."""
    _zone: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16), repr=False)
    _f: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, FLOATS), np.float32), repr=False)
    _u: NDArray[np.uint16] = field(default_factory=lambda: np.zeros((0, AGES), np.uint16), repr=False)
    _b: NDArray[np.uint8] = field(default_factory=lambda: np.zeros((0, BYTES), np.uint8), repr=False)
    _c: NDArray[np.int32] = field(default_factory=lambda: np.zeros((0, COUNTERS), np.int32), repr=False)
    _d: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, DOUBLES), np.float64), repr=False)
    _slots: int = 0

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; no other call runs meanwhile."""
        self._slots = max(self._slots, slots)
        for name in ("_f", "_u", "_b", "_c", "_d", "_zone"):
            setattr(self, name, grown(getattr(self, name), slots))

    def step(self, batch: Batch) -> Raw:
        """For each row in order: score it with what was known, then learn it. NaN: nothing learned, NaN out."""
        n = len(batch)
        raw = Raw(
            np.empty((n, 4), np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.float32),
            np.empty(n, np.uint8),
        )
        time = batch.time if self.calendar is None else self.calendar.times(self._zone, batch, self.zone_of)
        step_rows(
            self._f, self._u, self._b, self._c, self._d, batch.slot, time, batch.value,
            raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state rows of slots [start, stop): enough to continue bit for bit."""
        rows = slice(start, self._slots if stop is None else min(stop, self._slots))
        return {name: getattr(self, "_" + name)[rows].copy() for name in "fubcd"}

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        stop = start + state["c"].shape[0]
        self.grow(stop)
        for name in "fubcd":
            getattr(self, "_" + name)[start:stop] = state[name]


def records() -> DefaultDetector:
    """The default detector with `raw` from the record head alone: best for small faults, and on NAB."""
    return DefaultDetector(mix=(0.0, 1.0, 0.0, 0.0))


def shape() -> DefaultDetector:
    """The default detector with `raw` from the shape head alone: best on labelled operational series."""
    return DefaultDetector(mix=(1.0, 0.0, 0.0, 0.0))
