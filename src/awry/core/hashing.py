"""64-bit hashing of bytes, and how an open-addressing table of raw keys is probed inside numba; for the hot decoders.

The hash is the multiply-and-fold of wyhash (Wang Yi, public domain) on pairs of words, without its secret: the table compares
whole keys on a hit, so a collision costs time, never a merged series.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types, uint64
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


@intrinsic
def _multiply_fold(typingctx: Any, a: Any, b: Any) -> Any:
    """Both halves of the 128-bit product of two words, one xor the other: one instruction of the processor and one more."""
    from llvmlite import ir

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        word, wide = ir.IntType(64), ir.IntType(128)
        product = builder.mul(builder.zext(args[0], wide), builder.zext(args[1], wide))
        high = builder.trunc(builder.lshr(product, ir.Constant(wide, 64)), word)
        return builder.xor(builder.trunc(product, word), high)

    return uint64(uint64, uint64), codegen


_fold: Any = _multiply_fold


@kernel
def _hash(h: np.uint64, data: NDArray[np.uint8], start: int, at: int, end: int) -> np.uint64:
    """Go on with a hash over data[at:end]; what lies before `start` is not read."""
    while at + 16 <= end:
        h = _fold(load8(data, at) ^ _P1, load8(data, at + 8) ^ h)
        at += 16
    if at + 8 <= end:
        h = _fold(h ^ load8(data, at) ^ _P2, _P1)
        at += 8
    tail = np.uint64(0)
    if at < end and end - 8 >= start:  # the last eight bytes, of which some were taken already
        tail = load8(data, end - 8) >> np.uint64(8 * (8 - (end - at)))
    else:
        shift = np.uint64(0)
        while at < end:
            tail |= np.uint64(data[at]) << shift
            shift += np.uint64(8)
            at += 1
    h = _fold(h ^ tail ^ _P1, _P2)
    return h if h != 0 else np.uint64(1)


@kernel
def hash_bytes(data: NDArray[np.uint8], start: int, end: int) -> np.uint64:
    """Hash of data[start:end] (uint8, any length), never 0."""
    return np.uint64(_hash(np.uint64(end - start) * _P1, data, start, start, end))


@kernel
def hash_after(word: np.uint64, data: NDArray[np.uint8], start: int, end: int) -> np.uint64:
    """`hash_bytes` of the eight bytes of a word (little-endian) followed by data[start:end], without putting them together."""
    h = np.uint64(end - start + 8) * _P1
    if end - start >= 8:
        return np.uint64(_hash(_fold(word ^ _P1, load8(data, start) ^ h), data, start, start + 8, end))
    return np.uint64(_hash(_fold(h ^ word ^ _P2, _P1), data, start, start, end))


@kernel
def _equal(blob: NDArray[np.uint8], at: int, data: NDArray[np.uint8], start: int, length: int) -> bool:
    """Whether blob[at : at + length] is data[start : start + length]."""
    i = 0
    while i + 8 <= length:
        if load8(blob, at + i) != load8(data, start + i):
            return False
        i += 8
    if i < length and length >= 8:
        return bool(load8(blob, at + length - 8) == load8(data, start + length - 8))
    while i < length:
        if blob[at + i] != data[start + i]:
            return False
        i += 1
    return True


@kernel
def key_size(blob: NDArray[np.uint8], at: int) -> int:
    """Length of the key at a place of the blob."""
    return int(np.int64(blob[at]) | np.int64(blob[at + 1]) << 8 | np.int64(blob[at + 2]) << 16 | np.int64(blob[at + 3]) << 24)


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
            if key_size(blob, at) == length and _equal(blob, at + 4, data, start, length):
                return int(place)
        place = (place + 1) & mask
    return -1


@kernel
def probe_after(
    hashes: NDArray[np.uint64], slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8],
    word: np.uint64, data: NDArray[np.uint8], start: int, end: int,
) -> int:  # fmt: skip
    """`probe` for a raw key of two parts: the eight bytes of a word (little-endian), then data[start:end]; both are compared."""
    h = hash_after(word, data, start, end)
    mask = hashes.shape[0] - 1
    place = np.int64(h & np.uint64(mask))
    length = end - start
    while hashes[place] != 0:
        if hashes[place] == h:
            at = starts[place]
            if key_size(blob, at) == length + 8 and load8(blob, at + 4) == word and _equal(blob, at + 12, data, start, length):
                return int(slots[place])
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
