"""Histograms of OTLP: buckets read from the wire, what came between two points, and quantiles of that; for `otlp`.

Within a bucket of given bounds values are taken to be spread evenly, within an exponential one evenly in the logarithm, as
Prometheus does (prometheus.io, "histogram_quantile"). Sources: opentelemetry.io, "Metrics Data Model", exponential histograms.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from awry.core.hashing import load8
from awry.formats.protobuf_walk import field, varint

MAX_BUCKETS = 1024
"""Most buckets of a point (on each side, if it is exponential), and most quantiles of a summary."""
TOO_MANY, DAMAGED = -1, -2
EXPLICIT = -1000
"""In place of a scale: the buckets have given bounds."""
_MOST_SCALE = 64
Floats = NDArray[np.float64]


class Buckets(NamedTuple):
    """Counts by bucket. With given bounds: `positive` has one count more than there are `bounds`, the rest is unused."""

    scale: int
    bounds: Floats
    zero: float
    threshold: float
    offset: int
    """Index of the first positive bucket: bucket i holds (base^i, base^(i+1)], base = 2^(2^-scale)."""
    positive: Floats
    negative_offset: int
    negative: Floats

    @property
    def nbytes(self) -> int:
        """Bytes held, roughly."""
        return 300 + self.bounds.nbytes + self.positive.nbytes + self.negative.nbytes

    @property
    def total(self) -> float:
        """Observations in all buckets."""
        return float(self.positive.sum() + self.negative.sum() + self.zero)


class Reader:
    """Reads distributions from the wire; has the room that its kernels need."""

    def __init__(self) -> None:
        self._head = np.empty(6)
        self._one, self._two = np.empty(MAX_BUCKETS + 1), np.empty(MAX_BUCKETS + 1)

    def histogram(self, data: NDArray[np.uint8], at: int, end: int) -> tuple[float, float, Buckets] | str:
        """Count, sum (NaN if none) and buckets of a HistogramDataPoint, or why it is refused."""
        counts, bounds = _histogram(data, at, end, self._head, self._one, self._two)
        if counts < 0:
            return "too_long" if counts == TOO_MANY else "malformed"
        edges = self._two[:bounds].copy()
        if (counts or bounds) and counts != bounds + 1:
            return "bad_buckets"
        if bounds and not (np.isfinite(edges).all() and (np.diff(edges) > 0).all()):
            return "bad_buckets"
        none = np.empty(0)
        return self._head[0], self._head[1], Buckets(EXPLICIT, edges, 0.0, 0.0, 0, self._one[:counts].copy(), 0, none)

    def exponential(self, data: NDArray[np.uint8], at: int, end: int) -> tuple[float, float, Buckets] | str:
        """The same of an ExponentialHistogramDataPoint."""
        head = self._head
        positive, negative, scale, offset, negative_offset = _exponential(data, at, end, head, self._one, self._two)
        if positive < 0:
            return "too_long" if positive == TOO_MANY else "malformed"
        if abs(scale) > _MOST_SCALE or not head[3] >= 0:
            return "bad_buckets"
        up, down = self._one[:positive].copy(), self._two[:negative].copy()
        return head[0], head[1], Buckets(scale, np.empty(0), head[2], head[3], offset, up, negative_offset, down)

    def summary(self, data: NDArray[np.uint8], at: int, end: int) -> tuple[float, float, list[tuple[float, float]]] | str:
        """Count, sum and (quantile, value) of a SummaryDataPoint."""
        found = _summary(data, at, end, self._head, self._one, self._two)
        if found < 0:
            return "too_long" if found == TOO_MANY else "malformed"
        return self._head[0], self._head[1], list(zip(self._one[:found].tolist(), self._two[:found].tolist(), strict=True))


def between(before: Buckets, now: Buckets) -> Buckets | None:
    """What was observed between two cumulative points; None when a count fell or the bounds changed: it began anew."""
    if now.scale == EXPLICIT or before.scale == EXPLICIT:
        if now.scale != before.scale or not np.array_equal(now.bounds, before.bounds):
            return None
        gained = now.positive - before.positive
        return None if (gained < 0).any() else now._replace(positive=gained)
    scale = min(before.scale, now.scale)
    old, new = at_scale(before, scale), at_scale(now, scale)
    zero = new.zero - old.zero
    positive, negative = _less(new, old, "positive", "offset"), _less(new, old, "negative", "negative_offset")
    if zero < 0 or positive is None or negative is None:
        return None
    return new._replace(zero=zero, positive=positive, negative=negative)


def at_scale(buckets: Buckets, scale: int) -> Buckets:
    """Exponential buckets made coarser: 2^(difference of scales) neighbours become one."""
    shift = min(buckets.scale - scale, 62)
    if not shift:
        return buckets
    offset, positive = _coarser(buckets.offset, buckets.positive, shift)
    negative_offset, negative = _coarser(buckets.negative_offset, buckets.negative, shift)
    return buckets._replace(
        scale=scale, offset=offset, positive=positive, negative_offset=negative_offset, negative=negative
    )  # fmt: skip


def quantiles(buckets: Buckets, wanted: tuple[float, ...]) -> list[float]:
    """Estimated quantiles; NaN where nothing was observed, or where the buckets do not tell."""
    if buckets.scale == EXPLICIT:
        return [float(explicit_quantile(buckets.bounds, buckets.positive, q)) for q in wanted]
    b = buckets
    rest = (b.scale, b.zero, b.threshold, b.offset, b.positive, b.negative_offset, b.negative)
    return [float(exponential_quantile(*rest, q)) for q in wanted]


def _less(new: Buckets, old: Buckets, side: str, offset: str) -> Floats | None:
    """Counts of `new` less those of `old`, by bucket; None when one would be negative."""
    left: Floats = getattr(new, side).copy()
    taken: Floats = getattr(old, side)
    at = getattr(old, offset) - getattr(new, offset)
    for i in np.flatnonzero(taken).tolist():
        if not 0 <= at + i < len(left) or left[at + i] < taken[i]:
            return None
        left[at + i] -= taken[i]
    return left


def _coarser(offset: int, counts: Floats, shift: int) -> tuple[int, Floats]:
    if not len(counts):
        return offset >> shift, counts
    index = (offset + np.arange(len(counts))) >> shift
    return int(index[0]), np.bincount(index - index[0], counts).astype(np.float64)


@njit(cache=True, nogil=True)
def explicit_quantile(bounds: Floats, counts: Floats, q: float) -> float:
    """The q-quantile of counts (n + 1,) between bounds (n,); the lowest bucket begins at 0 if its bound is positive."""
    total = counts.sum()
    n = bounds.shape[0]
    if not total > 0 or n == 0:
        return math.nan
    rank, seen = q * total, 0.0
    for i in range(n):
        if counts[i] > 0 and seen + counts[i] >= rank:
            if i == 0 and bounds[0] <= 0:
                return bounds[0]  # type: ignore[no-any-return]
            low = bounds[i - 1] if i > 0 else 0.0
            return low + (bounds[i] - low) * (rank - seen) / counts[i]  # type: ignore[no-any-return]
        seen += counts[i]
    return bounds[n - 1]  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def exponential_quantile(
    scale: int, zero: float, threshold: float, offset: int, positive: Floats, negative_offset: int, negative: Floats, q: float
) -> float:
    """The q-quantile of exponential buckets, from the most negative to the most positive one; NaN beyond what a float holds."""
    total = positive.sum() + negative.sum() + zero
    if not total > 0:
        return math.nan
    width = 2.0**-scale
    rank, seen = q * total, 0.0
    found = math.nan
    for i in range(negative.shape[0] - 1, -1, -1):
        if negative[i] > 0:
            found = -(2.0 ** ((negative_offset + i + 1 - max(0.0, (rank - seen) / negative[i])) * width))
            if seen + negative[i] >= rank:
                return found if math.isfinite(found) else math.nan
            seen += negative[i]
    if zero > 0:
        low = -threshold if negative.sum() > 0 else 0.0
        high = threshold if positive.sum() > 0 else 0.0
        found = low + (high - low) * (rank - seen) / zero
        if seen + zero >= rank:
            return found  # type: ignore[no-any-return]
        seen += zero
    for i in range(positive.shape[0]):
        if positive[i] > 0:
            found = 2.0 ** ((offset + i + min(1.0, (rank - seen) / positive[i])) * width)
            if seen + positive[i] >= rank:
                break
            seen += positive[i]
    return found if math.isfinite(found) else math.nan


@njit(cache=True, nogil=True)
def _double(data: NDArray[np.uint8], at: int) -> Any:
    word = np.empty(1, np.uint64)
    word[0] = load8(data, at)
    return word.view(np.float64)[0]


@njit(cache=True, nogil=True)
def _sint(data: NDArray[np.uint8], at: int, end: int) -> int:
    """A number of type sint32."""
    raw, _ = varint(data, at, end)
    low = np.int64(raw & np.uint64(0xFFFFFFFF))
    return (low >> 1) ^ -(low & 1)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
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


@njit(cache=True, nogil=True)
def _summary(data: NDArray[np.uint8], at: int, end: int, head: Floats, levels: Floats, values: Floats) -> int:
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
