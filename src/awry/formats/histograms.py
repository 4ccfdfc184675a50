"""Histograms: what came between two points, and quantiles of that; for `otlp_expand`.

Within a bucket of given bounds values are taken to be spread evenly, within an exponential one evenly in the logarithm, as
Prometheus does (prometheus.io, "histogram_quantile"). Sources: opentelemetry.io, "Metrics Data Model", exponential histograms.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from awry.core.kernel import allocating, kernel

EXPLICIT = -1000
"""In place of a scale: the buckets have given bounds."""
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


@allocating
def between(before: Buckets, now: Buckets) -> tuple[bool, Buckets]:
    """What was observed between two cumulative points, and whether it began anew: a count fell, or the bounds changed.

    Then all of `now` came since.
    """
    if (now.scale == EXPLICIT) != (before.scale == EXPLICIT):
        return True, now
    if now.scale == EXPLICIT:
        n = now.bounds.shape[0]
        if before.bounds.shape[0] != n or before.positive.shape[0] != now.positive.shape[0]:
            return True, now
        for i in range(n):
            if before.bounds[i] != now.bounds[i]:
                return True, now
        gained = now.positive - before.positive
        for i in range(gained.shape[0]):
            if not gained[i] >= 0:
                return True, now
        return False, Buckets(EXPLICIT, now.bounds, 0.0, 0.0, 0, gained, 0, now.negative)
    scale = min(before.scale, now.scale)
    old, new = at_scale(before, scale), at_scale(now, scale)
    up_fell, up = _less(new.offset, new.positive, old.offset, old.positive)
    down_fell, down = _less(new.negative_offset, new.negative, old.negative_offset, old.negative)
    zero = new.zero - old.zero
    if up_fell or down_fell or zero < 0:
        return True, now
    return False, Buckets(scale, now.bounds, zero, new.threshold, new.offset, up, new.negative_offset, down)


@allocating
def at_scale(buckets: Buckets, scale: int) -> Buckets:
    """Exponential buckets made coarser: 2^(difference of scales) neighbours become one."""
    shift = min(buckets.scale - scale, 62)
    if shift == 0:
        return buckets
    offset, positive = _coarser(buckets.offset, buckets.positive, shift)
    negative_offset, negative = _coarser(buckets.negative_offset, buckets.negative, shift)
    return Buckets(scale, buckets.bounds, buckets.zero, buckets.threshold, offset, positive, negative_offset, negative)


@kernel
def quantile(buckets: Buckets, q: float) -> float:
    """The estimated q-quantile; NaN where nothing was observed, or where the buckets do not tell."""
    if buckets.scale == EXPLICIT:
        return float(explicit_quantile(buckets.bounds, buckets.positive, q))
    b = buckets
    found = exponential_quantile(b.scale, b.zero, b.threshold, b.offset, b.positive, b.negative_offset, b.negative, q)
    return float(found)


@allocating
def _less(offset: int, counts: Floats, taken_offset: int, taken: Floats) -> tuple[bool, Floats]:
    """(whether one would be negative, counts less those of an earlier point, by bucket)."""
    left = counts.copy()
    at = taken_offset - offset
    for i in range(taken.shape[0]):
        if taken[i] != 0:
            if not 0 <= at + i < left.shape[0] or left[at + i] < taken[i]:
                return True, left
            left[at + i] -= taken[i]
    return False, left


@allocating
def _coarser(offset: int, counts: Floats, shift: int) -> tuple[int, Floats]:
    first = offset >> shift
    if counts.shape[0] == 0:
        return first, counts
    wide = np.zeros(((offset + counts.shape[0] - 1) >> shift) - first + 1)
    for i in range(counts.shape[0]):
        wide[((offset + i) >> shift) - first] += counts[i]
    return first, wide


@kernel
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


@kernel
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
