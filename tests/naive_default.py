"""Slow, obvious twins of the default detector's residual and streams, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

SIGMA = 1.2533


class Residual:
    """Distance from level or day profile in usual errors; the usual errors of each quarter hour in a dictionary."""

    def __init__(self) -> None:
        self.samples = 0
        self.level = self.offset = self.scale = 0.0
        self.usual: dict[int, float] = {}
        self.now = 0.0
        self.quarter: int | None = None
        self.visit: list[float] = []

    def enter(self, quarter: int, visits: int) -> None:
        """A sample of another quarter hour comes, which had so many visits before."""
        if self.visit and self.quarter is not None:
            usual = self.usual.get(self.quarter, self.scale)
            rate = max(1 / max(visits, 1), 0.2)
            self.usual[self.quarter] = usual + rate * (sum(self.visit) / len(self.visit) - usual)
        self.quarter, self.visit = quarter, []
        self.now = self.usual.get(quarter, self.scale)

    def tell(self, x: float, day: float | None) -> float:
        """How far x is off, 0 to 120; then x is learned. day: the profile's mean, None while not known."""
        if self.samples == 0:
            self.level = x
        error = x - (self.level if day is None else day + self.offset)
        scale = SIGMA * (self.scale if day is None else (self.scale + self.now) / 2)
        ratio, limit = 0.0, math.inf
        if self.samples >= 16:
            if scale > 0:
                ratio, limit = min(abs(error) / scale, 120.0), 5 * scale
            elif error != 0:
                ratio = 120.0
        error = min(max(error, -limit), limit)
        young = 1 / (self.samples + 1)
        rate = max(young, 0.1)
        self.level += rate * min(max(x - self.level, -limit), limit)
        self.offset += rate * (-self.offset if day is None else error)
        self.scale += max(young, 1 / 200) * (abs(error) - self.scale)
        if day is not None:
            self.visit.append(abs(error))
        self.samples += 1
        return ratio


def smooth(values: Sequence[float], k: int) -> float:
    """A plain mean of the first k values, from then on an exponentially weighted one over k."""
    mean = sum(values[:k]) / len(values[:k])
    for v in values[k:]:
        mean += (v - mean) / k
    return mean


def streams(values: Sequence[float]) -> list[float]:
    """The 32 statistics that are always valid, of the last of these values."""
    x = values[-1]
    steps = [abs(b - a) for a, b in zip([values[0], *values], values, strict=False)]
    before = values[:-1]
    m = {k: smooth(values, k) for k in (3, 12, 48, 96, 400)}
    a = {k: smooth(steps, k) for k in (3, 12, 48)}
    change = x - before[-1] if before else 0.0
    signed = [x, m[3], m[12], m[48]]
    out = [s for v in signed for s in (v, -v)]
    for k in (3, 8, 24):
        out += [min(values[-k:]), -max(values[-k:])]
    out += [abs(change), a[3], a[12], a[48], -math.log(1e-9 + a[12]), -math.log(1e-9 + a[48])]
    shifts = [m[3] - m[48], m[12] - m[96], m[48] - m[400], change]
    shifts += [x - smooth(before, 4) if before else 0.0, x - smooth(before, 12) if before else 0.0]
    return out + [s for v in shifts for s in (v, -v)]
