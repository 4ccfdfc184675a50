"""Thins a range of samples for drawing without losing an extreme: each bucket keeps its least, greatest and strangest sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Floats, Times, Values


def rows_to_keep(time: Times, value: Values, score: Floats, start: int, end: int, points: int) -> NDArray[np.intp]:
    """Rows, rising, of at most max(4, points) samples of the range [start, end) in Unix ms; times are rising.

    The range is cut into (points - 1) // 3 buckets of equal length. A bucket keeps the rows of its minimum, its maximum and its
    worst score, at their real times; the first row stands in where a bucket has no value at all. The newest row stays,
    for what a page calls the latest sample is the latest.
    """
    n = time.shape[0]
    if n <= points:
        return np.arange(n)
    buckets = max(1, (points - 1) // 3)
    width = max(1.0, (end - start) / buckets)
    bucket = np.clip(((time - start) / width).astype(np.int64), 0, buckets - 1)
    kept = [_first(bucket, order) for order in (value, -value, -score.astype(np.float64))]
    return np.unique(np.concatenate([*kept, [n - 1]]))


def _first(bucket: NDArray[np.int64], order: NDArray[np.float64]) -> NDArray[np.intp]:
    """The row of the least `order` in each bucket; NaN comes last."""
    rows = np.lexsort((order, bucket))
    sorted_buckets = bucket[rows]
    return rows[np.flatnonzero(np.diff(sorted_buckets, prepend=sorted_buckets[0] - 1))]
