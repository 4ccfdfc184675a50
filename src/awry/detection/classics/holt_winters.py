"""Level, damped trend and daily season by exponential smoothing, with Brutlag's band: for series with a daily cycle."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import kernel
from awry.detection.classics.rows import NORMAL_FROM_MEAN, USABLE, Rows, blank, check_options, printable, strength_of

SEEN, ANCHOR, LEVEL, TREND, SPREAD, TIME, INTERVAL, QUARTER, IN_VISIT, SEASONAL = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9
"""Samples; the first value; level; trend per interval; mean |error|; time of the last sample and usual distance of two (ms);
quarter hour of the last sample and samples in it; 1 while the level is taken after the season was."""
BUCKETS, BUCKET_MS = 96, 900_000
SEASON = 10
"""Season of each quarter hour of the day (UTC), relative to the anchor."""
ERROR = SEASON + BUCKETS
"""Mean |error| of each."""
VISITS = ERROR + BUCKETS
"""Days on which each was visited."""
WIDTH = VISITS + BUCKETS
CUT = 5.0
"""Errors are learned up to so many deviations."""
SPREAD_RATE = 1.0 / 200.0
MOST_STEPS = 1000.0
"""Intervals over which the trend is carried across a gap."""


@kernel
def enter_quarter(row: NDArray[np.float64], quarter: int, bucket: int) -> bool:
    """Count a visit when the quarter hour is a new one; whether the bucket's season is known, from its second visit on.

    When the season begins to be used the level gives it up, and takes it back when it ends, so that the forecast does not jump.
    """
    if row[SEEN] == 0.0 or quarter != row[QUARTER]:
        previous = int(row[QUARTER]) % BUCKETS
        row[VISITS + bucket] = min(row[VISITS + bucket] + 1.0, 1e6)
        row[QUARTER], row[IN_VISIT] = quarter, 0.0
        known = row[VISITS + bucket] >= 2.0
        if known and row[SEASONAL] == 0.0:
            row[LEVEL] -= row[SEASON + bucket]
            row[SEASONAL] = 1.0
        elif not known and row[SEASONAL] == 1.0:
            row[LEVEL] += row[SEASON + previous]
            row[SEASONAL] = 0.0
        if row[VISITS + bucket] == 2.0:
            row[ERROR + bucket] = row[SPREAD]
    return bool(row[VISITS + bucket] >= 2.0)


@kernel
def intervals_since(row: NDArray[np.float64], time: int) -> float:
    """Usual distances between two samples since the last one; learns the distance, a gap counting at most three of them."""
    gap = time - row[TIME]
    if row[SEEN] < 2.0 or row[INTERVAL] <= 0.0:
        row[INTERVAL] = gap
        return 1.0
    steps = gap / row[INTERVAL]
    row[INTERVAL] += max(1.0 / row[SEEN], 0.02) * (min(gap, 3.0 * row[INTERVAL]) - row[INTERVAL])
    return float(min(max(steps, 0.0), MOST_STEPS))


@kernel
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64],
    rates: tuple[float, float, float, float], width: float, warmup: int,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, WIDTH); rates: of level, trend and season, and the damping."""
    level_rate, trend_rate, season_rate, damping = rates
    for i in range(slot.shape[0]):
        row, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        n = row[SEEN]
        quarter = time[i] // BUCKET_MS
        bucket = quarter % BUCKETS
        if n == 0.0:
            row[ANCHOR] = row[LEVEL] = x
        known = enter_quarter(row, quarter, bucket)
        steps = intervals_since(row, time[i]) if n > 0.0 else 1.0
        kept = math.pow(damping, steps)
        carried = row[TREND] * (damping * (1.0 - kept) / (1.0 - damping) if damping < 1.0 else steps)
        forecast = row[LEVEL] + carried + (row[SEASON + bucket] if known else 0.0)
        error = x - forecast
        spread = NORMAL_FROM_MEAN * (0.5 * (row[SPREAD] + row[ERROR + bucket]) if known else row[SPREAD])
        if n >= warmup:
            strength[i, 0] = strength_of(error, spread)
            part[i] = 1 if error != 0.0 else 0
            expected[i] = printable(forecast)
            low[i], high[i] = printable(forecast - width * spread), printable(forecast + width * spread)
            if spread > 0.0:
                error = min(max(error, -CUT * spread), CUT * spread)
        rate = max(1.0 / (n + 1.0), level_rate)
        row[LEVEL] += carried + rate * error
        row[TREND] = kept * row[TREND] + rate * trend_rate * error
        row[SPREAD] += max(1.0 / (n + 1.0), SPREAD_RATE) * (abs(error) - row[SPREAD])
        row[IN_VISIT] += 1.0
        if known:
            a_visit = max(BUCKET_MS / max(row[INTERVAL], 1.0), 1.0)
            learned = max(1.0 / row[VISITS + bucket], season_rate) / a_visit
            row[SEASON + bucket] += learned * (1.0 - rate) * error
            row[ERROR + bucket] += learned * (abs(error) - row[ERROR + bucket])
        else:
            row[SEASON + bucket] += (x - row[ANCHOR] - row[SEASON + bucket]) / row[IN_VISIT]
        row[TIME] = time[i]
        row[SEEN] = n + 1.0


