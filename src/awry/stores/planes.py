"""The bytes of packed samples, before compression: each column with equal bytes of all rows side by side, written in one pass.

The columns in order: slot deltas (journal rows only, int32), time deltas (int64), value (float64), raw (float32), score and segment
(uint16, or float32 where they are no multiples of 0.0001), expected, low, high (bits of float32, differing from a guess), part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating, kernel

NAN16 = 65_535
"""A NaN among the multiples of 0.0001."""
STEPS = 10_000.0


@kernel
def narrow(value: np.float32) -> int:
    """The value in steps of 0.0001; NAN16 for NaN and all that lies outside."""
    steps = np.rint(np.float64(value) * STEPS)
    return NAN16 if np.isnan(steps) or steps < 0.0 or steps >= NAN16 else int(steps)


@kernel
def fits(column: NDArray[np.float32], bits: NDArray[np.uint32]) -> bool:
    """Whether a column (n,), given with its bits, is the same after `narrow`; a NaN with a sign is not."""
    for i in range(column.shape[0]):
        small = narrow(column[i])
        if small == NAN16:
            if bits[i] != 0x7FC00000:
                return False
        elif np.float32(small / STEPS) != column[i] or bits[i] == 0x80000000:
            return False
    return True


@allocating
def write_planes(
    slot: NDArray[np.int32], time: NDArray[np.int64], value: NDArray[np.float64], value_bits: NDArray[np.uint64],
    raw: NDArray[np.uint32], score: NDArray[np.float32], score_bits: NDArray[np.uint32], wide_score: bool,
    segment: NDArray[np.float32], segment_bits: NDArray[np.uint32], wide_segment: bool, expected: NDArray[np.uint32],
    low: NDArray[np.uint32], high: NDArray[np.uint32], part: NDArray[np.uint8], near: NDArray[np.uint32], chunk: bool,
    out: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Fill `out` with the columns, all (n,); floats as their bits where so named.

    near: bits of the value as float32, 0 for NaN. chunk: rows are sorted by slot, whose column is left out; the times of each slot
    begin at a distance from the first of all.
    """
    n = slot.shape[0]
    at = 0
    if not chunk:
        steps = np.empty(n, np.uint32)
        steps[0] = np.uint32(slot[0])
        for i in range(1, n):
            steps[i] = np.uint32(slot[i] - slot[i - 1])
        at = _planes(steps, 4, out, at)
    gaps = np.empty(n, np.uint64)
    gaps[0] = 0
    for i in range(1, n):
        gaps[i] = np.uint64(time[i] - (time[0] if chunk and slot[i] != slot[i - 1] else time[i - 1]))
    at = _planes(gaps, 8, out, at)
    at = _planes(value_bits, 8, out, at)
    at = _planes(raw, 4, out, at)
    at = _planes(score_bits, 4, out, at) if wide_score else _planes(_steps(score), 2, out, at)
    at = _planes(segment_bits, 4, out, at) if wide_segment else _planes(_steps(segment), 2, out, at)
    at = _planes(expected ^ near, 4, out, at)
    at = _planes(low ^ expected, 4, out, at)
    at = _planes(high ^ expected, 4, out, at)
    out[at : at + n] = part


@kernel
def _planes(column: NDArray[Any], size: int, out: NDArray[np.uint8], at: int) -> int:
    # Byte by byte over all rows: the inner loop is one that the compiler turns into vector instructions.
    n = column.shape[0]
    for byte in range(size):
        shift = np.uint64(8 * byte)
        plane = out[at : at + n]
        for i in range(n):
            plane[i] = np.uint8(np.uint64(column[i]) >> shift)
        at += n
    return at


@allocating
def _steps(column: NDArray[np.float32]) -> NDArray[np.uint16]:
    steps = np.empty(column.shape[0], np.uint16)
    for i in range(column.shape[0]):
        steps[i] = narrow(column[i])
    return steps


def shuffled(column: NDArray[Any]) -> bytes:
    """One column's bytes: the first of all rows, then the second, and so on."""
    plain = np.ascontiguousarray(column)
    return plain.view(np.uint8).reshape(plain.shape[0], plain.itemsize).T.tobytes()
