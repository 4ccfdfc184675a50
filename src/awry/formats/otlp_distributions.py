"""Histograms and summaries that are known, as columns: the slots of their series, and the last point of each; for `otlp_series`.

What is remembered of a distribution until its next point is bounded in bytes: those not heard of longest are forgotten first, and
their next point then counts as their first.
"""

from __future__ import annotations

from collections.abc import Mapping
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from awry.core.growth import grown
from awry.formats.otlp_expand import COUNT, SUM, Known, Points, compact, remember
from awry.formats.otlp_walk import EXPONENTIAL_DELTA, HISTOGRAM_DELTA

DELTAS = (HISTOGRAM_DELTA, EXPONENTIAL_DELTA)
"""Kinds whose points count from the point before."""
STATE_BYTES = 64 * 1024 * 1024
"""Most bytes of remembered points."""
_WORD_BYTES = 8
_FEW = 4096
"""Quantiles that are not worth moving together."""


class Distributions:
    """A row per distribution, by number; numbers of those whose series were deleted are given again. One thread uses it."""

    def __init__(self, most_bytes: int = STATE_BYTES) -> None:
        self._most = most_bytes // _WORD_BYTES
        self._number: dict[tuple[int, int], int] = {}
        self._free: list[int] = []
        self._rows = 0
        self._int32 = {name: np.empty(0, np.int32) for name in ("count", "total", "levels", "pending")}
        self._int64 = {name: np.empty(0, np.int64) for name in ("at", "state", "room", "time_ns", "start_ns", "heard")}
        self._kind = np.empty(0, np.uint8)
        self._level, self._slot = np.empty(0), np.empty(0, np.int32)
        self._levels_used = self._levels_lost = 0
        self._words, self._used = np.empty(0), 0
        self._turn = 0

    def __len__(self) -> int:
        return len(self._number)

    @property
    def states(self) -> int:
        """Of how many the last point is remembered."""
        return int(np.count_nonzero(self._int64["state"][: self._rows] >= 0))

    @property
    def columns(self) -> Known:
        """For the kernels; to be read anew after anything was added."""
        a, b = self._int32, self._int64
        return Known(
            a["count"], a["total"], b["at"], a["levels"], self._level, self._slot, b["state"], b["room"], b["time_ns"],
            b["start_ns"], a["pending"], self._words,
        )  # fmt: skip

    def count_slot(self, number: int) -> int:
        """Slot of the series that counts, of which the name and labels of all others follow."""
        return int(self._int32["count"][number])

    def cumulative(self, number: int) -> bool:
        """Whether its points count from a start that stays."""
        return int(self._kind[number]) not in DELTAS

    def add(self, slot: int, kind: int, levels: tuple[float, ...]) -> int:
        """Number of the distribution of this kind that the series in `slot` counts; quantiles (sorted) as they are expected."""
        number = self._number.get((slot, kind))
        if number is not None:
            return number
        if self._free:
            number = heappop(self._free)
        else:
            number = self._rows
            self._rows += 1
            self._int32 = {name: grown(column, self._rows) for name, column in self._int32.items()}
            self._int64 = {name: grown(column, self._rows) for name, column in self._int64.items()}
            self._kind = grown(self._kind, self._rows)
        self._number[slot, kind] = number
        self._kind[number] = kind
        for name, value in (("count", slot), ("total", -1), ("levels", 0), ("pending", -1)):
            self._int32[name][number] = value
        for name, value in (("at", 0), ("state", -1), ("room", 0), ("time_ns", 0), ("start_ns", 0), ("heard", 0)):
            self._int64[name][number] = value
        self.put(number, dict.fromkeys(levels, -1))
        return number

    def put(self, number: int, slots: Mapping[float, int]) -> None:
        """Set the slots of a distribution's series: of its SUM and of quantiles, new ones among them."""
        if SUM in slots:
            self._int32["total"][number] = slots[SUM]
        at, n = int(self._int64["at"][number]), int(self._int32["levels"][number])
        known = dict(zip(self._level[at : at + n].tolist(), self._slot[at : at + n].tolist(), strict=True))
        both = known | {level: slot for level, slot in slots.items() if level not in (COUNT, SUM)}
        if len(both) > n:
            self._levels_lost += n
            at, n = self._levels_used, len(both)
            self._levels_used += n
            self._level, self._slot = grown(self._level, self._levels_used), grown(self._slot, self._levels_used)
            self._int64["at"][number], self._int32["levels"][number] = at, n
        for place, level in enumerate(sorted(both), at):
            self._level[place], self._slot[place] = level, both[level]
        if self._levels_lost > max(_FEW, self._levels_used // 2):
            self._gather_levels()

    def forget(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        """The series of these slots are deleted; numbers of the distributions that are gone with their counts."""
        count, total = self._int32["count"][: self._rows], self._int32["total"][: self._rows]
        total[np.isin(total, slots)] = -1
        own = self._slot[: self._levels_used]
        own[np.isin(own, slots)] = -1
        gone = np.flatnonzero(np.isin(count, slots) & (count >= 0)).astype(np.int32)
        for number in gone.tolist():
            del self._number[int(count[number]), int(self._kind[number])]
            self._levels_lost += int(self._int32["levels"][number])
            count[number] = -1
            self._int32["levels"][number], self._int64["state"][number] = 0, -1
            heappush(self._free, number)
        return gone

    def keep(self, data: NDArray[np.uint8], points: Points, touched: NDArray[np.int32], rows: NDArray[np.int32]) -> None:
        """Remember the points `rows` as the last ones of the distributions `touched`."""
        self._turn += 1
        self._int64["heard"][touched] = self._turn
        done = 0
        while True:
            done, self._used, size = remember(data, points, touched, rows, done, self.columns, self._used)
            if done == len(touched):
                return
            if size > self._most:
                self._int64["state"][touched[done]] = -1
                done += 1
            else:
                self._make_room(size)

    def _make_room(self, size: int) -> None:
        """Have so many words free: those of states that are gone, more of them, or those of distributions not heard of longest."""
        state, room = self._int64["state"][: self._rows], self._int64["room"][: self._rows]
        alive = np.flatnonzero(state >= 0)
        total = int(room[alive].sum())
        if total + size > self._most:
            alive = alive[np.argsort(self._int64["heard"][alive], kind="stable")]
            left = total - np.cumsum(room[alive])
            gone = 1 + int(np.argmax(left + size <= max(self._most * 3 // 4, size)))
            state[alive[:gone]] = -1
            alive, total = alive[gone:], int(left[gone - 1])
        self._used = int(compact(alive[np.argsort(state[alive])], self.columns))
        if 2 * (total + size) > len(self._words):
            wanted = min(max(2 * (total + size), _FEW), self._most)
            self._words = grown(self._words, wanted)[: self._most]

    def _gather_levels(self) -> None:
        """Leave out the quantiles of what is gone or has moved."""
        at, n = self._int64["at"][: self._rows], self._int32["levels"][: self._rows].astype(np.int64)
        starts = np.cumsum(n) - n
        places = np.repeat(at - starts, n) + np.arange(int(n.sum()))
        self._level[: len(places)], self._slot[: len(places)] = self._level[places], self._slot[places]
        at[:] = starts
        self._levels_used, self._levels_lost = len(places), 0