@dataclass
class HoltWinters:
    """Level, trend and daily season; 2.4 KB a series. Choose it for a clear daily cycle with a level that moves.

    With l, b, s level, trend and season of the time of day, h the intervals since the last sample, f the damping:
    forecast = l + (f + ... + f^h) b + s, e = x - forecast; l += (f + ... + f^h) b + A e; b = f^h b + A B e; s += G (1 - A) e,
    G being spread over the samples of one visit (Winters, doi:10.1287/mnsc.6.3.324, in error-correction form with damped trend,
    Gardner and McKenzie, doi:10.1287/mnsc.31.10.1237). The mean |e| of the time of day, d, and of all times, D, make the scale
    s = 1.2533 (d + D) / 2; the band is forecast -+ `width` s (Brutlag, Aberrant behavior detection in time series for
    network monitoring, USENIX LISA 2000), the strength 2 ln(1 + |e| / s). Errors are learned up to 5 s, so that one glitch
    is no new level (after Gelper, Fried, Croux, doi:10.1002/for.1125). The season has 96 quarter hours, by the samples' own
    times (UTC), so that gaps and irregular samples are no matter; it is used from the second day on.
    """

    level_rate: float = 0.1
    """A: share of an error that the level takes over per sample."""
    trend_rate: float = 0.02
    """B: share of the level's change that the trend takes over."""
    season_rate: float = 0.2
    """G: share of an error that the season of a quarter hour takes over per day."""
    damping: float = 0.9
    """Share of the trend that is left after one interval; 1 lets it go on for ever."""
    width: float = 3.0
    """Half the width of the band, in standard deviations of the error."""
    warmup: int = 32
    heads: tuple[str, ...] = ("residual",)
    parts: tuple[str, ...] = ("none", "residual")
    _rows: Rows = field(default_factory=lambda: Rows(WIDTH), init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(
            "holt_winters",
            level_rate=0.0 < self.level_rate <= 1.0,
            trend_rate=0.0 <= self.trend_rate <= 1.0,
            season_rate=0.0 <= self.season_rate <= 1.0,
            damping=0.0 <= self.damping <= 1.0,
            width=0.0 < self.width < 1e6,
            warmup=self.warmup >= 2,
        )

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 2 ln(1 + deviations from the forecast), the forecast, and `width` deviations about it."""
        raw = blank(len(batch))
        rates = (float(self.level_rate), float(self.trend_rate), float(self.season_rate), float(self.damping))
        step_rows(
            self._rows.state, batch.slot, batch.time, batch.value, rates, float(self.width), self.warmup,
            raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
