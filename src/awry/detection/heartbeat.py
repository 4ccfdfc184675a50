"""Did an expected burst fail to come, or has the series gone flat: the default detector's second kind of fault.

A burst is a stretch well above the usual level. The longest gap between bursts is remembered, slowly shrinking; a gap much
longer than that is strange, unless the level itself has moved away. The same is done with the longest run of unchanged values.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import (
    BEAT_COUNT,
    BEAT_FROM,
    BEAT_GAP,
    BEAT_LOW,
    BEAT_ON,
    BEAT_PEAK,
    BEAT_SCALE,
    BEAT_SINCE,
    BEAT_TOP,
    FLAT_MAX,
    FLAT_RUN,
    N,
)

RATE = 0.005
"""Weight of a new sample in the level and its scale (about 200 samples)."""
BURSTS = 6
"""Bursts seen before a gap may be strange."""
MOVED = 0.5
"""A level that has moved by this share of a burst's height since the last one ends the expectation: those bursts were of another
level."""
FORGET_RATIO = 16.0
"""A gap or a flat run this many times the longest one ends the expectation: it is normal from then on."""


@kernel
def learn_level(f: NDArray[np.float32], c: NDArray[np.int32], x: float) -> None:
    """Level and mean distance from it, each step cut so that bursts do not lift them."""
    if c[N] == 0:
        f[BEAT_LOW] = x
    away = x - f[BEAT_LOW]
    scale = f[BEAT_SCALE]
    rate = max(1.0 / (c[N] + 1), RATE)
    if scale > 0.0:
        f[BEAT_LOW] += rate * min(max(away, -2.0 * scale), 2.0 * scale)
        f[BEAT_SCALE] += rate * (min(abs(away), 3.0 * scale) - scale)
    else:
        f[BEAT_LOW] += rate * away
        f[BEAT_SCALE] += rate * abs(away)


@kernel
def heartbeat(f: NDArray[np.float32], c: NDArray[np.int32], x: float, change: float, day_known: bool) -> float:
    """Strength, 0 and up; 1 means twice as long a silence as ever. change: from the previous sample, in the series' unit.

    day_known: this time of day was seen on another day. Before that, bursts that end may be no more than the evening: a series
    with a daily cycle would be called strange on its first one. A flat line needs no such knowledge.
    """
    strength = 0.0
    rise = x - f[BEAT_LOW]
    active_above = max(0.5 * f[BEAT_PEAK], 3.0 * f[BEAT_SCALE])
    c[BEAT_SINCE] = min(c[BEAT_SINCE] + 1, 1_000_000_000)
    if f[BEAT_PEAK] > 0.0 and abs(f[BEAT_LOW] - f[BEAT_FROM]) > MOVED * f[BEAT_PEAK]:
        c[BEAT_COUNT], c[BEAT_SINCE], c[BEAT_ON] = 0, 0, 0
        f[BEAT_PEAK], f[BEAT_GAP] = 0.0, 0.0
    if c[BEAT_ON] == 1:
        f[BEAT_TOP] = max(f[BEAT_TOP], rise)
        if rise < 0.5 * active_above:
            c[BEAT_ON] = 0
            rate = max(1.0 / c[BEAT_COUNT], 0.1)
            f[BEAT_PEAK] += rate * (f[BEAT_TOP] - f[BEAT_PEAK])
            c[BEAT_SINCE] = 0
    elif rise > active_above and c[N] >= 8:
        gap = float(c[BEAT_SINCE])
        if c[BEAT_COUNT] > 0:
            f[BEAT_GAP] = max(gap, 0.98 * f[BEAT_GAP] + 0.02 * gap)
        c[BEAT_COUNT] = min(c[BEAT_COUNT] + 1, 1_000_000)
        c[BEAT_ON] = 1
        f[BEAT_TOP] = rise
        f[BEAT_FROM] = f[BEAT_LOW]
        c[BEAT_SINCE] = 0
    elif c[BEAT_COUNT] >= BURSTS and c[BEAT_SINCE] > f[BEAT_GAP]:
        ratio = c[BEAT_SINCE] / (max(f[BEAT_GAP], 5.0) + 3.0)
        if ratio > 1.0 and day_known:
            strength = math.log2(ratio) * min(1.0, c[BEAT_COUNT] / 12.0)
        if ratio > 1.5:
            f[BEAT_PEAK] *= 0.9995
        if ratio > FORGET_RATIO:
            c[BEAT_COUNT], c[BEAT_SINCE] = 0, 0
            f[BEAT_PEAK], f[BEAT_GAP], strength = 0.0, 0.0, 0.0
    if abs(change) <= 0.001 * f[BEAT_SCALE]:
        c[FLAT_RUN] = min(c[FLAT_RUN] + 1, 1_000_000_000)
        if c[N] > 64 and f[BEAT_SCALE] > 0.0:
            ratio = c[FLAT_RUN] / (max(f[FLAT_MAX], 4.0) + 4.0)
            strength = max(strength, math.log2(ratio))
            if ratio > FORGET_RATIO:
                f[FLAT_MAX] = float(c[FLAT_RUN])
    else:
        run = float(c[FLAT_RUN])
        if run > 0.0:
            f[FLAT_MAX] = max(run, 0.98 * f[FLAT_MAX] + 0.02 * run)
        c[FLAT_RUN] = 0
    learn_level(f, c, x)
    return strength
