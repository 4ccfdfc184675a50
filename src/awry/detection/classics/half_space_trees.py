"""Half-space trees: how empty is the corner of the space of recent windows in which this one lies; a baseline that forgets.

A point is the last `window` values, standardised by running mean and deviation and squashed to (0, 1). Each of `trees` full
binary trees of depth `depth` halves the space at every node along one dimension, whatever the data. Of each node two masses are
kept: how many points of the reference window came through, and how many of the latest. A point falls until the reference mass
m of its node is at most a tenth of the window's size n, or to a leaf, at depth k; its density there, relative to points spread
evenly, is (m + 1/2) 2^k / n. Strength = 1.7 max(0, mean over trees of -ln density). After `size` points the latest masses become
the reference (after 64, 128, ... when young). Source: S. C. Tan, K. M. Ting, T. F. Liu, Fast anomaly detection for streaming data,
IJCAI 2011, doi:10.5591/978-1-57735-516-8/IJCAI11-254; the logarithm and its mean over trees are ours (the paper adds m 2^k).

The trees are the same for every series, drawn once from constants, so a series owns its masses only: one byte each, 2.0 KB in all.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.errors import InvalidInput
from awry.core.growth import grown
from awry.core.kernel import allocating, kernel

MEAN, VARIANCE, SEEN, FILLED, SIZE, RING = 0, 1, 2, 3, 4, 5
FIRST = 64
"""Points after which the first reference is taken."""
LIMIT = 0.1
"""Share of the window below which a node is not looked into."""
WEIGHT = 1.7
REFERENCE, LATEST = 0, 1


def draw_trees(trees: int, depth: int, dimensions: int) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
    """Dimension and place of each inner node's cut, (trees, 2^depth); node 1 is the root, 2k and 2k + 1 the children of k.

    Much as in the paper each tree draws a point s in the unit cube and works in s - max(s, 1 - s) .. s + max(s, 1 - s);
    half as wide, since squashed values never leave the cube.
    """
    bits = _bits()
    axis, place = np.zeros((trees, 1 << depth), np.int8), np.zeros((trees, 1 << depth))
    for t in range(trees):
        s = [next(bits) / 2**64 for _ in range(dimensions)]
        reach = [max(v, 1.0 - v) for v in s]
        box = {1: [(v - r, v + r) for v, r in zip(s, reach, strict=True)]}
        for node in range(1, 1 << depth):
            mine = box.pop(node)
            d = next(bits) % dimensions
            middle = (mine[d][0] + mine[d][1]) / 2
            axis[t, node], place[t, node] = d, middle
            box[2 * node] = [*mine[:d], (mine[d][0], middle), *mine[d + 1 :]]
            box[2 * node + 1] = [*mine[:d], (middle, mine[d][1]), *mine[d + 1 :]]
    return axis, place


def _bits() -> Iterator[int]:
    """64-bit numbers of splitmix64 from a fixed seed."""
    x = 0
    while True:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        y = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        y = (y ^ (y >> 27)) * 0x94D049BB133111EB % 2**64
        yield y ^ (y >> 31)


@kernel
def fall(
    axis: NDArray[np.int8], place: NDArray[np.float64], mass: NDArray[np.uint8], point: NDArray[np.float64], size: int
) -> float:
    """-ln density of `point` in one tree under its reference masses of `size` points (0 when there are none); learns it.

    axis, place: (2^depth,) of the tree. mass: (2, 2^(depth + 1)), reference and latest. point: (window,), in (0, 1).
    """
    inner = axis.shape[0]
    node, level, found = 1, 0, size == 0
    away = 0.0
    while True:
        if not found and (mass[REFERENCE, node] <= LIMIT * size or node >= inner):
            away = -math.log((mass[REFERENCE, node] + 0.5) * 2.0**level / size)
            found = True
        mass[LATEST, node] += 1
        if node >= inner:
            return away
        node = 2 * node + (1 if point[axis[node]] >= place[node] else 0)
        level += 1


@allocating
def step_rows(
    state: NDArray[np.float64], mass: NDArray[np.uint8], axis: NDArray[np.int8], place: NDArray[np.float64],
    slot: NDArray[np.int32], value: NDArray[np.float64], memory: float, window: int, size: int, warmup: int,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 5 + window); mass: (slots, trees, 2, 2^(depth + 1))."""
    point = np.empty(window)
    trees = axis.shape[0]
    for i in range(slot.shape[0]):
        s, x = slot[i], value[i]
        f = state[s]
        strength[i, 0] = expected[i] = low[i] = high[i] = math.nan
        if not abs(x) < 1e150:
            continue
        n, mean, deviation = f[SEEN], f[MEAN], math.sqrt(f[VARIANCE])
        for k in range(window - 1):
            f[RING + k] = f[RING + k + 1]
        f[RING + window - 1] = x
        if n >= window - 1:
            for k in range(window):
                away = f[RING + k] - mean
                z = 0.0 if away == 0.0 else away / max(deviation, abs(away) * 1e-9)
                point[k] = 0.5 + 0.5 * z / (2.0 + abs(z))
            total = 0.0
            for t in range(trees):
                total += fall(axis[t], place[t], mass[s, t], point, int(f[SIZE]))
            if n >= warmup:
                strength[i, 0] = WEIGHT * max(total / trees, 0.0)
            f[FILLED] += 1.0
            due = min(max(FIRST - window, 1.0) if f[SIZE] == 0.0 else 2.0 * f[SIZE], float(size))
            if f[FILLED] >= due:
                mass[s, :, REFERENCE] = mass[s, :, LATEST]
                mass[s, :, LATEST] = 0
                f[SIZE], f[FILLED] = f[FILLED], 0.0
        if n >= warmup:
            expected[i] = min(max(mean, -3e38), 3e38)
            low[i], high[i] = max(mean - 3.0 * deviation, -3e38), min(mean + 3.0 * deviation, 3e38)
        rate = max(1.0 / (n + 1.0), 1.0 / memory)
        away = x - mean
        f[MEAN] += rate * away
        f[VARIANCE] = (1.0 - rate) * (f[VARIANCE] + rate * away * away)
        f[SEEN] = n + 1.0


