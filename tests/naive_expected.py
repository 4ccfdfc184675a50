"""Slow, obvious twins of the expected value, its band and the horizon tests, written from their definitions."""

from __future__ import annotations

import math


def cut(error: float, mean: float, most: float) -> float:
    """An error, at most so many times the mean of those before; uncut while there is none."""
    return min(error, most * mean) if mean > 0 else error


class Expected:
    """One series, in float64. `day` is the profile's mean at a sample, None while the time of day is not known."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.level = self.trend = self.slope = self.offset = 0.0
        self.shares = {"level": 0.0, "trend": 0.0, "day": 0.0}
        self.err_last = self.err_mix = 0.0
        self.slow = self.fast = 0.0
        self.low, self.high = -4.0, 4.0
        self.extreme = {"top": (math.nan, 0), "bottom": (math.nan, 0)}

    def others(self, day: float | None) -> dict[str, float]:
        """The forecasts that the last value is moved towards."""
        found = {"level": self.level, "trend": self.trend + self.slope}
        return found if day is None else found | {"day": day + self.offset}

    def mixture(self, day: float | None) -> float:
        last = self.values[-1]
        return last + sum(self.shares[name] * (other - last) for name, other in self.others(day).items())

    def forecast(self, day: float | None) -> float:
        return self.values[-1] if self.err_last < self.err_mix else self.mixture(day)

    def scale(self) -> float:
        return math.sqrt(self.slow * max(self.fast, 0.2 * self.slow))

    def band(self, day: float | None) -> tuple[float, float, float]:
        """expected, low, high before the sample is known."""
        best = self.forecast(day)
        low, high = best + self.low * self.scale(), best + self.high * self.scale()
        if self.extreme["top"][1] >= 8:
            best, high = min(best, self.extreme["top"][0]), min(high, self.extreme["top"][0])
        if self.extreme["bottom"][1] >= 8:
            best, low = max(best, self.extreme["bottom"][0]), max(low, self.extreme["bottom"][0])
        if min(self.values) >= 0:
            best, low = max(best, 0.0), max(low, 0.0)
        return best, min(low, best), max(high, best)

    def learn(self, x: float, day: float | None) -> None:
        n = len(self.values)
        if n == 0:
            self.values.append(x)
            self.level = self.trend = x
            self.extreme = {"top": (x, 0), "bottom": (x, 0)}
            return
        last, others, young = self.values[-1], self.others(day), 1 / (n + 1)
        best, error = self.forecast(day), x - self.mixture(day)
        usual = self.err_mix
        rate = max(young, 1 / 200)
        self.err_last += rate * (cut(abs(x - last), self.err_last, 6) - self.err_last)
        self.err_mix += rate * (cut(abs(error), self.err_mix, 6) - self.err_mix)
        power = usual**2 + sum((other - last) ** 2 for other in others.values())
        if power > 0:
            if usual > 0:
                error = max(-3 * usual, min(3 * usual, error))
            for name, other in others.items():
                self.shares[name] = max(-0.5, min(1.0, self.shares[name] + 0.03 * error * (other - last) / power))
        away, scale = x - best, self.scale()
        size = cut(abs(away), max(self.slow, self.fast), 50)
        self.slow += max(young, 1 / 1000) * (size - self.slow)
        self.fast += max(young, 0.2) * (size - self.fast)
        if n >= 32 and scale > 0:
            self.high *= 1 + 0.15 * 0.995 if away > self.high * scale else 1 - 0.15 * 0.005
            self.low *= 1 + 0.15 * 0.995 if away < self.low * scale else 1 - 0.15 * 0.005
            self.high, self.low = min(max(self.high, 0.05), 60), -min(max(-self.low, 0.05), 60)
        top, bottom = self.extreme["top"], self.extreme["bottom"]
        self.extreme["top"] = (x, 0) if x > top[0] else (top[0], top[1] + (x == top[0] and last < x))
        self.extreme["bottom"] = (x, 0) if x < bottom[0] else (bottom[0], bottom[1] + (x == bottom[0] and last > x))
        if day is not None:
            self.offset += (x - day - self.offset) / 24
        self.level += max(young, 1 / 24) * (x - self.level)
        ahead = self.trend + self.slope
        self.trend = ahead + 0.5 * (x - ahead)
        self.slope = 0.98 * (self.slope + 0.05 * (x - ahead))
        self.values.append(x)


def near_errors(
    values: list[float], stays: list[float], drift: list[float], days: list[float], offset: list[float]
) -> list[list[float]]:
    """Absolute errors of the three horizon forecasts at every tested age of 32 to 63 samples: [stay, day, ramp], in order.

    stays, drift, offset: what was believed when sample i was learned. Tests begin every 128 samples, every 512 from 512 on.
    """
    found = []
    begin = 0
    for n in range(len(values)):
        cycle = 512 if n >= 512 else 128
        if n % cycle == 0:
            begin = n
        age = n - begin
        if 32 <= age < 64 and n > 128:
            found.append(
                [
                    abs(values[n] - stays[begin]),
                    abs(values[n] - days[n] - offset[begin]),
                    abs(values[n] - stays[begin] - age * drift[begin]),
                ]
            )
    return found
