"""A band from a trend and the shapes of day and week, refitted daily: the model behind Prophet, by ridge regression in numpy."""

from __future__ import annotations

import numpy as np

from benchmarks.peers.columns import Floats, Peer, Times

DAY_MS = 86_400_000
DAY_WAVES, WEEK_WAVES = 10, 3
KEEP_MS, FIT_MOST = 28 * DAY_MS, 8000
"""How much past a fit reads, and to how many rows it is thinned."""
CHANGES = 10
"""Places in the past where the trend may bend, evenly laid."""


def seasonal(time_ms: Times, x: Floats, scored_from: int) -> Floats:
    """|value - forecast| over the deviation of the residuals of the fit (1.4826 MAD), in logarithms."""
    out = np.zeros(len(x))
    start = max(scored_from, 2)
    rows_a_day = max(int(DAY_MS / max(float(np.median(np.diff(time_ms))), 1.0)), 1)
    for at in range(start, len(x), rows_a_day):
        past = np.arange(int(np.searchsorted(time_ms, time_ms[at] - KEEP_MS)), at)
        past = past[np.linspace(0, len(past) - 1, min(FIT_MOST, len(past))).astype(np.int64)]
        ahead = slice(at, min(at + rows_a_day, len(x)))
        out[ahead] = deviations(time_ms[past], x[past], time_ms[ahead], x[ahead])
    return 2.0 * np.log1p(np.minimum(out, 1e6))


def deviations(past_ms: Times, past: Floats, ahead_ms: Times, ahead: Floats) -> Floats:
    """Fits the past, twice (the second time without what lay beyond three deviations), and measures what came."""
    weight = np.ones(len(past))
    span = (int(past_ms[0]), int(past_ms[-1]))
    table, centre = features(past_ms, span), float(np.median(past))
    spread = 1.0
    for _ in range(2):
        weighted = table * weight[:, None]
        gram = weighted.T @ table + np.diag(penalty(span))
        fit = np.linalg.solve(gram, weighted.T @ (past - centre))
        left = np.abs(past - centre - table @ fit)
        spread = 1.4826 * float(np.median(left)) or float(np.std(left)) or abs(centre) * 1e-6 or 1e-9
        weight = np.where(left > 3.0 * spread, 0.1, 1.0)
    return np.abs(ahead - centre - features(ahead_ms, span) @ fit) / spread


def waves(span: tuple[int, int]) -> list[float]:
    """Periods in ms: those of the day when the past has a day and a half, of the week when it has two."""
    length = span[1] - span[0]
    day = [DAY_MS / k for k in range(1, DAY_WAVES + 1)] if length >= 1.5 * DAY_MS else []
    return day + ([7 * DAY_MS / k for k in range(1, WEEK_WAVES + 1)] if length >= 14 * DAY_MS else [])


def features(time_ms: Times, span: tuple[int, int]) -> Floats:
    """One row per time: 1, trend, its bends, sine and cosine of each period."""
    along = (time_ms - span[0]) / max(span[1] - span[0], 1)
    bends = [np.maximum(along - k / CHANGES, 0.0) for k in range(1, CHANGES - 1)]
    angles = [2.0 * np.pi * (time_ms % (7 * DAY_MS)) / period for period in waves(span)]
    return np.stack([np.ones(len(along)), along, *bends, *(f(a) for a in angles for f in (np.sin, np.cos))], axis=1)


def penalty(span: tuple[int, int]) -> Floats:
    """Ridge: none on the level, little on waves, most on bends."""
    return np.array([1e-6, 1e-2, *([5.0] * (CHANGES - 2)), *([1e-2] * (2 * len(waves(span))))])


PEERS = [Peer("seasonal regression band", True, seasonal, logs=True)]
