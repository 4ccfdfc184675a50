"""Numenta's anomaly likelihood over a simple residual, with its green, yellow and red; for those who come from htmengine.

With m and d the running mean and deviation of the value x (each sample is judged before it is learned):

    z = |x - m| / d,   r = z^2 / (z^2 + 9)          raw anomaly score in [0, 1]; there it came from a network, here from z
    a = mean of the last 10 r                       short mean
    mu, s^2 = mean and variance of earlier a        history of 8,640 samples, mu >= 0.03, s^2 >= 0.0003
    Q = erfc(|a - mu| / (s sqrt 2)) / 2             both tails: an unusually calm time counts too
    likelihood = 1 - Q                              0.99999 and more is red, 0.9999 and more yellow, the rest green
    L = ln(1 + 1e-10 - likelihood) / ln 1e-10       log scale: .9999 is 0.4, .99999 is 0.5

Only the onset of a red time is red: when Q was below 1e-5 at the sample before already, Q becomes 1e-3. Source: S. Ahmad, A. Lavin,
S. Purdy, Z. Agha, Unsupervised real-time anomaly detection for streaming data, doi:10.1016/j.neucom.2017.04.070, section 3.2.

What differs from htmengine, on purpose: the history has exponential weights instead of a list of 8,640 rows (the same numbers until
that many were seen; 136 bytes instead of 35 KB); it is brought up to date with every sample, and not sooner when a score is high
(a habit that taught anomalies as normal and was given up); before warm-up there is NaN, not 0 or 0.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.kernel import kernel
from awry.detection.classics.rows import USABLE, Rows, blank, printable

MEAN, VARIANCE, SEEN, SHORT_MEAN, SHORT_VARIANCE, SHORT_SEEN, LAST_TAIL, RING = 0, 1, 2, 3, 4, 5, 6, 7
LEAST_MEAN, LEAST_VARIANCE = 0.03, 0.0003
RED, YELLOW = 0.99999, 0.9999
RED_TAIL, FILTERED_TAIL = 1e-5, 1e-3
MOST = 9.6
"""Strength of L = 1; the log scale times this is the strength, so red begins at 4.8 and yellow at 3.84."""


@kernel
def tail(a: float, mean: float, variance: float, reflect: bool) -> float:
    """Q: how seldom a normal variable with these moments lies as far beyond its mean as `a`; below it, too, when `reflect`."""
    away = (a - mean) / math.sqrt(variance)
    if reflect:
        away = abs(away)
    return 0.5 * math.erfc(away / math.sqrt(2.0))


@kernel
def log_scale(likelihood: float) -> float:
    """L in [0, 1] of a likelihood in [0, 1]: .9 is .1, .99 is .2, .99999 is .5."""
    return min(max(math.log(1.0 + 1e-10 - likelihood) / math.log(1e-10), 0.0), 1.0)


def colour(likelihood: float) -> str:
    """ "red" from 0.99999, "yellow" from 0.9999, else "green"; "none" for NaN."""
    if math.isnan(likelihood):
        return "none"
    return "red" if likelihood >= RED else "yellow" if likelihood >= YELLOW else "green"


def likelihood_of(strength: NDArray[np.float32]) -> NDArray[np.float64]:
    """The anomaly likelihood, 0 to 1, behind each strength of `Likelihood`; NaN stays NaN."""
    return 1.0 + 1e-10 - np.power(1e-10, np.asarray(strength, np.float64) / MOST)


@kernel
def step_rows(
    state: NDArray[np.float64], slot: NDArray[np.int32], value: NDArray[np.float64], memory: float, window: int, skip: int,
    history: float, warmup: int, reflect: bool, onset_only: bool, strength: NDArray[np.float32], expected: NDArray[np.float32],
    low: NDArray[np.float32], high: NDArray[np.float32], part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 7 + window), see the names above; the others: one row per sample."""
    for i in range(slot.shape[0]):
        f, x = state[slot[i]], value[i]
        if not abs(x) < USABLE:
            continue
        n = f[SEEN]
        away, deviation = x - f[MEAN], math.sqrt(f[VARIANCE])
        z = 0.0 if n < 1.0 or away == 0.0 else min(abs(away) / max(deviation, abs(away) * 1e-9), 1e9)
        f[RING + int(n) % window] = z * z / (z * z + 9.0)
        kept = min(int(n) + 1, window)
        a = 0.0
        for k in range(kept):
            a += f[RING + k]
        a /= kept
        if n >= warmup:
            q = tail(a, max(f[SHORT_MEAN], LEAST_MEAN), max(f[SHORT_VARIANCE], LEAST_VARIANCE), reflect)
            if f[VARIANCE] <= 0.0 and away == 0.0:
                q = 0.5
            filtered = FILTERED_TAIL if onset_only and q <= RED_TAIL and f[LAST_TAIL] <= RED_TAIL else q
            f[LAST_TAIL] = q
            strength[i, 0] = MOST * log_scale(1.0 - filtered)
            part[i] = 3 if filtered <= 1.0 - RED else (2 if filtered <= 1.0 - YELLOW else 1)
            expected[i] = printable(f[MEAN])
            low[i], high[i] = printable(f[MEAN] - 3.0 * deviation), printable(f[MEAN] + 3.0 * deviation)
        else:
            f[LAST_TAIL] = 1.0
        if n >= skip:
            rate = max(1.0 / (f[SHORT_SEEN] + 1.0), 1.0 / history)
            more = a - f[SHORT_MEAN]
            f[SHORT_MEAN] += rate * more
            f[SHORT_VARIANCE] = (1.0 - rate) * (f[SHORT_VARIANCE] + rate * more * more)
            f[SHORT_SEEN] += 1.0
        rate = max(1.0 / (n + 1.0), 1.0 / memory)
        f[MEAN] += rate * away
        f[VARIANCE] = (1.0 - rate) * (f[VARIANCE] + rate * away * away)
        f[SEEN] = n + 1.0


@dataclass
class Likelihood:
    """Numenta's anomaly likelihood over a running z, with `green`, `yellow` and `red` as parts; 136 bytes a series.

    The strength is its log scale times 9.6: yellow begins at 3.84, red at 4.8. Values beyond 1e150 are taken as missing.
    """

    memory: float = 100.0
    """Samples over which the weight of a sample in the mean and deviation of the value falls to 1/e."""
    window: int = 10
    """Raw scores in the short mean."""
    skip: int = 288
    """First samples, which are not taken into the history."""
    history: float = 8640.0
    """Samples over which the weight of a sample in the history falls to 1/e."""
    warmup: int = 388
    reflect: bool = True
    """Whether an unusually calm time counts as strange."""
    onset_only: bool = True
    """Whether only the first sample of a red time is red."""
    heads: tuple[str, ...] = ("likelihood",)
    parts: tuple[str, ...] = ("none", "green", "yellow", "red")
    _rows: Rows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rows = Rows(RING + self.window)

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots."""
        self._rows.grow(slots)

    def step(self, batch: Batch) -> Raw:
        """Strength 9.6 L, the running mean with three deviations about it, and the colour as part."""
        raw = blank(len(batch))
        step_rows(
            self._rows.state, batch.slot, batch.value, self.memory, self.window, self.skip, self.history, self.warmup, self.reflect,
            self.onset_only, raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        return self._rows.dump(start, stop)

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        self._rows.load(state, start)
