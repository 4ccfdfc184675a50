"""What every peer shares: its signature, the rule for missing samples, windows, and one map of raw scores to logarithms.

The rules, the same for all peers:

- A missing sample takes the last value before it (never zero, never a look ahead); samples missing at the beginning take the
  first value. The rows themselves score nothing: their strength is NaN.
- Windows are WIDTH samples. Alerts come from the window that ends at a row, so that none counts as too early. The segment of a
  batch peer (look-ahead) is that of the window around the row, or the mean over all windows that the row is in.
- What needs a fit is fitted on the rows before `scored_from` (causal) or on all rows (batch), thinned evenly to FIT_MOST windows.
- A raw score s becomes 2 ln(1 + softplus((s - median) / spread)), rising with s, with median and spread of the rows that the peer
  was fitted on; the spread is (90th percentile - median) / 1.28, a normal's deviation, so that scores with a ceiling stretch as
  far as scores with a long tail. The map changes no ranking within a series; it lets columns be summed and files be pooled, and
  the same alert rule hold for all.
- No peer may be silent when scoring begins: windows and buffers are cut to what fits in the rows before `scored_from`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
WIDTH = 20
"""Samples in a window."""
FIT_MOST = 4000
"""Windows that a model is fitted on at most, evenly thinned."""
STRANGEST = 1e6
"""Distances from the median beyond this many spreads are alike."""


@dataclass(frozen=True)
class Peer:
    """One detector of another project, in one configuration for every series."""

    name: str
    causal: bool
    """False: a row's score depends on later rows; such a peer could not have alerted."""
    column: Callable[[Times, Floats, int], Floats]
    """(time in Unix ms (n,), values without missing (n,), scored_from) to raw scores (n,), higher = stranger."""
    logs: bool = False
    """The scores are in logarithms already, and stay as they are."""
    around: Callable[[Floats], Floats] | None = None
    """For batch peers: from scores of the windows that end at each row to the segment's; None: alerts and segment are one."""

    def strengths(self, time_ms: Times, values: Floats, scored_from: int) -> tuple[Floats, Floats]:
        """Strength of each row in logarithms for alerts and for the segment, (n,) each, NaN where the value is missing."""
        known = np.isfinite(values)
        if not known.any():
            return np.full(len(values), np.nan), np.full(len(values), np.nan)
        raw = self.column(time_ms, filled(values), max(scored_from, 2))
        fit = slice(0, scored_from) if self.causal else slice(None)
        alerts = np.where(known, raw if self.logs else in_logs(raw, fit), np.nan)
        return alerts, alerts if self.around is None else np.where(known, in_logs(self.around(raw), fit), np.nan)


def filled(values: Floats) -> Floats:
    """Each missing value as the last before it; those before the first as the first."""
    known = np.isfinite(values)
    at = np.maximum.accumulate(np.where(known, np.arange(len(values)), -1))
    return np.asarray(values[np.where(at < 0, int(np.argmax(known)), at)], np.float64)


def standard(x: Floats, fit: slice) -> Floats:
    """x less the mean and over the standard deviation of the rows `fit`; a constant start leaves the scale of all rows' size."""
    part = x[fit] if len(x[fit]) else x
    deviation = float(np.std(part))
    size = float(np.max(np.abs(part)))
    scale = deviation if deviation > 1e-9 * size and deviation > 0 else (size or 1.0)
    return np.clip((x - np.mean(part)) / scale, -1e6, 1e6)


def ending_at(x: Floats, width: int = WIDTH) -> Floats:
    """The window that ends at each row, (n, width); the beginning repeats the first value."""
    return np.ascontiguousarray(sliding_window_view(np.concatenate([np.full(width - 1, x[0]), x]), width))


def level(windows: Floats, ddof: int = 0) -> Floats:
    """Each window less its mean and over its standard deviation; one of equal values becomes zeros."""
    deviation = windows.std(axis=1, ddof=ddof, keepdims=True)
    flat = np.ptp(windows, axis=1, keepdims=True) == 0
    return np.where(flat, 0.0, (windows - windows.mean(axis=1, keepdims=True)) / np.where(flat | (deviation == 0), 1.0, deviation))


def at_end(score: Floats) -> Floats:
    """From a score per window to one per row, that of the window which ends there; the first rows have the first window's."""
    return np.concatenate([np.full(WIDTH - 1, score[0]), score])


def centred(score: Floats) -> Floats:
    """From scores of the windows that end at each row to those of the windows around it; the last rows have the last's."""
    return np.pad(score[WIDTH // 2 :], (0, min(WIDTH // 2, len(score))), mode="edge")


def averaged(score: Floats) -> Floats:
    """From scores of the windows that end at each row to the mean over all windows that the row is in."""
    total = np.concatenate([[0.0], np.cumsum(score)])
    last = np.minimum(np.arange(len(score)) + WIDTH, len(score))
    return (total[last] - total[:-1]) / (last - np.arange(len(score)))


def thinned(rows: Floats, most: int = FIT_MOST) -> Floats:
    """At most so many rows, evenly spread."""
    return rows if len(rows) <= most else np.asarray(rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)])


def in_logs(raw: Floats, fit: slice) -> Floats:
    """The one map of raw scores; see the module."""
    raw = np.nan_to_num(np.asarray(raw, np.float64), nan=0.0, posinf=1e300, neginf=-1e300)
    part = raw[fit] if len(raw[fit]) else raw
    median = float(np.median(part))
    spread = (float(np.quantile(part, 0.9)) - median) / 1.2816
    for other in (1.4826 * float(np.median(np.abs(part - median))), float(np.std(np.clip(part, -1e150, 1e150))), abs(median), 1.0):
        spread = spread or other
    away = np.clip((raw - median) / spread, -50.0, STRANGEST)
    return 2.0 * np.log1p(np.logaddexp(0.0, away))
