"""Judges and learns one sample after another: the kernels of the default detector, put together from its components."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import AHEAD, LINE, kernel, prefetch
from awry.detection.beyond import beyond
from awry.detection.expected import band, forecast, learn_expected
from awry.detection.heartbeat import heartbeat
from awry.detection.onset import FADE
from awry.detection.profile import HOUR_MS, KNOWN_VISITS, QUARTER_MS, bucket_of, learn_profile
from awry.detection.records import FAMILIES, record_group
from awry.detection.residual import change_quarter, residual
from awry.detection.shape import START, begin_pca, nearest, pca_residual, remember
from awry.detection.speaker import FLAT_PART, HEARTBEAT_PART, START_PART, speaker
from awry.detection.start import fading
from awry.detection.state import (
    BAND_SCALE,
    COUNTERS,
    DAY,
    DAY3,
    DAY12,
    DAY_BUCKET,
    DAY_BUCKETS,
    DAY_N,
    DAY_SCALE,
    DAY_VISITS,
    FLAT_RUN,
    FLOATS,
    HELD,
    HELD_ABOVE,
    HELD_DAMP,
    HELD_MOST,
    LAGS,
    LAST,
    LONG,
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
)
from awry.detection.streams import fill_profile, fill_streams, usual_of
from awry.detection.unit import enter

WARMUP = 16
RECORDS_SHARE = 0.5
"""Weight of the records in the shape head: more finds more on NAB, less on operational series (benchmarks/ablation.py)."""
NEAREST_ON, FAR_ON, RESIDUAL_ON, PCA_ON, START_ON, HEARTBEAT_ON, BEYOND_ON = 0, 1, 2, 3, 4, 5, 6
SWITCHES = ("nearest", "far", "residual", "pca", "start", "heartbeat", "beyond")
"""Factors that can be left out, to measure what each is worth."""


@kernel
def judge(
    f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32], d: NDArray[np.float64],
    time: int, raw: float, on: NDArray[np.float64], weight: NDArray[np.float32],
    z: NDArray[np.float32], distance: NDArray[np.float32], h: NDArray[np.float32], family: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Judge one finite sample, then learn it. time: ms since 1970 in local time, holidays moved to the week's rest day.

    on: (7,), 1 for each factor of SWITCHES that counts, else 0. weight: (44,), of the streams.
    out: shape, records, heartbeat, expected, low, high, part, beyond, residual. z, distance, h, family: scratch.
    """
    x = float(enter(f, u, b, c, d, raw))
    n = c[N]
    if n == 0:
        begin_pca(f)
    previous = float(f[RING + c[RING_END] - 1]) if n > 0 else x
    change = x - previous
    damp = HELD_DAMP if f[SEGMENT] >= HELD_ABOVE and c[HELD] < HELD_MOST else 1.0
    family[:] = 0.0

    day_bucket = bucket_of(time, QUARTER_MS, DAY_BUCKETS)
    week_bucket = bucket_of(time, HOUR_MS, WEEK_BUCKETS)
    day_known = b[DAY_VISITS + day_bucket] >= KNOWN_VISITS
    week_known = b[WEEK_VISITS + week_bucket] >= KNOWN_VISITS
    day, week = float(f[DAY + day_bucket]), float(f[WEEK + week_bucket])

    best, _ = forecast(f, previous, day, day_known)
    out[3], out[4], out[5] = band(f, d, best)
    usual_error = float(f[BAND_SCALE])
    exceeded = abs(x - best) / usual_error if usual_error > 0.0 else 0.0
    learn_expected(f, c, x, previous, day, day_known, best, damp)

    entered = c[DAY_BUCKET] != day_bucket + 1
    if entered:
        change_quarter(f, u, c, c[DAY_BUCKET] - 1, day_bucket, b[DAY_VISITS + day_bucket])
    ratio = on[RESIDUAL_ON] * residual(f, c, x, day, day_known)
    out[7] = on[BEYOND_ON] * beyond(f, x, n)
    plain = on[START_ON] * fading(n) * 2.0 * math.log1p(ratio)
    rate = max(1.0 / (n + 1), 1.0 / LONG) * (damp if n >= LONG // 8 else 1.0)
    away = x - f[MU]
    f[MU] += rate * away
    f[VAR] = (1.0 - rate) * (f[VAR] + rate * away * away)
    remember(f, c, x)

    fill_streams(f, c, z, x, change)
    rec = record_group(f, u, c, z, 0, 0, 32, weight, family)
    if day_known:
        r = x - day
        fill_profile(f, z, 32, DAY3, DAY12, c[DAY_N], r)
        rec += record_group(f, u, c, z, 1, 32, 38, weight, family)
        usual_of(f, DAY_SCALE, c[DAY_N], 1000, abs(r))
        c[DAY_N] += 1
    if week_known:
        fill_profile(f, z, 38, WEEK3, WEEK12, c[WEEK_N], x - week)
        rec += record_group(f, u, c, z, 2, 38, 44, weight, family)
        c[WEEK_N] += 1
    learn_profile(f, DAY, b, DAY_VISITS, day_bucket, entered, x, damp)
    learn_profile(f, WEEK, b, WEEK_VISITS, week_bucket, c[WEEK_BUCKET] != week_bucket + 1, x, damp)
    c[DAY_BUCKET], c[WEEK_BUCKET] = day_bucket + 1, week_bucket + 1

    q = far = 0.0
    if n + 1 >= START:
        end = RING + c[RING_END]
        known = min(n + 1, RING_KEEP)
        q, far = nearest(f[end - known : end], distance)
        spread = math.sqrt(f[VAR]) + 1e-9
        q, far = q / spread, far / spread
    q, far = on[NEAREST_ON] * q, on[FAR_ON] * far
    rest = pca_residual(f, c, h) if n + 1 >= START else 1.0
    usual_move = math.log1p(rest if on[PCA_ON] > 0.0 else 1.0)
    novelty = (n / (n + 100.0)) * (q + 0.2 * far)
    records = math.log1p(rec * n / (n + 300.0))
    shape = math.log1p(10.0 * novelty * (1.0 + math.log1p(ratio)) * usual_move) + RECORDS_SHARE * records
    beat = on[HEARTBEAT_ON] * heartbeat(f, c, x, change, day_known)
    if plain > shape:
        shape, part = plain, START_PART
    elif beat >= 1.0 and beat > shape - 3.0:
        part = FLAT_PART if c[FLAT_RUN] > 0 else HEARTBEAT_PART
    else:
        part = speaker(family, q, ratio, rest, exceeded, out[7])
    f[SEGMENT] = max(FADE * f[SEGMENT], shape)
    c[HELD] = min(c[HELD] + 1, HELD_MOST) if f[SEGMENT] >= HELD_ABOVE else 0
    c[N] = min(n + 1, 2_000_000_000)
    d[LAST] = min(max(raw, -8.0e307), 8.0e307)
    out[0], out[1], out[2], out[6], out[8] = shape, records, beat, part, 2.0 * math.log1p(ratio)


@kernel
def fetch(f: NDArray[np.float32], c: NDArray[np.int32], d: NDArray[np.float64], s: int) -> None:
    """Ask for what `judge` reads of slot s, while the sample before is judged; the rows of a million series lie in no cache."""
    prefetch(d, s, 0)
    for at in range(0, 4 * COUNTERS, LINE):
        prefetch(c, s, at)
    for at in range(0, 4 * DAY, LINE):
        prefetch(f, s, at)
    for at in range(4 * RING, 4 * FLOATS, LINE):
        prefetch(f, s, at)


@kernel
def step_rows(
    f: NDArray[np.float32], u: NDArray[np.uint16], b: NDArray[np.uint8], c: NDArray[np.int32], d: NDArray[np.float64],
    slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64],
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8], on: NDArray[np.float64], weight: NDArray[np.float32],
    z: NDArray[np.float32], distance: NDArray[np.float32], h: NDArray[np.float32], family: NDArray[np.float64],
    out: NDArray[np.float64],
) -> None:  # fmt: skip
    """Judge rows in order into strength (n, 5), expected, low, high and part (n,); f, u, b, c, d: one row per slot.

    z, distance, h, family, out: from `scratch`.
    """
    for i in range(slot.shape[0]):
        if i + AHEAD < slot.shape[0]:
            fetch(f, c, d, slot[i + AHEAD])
        s = slot[i]
        known = c[s, N] >= WARMUP
        if math.isfinite(value[i]):
            judge(f[s], u[s], b[s], c[s], d[s], time[i], value[i], on, weight, z, distance, h, family, out)
        if math.isfinite(value[i]) and known:
            strength[i, 0], strength[i, 1], strength[i, 2], strength[i, 3], strength[i, 4] = out[0], out[1], out[2], out[7], out[8]
            expected[i], low[i], high[i] = out[3], out[4], out[5]
            part[i] = int(out[6])
        else:
            strength[i, :] = math.nan
            expected[i], low[i], high[i] = math.nan, math.nan, math.nan
            part[i] = 0


def scratch() -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
    """Room that `step_rows` works in, new for each call: several threads may be at it."""
    return (
        np.zeros(STREAMS, np.float32), np.empty(LAGS, np.float32), np.empty(PCA_LAGS, np.float32), np.zeros(FAMILIES), np.empty(9),
    )  # fmt: skip
