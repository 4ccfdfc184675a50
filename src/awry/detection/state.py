"""Where each number of the default detector lives in a series' state rows; for its kernels and for dumps.

A series owns one row in each of five arrays: float32 `f`, uint16 `u`, uint8 `b`, int32 `c`, float64 `d`. A row of zeros is a
series never seen. Values inside `f` are in the series' own unit: (value - anchor) / unit, with the anchor its first value and
the unit a power of two, so float32 is precise enough and the constants mean the same at every scale.
"""

from __future__ import annotations

# f: scalars
E3, E4, E12, E48, E96, E400 = 0, 1, 2, 3, 4, 5
"""Exponentially weighted means of the value over that many samples."""
A3, A12, A48 = 6, 7, 8
"""The same of the absolute change."""
MU, VAR = 9, 10
"""Mean and variance over 2,000 samples."""
DAY3, DAY12, WEEK3, WEEK12 = 11, 12, 13, 14
"""Means of the residual of the day and week profile."""
DAY_SCALE = 15
PCA_SCALE = 16
BEAT_LOW, BEAT_SCALE, BEAT_PEAK, BEAT_GAP, BEAT_TOP, FLAT_MAX = 17, 18, 19, 20, 21, 22
SEGMENT = 23
LEVEL, OFFSET = 24, 25
ERR_LAST, ERR_MIX = 26, 27
TO_LEVEL = 28
BAND_LOW, BAND_HIGH, BAND_SCALE = 29, 30, 31
HIGH, LOW = 32, 33
"""Largest and smallest value seen; glitches are forgotten slowly."""
TO_TREND, TO_DAY, TREND, SLOPE, BAND_NOW = 34, 35, 36, 37, 38
"""Of the expected value: shares of its mixture, level and slope of its trend, mean error over 5 samples."""
CEILING, CEILING_HITS, FLOOR, FLOOR_HITS = 39, 40, 41, 42
"""Extremes of the values, and how often each was reached from within since it was passed last."""
DRIFT, FROM, FROM_OFFSET, FROM_DRIFT = 43, 44, 45, 46
"""Of horizon forecasts: lasting slope per sample; where the forecast under test began, with the offset and slope of then."""
FAR_STAY, FAR_DAY, FAR_RAMP, NEAR_STAY, NEAR_DAY, NEAR_RAMP = 47, 48, 49, 50, 51, 52
"""Mean absolute errors of the three horizon forecasts after about 380 and about 48 samples."""
MOVE = 53
"""Largest usual move of the level, per sample."""
BEAT_FROM = 54
"""Level at the last burst's beginning."""
SCALARS = 56
"""What lies below is shared by every detector that uses these kernels; the rest is the default detector's."""
RES_LEVEL, RES_OFFSET, RES_SCALE, RES_NOW, RES_SUM = range(SCALARS, SCALARS + 5)
"""Of the residual: level, offset from the day profile, usual error of all times and of this one, and its sum in this visit."""
PCA = SCALARS + 5
"""Three components of 16 weights, then their three variances."""
PCA_LAGS, PCA_PARTS = 16, 3
PCA_VAR = PCA + PCA_PARTS * PCA_LAGS
STREAMS = 44
CUR = PCA_VAR + PCA_PARTS
MED = CUR + STREAMS
DEV = MED + STREAMS
TOP = DEV + STREAMS
"""Five remembered extremes per stream, largest first: [rank][stream]."""
RANKS = 5
DAY = TOP + RANKS * STREAMS
DAY_BUCKETS = 96
WEEK = DAY + DAY_BUCKETS
WEEK_BUCKETS = 168
RING = WEEK + WEEK_BUCKETS
WINDOW, LAGS = 8, 320
"""Length of a shape, and how far back it is looked for, in samples."""
RING_KEEP = LAGS + WINDOW
RING_SIZE = RING_KEEP + 16
FLOATS = RING + RING_SIZE

# u: block number at which each remembered extreme was seen, [rank][stream]; then
DAY_ERRORS = RANKS * STREAMS
"""Usual error of each quarter hour, packed (residual.py)."""
AGES = DAY_ERRORS + DAY_BUCKETS

# b: visits of each profile bucket
DAY_VISITS, WEEK_VISITS = 0, DAY_BUCKETS
BYTES = DAY_BUCKETS + WEEK_BUCKETS

# c: counters
N = 0
"""Valid samples learned."""
RING_END = 1
BLOCK_POS, BLOCKS = 2, 5
"""Per group of streams (always, day, week): samples in the open block, and blocks closed."""
DAY_BUCKET, WEEK_BUCKET = 8, 9
"""Bucket of the last sample plus one."""
DAY_N, WEEK_N, PCA_N = 10, 11, 12
BEAT_COUNT, BEAT_SINCE, BEAT_ON, FLAT_RUN = 13, 14, 15, 16
HELD = 17
"""Samples for which learning has been damped in the open episode."""
HELD_ABOVE, HELD_MOST, HELD_DAMP = 4.0, 240, 0.1
"""Segment from which learning is damped, for how many samples at most, and to what share."""
LONG = 2000
"""Samples over which mean, spread and the usual errors are kept."""
ODD = 18
"""Samples in a row that the unit does not fit."""
RES_COUNT = 19
"""Residuals summed in this visit of the quarter hour."""
COUNTERS = 20

# d: in the series' own numbers
ANCHOR, UNIT, LAST, LEAST = 0, 1, 2, 3
DOUBLES = 4
