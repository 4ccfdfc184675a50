"""64-bit hashing of bytes and an open-addressing table of raw keys, probed inside numba; for the hot decoders.

The hash is the multiply-and-fold of wyhash (Wang Yi, public domain) on 8-byte words, without its secret: the table compares
whole keys on a hit, so a collision costs time, never a merged series.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from awry.core.growth import grown
from awry.core.kernel import copy, kernel

_P1 = np.uint64(0xA0761D6478BD642F)
_P2 = np.uint64(0xE7037ED1A0B428DB)


@intrinsic
def _load8(typingctx: Any, data: Any, at: Any) -> Any:
    """Eight bytes of a uint8 array from index `at` as one little-endian word; the caller keeps within bounds."""
    from llvmlite import ir

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, args[0])
        place = builder.gep(array.data, [args[1]])
        word = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        word.align = 1
        return word

    return uint64(data, types.int64), codegen


load8: Any = _load8


@njit(cache=True, nogil=True, inline="always")
def _fold(a: np.uint64, b: np.uint64) -> np.uint64:
    lo_a, hi_a = a & np.uint64(0xFFFFFFFF), a >> np.uint64(32)
    lo_b, hi_b = b & np.uint64(0xFFFFFFFF), b >> np.uint64(32)
    mid = hi_a * lo_b + ((lo_a * lo_b) >> np.uint64(32))
    low = a * b
    high = hi_a * hi_b + (mid >> np.uint64(32)) + ((lo_a * hi_b + (mid & np.uint64(0xFFFFFFFF))) >> np.uint64(32))
    return low ^ high


@kernel
def hash_bytes(data: NDArray[np.uint8], start: int, end: int) -> np.uint64:
    """Hash of data[start:end] (uint8, any length), never 0."""
    h = np.uint64(end - start) * _P1
    at = start
    while at + 8 <= end:
        h = _fold(h ^ load8(data, at) ^ _P2, _P1)
        at += 8
    tail = np.uint64(0)
    shift = np.uint64(0)
    while at < end:
        tail |= np.uint64(data[at]) << shift
        shift += np.uint64(8)
        at += 1
    h = _fold(h ^ tail ^ _P1, _P2)
    return h if h != 0 else np.uint64(1)


@kernel
def _locate(
    hashes: NDArray[np.uint64], starts: NDArray[np.int64], blob: NDArray[np.uint8], data: NDArray[np.uint8], start: int, end: int
) -> int:
    """Place of the raw key data[start:end] in the table, or -1; arguments as in `probe`."""
    h = hash_bytes(data, start, end)
    mask = hashes.shape[0] - 1
    place = np.int64(h & np.uint64(mask))
    length = end - start
    while hashes[place] != 0:
        if hashes[place] == h:
            at = starts[place]
            size = np.int64(blob[at]) | np.int64(blob[at + 1]) << 8 | np.int64(blob[at + 2]) << 16 | np.int64(blob[at + 3]) << 24
            if size == length:
                at += 4
                i = 0
                while i + 8 <= length and load8(blob, at + i) == load8(data, start + i):
                    i += 8
                while i < length and blob[at + i] == data[start + i]:
                    i += 1
                if i == length:
                    return int(place)
        place = (place + 1) & mask
    return -1


@kernel
def probe(
    hashes: NDArray[np.uint64],
    slots: NDArray[np.int32],
    starts: NDArray[np.int64],
    blob: NDArray[np.uint8],
    data: NDArray[np.uint8],
    start: int,
    end: int,
) -> int:
    """Slot of the raw key data[start:end], or -1 when the table does not hold it.

    hashes, slots: (capacity,) with capacity a power of two, hash 0 = free; slot -1 = forgotten. starts: (capacity, ) offset of the
    key in `blob`, which holds each key after its length as 4 little-endian bytes.
    """
    place = _locate(hashes, starts, blob, data, start, end)
    return int(slots[place]) if place >= 0 else -1


@kernel
def _place(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], h: np.uint64, slot: int, at: int
) -> None:
    mask = hashes.shape[0] - 1
    place = np.int64(h & np.uint64(mask))
    while hashes[place] != 0:
        place = (place + 1) & mask
    hashes[place] = h
    slots[place] = slot
    starts[place] = at


@kernel
def _rehash(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], new_hashes: NDArray[np.uint64],
    new_slots: NDArray[np.int32], new_starts: NDArray[np.int64],
) -> None:  # fmt: skip
    for i in range(hashes.shape[0]):
        if hashes[i] != 0:
            _place(new_hashes, new_slots, new_starts, hashes[i], slots[i], starts[i])


@kernel
def _add(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8], used: int,
    data: NDArray[np.uint8], ends: NDArray[np.int64], slot: NDArray[np.int32],
) -> tuple[int, int]:  # fmt: skip
    """Add raw keys that lie one behind the other in `data`, key i up to ends[i]; room is there. Known ones keep their slots.

    Tells how many bytes of the blob are used now, and how many keys were new.
    """
    begin, added = 0, 0
    for i in range(ends.shape[0]):
        end = ends[i]
        place = _locate(hashes, starts, blob, data, begin, end)
        if place >= 0:
            if slots[place] < 0:
                slots[place] = slot[i]
        else:
            size = end - begin
            for byte in range(4):
                blob[used + byte] = (size >> 8 * byte) & 255
            copy(data, begin, end, blob, used + 4)
            _place(hashes, slots, starts, hash_bytes(data, begin, end), slot[i], used)
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
            size = 4 + int(blob[at]) + (int(blob[at + 1]) << 8) + (int(blob[at + 2]) << 16) + (int(blob[at + 3]) << 24)
            copy(blob, at, at + size, new_blob, used)
            _place(new_hashes, new_slots, new_starts, hashes[i], slots[i], used)
            used += size
            count += 1
    return used, count


_FEW = 10_000
"""Forgotten entries that are not worth leaving out."""


class RawIndex:
    """Raw bytes of a series in one protocol -> slot. One thread adds; kernels read `arrays` in that same thread.

    What is added waits until somebody looks: new series come by the thousand, and one by one they would take ten times as long.
    """

    def __init__(self, capacity: int = 1024) -> None:
        self._hashes = np.zeros(capacity, np.uint64)
        self._slots = np.zeros(capacity, np.int32)
        self._starts = np.zeros(capacity, np.int64)
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
        return self._hashes, self._slots, self._starts, self._blob

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._hashes.nbytes + self._slots.nbytes + self._starts.nbytes + self._used

    def find(self, raw: bytes) -> int:
        """Slot of these raw bytes, or -1."""
        slot = self._waiting.get(raw, -1)
        return slot if slot >= 0 else int(probe(*self.arrays, np.frombuffer(raw, np.uint8), 0, len(raw)))

    def add(self, raw: bytes, slot: int) -> None:
        """Remember that these raw bytes mean this slot; bytes that are known keep theirs."""
        self._waiting.setdefault(raw, slot)

    def forget(self, slots: NDArray[np.int32]) -> None:
        """Whatever means one of these slots means none any more, until it is added again."""
        if self._waiting:
            self._settle()
        gone = np.isin(self._slots, slots) & (self._hashes != 0)
        self._slots[gone] = -1
        self._forgotten += int(np.count_nonzero(gone))
        if self._forgotten > max(self._count // 2, _FEW):
            self._compact()

    def _settle(self) -> None:
        """Put what waits into the table."""
        raws, slots = list(self._waiting), np.fromiter(self._waiting.values(), np.int32, len(self._waiting))
        self._waiting = {}
        data = np.frombuffer(b"".join(raws), np.uint8)
        ends = np.cumsum(np.fromiter(map(len, raws), np.int64, len(raws)))
        self._blob = grown(self._blob, self._used + len(data) + 4 * len(raws))
        size = self._hashes.shape[0]
        while (self._count + len(raws)) * 10 > size * 7:
            size *= 2
        if size > self._hashes.shape[0]:
            self._grow(size)
        self._used, added = _add(self._hashes, self._slots, self._starts, self._blob, self._used, data, ends, slots)
        self._count += added

    def _compact(self) -> None:
        """Leave out what was forgotten: with series that come and go it would be most of the table one day."""
        size = self._hashes.shape[0]
        hashes, slots, starts = np.zeros(size, np.uint64), np.zeros(size, np.int32), np.zeros(size, np.int64)
        blob = np.zeros(self._blob.shape[0], np.uint8)
        self._used, self._count = _copy_known(
            self._hashes, self._slots, self._starts, self._blob, hashes, slots, starts, blob
        )  # fmt: skip
        self._hashes, self._slots, self._starts, self._blob, self._forgotten = hashes, slots, starts, blob, 0

    def _grow(self, size: int) -> None:
        hashes, slots, starts = np.zeros(size, np.uint64), np.zeros(size, np.int32), np.zeros(size, np.int64)
        _rehash(self._hashes, self._slots, self._starts, hashes, slots, starts)
        self._hashes, self._slots, self._starts = hashes, slots, starts
