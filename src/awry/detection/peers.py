"""One against its siblings: which series of a group has left the others, tick by tick; for hosts, pods, shards and the like.

Of each series its usual level c (slow running mean) and usual distance s from it (slow mean absolute deviation) are known; the
value x lies at u = (x - c) / s. With U the median of the siblings' u in the same tick, and a, b, A running means and the slope of
u on U (all slow):

    e = a + b (U - A)                 where the siblings put it: its usual offset from the group, and its share in what moves all
    r = u - e                         what is this series' own
    q = |r| / usual |r|               w = 1.2533 usual |r| max(1, median of the siblings' last q / 1.7)
    strength = 2 ln(1 + |r| / w)
    expected = c + s e,  band: expected +- 3 s w; for the first to come in a tick, of which U is the siblings' last one, the band
    is three of the usual errors of that

Two samples are of one tick when they are at most `within_ms` apart (by default half the series' usual interval). A sample is judged
as it comes when at least `least` siblings of its tick are known; the first ones to come in a tick are judged with their series'
next sample, by its siblings' samples nearest in time, of which two are kept each: a group that moves together is thus never
mistaken for the one that reports first. Learning is bounded: a step of c and s counts as at most 3 usual distances,
an r as at most 3 w.
Median and median deviation as location and scale: F. R. Hampel, doi:10.1080/01621459.1974.10482962.

A series' row is read by its siblings, so a group's samples must be stepped in order by one thread; and the cost of a sample grows
with the group, up to `most` siblings (those before it by slot, around the start: they have mostly reported;
no more than 4 x `most` are looked at).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.errors import InvalidInput
from awry.core.growth import grown
from awry.core.kernel import allocating, kernel
from awry.core.series_key import without_label

LEVEL, AWAY, OWN, SEEN, OPEN, LAST_U, BEFORE_U, LAST_Q, MEAN_U, MEAN_GROUP, VARIANCE, COVARIANCE, PAIRS, EARLY = range(14)
ROW = 14
LAST_TIME, BEFORE_TIME, GAP = 0, 1, 2
"""int64: times of the last two samples, and the usual interval, all in ms."""
NEVER = -(2**62)
NORMAL_FROM_MEAN = 1.2533141373155003
MOST_Z = 120.0
ALONE, WITH_OTHERS, LATE = 0, 1, 2
CALM = 1.7
"""Median q of the siblings, twice the usual one, from which a tick counts as unruly."""
LEAN = 0.02
"""Variance of U that speaks for a slope of 1 before any was seen."""
LOOK = 4
EARLY_RATE = 0.02
"""Weight of a sample in the usual error of what is expected from the siblings' samples before this tick."""
ROUGH = 16.0
"""Samples a sibling must have before others are compared with it."""


