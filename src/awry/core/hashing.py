"""64-bit hashing of bytes, and how an open-addressing table of raw keys is probed inside numba; for the hot decoders.

The hash is the multiply-and-fold of wyhash (Wang Yi, public domain) on 8-byte words, without its secret: the table compares
whole keys on a hit, so a collision costs time, never a merged series.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, types, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from awry.core.kernel import kernel

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
def locate(
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
    place = locate(hashes, starts, blob, data, start, end)
    return int(slots[place]) if place >= 0 else -1
