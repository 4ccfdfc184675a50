"""Reads the histograms, exponential histograms and summaries of OTLP from the wire; for `otlp_expand`.

Sources: opentelemetry.io, metrics.proto and "Metrics Data Model"; protobuf.dev, "Encoding".
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float64, uint64
from numba.extending import intrinsic
from numpy.typing import NDArray

from awry.core.hashing import load8
from awry.core.kernel import allocating, kernel
from awry.formats.histograms import EXPLICIT, Buckets, Floats
from awry.formats.protobuf_walk import field, varint

MAX_BUCKETS = 1024
"""Most buckets of a point (on each side, if it is exponential), and most quantiles of a summary."""
TOO_MANY, DAMAGED, BAD_BUCKETS = -1, -2, -3
"""Faults of a point: more than MAX_BUCKETS; not to be parsed; buckets that cannot be."""
_MOST_SCALE = 64


@allocating
def read_explicit(data: NDArray[np.uint8], at: int, end: int, head: Floats, one: Floats, two: Floats) -> tuple[int, Buckets]:
    """Fault (0 if none) and buckets of a HistogramDataPoint; count and sum (NaN if none) go to `head` (6,).

    The buckets lie in `one` and `two` (MAX_BUCKETS + 1,), which may be used again when they are no longer wanted.
    """
    counts, bounds = _histogram(data, at, end, head, one, two)
    fault = min(counts, 0)
    counts, bounds = max(counts, 0), max(bounds, 0)
    if fault == 0 and counts + bounds > 0 and counts != bounds + 1:
        fault = BAD_BUCKETS
    for i in range(bounds):
        if fault == 0 and (not math.isfinite(two[i]) or (i > 0 and not two[i] > two[i - 1])):
            fault = BAD_BUCKETS
    return fault, Buckets(EXPLICIT, two[:bounds], 0.0, 0.0, 0, one[:counts], 0, two[:0])


@allocating
def read_exponential(data: NDArray[np.uint8], at: int, end: int, head: Floats, one: Floats, two: Floats) -> tuple[int, Buckets]:
    """The same of an ExponentialHistogramDataPoint."""
    up, down, scale, offset, negative_offset = _exponential(data, at, end, head, one, two)
    fault = min(up, 0)
    if fault == 0 and (abs(scale) > _MOST_SCALE or not head[3] >= 0):
        fault = BAD_BUCKETS
    up, down = max(up, 0), max(down, 0)
    return fault, Buckets(scale, two[:0], head[2], head[3], offset, one[:up], negative_offset, two[:down])


@intrinsic
def _from_bits(typingctx: Any, word: Any) -> Any:
    """The double of these bits."""
    from llvmlite import ir

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.DoubleType())

    return float64(uint64), codegen


from_bits: Any = _from_bits


@kernel
def _double(data: NDArray[np.uint8], at: int) -> Any:
    return from_bits(load8(data, at))


@kernel
def _sint(data: NDArray[np.uint8], at: int, end: int) -> int:
    """A number of type sint32."""
    raw, _ = varint(data, at, end)
    low = np.int64(raw & np.uint64(0xFFFFFFFF))
    return (low >> 1) ^ -(low & 1)  # type: ignore[return-value]


@kernel
def _histogram(data: NDArray[np.uint8], at: int, end: int, head: Floats, counts: Floats, bounds: Floats) -> Any:
    """Fill head (count, sum), counts, bounds; tells how many of these there are, the first TOO_MANY or DAMAGED."""
    head[0], head[1] = 0.0, math.nan
    n = m = 0
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return DAMAGED, 0
        at = after
        if tag == 33:
            head[0] = float(load8(data, inner))
        elif tag == 41:
            head[1] = _double(data, inner)
        elif tag == 49 or tag == 50 or tag == 57 or tag == 58:
            if (after - inner) % 8:
                return DAMAGED, 0
            if (n if tag < 57 else m) + (after - inner) // 8 > MAX_BUCKETS:
                return TOO_MANY, 0
            while inner < after:
                if tag < 57:
                    counts[n] = float(load8(data, inner))
                    n += 1
                else:
                    bounds[m] = _double(data, inner)
                    m += 1
                inner += 8
    return n, m


@kernel
def _buckets(data: NDArray[np.uint8], at: int, end: int, counts: Floats, n: int) -> Any:
    """Append the counts of a side to n of them; (how many now, index of the first)."""
    offset = 0
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return DAMAGED, 0
        at = after
        if tag == 8:
            offset = _sint(data, inner, after)
        elif tag == 16 or tag == 18:
            while inner < after:
                count, inner = varint(data, inner, after)
                if inner < 0:
                    return DAMAGED, 0
                if n >= MAX_BUCKETS:
                    return TOO_MANY, 0
                counts[n] = float(count)
                n += 1
    return n, offset


@kernel
def _exponential(data: NDArray[np.uint8], at: int, end: int, head: Floats, positive: Floats, negative: Floats) -> Any:
    """Fill head (count, sum, zero count, zero threshold) and both sides; (positive buckets or TOO_MANY or DAMAGED, negative ones,
    scale, index of the first positive bucket, of the first negative one)."""
    head[0], head[1], head[2], head[3] = 0.0, math.nan, 0.0, 0.0
    up, down, scale, up_offset, down_offset = 0, 0, 0, 0, 0
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return DAMAGED, 0, 0, 0, 0
        at = after
        if tag == 33:
            head[0] = float(load8(data, inner))
        elif tag == 41:
            head[1] = _double(data, inner)
        elif tag == 48:
            scale = _sint(data, inner, after)
        elif tag == 57:
            head[2] = float(load8(data, inner))
        elif tag == 113:
            head[3] = _double(data, inner)
        elif tag == 66:
            up, up_offset = _buckets(data, inner, after, positive, up)
        elif tag == 74:
            down, down_offset = _buckets(data, inner, after, negative, down)
        if up < 0 or down < 0:
            return min(up, down), 0, 0, 0, 0
    return up, down, scale, up_offset, down_offset


@kernel
def read_summary(data: NDArray[np.uint8], at: int, end: int, head: Floats, levels: Floats, values: Floats) -> int:
    """Fill head (count, sum), quantiles and their values; tells how many, or TOO_MANY or DAMAGED."""
    head[0], head[1] = 0.0, 0.0
    n = 0
    while at < end:
        tag, inner, after = field(data, at, end)
        if after < 0:
            return DAMAGED
        at = after
        if tag == 33:
            head[0] = float(load8(data, inner))
        elif tag == 41:
            head[1] = _double(data, inner)
        elif tag == 50:
            if n >= MAX_BUCKETS:
                return TOO_MANY
            levels[n], values[n] = 0.0, 0.0
            while inner < after:
                tag, content, content_end = field(data, inner, after)
                if content_end < 0:
                    return DAMAGED
                if tag == 9:
                    levels[n] = _double(data, content)
                elif tag == 17:
                    values[n] = _double(data, content)
                inner = content_end
            n += 1
    return n
