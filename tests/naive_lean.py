"""The lean detector's own kernels once more, slow and obvious: lists instead of rows, one idea a class."""

from __future__ import annotations

import math


class Lattice:
    """An adaptive Burg lattice of order 6: reflection coefficients from sums that fade by 0.999 a sample."""

    def __init__(self) -> None:
        self.backward = [0.0] * 6
        self.products = [0.0] * 6
        self.powers = [0.0] * 6

    def error(self, z: float) -> float:
        """|error| of the prediction of z, which is then learned."""
        z = max(-8.0, min(8.0, z))
        forward, backward = [z], [z]
        for m in range(6):
            k = -self.products[m] / self.powers[m] if self.powers[m] else 0.0
            forward.append(forward[m] + k * self.backward[m])
            backward.append(self.backward[m] + k * forward[m])
        for m in range(6):
            self.products[m] = 0.999 * self.products[m] + 2 * forward[m] * self.backward[m]
            self.powers[m] = 0.999 * self.powers[m] + forward[m] ** 2 + self.backward[m] ** 2 + 1e-4
        self.backward = backward[:6]
        return abs(forward[6])


class Stream:
    """Three remembered block maxima of one statistic, each with its age in blocks."""

    def __init__(self) -> None:
        self.block: list[float] = []
        self.remembered: list[tuple[float, int]] = []
        self.blocks = 0

    def surprise(self, z: float) -> float:
        """0 to 6 against what is remembered; the open block does not count."""
        if self.blocks < 4 or z < self.remembered[-1][0]:
            return 0.0
        beyond = sum(math.exp(-age / 100) for top, age in self.remembered if top >= z)
        s = 2 + math.log(0.5 / (beyond + 0.5))
        largest, smallest = self.remembered[0][0], self.remembered[-1][0]
        if z > largest:
            spread = 2 * (largest - smallest)
            s += math.log1p((z - largest) / (spread if spread > 0 else 1e-9 + 1e-6 * abs(largest)))
        return min(max(s, 0.0), 6.0)

    def learn(self, z: float, length: int) -> None:
        """Add z to the open block; at `length` samples its maximum is remembered, if it is among the three or the last is old."""
        self.block.append(z)
        if len(self.block) < length:
            return
        top, self.block = max(self.block), []
        self.blocks += 1
        self.remembered = [(value, min(age + 1, 255)) for value, age in self.remembered]
        if len(self.remembered) == 3 and top <= self.remembered[-1][0] and self.remembered[-1][1] <= 250:
            return
        at = sum(value >= top for value, _ in self.remembered[:2])
        kept = self.remembered[:2]
        self.remembered = [*kept[:at], (top, 0), *kept[at:]]
