"""Slow, obvious twins of the baseline detectors: lists, one sample at a time, written from their definitions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median, pstdev

import numpy as np

Judged = tuple[float, float, float]
"""Strength, expected value, half the width of the band; of one sample."""


def strength(away: float, scale: float) -> float:
    """2 ln(1 + deviations), at most that of 120."""
    return 0.0 if away == 0 else 2 * math.log(1 + (min(abs(away) / scale, 120) if scale else 120))


class Mean:
    """Mean and variance, every sample with weight 1/n until n passes the memory, then with 1/memory."""

    def __init__(self, memory: float) -> None:
        self.memory, self.n, self.mean, self.variance = memory, 0, 0.0, 0.0

    def learn(self, x: float) -> None:
        self.n += 1
        rate = max(1 / self.n, 1 / self.memory)
        before, self.mean = self.mean, (1 - rate) * self.mean + rate * x
        self.variance = (1 - rate) * self.variance + rate * (1 - rate) * (x - before) ** 2


def static(values: Sequence[float], low: float, high: float) -> list[float]:
    """Strengths for two limits."""
    inside, found = Mean(2000), []
    for x in values:
        if low <= x <= high:
            found.append(0.0)
            inside.learn(x)
        else:
            away = low - x if x < low else x - high
            found.append(min(2 * math.log(4 + away / max(high - low, math.sqrt(inside.variance))), 2 * math.log(121)))
    return found


def gaussian(values: Sequence[float], window: int, slide: int) -> list[Judged]:
    """From the second sample on: two-sided normal tail against the fitted values, in nats."""
    fitted, waiting, found = [values[0]], [], []
    for x in values[1:]:
        mean, deviation = fmean(fitted), pstdev(fitted)
        z = abs(x - mean) / deviation if deviation else 120 * (x != mean)
        nats = -math.log(math.erfc(z / math.sqrt(2))) if z < 25 else z * z / 2 + math.log(z * math.sqrt(math.pi / 2))
        found.append((math.log(1 + nats), mean, 3 * deviation))
        if len(fitted) < window:
            fitted.append(x)
        else:
            waiting.append(x)
            if len(waiting) == slide:
                fitted, waiting = (fitted + waiting)[slide:], []
    return found


def rolling(values: Sequence[float], window: int) -> list[Judged]:
    """From the second sample on: robust z against the values before."""
    found = []
    for i in range(1, len(values)):
        past = values[max(0, i - window) : i]
        centre = median(past)
        away = sorted(abs(v - centre) for v in past)
        wide = away[math.ceil(0.9 * len(past)) - 1] / 1.6448536269514722
        spread = max(1.4826022185056018 * median(away), wide) or math.sqrt(fmean([a * a for a in away]))
        found.append((strength(values[i] - centre, spread), centre, 3 * spread))
    return found


def autoregression(values: Sequence[float], keep: float, memory: float, warmup: int) -> list[Judged]:
    """From sample `warmup` on, by matrices."""
    series, error = Mean(2000), 0.0
    weight, p, last = np.zeros(8), 10 * np.eye(8), np.zeros(0)
    found = []
    for n, x in enumerate(values):
        mean, deviation = series.mean, math.sqrt(series.variance)
        if deviation > 0:
            h = np.zeros(8)
            h[: len(last)] = np.clip((last - mean) / deviation, -8, 8)
            guess = float(weight @ h)
            y = (x - mean) / deviation
            spread = math.sqrt(math.pi / 2) * max(error, 1e-6)
            residual = float(np.clip(y, -8, 8)) - guess
            if n >= warmup:
                found.append((strength(y - guess, spread), mean + deviation * guess, 3 * deviation * spread))
                residual = float(np.clip(residual, -5 * spread, 5 * spread))
            if n >= 8:
                gain = p @ h / (keep + h @ p @ h)
                weight = weight + gain * residual
                p = (p - np.outer(gain, h @ p)) / keep
                error += max(1 / (n - 7), 1 / memory) * (abs(residual) - error)
        series.learn(x)
        last = np.concatenate([[x], last])[:8]
    return found


def nearest(values: Sequence[float], windows: int, memory: float) -> list[Judged]:
    """From the 17th sample on, trying every window; ties go to the youngest."""
    x = np.asarray(values, float)
    series, error, found = Mean(memory), 0.0, []
    follows = float(x[0])
    for i in range(len(x)):
        error += max(1 / (i + 1), 1 / 200) * (abs(x[i] - follows) - error) if i < 16 else 0
        expected = follows
        follows = float(x[i])
        if i >= 15:
            ends = range(max(7, i - windows), i - 7)
            away, _, end = min((math.sqrt(float(np.mean((x[i - 7 : i + 1] - x[e - 7 : e + 1]) ** 2))), -e, e) for e in ends)
            follows = float(x[end + 1])
            if i >= 16:
                found.append((strength(away, math.sqrt(series.variance)), expected, 3 * math.sqrt(math.pi / 2) * error))
        if i >= 16:
            error += max(1 / (i + 1), 1 / 200) * (abs(x[i] - expected) - error)
        series.learn(float(x[i]))
    return found


def holt_winters(
    times: Sequence[int], values: Sequence[float], rates: tuple[float, float, float, float], warmup: int
) -> list[Judged]:
    """From sample `warmup` on: level, trend and season in words of the definition, the season in dictionaries by quarter hour."""
    a, b, g, damping = rates
    level, trend, overall, interval, held = values[0], 0.0, 0.0, 0.0, 0
    season: dict[int, float] = {}
    error_of: dict[int, float] = {}
    visits: dict[int, int] = {}
    seasonal = False
    found = []
    for n, (time, x) in enumerate(zip(times, values, strict=True)):
        bucket = time // 900_000 % 96
        if n == 0 or time // 900_000 != times[n - 1] // 900_000:
            visits[bucket], held = visits.get(bucket, 0) + 1, 0
            if visits[bucket] == 2:
                error_of[bucket] = overall
            if seasonal != (visits[bucket] > 1):
                seasonal = not seasonal
                level += -season[bucket] if seasonal else season[times[n - 1] // 900_000 % 96]
        h = 1.0
        if n:
            gap = time - times[n - 1]
            h = min(gap / interval, 1000.0) if n > 1 else 1.0
            interval = gap if n == 1 else interval + max(1 / n, 0.02) * (min(gap, 3 * interval) - interval)
        carried = trend * damping * (1 - damping**h) / (1 - damping)
        expected = level + carried + (season[bucket] if seasonal else 0)
        e = x - expected
        scale = math.sqrt(math.pi / 2) * ((overall + error_of[bucket]) / 2 if seasonal else overall)
        if n >= warmup:
            found.append((strength(e, scale), expected, 3 * scale))
            e = min(max(e, -5 * scale), 5 * scale) if scale else e
        rate = max(1 / (n + 1), a)
        level += carried + rate * e
        trend = damping**h * trend + rate * b * e
        overall += max(1 / (n + 1), 1 / 200) * (abs(e) - overall)
        held += 1
        if seasonal:
            share = max(1 / visits[bucket], g) / max(900_000 / max(interval, 1), 1)
            season[bucket] += share * (1 - rate) * e
            error_of[bucket] += share * (abs(e) - error_of[bucket])
        else:
            past = season.get(bucket, 0.0)
            season[bucket] = past + (x - values[0] - past) / held
    return found
