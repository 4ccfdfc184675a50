"""The lean profile of the default detector: no shape memory, 1.3 KB a series with its calibration; for a million series.

Heads: `severity`, the value's distance from three forecasts (an adaptive lattice, the shown one, the mean) in deviations, times how
unusual that is for this series and for this time of day, with the records of twelve statistics, and a plain z in the first 255
samples; `beyond` how many ranges of its past a value lies outside of it, or how long an expected burst or change has not come.
Learning is damped while its own episode is open, as in the default detector.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.growth import grown
from awry.core.kernel import kernel
from awry.detection.beyond import beyond
from awry.detection.calendar import Calendar
from awry.detection.expected import band, forecast, learn_expected
from awry.detection.heartbeat import heartbeat
from awry.detection.lattice import lattice_error
from awry.detection.lean_records import (
    ALWAYS,
    BYTES,
    DAY,
    DAY_BUCKETS,
    DAY_VISITS,
    FLOATS,
    LATTICE,
    PAST,
    PAST_SIZE,
    STREAMS,
    lean_records,
)
from awry.detection.onset import FADE
from awry.detection.profile import KNOWN_VISITS, bucket_of, learn_profile
from awry.detection.start import start_strength
from awry.detection.state import (
    A12,
    COUNTERS,
    DAY12,
    DAY_BUCKET,
    DAY_N,
    DAY_SCALE,
    DOUBLES,
    E12,
    E96,
    HELD,
    HELD_ABOVE,
    HELD_DAMP,
    HELD_MOST,
    LAST,
    LONG,
    MU,
    PCA_SCALE,
    RING_END,
    SEGMENT,
    VAR,
    N,
)
from awry.detection.streams import mean_of, usual_of
from awry.detection.unit import enter

WARMUP = 32
HALF_HOUR_MS = 1_800_000
FIRST_ERRORS = 16
"""Samples after which distances from forecasts count."""
LATTICE_WEIGHT, SHOWN_WEIGHT, MEAN_WEIGHT = 0.5, 0.5, 0.3
"""Weights of the three distances; the mean's own is small, for it is the one that season and trend carry away."""
NONE, RESIDUAL_PART, LEVEL_PART, DAY_PART, RECORDS_PART, START_PART, HEARTBEAT_PART = 0, 1, 2, 3, 4, 5, 6
ERROR_SCALE = PCA_SCALE
"""Usual error of the lattice: the default detector keeps that of its components there."""


@kernel
def fill_streams(f: NDArray[np.float32], c: NDArray[np.int32], z: NDArray[np.float32], x: float, change: float) -> None:
    """The ten streams that are always valid; x becomes the newest of the past."""
    n = c[N]
    c[RING_END] = (c[RING_END] + 1) % PAST_SIZE
    f[PAST + c[RING_END]] = x
    mean_of(f, E12, n, 12, x)
    mean_of(f, E96, n, 96, x)
    mean_of(f, A12, n, 12, abs(change))
    low, high = x, x
    for back in range(1, min(n + 1, PAST_SIZE)):
        v = float(f[PAST + (c[RING_END] - back) % PAST_SIZE])
        low, high = min(low, v), max(high, v)
    z[0], z[1] = x, -x
    z[2], z[3] = f[E12], -f[E12]
    z[4], z[5] = low, -high
    z[6] = f[A12]
    z[7] = -math.log(1e-9 + f[A12])
    z[8] = f[E12] - f[E96]
    z[9] = -z[8]


