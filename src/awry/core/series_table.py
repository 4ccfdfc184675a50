"""Every series the process knows: canonical key <-> slot, kinds, a raw-bytes index per protocol and the limits on new ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from awry.core.admission import inadmissible
from awry.core.clock import Clock, SystemClock
from awry.core.errors import Overloaded
from awry.core.kind import kind_of
from awry.core.placement import Placement
from awry.core.raw_index import RawIndex
from awry.core.series_key import canonical
from awry.core.slot_by_key import SlotByKey

SPELLINGS = 2
"""Raw spellings kept per series on average; one more is read anew each time it comes, which is slow but harmless."""

NEW_AT_ONCE = 250
"""Most new series of a source in one turn of the event loop, some two milliseconds; then others have their turn. An answer waits
for a few such turns, each the longer the busier the machine is."""


class Forgets(Protocol):
    """Something that remembers by slot."""

    def forget(self, slots: NDArray[np.int32]) -> None:
        """The series of these slots are deleted; the slots may be other series' one day."""


K = TypeVar("K", bound=Forgets)


@dataclass(frozen=True, slots=True)
class SeriesLimits:
    """How many series may exist, and how many may appear within a minute."""

    total: int = 1_000_000
    new_per_minute: int = 200_000
    future_ms: int | None = None
    """When set, no series begins with a sample that is infinite, too old, or further ahead of the clock than this."""


class SeriesTable:
    """Canonical key <-> slot. Only the event loop's thread adds; other threads may read `keys` up to a length they were told.

    Slots are dense and given in order of first sight; a deleted series leaves its slot empty (key ""), until it is free for
    another. The engine empties it, at the tick of the deletion: samples taken in before are still judged under the series' name.
    placement: what it says of kinds.
    """

    def __init__(self, limits: SeriesLimits | None = None, clock: Clock | None = None, placement: Placement | None = None) -> None:
        self.limits = limits or SeriesLimits()
        self.placement = placement or Placement()
        self.keys: list[str] = []
        self.kinds = bytearray()
        """By slot: GAUGE or COUNTER; never shorter than `keys`. Take copies of it (a view would keep it from growing)."""
        self.refused_limit = 0
        self.reused = 0
        """How often a new series got the slot of a deleted one: what is known by slot may be another series' since."""
        self._free: list[int] = []
        self._slot_of = SlotByKey()
        self.forgotten = 0
        """How often series were deleted: a slot that was looked up before may be none of its series' any more."""
        self._index: dict[str, RawIndex] = {}
        self._kept: dict[str, Any] = {}
        self._clock = clock or SystemClock()
        self._minute = -1
        self._new_in_minute = 0

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def live(self) -> int:
        """How many series exist (deleted ones left out)."""
        return len(self._slot_of)

    def index(self, protocol: str) -> RawIndex:
        """The raw-bytes index of one protocol ("graphite", "remote_write", "json"...)."""
        if protocol not in self._index:
            self._index[protocol] = RawIndex()
        return self._index[protocol]

    def kept(self, protocol: str, make: Callable[[], K]) -> K:
        """What a protocol remembers of series by slot besides an index; made when it is first asked for."""
        if protocol not in self._kept:
            self._kept[protocol] = make()
        found: K = self._kept[protocol]
        return found

    def find(self, key: str) -> int:
        """Slot of a canonical key, or -1."""
        return self._slot_of.find(key)

    def inadmissible(self, time: NDArray[np.int64], value: NDArray[np.float64]) -> NDArray[np.uint8]:
        """For each sample 0, or an index into REASONS that says why no series may begin with it.

        Doors ask before they intern a key: a sender of nonsense would otherwise use up the limit on series.
        """
        if self.limits.future_ms is None:
            return np.zeros(len(time), np.uint8)
        return inadmissible(time, value, self._clock.now_ms() + self.limits.future_ms)

    def intern(self, key: str, counter: bool | None = None) -> int:
        """Slot of a canonical key, given a new one at first sight. Raises Overloaded over a limit (counted).

        counter: the protocol says that the series is one, or a gauge; None: it says nothing. Only looked at when it is new.
        """
        slot = self._slot_of.find(key)
        if slot >= 0:
            return slot
        self._admit()
        slot = self._new_slot(key, kind_of(key, self.placement, counter))
        self._slot_of.put(key, slot)
        return slot

    def intern_raw(self, protocol: str, raw: bytes, key: str, counter: bool | None = None) -> int:
        """Slot of a canonical key, remembering that `raw` means it in this protocol."""
        slot = self.intern(key, counter)
        index = self.index(protocol)
        if len(index) < SPELLINGS * self.limits.total:
            index.add(raw, slot)
        return slot

    def intern_text(self, text: str) -> int:
        """Slot of a key as people write it. Raises InvalidSelector or Overloaded."""
        index, raw = self.index("text"), text.encode("utf-8", "surrogatepass")
        slot = index.find(raw)
        return slot if slot >= 0 else self.intern_raw("text", raw, canonical(text))

    def restore(self, keys: Sequence[str], kinds: bytes = b"") -> None:
        """Take over the keys of a store, in slot order, into an empty table; "" marks a deleted series. No kinds: all gauges."""
        self.kinds += kinds or bytes(len(keys))
        for key in keys:
            if key:
                self._slot_of.put(key, len(self.keys))
            self.keys.append(key)

    def put_kind(self, slots: Iterable[int], counter: bool) -> None:
        """These series are counters, or are none."""
        for slot in slots:
            self.kinds[slot] = counter

    def forget(self, slots: Iterable[int]) -> None:
        """Free the keys of deleted series for new slots; raw bytes that meant them mean nothing any more.

        `keys` goes on naming the old slots until the engine has decided the deletion.
        """
        gone = [slot for slot in slots if self._slot_of.find(self.keys[slot]) == slot]  # not so: deleted before, with a successor
        for slot in gone:
            self._slot_of.remove(self.keys[slot])
        self.forgotten += 1
        for index in (*self._index.values(), *self._kept.values()):
            index.forget(np.array(gone, np.int32))

    def free(self, slots: Iterable[int]) -> None:
        """New series may have these slots of deleted ones, of which nothing is left."""
        for slot in slots:
            if not self.keys[slot]:
                heappush(self._free, slot)

    def _new_slot(self, key: str, kind: int) -> int:
        if self._free:
            slot = heappop(self._free)
            self.kinds[slot] = kind
            self.keys[slot] = key  # last: the engine takes a named slot for one that has a series
            self.reused += 1
            return slot
        self.kinds.append(kind)
        self.keys.append(key)
        return len(self.keys) - 1

    def _admit(self) -> None:
        limits = self.limits
        if len(self._slot_of) >= limits.total:
            self.refused_limit += 1
            raise Overloaded(
                f"cannot add a series: the limit of {limits.total} series is reached",
                after_seconds=60,
                hint="raise [limits] series, or delete series nobody needs",
            )
        minute = self._clock.now_ms() // 60_000
        if minute != self._minute:
            self._minute, self._new_in_minute = minute, 0
        if self._new_in_minute >= limits.new_per_minute:
            self.refused_limit += 1
            raise Overloaded(
                f"cannot add a series: {limits.new_per_minute} appeared within this minute already",
                after_seconds=60,
                hint="raise [limits] new_series_per_minute if this is wanted",
            )
        self._new_in_minute += 1
