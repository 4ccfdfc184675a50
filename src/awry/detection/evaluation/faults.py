"""Faults of known kind and size, put into rows of a series that went well; for `awry bench inject` and `awry inject`.

One sigma is 1.4826 times the median absolute deviation of the whole stretch, its daily swing included: what a person sees as the
usual width of the chart. From the row of the injection on, with s = size x sigma:

| kind | what happens | altered rows | an alert counts for |
|---|---|---|---|
| spike | one value s higher | 1 | 10 rows |
| dip | one value s lower | 1 | 10 |
| level | s higher or lower, by a coin | 100 | 100 |
| drift | rises or falls by s within 200 rows, then stays | 300 | 300 |
| variance | noise of deviation s / 2 is added | 100 | 100 |
| wave | a sine of amplitude s / 2 and a period of 12 rows is added | 100 | 100 |
| speed | the past runs backwards at `size` times its speed: known values, another frequency | 200 | 200 |
| missing peak | a peak of s and more that comes every day is replaced by the calm rows before it | its rows | its rows + 20 |
| missing activity | bursts of s over 3 rows, every 40 rows, planted in the past, end | - | 200 after the one due |
| flat line | the last value stays | 100 | 100 |

A missing sample stays missing. A series that was never negative does not become so: a fault down is not injected where there is
no room for it (level and drift then go up). Where a kind makes no sense (no recurring peak, a series that is often flat) the
stretch is left out of that kind.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Values

SIZES: dict[str, tuple[float, ...]] = {
    "spike": (2, 3, 5, 8),
    "dip": (2, 3, 5, 8),
    "level": (2, 3, 5),
    "drift": (2, 3, 5),
    "variance": (2, 3, 5),
    "wave": (2, 3, 5),
    "speed": (2, 5),
    "missing peak": (2, 3, 5),
    "missing activity": (5, 10),
    "flat line": (0,),
}
"""Kinds of fault, and the sizes in sigma that are measured (speed: a factor; flat line: none)."""
RAMP, HELD, SHORT, WARPED, FLAT_ROWS = 200, 100, 10, 200, 100
BURST_ROWS, BURST_EVERY, BURST_JITTER, BURSTS_MISSED = 3, 40, 4, 5
PEAK_ROWS, PEAK_AHEAD, PEAK_CALM = 4, 1440, 30
REACH = PEAK_AHEAD + PEAK_AHEAD // 2 + 2 * SHORT
LEAST_AHEAD = RAMP + HELD
"""Rows after the injection that a fault may need at most, and at least."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What a series looks like from the row of the injection on."""

    kind: str
    size: float
    values: Values
    """(rows,) from the row of the injection to the last row at which an alert counts."""
    start: int
    """First row of `values` at which the fault is there; an alert from here on finds it."""
    past: Values | None = None
    """The rows before the injection, where the fault needed others than there were."""


def sigma_of(values: Values) -> float:
    """1.4826 times the median absolute deviation of the finite values; 0 where half of them are equal."""
    finite = values[np.isfinite(values)]
    return float(1.4826 * np.median(np.abs(finite - np.median(finite)))) if finite.size else 0.0


def inject(kind: str, size: float, values: Values, row: int, sigma: float, day_rows: int, rng: np.random.Generator) -> Fault | None:
    """A fault of a kind and size at `row` of a stretch, or None where it makes no sense; needs LEAST_AHEAD to REACH rows after it.

    day_rows: rows that make a day, 0 for none.
    """
    after = values[row : row + REACH].copy()
    if len(after) < LEAST_AHEAD or not np.isfinite(after[0]):
        return None
    shift = size * sigma
    room = bool(np.nanmin(values) < 0) or float(np.nanmin(after[:SHORT])) >= shift
    sign = -1.0 if room and rng.random() < 0.5 else 1.0
    if kind == "spike":
        after[0] += shift
        return Fault(kind, size, after[:SHORT], 0)
    if kind == "dip":
        after[0] -= shift
        return Fault(kind, size, after[:SHORT], 0) if room else None
    if kind == "level":
        return Fault(kind, size, after[:HELD] + sign * shift, 0)
    if kind == "drift":
        ramp = np.minimum(np.arange(1, RAMP + HELD + 1) / RAMP, 1.0)
        return Fault(kind, size, after[: RAMP + HELD] + sign * shift * ramp, 0)
    if kind == "variance":
        return Fault(kind, size, after[:HELD] + rng.normal(0, shift / 2, HELD), 0)
    if kind == "wave":
        return Fault(kind, size, after[:HELD] + shift / 2 * np.sin(2 * np.pi * np.arange(1, HELD + 1) / 12), 0)
    if kind == "speed":
        back = row - 1 - int(size) * np.arange(WARPED)
        return Fault(kind, size, values[back], 0) if back[-1] >= 0 else None
    if kind == "flat line":
        return _flat(values, row)
    if kind == "missing activity":
        return _missing_activity(size, values, row, shift, rng)
    return _missing_peak(size, values, row, shift, day_rows)


def _flat(values: Values, row: int) -> Fault | None:
    changed = np.flatnonzero(np.diff(values[:row], prepend=np.nan) != 0)
    if np.isnan(values[row - 1]) or int(np.max(np.diff(changed), initial=0)) >= FLAT_ROWS // 4:
        return None
    held = np.where(np.isnan(values[row : row + FLAT_ROWS]), np.nan, values[row - 1])
    return Fault("flat line", 0, held, 0)


def _missing_activity(size: float, values: Values, row: int, height: float, rng: np.random.Generator) -> Fault:
    past, at = values[:row].copy(), int(rng.integers(BURST_EVERY))
    while at + BURST_ROWS <= row:
        past[at : at + BURST_ROWS] += height
        at += BURST_EVERY + int(rng.integers(-BURST_JITTER, BURST_JITTER + 1))
    start = at - row if at >= row else 0
    after = values[row : row + start + BURSTS_MISSED * BURST_EVERY].copy()
    return Fault("missing activity", size, after, start, past)


def _missing_peak(size: float, values: Values, row: int, shift: float, day_rows: int) -> Fault | None:
    """The next peak that was there at its time on two of the last three days does not come; None where there is none."""
    if not 24 <= day_rows <= PEAK_AHEAD or row < 3 * day_rows:
        return None
    middle = float(np.nanmedian(values[:row]))
    high = values > middle + shift / 2
    near = np.convolve(high, np.ones(11), "same") > 0
    after = values[row : row + REACH]
    for a, b in _runs(high[row : row + REACH]):
        days = [np.mean(near[row + a - k * day_rows : row + b - k * day_rows]) for k in (1, 2, 3)]
        calm = after[max(a - PEAK_CALM, 0) : a]
        calm = calm[calm <= middle + shift / 2]
        if a > day_rows or b + SHORT > len(after):
            return None
        tall = np.nanmax(after[a:b]) >= middle + shift
        if tall and PEAK_ROWS <= b - a <= day_rows // 2 and len(calm) > 1 and sum(share > 0.7 for share in days) >= 2:
            altered = after[: b + 2 * SHORT].copy()
            altered[a:b] = np.pad(calm[::-1], (0, b - a), mode="symmetric")[: b - a]
            return Fault("missing peak", size, altered, a)
    return None


def _runs(high: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """[start, stop) of the runs of True; up to 5 rows of False do not end one."""
    rows = np.flatnonzero(high)
    if not rows.size:
        return []
    cuts = np.flatnonzero(np.diff(rows) > 6)
    return list(zip(rows[np.append(0, cuts + 1)].tolist(), (rows[np.append(cuts, -1)] + 1).tolist(), strict=True))