@kernel
def judge(
    f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32], d: NDArray[np.float64],
    time: int, raw: float, z: NDArray[np.float32], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Judge one finite sample, then learn it. time: profile time (calendar.py), ms. z: scratch.

    out: severity, beyond, expected, low, high, part.
    """
    x = float(enter(f, u, b, c, d, raw))
    n = c[N]
    previous = float(f[PAST + c[RING_END]]) if n > 0 else x
    change = x - previous
    damp = HELD_DAMP if f[SEGMENT] >= HELD_ABOVE and c[HELD] < HELD_MOST else 1.0
    bucket = bucket_of(time, HALF_HOUR_MS, DAY_BUCKETS)
    day_known = b[DAY_VISITS + bucket] >= KNOWN_VISITS
    day = float(f[DAY + bucket])

    best, _ = forecast(f, previous, day, day_known)
    out[2], out[3], out[4] = band(f, d, best)
    learn_expected(f, c, x, previous, day, day_known, best, damp)

    far = beyond(f, x, n)
    plain = start_strength(x, f[MU], f[VAR], n)
    spread = math.sqrt(f[VAR]) + 1e-9
    from_mean, from_shown = abs(x - f[MU]) / spread, abs(x - best) / spread
    rate = max(1.0 / (n + 1), 1.0 / LONG) * (damp if n >= LONG // 8 else 1.0)
    away = x - f[MU]
    f[MU] += rate * away
    f[VAR] = (1.0 - rate) * (f[VAR] + rate * away * away)

    fill_streams(f, c, z, x, change)
    rec = lean_records(f, b, c, z, 0, 0, ALWAYS)
    ratio = 0.0
    if day_known:
        r = x - day
        usual = f[DAY_SCALE]
        if c[DAY_N] >= FIRST_ERRORS and usual > 0.0:
            ratio = min(abs(r) / usual, 1000.0)
        mean_of(f, DAY12, c[DAY_N], 12, r)
        z[ALWAYS], z[ALWAYS + 1] = f[DAY12], -f[DAY12]
        rec += lean_records(f, b, c, z, 1, ALWAYS, STREAMS)
        usual_of(f, DAY_SCALE, c[DAY_N], 1000, abs(r))
        c[DAY_N] += 1
    learn_profile(f, DAY, b, DAY_VISITS, bucket, c[DAY_BUCKET] != bucket + 1, x, damp)
    c[DAY_BUCKET] = bucket + 1

    error = lattice_error(f, LATTICE, (x - f[MU]) / (math.sqrt(f[VAR]) + 1e-9))
    unusual = error / (f[ERROR_SCALE] + 0.001) if n >= 32 else 1.0
    usual_of(f, ERROR_SCALE, n, LONG, error)
    residual = LATTICE_WEIGHT * error + SHOWN_WEIGHT * from_shown if n >= FIRST_ERRORS else 0.0
    level = MEAN_WEIGHT * from_mean if n >= FIRST_ERRORS else 0.0
    by_day = 1.0 + math.log1p(ratio)
    by_records = 0.5 * math.log1p(rec * n / (n + 300.0))
    severity = math.log1p(10.0 * (n / (n + 100.0)) * (residual + level) * by_day * math.log1p(unusual)) + by_records
    part, most = RECORDS_PART, by_records
    if math.log1p(residual) > most:
        part, most = RESIDUAL_PART, math.log1p(residual)
    if math.log1p(level) > most:
        part, most = LEVEL_PART, math.log1p(level)
    if math.log(by_day) > most:
        part = DAY_PART
    if plain > severity:
        severity, part = plain, START_PART
    beat = heartbeat(f, c, x, change, day_known)
    if beat >= 1.0 and beat > severity - 3.0:
        part = HEARTBEAT_PART
    f[SEGMENT] = max(FADE * f[SEGMENT], severity)
    c[HELD] = min(c[HELD] + 1, HELD_MOST) if f[SEGMENT] >= HELD_ABOVE else 0
    c[N] = min(n + 1, 2_000_000_000)
    d[LAST] = min(max(raw, -8.0e307), 8.0e307)
    out[0], out[1], out[5] = severity, max(far, beat), part


@kernel
def step_rows(
    f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32], d: NDArray[np.float64],
    slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64],
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8], z: NDArray[np.float32], out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Judge rows in order into strength (n, 2), expected, low, high and part (n,); f, u, b, c, d: one row per slot.

    z (streams,) zero at first, out (6,): room to work in.
    """
    for i in range(slot.shape[0]):
        s = slot[i]
        known = c[s, N] >= WARMUP
        if math.isfinite(value[i]):
            judge(f[s], u[s], b[s], c[s], d[s], time[i], value[i], z, out)
        if math.isfinite(value[i]) and known:
            strength[i, 0], strength[i, 1] = out[0], out[1]
            expected[i], low[i], high[i] = out[2], out[3], out[4]
            part[i] = int(out[5])
        else:
            strength[i, :] = math.nan
            expected[i], low[i], high[i] = math.nan, math.nan, math.nan
            part[i] = NONE


@dataclass
class LeanDetector:
    """Heads severity and beyond from one state of about 0.9 KB per series; the time of day by `calendar`."""

    heads: tuple[str, ...] = ("severity", "beyond")
    parts: tuple[str, ...] = ("none", "residual", "level", "day", "records", "start", "heartbeat")
    warmup: int = WARMUP
    mix: tuple[float, ...] = (1.0, 0.0)
    """Weight of each head in the combined strength `raw`."""
    fades: tuple[float, ...] = (FADE, 0.8)
    """What each head's segment keeps of itself."""
    prior: str = "lean"
    """Name of the pooled curves that calibrate it."""
    calendar: Calendar | None = field(default=None, repr=False)
    """Time zones and holidays; None: UTC, no holidays."""
    zone_of: Callable[[int], int] | None = field(default=None, repr=False)
    """Slot -> entry of the calendar, asked once, at a slot's first sample; not dumped, so a restart asks anew. None: entry 0."""
    _zone: NDArray[np.uint16] = field(default_factory=lambda: np.zeros(0, np.uint16), repr=False)
    _f: NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, FLOATS), np.float32), repr=False)
    _u: NDArray[np.uint16] = field(default_factory=lambda: np.zeros((0, 0), np.uint16), repr=False)
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
        floats = (np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32))
        raw = Raw(np.empty((n, 2), np.float32), *floats, np.empty(n, np.uint8))
        time = batch.time if self.calendar is None else self.calendar.times(self._zone, batch, self.zone_of)
        step_rows(
            self._f, self._u, self._b, self._c, self._d, batch.slot, time, batch.value,
            raw.strength, raw.expected, raw.low, raw.high, raw.part, np.zeros(STREAMS, np.float32), np.empty(6),
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """Copies of the state rows of slots [start, stop): enough to continue bit for bit."""
        rows = slice(start, self._slots if stop is None else min(stop, self._slots))
        return {name: getattr(self, "_" + name)[rows].copy() for name in "fbcd"}

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped state from slot `start` on, growing as needed."""
        stop = start + state["c"].shape[0]
        self.grow(stop)
        for name in "fbcd":
            getattr(self, "_" + name)[start:stop] = state[name]