@kernel
def median(values: NDArray[np.float64], n: int) -> float:
    """Median of the first n values, which are put in order (insertion sort; n is small)."""
    for i in range(1, n):
        v, j = values[i], i
        while j > 0 and values[j - 1] > v:
            values[j] = values[j - 1]
            j -= 1
        values[j] = v
    return float(0.5 * (values[(n - 1) // 2] + values[n // 2]))


@kernel
def around(
    state: NDArray[np.float64], clock: NDArray[np.int64], members: NDArray[np.int32], mine: int, time: int, within: int, most: int,
    held: NDArray[np.float64], strays: NDArray[np.float64],
) -> tuple[int, float, float]:  # fmt: skip
    """How many siblings of slot `mine` have a sample of this tick, the median of their u, and the median of their last q.

    members: the group's slots in rising order. held, strays: room for `most` numbers.
    """
    here = np.searchsorted(members, mine)
    n = 0
    size = members.shape[0]
    for k in range(1, min(size, LOOK * most + 1)):
        j = members[(here - k + size) % size]
        if state[j, SEEN] < ROUGH:
            continue
        last, before = abs(clock[j, LAST_TIME] - time), abs(clock[j, BEFORE_TIME] - time)
        if min(last, before) > within:
            continue
        held[n] = state[j, LAST_U] if last <= before else state[j, BEFORE_U]
        strays[n] = state[j, LAST_Q]
        n += 1
        if n == most:
            break
    if n == 0:
        return 0, 0.0, 0.0
    return n, median(held, n), median(strays, n)


@kernel
def placed(f: NDArray[np.float64], middle: float) -> float:
    """e: where siblings whose median is `middle` put the series."""
    slope = (f[COVARIANCE] + LEAN) / (f[VARIANCE] + LEAN)
    return float(f[MEAN_U] + slope * (middle - f[MEAN_GROUP]))


@kernel
def width(f: NDArray[np.float64], stray: float) -> float:
    """w: the usual deviation of r, wider in ticks in which the siblings stray from each other."""
    return float(NORMAL_FROM_MEAN * f[OWN] * max(1.0, stray / CALM))


@kernel
def apart(f: NDArray[np.float64], u: float, middle: float, stray: float, memory: float) -> float:
    """Strength of a place u against the siblings' median u and median last q; learns the pair."""
    e = placed(f, middle)
    r = u - e
    w = width(f, stray)
    z = 0.0 if r == 0.0 else (abs(r) / w if abs(r) < MOST_Z * w else MOST_Z)
    f[LAST_Q] = 0.0 if r == 0.0 else (abs(r) / f[OWN] if abs(r) < MOST_Z * f[OWN] else MOST_Z)
    rate = max(1.0 / (f[PAIRS] + 1.0), 1.0 / memory)
    if f[PAIRS] > ROUGH and w > 0.0:
        r = min(max(r, -3.0 * w), 3.0 * w)
    f[OWN] += max(rate, 8.0 / memory) * (abs(r) - f[OWN])
    mine, theirs = e + r - f[MEAN_U], middle - f[MEAN_GROUP]
    f[MEAN_U] += rate * mine
    f[MEAN_GROUP] += rate * theirs
    f[VARIANCE] = (1.0 - rate) * (f[VARIANCE] + rate * theirs * theirs)
    f[COVARIANCE] = (1.0 - rate) * (f[COVARIANCE] + rate * mine * theirs)
    f[PAIRS] += 1.0
    return 2.0 * math.log1p(z)


@allocating
def step_rows(
    state: NDArray[np.float64], clock: NDArray[np.int64], first: NDArray[np.int64], members: NDArray[np.int32],
    group: NDArray[np.int64], slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64], memory: float,
    within_ms: int, least: int, most: int, warmup: int, strength: NDArray[np.float32], expected: NDArray[np.float32],
    low: NDArray[np.float32], high: NDArray[np.float32], part: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Judge rows in order, then learn each. state: (slots, 14), clock: (slots, 3), see the names above.

    group: (slots,), position of each slot's group in `first`, -1 for none; members[first[g]:first[g + 1]]: slots of group g.
    """
    held, strays = np.empty(most), np.empty(most)
    for i in range(slot.shape[0]):
        s, t, x = slot[i], time[i], value[i]
        strength[i, 0] = expected[i] = low[i] = high[i] = math.nan
        part[i] = ALONE
        if not abs(x) < 1e150:
            continue
        f, c = state[s], clock[s]
        n = f[SEEN]
        if n == 0.0:
            f[LEVEL], c[LAST_TIME], c[BEFORE_TIME] = x, NEVER, NEVER
        elif n == 1.0:
            c[GAP] = t - c[LAST_TIME]
        else:
            c[GAP] += (min(t - c[LAST_TIME], 4 * c[GAP]) - c[GAP]) // 8
        within = within_ms if within_ms > 0 else c[GAP] // 2
        away = x - f[LEVEL]
        scale = max(f[AWAY], abs(away) * 1e-6, abs(f[LEVEL]) * 1e-12, 1e-300)
        u = away / scale
        rate = max(1.0 / (n + 1.0), 1.0 / memory)
        judged, late = 0.0, 0.0
        siblings, middle, stray = 0, 0.0, 0.0
        at, reach = f[LEVEL], f[AWAY]
        if group[s] >= 0:
            mates = members[first[group[s]] : first[group[s] + 1]]
            if f[OPEN] > 0.0:
                siblings, middle, stray = around(state, clock, mates, s, c[LAST_TIME], within, most, held, strays)
                if siblings >= least:
                    late = apart(f, f[LAST_U], middle, stray, memory)
            f[OPEN] = 1.0
            siblings, middle, stray = around(state, clock, mates, s, t, within, most, held, strays)
            if siblings < least:
                near, middle, stray = around(state, clock, mates, s, t, 3 * c[GAP], most, held, strays)
                if near >= least:
                    at += f[AWAY] * placed(f, middle)
                    off = abs(x - at) / scale
                    reach *= NORMAL_FROM_MEAN * f[EARLY] if f[EARLY] > 0.0 else 1.0
                    f[EARLY] = off if f[EARLY] == 0.0 else f[EARLY] + EARLY_RATE * (min(off, 3.0 * f[EARLY]) - f[EARLY])
            else:
                at += f[AWAY] * placed(f, middle)
                reach *= width(f, stray)
                judged = apart(f, u, middle, stray, memory)
                f[OPEN] = 0.0
                part[i] = WITH_OTHERS
        if late > judged:
            part[i] = LATE
        if n >= warmup:
            strength[i, 0] = max(judged, late)
            expected[i] = min(max(at, -3e38), 3e38)
            low[i], high[i] = min(max(at - 3.0 * reach, -3e38), 3e38), min(max(at + 3.0 * reach, -3e38), 3e38)
        f[BEFORE_U], c[BEFORE_TIME] = f[LAST_U], c[LAST_TIME]
        f[LAST_U], c[LAST_TIME] = u, t
        most_away = 3.0 * f[AWAY] if n > ROUGH and f[AWAY] > 0.0 else abs(away)
        bounded = min(max(away, -most_away), most_away)
        f[LEVEL] += rate * bounded
        f[AWAY] += rate * (abs(bounded) - f[AWAY])
        f[SEEN] = n + 1.0


def siblings(keys: Sequence[str], label: str) -> NDArray[np.int64]:
    """Group number of each series key: the same for those that differ in the value of `label` only, -1 without it.

    Numbers are given in order of first appearance, so more keys at the end leave those before as they were.
    """
    numbers: dict[str, int] = {}
    found = np.full(len(keys), -1, np.int64)
    for at, text in enumerate(keys):
        rest = without_label(text, label)
        if rest is not None:
            found[at] = numbers.setdefault(rest, len(numbers))
    return found


@dataclass
class Peers:
    """A series against the siblings of its group, tick by tick; 136 bytes a series. Values beyond 1e150 are taken as missing.

    A group's samples must be stepped in order by one thread. Parts: `alone` (too few siblings in the tick), `siblings`,
    and `late` (the series' sample before this one, judged when its siblings were known).
    """

    group_of: Callable[[int], int] | None = None
    """Group number of a slot, asked once when the slot is grown; below 0: none. None: all series are one group."""
    within_ms: int = 0
    """How far apart samples of one tick may be; 0: half the series' usual interval."""
    least: int = 4
    """Siblings needed in a tick."""
    most: int = 32
    """Siblings a sample is compared with at most."""
    memory: float = 2000.0
    """Samples over which a series' usual level, distance and place among its siblings are learned; its usual |r| over an eighth."""
    warmup: int = 32
    heads: tuple[str, ...] = ("peers",)
    parts: tuple[str, ...] = ("alone", "siblings", "late")
    _state: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, ROW)), init=False, repr=False)
    _clock: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 3), np.int64), init=False, repr=False)
    _numbers: list[int] = field(default_factory=list, init=False, repr=False)
    _index: tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]] | None = field(default=None, init=False, repr=False)
    """first, members and group of `step_rows`; made at the next step when slots were added, for they come one by one."""

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise InvalidInput(f"cannot compare peers: least is {self.least}, most {self.most}", hint="give 1 <= least <= most")

    def _indexed(self) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
        """Where each group's members stand, in rising order of slot. Threads that find none make the same one."""
        index = self._index
        if index is None:
            numbers = np.array(self._numbers, np.int64)
            _, group = np.unique(numbers, return_inverse=True) if len(numbers) else (numbers, numbers)
            members = np.argsort(group, kind="stable").astype(np.int32)
            first = np.searchsorted(group[members], np.arange(len(numbers) + 1)).astype(np.int64)
            index = self._index = first, members, np.where(numbers < 0, -1, group).astype(np.int64)
        return index

    def grow(self, slots: int) -> None:
        """Have state for at least this many slots; asks for the group of new ones."""
        have = len(self._numbers)
        if slots <= have:
            return
        self._numbers += [0 if self.group_of is None else self.group_of(slot) for slot in range(have, slots)]
        self._state, self._clock = grown(self._state, slots), grown(self._clock, slots)
        self._index = None

    def step(self, batch: Batch) -> Raw:
        """Strength 2 ln(1 + |r| / w), and what the siblings make one expect."""
        n = len(batch)
        expected, low, high = np.empty(n, np.float32), np.empty(n, np.float32), np.empty(n, np.float32)
        raw = Raw(np.empty((n, 1), np.float32), expected, low, high, np.empty(n, np.uint8))
        step_rows(
            self._state, self._clock, *self._indexed(), batch.slot, batch.time, batch.value, self.memory, self.within_ms,
            self.least, self.most, self.warmup, raw.strength, raw.expected, raw.low, raw.high, raw.part,
        )  # fmt: skip
        return raw

    def dump(self, start: int = 0, stop: int | None = None) -> Arrays:
        """The state rows of slots [start, stop)."""
        end = len(self._numbers) if stop is None else min(stop, len(self._numbers))
        return {"state": self._state[start:end].copy(), "clock": self._clock[start:end].copy()}

    def load(self, state: Arrays, start: int = 0) -> None:
        """Take over dumped rows from slot `start` on."""
        stop = start + state["state"].shape[0]
        self.grow(stop)
        self._state[start:stop], self._clock[start:stop] = state["state"], state["clock"]
