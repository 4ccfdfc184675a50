"""Slow, obvious twins of the detection kernels, written from their definitions; the tests compare the two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from statistics import median, pstdev


def nearest(values: Sequence[float], window: int = 8, far_lag: int = 64) -> tuple[float, float]:
    """Root mean square distance of the last `window` values to the nearest earlier window, over all lags and over far ones."""
    now = values[-window:]
    found: dict[int, float] = {}
    for lag in range(window, len(values) - window + 1):
        then = values[len(values) - window - lag : len(values) - lag]
        found[lag] = math.sqrt(sum((a - b) ** 2 for a, b in zip(now, then, strict=True)) / window)
    far = [d for lag, d in found.items() if lag >= far_lag]
    return min(found.values()), min(far) if len(far) >= 8 else min(found.values())


class Blocks:
    """One stream of the record memory: closed block maxima, the five that are remembered, and the surprise of a value."""

    def __init__(self) -> None:
        self.open: list[float] = []
        self.closed = 0
        self.remembered: list[tuple[float, int]] = []
        self.median = 0.0
        self.deviation = 0.0

    def surprise(self, z: float) -> float:
        """0 to 6, before z is learned."""
        if self.closed < 4 or z < self.remembered[-1][0]:
            return 0.0
        beyond = sum(math.exp(-(self.closed - age) / 100) for top, age in self.remembered if top >= z)
        s = 2 + math.log(0.5 / (beyond + 0.5))
        largest = self.remembered[0][0]
        if z > largest:
            spread = largest - self.median
            s += math.log1p((z - largest) / (spread if spread > 0 else 1e-9 + 1e-6 * abs(largest)))
        return min(max(s, 0.0), 6.0)

    def learn(self, z: float, samples: int) -> None:
        """Take z in; samples: seen before it, which set the block's length."""
        self.open.append(z)
        if len(self.open) < max(12, min(50, samples // 8)):
            return
        top, self.open = max(self.open), []
        if self.closed == 0:
            self.median = top
        else:
            away = top - self.median
            self.deviation += max(1 / (self.closed + 1), 0.02) * (abs(away) - self.deviation)
            most = 1.5 * self.deviation * max(1 / (self.closed + 1), 0.05)
            self.median += min(max(away, -most), most)
        if len(self.remembered) == 5:
            smallest, age = self.remembered[-1]
            if top >= smallest or self.closed - age > 300:
                self.remembered[-1] = (top, self.closed)
        else:
            self.remembered.append((top, self.closed))
        self.remembered.sort(key=lambda entry: (-entry[0], -entry[1]))
        self.closed += 1


def start_strength(past: Sequence[float], x: float) -> float:
    """2 ln(1 + z) against all samples so far, while there are fewer than 128 of them."""
    n = len(past)
    mean = sum(past) / n
    deviation = math.sqrt(sum((v - mean) ** 2 for v in past) / n)
    if deviation == 0:
        return 2 * math.log(5) if x != mean else 0.0
    return 2 * math.log(1 + min(abs(x - mean) / deviation, 4 + n / 8))


def day_profile(times_ms: Sequence[int], values: Sequence[float]) -> dict[int, float]:
    """Mean of each quarter hour of the day after these samples."""
    mean: dict[int, float] = {}
    visits: dict[int, int] = {}
    previous = -1
    for time, x in zip(times_ms, values, strict=True):
        bucket = time // 900_000 % 96
        entered = bucket != previous
        if entered:
            visits[bucket] = visits.get(bucket, 0) + 1
        if bucket not in mean:
            mean[bucket] = x
        else:
            mean[bucket] += max(1 / (6 * visits[bucket]), 1 / 8 if entered else 0.02) * (x - mean[bucket])
        previous = bucket
    return mean


def beyond(past: Sequence[float], x: float) -> float:
    """Strength of lying outside the whole past, from at least 32 values; without the slow forgetting of far extremes."""
    n, low, high = len(past), min(past), max(past)
    spread = pstdev(past)
    r = max(x - high, low - x) / (high - low)
    if r <= 0.5:
        return 0.0
    strength = 0.5 * math.log(n / 32) + 1.4 * math.log(1 + 4 * r) - 4 * max(math.log((high - low) / (6 * spread)), 0)
    return strength if strength >= 2.5 else 0.0


def usual_interval(times_ms: Sequence[int]) -> float:
    """Median distance between arrivals."""
    return median(b - a for a, b in pairwise(times_ms))