@dataclass
class HalfSpaceTrees:
    """Emptiness of the place where the last `window` values lie, by half-space trees; 2.1 KB a series with the defaults.

    Values beyond 1e150 are taken as missing.
    """

    trees: int = 8
    depth: int = 6
    """Cuts between the root and a leaf; a series needs 4 x trees x 2^depth bytes."""
    window: int = 1
    """Values in a point."""
    size: int = 250
    """Points in a reference window, at most 255."""
    memory: float = 400.0
    """Samples over which a sample's weight in the mean and deviation falls to 1/e."""
    warmup: int = FIRST
    heads: tuple[str, ...] = ("emptiness",)
    parts: tuple[str, ...] = ("none", "emptiness")
    _state: NDArray[np.float64] = field(init=False, repr=False)
    _mass: NDArray[np.uint8] = field(init=False, repr=False)
    _slots: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if not FIRST <= self.size <= 255:
            raise InvalidInput(f"cannot make half-space trees: size is {self.size}", hint=f"give {FIRST} to 255 points")
        self._state = np.zeros((0, RING + self.window))
        self._mass = np.zeros((0, self.trees, 2, 2 << self.depth), np.uint8)
        self._axis, self._place = draw_trees(self.trees, self.depth, self.window)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._slots = max(self._slots, slots)
        self._state, self._mass = grown(self._state, slots), grown(self._mass, slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 1.7 max(0, mean -ln density), and the running mean with three deviations about it."""
        n = len(batch)
        strength = np.empty((n, 1), np.float32)
        expected, low, high = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
        step_rows(
            self._state, self._mass, self._axis, self._place, batch.slot, batch.value, self.memory, self.window, self.size,
            max(self.warmup, FIRST), strength, expected, low, high,
        )  # fmt: skip
        return Raw(strength, expected, low, high, (~np.isnan(strength[:, 0])).astype(np.uint8))

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        end = self._slots if stop is None else min(stop, self._slots)
        return {"state": self._state[start:end].copy(), "mass": self._mass[start:end].copy()}

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        stop = start + state["state"].shape[0]
        self.grow(stop)
        self._state[start:stop], self._mass[start:stop] = state["state"], state["mass"]
