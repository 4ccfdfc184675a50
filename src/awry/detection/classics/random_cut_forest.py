"""Random cut forest: how much a random cut must throw out to set the last few values apart; a baseline for shapes and levels.

A point is a shingle, the last `shingle` values. A random cut tree of a set of points cuts its bounding box along a dimension drawn
in proportion to the box's sides, at a place drawn evenly, and goes on with either half. The collusive displacement of a point is
the largest ratio, over the nodes on its way from the root to its leaf, of the points on the other side of the cut to those on its
own (the point and its colluders): how many others come nearer to the root when those are taken away, each. The strength is
2 ln(1 + c), c the mean over trees. Source: S. Guha, N. Mishra, G. Roy, O. Schrijvers, Robust random cut forest based anomaly
detection on streams, ICML 2016, proceedings.mlr.press/v48/guha16.html, definitions 1, 2 and 4.

No tree is kept. By the paper's theorem on insertion a kept tree into which the point is inserted has the law of a fresh tree of
the points and it; so the point's way through a fresh tree is drawn at each sample, of `sample` earlier shingles for each of
`trees` trees, from a ring of the last `ring` values. State is that ring (2.3 KB), the cost grows with trees x sample x shingle.
What differs from the paper: the sample is drawn evenly from a sliding window instead of a decaying reservoir. The draws come from a
hash of the series' own sample number, so they do not depend on clock, slot or batch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import allocating, kernel
from awry.detection.classics.rows import USABLE, Rows, blank, check_options, printable

SEEN, MEAN, VARIANCE, END, RING = 0, 1, 2, 3, 4
SLACK = 32
"""The ring is a plain list with room for so many more; when that is full, it is moved to the front."""
PER_53 = 2.0**-53


@kernel
def bits(count: np.uint64) -> np.uint64:
    """Number `count` of the sequence splitmix64 with seed 0: G. Steele, D. Lea, C. Flood, doi:10.1145/2660193.2660195."""
    z = count * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


@kernel
def even(count: np.uint64) -> float:
    """The same number as a fraction in [0, 1)."""
    return float(bits(count) >> np.uint64(11)) * PER_53


@allocating
def displacement(cloud: NDArray[np.float64], mine: NDArray[np.float64], count: np.uint64) -> float:
    """Collusive displacement of the point `mine` (d,) in one random cut tree of it and the columns of `cloud` (d, n).

    cloud is overwritten. count: the first number of the sequence to draw from; two are drawn at each cut.
    """
    d, left, most = mine.shape[0], cloud.shape[1], 0.0
    low, high = np.empty(d), np.empty(d)
    while left > 0:
        total = 0.0
        for k in range(d):
            least = largest = mine[k]
            for j in range(left):
                v = cloud[k, j]
                least, largest = (v if v < least else least), (v if v > largest else largest)
            low[k], high[k] = least, largest
            total += largest - least
        if not total > 0.0:
            break
        at = even(count) * total
        axis = 0
        while axis < d - 1 and at >= high[axis] - low[axis]:
            at -= high[axis] - low[axis]
            axis += 1
        while high[axis] <= low[axis]:
            axis = (axis + 1) % d
        cut = low[axis] + even(count + np.uint64(1)) * (high[axis] - low[axis])
        count += np.uint64(2)
        if cut >= high[axis]:
            break
        below = mine[axis] <= cut
        same = 0
        for j in range(left):
            if (cloud[axis, j] <= cut) == below:
                for k in range(d):
                    cloud[k, same] = cloud[k, j]
                same += 1
        if same < left:
            most = max(most, (left - same) / (same + 1.0))
        left = same
    return most


@allocating
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], memory: float, shingle: int, trees: int,
    sample: int, ring: int, warmup: int, strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32],
    high: NDArray[np.float32], part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 36 + ring), see the names above; the others: one row per sample."""
    cloud, mine = np.empty((shingle, sample)), np.empty(shingle)
    for i in range(slot.shape[0]):
        f, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        n, end = int(f[SEEN]), int(f[END])
        if end == ring + SLACK:
            f[RING : RING + ring] = f[RING + SLACK : RING + SLACK + ring].copy()
            end = ring
        f[RING + end] = x
        f[END] = end + 1
        if n >= warmup:
            now = RING + end - shingle + 1
            for k in range(shingle):
                mine[k] = f[now + k]
            known = min(end, ring) - 2 * shingle + 2
            total = 0.0
            for t in range(trees):
                count = (np.uint64(n) * np.uint64(trees) + np.uint64(t)) * np.uint64(4 * sample)
                for j in range(sample):
                    then = now - shingle - int(even(count + np.uint64(j)) * known)
                    for k in range(shingle):
                        cloud[k, j] = f[then + k]
                total += displacement(cloud, mine, count + np.uint64(sample))
            strength[i, 0] = 2.0 * math.log1p(total / trees)
            part[i] = 1
            deviation = math.sqrt(f[VARIANCE])
            expected[i] = printable(f[MEAN])
            low[i], high[i] = printable(f[MEAN] - 3.0 * deviation), printable(f[MEAN] + 3.0 * deviation)
        rate = max(1.0 / (n + 1.0), 1.0 / memory)
        away = x - f[MEAN]
        f[MEAN] += rate * away
        f[VARIANCE] = (1.0 - rate) * (f[VARIANCE] + rate * away * away)
        f[SEEN] = n + 1.0


@dataclass
class RandomCutForest:
    """Collusive displacement of the last `shingle` values by random cuts; 2.3 KB a series.

    The dearest detector here, about 17 us a sample with the defaults. Values beyond 1e150 are taken as missing.
    """

    shingle: int = 4
    """Values in a point."""
    trees: int = 8
    sample: int = 48
    """Earlier points in a tree, drawn from the ring with replacement."""
    ring: int = 256
    """Values kept, from which the samples are drawn."""
    memory: float = 100.0
    """Samples over which the weight of a sample in expected value and band falls to 1/e; no part of the strength."""
    warmup: int = 32
    heads: tuple[str, ...] = ("displacement",)
    parts: tuple[str, ...] = ("none", "displacement")
    _rows: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_options(
            "random_cut_forest", shingle=1 <= self.shingle <= 64, trees=self.trees >= 1, sample=self.sample >= 2,
            ring=self.ring >= 4 * self.shingle, warmup=self.warmup >= 4 * self.shingle,
        )  # fmt: skip
        self._rows = Rows(RING + self.ring + SLACK)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 2 ln(1 + displacement), and the running mean with three deviations about it."""
        raw = blank(len(batch))
        step_rows(
            self._rows.state, batch.slot, batch.value, self.memory, self.shingle, self.trees, self.sample, self.ring, self.warmup,
            raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
