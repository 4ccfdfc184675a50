"""Which series have their detector's state in memory: those silent for long give it away, and get it back with their next sample.

So memory follows the series that send. A parked series keeps its slot and its small columns; a deleted one keeps only its slot,
until another series gets it. What is parked and what came back stands in the ticks: a replay decides nothing here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Slots
from awry.core.growth import grown
from awry.core.protocols import Judge, Parkable

log = logging.getLogger("awry.engine")

HERE, AWAY, GONE = range(3)
"""Where a series' state is: in memory, in the store, nowhere (the series was deleted)."""
AT_ONCE = 100
"""Series parked at one tick: packing that many takes some milliseconds."""
LOOKED_AT = 1 << 16
"""Slots looked at in one tick."""

Fetch = Callable[[Sequence[int], int], Mapping[int, bytes]]
"""Of these slots, what was parked last before a tick's seq, as far as it is stored."""


class Parking:
    """Column `where` by slot. The engine's thread only, but for `committed`.

    after_ms: how long a series is silent before it is parked. fetch: reads the store; None, or a judge that is not Parkable: no
    series is parked.
    """

    def __init__(self, judge: Judge, after_ms: int, fetch: Fetch | None) -> None:
        self.where: NDArray[np.uint8] = np.zeros(0, np.uint8)
        self.committed = 0
        """Seq up to which ticks are in the store; what was parked after it is kept here as well."""
        self.lost = 0
        """Series that came back and whose state was not found, or was of another version: they are learned anew."""
        self._judge = judge
        self._after_ms, self._fetch = after_ms, fetch
        self._parkable = fetch is not None and isinstance(judge, Parkable)
        self._out = 0
        self._next = self._next_old = 0
        self._uncommitted: dict[int, tuple[int, bytes]] = {}

    def grow(self, slots: int) -> None:
        """Have room for this many slots."""
        self.where = grown(self.where, slots)

    def due(self, now: int, columns: Mapping[str, NDArray[Any]], slots: int) -> list[int]:
        """Some of the series that are silent for too long at `now`: a slice of all is looked at. columns: of the arrivals."""
        if not self._parkable:
            return []
        start, self._next = self._turn(self._next, slots)
        seen = columns["last_seen"][start : self._next]
        quiet = (self.where[start : self._next] == HERE) & (seen > 0) & (seen < now - self._after_ms)
        return self._first(start, quiet)

    def dead(self, before: int, columns: Mapping[str, NDArray[Any]], slots: int) -> list[int]:
        """Some of the parked series that sent nothing since `before`, Unix ms: no sample of them is stored any more."""
        start, self._next_old = self._turn(self._next_old, slots)
        newest = np.maximum(columns["last_seen"][start : self._next_old], columns["last_time"][start : self._next_old])
        return self._first(start, (self.where[start : self._next_old] == AWAY) & (newest < before))

    def park(self, slots: Sequence[int], seq: int, *, keep: bool = True) -> tuple[tuple[int, bytes], ...]:
        """Give the state of these series away, in rising order. keep: until tick seq is committed, it is wanted here."""
        if not slots or not isinstance(self._judge, Parkable):
            return ()
        parked = tuple(zip(slots, self._judge.park(slots), strict=True))
        self._put(slots, AWAY)
        if keep:
            self._uncommitted = {slot: one for slot, one in self._uncommitted.items() if one[0] > self.committed}
            self._uncommitted |= {slot: (seq, data) for slot, data in parked}
        return parked

    def returning(self, slot: Slots) -> tuple[int, ...]:
        """Slots of a batch whose state is in the store."""
        if not self._out:
            return ()
        return tuple(np.unique(slot[self.where[slot] == AWAY]).tolist())

    def take_back(self, slots: Sequence[int], seq: int) -> None:
        """Have the state of these parked series, in rising order, in memory again, for tick seq."""
        if not slots or not isinstance(self._judge, Parkable) or self._fetch is None:
            return
        mine = {slot: self._uncommitted.pop(slot)[1] for slot in slots if slot in self._uncommitted}
        rest = [slot for slot in slots if slot not in mine]
        found = mine | dict(self._fetch(rest, seq) if rest else {})
        lost = len(slots) - self._judge.unpark(slots, [found.get(slot, b"") for slot in slots])
        if lost:
            log.warning("the state of %d parked series cannot be taken back: they are learned anew", lost)
            self.lost += lost
        self._put(slots, HERE)

    def gone(self, slot: Slots) -> NDArray[np.bool_]:
        """Which of these rows' slots belong to deleted series."""
        return self.where[slot] == GONE if self._out else np.zeros(len(slot), np.bool_)

    def gone_among(self, slot: Slots) -> list[int]:
        """Slots of a batch whose series were deleted, in rising order."""
        found: list[int] = np.unique(slot[self.gone(slot)]).tolist() if self._out else []
        return found

    def bury(self, slots: Sequence[int]) -> None:
        """These series are deleted: forget their state."""
        for slot in slots:
            self._uncommitted.pop(slot, None)
        if slots:
            self._blank(sorted(set(slots)), begin=False)
            self._put(slots, GONE)

    def begin_again(self, slots: Sequence[int]) -> None:
        """These slots of deleted series have new ones now, in rising order."""
        if slots:
            self._blank(slots, begin=True)
            self._put(slots, HERE)

    def load(self, where: NDArray[np.uint8], start: int) -> None:
        """Take over what a checkpoint block says of the slots from `start` on."""
        out = (start + np.flatnonzero(where)).tolist()
        if out:
            self._blank(out, begin=False)
        self.where[start : start + where.shape[0]] = where
        self._out += len(out)

    def _blank(self, slots: Sequence[int], *, begin: bool) -> None:
        if isinstance(self._judge, Parkable):
            self._judge.forget(slots)
            if begin:
                self._judge.unpark(slots, [b""] * len(slots))
        else:  # a row of zeros is a series never seen
            blank = {name: np.zeros((1, *a.shape[1:]), a.dtype) for name, a in self._judge.dump(0, 0).items()}
            for slot in slots:
                self._judge.load(blank, slot)

    def _put(self, slots: Sequence[int], where: int) -> None:
        mine = np.array(slots, np.intp)
        before = int(np.count_nonzero(self.where[mine]))
        self.where[mine] = where
        self._out += int(np.count_nonzero(self.where[mine])) - before

    def _turn(self, start: int, slots: int) -> tuple[int, int]:
        start = 0 if start >= slots else start
        return start, min(start + LOOKED_AT, slots)

    def _first(self, start: int, wanted: NDArray[np.bool_]) -> list[int]:
        found: list[int] = (start + np.flatnonzero(wanted)[:AT_ONCE]).tolist()
        return found
