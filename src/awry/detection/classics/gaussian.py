"""How unlikely a value is under a normal distribution fitted to a sliding window: Numenta's windowed Gaussian baseline."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import kernel
from awry.detection.classics.rows import MOST_Z, USABLE, Rows, blank, check_options, printable

SEEN, MEAN, DEVIATION, HELD = 0, 1, 2, 3
WINDOW_AT = 4
"""Oldest value of the window, followed by those that wait for the next slide."""
FAR = 25.0
"""Deviations from which erfc is replaced by its asymptote, before it underflows."""


@kernel
def tail_nats(z: float) -> float:
    """-ln(erfc(z / sqrt 2)), the two-sided normal tail of z >= 0 in nats."""
    if z < FAR:
        return -math.log(math.erfc(z / math.sqrt(2.0)))
    return 0.5 * z * z + math.log(z * math.sqrt(0.5 * math.pi))


@kernel
def fit_window(row: NDArray[np.float64], count: int) -> None:
    """Mean and deviation of the first `count` values of the window, in two passes about its first value."""
    base = row[WINDOW_AT]
    total = 0.0
    for k in range(count):
        total += row[WINDOW_AT + k] - base
    mean = base + total / count
    squares = 0.0
    for k in range(count):
        away = row[WINDOW_AT + k] - mean
        squares += away * away
    row[MEAN], row[DEVIATION] = mean, math.sqrt(squares / count)


@kernel
def learn(row: NDArray[np.float64], x: float, window: int, slide: int) -> None:
    """Take x in: while the window fills it is fitted at once, afterwards after each `slide` values."""
    held = int(row[HELD])
    row[WINDOW_AT + held] = x
    held += 1
    if held <= window:
        fit_window(row, held)
    elif held == window + slide:
        for k in range(window):
            row[WINDOW_AT + k] = row[WINDOW_AT + slide + k]
        held = window
        fit_window(row, held)
    row[HELD] = held
    row[SEEN] += 1.0


@kernel
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], window: int, slide: int, warmup: int,
    strength: NDArray[np.float32], expected: NDArray[np.float32], low: NDArray[np.float32], high: NDArray[np.float32],
    part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 4 + window + slide); the other arrays: one row per sample."""
    for i in range(slot.shape[0]):
        row, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        if row[SEEN] >= warmup:
            mean, deviation = row[MEAN], row[DEVIATION]
            away = abs(x - mean)
            z = away / deviation if away < MOST_Z * deviation else (MOST_Z if away > 0.0 else 0.0)
            strength[i, 0] = math.log1p(tail_nats(z))
            part[i] = 1 if away > 0.0 else 0
            expected[i] = printable(mean)
            low[i], high[i] = printable(mean - 3.0 * deviation), printable(mean + 3.0 * deviation)
        learn(row, x, window, slide)


@dataclass
class Gaussian:
    """Normal tail of a sliding window; 4.3 KB a series (8 bytes times window + slide + 4). Choose it for steady noise.

    With mean m and deviation s of the last `window` values, refitted after every `slide` of them, z = |x - m| / s and
    the strength is ln(1 - ln erfc(z / sqrt 2)): a new onset takes about twice the nats of the last. The band is m -+ 3 s.
    Numenta's baseline gives 1 - erfc(z / sqrt 2) / 2, the same order, rounded to 1 from z = 8 on (Ahmad, Lavin,
    Purdy, Agha, doi:10.1016/j.neucom.2017.04.070; Lavin, Ahmad, doi:10.1109/ICMLA.2015.141). Every value of the window weighs
    the same, so an outlier widens the band until it leaves.
    """

    window: int = 512
    """Values that the distribution is fitted to."""
    slide: int = 16
    """Values after which the full window moves on and is fitted again."""
    warmup: int = 32
    heads: tuple[str, ...] = ("tail",)
    parts: tuple[str, ...] = ("none", "tail")
    _rows: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        check_options("gaussian", window=2 <= self.window <= 100_000, slide=1 <= self.slide <= self.window, warmup=self.warmup >= 1)
        self._rows = Rows(WINDOW_AT + self.window + self.slide)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength ln(1 + nats of the two-sided tail), mean, and three deviations about it."""
        raw = blank(len(batch))
        step_rows(
            self._rows.state, batch.slot, batch.value, self.window, self.slide, self.warmup,
            raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
