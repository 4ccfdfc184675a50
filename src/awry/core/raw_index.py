"""The table from raw bytes of a series in one protocol to its slot, grown a piece at a time: for the series table and the doors."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.growth import grown
from awry.core.hashing import hash_bytes, key_size, load8, locate, probe
from awry.core.kernel import copy, kernel

_FEW = 10_000
"""Forgotten entries that are not worth leaving out."""
_AT_ONCE = 1 << 16
"""Places of a table that is copied into a larger one in one go: that takes some milliseconds."""
_GROWS_FROM, _FULL = 5, 7
"""Tenths of a table in use when a larger one is begun, and when that has to be ready."""
_PACE = 8
"""Places copied into the larger table for each key added; with 5 it would be ready at the last moment."""

Columns = tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int64]]
"""hashes, slots, starts, each (capacity,): see `hashing.probe`."""


@kernel
def _place(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], h: np.uint64, slot: int, at: int
) -> int:
    """Put an entry that is not there at the first free place from its own on; tells where."""
    mask = hashes.shape[0] - 1
    place = np.int64(h & np.uint64(mask))
    while hashes[place] != 0:
        place = (place + 1) & mask
    hashes[place] = h
    slots[place] = slot
    starts[place] = at
    return int(place)


@kernel
def _carry(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], new_hashes: NDArray[np.uint64],
    new_slots: NDArray[np.int32], new_starts: NDArray[np.int64], begin: int, end: int,
) -> None:  # fmt: skip
    """Copy what stands at the places [begin, end) into a larger table."""
    for i in range(begin, end):
        if hashes[i] != 0:
            _place(new_hashes, new_slots, new_starts, hashes[i], slots[i], starts[i])


@kernel
def _add(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8], used: int,
    data: NDArray[np.uint8], ends: NDArray[np.int64], slot: NDArray[np.int32], new_hashes: NDArray[np.uint64],
    new_slots: NDArray[np.int32], new_starts: NDArray[np.int64], carried: int,
) -> tuple[int, int]:  # fmt: skip
    """Add raw keys that lie one behind the other in `data`, key i up to ends[i]; room is there. Known ones keep their slots.

    carried: places before it are in the larger table already, which learns what changes there.
    Tells how many bytes of the blob are used now, and how many keys were new.
    """
    begin, added = 0, 0
    for i in range(ends.shape[0]):
        end = ends[i]
        place = locate(hashes, starts, blob, data, begin, end)
        if place >= 0:
            if slots[place] < 0:
                slots[place] = slot[i]
                if place < carried:
                    new_slots[locate(new_hashes, new_starts, blob, data, begin, end)] = slot[i]
        else:
            size = end - begin
            for byte in range(4):
                blob[used + byte] = (size >> 8 * byte) & 255
            copy(data, begin, end, blob, used + 4)
            h = hash_bytes(data, begin, end)
            if _place(hashes, slots, starts, h, slot[i], used) < carried:
                _place(new_hashes, new_slots, new_starts, h, slot[i], used)
            used += 4 + size
            added += 1
        begin = end
    return used, added


@kernel
def _copy_known(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8],
    new_hashes: NDArray[np.uint64], new_slots: NDArray[np.int32], new_starts: NDArray[np.int64], new_blob: NDArray[np.uint8],
) -> tuple[int, int]:  # fmt: skip
    """Copy the entries that have a slot into an empty table of the same capacity; bytes of the blob used, and entries."""
    used, count = 0, 0
    for i in range(hashes.shape[0]):
        if hashes[i] != 0 and slots[i] >= 0:
            at = starts[i]
            size = 4 + key_size(blob, at)
            copy(blob, at, at + size, new_blob, used)
            _place(new_hashes, new_slots, new_starts, hashes[i], slots[i], used)
            used += size
            count += 1
    return used, count


@kernel
def mark_words(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8],
    used: NDArray[np.bool_], shift: int,
) -> None:  # fmt: skip
    """Mark used[word >> shift] for the first word of each key that has a slot; words beyond `used` mark nothing."""
    for i in range(hashes.shape[0]):
        if hashes[i] != 0 and slots[i] >= 0 and key_size(blob, starts[i]) >= 8:
            at = load8(blob, starts[i] + 4) >> np.uint64(shift)
            if at < np.uint64(used.shape[0]):
                used[np.int64(at)] = True


class RawIndex:
    """Raw bytes of a series in one protocol -> slot. One thread adds; kernels read `arrays` in that same thread.

    What is added waits until somebody looks: new series come by the thousand, and one by one they would take ten times as long.
    A large table is copied into one twice as large while keys are added, a few places a key, so that none of them waits for all.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._table: Columns = _empty(capacity)
        self._larger: Columns | None = None
        self._carried = 0
        """Places of the table that are in the larger one already."""
        self._blob = np.zeros(capacity * 16, np.uint8)
        self._used = 0
        self._count = 0
        self._forgotten = 0
        self._waiting: dict[bytes, int] = {}

    def __len__(self) -> int:
        return self._count + len(self._waiting)

    @property
    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.int32], NDArray[np.int64], NDArray[np.uint8]]:
        """hashes, slots, starts, blob: the first four arguments of `probe`. Read anew after each `add`."""
        if self._waiting:
            self._settle()
        return *self._table, self._blob

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(column.nbytes for table in self._tables() for column in table) + self._used

    def find(self, raw: bytes) -> int:
        """Slot of these raw bytes, or -1."""
        slot = int(probe(*self._table, self._blob, np.frombuffer(raw, np.uint8), 0, len(raw)))
        return slot if slot >= 0 else self._waiting.get(raw, -1)

    def add(self, raw: bytes, slot: int) -> None:
        """Remember that these raw bytes mean this slot; bytes that are known keep theirs."""
        self._waiting.setdefault(raw, slot)

    def forget(self, slots: NDArray[np.int32]) -> None:
        """Whatever means one of these slots means none any more, until it is added again."""
        if self._waiting:
            self._settle()
        for at, (hashes, mine, _) in enumerate(self._tables()):
            gone = np.isin(mine, slots) & (hashes != 0)
            mine[gone] = -1
            self._forgotten += 0 if at else int(np.count_nonzero(gone))
        if self._forgotten > max(self._count // 2, _FEW):
            self._compact()

    def _tables(self) -> list[Columns]:
        return [self._table] if self._larger is None else [self._table, self._larger]

    def _settle(self) -> None:
        """Put what waits into the table."""
        raws, slots = list(self._waiting), np.fromiter(self._waiting.values(), np.int32, len(self._waiting))
        self._waiting = {}
        data = np.frombuffer(b"".join(raws), np.uint8)
        ends = np.cumsum(np.fromiter(map(len, raws), np.int64, len(raws)))
        self._blob = grown(self._blob, self._used + len(data) + 4 * len(raws))
        self._make_room(len(raws))
        larger = self._table if self._larger is None else self._larger
        self._used, added = _add(*self._table, self._blob, self._used, data, ends, slots, *larger, self._carried)
        self._count += added

    def _make_room(self, keys: int) -> None:
        """Have room for this many more, and be ready for those after them."""
        need = 10 * (self._count + keys)
        while need > _FULL * self._size:
            self._go_on(self._size)
        if self._larger is not None or (need > _GROWS_FROM * self._size and self._size > _AT_ONCE):
            self._go_on(_PACE * keys)

    def _go_on(self, places: int) -> None:
        """Copy so many more places into a larger table, and take that when it has them all."""
        if self._larger is None:
            self._larger, self._carried = _empty(2 * self._size), 0
        end = min(self._carried + places, self._size)
        _carry(*self._table, *self._larger, self._carried, end)
        self._carried = end
        if end == self._size:
            self._table, self._larger, self._carried = self._larger, None, 0

    def _compact(self) -> None:
        """Leave out what was forgotten: with series that come and go it would be most of the table one day."""
        fewer, blob = _empty(self._size), np.zeros(self._blob.shape[0], np.uint8)
        self._used, self._count = _copy_known(*self._table, self._blob, *fewer, blob)
        self._table, self._blob, self._forgotten = fewer, blob, 0
        self._larger, self._carried = None, 0

    @property
    def _size(self) -> int:
        return int(self._table[0].shape[0])


def _empty(capacity: int) -> Columns:
    """A table of free places; of a large one the system makes memory as it is filled."""
    return (
        grown(np.zeros(0, np.uint64), capacity), grown(np.zeros(0, np.int32), capacity), grown(np.zeros(0, np.int64), capacity)
    )  # fmt: skip
