"""The kernel that walks pickles as carbon-relay writes them, a list of (path, (time, value)); for `formats.pickle_rows`.

It knows the opcodes of that one layout, in protocols 2 to 5, and hands every other frame back.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.hashing import load8, probe
from awry.core.kernel import allocating, kernel
from awry.formats.numbers import MAX_TIME_MS, MIN_TIME_MS

MEMO = 262_144
"""Places of the memo that the kernel keeps; a pickle that uses more takes the slow way."""
LEAST_BYTES = 8
"""Bytes of the shortest row: a name from the memo, two small numbers, two tuples, and its appending."""


@kernel
def _little(data: NDArray[np.uint8], at: int, size: int) -> int:
    """An unsigned little-endian number of `size` bytes, at most 4."""
    number = np.int64(0)
    for i in range(size):
        number |= np.int64(data[at + i]) << 8 * i
    return int(number)


@kernel
def _number(data: NDArray[np.uint8], at: int, word: NDArray[np.uint64], real: NDArray[np.float64]) -> Any:
    """(after, value) of the number whose opcode is at `at`; after is -1 when none is. word, real: (1,), the same eight bytes."""
    op = data[at]
    if op == 71:  # G: a float, highest byte first
        bits = np.uint64(0)
        for i in range(8):
            bits = bits << np.uint64(8) | np.uint64(data[at + 1 + i])
        word[0] = bits
        return at + 9, real[0]
    if op == 74:  # J: four bytes with a sign
        number = _little(data, at + 1, 4)
        return at + 5, float(number - (1 << 32) if number >= 1 << 31 else number)
    if op == 75:  # K
        return at + 2, float(data[at + 1])
    if op == 77:  # M
        return at + 3, float(_little(data, at + 1, 2))
    if op == 138 and 0 < data[at + 1] <= 8:  # LONG1
        size = int(data[at + 1])
        whole = load8(data, at + 2) << np.uint64(8 * (8 - size))
        return at + 2 + size, float(np.int64(whole) >> 8 * (8 - size))
    return -1, 0.0


@kernel
def _put(
    data: NDArray[np.uint8], at: int, count: int, memo: NDArray[np.int64], mark: int, start: int, stop: int
) -> tuple[int, int]:
    """(after, memoized so far) of an opcode that remembers what was read, if there is one; after is -1 beyond the memo.

    start, stop: where the text is; start is -1 for what cannot be a name.
    """
    op = data[at]
    if op == 113:  # q
        index, at = int(data[at + 1]), at + 2
    elif op == 114:  # r
        index, at = _little(data, at + 1, 4), at + 5
    elif op == 148:  # MEMOIZE
        index, at = count, at + 1
    else:
        return at, count
    if index >= memo.shape[0]:
        return -1, count
    memo[index, 0], memo[index, 1], memo[index, 2] = mark, start, stop
    return at, count + 1


@kernel
def _frame(
    data: NDArray[np.uint8], at: int, end: int, now_ms: int, mark: int, memo: NDArray[np.int64], row: int,
    time: NDArray[np.int64], value: NDArray[np.float64], name: NDArray[np.int64], word: NDArray[np.uint64],
    real: NDArray[np.float64],
) -> int:  # fmt: skip
    """Rows there are after the pickle data[at:end], or -1 when it is not of the layout; a time out of range is -2**63."""
    if data[at] == 128:
        if data[at + 1] > 5:
            return -1
        at += 2
    if data[at] == 149 and at < end:
        at += 9
    if at >= end or data[at] != 93:
        return -1
    at, count = _put(data, at + 1, 0, memo, mark, -1, 0)
    many = False
    while 0 <= at < end:
        op = data[at]
        if op == 46 and not many:
            return row if at + 1 == end else -1
        if op == 40 and not many:
            many, at = True, at + 1
            continue
        if op == 101 and many:
            many, at = False, at + 1
            continue
        if op == 104 or op == 106:
            index = int(data[at + 1]) if op == 104 else _little(data, at + 1, 4)
            if index >= memo.shape[0] or memo[index, 0] != mark or memo[index, 1] < 0:
                return -1
            start, stop = memo[index, 1], memo[index, 2]
            at += 2 if op == 104 else 5
        else:
            if op == 88 or op == 84:  # X, T
                start = at + 5
                stop = start + _little(data, at + 1, 4)
            elif op == 140 or op == 85:  # SHORT_BINUNICODE, U
                start = at + 2
                stop = start + int(data[at + 1])
            else:
                return -1
            if stop > end:
                return -1
            at, count = _put(data, stop, count, memo, mark, start, stop)
        for i in range(2):
            if not 0 <= at < end:
                return -1
            at, number = _number(data, at, word, real)
            if i == 1:
                value[row] = number
            elif number == -1.0:
                time[row] = now_ms
            else:
                ms = np.floor(number * 1000.0 + 0.5)  # perhaps infinite or NaN, which no whole number stands for
                time[row] = np.int64(ms) if MIN_TIME_MS <= ms <= MAX_TIME_MS else np.iinfo(np.int64).min
        for _ in range(2):
            if not 0 <= at < end or data[at] != 134:
                return -1
            at, count = _put(data, at + 1, count, memo, mark, -1, 0)
        name[row, 0], name[row, 1] = start, stop
        row += 1
        if not many:
            if not 0 <= at < end or data[at] != 97:
                return -1
            at += 1
    return -1


@allocating
def walk(
    data: NDArray[np.uint8], at: int, end: int, now_ms: int, mark: int, memo: NDArray[np.int64], hashes: NDArray[np.uint64],
    slots: NDArray[np.int32], starts: NDArray[np.int64], blob: NDArray[np.uint8], slot: NDArray[np.int32],
    time: NDArray[np.int64], value: NDArray[np.float64], name: NDArray[np.int64],
) -> tuple[int, int, int]:  # fmt: skip
    """Decode whole frames, each behind its length in four bytes, up to `end` or the first that is not of the layout.

    Tells (rows, where it stopped, frames seen). 16 bytes must be readable behind `end`.

    mark: a number never given before, room for as many behind it as there are frames. memo: (MEMO, 3): mark, start and end of a
    text. slot, time, value: (room,) filled, room >= end / LEAST_BYTES; slot -1 = not in the table, -2 = time out of range. name:
    (room, 2): where the row's path stands.
    """
    row = frames = 0
    word = np.zeros(1, np.uint64)
    real = word.view(np.float64)
    while at < end:
        size = int(data[at]) << 24 | int(data[at + 1]) << 16 | int(data[at + 2]) << 8 | int(data[at + 3])
        rows = _frame(data, at + 4, at + 4 + size, now_ms, mark + frames, memo, row, time, value, name, word, real)
        frames += 1
        if rows < 0:
            break
        for i in range(row, rows):
            if time[i] == np.iinfo(np.int64).min:
                slot[i] = -2
            else:
                slot[i] = probe(hashes, slots, starts, blob, data, name[i, 0], name[i, 1])
        row = rows
        at += 4 + size
    return row, at, frames
