"""Is a statistic of the series more extreme than it used to be: 44 one-sided streams, each against its remembered extremes.

Time is cut into blocks; of each stream the maximum of the open block and the five largest block maxima are kept, with the block
they came from. A stream that passes the fifth of them is a little surprising, one that passes all of them very. The sum is the
record strength. Method and constants: own study on NAB and five other sets.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import kernel
from awry.detection.state import BLOCK_POS, BLOCKS, CUR, DEV, MED, RANKS, STREAMS, TOP, N

BLOCK_LEAST, BLOCK_MOST = 12, 50
"""Samples in a block: an eighth of those seen, within these bounds."""
START_BLOCKS = 4
"""Closed blocks before a stream may speak."""
FADE_BLOCKS = 100.0
"""Blocks over which a remembered extreme loses its weight."""
KEEP_BLOCKS = 300
"""Blocks after which the smallest extreme is replaced by whatever comes."""
SURPRISE_MOST = 6.0
LEVEL, SUSTAINED, VARIABILITY, FLAT, TREND, JUMP, BY_DAY, BY_WEEK = 0, 1, 2, 3, 4, 5, 6, 7
FAMILIES = 8
FAMILY_NAMES = ("levels", "sustained", "variability", "flatness", "trends", "jumps", "day records", "week records")
"""What the streams of a family say when they pass their extremes."""
FAMILY = np.repeat(
    [LEVEL, SUSTAINED, JUMP, VARIABILITY, FLAT, TREND, JUMP, BY_DAY, BY_WEEK],
    [8, 6, 1, 3, 2, 6, 6, 6, 6],
)
"""Of each stream. A large step is a jump; only its running means say that the series varies more."""
WEIGHT = np.where(FAMILY == SUSTAINED, 2.0, 1.0).astype(np.float32)
"""That the last 3, 8 or 24 values all lay beyond weighs twice."""
AGE_MOST = 60_000
"""Block number at which numbers are moved back by half, to fit 16 bits."""


@kernel
def surprise(f: NDArray[np.float32], u: NDArray[np.uint16], stream: int, z: float, blocks: int) -> float:
    """How surprising z is for one stream, 0 to 6: 2 + ln(.5 / (k + .5)), plus the log of how far it passes the largest.

    k: number of remembered extremes at or above z, each weighted by exp(-age / 100 blocks).
    """
    beyond = 0.0
    for rank in range(min(blocks, RANKS)):
        if f[TOP + rank * STREAMS + stream] >= z:
            beyond += math.exp(-(blocks - u[rank * STREAMS + stream]) / FADE_BLOCKS)
    s = 2.0 + math.log(0.5 / (beyond + 0.5))
    largest = f[TOP + stream]
    if z > largest:
        spread = largest - f[MED + stream]
        if spread <= 0.0:
            spread = 1e-9 + 1e-6 * abs(largest)
        s += math.log1p((z - largest) / spread)
    return min(max(s, 0.0), SURPRISE_MOST)


@kernel
def close_block(f: NDArray[np.float32], u: NDArray[np.uint16], stream: int, blocks: int) -> None:
    """Take the open block's maximum of one stream into its median, deviation and five extremes; blocks: closed before it.

    Of equal extremes the latest are kept: what comes again and again, as in a constant series, does not grow old.
    """
    top = f[CUR + stream]
    if blocks == 0:
        f[MED + stream] = top
        f[DEV + stream] = 0.0
    else:
        away = top - f[MED + stream]
        f[DEV + stream] += max(1.0 / (blocks + 1), 0.02) * (abs(away) - f[DEV + stream])
        most = 1.5 * f[DEV + stream] * max(1.0 / (blocks + 1), 0.05)
        f[MED + stream] += min(max(away, -most), most)
    last = (RANKS - 1) * STREAMS + stream
    if blocks >= RANKS and top < f[TOP + last] and blocks - u[last] <= KEEP_BLOCKS:
        return
    rank = min(blocks, RANKS - 1)
    while rank > 0 and f[TOP + (rank - 1) * STREAMS + stream] <= top:
        f[TOP + rank * STREAMS + stream] = f[TOP + (rank - 1) * STREAMS + stream]
        u[rank * STREAMS + stream] = u[(rank - 1) * STREAMS + stream]
        rank -= 1
    f[TOP + rank * STREAMS + stream] = top
    u[rank * STREAMS + stream] = blocks


@kernel
def record_group(
    f: NDArray[np.float32], u: NDArray[np.uint16], c: NDArray[np.int32], z: NDArray[np.float32], group: int, first: int, last: int,
    weight: NDArray[np.float32], family: NDArray[np.float64],
) -> float:  # fmt: skip
    """Record strength of streams [first, last) for this sample, which is then learned.

    z: float32 (44,), the streams' values now. weight: float32 (44,), 0 leaves a stream out. family: (8,), takes each family's
    largest surprise. The open block is never compared with itself.
    """
    blocks = c[BLOCKS + group]
    total = 0.0
    if blocks >= START_BLOCKS:
        smallest = TOP + min(blocks - 1, RANKS - 1) * STREAMS
        for stream in range(first, last):
            if z[stream] >= f[smallest + stream] and weight[stream] > 0.0:
                s = surprise(f, u, stream, z[stream], blocks)
                total += weight[stream] * s
                kind = FAMILY[stream]
                family[kind] = max(family[kind], s)
    if c[BLOCK_POS + group] == 0:
        for stream in range(first, last):
            f[CUR + stream] = z[stream]
    else:
        for stream in range(first, last):
            f[CUR + stream] = max(f[CUR + stream], z[stream])
    c[BLOCK_POS + group] += 1
    if c[BLOCK_POS + group] >= max(BLOCK_LEAST, min(BLOCK_MOST, c[N] // 8)):
        for stream in range(first, last):
            close_block(f, u, stream, blocks)
        c[BLOCK_POS + group] = 0
        c[BLOCKS + group] = blocks + 1
        if blocks + 1 >= AGE_MOST:
            half = AGE_MOST // 2
            c[BLOCKS + group] -= half
            for rank in range(RANKS):
                for stream in range(first, last):
                    at = rank * STREAMS + stream
                    u[at] = u[at] - half if u[at] > half else 0
    return total
