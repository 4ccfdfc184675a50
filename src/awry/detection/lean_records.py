"""The record memory of the lean detector: twelve one-sided statistics, each against its three remembered extremes.

As records.py, in a tenth of the bytes: three ranks instead of five, ages in one byte, and the spread of the remembered extremes in
place of their median. The layout of the lean state row stands here too; f[0:SCALARS], c and d are those of state.py.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.lattice import LATTICE_SIZE
from awry.detection.state import BLOCK_POS, BLOCKS, SCALARS, N

# f: float32
PAST = SCALARS
"""The last eight values, a ring; c[RING_END] is the place of the newest."""
PAST_SIZE = 8
LATTICE = PAST + PAST_SIZE
STREAMS, ALWAYS = 12, 10
"""Streams, and those of them that are always valid; the rest need the time of day."""
OPEN = LATTICE + LATTICE_SIZE
"""Maximum of the open block, per stream."""
TOP = OPEN + STREAMS
"""Three remembered extremes per stream, largest first: [rank][stream]."""
RANKS = 3
DAY = TOP + RANKS * STREAMS
DAY_BUCKETS = 48
FLOATS = DAY + DAY_BUCKETS

# b: uint8
DAY_VISITS = 0
AGES = DAY_BUCKETS
"""Blocks since each remembered extreme was seen, saturating: [rank][stream]."""
BYTES = AGES + RANKS * STREAMS

BLOCK_LEAST, BLOCK_MOST, START_BLOCKS = 12, 50, 4
FADE_BLOCKS, KEEP_BLOCKS = 100.0, 250
SURPRISE_MOST = 6.0
SUSTAINED_FROM, SUSTAINED_TO = 4, 6
"""Streams of weight 2: the last eight values all lay beyond."""
MOST_BLOCKS = 60_000


@kernel
def surprise(f: NDArray[np.float32], b: NDArray[np.uint8], stream: int, z: float, known: int) -> float:
    """How surprising z is for one stream, 0 to 6: 2 + ln(.5 / (k + .5)), plus the log of how far it passes the largest.

    k: number of the `known` remembered extremes at or above z, each weighted by exp(-age / 100 blocks).
    """
    beyond = 0.0
    for rank in range(known):
        if f[TOP + rank * STREAMS + stream] >= z:
            beyond += math.exp(-float(b[AGES + rank * STREAMS + stream]) / FADE_BLOCKS)
    s = 2.0 + math.log(0.5 / (beyond + 0.5))
    largest = float(f[TOP + stream])
    if z > largest:
        spread = 2.0 * (largest - float(f[TOP + (known - 1) * STREAMS + stream]))
        if spread <= 0.0:
            spread = 1e-9 + 1e-6 * abs(largest)
        s += math.log1p((z - largest) / spread)
    return min(max(s, 0.0), SURPRISE_MOST)


@kernel
def close_block(f: NDArray[np.float32], b: NDArray[np.uint8], stream: int, blocks: int) -> None:
    """Take the open block's maximum of one stream among its remembered extremes, all a block older; blocks: closed before."""
    for rank in range(RANKS):
        age = AGES + rank * STREAMS + stream
        if b[age] < 255:
            b[age] += np.uint8(1)
    top = f[OPEN + stream]
    last = (RANKS - 1) * STREAMS + stream
    if blocks >= RANKS and top <= f[TOP + last] and b[AGES + last] <= KEEP_BLOCKS:
        return
    rank = min(blocks, RANKS - 1)
    while rank > 0 and f[TOP + (rank - 1) * STREAMS + stream] < top:
        f[TOP + rank * STREAMS + stream] = f[TOP + (rank - 1) * STREAMS + stream]
        b[AGES + rank * STREAMS + stream] = b[AGES + (rank - 1) * STREAMS + stream]
        rank -= 1
    f[TOP + rank * STREAMS + stream] = top
    b[AGES + rank * STREAMS + stream] = 0


@kernel
def lean_records(
    f: NDArray[np.float32], b: NDArray[np.uint8], c: NDArray[np.int32], z: NDArray[np.float32], group: int, first: int, last: int
) -> float:
    """Record strength of streams [first, last) for this sample, which is then learned.

    z: float32 (12,), the streams' values now. The open block is never compared with itself.
    """
    blocks = c[BLOCKS + group]
    known = min(blocks, RANKS)
    total = 0.0
    if blocks >= START_BLOCKS:
        smallest = TOP + (known - 1) * STREAMS
        for stream in range(first, last):
            if z[stream] >= f[smallest + stream]:
                weight = 2.0 if SUSTAINED_FROM <= stream < SUSTAINED_TO else 1.0
                total += weight * surprise(f, b, stream, z[stream], known)
    opened = c[BLOCK_POS + group] == 0
    for stream in range(first, last):
        f[OPEN + stream] = z[stream] if opened else max(f[OPEN + stream], z[stream])
    c[BLOCK_POS + group] += 1
    if c[BLOCK_POS + group] >= max(BLOCK_LEAST, min(BLOCK_MOST, c[N] // 8)):
        for stream in range(first, last):
            close_block(f, b, stream, blocks)
        c[BLOCK_POS + group] = 0
        c[BLOCKS + group] = min(blocks + 1, MOST_BLOCKS)
    return total
